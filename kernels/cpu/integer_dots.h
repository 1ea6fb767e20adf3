// Integer dot products of matvec.cpp: weights of 8 and 4 bits, activations rounded to int8 with one scale per
// row. Included inside the namespace of a level, after simd.h.
//
// The masked forms of instructions stand where the plain ones make GCC 12 warn inside its own header.
//
//   int8   bytes:  w0 w1 w2 w3 | w4 ...            one int32 lane sums four neighbours
//   int4   bytes:  block 0, 16 bytes | block 1 ...  low nibbles: weights 0..15 of the block, high: 16..31,
//   plus 8
//          steps:  per 128 weights the first halves of four blocks (64), then the second halves (64)

constexpr int64_t kStep{4 * TTS_LANES};  // bytes of weights per vector

#if TTS_LANES >= 8
inline __m128i quarter(I v) {  // lanes folded onto four
#if TTS_LANES == 16
  const __m256i half =
      _mm256_add_epi32(_mm512_maskz_extracti32x8_epi32(255, reinterpret_cast<__m512i>(v), 0),
                       _mm512_maskz_extracti32x8_epi32(255, reinterpret_cast<__m512i>(v), 1));
#else
  const __m256i half = reinterpret_cast<__m256i>(v);
#endif
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
inline int32_t sum(I v) {  // exact in any order
  const __m128i four = quarter(v), two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
// out[m] = (sum of part m - offset) * factor * scale[m], four weight rows at a time.
inline void store_sums(float* out, I a, I b, I c, I d, int32_t offset, float factor, const float* scale) {
  const __m128i qa = quarter(a), qb = quarter(b), qc = quarter(c), qd = quarter(d);
  const __m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(qa, qb), _mm_unpackhi_epi32(qa, qb));
  const __m128i cd = _mm_add_epi32(_mm_unpacklo_epi32(qc, qd), _mm_unpackhi_epi32(qc, qd));
  const __m128i totals = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
  const __m128 values = _mm_cvtepi32_ps(_mm_sub_epi32(totals, _mm_set1_epi32(offset)));
  _mm_storeu_ps(out, _mm_mul_ps(_mm_mul_ps(values, _mm_set1_ps(factor)), _mm_loadu_ps(scale)));
}
#else
inline int32_t sum(I v) { return v[0] + v[1] + v[2] + v[3]; }
inline void store_sums(float* out, I a, I b, I c, I d, int32_t offset, float factor, const float* scale) {
  const int32_t totals[4] = {sum(a) - offset, sum(b) - offset, sum(c) - offset, sum(d) - offset};
  for (int m = 0; m < 4; ++m) out[m] = static_cast<float>(totals[m]) * factor * scale[m];
}
#endif
inline I load_offsets(const int32_t* p) {
  I v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

#if TTS_LANES == 16
using Bytes = __m512i;
inline Bytes load_bytes(const void* p) { return _mm512_loadu_si512(p); }
#elif TTS_LANES == 8
using Bytes = __m256i;
inline Bytes load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
#else
struct Bytes {
  int8_t at[16];
};
inline Bytes load_bytes(const void* p) {
  Bytes b;
  __builtin_memcpy(&b, p, sizeof b);
  return b;
}
#endif

struct Int8 {
  static constexpr int kTileRows{TTS_LANES == 16 ? 6 : 2};  // 24 sums, 4 weights and a value of 32 registers
  static int64_t row_bytes(int64_t K) { return K; }
  static int64_t steps(int64_t K) { return K / kStep; }
#if defined(TTS_VNNI)
  // The instruction multiplies unsigned by signed: weights plus 128, and 128 times the sum of the steps comes
  // off later.
  static constexpr bool kShifted{true};
  TTS_INLINE Bytes weights(Bytes w) { return _mm512_xor_si512(w, _mm512_set1_epi8(-128)); }
  TTS_INLINE I multiply(I sums, Bytes w, Bytes x) {
    return reinterpret_cast<I>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums), w, x));
  }
