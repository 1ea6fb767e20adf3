// Runs that are ended from outside, at random moments. TTS_TEST_INTERRUPTS sets how many (20 of each by
// default; tests/interrupts.sh runs 200).
#include "catch.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

using namespace tts;
using namespace tts::test;

namespace {

// A quarter of a minute of speech of the embedded voice: no signal comes too late.
constexpr const char* kLongText{
    "the quick brown fox jumps over the lazy dog and then it runs through the forest until the sun goes down "
    "behind "
    "the hills, where the old man sits and tells the children about the days when he was young."};

int runs() {
  const char* asked = std::getenv("TTS_TEST_INTERRUPTS");
  return asked ? std::atoi(asked) : 20;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  return names;
}

// Signals come between the start and about as long after the first frame as that took.
int latest_ms() {
  const auto begin = std::chrono::steady_clock::now();
  tts_gen({"-m", "embedded", "-q", "-j", "1", "-o", "-", kLongText},
          {.signal = SIGKILL, .signal_at_output = true});
  return 2 * static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::steady_clock::now() - begin)
                                  .count());
}

Finished speak(const TempDirectory& folder, const RunOptions& options,
               const std::string& output = "out.wav") {
  return tts_gen({"-m", "embedded", "-q", "--seed", "1", "-j", "1", "--stream", "-o",
                  output == "-" ? output : folder.file(output), kLongText},
                 options);
}

}  // namespace

#ifdef TTS_EMBED_VOICE

TEST_CASE("interrupted at a random moment: a complete partial file, or nothing") {
  std::mt19937 random(1);
  const auto latest = static_cast<unsigned>(latest_ms());
  int partial = 0, nothing = 0;
  for (int i = 0; i < runs(); ++i) {
    const TempDirectory folder;
    const int number = i % 2 == 0 ? SIGINT : SIGTERM;
    const int delay = static_cast<int>(random() % latest);
    CAPTURE(i, number, delay);
    const Finished done = speak(folder, {.signal = number, .delay_ms = delay});
    // A signal before the handlers stand ends the process as it ends every other one.
    if (done.exit == -1) {
      CHECK(done.signal == number);
    } else {
      CHECK(done.exit == (number == SIGINT ? 130 : 143));
    }
    const auto names = names_in(folder.path());
    if (names.empty()) {
      ++nothing;
    } else {
      ++partial;
      REQUIRE(names == std::vector<std::string>{"out.partial.wav"});
      CHECK(is_complete_wav(file_bytes(folder.file("out.partial.wav"))));
    }
  }
  std::cout << runs() << " interrupts: " << partial << " partial files, " << nothing << " times nothing\n";
  CHECK(partial > 0);  // else no signal came after the first frame, and nothing was tested
}

TEST_CASE("killed at a random moment: no file under the final name; the next run removes what is left") {
  std::mt19937 random(2);
  const auto latest = static_cast<unsigned>(latest_ms());
  int left = 0;
  for (int i = 0; i < runs(); ++i) {
    const TempDirectory folder;
    const int delay = static_cast<int>(random() % latest);
    CAPTURE(i, delay);
    const Finished done = speak(folder, {.signal = SIGKILL, .delay_ms = delay});
    CHECK(done.signal == SIGKILL);
    CHECK(!std::filesystem::exists(folder.file("out.wav")));
    for (const std::string& name : names_in(folder.path())) {
      ++left;
      CHECK(name.ends_with(".tts-tmp"));
    }
    if (names_in(folder.path()).empty()) continue;
    CHECK(tts_gen({"-m", golden_model("tiny-custom-voice"), "-q", "--seed", "1", "-o",
                   folder.file("next.wav"), "Hello."})
              .exit == 0);
    CHECK(names_in(folder.path()) == std::vector<std::string>{"next.wav"});
  }
  CHECK(left > 0);  // else every run was killed before its first frame
  std::cout << runs() << " kills: " << left << " temporary files left, all removed by the next run\n";
}

TEST_CASE("interrupted while it streams: the pipe ends, exit 130") {
  const TempDirectory folder;
  const Finished done = speak(folder, {.signal = SIGINT, .signal_at_output = true}, "-");
  CHECK(done.exit == 130);
  CHECK(done.out.size() > 44);
}

TEST_CASE("a reader that goes away ends the run with exit 5 and one line") {
  const TempDirectory folder;
  const Finished done = speak(folder, {.close_output_after = 1}, "-");
  CHECK(done.exit == 5);
  CHECK(done.err.starts_with("tts-gen: standard output: "));
  CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
}

TEST_CASE("the option timeout: exit 124, what was spoken is in the partial file") {
  const TempDirectory folder;
  std::string minutes_of_text;  // far more than half a second of work on any machine
  for (int i = 0; i < 40; ++i) minutes_of_text += std::string{kLongText} + " ";
  const Finished done =
      tts_gen({"-m", "embedded", "-q", "--seed", "1", "-j", "1", "--timeout", "0.5",
               "--json=" + folder.file("r.json"), "-o", folder.file("out.wav"), minutes_of_text});
  CHECK(done.exit == 124);
  CHECK(!std::filesystem::exists(folder.file("out.wav")));
  if (std::filesystem::exists(folder.file("out.partial.wav"))) {
    CHECK(is_complete_wav(file_bytes(folder.file("out.partial.wav"))));
    CHECK(file_bytes(folder.file("r.json")).find("\"finish_reason\":\"timeout\"") != std::string::npos);
  }
}

#endif

TEST_CASE("interrupted while it waits for text: ends at once") {
  const TempDirectory folder;
  const Finished done = tts_gen({"-m", golden_model("tiny-custom-voice"), "-o", folder.file("a.wav")},
                                {.hold_input = true, .signal = SIGINT, .delay_ms = 300});
  CHECK(done.exit == 130);
  CHECK(done.err == "tts-gen: interrupted\n");
  CHECK(names_in(folder.path()).empty());
}
