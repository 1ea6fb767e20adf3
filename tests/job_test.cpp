// --job: killed, edited, locked, damaged; the same samples in the end, and no chunk spoken twice.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "engine/safetensors.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>

using namespace tts;
using namespace tts::test;

namespace {

using Words = std::vector<std::string>;
const std::string kText{
    "One sentence stands here. Another one follows it. The third one is longer than both of them. "
    "Yes. Yes. The end comes now."};

Words speak(const std::string& model, const Words& more) {
  return merged({"-m", model, "--device", "cpu", "-j", "1", "--split", "sentence", "--max-new-tokens", "24"},
                more);
}

Finished speak_here(const TempDirectory& folder, Words more, const std::string& text = kText) {
  more.insert(more.end(), {"--job", folder.file("job"), "-o", folder.file("a.wav"), "--", text});
  return tts_gen(speak(golden_model("tiny-custom-voice"), more));
}

struct Count {
  int spoken = -1, kept = -1;
  bool operator==(const Count&) const = default;
};
Count count_of(const Finished& done) {
  Count count;
  const size_t at = done.err.find("job: ");
  if (at != std::string::npos)
    std::sscanf(done.err.c_str() + at, "job: %d chunks spoken, %d taken", &count.spoken, &count.kept);
  return count;
}

// Finished chunks and when they were written.
std::map<std::string, std::filesystem::file_time_type> chunks_in(const TempDirectory& folder) {
  std::map<std::string, std::filesystem::file_time_type> chunks;
  if (!std::filesystem::exists(folder.file("job/chunks"))) return chunks;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("job/chunks"))) {
    if (entry.path().extension() == ".safetensors") chunks[entry.path().filename()] = entry.last_write_time();
  }
  return chunks;
}

}  // namespace

TEST_CASE("a job gives what the same command gives without one, and the second time nothing is spoken") {
  const TempDirectory folder;
  const std::string model = golden_model("tiny-custom-voice");
  REQUIRE(tts_gen(speak(model, {"--seed", "5", "-o", folder.file("plain.wav"), "--subtitles",
                                folder.file("plain.srt"), "--", kText}))
              .exit == 6);
  const Words same{"--seed", "5", "--subtitles", folder.file("a.srt")};
  const Finished first = speak_here(folder, same);
  CHECK(first.exit == 6);  // --max-new-tokens ended some of them
  CHECK(count_of(first) == Count{6, 0});
  CHECK((file_bytes(folder.file("a.wav")) == file_bytes(folder.file("plain.wav"))));
  CHECK((file_bytes(folder.file("a.srt")) == file_bytes(folder.file("plain.srt"))));
  std::filesystem::remove(folder.file("a.wav"));
  const Finished second = speak_here(folder, same);
  CHECK(second.exit == 6);
  CHECK(count_of(second) == Count{0, 6});
  CHECK((file_bytes(folder.file("a.wav")) == file_bytes(folder.file("plain.wav"))));
  CHECK((file_bytes(folder.file("a.srt")) == file_bytes(folder.file("plain.srt"))));
}