#else
  static constexpr bool kShifted{false};
  TTS_INLINE Bytes weights(Bytes w) { return w; }
  TTS_INLINE I multiply(I sums, Bytes w, Bytes x) {
#if TTS_LANES == 16
    const __m512i low = _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm512_maskz_extracti64x4_epi64(15, w, 0)),
                                          _mm512_cvtepi8_epi16(_mm512_maskz_extracti64x4_epi64(15, x, 0)));
    const __m512i high = _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm512_maskz_extracti64x4_epi64(15, w, 1)),
                                           _mm512_cvtepi8_epi16(_mm512_maskz_extracti64x4_epi64(15, x, 1)));
    return sums + reinterpret_cast<I>(_mm512_add_epi32(low, high));
#elif TTS_LANES == 8
    const __m256i low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(w)),
                                          _mm256_cvtepi8_epi16(_mm256_castsi256_si128(x)));
    const __m256i high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1)),
                                           _mm256_cvtepi8_epi16(_mm256_extracti128_si256(x, 1)));
    return sums + reinterpret_cast<I>(_mm256_add_epi32(low, high));
#else
    for (int i = 0; i < 16; ++i) sums[i / 4] += int32_t{w.at[i]} * int32_t{x.at[i]};
    return sums;
#endif
  }
#endif

  using Total = I;
  TTS_INLINE const int8_t* weights_of(const Tensor& matrix, int64_t m, int64_t K) {
    return static_cast<const int8_t*>(matrix.data) + m * K;
  }
  // The last bytes of a row, then zeros; the steps are zero there too.
  TTS_INLINE Bytes last_bytes(const int8_t* w, int64_t n) {
    int8_t last[kStep]{};
    __builtin_memcpy(last, w, static_cast<size_t>(n));
    return load_bytes(last);
  }

  TTS_INLINE I row(const Rows& x, const Tensor& matrix, int64_t m) {
    const int64_t K = x.K, whole = K / kStep * kStep;
    const int8_t* w = weights_of(matrix, m, K);
    I even{}, odd{};  // the order of exact sums is free: two chains
    int64_t k = 0;
    for (; k + 2 * kStep <= whole; k += 2 * kStep) {
      even = multiply(even, weights(load_bytes(w + k)), load_bytes(x.steps + k));
      odd = multiply(odd, weights(load_bytes(w + k + kStep)), load_bytes(x.steps + k + kStep));
    }
    if (k < whole) even = multiply(even, weights(load_bytes(w + k)), load_bytes(x.steps + k));
    if (whole < K) {
      odd = multiply(odd, weights(last_bytes(w + whole, K - whole)), load_bytes(x.steps + whole));
    }
    return even + odd;
  }

  template <int RR>
  TTS_APART void block(float* out, int64_t stride, const Rows& x, const Tensor& matrix, int64_t first,
                    Ahead& ahead) {
    const int64_t K = x.K, whole = K / kStep * kStep;
    const int8_t* w = weights_of(matrix, first, K);
    I sums[4][RR];
    accumulate<RR>(sums, x, w, whole, ahead);
    for (int m = 0; whole < K && m < 4; ++m) {
      const Bytes weight = weights(last_bytes(w + m * K + whole, K - whole));
      for (int r = 0; r < RR; ++r) {
        sums[m][r] = multiply(sums[m][r], weight, load_bytes(x.steps + r * x.padded + whole));
      }
    }
    for (int r = 0; r < RR; ++r) {
      store_sums(out + r * stride, sums[0][r], sums[1][r], sums[2][r], sums[3][r], kShifted ? x.offset[r] : 0,
                 x.scale[r], matrix.scales + first);
    }
  }

  template <int RR>
  TTS_INLINE void accumulate(I (&total)[4][RR], const Rows& x, const int8_t* w, int64_t end, Ahead& ahead) {
    I sums[4][RR]{};
    const char* line = ahead.line;
    const int64_t lines = line < ahead.end ? ahead.lines : 0;
    for (int64_t k = 0; k < end; k += kStep) {
      Bytes weight[4];
      for (int m = 0; m < 4; ++m) weight[m] = weights(load_bytes(w + m * x.K + k));
      for (int64_t i = 0; i < lines; ++i) __builtin_prefetch(line + i * ahead.pitch, 0, 2);
      line += ahead.step;
      for (int r = 0; r < RR; ++r) {
        const Bytes value = load_bytes(x.steps + r * x.padded + k);
        for (int m = 0; m < 4; ++m) sums[m][r] = multiply(sums[m][r], weight[m], value);
      }
    }
    ahead.line = line;
    __builtin_memcpy(total, sums, sizeof sums);
  }

  TTS_INLINE void finish(float* out, const I (&totals)[4], const Rows& x, const Tensor& matrix,
                         int64_t first) {
    store_sums(out, totals[0], totals[1], totals[2], totals[3], kShifted ? *x.offset : 0, *x.scale,
               matrix.scales + first);
  }
  TTS_INLINE float finish(I total, const Rows& x, const Tensor& matrix, int64_t m) {
    return static_cast<float>(sum(total) - (kShifted ? *x.offset : 0)) * *x.scale * matrix.scales[m];
  }
};

