// Whole model directories: the recorded ones, tiny ones of every storage form, and damaged ones.
#include "catch.h"
#include "refusal.h"
#include "temp_directory.h"
#include "tiny_model.h"

#include "base/file.h"
#include "engine/bind.h"
#include "engine/model.h"
#include "kernels/ops.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

// Every tensor of a model with the values tiny_model wrote, converted as promised.
struct Compare {
  int tensors = 0;
  DType matrices;  // of rank 2 and above

  void operator()(Tensor& tensor, std::string_view name, const Shape& shape) {
    ++tensors;
    INFO(name);
    CHECK(tensor.shape == shape);
    CHECK(tensor.dtype == (shape.rank <= 1 ? DType::f32 : matrices));
    const size_t unit = tensor.dtype == DType::f32 ? 4 : 2;
    CHECK(reinterpret_cast<uintptr_t>(tensor.data) % unit == 0);
    int64_t wrong = 0;
    for (int64_t i = 0; i < element_count(shape); ++i) {
      const float got = unit == 4 ? tensor.f32()[i] : widen(static_cast<const bf16*>(tensor.data)[i]);
      wrong += got != tiny_value(name, i);
    }
    CHECK(wrong == 0);
  }
};

int compare_language(Model& model, DType matrices) {
  Compare compare{0, matrices};
  model.talker.each(model.config.talker, compare);
  model.predictor.each(model.config, compare);
  if (model.speaker_encoder) model.speaker_encoder->each(*model.config.speaker_encoder, compare);
  return compare.tensors;
}

int compare_codec(Model& model, DType matrices) {
  Compare compare{0, matrices};
  model.decoder.each(model.config.codec, compare);
  if (model.encoder) model.encoder->each(*model.config.codec_encoder, compare);
  return compare.tensors;
}

TensorBytes& find(std::vector<TensorBytes>& tensors, const std::string& name) {
  for (TensorBytes& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + name);
}

void drop(std::vector<TensorBytes>& tensors, const std::string& prefix) {
  std::erase_if(tensors, [&](const TensorBytes& tensor) { return tensor.name.starts_with(prefix); });
}

// What loading a damaged model says, without the directory.
std::string says(const TinyModel& tiny, const LoadOptions& options = {}) {
  const TempDirectory dir;
  write_tiny_model(dir.file("m"), tiny);
  const Refusal refusal = refusal_of([&] { load_model(dir.file("m"), options); });
  CHECK(refusal.exit == Exit::bad_input);
  const std::string prefix = dir.path() + "/";
  return refusal.message.starts_with(prefix) ? refusal.message.substr(prefix.size()) : refusal.message;
}

const std::string kQ = "talker.model.layers.1.self_attn.q_proj.weight";

}  // namespace

TEST_CASE("the recorded models load without a tensor missing or left over") {
  const struct {
    const char* name;
    int64_t bytes;
    bool speaker;
  } kModels[] = {{"tiny-base", 1'380'820, true},
                 {"tiny-base-1b7", 1'679'316, true},
                 {"tiny-custom-voice", 6'024'228, false},
                 {"tiny-custom-voice-1b7", 1'628'660, false},
                 {"tiny-voice-design", 1'724'156, false}};
  for (const auto& m : kModels) {
    LoadOptions strict;
    strict.strict = true;
    const std::unique_ptr<Model> model = load_model(golden_model(m.name), strict);
    CHECK(model->weight_bytes == m.bytes);
    CHECK(model->warnings.empty());
    CHECK(model->speaker_encoder.has_value() == m.speaker);
    CHECK(model->encoder.has_value());
  }
}

