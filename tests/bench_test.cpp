// tts-bench as a process: random checkpoints, and what the reports hold.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "process.h"
#include "temp_directory.h"

#include "engine/model.h"

#include <sstream>

using namespace tts;
using namespace tts::test;

namespace {

using Words = std::vector<std::string>;

Finished bench(const Words& words) { return run(TTS_BIN_DIR "/tts-bench", words); }

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line, "line"));
  return lines;
}

}  // namespace

TEST_CASE("a random checkpoint of every type loads strictly") {
  const TempDirectory folder;
  const Words tokenizer{"--tokenizer", std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base"};
  for (const std::string type : {"custom_voice", "base", "voice_design"}) {
    const std::string path = folder.file(type);
    Words words{"checkpoint", "--size", "tiny", "--type", type, path};
    words.insert(words.end(), tokenizer.begin(), tokenizer.end());
    const Finished made = bench(words);
    INFO(type << ": " << made.err);
    REQUIRE(made.exit == 0);
    const auto model = load_model(path, {.strict = true});
    CHECK(str(model->config.type) == type);
    CHECK(model->encoder.has_value());
    CHECK(model->speaker_encoder.has_value() == (type == "base"));
    CHECK(model->config.talker.speakers.empty() == (type != "custom_voice"));
  }
}

TEST_CASE("random weights follow the seed, and an existing directory stays as it is") {
  const TempDirectory folder;
  const auto make = [&](const char* name, const char* seed) {
    return bench({"checkpoint", "--size", "tiny", "--seed", seed, "--tokenizer",
                  std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base", folder.file(name)});
  };
  const auto weights = [&](const char* name) { return file_bytes(folder.file(name) + "/model.safetensors"); };
  REQUIRE(make("a", "3").exit == 0);
  REQUIRE(make("b", "3").exit == 0);
  REQUIRE(make("c", "4").exit == 0);
  CHECK(weights("a") == weights("b"));
  CHECK(weights("a") != weights("c"));
  const Finished again = make("a", "5");
  CHECK(again.exit == 5);
  CHECK(again.err.find("exists; name a new directory") != again.err.npos);
  CHECK(weights("a") == weights("b"));
}

TEST_CASE("a random checkpoint speaks as long as it may") {
  const TempDirectory folder;
  const std::string path = folder.file("model");
  REQUIRE(bench({"checkpoint", "--size", "tiny", "--tokenizer",
                 std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base", path})
              .exit == 0);
  const Finished spoken = tts_gen({"-m", path, "--seed", "1", "--guard", "off", "--max-new-tokens", "9", "-j", "1", "--json", "-o",
                                   folder.file("a.wav"), "Hello."});
  INFO(spoken.err);
  CHECK(spoken.exit == 6);  // a limit ended it, not its own end token
  const std::vector<Json> lines = lines_of(spoken.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("frames").integer(0, 100) == 8);
  CHECK(is_complete_wav(file_bytes(folder.file("a.wav"))));
}