TEST_CASE("an edit speaks only what changed, and gives what a new run gives") {
  const TempDirectory folder;
  REQUIRE(count_of(speak_here(folder, {"--seed", "5"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5"}, "A new beginning. " + kText)) == Count{1, 6});
  const std::string with_job = file_bytes(folder.file("a.wav"));
  const TempDirectory fresh;
  CHECK(count_of(speak_here(fresh, {"--seed", "5"}, "A new beginning. " + kText)) == Count{7, 0});
  CHECK((file_bytes(fresh.file("a.wav")) == with_job));
  // What does not decide the samples of a chunk leaves it as it is; what does, does not.
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--gap-ms", "900", "-j", "2"})) == Count{0, 6});
  CHECK(count_of(speak_here(folder, {"--seed", "6"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--temperature", "0.5"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--speaker", "none"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--language", "english"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--guard", "off"})) == Count{6, 0});
  CHECK(count_of(speak_here(folder, {"--seed", "5", "--device", "reference"})) == Count{6, 0});
}

TEST_CASE("a seed that was drawn belongs to the job") {
  const TempDirectory folder;
  REQUIRE(count_of(speak_here(folder, {})) == Count{6, 0});
  const std::string first = file_bytes(folder.file("a.wav"));
  CHECK(count_of(speak_here(folder, {})) == Count{0, 6});
  CHECK((file_bytes(folder.file("a.wav")) == first));
}

TEST_CASE("another model is another job, even with the same names, sizes and times") {
  const TempDirectory folder;
  std::filesystem::copy(golden_model("tiny-custom-voice"), folder.file("m"),
                        std::filesystem::copy_options::recursive);
  const auto count = [&] {
    return count_of(tts_gen(speak(folder.file("m"), {"--seed", "5", "--job", folder.file("job"), "-o",
                                                     folder.file("a.wav"), "--", kText})));
  };
  REQUIRE(count() == Count{6, 0});
  REQUIRE(count() == Count{0, 6});
  const std::string weights = folder.file("m/model.safetensors");
  const auto written = std::filesystem::last_write_time(weights);
  std::string bytes = file_bytes(weights);
  bytes[bytes.size() - 4] = static_cast<char>(bytes[bytes.size() - 4] ^ 1);
  write_file(weights, bytes);
  std::filesystem::last_write_time(weights, written);
  CHECK(count() == Count{6, 0});
}

TEST_CASE("pulled from the wall: at most the chunk in flight is lost, the samples are the same") {
  const TempDirectory folder;
  std::string text;
  for (int i = 0; i < 60; ++i) text += "Sentence number " + std::string(1, static_cast<char>('a' + i % 26)) +
                                       std::string(1, static_cast<char>('a' + i / 26)) + " is spoken now. ";
  const Words words = speak(golden_model("tiny-custom-voice"),
                            {"--seed", "5", "--max-new-tokens", "60", "--job", folder.file("job"), "-o",
                             folder.file("a.wav"), "--", text});
  const Words plain = speak(golden_model("tiny-custom-voice"), {"--seed", "5", "--max-new-tokens", "60",
                                                                "-o", folder.file("plain.wav"), "--", text});
  const auto begin = std::chrono::steady_clock::now();
  const int exit = tts_gen(plain).exit;
  const auto whole = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::steady_clock::now() - begin)
                                          .count());
  int kills = 0, spoken_before = 0;
  for (int i = 0; i < 3; ++i) {
    const auto before = chunks_in(folder);
    const Finished killed = tts_gen(words, {.signal = SIGKILL, .delay_ms = whole / 5});
    kills += killed.signal == SIGKILL ? 1 : 0;
    const auto after = chunks_in(folder);
    for (const auto& [name, time] : before) CHECK((after.contains(name) && after.at(name) == time));
    CHECK(after.size() >= before.size());
    spoken_before = static_cast<int>(after.size());
    CHECK_FALSE(std::filesystem::exists(folder.file("a.wav")));
  }
  CHECK(kills == 3);
  CHECK(spoken_before > 0);
  const Finished done = tts_gen(words);
  CHECK(done.exit == exit);
  CHECK(count_of(done) == Count{60 - spoken_before, spoken_before});
  CHECK((file_bytes(folder.file("a.wav")) == file_bytes(folder.file("plain.wav"))));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    CHECK(entry.path().extension() != ".tts-tmp");
}

TEST_CASE("one process at a time") {
  const TempDirectory folder;
  REQUIRE(count_of(speak_here(folder, {"--seed", "5"})) == Count{6, 0});
  const int lock = open(folder.file("job/lock").c_str(), O_RDWR);
  REQUIRE(flock(lock, LOCK_EX | LOCK_NB) == 0);
  const Finished second = speak_here(folder, {"--seed", "5"});
  CHECK(second.exit == 5);
  CHECK(second.err.find("job: another process works in it") != std::string::npos);
  close(lock);
  CHECK(count_of(speak_here(folder, {"--seed", "5"})) == Count{0, 6});
}

TEST_CASE("directories that are no job") {
  const TempDirectory folder;
  const auto refused = [&](int exit, const std::string& message) {
    const Finished done = speak_here(folder, {"--seed", "5"});
    CAPTURE(done.err);
    CHECK(done.exit == exit);
    CHECK(done.err.find(message) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder.file("a.wav")));
  };
  write_file(folder.file("job"), "a file");
  refused(5, "job: cannot be made");
  std::filesystem::remove(folder.file("job"));
  std::filesystem::create_directory(folder.file("job"));
  write_file(folder.file("job/holiday.jpg"), "x");
  refused(3, "job: expected an empty directory, or one that --job made, got other files");
  std::filesystem::remove(folder.file("job/holiday.jpg"));
  write_file(folder.file("job/job.json"), R"({"format":"tts-gen job","version":2})");
  refused(3, "job.json: version: expected 1, got 2");
  write_file(folder.file("job/job.json"), R"({"format":"something","version":1})");
  refused(3, "expected \"tts-gen job\", got \"something\"; this directory is not a job");
  write_file(folder.file("job/job.json"), "{");
  refused(3, "job.json");
  write_file(folder.file("job/job.json"), R"({"format":"tts-gen job","version":1,"seed":-1})");
  refused(3, "job.json: seed: expected an integer");
  std::filesystem::remove(folder.file("job/job.json"));
  write_file(folder.file("job/lock"), "");  // killed while the job was made
  CHECK(count_of(speak_here(folder, {"--seed", "5"})) == Count{6, 0});
}

TEST_CASE("a damaged chunk is said and spoken again") {
  const TempDirectory folder;
  REQUIRE(count_of(speak_here(folder, {"--seed", "5"})) == Count{6, 0});
  const std::string whole = file_bytes(folder.file("a.wav"));
  const auto chunks = chunks_in(folder);
  const std::string path = folder.file("job/chunks/" + chunks.begin()->first);
  const std::string bytes = file_bytes(path);
  const size_t audio = 8 + bytes.find('}', 8) + 200;
  std::string flipped = bytes;
  flipped[audio] = static_cast<char>(flipped[audio] ^ 1);
  for (const std::string& damaged :
       {bytes.substr(0, bytes.size() - 1), bytes.substr(0, 4), std::string(), flipped}) {
    write_file(path, damaged);
    const Finished done = speak_here(folder, {"--seed", "5"});
    CHECK(count_of(done) == Count{1, 5});
    CHECK(done.err.find("the chunk is spoken again") != std::string::npos);
    CHECK((file_bytes(folder.file("a.wav")) == whole));
    CHECK((file_bytes(path) == bytes));
  }
}

TEST_CASE("a chunk spoken alone with the seed that its file names gives the samples of the file") {
  const TempDirectory folder;
  REQUIRE(count_of(speak_here(folder, {"--seed", "5"})) == Count{6, 0});
  int compared = 0;
  for (const auto& [name, time] : chunks_in(folder)) {
    const std::string path = folder.file("job/chunks/" + name);
    const std::string bytes = file_bytes(path);
    std::map<std::string, std::string> parts;
    for (const StoredTensor& t : parse_safetensors(std::as_bytes(std::span(bytes)), path))
      parts[t.name] = std::string(static_cast<const char*>(t.tensor.data), static_cast<size_t>(t.bytes));
    const Json about = Json::parse(parts.at("about"), path);
    const std::string text = about.at("text").text();
    const Finished alone = tts_gen(
        speak(golden_model("tiny-custom-voice"),
              {"--split", "none", "--seed", std::to_string(about.at("seed").integer(0, INT64_MAX)), "-o",
               folder.file("alone.wav"), "--format", "wavf32", "--", text}));
    CAPTURE(text, alone.err);
    CHECK((alone.exit == 0 || alone.exit == 6));
    const std::string wav = file_bytes(folder.file("alone.wav"));
    CHECK((wav.substr(58) == parts.at("audio")));
    ++compared;
  }
  CHECK(compared == 6);
}

TEST_CASE("terminated in the middle: a partial file, and the job goes on") {
  const TempDirectory folder;
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "Here is sentence " + std::string(1, static_cast<char>('a' + i % 26)) + ". ";
  const Words words =
      speak(golden_model("tiny-custom-voice"), {"--seed", "5", "--guard", "off", "--max-new-tokens", "200",
                                                "--job", folder.file("job"), "-o", "-", "--", text});
  const Finished ended = tts_gen(words, {.signal = SIGTERM, .signal_at_output = true});
  CHECK((ended.exit == 143 || ended.exit == 0 || ended.exit == 6));
  const auto kept = chunks_in(folder);
  const Finished rest = tts_gen(words);
  CHECK(count_of(rest).kept == static_cast<int>(kept.size()));
  // The last 5 ms of what was cut off are faded.
  constexpr size_t kFadeBytes{240};
  const std::string begun = ended.out.substr(0, ended.out.size() - kFadeBytes);
  CHECK((rest.out.substr(0, begun.size()) == begun));
}