TEST_CASE("BF16, F16 and F32 files give the same values, at any alignment, in one file or in shards") {
  const struct {
    DType stored, codec, matrices, codec_matrices;
    int shards;
    size_t odd_header;
  } kForms[] = {{DType::bf16, DType::f32, DType::bf16, DType::f32, 1, 0},
                {DType::f32, DType::bf16, DType::f32, DType::bf16, 1, 0},
                {DType::f16, DType::f16, DType::f32, DType::f32, 1, 0},
                {DType::bf16, DType::f32, DType::bf16, DType::f32, 1, 1},
                {DType::f32, DType::f32, DType::f32, DType::f32, 1, 2},
                {DType::f16, DType::f32, DType::f32, DType::f32, 1, 3},
                {DType::bf16, DType::f32, DType::bf16, DType::f32, 3, 0},
                {DType::bf16, DType::f32, DType::bf16, DType::f32, 2, 1}};
  for (const auto& form : kForms) {
    const TempDirectory dir;
    TinyModel tiny;
    tiny.dtype = form.stored;
    tiny.codec_dtype = form.codec;
    tiny.shards = form.shards;
    tiny.odd_header = form.odd_header;
    write_tiny_model(dir.file("m"), tiny);
    const std::unique_ptr<Model> model = load_model(dir.file("m"));
    INFO(str(form.stored) << " in " << form.shards << " files, header + " << form.odd_header);
    CHECK(compare_language(*model, form.matrices) == 170);
    CHECK(compare_codec(*model, form.codec_matrices) == 358);
    if (form.stored == DType::bf16 &&
        form.odd_header == 0) {  // mapped, not copied: only the rank-1 tensors are ours
      CHECK(model->owned.size() < 170);
    }
  }
}

TEST_CASE("F16 numbers of every kind are widened exactly") {
  const std::vector<std::pair<uint16_t, float>> kNumbers = {
      {0x0000, 0.0f},     {0x8000, -0.0f}, {0x0001, 0x1p-24f}, {0x83ff, -0x1.ff8p-15f},
      {0x0400, 0x1p-14f}, {0x3c00, 1.0f},  {0x7bff, 65504.0f}, {0xfc00, -INFINITY}};
  std::vector<TensorBytes> tensors = {{"w", "F16", Shape{8, 1}, std::string(16, '\0')}};
  for (size_t i = 0; i < kNumbers.size(); ++i)
    std::memcpy(tensors[0].bytes.data() + 2 * i, &kNumbers[i].first, 2);
  const std::string file = safetensors_file(tensors);
  Tensor tensor = parse_safetensors(std::as_bytes(std::span(file.data(), file.size())), "f")[0].tensor;
  std::vector<std::unique_ptr<std::byte[]>> owned;
  Converter{owned}(tensor, "w", tensor.shape);
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    CHECK(std::bit_cast<uint32_t>(tensor.f32()[i]) == std::bit_cast<uint32_t>(kNumbers[i].second));
  }
}

TEST_CASE("a tensor that does not fit is refused by file, name, expected and found shape") {
  TinyModel tiny;
  tiny.damage = [](auto& tensors) { find(tensors, kQ).shape = Shape{48, 96}; };
  CHECK(says(tiny) == "m/model.safetensors: tensor " + kQ + ": expected [96,48], got BF16[48,96]");
  tiny.damage = [](auto& tensors) { find(tensors, kQ).shape = Shape{96, 48, 1}; };
  CHECK(says(tiny) == "m/model.safetensors: tensor " + kQ + ": expected [96,48], got BF16[96,48,1]");
  tiny.damage = [](auto& tensors) { find(tensors, kQ).dtype = "I16"; };
  CHECK(says(tiny) == "m/model.safetensors: tensor " + kQ + ": expected F32, BF16 or F16, got I16[96,48]");
  tiny.damage = [](auto& tensors) { drop(tensors, kQ); };
  CHECK(says(tiny) == "m/model.safetensors: tensor " + kQ + ": expected [96,48], got none");
  tiny.damage = [](auto& tensors) { drop(tensors, "speaker_encoder."); };
  CHECK(says(tiny) ==
        "m/model.safetensors: tensor speaker_encoder.blocks.0.conv.weight: expected [32,128,5], got none");
  TinyModel codec;
  codec.damage_codec = [](auto& tensors) {
    find(tensors, "decoder.decoder.6.conv.weight").shape = Shape{1, 7, 2};
  };
  CHECK(says(codec).starts_with(
      "m/speech_tokenizer/model.safetensors: tensor decoder.decoder.6.conv.weight: expected "));
  codec.damage_codec = [](auto& tensors) { drop(tensors, "encoder.downsample."); };
  CHECK(says(codec).starts_with(
      "m/speech_tokenizer/model.safetensors: tensor encoder.downsample.conv.weight: expected "));
  TinyModel wide;
  wide.config = {{"talker_config.num_hidden_layers", "4"}};
  wide.damage = [](auto& tensors) { drop(tensors, "talker.model.layers.3."); };
  CHECK(says(wide) ==
        "m/model.safetensors: tensor talker.model.layers.3.input_layernorm.weight: expected [48], got none");
}

