// tts-bench: how fast this machine runs the engine. Every figure comes from an answer that was checked first.
#include "tools/bench_ops.h"
#include "tools/build_info.h"
#include "tools/cli.h"
#include "tools/report.h"

#include <cstdio>
#include <new>

namespace tts {

namespace {

constexpr CommandRow kCommands[] = {
    {.name = "ops",
     .operands = "[NAME]",
     .help = "time every operation whose line contains NAME",
     .max_operands = 1},
};

constexpr OptionRow kOptions[] = {
    {.name = "device",
     .kind = ArgKind::text,
     .value = "NAME",
     .help = "cpu, reference, cuda or emulator (default cpu)",
     .example = "ops --device cpu conv"},
    {.name = "threads",
     .letter = 't',
     .kind = ArgKind::integer,
     .value = "N",
     .least = 1,
     .most = 1024,
     .help = "threads of the CPU (default: physical cores)",
     .example = "ops --threads 1"},
    {.name = "cpu-level",
     .kind = ArgKind::text,
     .value = "NAME",
     .help = "portable, avx2, avx512 or vnni (default: the best this processor has)",
     .example = "ops --cpu-level avx2 linear"},
    {.name = "seconds",
     .kind = ArgKind::real,
     .value = "S",
     .low = 0.01,
     .high = 60,
     .help = "time spent on each line (default 0.3)",
     .example = "ops --seconds 1"},
    {.name = "json",
     .help = "one JSON line per operation instead of a table",
     .example = "ops --json attend"},
    {.name = "help", .letter = 'h', .help = "this page"},
    {.name = "version", .help = "version and commit"},
    {.name = "completion",
     .kind = ArgKind::choice,
     .value = "SHELL",
     .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell",
     .example = "--completion bash"},
    {.name = "man", .help = "print the man page", .example = "--man"},
};

constexpr Program kProgram{
    .name = "tts-bench",
    .summary = "times the operations of tts-engine",
    .description =
        "Compares every operation with its readable version, refuses to time a wrong answer, and prints "
        "time, "
        "memory rate, arithmetic rate and their share of what this machine can do with the same threads. "
        "Weights are read from memory, not from a cache. \"us cpu\" is the processor time of all threads: "
        "the figure to trust on a busy machine.",
    .commands = kCommands,
    .options = kOptions,
};

int run(const Arguments& args, const std::string& command) {
  if (args.has("help")) return write_stdout(help_page(kProgram)), 0;
  if (args.has("man")) return write_stdout(man_page(kProgram, kVersion)), 0;
  if (args.has("completion")) return write_stdout(completion_script(kProgram, args.text("completion"))), 0;
  if (args.has("version")) return write_stdout(format("tts-bench {} ({})\n", kVersion, kCommit)), 0;
  BenchOps request;
  request.device = args.text("device", "cpu");
  request.options.threads = static_cast<int>(args.integer("threads", 0));
  request.options.cpu_level = args.text("cpu-level");
  request.filter = args.operands.empty() ? "" : args.operands.front();
  request.seconds = args.real("seconds", request.seconds);
  request.json = args.has("json");
  request.command = command;
  bench_ops(request);
  return 0;
}

void complain(const std::string& line) { std::fprintf(stderr, "tts-bench: %s\n", printable(line).c_str()); }

int guarded(int argc, char** argv) {
  try {
    std::string command = kProgram.name;
    for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
    return run(parse_arguments(kProgram, argc, argv), command);
  } catch (const Error& error) {
    complain(error.what());
    return static_cast<int>(error.exit);
  } catch (const std::bad_alloc&) {
    complain("out of memory: the host has no more; name fewer operations");
  } catch (const std::exception& error) {
    complain(std::string("internal failure: ") + error.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::guarded(argc, argv); }
