// fast_layers.cpp: the codec's narrow convolutions and its activation, forward and backward, for its training
// on one core. fast_layers.py builds and loads it. With PyTorch's own a step of six crops takes 0.75 s, with
// these 0.5 s: with 12 to 24 channels the general convolution spends its time in layout changes. All arrays
// are float [batch][channel][time], contiguous.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace {

constexpr int kLanes = 16;
using Vector = float __attribute__((vector_size(4 * kLanes)));
using Unaligned = float __attribute__((vector_size(4 * kLanes), aligned(4)));

Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

float sum(Vector v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

struct Shape {
  int batch, inputs, outputs, time, taps, dilation;
  int reach() const { return (taps - 1) * dilation; }
};

// So long that a tile of all channels stays in the second cache's half: 96 KB.
int tile_of(int channels, int time, int step) {
  return std::min(time, std::max(step, 24576 / channels / step * step));
}

// The samples [begin - before, begin + length + after) of every channel, zeros outside the signal.
void gather(const float* x, int channels, int time, int begin, int length, int before, int after,
            float* tile) {
  const int width = before + length + after;
  for (int c = 0; c < channels; ++c) {
    const int first = begin - before, from = std::max(first, 0), to = std::min(begin + length + after, time);
    float* row = tile + size_t(c) * width;
    std::fill(row, row + (from - first), 0.0f);
    std::memcpy(row + (from - first), x + size_t(c) * time + from, sizeof(float) * (to - from));
    std::fill(row + (to - first), row + width, 0.0f);
  }
}

// y[o][t] = bias[o] + sum w[i][k][o] tile[i][t + k * dilation] for Outputs channels and Vectors * 16 samples.
template <int Outputs, int Vectors>
void products(const float* tile, int width, const float* w, const float* bias, const Shape& s, float* y) {
  Vector total[Outputs][Vectors];
  for (int o = 0; o < Outputs; ++o)
    for (int v = 0; v < Vectors; ++v) total[o][v] = Vector{} + (bias ? bias[o] : 0.0f);
  for (int i = 0; i < s.inputs; ++i)
    for (int k = 0; k < s.taps; ++k) {
      const float* from = tile + size_t(i) * width + k * s.dilation;
      const float* weights = w + (size_t(i) * s.taps + k) * s.outputs;
      Vector x[Vectors];
      for (int v = 0; v < Vectors; ++v) x[v] = load(from + v * kLanes);
      for (int o = 0; o < Outputs; ++o)
        for (int v = 0; v < Vectors; ++v) total[o][v] += weights[o] * x[v];
    }
  for (int o = 0; o < Outputs; ++o)
    for (int v = 0; v < Vectors; ++v) store(y + size_t(o) * s.time + v * kLanes, total[o][v]);
}

template <int Outputs, int Vectors>
void convolve(const float* x, const float* w, const float* bias, const Shape& s, int before, int after,
              float* y) {
  const int step = Vectors * kLanes, tile = tile_of(s.inputs, s.time, step);
  std::vector<float> space(size_t(s.inputs) * (tile + before + after));
  for (int b = 0; b < s.batch; ++b)
    for (int begin = 0; begin < s.time; begin += tile) {
      const int length = std::min(tile, s.time - begin), width = before + length + after;
      gather(x + size_t(b) * s.inputs * s.time, s.inputs, s.time, begin, length, before, after, space.data());
      for (int t = 0; t < length; t += step)
        for (int o = 0; o < s.outputs; o += Outputs)
          products<Outputs, Vectors>(space.data() + t, width, w + o, bias ? bias + o : nullptr, s,
                                     y + (size_t(b) * s.outputs + o) * s.time + begin + t);
    }
}

void convolve_any(const float* x, const float* w, const float* bias, const Shape& s, int before, int after,
                  float* y) {
  if (s.outputs % 6 == 0)
    convolve<6, 4>(x, w, bias, s, before, after, y);
  else
    convolve<1, 8>(x, w, bias, s, before, after, y);
}

// gw[o][i][k] += sum over time of g[o][t] tile[i][t + k * dilation].
template <int Outputs, int Inputs, int Taps>
void correlate(const float* g, const float* tile, int width, int length, const Shape& s, float* gw) {
  Vector total[Outputs][Inputs][Taps] = {};
  for (int t = 0; t < length; t += kLanes) {
    Vector y[Outputs];
    for (int o = 0; o < Outputs; ++o) y[o] = load(g + size_t(o) * s.time + t);
    for (int i = 0; i < Inputs; ++i)
      for (int k = 0; k < Taps; ++k) {
        const Vector x = load(tile + size_t(i) * width + k * s.dilation + t);
        for (int o = 0; o < Outputs; ++o) total[o][i][k] += y[o] * x;
      }
  }
  for (int o = 0; o < Outputs; ++o)
    for (int i = 0; i < Inputs; ++i)
      for (int k = 0; k < Taps; ++k) gw[(size_t(o) * s.inputs + i) * Taps + k] += sum(total[o][i][k]);
}

template <int Outputs, int Inputs, int Taps>
void weight_gradient(const float* x, const float* g, const Shape& s, float* gw) {
  const int tile = tile_of(s.inputs, s.time, 512), before = s.reach();
  std::vector<float> space(size_t(s.inputs) * (tile + before));
  for (int b = 0; b < s.batch; ++b)
    for (int begin = 0; begin < s.time; begin += tile) {
      const int length = std::min(tile, s.time - begin), width = before + length;
      gather(x + size_t(b) * s.inputs * s.time, s.inputs, s.time, begin, length, before, 0, space.data());
      for (int o = 0; o < s.outputs; o += Outputs)
        for (int i = 0; i < s.inputs; i += Inputs)
          correlate<Outputs, Inputs, Taps>(g + (size_t(b) * s.outputs + o) * s.time + begin,
                                           space.data() + size_t(i) * width, width, length, s,
                                           gw + (size_t(o) * s.inputs + i) * Taps);
    }
}

}  // namespace

