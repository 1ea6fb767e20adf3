// What the program carries is the directory in the repository: every file, byte for byte.
#include "base/file.h"
#include "catch.h"
#include "engine/embedded_voice.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace tts;

namespace {

const std::string kVoiceDirectory{TTS_SOURCE_DIR "/tools/voice/flite-en"};

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the program carries every file of the voice directory, unchanged") {
  const std::vector<EmbeddedFile> files = embedded_voice();
  if (files.empty()) return;  // a build without the voice; embedded_voice_expected below holds the other case
  size_t on_disk = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kVoiceDirectory))
    if (entry.is_regular_file()) on_disk++;
  CHECK(files.size() == on_disk);
  for (const EmbeddedFile& file : files) {
    CAPTURE(file.name);
    const std::string expected = file_text(kVoiceDirectory + "/" + std::string(file.name));
    REQUIRE(file.bytes.size() == expected.size());
    CHECK(std::memcmp(file.bytes.data(), expected.data(), expected.size()) == 0);
    CHECK(reinterpret_cast<uintptr_t>(file.bytes.data()) % 64 == 0);
  }
}
