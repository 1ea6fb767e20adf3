// What tts-gen refuses, with which exit code, and what it leaves behind.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

const std::string kModel{golden_model("tiny-custom-voice")};
using Words = std::vector<std::string>;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

size_t files_in(const std::string& directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

}  // namespace

TEST_CASE("exit codes of what is refused, with the words") {
  const TempDirectory folder;
  const std::string out = folder.file("a.wav");
  write_file(folder.file("bad.txt"), "Hel\xff");
  const TempDirectory inputs;
  write_file(inputs.file("huge.txt"), "");
  std::filesystem::resize_file(inputs.file("huge.txt"), (64 << 20) + 1);
  struct Case {
    Words words;
    int exit;
    const char* message;
  };
  const Case cases[] = {
      {{"Hello.", "--frobnicate"}, 2, "unknown option '--frobnicate'"},
      {{"Hello.", "-o", out, "-m", kModel, "--input", "jsonl"}, 2, "expected --file or standard input"},
      {{"Hello.", "-t", "x", "-o", out}, 2, "expected one source out of words, --text and --file, got 2"},
      {{"Hello.", "-o", out, "-m", kModel, "-s", "rian"}, 2, "it has: serena, vivian"},
      {{"Hello.", "-o", out, "-m", kModel, "-l", "klingon"}, 2, "it has: auto, chinese, english"},
      {{"Hello.", "-o", out, "-m", golden_model("tiny-voice-design"), "-s", "ryan"}, 2, "voice_design"},
      {{"Hello.", "-o", out, "-m", kModel, "--ablate", "nothing_of_that"}, 2, "expected names out of"},
      {{"Hello.", "-o", out, "-m", kModel, "--device", "gpu"}, 2, "expected auto, cpu, cuda"},
      {{"Hello.", "-o", folder.file("a.xyz"), "-m", kModel}, 2, "unknown extension"},
      {{"Hello.", "-o", "-", "--json", "-m", kModel}, 2, "give --json=FILE"},
      {{"Hello.", "-o", "-", "--retries", "1", "-m", kModel}, 2, "cannot be taken back"},
      {{"Hello.", "-o", out, "-m", kModel, "--top-k", "5000"}, 2, "--top-k"},
      {{"Hello.", "-o", out, "-m", folder.file("absent")}, 3, "no such file or directory"},
      {{"Hello.", "-o", out, "-m", folder.file("bad.txt")}, 3, "expected a model directory, got a file"},
      {{"-f", folder.file("absent.txt"), "-o", out, "-m", kModel}, 3, "absent.txt: cannot be opened"},
      {{"-f", folder.file("bad.txt"), "-o", out, "-m", kModel}, 3, "bad.txt: text: invalid UTF-8 at byte 3"},
      {{"-f", inputs.file("huge.txt"), "-o", out, "-m", kModel}, 3, "at most 67108864 bytes"},
      {{"-t", "", "-o", out, "-m", kModel}, 3, "nothing to speak"},
      {{"-t", " \n\t", "-o", out, "-m", kModel}, 3, "nothing to speak"},
      {{"-t", "?!...", "-o", out, "-m", kModel}, 3, "nothing to speak"},
      {{"-t", std::string(40'000, 'a'), "-o", out, "-m", kModel}, 3, "at most 32768 bytes"},
      {{"-t", std::string(40'000, 'a'), "--split", "none", "-o", out, "-m", kModel},
       3,
       "at most 32768 bytes"},
      {{"--from-codes", folder.file("bad.txt"), "-o", out, "-m", kModel}, 2, ".json"},
      {{"--from-codes", folder.file("no.json"), "-o", out, "-m", kModel}, 3, "no.json"},
      {{"Hello.", "-o", out, "-m", kModel, "--device", "cuda:63"}, 4, "--device"},
      {{"Hello.", "-o", folder.path(), "-m", kModel, "--format", "wav"}, 5, "got a directory"},
      {{"Hello.", "-o", "/nonexistent/a.wav", "-m", kModel}, 5, "cannot be written"},
      {{"-f", folder.file("bad.txt"), "-o", folder.file("bad.txt"), "--format", "wav", "-m", kModel},
       5,
       "is also an input"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.words);
    const Finished done = tts_gen(c.words);
    CAPTURE(done.err);
    CHECK(done.exit == c.exit);
    CHECK(has(done.err, c.message));
    CHECK(done.err.starts_with("tts-gen: "));
    CHECK(done.out.empty());
  }
  CHECK(files_in(folder.path()) == 1);
  CHECK(file_bytes(folder.file("bad.txt")) == "Hel\xff");
}

TEST_CASE("where the audio goes is said only when there is something to speak") {
  const Finished done = tts_gen({"-t", "...", "-m", kModel});
  CHECK(done.exit == 3);
  CHECK(has(done.err, "nothing to speak"));
  CHECK(!has(done.err, "no --output"));
}

TEST_CASE("terminal escapes in text, names and paths are escaped") {
  const std::string evil = "\x1b[31mred\x1b[0m\x07";
  for (const Words& words :
       {Words{"Hello.", "-m", kModel, "-s", evil, "-o", "a.wav"}, Words{"Hello.", "-m", evil, "-o", "a.wav"},
        Words{"--" + evil}, Words{"Hello.", "-m", kModel, "-o", "/nonexistent/" + evil + ".wav"},
        Words{"tokens", "-m", kModel, evil}}) {
    const Finished done = tts_gen(words);
    CAPTURE(done.err);
    CHECK(!has(done.err + done.out, "\x1b"));
    CHECK(!has(done.err + done.out, "\x07"));
    CHECK(has(done.err + done.out, "\\x1B"));
  }
}

TEST_CASE("a limit ends with exit 6 and a complete file; no-clobber keeps what is there") {
  const TempDirectory folder;
  const std::string out = folder.file("a.wav");
  const Finished done =
      tts_gen({"Hello.", "-m", kModel, "--seed", "1", "--max-new-tokens", "3", "-o", out, "--json"});
  CHECK(done.exit == 6);
  CHECK(Json::parse(done.out, "result").at("finish_reason").text() == "length");
  CHECK(Json::parse(done.out, "result").at("frames").integer(0, 99) == 2);
  CHECK(is_complete_wav(file_bytes(out)));
  const std::string before = file_bytes(out);
  CHECK(tts_gen({"Hello.", "-m", kModel, "--seed", "2", "-n", "-o", out}).exit == 5);
  CHECK(file_bytes(out) == before);
  CHECK(tts_gen({"Hello.", "-m", kModel, "--seed", "1", "--max-seconds", "0.2", "-o", out}).exit == 6);
}

TEST_CASE("retries are a pure function of the seed") {
  const TempDirectory folder;
  const auto once = [&](const char* name) {
    return tts_gen({"Hello.", "-m", kModel, "--seed", "1", "--max-new-tokens", "3", "--retries", "2", "-o",
                    folder.file(name), "--json"});
  };
  const Finished done = once("a.wav");
  CHECK(done.exit == 6);
  CHECK(Json::parse(done.out, "result").at("attempts").integer(0, 9) == 3);
  once("b.wav");
  CHECK(file_bytes(folder.file("a.wav")) == file_bytes(folder.file("b.wav")));
  CHECK(files_in(folder.path()) == 2);
}

TEST_CASE("a full disk: exit 5, the previous file stays, nothing is left") {
  const TempDirectory folder;
  const std::string out = folder.file("a.wav");
  write_file(out, "what was there");
  const Finished limited =
      tts_gen({"Hello.", "-m", kModel, "--seed", "1", "-o", out}, {.file_size_limit = 4096});
  CHECK(limited.exit == 5);
  CHECK(has(limited.err, "cannot be written"));
  CHECK(file_bytes(out) == "what was there");
  CHECK(files_in(folder.path()) == 1);
  CHECK(tts_gen({"Hello.", "-m", kModel, "--seed", "1", "-o", "/dev/full"}).exit == 5);
  CHECK(tts_gen({"Hello.", "-m", kModel, "--seed", "1", "-o", "-"}, {.output_file = "/dev/full"}).exit == 5);
  CHECK(tts_gen({"Hello.", "-m", kModel, "--seed", "1", "-o", out, "--json"}, {.output_file = "/dev/full"})
            .exit == 5);
  CHECK(tts_gen({"--help"}, {.output_file = "/dev/full"}).exit == 5);
}

// The sanitizers reserve address space of their own, which no limit leaves them.
#ifndef TTS_SANITIZED

TEST_CASE("memory that the system refuses: exit 1 or 4 with words, and nothing is written") {
  const TempDirectory folder;
  int spoken = 0, refused = 0;
  for (int64_t limit = int64_t{32} << 20; limit < int64_t{1} << 30 && spoken < 2; limit += limit / 32) {
    if (tts_gen({"--version"}, {.memory_limit = limit}).exit != 0) continue;  // not even room for the program
    const Finished done = tts_gen({"Hello.", "-m", kModel, "--seed", "1", "--device", "cpu", "-j", "1", "-o",
                                   folder.file("a.wav")},
                                  {.memory_limit = limit});
    CAPTURE(limit, done.exit, done.signal, done.err);
    CHECK(done.signal == 0);
    if (done.exit == 0) {
      ++spoken;
      continue;
    }
    ++refused;
    CHECK((done.exit == 1 || done.exit == 4));  // 4: the memory of the device, which on the CPU is the same
    CHECK(has(done.err, "memory"));
    CHECK(files_in(folder.path()) == 0);
  }
  CHECK(spoken == 2);
  CHECK(refused > 0);
}

#endif
