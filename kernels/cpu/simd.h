// Vectors of TTS_LANES floats in the compiler's own vector types: one text for every level. Included inside
// the namespace of a level (each_level.h), hence without a guard and without headers of its own.
//
// Elementary functions, error in units of 2^-24 of the result unless stated:
//   exp_of   2, arguments clamped to the range of floats      sine_squared   absolute 2^-23 for |t| <= 25000
//   erf_of   2 absolute

using F = float __attribute__((vector_size(4 * TTS_LANES)));
using I = int32_t __attribute__((vector_size(4 * TTS_LANES)));
using U = uint32_t __attribute__((vector_size(4 * TTS_LANES)));
constexpr int kLanes{TTS_LANES};

inline F broadcast(float x) { return x - F{}; }  // x - 0 keeps the sign of zero
inline F load(const float* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }
inline F load_part(const float* p, int64_t n) {  // n < kLanes; the rest is zero
  F v{};
  __builtin_memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
  return v;
}
inline void store_part(float* p, F v, int64_t n) {
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(float));
}

inline F load(const bf16* p) {
#if TTS_LANES == \
    16  // the masked form: GCC 12 warns inside its header about the plain one, and widens halves by itself
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return reinterpret_cast<F>(reinterpret_cast<U>(_mm512_maskz_cvtepu16_epi32(0xffff, bits)) << 16);
#else
  using Halves = uint16_t __attribute__((vector_size(2 * TTS_LANES)));
  Halves bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return reinterpret_cast<F>(__builtin_convertvector(bits, U) << 16);
#endif
}
inline F load_part(const bf16* p, int64_t n) {
  bf16 padded[kLanes]{};
  __builtin_memcpy(padded, p, static_cast<size_t>(n) * sizeof(bf16));
  return load(padded);
}

// a * b + c; fused where the level has it. The portable level rounds twice.
inline F fma(F a, F b, F c) {
#if TTS_LANES == 16
  return _mm512_fmadd_ps(a, b, c);
#elif TTS_LANES == 8
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

inline F select(I mask, F a, F b) { return mask ? a : b; }
inline F absolute(F x) { return reinterpret_cast<F>(reinterpret_cast<U>(x) & 0x7fffffffu); }
inline F round_nearest(F x) { return (x + 12582912.0f) - 12582912.0f; }  // 1.5 * 2^23; |x| < 2^22

// Horizontal sums: one fixed tree, whatever the width: halves onto halves, down to (l0 + l2) + (l1 + l3).
#if defined(__x86_64__)
inline __m128 quarter(F v) {  // lanes folded onto four
#if TTS_LANES == 16
  const __m256 half =
      _mm256_add_ps(_mm512_maskz_extractf32x8_ps(255, v, 0), _mm512_maskz_extractf32x8_ps(255, v, 1));
#elif TTS_LANES == 8
  const __m256 half = v;
#endif
#if TTS_LANES >= 8
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#else
  return v;
#endif
}
inline float sum(F v) {
  const __m128 four = quarter(v), two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline void store_sums(float* out, F a, F b, F c, F d) {  // the same tree, four at a time
  const __m128 qa = quarter(a), qb = quarter(b), qc = quarter(c), qd = quarter(d);
  const __m128 ab = _mm_add_ps(_mm_unpacklo_ps(qa, qb), _mm_unpackhi_ps(qa, qb));
  const __m128 cd = _mm_add_ps(_mm_unpacklo_ps(qc, qd), _mm_unpackhi_ps(qc, qd));
  _mm_storeu_ps(out, _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)));
}
#else
inline float sum(F v) { return (v[0] + v[2]) + (v[1] + v[3]); }
inline void store_sums(float* out, F a, F b, F c, F d) {
  out[0] = sum(a), out[1] = sum(b), out[2] = sum(c), out[3] = sum(d);
}
#endif
inline float largest(
    F v) {  // a NaN may be lost: only for the shift of a softmax, whose exponentials see it again
  float most = v[0];
  for (int i = 1; i < kLanes; ++i) most = v[i] > most ? v[i] : most;
  return most;
}

