// What the program carries is the directory in the repository, byte for byte, and it opens without a copy.
#include "engine/embedded_voice.h"
#include "base/file.h"
#include "catch.h"
#include "engine/model.h"
#include "process.h"
#include "timing.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>

using namespace tts;
using namespace tts::test;

namespace {

const std::string kVoiceDirectory{TTS_SOURCE_DIR "/tools/voice/flite-en"};

}  // namespace

#ifdef TTS_EMBED_VOICE

TEST_CASE("the program carries every file of the voice directory, unchanged") {
  const std::vector<EmbeddedFile> files = embedded_voice();
  size_t on_disk = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kVoiceDirectory)) {
    if (entry.is_regular_file()) on_disk++;
  }
  CHECK(files.size() == on_disk);
  for (const EmbeddedFile& file : files) {
    CAPTURE(file.name);
    const std::string expected = file_bytes(kVoiceDirectory + "/" + std::string(file.name));
    REQUIRE(file.bytes.size() == expected.size());
    CHECK(std::memcmp(file.bytes.data(), expected.data(), expected.size()) == 0);
    CHECK(reinterpret_cast<uintptr_t>(file.bytes.data()) % 64 == 0);
  }
}

TEST_CASE("the embedded voice opens within 10 ms, and its weights stay where the program was mapped") {
  CHECK(has_embedded_voice());
  double best_ms = 1e9;
  std::unique_ptr<Model> model;
  for (int repetition = 0; repetition < 5; ++repetition) {
    best_ms = std::min(best_ms, processor_ms([&] { model = load_model("embedded"); }));
  }
  std::cout << "opening the embedded voice: " << best_ms << " ms\n";
  CHECK(best_ms <= 10 * kSlower);
  const std::vector<EmbeddedFile> files = embedded_voice();
  const auto weights =
      std::find_if(files.begin(), files.end(), [](auto& f) { return f.name == "model.safetensors"; });
  REQUIRE(weights != files.end());
  const std::byte *begin = weights->bytes.data(), *end = begin + weights->bytes.size();
  int matrices = 0;
  model->talker.each(model->config.talker,
                     [&](const Tensor& tensor, std::string_view name, const Shape& shape) {
                       if (shape.rank != 2) return;  // norms and biases are widened to f32
                       CAPTURE(name);
                       const auto* data = static_cast<const std::byte*>(tensor.data);
                       CHECK((begin < data && data < end));
                       matrices++;
                     });
  CHECK(matrices == 5 + 7 * model->config.talker.dims.L);
}

#else

TEST_CASE("a build without the voice says how to go on") {
  CHECK(embedded_voice().empty());
  CHECK_FALSE(has_embedded_voice());
  CHECK_THROWS_WITH(load_model("embedded"), Catch::Contains("TTS_EMBED_VOICE"));
}

#endif

TEST_CASE("the rules of the voice are the file voice.json") {
  const std::unique_ptr<Model> model = load_model(kVoiceDirectory);
  CHECK(model->rules.max_characters == 120);
  CHECK(model->rules.upfront_text_only);
  CHECK(model->rules.spell_numbers);
  CHECK_FALSE(model->rules.description.empty());
}
