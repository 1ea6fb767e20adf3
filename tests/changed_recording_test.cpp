// A comparison that cannot fail proves nothing: in a reduced copy of the recordings, one value of every kind
// is changed, real numbers by 0.5, integers by 1, and golden_test must fail each time; unchanged it must
// pass.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "temp_directory.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

namespace fs = std::filesystem;
using tts::format;

namespace {

// One case of each sort that the reduced set needs: every kind of tensor occurs in it.
const std::map<std::string, std::vector<std::string>> kCases = {
    {"tiny-base-1b7", {"icl-text-longer-streaming", "xvector-streaming"}},
    {"tiny-custom-voice-1b7", {"instruct-streaming", "penalty-1.3", "sampled"}},
};

const std::string kGoldens = std::string(TTS_SOURCE_DIR) + "/tests/goldens";

void copy_into(const fs::path& to, const fs::path& what) {
  fs::create_directories((to / what).parent_path());
  fs::copy(fs::path(kGoldens) / what, to / what, fs::copy_options::recursive);
}

void reduce(const fs::path& to) {
  for (const char* part : {"codec", "speaker"}) copy_into(to, fs::path(part) / "tiny-base-1b7");
  for (const auto& [model, cases] : kCases) {
    copy_into(to, fs::path("models") / model);
    for (const std::string& name : cases) copy_into(to, fs::path("cases") / model / name);
  }
  for (const char* file :
       {"index.json", "audio.json", "audio.safetensors", "resample.json", "resample.safetensors",
        "sampling.json", "sampling.safetensors", "tokenizer", "models/tiny-custom-voice"}) {
    copy_into(to, file);
  }
}

bool passes(const fs::path& directory, const std::string& only) {
  const std::string command = format("'{}/golden_test' --device cpu --only '{}' '{}' > /dev/null 2>&1",
                                     std::string(TTS_BIN_DIR), only, directory.string());
  return std::system(command.c_str()) == 0;
}

// A stored value: where its bytes are.
struct Place {
  fs::path file;
  std::streamoff offset;
  bool integer;
};

template <class T>
void add(const Place& place, T step) {
  std::fstream file(place.file, std::ios::in | std::ios::out | std::ios::binary);
  T value;
  file.seekg(place.offset).read(reinterpret_cast<char*>(&value), sizeof value);
  value += step;
  file.seekp(place.offset).write(reinterpret_cast<const char*>(&value), sizeof value);
}

// The first tensor of each kind below `directory`, by the kind's name in golden_test.
std::map<std::string, Place> one_of_each(const fs::path& directory, const std::string& prefix) {
  std::map<std::string, Place> places;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    uint64_t length = 0;
    file.read(reinterpret_cast<char*>(&length), sizeof length);
    std::string header(length, ' ');
    file.read(header.data(), static_cast<std::streamsize>(length));
    const tts::Json json = tts::Json::parse(header, entry.path().string());
    for (const auto& [name, facts] : json.members()) {
      if (name == "__metadata__") continue;
      const int64_t begin = facts.at("data_offsets").items()[0].integer(0, INT64_MAX);
      const bool empty = begin == facts.at("data_offsets").items()[1].integer(0, INT64_MAX);
      std::string kind = name.substr(name.rfind('.') + 1);
      if (kind.starts_with("wave_")) kind = "wave";
      if (entry.path().filename() == "encoder.safetensors" && prefix == "codec.") kind = "encoder." + kind;
      else kind = prefix + kind;
      const Place place{entry.path(), static_cast<std::streamoff>(8 + length) + begin,
                        facts.at("dtype").text() == "I64"};
      if (!empty) places.emplace(kind, place);
    }
  }
  return places;
}