inline bool any_beyond(F x, float limit) {  // some |x| > limit
#if TTS_LANES == 16
  return _mm512_cmp_ps_mask(absolute(x), broadcast(limit), _CMP_GT_OQ) != 0;
#elif TTS_LANES == 8
  return _mm256_movemask_ps(_mm256_cmp_ps(absolute(x), broadcast(limit), _CMP_GT_OQ)) != 0;
#else
  return largest(absolute(x)) > limit;
#endif
}

// e^x = 2^n e^r, |r| <= ln(2)/2; e^r = 1 + r + r^2 p(r), minimax p of degree 4 (3e-9). NaN stays NaN.
inline F exp_of(F x) {
  x = select(x > 88.0f, broadcast(88.0f), x);
  x = select(x < -87.0f, broadcast(-87.0f), x);
  const F n = round_nearest(x * 1.44269504f);
  const F r = fma(n, broadcast(-1.42860677e-6f), fma(n, broadcast(-0.693145752f), x));
  F p = broadcast(0.00138144661f);
  p = fma(p, r, broadcast(0.00836878084f));
  p = fma(p, r, broadcast(0.0416683927f));
  p = fma(p, r, broadcast(0.166665196f));
  p = fma(p, r, broadcast(0.49999994f));
  const F mantissa = fma(r * r, p, r) + 1.0f;
  return reinterpret_cast<F>(reinterpret_cast<I>(mantissa) + (__builtin_convertvector(n, I) << 23));
}

inline F sigmoid(F x) { return 1.0f / (1.0f + exp_of(-x)); }
inline F silu(F x) { return x / (1.0f + exp_of(-x)); }

// |x| <= 1: x P(x^2), 1.2e-9 relative; beyond: 1 - exp(Q(|x|)), 1.1e-9; both minimax.
inline F erf_of(F x) {
  const F z = x * x;
  F low = broadcast(7.85385928e-05f);
  for (const float c :
       {-0.000801019312f, 0.00518832775f, -0.026853811f, 0.112835854f, -0.37612626f, 1.12837911f}) {
    low = fma(low, z, broadcast(c));
  }
  const F a = select(absolute(x) > 4.0f, broadcast(4.0f), absolute(x));  // erfc(4) = 1.5e-8
  F high = broadcast(0.000187972139f);
  for (const float c :
       {-0.00296401046f, 0.0219064932f, -0.10325624f, -0.637964964f, -1.12720227f, -0.000312464283f}) {
    high = fma(high, a, broadcast(c));
  }
  high = 1.0f - exp_of(high);
  high = select(x < 0.0f, -high, high);
  return select(absolute(x) > 1.0f, high, low * x);
}

// sin(t)^2 has period pi: r = t - n pi with pi in three parts, the first two short enough for exact products
// up to n = 8192 even without a fused multiply-add; sin(r) = r + r^3 p(r^2), |r| <= pi/2, minimax p of degree
// 3 (6e-9).
inline F sine_squared(F t) {
  constexpr float kReach{25000.0f};
  if (any_beyond(t, kReach)) {  // angles that f32 barely resolves; the library's sine reduces them exactly
    F y;
    for (int i = 0; i < kLanes; ++i) {
      const double s = __builtin_sin(double{t[i]});
      y[i] = static_cast<float>(s * s);
    }
    return y;
  }
  const F n = round_nearest(t * 0.318309886f);
  F r = fma(n, broadcast(-3.140625f), t);
  r = fma(n, broadcast(-0.00096702575684f), r);
  r = fma(n, broadcast(-6.27711415291e-7f), r);
  const F z = r * r;
  F p = broadcast(2.60548131e-06f);
  p = fma(p, z, broadcast(-0.000198094742f));
  p = fma(p, z, broadcast(0.00833306462f));
  p = fma(p, z, broadcast(-0.166666597f));
  const F s = fma(p, z * r, r);
  return s * s;
}