TEST_CASE("unknown tensors are a warning, and an error when asked for") {
  TinyModel tiny;
  tiny.damage = [](auto& tensors) {
    for (int i = 0; i < 9; ++i) tensors.push_back({"extra." + std::to_string(i), "U8", Shape{1}, "x"});
  };
  const TempDirectory dir;
  write_tiny_model(dir.file("m"), tiny);
  const std::string message =
      dir.file("m") +
      "/model.safetensors: 9 tensors that this model type does not use: extra.0, extra.1, "
      "extra.2, extra.3, extra.4, extra.5, extra.6, extra.7, ...";
  CHECK(load_model(dir.file("m"))->warnings == std::vector<std::string>{message});
  LoadOptions strict;
  strict.strict = true;
  CHECK(refusal_of([&] { load_model(dir.file("m"), strict); }).message == message);
}

TEST_CASE("the codec's encoder may be absent as a whole") {
  const TempDirectory dir;
  TinyModel tiny;
  tiny.codec_encoder = false;
  write_tiny_model(dir.file("m"), tiny);
  const std::unique_ptr<Model> model = load_model(dir.file("m"));
  CHECK_FALSE(model->encoder.has_value());
  CHECK(model->warnings.empty());
}

TEST_CASE("a fine-tuned checkpoint with its own speaker loads unchanged, sharded and in another dtype") {
  const TempDirectory dir;
  TinyModel tiny;
  tiny.config = {{"tts_model_type", "\"custom_voice\""},
                 {"talker_config.spk_id", "{\"my_voice\":1016}"},
                 {"talker_config.spk_is_dialect", "{\"my_voice\":false}"}};  // speaker_encoder_config stays
  tiny.dtype = DType::f32;
  tiny.shards = 2;
  write_tiny_model(dir.file("m"), tiny);
  const std::unique_ptr<Model> model = load_model(dir.file("m"));
  CHECK(find_speaker(model->config, "My_Voice")->id == 1016);
  CHECK_FALSE(model->speaker_encoder.has_value());
  CHECK(model->warnings.empty());
}