extern "C" {

// Causal: y[t] sees x[t - reach .. t]. shape: batch, inputs, outputs, time, taps, dilation; w as
// [input][tap][output].
void conv_forward(const float* x, const float* w, const float* bias, float* y, const Shape* s) {
  convolve_any(x, w, bias, *s, s->reach(), 0, y);
}

// The gradient of x: the same products backwards in time. Here inputs are the channels of g; w as [g's
// channel][tap][x's channel], taps turned round.
void conv_backward_input(const float* g, const float* w, float* gx, const Shape* s) {
  convolve_any(g, w, nullptr, *s, 0, s->reach(), gx);
}

// gw [output][input][tap] and gb [output], which hold zeros.
void conv_backward_weight(const float* x, const float* g, float* gw, float* gb, const Shape* s) {
  if (s->taps == 1)
    weight_gradient<4, 6, 1>(x, g, *s, gw);
  else if (s->outputs == 1)
    weight_gradient<1, 3, 7>(x, g, *s, gw);
  else
    weight_gradient<3, 1, 7>(x, g, *s, gw);
  for (int b = 0; b < s->batch; ++b)
    for (int o = 0; o < s->outputs; ++o) {
      const float* row = g + (size_t(b) * s->outputs + o) * s->time;
      Vector total{};
      for (int t = 0; t < s->time; t += kLanes) total += load(row + t);
      gb[o] += sum(total);
    }
}

// y = x + sin^2(x e^alpha) / (e^beta + 1e-9), rows of `time` samples, `channels` of them after one another.
void snake_forward(const float* x, const float* alpha, const float* beta, float* y, const Shape* s) {
  for (int row = 0; row < s->batch * s->inputs; ++row) {
    const float a = std::exp(alpha[row % s->inputs]), inverse = 1 / (std::exp(beta[row % s->inputs]) + 1e-9f);
    const float* from = x + size_t(row) * s->time;
    float* to = y + size_t(row) * s->time;
    for (int t = 0; t < s->time; ++t) to[t] = from[t] + inverse * (0.5f - 0.5f * std::cos(2 * a * from[t]));
  }
}

void snake_backward(const float* x, const float* g, const float* alpha, const float* beta, float* gx,
                    float* galpha, float* gbeta, const Shape* s) {
  for (int row = 0; row < s->batch * s->inputs; ++row) {
    const int c = row % s->inputs;
    const float a = std::exp(alpha[c]), b = std::exp(beta[c]), inverse = 1 / (b + 1e-9f);
    const float* from = x + size_t(row) * s->time;
    const float* up = g + size_t(row) * s->time;
    float* to = gx + size_t(row) * s->time;
    float by_alpha = 0, by_beta = 0;
    for (int t = 0; t < s->time; ++t) {
      const float slope = inverse * a * std::sin(2 * a * from[t]);
      to[t] = up[t] * (1 + slope);
      by_alpha += up[t] * slope * from[t];
      by_beta += up[t] * (0.5f - 0.5f * std::cos(2 * a * from[t]));
    }
    galpha[c] += by_alpha;
    gbeta[c] -= by_beta * b * inverse * inverse;
  }
}
}
