// Causal convolutions as implicit matrix products.
//
//   window   [history rows | activated input rows][in]      output row r, tap k reads window row r*stride +
//   k*dilation weight   panels of kVectors vectors of output channels, each [taps][in][width]: read from
//   begin to end, one stream
//
// A tile of kTileRows output rows x one panel is held in registers while it walks (tap, in) in order: every
// output is one chain of multiply-adds that starts at bias (or at y + bias) and never depends on the tile,
// the block or the call it is in. Blocks of kBlock input channels of one tap are walked by all tiles of a
// unit before the next block, so the weights of a block stay in the nearest cache; partial sums wait in y.
// One output channel alone is a dot product instead.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <cmath>

#ifndef TTS_LEVEL

namespace tts {

namespace {

constexpr int kUnitRows{96};  // output rows per unit of the threads
constexpr int64_t kWindowFloats{
    1 << 19};  // input rows activated at a time: 2 MiB, half of it new rows stays in L2

struct Snake {  // per channel: e^alpha, 1 / (e^beta + 1e-9)
  const float* rate;
  const float* gain;
};

struct ConvUnit {
  const float* window;  // of output row `row`
  const Conv* conv;
  float* y;  // of output row `row`
  bool add;
  int64_t rows, column, columns;  // of one panel
};

struct ConvKernels {
  int columns, lanes;  // output channels of a panel; its width is padded to a multiple of lanes
  void (*pack)(float* panel, const Tensor& weight, int64_t column);
  void (*activate)(float* y, const float* x, int64_t rows, const Conv& conv, const Snake& snake);
  void (*unit)(const ConvUnit& unit);
  void (*single)(const ConvUnit& unit);  // one output channel
  void (*depthwise)(float* y, const float* window, const float* weight, const float* bias, int64_t taps,
                    int64_t C);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/conv.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

namespace {

// The channel parameters of a snake in f32, as the official implementation rounds them; scratch holds 2 * in
// floats.
Snake prepare_snake(const Conv& conv, float* scratch) {
  if (conv.input != Conv::Input::snake) return {};
  for (int i = 0; i < conv.in; ++i) {
    scratch[i] = std::exp(conv.alpha.f32()[i]);
    scratch[conv.in + i] = static_cast<float>(1 / (double{std::exp(conv.beta.f32()[i])} + 1e-9));
  }
  return {scratch, scratch + conv.in};
}

}  // namespace

void Cpu::convolve(float* y, const float* x, const Conv& conv, float* history, int rows, bool add) {
  const ConvKernels& kernels = TTS_BY_LEVEL(kConv, level_);
  const int64_t in = conv.in, old = conv.history_rows(), stride = conv.stride;
  check(old >= 0 && rows % stride == 0, Exit::internal, "conv: {} rows with stride {}, history of {} rows",
        rows, stride, old);
  const bool minimal = conv.weight.shape[0] > conv.taps;  // as place_periodic made it
  // Long inputs go through the window in pieces: memory stays small and warm.
  const int64_t fitting =
      minimal ? filter_rows(conv) : std::max<int64_t>(kWindowFloats / in - old, kUnitRows) / stride * stride;
  const int64_t piece = std::min<int64_t>(rows, std::max<int64_t>(fitting, stride));
  float* scratch = window_.get<float>((old + piece) * in + 2 * in);
  float* window = scratch + 2 * in;
  const Snake snake = prepare_snake(conv, scratch);

  for (int64_t begin = 0; begin < rows; begin += piece) {
    const int64_t some = std::min<int64_t>(piece, rows - begin);
    std::copy(history, history + old * in, window);
    const int64_t slices = std::max<int64_t>(1, some * in >> 14);  // 16384 values: 10 us of sines
    team_.run(static_cast<int>(slices), [&](int slice, int) {
      const int64_t first = some * slice / slices, last = some * (slice + 1) / slices;
      kernels.activate(window + (old + first) * in, x + (begin + first) * in, last - first, conv, snake);
    });
    std::copy(window + some * in, window + (some + old) * in, history);
    float* to = y + begin / stride * conv.out;
    if (minimal)
      filter(to, window, conv, some, add);
    else
      direct(to, window, conv, some / stride, add);
  }
}

void Cpu::direct(float* y, const float* window, const Conv& conv, int64_t outputs, bool add) {
  const ConvKernels& kernels = TTS_BY_LEVEL(kConv, level_);
  const int64_t columns = (conv.out + kernels.columns - 1) / kernels.columns;
  const int64_t blocks = (outputs + kUnitRows - 1) / kUnitRows;
  const auto unit = [&](int index, int) {
    const int64_t column = index % columns * kernels.columns, row = index / columns * kUnitRows;
    const ConvUnit one{window + row * conv.stride * conv.in,
                       &conv,
                       y + row * conv.out,
                       add,
                       std::min<int64_t>(kUnitRows, outputs - row),
                       column,
                       std::min<int64_t>(kernels.columns, conv.out - column)};
    (conv.out == 1 ? kernels.single : kernels.unit)(one);
  };
  constexpr int64_t kWorthSharing{1 << 17};  // multiply-adds: 5 us
  const int units = static_cast<int>(columns * blocks);
  if (outputs * conv.out * conv.taps * conv.in < kWorthSharing) {
    for (int index = 0; index < units; ++index) unit(index, 0);
  } else {
    team_.run(units, unit);
  }
}

Tensor Cpu::in_panels(const Tensor& weight, const Panels& panels) {
  const int64_t depth = panels.rows * weight.shape[1], out = weight.shape[2];
  const int64_t padded = (out + panels.lanes - 1) / panels.lanes * panels.lanes;
  auto* memory = static_cast<float*>(
      memory_.allocate(checked_mul(depth * padded, sizeof(float), "convolution weights")));
  const int64_t count = (out + panels.columns - 1) / panels.columns;
  team_.run(static_cast<int>(count), [&](int panel, int) {
    panels.pack(memory + panel * panels.columns * depth, weight, panel * panels.columns);
  });
  Tensor placed = weight;
  placed.data = memory;
  placed.shape = Shape{panels.rows, weight.shape[1], out};
  return placed;
}

// Convolution weights [taps][in][out] into panels; everything else is used where it is.
Tensor Cpu::place(const Tensor& tensor) {
  if (tensor.shape.rank != 3 || tensor.dtype != DType::f32 || tensor.shape[2] == 1) return tensor;
  const ConvKernels& kernels = TTS_BY_LEVEL(kConv, level_);
  return in_panels(tensor, {tensor.shape[0], kernels.columns, kernels.lanes, kernels.pack});
}

void Cpu::conv(float* y, const float* x, const Conv& conv, float* history, int rows) {
  convolve(y, x, conv, history, rows, false);
}

void Cpu::conv_add(float* y, const float* x, const Conv& conv, float* history, int rows) {
  convolve(y, x, conv, history, rows, true);
}

void Cpu::depthwise(float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
                    int rows) {
  const ConvKernels& kernels = TTS_BY_LEVEL(kConv, level_);
  const int64_t taps = weight.rows(), C = weight.columns(), old = taps - 1;
  float* window = window_.get<float>((old + rows) * C);
  std::copy(history, history + old * C, window);
  std::copy(x, x + rows * C, window + old * C);
  std::copy(window + rows * C, window + (rows + old) * C, history);
  const auto one = [&](int row, int) {
    kernels.depthwise(y + row * C, window + row * C, weight.f32(), bias.f32(), taps, C);
  };
  if (rows < 8) {
    for (int row = 0; row < rows; ++row) one(row, 0);
  } else {
    team_.run(rows, one);
  }
}

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"

#include "kernels/cpu/tile.h"

// ---- activation -------------------------------------------------------------------------------------------

F elu(F x) {
  // e^x - 1 loses digits near 0: there x + x^2/2 + x^3/6 + x^4/24, truncated below 2^-27 for |x| < 1/64
  const F small = x * (1.0f + x * (0.5f + x * (0.166666667f + x * 0.0416666667f)));
  const F negative = select(x > -0.015625f, small, exp_of(x) - 1.0f);
  return select(x > 0.0f, x, negative);
}

F activate_vector(F x, F rate, F gain, Conv::Input input) {
  if (input == Conv::Input::snake) return fma(sine_squared(x * rate), gain, x);
  return elu(x);
}

void activate(float* y, const float* x, int64_t rows, const Conv& conv, const Snake& snake) {
  const int64_t in = conv.in, whole = in / kLanes * kLanes, rest = in - whole;
  if (conv.input == Conv::Input::plain) {
    std::copy(x, x + rows * in, y);
    return;
  }
  const bool wave = conv.input == Conv::Input::snake;
  for (int64_t row = 0; row < rows; ++row, x += in, y += in) {
    for (int64_t i = 0; i < whole; i += kLanes) {
      const F rate = wave ? load(snake.rate + i) : F{}, gain = wave ? load(snake.gain + i) : F{};
      store(y + i, activate_vector(load(x + i), rate, gain, conv.input));
    }
    if (rest > 0) {
      const F rate = wave ? load_part(snake.rate + whole, rest) : F{};
      const F gain = wave ? load_part(snake.gain + whole, rest) : F{};
      store_part(y + whole, activate_vector(load_part(x + whole, rest), rate, gain, conv.input), rest);
    }
  }
}

// ---- tiles ------------------------------------------------------------------------------------------------

void pack(float* panel, const Tensor& weight, int64_t column) {
  const int64_t depth = weight.shape[0] * weight.shape[1], out = weight.shape[2];
  const int64_t columns = std::min<int64_t>(kVectors * kLanes, out - column);
  const int64_t width = (columns + kLanes - 1) / kLanes * kLanes;
  for (int64_t i = 0; i < depth; ++i) {
    for (int64_t o = 0; o < width; ++o) {
      panel[i * width + o] = o < columns ? weight.f32()[i * out + column + o] : 0.0f;
    }
  }
}

template <int NV>
void walk(const ConvUnit& u) {
  const Conv& conv = *u.conv;
  const int64_t in = conv.in, width = NV * kLanes;
  const float* w = conv.weight.f32() + u.column * conv.taps * in;
  for (int64_t tap = 0; tap < conv.taps; ++tap) {
    for (int64_t i = 0; i < in; i += kBlock) {
      const int64_t depth = std::min<int64_t>(kBlock, in - i);
      const Block b{u.window + tap * conv.dilation * in + i,
                    conv.stride * in,
                    w,
                    u.y + u.column,
                    conv.out,
                    depth,
                    u.columns - (NV - 1) * kLanes};
      multiply<NV>(b, u.rows);
      w += depth * width;
    }
  }
}

void unit(const ConvUnit& u) {
  const Conv& conv = *u.conv;
  const float* bias = conv.bias ? conv.bias.f32() + u.column : nullptr;
  for (int64_t r = 0; r < u.rows; ++r) {
    float* y = u.y + r * conv.out + u.column;
    for (int64_t o = 0; o < u.columns; ++o) y[o] = (u.add ? y[o] : 0.0f) + (bias != nullptr ? bias[o] : 0.0f);
  }
  if (u.columns > 2 * kLanes)
    walk<3>(u);
  else if (u.columns > kLanes)
    walk<2>(u);
  else
    walk<1>(u);
}

// One output channel: a dot product along (tap, in) instead, two chains of vectors.
void single(const ConvUnit& u) {
  const Conv& conv = *u.conv;
  const int64_t in = conv.in, whole = in / kLanes * kLanes;
  for (int64_t r = 0; r < u.rows; ++r) {
    F sums[2]{};
    for (int64_t tap = 0; tap < conv.taps; ++tap) {
      const float* x = u.window + (r * conv.stride + tap * conv.dilation) * in;
      const float* w = conv.weight.f32() + tap * in;
      for (int64_t i = 0; i < whole; i += kLanes) {
        F& part = sums[i / kLanes % 2];
        part = fma(load(x + i), load(w + i), part);
      }
      if (whole < in)
        sums[0] = fma(load_part(x + whole, in - whole), load_part(w + whole, in - whole), sums[0]);
    }
    const float start = (u.add ? u.y[r] : 0.0f) + (conv.bias ? *conv.bias.f32() : 0.0f);
    u.y[r] = start + sum(sums[0] + sums[1]);
  }
}

void depthwise(float* y, const float* window, const float* weight, const float* bias, int64_t taps,
               int64_t C) {
  for (int64_t c = 0; c < C; c += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, C - c);
    F total = bias == nullptr ? F{} : n == kLanes ? load(bias + c) : load_part(bias + c, n);
    for (int64_t k = 0; k < taps; ++k) {
      const float *w = weight + k * C + c, *x = window + k * C + c;
      total = n == kLanes ? fma(load(w), load(x), total) : fma(load_part(w, n), load_part(x, n), total);
    }
    if (n == kLanes)
      store(y + c, total);
    else
      store_part(y + c, total, n);
  }
}

}  // namespace

constexpr ConvKernels kConv{kVectors * kLanes, kLanes, pack, activate, unit, single, depthwise};

}  // namespace tts::TTS_LEVEL

#endif
