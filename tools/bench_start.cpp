// tts-gen as a process, from its start to its first sample on a pipe: cold (the files of model and program
// dropped from the page cache before) and warm.
#include "tools/bench_speech.h"
#include "tools/report.h"
#include "tools/statistics.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

namespace tts {

namespace {

namespace fs = std::filesystem;
constexpr int kStartRepeats{5};

std::string speaker_program() {  // beside this program
  return fs::read_symlink("/proc/self/exe").replace_filename("tts-gen").string();
}

std::vector<std::string> files_of(const SpeechBench& bench, const std::string& program) {
  std::vector<std::string> files{program};
  if (bench.model == "embedded") return files;
  for (const auto& entry : fs::recursive_directory_iterator(bench.model)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  return files;
}

// Bytes of the file that the page cache holds.
int64_t cached_bytes(int descriptor, int64_t size) {
  if (size == 0) return 0;
  void* at = mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED, descriptor, 0);
  if (at == MAP_FAILED) return 0;
  const int64_t page = sysconf(_SC_PAGESIZE);
  std::vector<unsigned char> resident(static_cast<size_t>((size + page - 1) / page));
  int64_t pages = 0;
  if (mincore(at, static_cast<size_t>(size), resident.data()) == 0) {
    for (const unsigned char r : resident) pages += r & 1;
  }
  munmap(at, static_cast<size_t>(size));
  return pages * page;
}

// Asks the system to drop the files from its cache, which it refuses for what somebody else has mapped;
// returns how much is there all the same.
int64_t drop_from_cache(const std::vector<std::string>& files) {
  int64_t left = 0;
  for (const std::string& file : files) {
    const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    check(descriptor >= 0, Exit::bad_input, "{}: cannot be opened: {}", file, std::strerror(errno));
    fdatasync(descriptor);  // only clean pages are dropped
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    left += cached_bytes(descriptor, static_cast<int64_t>(fs::file_size(file)));
    close(descriptor);
  }
  return left;
}

struct Start {
  double first_ms, total_ms;
};

// Reads all of the child's standard output.
double first_byte(int pipe, Clock::time_point begin) {
  char buffer[1 << 16];
  double first_ms = -1;
  for (ssize_t n; (n = read(pipe, buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    check(n > 0, Exit::internal, "pipe: cannot be read: {}", std::strerror(errno));
    if (first_ms < 0) first_ms = ms_since(begin);
  }
  return first_ms;
}

Start start(const std::vector<std::string>& words) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC) == 0, Exit::internal, "pipe: {}", std::strerror(errno));
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const auto begin = Clock::now();
  const int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  check(failed == 0, Exit::internal, "{}: cannot be started: {}", words[0], std::strerror(failed));
  const double first_ms = first_byte(ends[0], begin);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  check((code == 0 || code == static_cast<int>(Exit::limit)) && first_ms >= 0, Exit::internal,
        "{}: expected samples, got exit status {}", words[0], code);
  return {first_ms, ms_since(begin)};
}

std::vector<std::string> words_of(const SpeechBench& bench, const std::string& program) {
  const DeviceChoice& d = bench.device;
  std::vector<std::string> words{
      program,    "-q",    "-m",      bench.model, "--device", d.kind,
      "--dtype",  d.dtype, "--quant", d.quant,     "--seed",   std::to_string(bench.seed),
      "--stream", "-o",    "-",       "--format",  "raw"};
  if (d.options.threads > 0) words.insert(words.end(), {"-j", std::to_string(d.options.threads)});
  if (bench.frames > 0)
    words.insert(words.end(), {"--max-new-tokens", std::to_string(bench.frames + 1), "--guard", "off"});
  words.insert(words.end(), {"--", bench_text(bench, bench.labels.front())});
  return words;
}

}  // namespace

void bench_start(const SpeechBench& bench) {
  const std::string program = speaker_program();
  const std::vector<std::string> files = files_of(bench, program), words = words_of(bench, program);
  const int repeats = bench.repeats ? bench.repeats : kStartRepeats;
  for (const bool cold : {true, false}) {
    std::vector<double> first_ms, total_ms, left_mb;
    for (int i = 0; i < repeats; ++i) {
      left_mb.push_back(cold ? static_cast<double>(drop_from_cache(files)) / (1 << 20) : 0);
      const Start one = start(words);
      first_ms.push_back(one.first_ms);
      total_ms.push_back(one.total_ms);
    }
    if (bench.output == SpeechBench::Output::table) {
      std::printf("%s start: first sample after %.1f ms (%.1f to %.1f), end after %.1f ms%s\n",
                  cold ? "cold" : "warm", median(first_ms), quantile(first_ms, 0), quantile(first_ms, 1),
                  median(total_ms),
                  cold ? format(", {} MB were still cached", fixed(median(left_mb), 1)).c_str() : "");
      continue;
    }
    OpenBench open = open_bench(bench);  // for the record only
    JsonWriter w;
    record_head(w.begin_object(), bench, open, "start");
    w.field("start", cold ? "cold" : "warm")
        .field("repeats", repeats)
        .field("first_sample_ms", median(first_ms));
    w.field("first_sample_least_ms", quantile(first_ms, 0))
        .field("first_sample_most_ms", quantile(first_ms, 1));
    w.field("total_ms", median(total_ms)).field("still_cached_mb", median(left_mb)).end_object();
    print_line(w);
  }
}

}  // namespace tts
