#include "engine/quantize.h"

#include "base/trace.h"
#include "kernels/ops.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace tts {

namespace {

constexpr int kBlock{32};  // weights that share a scale in int4_blocks

float largest(const float* w, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(w[i]));
  return most;
}

// A row of zeros gets the scale 1: it divides nothing and restores zeros.
float scale_for(const float* w, int64_t n, float steps) {
  const float most = largest(w, n);
  return most > 0 ? most / steps : 1.0f;
}

int step(float w, float scale, int limit) {
  return std::clamp(static_cast<int>(std::nearbyint(w / scale)), -limit, limit);
}

void row_to_int8(int8_t* out, float* scale, const float* row, int64_t K) {
  *scale = scale_for(row, K, 127);
  for (int64_t k = 0; k < K; ++k) out[k] = static_cast<int8_t>(step(row[k], *scale, 127));
}

void row_to_int4(uint8_t* out, float* scales, const float* row, int64_t K) {
  for (int64_t b = 0; b < K / kBlock; ++b) {
    const float* w = row + b * kBlock;
    scales[b] = scale_for(w, kBlock, 7);
    for (int j = 0; j < kBlock / 2; ++j) {
      const int low = step(w[j], scales[b], 7) + 8, high = step(w[j + kBlock / 2], scales[b], 7) + 8;
      out[b * kBlock / 2 + j] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

template <class Work>
void in_parallel(int64_t rows, Work&& work) {
  const int64_t threads = std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, 16);
  std::vector<std::thread> pool;
  for (int64_t t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; ++r) work(r);
    });
  }
  for (std::thread& thread : pool) thread.join();
}

}  // namespace

Quant parse_quant(std::string_view name) {
  for (const Quant quant : {Quant::none, Quant::int8, Quant::int4}) {
    if (str(quant) == name) return quant;
  }
  throw Error(Exit::usage, "--quant {}: expected none, int8 or int4", name);
}

std::string_view str(Quant quant) {
  return quant == Quant::none ? "none" : quant == Quant::int8 ? "int8" : "int4";
}

DType quantised_format(std::string_view name, const Shape& shape, Quant quant) {
  const bool predictor = name.starts_with("talker.code_predictor.");
  const bool layer = name.find(".layers.") != name.npos && name.ends_with("_proj.weight");
  const bool head = name == "talker.codec_head.weight" || name.find(".lm_head.") != name.npos;
  const bool adapter = name.ends_with("small_to_mtp_projection.weight");
  if (quant == Quant::none || shape.rank != 2 || !name.starts_with("talker.") || !(layer || head || adapter))
    return DType::f32;
  const bool nibbles = quant == Quant::int4 && layer && !predictor && shape[1] % kBlock == 0;
  return nibbles ? DType::int4_blocks : DType::int8_rows;
}

Tensor quantise(const Tensor& matrix, DType dtype, Arena& arena) {
  const int64_t M = matrix.rows(), K = matrix.columns();
  const bool nibbles = dtype == DType::int4_blocks;
  const int64_t row_bytes = nibbles ? K / 2 : K, row_scales = nibbles ? K / kBlock : 1;
  auto* data = arena.take<std::byte>("quantised weights", checked_mul(M, row_bytes, "quantised weights"));
  auto* scales = arena.take<float>("their scales", checked_mul(M, row_scales, "scales"));
  if (data != nullptr) {
    in_parallel(M, [&](int64_t m) {
      thread_local std::vector<float> row;
      row.resize(static_cast<size_t>(K));
      widen_row(row.data(), matrix, m);
      if (nibbles) {
        row_to_int4(reinterpret_cast<uint8_t*>(data + m * row_bytes), scales + m * row_scales, row.data(), K);
      } else {
        row_to_int8(reinterpret_cast<int8_t*>(data + m * row_bytes), scales + m, row.data(), K);
      }
    });
  }
  return {.data = data, .dtype = dtype, .shape = {M, K}, .scales = scales};
}

Tensor quantise(const Tensor& matrix, DType dtype, Owned& owned) {
  Arena plan;
  quantise(matrix, dtype, plan);
  owned.push_back(std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(plan.bytes())));
  Arena arena(owned.back().get());
  return quantise(matrix, dtype, arena);
}

void quantise_model(const ModelConfig& config, TalkerWeights& talker, PredictorWeights& predictor,
                    Quant quant, HostMemory& memory) {
  if (quant == Quant::none) return;
  const Trace trace("quantise");
  const auto each_matrix = [&](const auto& use) {
    const auto visit = [&](Tensor& tensor, std::string_view name, const Shape& shape) {
      const DType dtype = quantised_format(name, shape, quant);
      const bool done = tensor.dtype == DType::int8_rows || tensor.dtype == DType::int4_blocks;
      if (dtype != DType::f32 && !done) use(tensor, dtype);
    };
    talker.each(config.talker, visit);
    predictor.each(config, visit);
  };
  Arena plan;
  each_matrix([&](const Tensor& tensor, DType dtype) { quantise(tensor, dtype, plan); });
  if (plan.bytes() == 0) return;  // all of them come from the file
  Arena arena(memory.allocate(plan.bytes()));
  each_matrix([&](Tensor& tensor, DType dtype) { tensor = quantise(tensor, dtype, arena); });
}

}  // namespace tts
