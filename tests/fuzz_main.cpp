// fuzz_replay TARGET FILE-OR-DIRECTORY...: runs the inputs and their mutations through one target. It dies
// where the target dies; a target or a corpus that does not exist is a failure too.
#include "fuzz.h"

#include "base/file.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace tts::fuzz {

namespace {

constexpr int kMutations{300};  // per input: a second or two for all targets together

std::map<std::string, Target>& targets() {
  static std::map<std::string, Target> all;
  return all;
}

std::vector<std::string> inputs_of(int count, char** paths) {
  std::vector<std::string> files;
  for (int i = 0; i < count; ++i) {
    if (!std::filesystem::is_directory(paths[i])) {
      files.emplace_back(paths[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(paths[i])) files.push_back(entry.path());
  }
  return files;
}

std::string mutate(std::string bytes, std::mt19937& random) {
  constexpr const char* kWords[] = {"-1",
                                    "2.5",
                                    "18446744073709551616",
                                    "9223372036854775808",
                                    "null",
                                    "[]",
                                    "{}",
                                    "true",
                                    "\"",
                                    "\\u0000",
                                    "\xff",
                                    "..",
                                    "/"};
  for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.insert(at, kWords[random() % std::size(kWords)]);
        break;
      case 2:
        bytes.insert(at, bytes.substr(bytes.empty() ? 0 : random() % bytes.size(), random() % 64));
        break;
      case 3:
        bytes.erase(at, random() % 16);
        break;
      default:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
    }
  }
  return bytes;
}

// A copy on the heap of exactly this size: the sanitizers see the first byte read beyond it.
void run(Target target, const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  target(std::string_view(exact.data(), exact.size()));
}

int replay(int argc, char** argv) {
  if (argc < 3 || !targets().contains(argv[1])) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET FILE-OR-DIRECTORY...; targets:");
    for (const auto& [name, target] : targets()) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  const Target target = targets().at(argv[1]);
  const std::vector<std::string> inputs = inputs_of(argc - 2, argv + 2);
  std::mt19937 random(1);
  int runs = 0;
  for (const std::string& path : inputs) {
    const std::string bytes = read_text(path, 1 << 24);
    run(target, bytes);
    for (int i = 0; i < kMutations; ++i) run(target, mutate(bytes, random));
    runs += 1 + kMutations;
  }
  std::printf("%s: %d runs over %zu inputs\n", argv[1], runs, inputs.size());
  return inputs.empty() ? 1 : 0;
}

}  // namespace

Registered::Registered(const char* name, Target target) { targets()[name] = target; }

}  // namespace tts::fuzz

int main(int argc, char** argv) { return tts::fuzz::replay(argc, argv); }
