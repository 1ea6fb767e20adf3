// Products of activations with matrices in the four formats, for one row and for many.
//
//   w [M][K], one row after the other in memory      a chunk of kChunk outputs is the unit of the threads
//   ┌──────────── K ───────────►                     one activation row: weight rows in turn, one stream
//   │ ████ tile                                      many: a tile of weight rows x activation rows is held in
//   │ ████                                           registers while memory brings the tile after the next
//   ▼ M
// Every (weight row, activation row) pair has the same vector accumulators that walk K in order, so a row's
// result does not depend on the rows beside it. Int8 and int4: the activations of a row are rounded to
// int8 with one scale (max / 127) and the products are summed exactly in int32; all levels agree on that
// part.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <cmath>

#ifndef TTS_LEVEL

namespace tts {

namespace {

constexpr int kChunk{64};        // outputs per chunk
constexpr int kRowBlock{48};     // rows whose dot products of a chunk are kept on the stack
constexpr int kQuantBlock{128};  // int8 activations are padded with zeros to a multiple

struct Rows {  // activations in the form a weight format reads
  const float* values = nullptr;
  int64_t K = 0;  // floats per row
  // int8 and int4: [rows][padded]; int4 orders each 128 as the nibbles come: the first 16 of four blocks, the
  // last 16
  const int8_t* steps = nullptr;
  const float* scale = nullptr;  // [rows]
  const int32_t* offset =
      nullptr;  // int8: [rows], 128 sum of the steps. int4: [rows][padded / 8], -8 sum of 8 steps
  int64_t padded = 0, offsets = 0;  // of a row
};

struct QuantizedRow {
  int8_t* steps;
  float* scale;
  int32_t* offset;
  int64_t padded;
};

struct MatvecKernels {
  // out[rows][stride] at columns 0..count = x . w[first, first + count)
  void (*dots)(float* out, int64_t stride, const Rows& x, int rows, const Tensor& w, int64_t first,
               int64_t count);
  void (*quantize)(const QuantizedRow& row, const float* x, int64_t K, bool nibbles);
  void (*finish)(float* y, const float* dots, const float* bias, int64_t n, Act act);
  void (*finish_add)(float* y, const float* dots, const float* bias, const float* scale, int64_t n);
  void (*finish_gate)(float* y, const float* gate, const float* up, int64_t n);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/matvec.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

namespace {

bool is_quantized(DType dtype) { return dtype == DType::int8_rows || dtype == DType::int4_blocks; }

// One product: x prepared for w; chunks of outputs of w.
struct Product {
  const MatvecKernels& kernels;
  Rows x;
  int rows;
};

Product prepare(const MatvecKernels& kernels, const Team& team, GrowingMemory& space, const float* x,
                const Tensor& w, int rows) {
  Product p{kernels, {x, w.columns()}, rows};
  if (!is_quantized(w.dtype)) return p;
  const bool nibbles = w.dtype == DType::int4_blocks;
  p.x.padded = (w.columns() + kQuantBlock - 1) / kQuantBlock * kQuantBlock;
  const int64_t offsets = nibbles ? p.x.padded / 8 : 1;
  const int64_t row_bytes = p.x.padded + (offsets + 1) * int64_t{sizeof(float)};
  auto* memory = space.get<std::byte>(rows * row_bytes);
  auto* steps = reinterpret_cast<int8_t*>(memory);
  auto* offset = reinterpret_cast<int32_t*>(memory + rows * p.x.padded);  // vectors of int4: aligned
  auto* scale = reinterpret_cast<float*>(offset + rows * offsets);
  const auto quantize = [&](int row, int) {
    kernels.quantize({steps + row * p.x.padded, scale + row, offset + row * offsets, p.x.padded},
                     x + row * p.x.K, p.x.K, nibbles);
  };
  if (rows < 4) {  // sharing costs more than it saves
    for (int row = 0; row < rows; ++row) quantize(row, 0);
  } else {
    team.run(rows, quantize);
  }
  p.x.steps = steps, p.x.scale = scale, p.x.offset = offset, p.x.offsets = offsets;
  return p;
}

// body(first output, count, first row, rows) over all blocks; a small product stays on the calling thread.
template <class Body>
void for_blocks(const Team& team, int64_t M, int64_t K, int rows, const Body& body) {
  constexpr int64_t kWorthSharing{1 << 16};  // products; about 5 us on one core
  const int chunks = static_cast<int>((M + kChunk - 1) / kChunk);
  const auto chunk = [&](int i, int) {
    const int64_t first = int64_t{i} * kChunk, count = std::min<int64_t>(kChunk, M - first);
    for (int row = 0; row < rows; row += kRowBlock) body(first, count, row, std::min(kRowBlock, rows - row));
  };
  if (M * K * rows < kWorthSharing) {
    for (int i = 0; i < chunks; ++i) chunk(i, 0);
  } else {
    team.run(chunks, chunk);
  }
}

Rows rows_from(Rows x, int row) {
  x.values += row * x.K;
  if (x.steps == nullptr) return x;
  x.steps += row * x.padded;
  x.scale += row;
  x.offset += row * x.offsets;
  return x;
}

void dots(const Product& p, float* out, const Tensor& w, int64_t first, int64_t count, int row, int rows) {
  p.kernels.dots(out, kChunk, rows_from(p.x, row), rows, w, first, count);
}

const float* at(const Tensor& vector, int64_t first) { return vector ? vector.f32() + first : nullptr; }

}  // namespace

void Cpu::linear(float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act) {
  const int64_t M = w.rows();
  const MatvecKernels& kernels = TTS_BY_LEVEL(kMatvec, level_);
  const Product p = prepare(kernels, team_, rows_[0], x, w, rows);
  for_blocks(team_, M, w.columns(), rows, [&](int64_t first, int64_t count, int row, int some) {
    alignas(64) float sums[kRowBlock * kChunk];
    dots(p, sums, w, first, count, row, some);
    for (int r = 0; r < some; ++r) {
      kernels.finish(y + (row + r) * M + first, sums + r * kChunk, at(bias, first), count, act);
    }
  });
}

void Cpu::linear_add(float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                     int rows) {
  const int64_t M = w.rows();
  const MatvecKernels& kernels = TTS_BY_LEVEL(kMatvec, level_);
  const Product p = prepare(kernels, team_, rows_[0], x, w, rows);
  for_blocks(team_, M, w.columns(), rows, [&](int64_t first, int64_t count, int row, int some) {
    alignas(64) float sums[kRowBlock * kChunk];
    dots(p, sums, w, first, count, row, some);
    for (int r = 0; r < some; ++r) {
      kernels.finish_add(y + (row + r) * M + first, sums + r * kChunk, at(bias, first), at(scale, first),
                         count);
    }
  });
}

void Cpu::qkv(float* y, const float* x, const Norm& n, const QkvWeights& w, int rows) {
  const int64_t H = w.q.columns(), M = w.q.rows() + w.k.rows() + w.v.rows();
  const MatvecKernels& kernels = TTS_BY_LEVEL(kMatvec, level_);
  float* normed = normed_.get<float>(rows * H);
  norm(normed, x, n, rows);
  const Product q = prepare(kernels, team_, rows_[0], normed, w.q, rows);
  const Product k = w.k.dtype == w.q.dtype ? q : prepare(kernels, team_, rows_[1], normed, w.k, rows);
  const Product v = w.v.dtype == w.q.dtype ? q : prepare(kernels, team_, rows_[2], normed, w.v, rows);
  int64_t column = 0, chunks = 0;
  struct Part {
    const Tensor* w;
    const Product* x;
    int64_t column, chunk;  // where its outputs and its chunks begin
  } parts[3];
  for (int i = 0; i < 3; ++i) {
    const Tensor* part = i == 0 ? &w.q : i == 1 ? &w.k : &w.v;
    parts[i] = {part, i == 0 ? &q : i == 1 ? &k : &v, column, chunks};
    column += part->rows(), chunks += (part->rows() + kChunk - 1) / kChunk;
  }
  for_blocks(team_, chunks * kChunk, H, rows, [&](int64_t begin, int64_t, int row, int some) {
    const int64_t chunk = begin / kChunk;
    const Part& part = parts[chunk >= parts[2].chunk ? 2 : chunk >= parts[1].chunk ? 1 : 0];
    const int64_t first = (chunk - part.chunk) * kChunk,
                  count = std::min<int64_t>(kChunk, part.w->rows() - first);
    alignas(64) float sums[kRowBlock * kChunk];
    dots(*part.x, sums, *part.w, first, count, row, some);
    for (int r = 0; r < some; ++r) {
      kernels.finish(y + (row + r) * M + part.column + first, sums + r * kChunk, nullptr, count, Act::none);
    }
  });
}

void Cpu::gated(float* y, const float* x, const Norm& n, const Tensor& gate, const Tensor& up, int rows) {
  const int64_t H = gate.columns(), M = gate.rows();
  const MatvecKernels& kernels = TTS_BY_LEVEL(kMatvec, level_);
  float* normed = normed_.get<float>(rows * H);
  norm(normed, x, n, rows);
  const Product p = prepare(kernels, team_, rows_[0], normed, gate, rows);
  const Product p_up = up.dtype == gate.dtype ? p : prepare(kernels, team_, rows_[1], normed, up, rows);
  for_blocks(team_, M, 2 * H, rows, [&](int64_t first, int64_t count, int row, int some) {
    alignas(64) float g[kRowBlock * kChunk], u[kRowBlock * kChunk];
    dots(p, g, gate, first, count, row, some);
    dots(p_up, u, up, first, count, row, some);
    for (int r = 0; r < some; ++r) {
      kernels.finish_gate(y + (row + r) * M + first, g + r * kChunk, u + r * kChunk, count);
    }
  });
}

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"


constexpr int kTile{4};  // weight rows whose sums across lanes are taken together
// What memory should bring while a tile is computed. Short rows: the tile after the next, line after line,
// evenly over all steps; one tile ahead is too late, and at once it overtaxes the queue, so that arithmetic
// and memory take turns (int8, 6 rows of 1024: 13 instead of 16 GB/s). Long rows: the next tile, its four
// rows side by side, while the first activation rows are computed (6 rows of 3072: 18 instead of 14 GB/s).
struct Ahead {
  const char* line;
  const char* end;
  int64_t lines, pitch, step;  // per step of the arithmetic: so many lines so far apart, then on by so much
};
constexpr int64_t kLongRow{2048};  // weights

#define TTS_INLINE [[gnu::always_inline]] static inline
#define TTS_APART [[gnu::noinline]] static  // inlined into its caller, GCC keeps the sums of a tile in memory

// Sums of f32 products. Every pair of rows has two chains, one of the even and one of the odd vectors of K: a
// single chain would be slower than the memory.
template <class W>
struct Dense {
  static constexpr int kTileRows{TTS_LANES == 16 ? 4 : 2};
  static constexpr int64_t kPair{2 * kLanes};
  using Total = F;
  static int64_t row_bytes(int64_t K) { return K * int64_t{sizeof(W)}; }
  static int64_t steps(int64_t K) { return K / kPair * 2; }

