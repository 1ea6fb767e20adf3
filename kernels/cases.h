// The one table of cases: per operation the shapes (odd, one, large, the model's own), inputs, work and the
// error bound. kernels_test runs it on every device, tts-bench times it; what is timed is what is tested.
//
//   for (const Recipe& recipe : recipes()) {
//     const Case c = make_case(recipe);
//     Trial trial(device, c);  trial.run();  compare(trial.output(), expected(c), error_bound(c));
//   }
#pragma once

#include "kernels/ops.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace tts {

enum class Op : uint8_t {
  linear,
  linear_add,
  qkv,
  gated,
  norm,
  attend,
  embed,
  sum_codes,
  conv,
  conv_add,
  depthwise,
  clamp
};
std::string_view str(Op op);

struct Recipe {
  Op op{};
  DType dtype = DType::f32;  // of the matrices, or of the KV cache
  int rows = 1;
  int in = 1, out = 1;  // K and M; H and I; channels
  Act act = Act::none;
  bool bias = false;
  int taps = 1, dilation = 1, stride = 1, period = 0;  // convolutions
  Conv::Input input = Conv::Input::plain;
  bool tf32 = false;
  int nq = 0, nkv = 0, d = 0, window = 0;  // attention, qkv
  int position = 0;                        // of the first row; the cache before it is filled
  bool timed = false;                      // a shape of the published models, for tts-bench
};
std::vector<Recipe> recipes();
std::string str(const Recipe& recipe);  // "linear BF16 3072x1024, 1 row"

struct Weight {  // a tensor that owns its bytes
  std::vector<std::byte> bytes;
  std::vector<float> scales;
  Tensor tensor;
  Tensor view() const;
};

struct Case {
  Recipe recipe;
  std::vector<Weight> weights;  // in the order of the operation's arguments; an absent one is empty
  std::vector<float> x, y;      // input; output before the call
  std::vector<float> state;     // history of a convolution; keys, then values of a cache as f32
  std::vector<float> rope;
  std::vector<int32_t> ids;
  int64_t bytes = 0, flops = 0;  // what one call has to move and to compute

  int capacity() const { return recipe.position + recipe.rows; }
  int in_width() const;   // floats per input row
  int out_width() const;  // floats per output row
  int step() const;       // rows of the shortest call
  Conv conv() const;      // geometry; the trial adds its tensors
  Heads heads() const;
};
Case make_case(const Recipe& recipe, uint32_t seed = 1);

std::vector<float> expected(const Case& c);  // by the reference
// Largest error of each output value that rounding can explain; the formulas are in cases.cpp.
std::vector<double> error_bound(const Case& c);

// A matrix in any of the four formats; int8 and int4 are rounded to nearest.
Weight make_weight(const std::vector<float>& values, const Shape& shape, DType dtype);

// A case placed on a device. Rows may be run in several calls; the state goes on.
template <class D>
class Trial {
 public:
  Trial(D& device, const Case& c) : d_(device), c_(c) {
    for (const Weight& weight : c.weights) {
      const bool periodic = c.recipe.period > 0 && weights_.empty();
      weights_.push_back(!weight.tensor ? Tensor{}
                         : periodic     ? place_periodic(d_, weight.view())
                                        : d_.place(weight.view()));
    }
    x_ = upload(c.x), y_ = upload(c.y), rope_ = upload(c.rope),
    state_ = floats(std::max<size_t>(c.state.size(), 1));
    ids_ = static_cast<int32_t*>(take(c.ids.size() * sizeof(int32_t)));
    d_.upload(ids_, c.ids.data(), bytes_of(c.ids));
    position_ = static_cast<int32_t*>(take(sizeof(int32_t)));
    reset();
  }
  ~Trial() {
    for (void* memory : taken_) d_.release(memory);
  }
  Trial(const Trial&) = delete;

