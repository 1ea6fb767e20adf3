#include "tools/player.h"

#include "base/error.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <system_error>
#include <vector>

namespace tts {

namespace {

struct KnownPlayer {
  const char* program;
  const char* arguments;  // separated by spaces; RATE is replaced
};
// In the order of preference; sound servers first, because they share the device.
constexpr KnownPlayer kPlayers[] = {
    {"paplay", "--raw --format=s16le --channels=1 --rate=RATE"},
    {"aplay", "-q -t raw -f S16_LE -c 1 -r RATE"},
    {"play", "-q -t raw -e signed -b 16 -c 1 -r RATE -"},
    {"ffplay", "-nodisp -autoexit -loglevel error -f s16le -ar RATE -i -"},
    {"mpv",
     "--really-quiet --demuxer=rawaudio --demuxer-rawaudio-format=s16le --demuxer-rawaudio-channels=1 "
     "--demuxer-rawaudio-rate=RATE -"},
};

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  if (!path) return false;
  for (const std::string& folder : split(path, ':')) {
    if (!folder.empty() && access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

std::optional<std::string> find_player() {
  for (const KnownPlayer& known : kPlayers) {
    if (is_in_path(known.program)) return known.program;
  }
  return std::nullopt;
}

Player start_player(const std::string& program, int rate_hz) {
  std::vector<std::string> words{program};
  for (const KnownPlayer& known : kPlayers) {
    if (program != known.program) continue;
    for (std::string& word : split(known.arguments, ' ')) {
      if (const size_t at = word.find("RATE"); at != word.npos) word.replace(at, 4, format("{}", rate_hz));
      words.push_back(std::move(word));
    }
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  check(pipe2(ends, O_CLOEXEC) == 0, Exit::output, "{}: cannot be started: {}", program, reason(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  Player player{
      .program = program, .process = -1, .pipe = format("/dev/fd/{}", ends[1]), .descriptor = ends[1]};
  const int error = posix_spawnp(&player.process, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  check(error == 0, Exit::output, "{}: cannot be started: {}", program, reason(error));
  return player;
}

void wait_for_player(Player& player) {
  if (player.descriptor >= 0) close(player.descriptor);
  player.descriptor = -1;
  int status = 0;
  pid_t done;
  do {
    done = waitpid(player.process, &status, 0);
  } while (done < 0 && errno == EINTR);
  check(done > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, Exit::output,
        "{}: expected it to play to the end, it failed; give -o FILE", player.program);
}

}  // namespace tts