void must_notice(const fs::path& directory, const std::string& kind, const std::string& only,
                 const Place& place) {
  INFO(kind << " in " << place.file.string());
  place.integer ? add<int64_t>(place, 1) : add<float>(place, 0.5f);
  CHECK_FALSE(passes(directory, only));
  place.integer ? add<int64_t>(place, -1) : add<float>(place, -0.5f);
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = tts::read_text(file.string(), 1 << 24);
  const size_t at = text.find(from);
  REQUIRE(at != text.npos);
  text.replace(at, from.size(), to);
  tts::write_file(file.string(), text);
}

const std::string kCaseKinds =
    "input_ids,instruct_ids,ref_ids,speaker_embedding,ref_codes,prompt,prefill_positions,trailing,tts_pad,"
    "prefill_layers,"
    "prefill_hidden,hidden,logits,tokens,scores,step_inputs,step_positions,predictor_logits,codes,decode_"
    "codes,wave";

}  // namespace

TEST_CASE("a changed value of any kind fails the comparison with the recordings") {
  const tts::test::TempDirectory home;
  const fs::path directory = home.path() + "/goldens";
  fs::create_directories(directory);
  reduce(directory);
  const std::string codec_kinds = [&] {
    std::string all;
    for (const auto& [kind, place] : one_of_each(directory / "codec", "codec.")) {
      if (kind != "codec.codes") all += (all.empty() ? "" : ",") + kind;
    }
    return all;
  }();
  const std::string speaker_kinds =
      "speaker.logmel,speaker.block0,speaker.block1,speaker.block2,speaker.block3,speaker.mfa,"
      "speaker.asp,speaker.embedding";
  REQUIRE(passes(directory, kCaseKinds + ",scalars,margins"));
  REQUIRE(passes(directory, codec_kinds));
  REQUIRE(passes(directory, speaker_kinds));
  REQUIRE(passes(directory, "sampling.scores,sampling.choice"));
  REQUIRE(passes(directory, "clips,resample,ids"));

  int kinds = 0;
  const auto sweep = [&](const fs::path& part, const std::string& prefix, const std::string& only) {
    for (const auto& [kind, place] : one_of_each(part, prefix)) {
      must_notice(directory, kind, only, place);
      ++kinds;
    }
  };
  sweep(directory / "cases", "", kCaseKinds);
  sweep(directory / "codec", "codec.", codec_kinds);
  sweep(directory / "speaker", "speaker.", speaker_kinds);
  CHECK(kinds >= 21 + 20 + 8);

  const fs::path one_case = directory / "cases/tiny-base-1b7/xvector-streaming/case.json";
  replace_in(one_case, "\"frames\": 7", "\"frames\": 8");
  CHECK_FALSE(passes(directory, "scalars"));
  replace_in(one_case, "\"frames\": 8", "\"frames\": 7");
  replace_in(one_case, "\"talker_gap\": 0.", "\"talker_gap\": 1.");
  CHECK_FALSE(passes(directory, "margins"));
  replace_in(directory / "tokenizer/tiny-custom-voice.json", "451", "452");
  CHECK_FALSE(passes(directory, "ids"));
  replace_in(directory / "audio.json", "\"samples\": 1919", "\"samples\": 1920");
  CHECK_FALSE(passes(directory, "clips"));
  for (const auto& [kind, place] : one_of_each(directory, "top.")) {
    if (place.file.filename() == "resample.safetensors") must_notice(directory, kind, "resample", place);
  }
  replace_in(directory / "sampling.json", "\"greedy_choice\": 4", "\"greedy_choice\": 5");
  CHECK_FALSE(passes(directory, "sampling.choice"));
}

TEST_CASE("a missing model, a missing recording and an unknown kind fail") {
  const tts::test::TempDirectory home;
  const fs::path directory = home.path() + "/goldens";
  fs::create_directories(directory);
  reduce(directory);
  CHECK_FALSE(passes(directory, "no_such_kind"));
  fs::remove_all(directory / "cases/tiny-base-1b7");
  CHECK_FALSE(passes(directory, "models"));
  fs::remove_all(directory / "models");
  CHECK_FALSE(passes(directory, "codec.wave"));
}