  // What is left of K after whole pairs of vectors; it belongs to the first chain.
  TTS_INLINE F add_rest(F sums, const float* x, const W* w, int64_t K) {
    for (int64_t k = K / kPair * kPair; k < K; k += kLanes) {
      const int64_t n = std::min<int64_t>(kLanes, K - k);
      sums = fma(load_part(w + k, n), load_part(x + k, n), sums);
    }
    return sums;
  }

  TTS_INLINE F row(const Rows& x, const Tensor& matrix, int64_t m) {
    const W* w = static_cast<const W*>(matrix.data) + m * x.K;
    const int64_t K = x.K, whole = K / kPair * kPair;
    F even{}, odd{};
    for (int64_t k = 0; k < whole; k += kPair) {
      even = fma(load(w + k), load(x.values + k), even);
      odd = fma(load(w + k + kLanes), load(x.values + k + kLanes), odd);
    }
    if (whole < K) even = add_rest(even, x.values, w, K);
    return even + odd;
  }

  // The two chains one after the other: 16 sums, the weights and an activation leave room in 32 registers,
  // and the half of the lines a pass touches stays in the nearest cache (93 % of peak; both chains at once
  // spill and reach 62 %).
  template <int RR>
  TTS_APART void block(float* out, int64_t stride, const Rows& x, const Tensor& matrix, int64_t first,
                    Ahead& ahead) {
    const W* w = static_cast<const W*>(matrix.data) + first * x.K;
    const int64_t K = x.K, whole = K / kPair * kPair;
    F even[kTile][RR], odd[kTile][RR];
    accumulate<RR>(even, x, w, 0, whole, ahead);
    for (int m = 0; whole < K && m < kTile; ++m) {
      for (int r = 0; r < RR; ++r) even[m][r] = add_rest(even[m][r], x.values + r * K, w + m * K, K);
    }
    accumulate<RR>(odd, x, w, kLanes, whole, ahead);
    for (int r = 0; r < RR; ++r) {
      store_sums(out + r * stride, even[0][r] + odd[0][r], even[1][r] + odd[1][r], even[2][r] + odd[2][r],
                 even[3][r] + odd[3][r]);
    }
  }