struct Int4 {
  static constexpr int kTileRows{TTS_LANES == 16 ? 4 : 2};
  static int64_t row_bytes(int64_t K) { return K / 2; }
  static int64_t steps(int64_t K) { return K / 2 / kStep; }

  // Four neighbouring nibbles (0..15) times their steps, low and high halves, onto the lanes of `start`.
  TTS_INLINE I multiply(I start, Bytes w, Bytes low, Bytes high) {
#if TTS_LANES == 16
    const __m512i mask = _mm512_set1_epi8(15);
    const __m512i first = _mm512_and_si512(w, mask), second = _mm512_and_si512(_mm512_srli_epi16(w, 4), mask);
#if defined(TTS_VNNI)
    const __m512i sums = _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(start), first, low);
    return reinterpret_cast<I>(_mm512_dpbusd_epi32(sums, second, high));
#else  // 2 * 2 * 15 * 127 fits 16 bits
    const __m512i pairs =
        _mm512_add_epi16(_mm512_maddubs_epi16(first, low), _mm512_maddubs_epi16(second, high));
    return start + reinterpret_cast<I>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
#elif TTS_LANES == 8
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i first = _mm256_and_si256(w, mask), second = _mm256_and_si256(_mm256_srli_epi16(w, 4), mask);
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(first, low), _mm256_maddubs_epi16(second, high));
    return start + reinterpret_cast<I>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#else
    for (int i = 0; i < 16; ++i) {
      const int byte = static_cast<uint8_t>(w.at[i]);
      start[i / 4] += (byte & 15) * int32_t{low.at[i]} + (byte >> 4) * int32_t{high.at[i]};
    }
    return start;
#endif
  }

  // Nothing is known about the vector any more: GCC would load it once per use, and loads are what this
  // waits for.
  TTS_INLINE Bytes loaded_once(Bytes w) {
#if TTS_LANES >= 8
    __asm__("" : "+v"(w));
#endif
    return w;
  }

#if TTS_LANES == 16
  template <int FIRST>
  TTS_INLINE F quarter_of(F scales) {  // four neighbours, four lanes each
    constexpr int A{FIRST}, B{FIRST + 1}, C{FIRST + 2}, D{FIRST + 3};
    const __m512i lanes = _mm512_set_epi32(D, D, D, D, C, C, C, C, B, B, B, B, A, A, A, A);
    return _mm512_maskz_permutexvar_ps(0xffff, lanes, scales);
  }
