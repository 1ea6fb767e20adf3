// Speech on a terminal goes to the first player found. The players here are shell scripts, the terminal is
// real.
#include "base/file.h"
#include "catch.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <sys/stat.h>

using namespace tts;
using namespace tts::test;

namespace {

const std::string kModel{golden_model("tiny-custom-voice")};

void write_player(const TempDirectory& folder, const std::string& name, const std::string& script) {
  write_file(folder.file(name), "#!/bin/sh\n" + script + "\n");
  REQUIRE(chmod(folder.file(name).c_str(), 0755) == 0);
}

// "Hello." on a terminal, with the programs of `players` alone in the path.
Finished speak(const TempDirectory& players, const TempDirectory& work) {
  return tts_gen({"-m", kModel, "--seed", "1", "--device", "cpu", "-j", "1", "Hello."},
                 {.directory = work.path(), .environment = {{"PATH", players.path()}}, .terminal = true});
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a terminal hears the samples that a file would have") {
  const TempDirectory players, work;
  REQUIRE(tts_gen({"-m", kModel, "--seed", "1", "--device", "cpu", "-j", "1", "Hello.", "-o",
                   work.file("hello.wav")})
              .exit == 0);
  write_player(players, "aplay", "echo \"$@\" > words; exec /bin/cat > heard");
  const Finished done = speak(players, work);
  CAPTURE(done.err);
  CHECK(done.exit == 0);
  CHECK(done.out.empty());  // no samples on the terminal
  CHECK(has(done.err, "aplay"));
  CHECK(file_bytes(work.file("heard")) == file_bytes(work.file("hello.wav")).substr(44));
  CHECK(file_bytes(work.file("words")) == "-q -t raw -f S16_LE -c 1 -r 24000\n");
  write_player(players, "paplay", "exec /bin/cat > server");  // shares the device with others: preferred
  CHECK(speak(players, work).exit == 0);
  CHECK(file_bytes(work.file("server")) == file_bytes(work.file("heard")));
}

TEST_CASE("a terminal without a player gets a file") {
  const TempDirectory players, work;
  const Finished done = speak(players, work);
  CHECK(done.exit == 0);
  CHECK(done.out.empty());
  CHECK(has(done.err, "out.wav"));
  CHECK(is_complete_wav(file_bytes(work.file("out.wav"))));
}

TEST_CASE("a player that fails, is killed or cannot be started is reported") {
  const TempDirectory work;
  for (const char* script : {"/bin/cat > /dev/null; exit 3", "kill -9 $$"}) {
    const TempDirectory players;
    write_player(players, "aplay", script);
    const Finished done = speak(players, work);
    CAPTURE(script, done.err);
    CHECK(done.exit == 5);
    CHECK(done.err.starts_with("tts-gen: "));
  }
  const TempDirectory players;
  write_file(players.file("aplay"), "no program");
  REQUIRE(chmod(players.file("aplay").c_str(), 0755) == 0);
  const Finished done = speak(players, work);
  CHECK(done.exit == 5);
  CHECK(has(done.err, "aplay: "));
  CHECK(work.names().empty());
}
