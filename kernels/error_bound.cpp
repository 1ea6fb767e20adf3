// Derived tolerances: the largest error that rounding to f32 can cause in any order of summation, from the
// values of the case itself. u = 2^-24.
//   dot product of n terms        |fl - exact| <= (n + 2) u sum|w x|
//   activation                    times its Lipschitz constant (<= 1.2), plus 8 u of the value: exp, erf and
//   sin of the
//                                 devices are within a few units
//   int8 and int4 matrices        a device may quantise the activations of a row: half a step of max|x| / 127
//   each norm                          the sum of squares has positive terms only: relative error (n + 2) u,
//   half of it after
//                                 the root
#include "kernels/cases.h"
#include "kernels/minimal_filter.h"
#include "kernels/reference/reference.h"

#include <cmath>

namespace tts {

namespace {

constexpr double kU{0x1p-24};
constexpr double kUbf16{0x1p-8};      // a value at a tie may round to either neighbour
constexpr double kTf32{0x1.004p-10};  // of a product of two factors that are rounded to 11 bits each
constexpr double kLipschitz{1.2};
constexpr double kFunction{8};  // units of the elementary functions
constexpr double kQuantSteps{127};

using Floats = std::vector<float>;

Floats magnitudes(Floats values) {
  for (float& value : values) value = std::abs(value);
  return values;
}

// Sums of |w| |x| for every output, by the reference.
Floats multiply_magnitudes(const Weight& w, const Floats& x, int rows) {
  const int64_t M = w.tensor.rows(), K = w.tensor.columns();
  Floats values(static_cast<size_t>(M * K)), y(static_cast<size_t>(rows * M));
  for (int64_t m = 0; m < M; ++m) widen_row(values.data() + m * K, w.view(), m);
  const Weight absolute = make_weight(magnitudes(values), {M, K}, DType::f32);
  Reference{DeviceOptions{}}.linear(y.data(), magnitudes(x).data(), absolute.view(), {}, rows, Act::none);
  return y;
}

// Error of x[rows,K] . w[M,K]^T when each x carries an error of its own.
std::vector<double> product_error(const Weight& w, const Floats& x, const Floats& x_error, int rows) {
  const int64_t M = w.tensor.rows(), K = w.tensor.columns();
  Floats slack = x_error;
  if (w.tensor.dtype == DType::int8_rows || w.tensor.dtype == DType::int4_blocks) {
    for (int r = 0; r < rows; ++r) {
      float largest = 0;
      for (int64_t k = 0; k < K; ++k)
        largest = std::max(largest, std::abs(x[static_cast<size_t>(r * K + k)]));
      for (int64_t k = 0; k < K; ++k) {
        slack[static_cast<size_t>(r * K + k)] +=
            static_cast<float>((0.5 + kFunction * kU * kQuantSteps) * largest / kQuantSteps);
      }
    }
  }
  const Floats sums = multiply_magnitudes(w, x, rows), carried = multiply_magnitudes(w, slack, rows);
  std::vector<double> error(static_cast<size_t>(rows * M));
  for (size_t i = 0; i < error.size(); ++i) {
    error[i] = static_cast<double>(K + 4) * kU * double{sums[i]} + double{carried[i]};
  }
  return error;
}

struct Normed {
  Floats values, error;
};

// spec/talker.md section 3 with the error of every value.
Normed normalize(const Case& c) {
  const size_t H = static_cast<size_t>(c.recipe.in);
  const Weight &weight = c.weights[0], &bias = c.weights[1];
  Normed n{Floats(c.x.size()), Floats(c.x.size())};
  const Norm norm{weight.view(), bias.tensor ? bias.view() : Tensor{}, 1e-5f};
  Reference{DeviceOptions{}}.norm(n.values.data(), c.x.data(), norm, c.recipe.rows);
  for (size_t r = 0; r < static_cast<size_t>(c.recipe.rows); ++r) {
    double sum = 0, square = 0, absolute = 0;
    for (size_t i = 0; i < H; ++i)
      sum += double{c.x[r * H + i]}, absolute += std::abs(double{c.x[r * H + i]});
    const double mean = norm.bias ? sum / static_cast<double>(H) : 0;
    for (size_t i = 0; i < H; ++i) square += std::pow(double{c.x[r * H + i]} - mean, 2);
    const double spread = std::sqrt(square / static_cast<double>(H) + double{norm.eps});
    const double offset =
        norm.bias ? absolute / static_cast<double>(H) / spread : 0;  // what an error of the mean moves
    for (size_t i = 0; i < H; ++i) {
      const double standard = std::abs(double{c.x[r * H + i]} - mean) / spread;
      const double relative = static_cast<double>(H + 8) * kU * (standard + offset * (1 + standard));
      n.error[r * H + i] =
          static_cast<float>(std::abs(double{weight.view().f32()[i]}) * relative +
                             4 * kU * std::abs(double{n.values[r * H + i]}) +
                             (norm.bias ? 2 * kU * std::abs(double{norm.bias.f32()[i]}) : 0));
    }
  }
  return n;
}

std::vector<double> bound_linear(const Case& c, const Floats& y) {
  const Weight &w = c.weights[0], &bias = c.weights[1];
  std::vector<double> error = product_error(w, c.x, Floats(c.x.size()), c.recipe.rows);
  const Floats sums = multiply_magnitudes(w, c.x, c.recipe.rows);
  const size_t M = static_cast<size_t>(c.recipe.out);
  for (size_t i = 0; i < error.size(); ++i) {
    const double added = bias.tensor ? std::abs(double{bias.view().f32()[i % M]}) : 0;
    error[i] = kLipschitz * (error[i] + 2 * kU * added) +
               kFunction * kU * (std::abs(double{y[i]}) + double{sums[i]});
    if (c.recipe.op == Op::linear_add) {
      const double scale = c.weights[2].tensor ? std::abs(double{c.weights[2].view().f32()[i % M]}) : 1;
      error[i] = scale * error[i] + 4 * kU * (std::abs(double{y[i]}) + std::abs(double{c.y[i]}));
    }
  }
  return error;
}

std::vector<double> bound_qkv(const Case& c) {
  const Normed n = normalize(c);
  std::vector<double> parts[3], error;
  for (size_t part = 0; part < 3; ++part)
    parts[part] = product_error(c.weights[2 + part], n.values, n.error, c.recipe.rows);
  for (size_t r = 0; r < static_cast<size_t>(c.recipe.rows); ++r) {
    for (const auto& part : parts) {
      const auto width = static_cast<int64_t>(part.size()) / c.recipe.rows;
      const auto begin = part.begin() + static_cast<int64_t>(r) * width;
      error.insert(error.end(), begin, begin + width);
    }
  }
  return error;
}

// d(silu(g) u) <= |silu(g)| du + 1.2 |u| dg
std::vector<double> bound_gated(const Case& c, const Floats& y) {
  const Normed n = normalize(c);
  const int rows = c.recipe.rows;
  const std::vector<double> dg = product_error(c.weights[2], n.values, n.error, rows);
  std::vector<double> error = product_error(c.weights[3], n.values, n.error, rows);
  Floats g(error.size()), u(error.size());
  Reference reference{DeviceOptions{}};
  reference.linear(g.data(), n.values.data(), c.weights[2].view(), {}, rows, Act::silu);
  reference.linear(u.data(), n.values.data(), c.weights[3].view(), {}, rows, Act::none);
  for (size_t i = 0; i < error.size(); ++i) {
    error[i] = (std::abs(double{g[i]}) + kLipschitz * dg[i]) * error[i] +
               kLipschitz * std::abs(double{u[i]}) * dg[i] +
               kFunction * kU * (std::abs(double{y[i]}) + std::abs(double{u[i]}));
  }
  return error;
}

// A score q.k / sqrt(d) is off by (3d + 16) u |q||k| / sqrt(d): dot product, two norms, rotation. The weights
// of a softmax over n positions are then off by twice that plus (n + 8) u, relative; the sum over v by that
// times max|v|.
std::vector<double> bound_attend(const Case& c) {
  const Recipe& r = c.recipe;
  const size_t d = static_cast<size_t>(r.d), width = static_cast<size_t>(c.in_width());
  const auto longest = [&](const float* heads, size_t count) {
    double most = 0;
    for (size_t h = 0; h < count; ++h) {
      double square = 0;
      for (size_t i = 0; i < d; ++i) square += double{heads[h * d + i]} * double{heads[h * d + i]};
      most = std::max(most, std::sqrt(square));
    }
    return most;
  };
  double q = 0, k = longest(c.state.data(), c.state.size() / 2 / d), v = 0;
  for (size_t i = c.state.size() / 2; i < c.state.size(); ++i) v = std::max(v, std::abs(double{c.state[i]}));
  for (size_t row = 0; row < static_cast<size_t>(r.rows); ++row) {
    const float* x = c.x.data() + row * width;
    const size_t nq = static_cast<size_t>(r.nq), nkv = static_cast<size_t>(r.nkv);
    q = std::max(q, longest(x, nq)), k = std::max(k, longest(x + nq * d, nkv));
    for (size_t i = (nq + nkv) * d; i < width; ++i) v = std::max(v, std::abs(double{x[i]}));
  }
  if (r.bias) {  // after the norm a head is at most sqrt(d) max|weight| = 1.5 sqrt(d) long
    q = 1.5 * std::sqrt(static_cast<double>(d));
    k = std::max(k, q);
  }
  const double size = q * k / std::sqrt(static_cast<double>(d));
  const double score =
      ((3 * static_cast<double>(d) + 16) * kU + (r.dtype == DType::bf16 ? kUbf16 : 0)) * size;
  return std::vector<double>(c.y.size(),
                             (std::exp(2 * score) - 1 + (static_cast<double>(c.capacity()) + 8) * kU) * v);
}

// Error of an activated input value. snake: the angle x e^alpha carries 3 u of itself, sin^2 has slope <= 1.
double input_error(const Case& c, float x, size_t channel) {
  if (c.recipe.input == Conv::Input::plain) return 0;
  if (c.recipe.input == Conv::Input::elu) return kFunction * kU * std::min(1.0, std::abs(double{x}));
  const double a = std::exp(double{c.weights[2].view().f32()[channel]});
  const double b = std::exp(double{c.weights[3].view().f32()[channel]});
  return (3 * kU * std::abs(double{x}) * a + kFunction * kU) / b + 2 * kU * (std::abs(double{x}) + 1 / b);
}

// |x| as the convolution hears it: activated and with its history in front; zeros behind the last row.
Floats heard_magnitudes(const Case& c, const Floats& activated) {
  Floats rows = magnitudes(c.state);
  rows.insert(rows.end(), activated.begin(), activated.end());
  rows.resize(rows.size() + static_cast<size_t>(minimal::kOutputs * c.recipe.dilation * c.recipe.in));
  return rows;
}

// Minimal filtering: output j of a tile is the sum over points i of join(i, j) * U_i . V_i, where U_i and V_i
// are sums over taps and inputs. Every one of the three steps rounds relative to its sum of magnitudes:
// (in + 24) u for products of `in` terms, 8 for V_i, 1 for U_i, 6 for the join and the rest for rounded
// factors.
double minimal_error(const Case& c, const Floats& heard, int64_t row, int64_t out) {
  const Recipe& r = c.recipe;
  const float* w = c.weights[0].view().f32();
  const int64_t in_group = row % r.period % (minimal::kOutputs * r.dilation),
                first = row - in_group / r.dilation * r.dilation;
  double error = 0;
  for (size_t i = 0; i < minimal::kPoints; ++i) {
    double product = 0;
    for (int64_t channel = 0; channel < r.in; ++channel) {
      double u = 0, v = 0;
      for (size_t k = 0; k < minimal::kTaps; ++k) {
        const int64_t at = (static_cast<int64_t>(k) * r.in + channel) * r.out + out;
        u += std::abs(minimal::weigh(i, k) * double{w[at]});
      }
      for (size_t l = 0; l < minimal::kPoints; ++l) {
        const auto at = static_cast<size_t>((first + static_cast<int64_t>(l) * r.dilation) * r.in + channel);
        v += std::abs(minimal::split(i, l) * double{heard[at]});
      }
      product += u * v;
    }
    error += std::abs(minimal::join(i, static_cast<size_t>(in_group / r.dilation))) * product;
  }
  return (static_cast<double>(r.in) + 24) * kU * error;
}

std::vector<double> bound_conv(const Case& c, const Floats& y) {
  const Recipe& r = c.recipe;
  const bool depthwise = r.op == Op::depthwise;
  const size_t in = static_cast<size_t>(r.in);
  Case absolute = c;  // |x| after activation and its errors through |w|
  absolute.recipe.input = Conv::Input::plain;
  absolute.recipe.op = depthwise ? Op::depthwise : Op::conv;
  Case carried = absolute;
  for (size_t i = 0; i < c.x.size(); ++i) {
    float value = c.x[i];
    if (r.input == Conv::Input::snake) {
      const float b = std::exp(c.weights[3].view().f32()[i % in]);
      value = std::abs(value) + 1 / b;
    }
    absolute.x[i] = std::abs(value);
    carried.x[i] = static_cast<float>(input_error(c, c.x[i], i % in));
  }
  for (Case* part : {&absolute, &carried}) {
    for (size_t w = 0; w < 2; ++w) {
      Weight& weight = part->weights[w];
      if (!weight.tensor) continue;
      const float* begin = weight.view().f32();
      const Floats values = magnitudes(Floats(begin, begin + element_count(weight.tensor.shape)));
      weight = make_weight(values, weight.tensor.shape, DType::f32);
    }
    part->state = part == &absolute ? magnitudes(c.state) : Floats(c.state.size());
  }
  carried.weights[1] = {};
  const Floats sums = expected(absolute), moved = expected(carried);
  const Floats heard = r.period > 0 ? heard_magnitudes(c, absolute.x) : Floats{};
  std::vector<double> error(y.size());
  for (size_t i = 0; i < error.size(); ++i) {
    error[i] = (static_cast<double>(r.taps) * (depthwise ? 1 : r.in) + 4) * kU *
                   (double{sums[i]} + std::abs(double{c.y[i]})) +
               double{moved[i]} * (1 + kFunction * kU) + 2 * kU * std::abs(double{y[i]});
    if (r.tf32) error[i] += kTf32 * double{sums[i]};
    const auto out = static_cast<size_t>(r.out);
    if (r.period > 0)
      error[i] += minimal_error(c, heard, static_cast<int64_t>(i / out), static_cast<int64_t>(i % out));
  }
  return error;
}

}  // namespace

std::vector<double> error_bound(const Case& c) {
  const Floats y = expected(c);
  switch (c.recipe.op) {
    case Op::linear:
    case Op::linear_add:
      return bound_linear(c, y);
    case Op::qkv:
      return bound_qkv(c);
    case Op::gated:
      return bound_gated(c, y);
    case Op::attend:
      return bound_attend(c);
    case Op::norm: {
      const Normed n = normalize(c);
      return {n.error.begin(), n.error.end()};
    }
    case Op::conv:
    case Op::conv_add:
    case Op::depthwise:
      return bound_conv(c, y);
    case Op::embed:
    case Op::sum_codes:
    case Op::clamp:
      return std::vector<double>(y.size(), 0.0);  // the same bits everywhere
  }
  return {};
}

}  // namespace tts
