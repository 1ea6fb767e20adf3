#include "kernels/cases.h"

#include "kernels/reference/reference.h"

#include <cmath>
#include <cstring>

namespace tts {

namespace {

// ---- inputs -----------------------------------------------------------------------------------------------

// Numbers in (-1, 1) from a linear congruential generator: the same everywhere.
struct Random {
  uint32_t state;
  float next() {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
  }
  std::vector<float> row(int64_t count, float scale = 1, float offset = 0) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = offset + scale * next();
    return values;
  }
};

void quantize_rows(Weight& weight, const std::vector<float>& values, int64_t M, int64_t K) {
  weight.scales.resize(static_cast<size_t>(M));
  for (int64_t m = 0; m < M; ++m) {
    float largest = 0;
    for (int64_t k = 0; k < K; ++k)
      largest = std::max(largest, std::abs(values[static_cast<size_t>(m * K + k)]));
    const float scale = weight.scales[static_cast<size_t>(m)] = largest / 127;
    for (int64_t k = 0; k < K; ++k) {
      const float steps = std::nearbyint(values[static_cast<size_t>(m * K + k)] / scale);
      weight.bytes[static_cast<size_t>(m * K + k)] = static_cast<std::byte>(static_cast<int8_t>(steps));
    }
  }
}

void quantize_blocks(Weight& weight, const std::vector<float>& values) {
  for (size_t block = 0; block < values.size() / 32; ++block) {
    float largest = 0;
    for (size_t j = 0; j < 32; ++j) largest = std::max(largest, std::abs(values[block * 32 + j]));
    const float scale = largest / 7;
    weight.scales.push_back(scale);
    for (size_t j = 0; j < 32; ++j) {
      const auto nibble = static_cast<uint8_t>(std::nearbyint(values[block * 32 + j] / scale) + 8);
      weight.bytes[block * 16 + j % 16] |= static_cast<std::byte>(j < 16 ? nibble : nibble << 4);
    }
  }
}

}  // namespace

Tensor Weight::view() const {
  Tensor view = tensor;
  view.data = bytes.data();
  view.scales = scales.data();
  return view;
}

Weight make_weight(const std::vector<float>& values, const Shape& shape, DType dtype) {
  Weight weight;
  weight.bytes.resize(static_cast<size_t>(byte_size(dtype, shape)));
  if (dtype == DType::f32) std::memcpy(weight.bytes.data(), values.data(), weight.bytes.size());
  if (dtype == DType::bf16) {
    for (size_t i = 0; i < values.size(); ++i) {
      const bf16 rounded = round_to_bf16(values[i]);
      std::memcpy(&weight.bytes[2 * i], &rounded, 2);
    }
  }
  if (dtype == DType::int8_rows) quantize_rows(weight, values, shape[0], shape[1]);
  if (dtype == DType::int4_blocks) quantize_blocks(weight, values);
  weight.tensor = {weight.bytes.data(), dtype, shape, nullptr};
  return weight;
}

// ---- geometry ---------------------------------------------------------------------------------------------

int Case::in_width() const {
  const Recipe& r = recipe;
  return r.op == Op::attend                           ? (r.nq + 2 * r.nkv) * r.d
         : r.op == Op::embed || r.op == Op::sum_codes ? 0
                                                      : r.in;
}
int Case::out_width() const {
  const Recipe& r = recipe;
  if (r.op == Op::attend) return r.nq * r.d;
  if (r.op == Op::qkv) return (r.nq + 2 * r.nkv) * r.d;
  const bool same = r.op == Op::norm || r.op == Op::clamp || r.op == Op::depthwise;
  return same ? r.in : r.out;
}
Conv Case::conv() const {
  const Recipe& r = recipe;
  return {{}, {}, {}, {}, r.input, r.in, r.out, r.taps, r.dilation, r.stride, r.period, r.tf32};
}
int Case::step() const { return recipe.period > 0 ? recipe.period : recipe.stride; }
Heads Case::heads() const { return {recipe.nq, recipe.nkv, recipe.d, recipe.window, 1e-6f, rope.data()}; }

std::string_view str(Op op) {
  constexpr std::string_view kNames[] = {"linear", "linear_add", "qkv",  "gated",    "norm",      "attend",
                                         "embed",  "sum_codes",  "conv", "conv_add", "depthwise", "clamp"};
  return kNames[static_cast<size_t>(op)];
}

std::string str(const Recipe& r) {
  std::string text = format("{} {}", str(r.op), str(r.dtype));
  if (r.op == Op::attend) {
    text += format(" {}/{}x{} at {}", r.nq, r.nkv, r.d, r.position);
    if (r.window > 0) text += format(" window {}", r.window);
    if (r.bias) text += " normed";
  } else if (r.taps > 1 || r.op == Op::conv || r.op == Op::conv_add) {
    text += format(" {}->{}x{}", r.in, r.out, r.taps);
    if (r.dilation > 1) text += format(" dilation {}", r.dilation);
    if (r.period > 0) text += format(" period {}", r.period);
    if (r.stride > 1) text += format(" stride {}", r.stride);
    if (r.input == Conv::Input::snake) text += " snake";
    if (r.input == Conv::Input::elu) text += " elu";
    if (r.tf32) text += " tf32";
  } else if (r.op == Op::qkv) {
    text += format(" {}x{}", (r.nq + 2 * r.nkv) * r.d, r.in);
  } else {
    text += format(" {}x{}", r.out, r.in);
  }
  if (r.bias && r.op != Op::attend) text += " bias";
  return text + format(", {} row{}", r.rows, r.rows == 1 ? "" : "s");
}

