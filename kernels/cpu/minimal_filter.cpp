// Filters of seven taps by minimal filtering (kernels/minimal_filter.h): four outputs that are `dilation`
// rows apart share ten inputs and ten products.
//
//   window [history | period 0 | period 1 ..][in]
//     split      parts[point][tile][in]
//     multiply   products[point][tile][panel] = parts[point] . weight[point]
//     join       y[row of the tile] = bias + the products of all points
//
// Tiles are counted from the beginning of each period, and rows behind its end are zero: an output never
// depends on what else is in the call. That makes calls of any number of periods equal, bit for bit.
#include "kernels/minimal_filter.h"
#include "kernels/cpu/cpu.h"

#include <algorithm>

#ifndef TTS_LEVEL

namespace tts {

namespace {

constexpr int kUnitTiles{72};            // per unit of the threads: products of 138 KB at most stay in L2
constexpr int64_t kPartFloats{1 << 19};  // 2 MiB at a time, but one period at least

// The tiles of a call: `dilation` neighbouring rows begin one each, kOutputs * dilation rows are a group.
struct Tiles {
  int64_t period, dilation;
  int64_t groups() const {
    return (period + minimal::kOutputs * dilation - 1) / (minimal::kOutputs * dilation);
  }
  int64_t per_period() const { return groups() * dilation; }
  // Of a tile's first output within its period.
  int64_t row(int64_t tile) const {
    const int64_t own = tile % per_period();
    return own / dilation * minimal::kOutputs * dilation + own % dilation;
  }
};

struct Split {
  float* parts;
  const float* window;
  const float* zeros;  // [in]
  const Conv* conv;
  Tiles tiles;
  int64_t count;  // of all tiles, the stride of the parts
};

struct FilterUnit {
  const float* parts;
  float* products;  // scratch
  float* y;
  const Conv* conv;
  Tiles tiles;
  bool add;
  int64_t count, first, some;  // tiles: of all, of this unit
  int64_t column, columns;     // of one panel
};

struct FilterKernels {
  int columns, lanes;  // as those of the convolutions
  void (*pack)(float* panel, const Tensor& weight, int64_t column);
  void (*split)(const Split& s, int64_t begin, int64_t end);
  void (*unit)(const FilterUnit& unit);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/minimal_filter.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

// [taps][in][out] -> panels of [point][in][width]
Tensor Cpu::place_periodic(const Tensor& weight) {
  const bool fits = weight.shape[0] == minimal::kTaps && weight.shape[2] > 1;
  if (!fits || !switches_.on(Ablate::minimal_filters)) return place(weight);
  const FilterKernels& kernels = TTS_BY_LEVEL(kFilter, level_);
  return in_panels(weight, {minimal::kPoints, kernels.columns, kernels.lanes, kernels.pack});
}

int64_t Cpu::filter_rows(const Conv& conv) {
  const Tiles tiles{conv.period, conv.dilation};
  const int64_t parts = tiles.per_period() * minimal::kPoints * conv.in;
  return std::max<int64_t>(1, kPartFloats / parts) * conv.period;
}

void Cpu::filter(float* y, const float* window, const Conv& conv, int64_t rows, bool add) {
  const FilterKernels& kernels = TTS_BY_LEVEL(kFilter, level_);
  check(rows % conv.period == 0, Exit::internal, "filter: expected whole periods of {} rows, got {}",
        conv.period, rows);
  const Tiles tiles{conv.period, conv.dilation};
  const int64_t in = conv.in, count = rows / conv.period * tiles.per_period();
  const int64_t products = int64_t{minimal::kPoints} * kUnitTiles * kernels.columns;
  float* zeros = parts_.get<float>(in + products * team_.threads() + count * minimal::kPoints * in);
  float *scratch = zeros + in, *parts = scratch + products * team_.threads();
  std::fill(zeros, zeros + in, 0.0f);

  const Split split{parts, window, zeros, &conv, tiles, count};
  const int64_t slices = std::max<int64_t>(1, count * in >> 13);  // 8192 tiles and channels: about 20 us
  team_.run(static_cast<int>(slices), [&](int slice, int) {
    kernels.split(split, count * slice / slices, count * (slice + 1) / slices);
  });

  const int64_t columns = (conv.out + kernels.columns - 1) / kernels.columns;
  const int64_t blocks = (count + kUnitTiles - 1) / kUnitTiles;
  team_.run(static_cast<int>(columns * blocks), [&](int index, int thread) {
    const int64_t column = index % columns * kernels.columns, first = index / columns * kUnitTiles;
    kernels.unit({parts, scratch + products * thread, y, &conv, tiles, add, count, first,
                  std::min<int64_t>(kUnitTiles, count - first), column,
                  std::min<int64_t>(kernels.columns, conv.out - column)});
  });
}

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"
#include "kernels/cpu/tile.h"

using minimal::kOutputs, minimal::kPairs, minimal::kPoints, minimal::kTaps;

void pack(float* panel, const Tensor& weight, int64_t column) {
  const int64_t in = weight.shape[1], out = weight.shape[2];
  const int64_t columns = std::min<int64_t>(kVectors * kLanes, out - column);
  const int64_t width = (columns + kLanes - 1) / kLanes * kLanes;
  for (size_t point = 0; point < kPoints; ++point) {
    for (int64_t i = 0; i < in; ++i, panel += width) {
      double sums[kVectors * kLanes]{};
      for (size_t tap = 0; tap < kTaps; ++tap) {
        const double factor = minimal::weigh(point, tap);
        const float* w = weight.f32() + (static_cast<int64_t>(tap) * in + i) * out + column;
        for (int64_t o = 0; o < columns; ++o) sums[o] += factor * double{w[o]};
      }
      for (int64_t o = 0; o < width; ++o) panel[o] = static_cast<float>(sums[o]);
    }
  }
}

// ---- inputs -----------------------------------------------------------------------------------------------

// The coefficients as the vectors take them: one row per pair, the last for 0 and infinity.
struct SplitTable {
  float even[kPairs + 1][kPairs + 1];
};
constexpr SplitTable make_split_table() {
  SplitTable table{};
  for (size_t pair = 0; pair <= kPairs; ++pair) {
    for (size_t k = 0; k <= kPairs; ++k)
      table.even[pair][k] = static_cast<float>(minimal::even_polynomial(pair)[k]);
  }
  return table;
}
constexpr SplitTable kSplit{make_split_table()};

// x[first] c0 + x[first + 2] c1 + ..
template <int N>
F alternate(const F* x, const float* c) {
  F sum = x[0] * c[0];
  for (int k = 1; k < N; ++k) sum = fma(x[2 * k], broadcast(c[k]), sum);
  return sum;
}

void split_vector(F* part, const F* x) {
  part[0] = alternate<kPairs + 1>(x, kSplit.even[kPairs]);
  part[kPoints - 1] = alternate<kPairs + 1>(x + 1, kSplit.even[kPairs]);
  for (int pair = 0; pair < kPairs; ++pair) {
    const F odd = alternate<kPairs>(x + 1, kSplit.even[pair]),
            even = alternate<kPairs>(x + 2, kSplit.even[pair]);
    const F a = broadcast(static_cast<float>(minimal::kPair[static_cast<size_t>(pair)]));
    part[1 + 2 * pair] = fma(odd, a, even);
    part[2 + 2 * pair] = fma(odd, -a, even);
  }
}

void split(const Split& s, int64_t begin, int64_t end) {
  const int64_t in = s.conv->in, dilation = s.conv->dilation, whole = in / kLanes * kLanes;
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t row = s.tiles.row(tile), first = tile / s.tiles.per_period() * s.tiles.period;
    const float* rows[kPoints];
    for (int64_t k = 0; k < kPoints; ++k) {
      const int64_t at = row + k * dilation;
      const bool inside = at < s.tiles.period + s.conv->history_rows();
      rows[k] = inside ? s.window + (first + at) * in : s.zeros;
    }
    float* to = s.parts + tile * in;
    F x[kPoints], part[kPoints];
    for (int64_t i = 0; i < whole; i += kLanes) {
      for (int k = 0; k < kPoints; ++k) x[k] = load(rows[k] + i);
      split_vector(part, x);
      for (int p = 0; p < kPoints; ++p) store(to + p * s.count * in + i, part[p]);
    }
    if (whole == in) continue;
    for (int k = 0; k < kPoints; ++k) x[k] = load_part(rows[k] + whole, in - whole);
    split_vector(part, x);
    for (int p = 0; p < kPoints; ++p) store_part(to + p * s.count * in + whole, part[p], in - whole);
  }
}

// ---- products and outputs ---------------------------------------------------------------------------------

template <int NV>
void multiply_points(const FilterUnit& u) {
  const int64_t in = u.conv->in, width = NV * kLanes;
  const float* w = u.conv->weight.f32() + u.column * kPoints * in;
  for (int point = 0; point < kPoints; ++point) {
    for (int64_t i = 0; i < in; i += kBlock) {
      const int64_t depth = std::min<int64_t>(kBlock, in - i);
      multiply<NV>({.x = u.parts + (point * u.count + u.first) * in + i,
                    .x_stride = in,
                    .w = w,
                    .y = u.products + point * u.some * width,
                    .y_stride = width,
                    .depth = depth,
                    .last = kLanes,
                    .fresh = i == 0},
                   u.some);
      w += depth * width;
    }
  }
}

// y[j] of one tile; the powers of the points by repeated products of sums and differences of pairs
void join_vector(F* y, const float* products, int64_t stride) {
  y[0] = load(products), y[1] = F{}, y[2] = F{}, y[3] = load(products + (kPoints - 1) * stride);
  for (int pair = 0; pair < kPairs; ++pair) {
    const F plus = load(products + (1 + 2 * pair) * stride), minus = load(products + (2 + 2 * pair) * stride);
    const F sum = plus + minus, difference = plus - minus;
    const float a = static_cast<float>(minimal::kPair[static_cast<size_t>(pair)]);
    y[0] = y[0] + sum;
    y[1] = fma(difference, broadcast(a), y[1]);
    y[2] = fma(sum, broadcast(a * a), y[2]);
    y[3] = fma(difference, broadcast(a * a * a), y[3]);
  }
}

F load_first(const float* p, int64_t n) { return n == kLanes ? load(p) : load_part(p, n); }
void store_first(float* p, F v, int64_t n) {
  if (n == kLanes)
    store(p, v);
  else
    store_part(p, v, n);
}

void join(const FilterUnit& u, int64_t width) {
  const Conv& conv = *u.conv;
  for (int64_t t = 0; t < u.some; ++t) {
    const int64_t row = u.tiles.row(u.first + t),
                  first = (u.first + t) / u.tiles.per_period() * u.tiles.period;
    for (int64_t o = 0; o < u.columns; o += kLanes) {
      const int64_t n = std::min<int64_t>(kLanes, u.columns - o);
      F y[kOutputs];
      join_vector(y, u.products + t * width + o, u.some * width);
      F bias{};
      if (conv.bias) bias = load_first(conv.bias.f32() + u.column + o, n);
      for (int64_t j = 0; j < kOutputs && row + j * conv.dilation < conv.period; ++j) {
        float* to = u.y + (first + row + j * conv.dilation) * conv.out + u.column + o;
        F value = y[j] + bias;
        if (u.add) value = value + load_first(to, n);
        store_first(to, value, n);
      }
    }
  }
}

void unit(const FilterUnit& u) {
  if (u.columns > 2 * kLanes)
    multiply_points<3>(u), join(u, 3 * kLanes);
  else if (u.columns > kLanes)
    multiply_points<2>(u), join(u, 2 * kLanes);
  else
    multiply_points<1>(u), join(u, kLanes);
}

}  // namespace

constexpr FilterKernels kFilter{kVectors * kLanes, kLanes, pack, split, unit};

}  // namespace tts::TTS_LEVEL

#endif