TEST_CASE("shards must hold what the index says, once, inside the directory") {
  const TempDirectory dir;
  TinyModel tiny;
  tiny.shards = 2;
  write_tiny_model(dir.file("m"), tiny);
  const std::string index = dir.file("m/model.safetensors.index.json"),
                    first = "model-00001-of-00002.safetensors";
  const std::string good = read_text(index, 1 << 24);
  const auto with = [&](const std::string& text) {
    write_file(index, text);
    const Refusal refusal = refusal_of([&] { load_model(dir.file("m")); });
    CHECK(refusal.exit == Exit::bad_input);
    return refusal.message;
  };
  const auto entry = [](const std::string& tensor, const std::string& shard) {
    return "{\"weight_map\":{\"" + tensor + "\":\"" + shard + "\"}}";
  };
  CHECK(with(entry("nothing", first)) == index + ": tensor nothing: expected it in " + first + ", got none");
  const std::string rest = with(entry(kQ, first));  // what the second shard holds is not there
  CHECK(rest.starts_with(index + ": tensor talker."));
  CHECK(rest.ends_with(", got none"));
  CHECK(with(entry("a", "none")) == dir.file("m/none") + ": cannot be opened: No such file or directory");
  CHECK(
      with(entry("a", "config.json")).starts_with(dir.file("m/config.json") + ": header length: expected "));
  std::filesystem::copy_file(dir.file("m/" + first), dir.file("outside"));
  std::filesystem::create_symlink("../outside", dir.file("m/link"));
  CHECK(with(entry("a", "link")) ==
        dir.file("m/link") +
            ": expected a file inside the directory, got a link that leaves it; copy the file there");
  REQUIRE(mkfifo(dir.file("m/pipe").c_str(), 0600) == 0);
  CHECK(with(entry("a", "pipe")) == dir.file("m/pipe") + ": expected a file, got a FIFO");
  std::filesystem::copy_file(dir.file("m/" + first), dir.file("m/twice"));
  const std::string twice = with(edit_json(good, {"weight_map.again", "\"twice\""}));
  CHECK(twice == dir.file("m/twice") +
                     ": tensor talker.model.text_embedding.weight: expected once in all shards, got it in " +
                     dir.file("m/" + first) + " too");
  write_file(index, good);
  CHECK_NOTHROW(load_model(dir.file("m")));
}

TEST_CASE("a vocabulary larger than the embedding table is refused") {
  TinyModel tiny;
  tiny.config = {{"talker_config.text_vocab_size", "608"}};
  CHECK(says(tiny) ==
        "m/vocab.json: expected at most 608 token ids (text_vocab_size of config.json), got 609");
}

TEST_CASE("missing files and files of other kinds are named") {
  for (const char* name :
       {"config.json", "generation_config.json", "speech_tokenizer/config.json", "model.safetensors",
        "speech_tokenizer/model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json"}) {
    const TempDirectory dir;
    write_tiny_model(dir.file("m"));
    const std::string path = dir.file(std::string("m/") + name);
    std::filesystem::remove(path);
    CHECK(refusal_of([&] { load_model(dir.file("m")); }).message ==
          path + ": cannot be opened: No such file or directory");
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    CHECK(refusal_of([&] { load_model(dir.file("m")); }).message == path + ": expected a file, got a FIFO");
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    CHECK(refusal_of([&] { load_model(dir.file("m")); }).message ==
          path + ": expected a file, got a directory");
  }
}

TEST_CASE("weights that shrink under a loaded model are noticed") {
  const TempDirectory dir;
  write_tiny_model(dir.file("m"));
  const std::unique_ptr<Model> model = load_model(dir.file("m"));
  CHECK_NOTHROW(model->files.check_intact());
  REQUIRE(truncate(dir.file("m/model.safetensors").c_str(), 4096) == 0);
  compare_codec(*model, DType::f32);
  const Tensor& table = model->talker.text_embedding;
  volatile uint16_t last =
      static_cast<const uint16_t*>(table.data)[element_count(table.shape) - 1];  // beyond the new end
  CHECK(last == 0);
  CHECK(refusal_of([&] { model->files.check_intact(); }).exit == Exit::bad_input);
}

TEST_CASE("a forgotten tensor is read again when it is needed") {
  const auto model = load_model(golden_model("tiny-custom-voice"));
  const Tensor& weight = model->decoder.pre_conv.weight;
  std::vector<float> before(static_cast<size_t>(element_count(weight.shape) / weight.shape[0])),
      after = before;
  widen_row(before.data(), weight, 0);
  model->files.forget(weight);
  widen_row(after.data(), weight, 0);
  CHECK(before == after);
}