#endif
  TTS_INLINE F scales(const float* p) {  // one per block, four lanes each
#if TTS_LANES == 16
    return quarter_of<0>(_mm512_castps128_ps512(_mm_loadu_ps(p)));
#elif TTS_LANES == 8
    return _mm256_set_m128(_mm_set1_ps(p[1]), _mm_set1_ps(p[0]));
#else
    return broadcast(*p);
#endif
  }

  using Total = F;

  // A row, or what is left of it after whole steps, padded with zeros.
  struct Row {
    const uint8_t* w;
    const float* scale;
  };
  struct Rest {
    uint8_t w[kStep];
    float scale[kStep / 16];
  };
  TTS_INLINE Row row_of(const Tensor& matrix, int64_t m, int64_t K) {
    return {static_cast<const uint8_t*>(matrix.data) + m * (K / 2), matrix.scales + m * (K / 32)};
  }
  TTS_INLINE Row rest_of(Rest& rest, const Row& row, int64_t whole, int64_t bytes) {
    rest = {};
    __builtin_memcpy(rest.w, row.w + whole, static_cast<size_t>(bytes - whole));
    for (int64_t b = whole; b < bytes; b += 16) rest.scale[(b - whole) / 16] = row.scale[b / 16];
    return {rest.w - whole, rest.scale - whole / 16};
  }

  // `at`: byte of the row where the step begins; r: activation row
  TTS_INLINE F step(F sums, const Row& row, const Rows& x, int64_t r, int64_t at) {
    return step(sums, row, x, r, at, scales(row.scale + at / 16));
  }
  TTS_INLINE F step(F sums, const Row& row, const Rows& x, int64_t r, int64_t at, F scale) {
    const int8_t* steps = x.steps + r * x.padded + at / 64 * 128 + at % 64;
    const I offset = load_offsets(x.offset + r * x.offsets + at / 4);
    const I products =
        multiply(offset, loaded_once(load_bytes(row.w + at)), load_bytes(steps), load_bytes(steps + 64));
    return fma(__builtin_convertvector(products, F), scale, sums);
  }

  // One activation row reads two streams, four lines of weights to one of scales. Every line is asked for
  // twice: early for the second cache, which can wait for more lines at once, then for the first. Neither
  // distance is a multiple of a page.
  static constexpr int64_t kFar{11 << 10}, kNear{3 << 10};  // bytes of weights
  TTS_INLINE void fetch(const Row& row, int64_t at) {
    const char* scales = reinterpret_cast<const char*>(row.scale + at / 16);
    const uint8_t* weights = row.w + at;
    __builtin_prefetch(scales + kFar / 4, 0, 2);
    __builtin_prefetch(scales + kNear / 4, 0, 3);
    for (int64_t line = 0; line < 256; line += 64) __builtin_prefetch(weights + line + kFar, 0, 2);
    for (int64_t line = 0; line < 256; line += 64) __builtin_prefetch(weights + line + kNear, 0, 3);
  }

  TTS_INLINE F row(const Rows& x, const Tensor& matrix, int64_t m) {
    const int64_t bytes = x.K / 2, whole = bytes / kStep * kStep;
    const Row weights = row_of(matrix, m, x.K);
    F sums{};
    int64_t at = 0;
    for (; at + 256 <= whole; at += 256) {
      fetch(weights, at);
#if TTS_LANES == 16  // one load for the scales of four steps
      const F sixteen = load(weights.scale + at / 16);
      sums = step(sums, weights, x, 0, at, quarter_of<0>(sixteen));
      sums = step(sums, weights, x, 0, at + kStep, quarter_of<4>(sixteen));
      sums = step(sums, weights, x, 0, at + 2 * kStep, quarter_of<8>(sixteen));
      sums = step(sums, weights, x, 0, at + 3 * kStep, quarter_of<12>(sixteen));
#else
      for (int64_t i = 0; i < 256; i += kStep) sums = step(sums, weights, x, 0, at + i);
#endif
    }
    for (; at < whole; at += kStep) sums = step(sums, weights, x, 0, at);
    if (whole < bytes) {
      Rest rest;
      sums = step(sums, rest_of(rest, weights, whole, bytes), x, 0, whole);
    }
    return sums;
  }

  template <int RR>
  static void block(float* out, int64_t stride, const Rows& x, const Tensor& matrix, int64_t first,
                    Ahead& ahead) {
    const int64_t bytes = x.K / 2, whole = bytes / kStep * kStep;
    Row weights[4];
    for (int m = 0; m < 4; ++m) weights[m] = row_of(matrix, first + m, x.K);
    F sums[4][RR];
    accumulate<RR>(sums, x, weights, whole, ahead);
    for (int m = 0; whole < bytes && m < 4; ++m) {
      Rest rest;
      const Row padded = rest_of(rest, weights[m], whole, bytes);
      for (int r = 0; r < RR; ++r) sums[m][r] = step(sums[m][r], padded, x, r, whole);
    }
    for (int r = 0; r < RR; ++r) {
      const F totals[4] = {sums[0][r], sums[1][r], sums[2][r], sums[3][r]};
      Rows one = x;
      one.scale += r;
      finish(out + r * stride, totals, one, matrix, first);
    }
  }

  template <int RR>
  TTS_APART void accumulate(F (&total)[4][RR], const Rows& x, const Row (&weights)[4], int64_t end,
                            Ahead& ahead) {
    F sums[4][RR]{};
    const char* line = ahead.line;
    const int64_t lines = line < ahead.end ? ahead.lines : 0;
    const Row w[4] = {weights[0], weights[1], weights[2], weights[3]};
    for (int64_t at = 0; at < end; at += kStep) {
      for (int64_t i = 0; i < lines; ++i) __builtin_prefetch(line + i * ahead.pitch, 0, 2);
      line += ahead.step;
      for (int r = 0; r < RR; ++r) {
        for (int m = 0; m < 4; ++m) sums[m][r] = step(sums[m][r], w[m], x, r, at);
      }
    }
    ahead.line = line;
    __builtin_memcpy(total, sums, sizeof sums);
  }

  TTS_INLINE void finish(float* out, const F (&totals)[4], const Rows& x, const Tensor&, int64_t) {
    float sums[4];
    store_sums(sums, totals[0], totals[1], totals[2], totals[3]);
    for (int m = 0; m < 4; ++m) out[m] = sums[m] * *x.scale;
  }
  TTS_INLINE float finish(F total, const Rows& x, const Tensor&, int64_t) { return sum(total) * *x.scale; }
};

