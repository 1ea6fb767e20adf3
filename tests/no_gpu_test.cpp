// --device cuda where there is no GPU that can be used: exit code 4 before a model file is looked at, saying
// what was found and what is needed; never another device. Run as real processes, in builds with and without
// CUDA.
#include "base/json.h"
#include "catch.h"
#include "engine/synthesis.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <algorithm>
#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

bool has_cuda() {
  const std::vector<std::string> kinds = device_kinds();
  return std::find(kinds.begin(), kinds.end(), "cuda") != kinds.end();
}

// Without a driver the first message, with a driver and its GPUs hidden the second.
void check_says_why(const std::string& text) {
  CAPTURE(text);
  if (!has_cuda()) {
    CHECK(text.find("expected a build with CUDA (cmake --preset cuda), this one has: auto, reference, cpu") !=
          std::string::npos);
  } else if (text.find("driver: expected an NVIDIA driver for CUDA ") != std::string::npos) {
    CHECK(text.find("found none; install it") != std::string::npos);
  } else {
    CHECK(text.find("device: expected a GPU, found none (") != std::string::npos);
    CHECK(text.find("driver for CUDA ") != std::string::npos);
  }
  CHECK(text.find("choose --device cpu") != std::string::npos);
}

const RunOptions kHidden{.environment = {{"CUDA_VISIBLE_DEVICES", "-1"}}};

}  // namespace

TEST_CASE("cuda that cannot run is exit 4, before the model is looked at and without a file") {
  const TempDirectory folder;
  const std::string out = folder.file("a.wav"), absent = folder.file("no-such-model");
  for (const std::string& model : {absent, golden_model("tiny-custom-voice")}) {
    const Finished done = tts_gen({"Hi.", "--device", "cuda", "-m", model, "-o", out, "--json"}, kHidden);
    CHECK(done.exit == 4);
    CHECK(done.out.empty());
    CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
    check_says_why(done.err);
    CHECK(!std::filesystem::exists(out));
  }
  CHECK(tts_gen({"Hi.", "--device", "cuda:3", "-m", absent, "-o", out}, kHidden).exit == 4);
  CHECK(tts_gen({"--print-config", "--device", "cuda", "-m", golden_model("tiny-custom-voice")}, kHidden)
            .exit == 4);
  const std::string bench = std::string(TTS_BIN_DIR) + "/tts-bench";
  CHECK(run(bench, {"ops", "--device", "cuda"}, kHidden).exit == 4);
  CHECK(run(bench, {"--device", "cuda", "-m", absent}, kHidden).exit == 4);
}

TEST_CASE("doctor shows why cuda cannot run, and that auto takes the processor") {
  const Finished done = tts_gen({"doctor", "--json"}, kHidden);
  CHECK(done.exit == 0);
  const Json doctor = Json::parse(done.out, "doctor");
  CHECK(doctor.at("auto").text().starts_with("cpu ("));
  int found = 0;
  for (const Json& device : doctor.at("devices").items()) {
    if (device.at("kind").text() != "cuda") continue;
    ++found;
    CHECK(!device.at("usable").boolean());
    CHECK(device.at("self_test").text().empty());
    check_says_why(device.at("trouble").text());
  }
  CHECK(found == 1);
}

TEST_CASE("auto takes the processor and says so in one line and in the result") {
  const TempDirectory folder;
  const Finished done = tts_gen({"Hi.", "-m", golden_model("tiny-custom-voice"), "-o", folder.file("a.wav"),
                                 "--json", "--max-new-tokens", "3"},
                                kHidden);
  CHECK((done.exit == 0 || done.exit == 6));
  CHECK(done.err.find("device: cpu (") != std::string::npos);
  CHECK(Json::parse(done.out, "result").at("device").at("kind").text() == "cpu");
}