  void reset() {  // as before the first call
    d_.upload(y_, c_.y.data(), bytes_of(c_.y));
    const int32_t position = c_.recipe.position;
    d_.upload(position_, &position, sizeof position);
    if (c_.recipe.op == Op::attend && c_.recipe.dtype == DType::bf16) {
      std::vector<bf16> rounded;
      for (const float value : c_.state) rounded.push_back(round_to_bf16(value));
      d_.upload(state_, rounded.data(), bytes_of(rounded));
    } else {
      d_.upload(state_, c_.state.data(), bytes_of(c_.state));
    }
  }
  void run() { run(0, c_.recipe.rows); }
  void run(int first, int rows);
  std::vector<float> output() {
    std::vector<float> y(c_.y.size());
    d_.download(y.data(), y_, bytes_of(y));
    return y;
  }

 private:
  template <class T>
  static int64_t bytes_of(const std::vector<T>& v) {
    return static_cast<int64_t>(v.size() * sizeof(T));
  }
  void* take(size_t bytes) {
    return taken_.emplace_back(d_.allocate(static_cast<int64_t>(std::max<size_t>(bytes, 4))));
  }
  float* floats(size_t count) { return static_cast<float*>(take(count * sizeof(float))); }
  float* upload(const std::vector<float>& values) {
    float* memory = floats(values.size());
    d_.upload(memory, values.data(), bytes_of(values));
    return memory;
  }
  void attend(float* y, const float* x, int first, int rows);

  D& d_;
  const Case& c_;
  std::vector<Tensor> weights_;
  std::vector<void*> taken_;
  float *x_, *y_, *rope_, *state_;
  int32_t *ids_, *position_;
};

template <class D>
void Trial<D>::attend(float* y, const float* x, int first, int rows) {
  const int64_t half = static_cast<int64_t>(c_.state.size()) / 2 * (c_.recipe.dtype == DType::bf16 ? 2 : 4);
  const KvCache cache{state_, reinterpret_cast<std::byte*>(state_) + half, c_.recipe.dtype, c_.capacity()};
  Heads heads = c_.heads();
  heads.rope = rope_;
  const int32_t position = c_.recipe.position + first;
  d_.upload(position_, &position, sizeof position);
  d_.attend(y, x, weights_[0], weights_[1], cache, heads, position_, rows);
}

template <class D>
void Trial<D>::run(int first, int rows) {
  const float* x = x_ + int64_t{first} * c_.in_width();
  float* y = y_ + int64_t{first} / c_.recipe.stride * c_.out_width();
  const auto& w = weights_;
  const Norm norm{w[0], w.size() > 1 ? w[1] : Tensor{}, 1e-5f};
  Conv conv = c_.conv();
  if (w.size() > 3) conv.weight = w[0], conv.bias = w[1], conv.alpha = w[2], conv.beta = w[3];
  switch (c_.recipe.op) {
    case Op::linear:
      return d_.linear(y, x, w[0], w[1], rows, c_.recipe.act);
    case Op::linear_add:
      return d_.linear_add(y, x, w[0], w[1], w[2], rows);
    case Op::qkv:
      return d_.qkv(y, x, norm, {w[2], w[3], w[4]}, rows);
    case Op::gated:
      return d_.gated(y, x, norm, w[2], w[3], rows);
    case Op::norm:
      return d_.norm(y, x, norm, rows);
    case Op::attend:
      return attend(y, x, first, rows);
    case Op::embed:
      return d_.embed(y, ids_ + first, w[0], rows);
    case Op::sum_codes:
      return d_.sum_codes(y, ids_ + first * static_cast<int>(w.size()), w.data(), static_cast<int>(w.size()),
                          rows);
    case Op::conv:
      return d_.conv(y, x, conv, state_, rows);
    case Op::conv_add:
      return d_.conv_add(y, x, conv, state_, rows);
    case Op::depthwise:
      return d_.depthwise(y, x, w[0], w[1], state_, rows);
    case Op::clamp:
      return d_.clamp(y, x, rows * c_.in_width());
  }
}

}  // namespace tts