// Place of activation k among the steps of a row.
inline int64_t step_place(int64_t k, bool nibbles) {
  if (!nibbles) return k;
  return k / 128 * 128 + k / 16 % 2 * 64 + k / 32 % 4 * 16 + k % 16;
}

TTS_INLINE void look_at(F value, F& most, F& poison) {
  most = select(absolute(value) > most, absolute(value), most);
  poison += value - value;  // 0, or NaN where the value is not finite: the scale carries it on
}

// Rounds a vector of activations to steps and stores the first n of them; the others are zeros.
TTS_INLINE I store_steps(int8_t* to, F value, float steps_per_unit, int64_t n) {
  using Narrow = int8_t __attribute__((vector_size(TTS_LANES)));
  const I steps = __builtin_convertvector(round_nearest(value * steps_per_unit), I);
  const Narrow narrow = __builtin_convertvector(steps, Narrow);
  __builtin_memcpy(to, &narrow, static_cast<size_t>(n));
  return steps;
}

inline void quantize(const QuantizedRow& row, const float* x, int64_t K, bool nibbles) {
  const int64_t whole = K / kLanes * kLanes;
  F most{}, poison{}, other_most{}, other_poison{};  // two chains
  int64_t at = 0;
  for (; at + kLanes < whole; at += 2 * kLanes) {
    look_at(load(x + at), most, poison);
    look_at(load(x + at + kLanes), other_most, other_poison);
  }
  if (at < whole) look_at(load(x + at), most, poison);
  if (whole < K) look_at(load_part(x + whole, K - whole), most, poison);
  const float top = largest(select(most > other_most, most, other_most));
  *row.scale = top / 127.0f + sum(poison + other_poison);
  const float steps_per_unit = top > 0 ? 127.0f / top : 0.0f;
  __builtin_memset(row.steps, 0, static_cast<size_t>(row.padded));
  I total{};
  const int64_t counted = __builtin_isnan(*row.scale) ? 0 : K;  // NaN has no steps; the scale alone says it
  for (int64_t k = 0; k + kLanes <= counted; k += kLanes) {
    total += store_steps(row.steps + step_place(k, nibbles), load(x + k), steps_per_unit, kLanes);
  }
  if (whole < counted) {
    const F rest = load_part(x + whole, K - whole);
    total += store_steps(row.steps + step_place(whole, nibbles), rest, steps_per_unit, K - whole);
  }
  if (!nibbles) {
    *row.offset = 128 * sum(total);
    return;
  }
  for (int64_t lane = 0; lane < row.padded / 8; ++lane) {
    const int8_t* low = row.steps + lane / 16 * 128 + lane % 16 * 4;
    int32_t four = 0;
    for (int i = 0; i < 4; ++i) four += low[i] + low[64 + i];
    row.offset[lane] = -8 * four;
  }
}