  template <int RR>
  TTS_INLINE void accumulate(F (&total)[kTile][RR], const Rows& x, const W* w, int64_t begin, int64_t end,
                            Ahead& ahead) {
    F sums[kTile][RR]{};
    const char* line = ahead.line;
    const int64_t lines = line < ahead.end ? ahead.lines : 0;
    for (int64_t k = begin; k < end; k += kPair) {
      F weight[kTile];
      for (int m = 0; m < kTile; ++m) weight[m] = load(w + m * x.K + k);
      for (int64_t i = 0; i < lines; ++i) __builtin_prefetch(line + i * ahead.pitch, 0, 2);
      line += ahead.step;
      for (int r = 0; r < RR; ++r) {
        const F value = load(x.values + r * x.K + k);
        for (int m = 0; m < kTile; ++m) sums[m][r] = fma(weight[m], value, sums[m][r]);
      }
    }
    ahead.line = line;
    __builtin_memcpy(total, sums, sizeof sums);
  }

  TTS_INLINE void finish(float* out, const F (&totals)[kTile], const Rows&, const Tensor&, int64_t) {
    store_sums(out, totals[0], totals[1], totals[2], totals[3]);
  }
  TTS_INLINE float finish(F total, const Rows&, const Tensor&, int64_t) { return sum(total); }
};

#include "kernels/cpu/integer_dots.h"  // on the vectors of simd.h

Rows skip_rows(Rows x, int rows) {
  x.values += rows * x.K;
  if (x.steps == nullptr) return x;
  x.steps += rows * x.padded;
  x.scale += rows;
  x.offset += rows * x.offsets;
  return x;
}

// kTile weight rows against all activation rows, RR at a time, then the rest.
template <class Format, int RR>
void sweep(float* out, int64_t stride, Rows x, int rows, const Tensor& w, int64_t first, Ahead& ahead) {
  for (; rows >= RR; rows -= RR) {
    Format::template block<RR>(out, stride, x, w, first, ahead);
    out += RR * stride;
    x = skip_rows(x, RR);
  }
  if constexpr (RR > 1) {
    if (rows > 0) sweep<Format, RR - 1>(out, stride, x, rows, w, first, ahead);
  }
}

// Whole tiles of outputs; returns where they end.
template <class Format>
int64_t sweep_tiles(float* out, int64_t stride, const Rows& x, int rows, const Tensor& w, int64_t first,
                    int64_t count) {
  constexpr int RR{Format::kTileRows};
  const int64_t row = Format::row_bytes(x.K), bytes = kTile * row,
                steps = (rows + RR - 1) / RR * Format::steps(x.K);
  int64_t m = 0;
  for (; m + kTile <= count; m += kTile) {
    const char* tile = static_cast<const char*>(w.data) + (first + m) / kTile * bytes;
    const int64_t lines = steps > 0 ? (bytes / 64 + steps - 1) / steps : 0;
    Ahead ahead = x.K < kLongRow ? Ahead{tile + 2 * bytes, tile + 3 * bytes, lines, 64, 64 * lines}
                                     : Ahead{tile + bytes, tile + bytes + row, kTile, row, 64};
    sweep<Format, RR>(out + m, stride, x, rows, w, first + m, ahead);
  }
  return m;
}

// One activation row: memory is read as one stream, row after row (four or eight interleaved rows reached 52
// to 63 % of the rate of a plain read, one prefetch of each line 70 to 85 %), and the sums across lanes are
// taken kTile at a time (one at a time, rows of 1 KiB reached half of it). Int4 has two streams, which the
// processor does not follow as well, and fetches each line twice: 40 to 66 % became 56 to 81 % where the
// weights lie on pages of 4 KiB, 68 to 84 % became 78 to 90 % on huge ones.
template <class Format>
int64_t row_in_turn(float* out, const Rows& x, const Tensor& w, int64_t first, int64_t count) {
  int64_t m = 0;
  for (; m + kTile <= count; m += kTile) {
    typename Format::Total totals[kTile];
    for (int i = 0; i < kTile; ++i) totals[i] = Format::row(x, w, first + m + i);
    Format::finish(out + m, totals, x, w, first + m);
  }
  return m;
}

template <class Format>
void multiply(float* out, int64_t stride, const Rows& x, int rows, const Tensor& w, int64_t first,
              int64_t count) {
  int64_t m = rows == 1 ? row_in_turn<Format>(out, x, w, first, count)
                        : sweep_tiles<Format>(out, stride, x, rows, w, first, count);
  for (; m < count; ++m) {
    for (int r = 0; r < rows; ++r) {
      const Rows one = skip_rows(x, r);
      out[r * stride + m] = Format::finish(Format::row(one, w, first + m), one, w, first + m);
    }
  }
}

void dots(float* out, int64_t stride, const Rows& x, int rows, const Tensor& w, int64_t first,
          int64_t count) {
  switch (w.dtype) {
    case DType::f32:
      return multiply<Dense<float>>(out, stride, x, rows, w, first, count);
    case DType::bf16:
      return multiply<Dense<bf16>>(out, stride, x, rows, w, first, count);
    case DType::int8_rows:
      return multiply<Int8>(out, stride, x, rows, w, first, count);
    case DType::int4_blocks:
      return multiply<Int4>(out, stride, x, rows, w, first, count);
    default:
      throw Error(Exit::internal, "product: expected F32, BF16, int8 or int4 weights, got {}", str(w));
  }
}

// ---- what happens to a dot product ------------------------------------------------------------------------

F activate(F x, Act act) {
  switch (act) {
    case Act::none:
      return x;
    case Act::relu:
      return select(x < 0.0f, F{}, x);
    case Act::silu:
      return silu(x);
    case Act::gelu:
      return 0.5f * x * (1.0f + erf_of(x * 0.707106781f));
    case Act::sigmoid:
      return sigmoid(x);
    case Act::relu_tanh:
      return activate(select(x < 0.0f, F{}, x), Act::tanh);
    case Act::tanh:
      for (int i = 0; i < kLanes; ++i) x[i] = std::tanh(x[i]);
      return x;
  }
  return x;
}

F load_some(const float* p, int64_t i, int64_t n) {  // p may be absent: zeros
  if (p == nullptr) return F{};
  return n - i >= kLanes ? load(p + i) : load_part(p + i, n - i);
}
void store_some(float* p, F v, int64_t i, int64_t n) {
  if (n - i >= kLanes)
    store(p + i, v);
  else
    store_part(p + i, v, n - i);
}

void finish(float* y, const float* sums, const float* bias, int64_t n, Act act) {
  for (int64_t i = 0; i < n; i += kLanes) {
    store_some(y, activate(load_some(sums, i, n) + load_some(bias, i, n), act), i, n);
  }
}

void finish_add(float* y, const float* sums, const float* bias, const float* scale, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    F value = load_some(sums, i, n) + load_some(bias, i, n);
    if (scale != nullptr) value = value * load_some(scale, i, n);
    store_some(y, load_some(y, i, n) + value, i, n);
  }
}

void finish_gate(float* y, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes)
    store_some(y, silu(load_some(gate, i, n)) * load_some(up, i, n), i, n);
}

}  // namespace

constexpr MatvecKernels kMatvec{dots, quantize, finish, finish_add, finish_gate};

}  // namespace tts::TTS_LEVEL

#endif