// ---- making a case ----------------------------------------------------------------------------------------

namespace {

void add_weights(Case& c, Random& random) {
  const Recipe& r = c.recipe;
  const float scale = 1 / std::sqrt(static_cast<float>(r.in));
  const auto matrix = [&](int64_t M, int64_t K) {
    c.weights.push_back(make_weight(random.row(M * K, scale), {M, K}, r.dtype));
  };
  const auto vector = [&](bool present, int64_t n, float offset = 0, float spread = 1) {
    c.weights.push_back(present ? make_weight(random.row(n, spread, offset), {n}, DType::f32) : Weight{});
  };
  switch (r.op) {
    case Op::linear:
      matrix(r.out, r.in), vector(r.bias, r.out);
      break;
    case Op::linear_add:
      matrix(r.out, r.in), vector(r.bias, r.out), vector(r.bias, r.out);
      break;
    case Op::norm:
      vector(true, r.in, 1, 0.5f), vector(r.bias, r.in);
      break;
    case Op::qkv:
      vector(true, r.in, 1, 0.5f), vector(r.bias, r.in);
      matrix(r.nq * r.d, r.in), matrix(r.nkv * r.d, r.in), matrix(r.nkv * r.d, r.in);
      break;
    case Op::gated:
      vector(true, r.in, 1, 0.5f), vector(r.bias, r.in), matrix(r.out, r.in), matrix(r.out, r.in);
      break;
    case Op::attend:
      vector(r.bias, r.d, 1, 0.5f), vector(r.bias, r.d, 1, 0.5f);
      break;
    case Op::embed:
      matrix(r.in, r.out);
      break;
    case Op::sum_codes:
      matrix(r.in, r.out), c.weights.emplace_back(), matrix(r.in, r.out), matrix(r.in, r.out);
      break;
    case Op::conv:
    case Op::conv_add: {
      const float fan = 1 / std::sqrt(static_cast<float>(r.in) * static_cast<float>(r.taps));
      c.weights.push_back(
          make_weight(random.row(int64_t{r.taps} * r.in * r.out, fan), {r.taps, r.in, r.out}, DType::f32));
      vector(r.bias, r.out);
      vector(r.input == Conv::Input::snake, r.in, -1, 1), vector(r.input == Conv::Input::snake, r.in, 0, 2);
      break;
    }
    case Op::depthwise:
      c.weights.push_back(make_weight(random.row(int64_t{r.taps} * r.in), {r.taps, r.in}, DType::f32));
      vector(r.bias, r.in);
      break;
    case Op::clamp:
      vector(false, 0);
      break;
  }
}

void count_work(Case& c) {
  const Recipe& r = c.recipe;
  for (const Weight& weight : c.weights) {
    c.bytes += static_cast<int64_t>(weight.bytes.size() + weight.scales.size() * sizeof(float));
    const bool matrix = weight.tensor.shape.rank > 1;
    if (matrix) c.flops += 2 * element_count(weight.tensor.shape) * (r.rows / r.stride);
  }
  if (r.op == Op::embed || r.op == Op::sum_codes) {  // only the chosen rows are read
    c.bytes = static_cast<int64_t>(c.ids.size()) * r.out * bits_per_element(r.dtype) / 8;
    c.flops = static_cast<int64_t>(c.ids.size()) * r.out;
  }
  if (r.op == Op::attend) {
    c.bytes += static_cast<int64_t>(c.state.size()) * bits_per_element(r.dtype) / 8;
    c.flops +=
        int64_t{4} * r.rows * r.nq * r.d * (r.window > 0 ? std::min(r.window, c.capacity()) : c.capacity());
  }
  c.bytes += static_cast<int64_t>((c.x.size() + c.y.size()) * sizeof(float));
}

}  // namespace

Case make_case(const Recipe& recipe, uint32_t seed) {
  Case c;
  c.recipe = recipe;
  Random random{seed * 2654435761u + static_cast<uint32_t>(recipe.in * 31 + recipe.out)};
  add_weights(c, random);
  if (recipe.op == Op::embed || recipe.op == Op::sum_codes) {
    const int64_t count = recipe.rows * static_cast<int64_t>(c.weights.size());
    for (int64_t i = 0; i < count; ++i) c.ids.push_back(static_cast<int32_t>((i * 7 + 3) % recipe.in));
    if (recipe.op == Op::embed) c.ids[0] = -1;
  }
  c.x = random.row(int64_t{recipe.rows} * c.in_width(), recipe.op == Op::clamp ? 2.0f : 1.5f);
  c.y = random.row(int64_t{recipe.rows} / recipe.stride * c.out_width());
  if (recipe.op == Op::conv || recipe.op == Op::conv_add)
    c.state = random.row(c.conv().history_rows() * recipe.in);
  if (recipe.op == Op::depthwise) c.state = random.row((recipe.taps - 1) * recipe.in);
  if (recipe.op == Op::attend) {
    c.state = random.row(int64_t{2} * c.capacity() * recipe.nkv * recipe.d);
    c.rope.resize(static_cast<size_t>(c.capacity() * recipe.d));
    fill_rope(c.rope.data(), c.capacity(), recipe.d, 1e4);
  }
  count_work(c);
  return c;
}

std::vector<float> expected(const Case& c) {
  Reference reference{DeviceOptions{}};
  Trial trial(reference, c);
  trial.run();
  return trial.output();
}

}  // namespace tts
