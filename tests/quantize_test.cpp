// Rounding, which matrices are rounded, and that a quantised file speaks like the checkpoint quantised at
// load.
#include "catch.h"
#include "engine/quantize.h"
#include "speech.h"
#include "temp_directory.h"
#include "tools/quantize_checkpoint.h"

#include <cmath>
#include <filesystem>
#include <random>

using namespace tts;
using namespace tts::test;

namespace {

Engine open(std::shared_ptr<const Model> model, const std::string& kind, const std::string& quant) {
  DeviceChoice choice;
  choice.kind = kind;
  choice.quant = quant;
  choice.options.threads = 1;
  return Engine(std::move(model), choice);
}

}  // namespace

TEST_CASE("a weight is restored within half a step of its scale") {
  constexpr int M{5}, K{96};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(M * K);
  for (float& w : weights) w = normal(random);
  std::fill_n(weights.begin() + 2 * K, K, 0.0f);  // a row of zeros
  const Tensor matrix{weights.data(), DType::f32, {M, K}, nullptr};
  for (const DType dtype : {DType::int8_rows, DType::int4_blocks}) {
    Owned owned;
    const Tensor q = quantise(matrix, dtype, owned);
    std::vector<float> row(K);
    for (int m = 0; m < M; ++m) {
      widen_row(row.data(), q, m);
      for (int k = 0; k < K; ++k) {
        const float scale = dtype == DType::int8_rows ? q.scales[m] : q.scales[m * (K / 32) + k / 32];
        // half a step, and the rounding of the product that restores it
        const float bound = 0.5f * scale * (1 + 0x1p-20f);
        CHECK(std::abs(row[static_cast<size_t>(k)] - weights[static_cast<size_t>(m * K + k)]) <= bound);
      }
    }
    CHECK(row.size() == K);
  }
}

TEST_CASE("matrices of products are rounded, tables and projections of the text are kept") {
  const Shape shape{64, 64};
  const auto dtype_of = [&](const char* name, Quant quant) { return quantised_format(name, shape, quant); };
  CHECK(dtype_of("talker.model.layers.3.self_attn.q_proj.weight", Quant::int8) == DType::int8_rows);
  CHECK(dtype_of("talker.model.layers.3.mlp.down_proj.weight", Quant::int4) == DType::int4_blocks);
  CHECK(dtype_of("talker.code_predictor.model.layers.0.mlp.up_proj.weight", Quant::int4) == DType::int8_rows);
  CHECK(dtype_of("talker.code_predictor.lm_head.3.weight", Quant::int4) == DType::int8_rows);
  CHECK(dtype_of("talker.codec_head.weight", Quant::int4) == DType::int8_rows);
  for (const char* kept :
       {"talker.model.text_embedding.weight", "talker.model.codec_embedding.weight",
        "talker.text_projection.linear_fc1.weight", "decoder.pre_transformer.layers.0.mlp.up_proj.weight",
        "talker.code_predictor.model.codec_embedding.0.weight"}) {
    CHECK(dtype_of(kept, Quant::int8) == DType::f32);
  }
  CHECK(quantised_format("talker.model.layers.0.mlp.up_proj.weight", {64, 40}, Quant::int4) ==
        DType::int8_rows);
}

TEST_CASE("a quantised file gives the codes of quantising at load") {
  for (const char* name : {"tiny-custom-voice-1b7", "tiny-voice-design"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    for (const Quant quant : {Quant::int8, Quant::int4}) {
      const TempDirectory folder;
      quantize_checkpoint(golden_model(name), folder.file("m"), quant, {}, 4);
      const std::shared_ptr<const Model> stored = load_model(folder.file("m"), {.strict = true});
      CHECK(stored->weight_bytes < model->weight_bytes);
      CHECK(std::filesystem::exists(folder.file("m/quantization.json")));
      SpeakRequest request = request_for(*model, "Hello there.");
      request.sampling.max_new_tokens = 6;
      for (const char* kind : {"reference", "cpu"}) {
        Engine at_load = open(model, kind, std::string(str(quant))), from_file = open(stored, kind, "none");
        INFO(name << " " << str(quant) << " on " << kind);
        CHECK(hear(at_load, request).spoken.codes == hear(from_file, request).spoken.codes);
      }
    }
  }
}

TEST_CASE("an unknown format is refused with the known ones") {
  try {
    parse_quant("int3");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::usage);
    CHECK(std::string(error.what()) == "--quant int3: expected none, int8 or int4");
  }
}
