// tts-bench: how fast this machine runs the engine. Every figure comes from an answer that was checked first.
#include "base/limits.h"
#include "tools/bench_ops.h"
#include "tools/bench_speech.h"
#include "tools/build_info.h"
#include "tools/cli.h"
#include "tools/report.h"

#include <cstdio>
#include <iterator>
#include <new>

namespace tts {

namespace {

enum class Command : uint8_t { speech, ops, kCount };
constexpr CommandSet kSpeech{1}, kOps{2}, kBoth{3};

constexpr CommandRow kCommands[] = {
    {.name = "", .operands = "", .help = "whole syntheses of the three texts (13, 53 and 115 words)"},
    {.name = "ops",
     .operands = "[NAME]",
     .help = "time every operation whose line contains NAME",
     .max_operands = 1},
};
static_assert(std::size(kCommands) == static_cast<size_t>(Command::kCount));

constexpr const char* kGroup{"Options"};

constexpr OptionRow kOptions[] = {
    {.name = "model", .letter = 'm', .kind = ArgKind::path, .value = "DIR", .group = kGroup, .commands = kSpeech,
     .help = "checkpoint, or 'embedded' (the default)", .example = "-m DIR --frames 125"},
    {.name = "label", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech, .choices = "short|medium|long|all",
     .help = "which text (default all)", .example = "--label short"},
    {.name = "frames", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kSpeech, .least = 1, .most = limits::kFrames,
     .help = "exactly N frames, the end token is blocked: for random checkpoints and comparisons",
     .example = "-m DIR --frames 125 --label short"},
    {.name = "repeats", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kSpeech, .least = 1, .most = 1000,
     .help = "repetitions after the warm-up (default 3)", .example = "--repeats 10"},
    {.name = "seed", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kSpeech, .least = 0, .most = INT64_MAX,
     .help = "seed of every repetition (default 1)", .example = "--seed 7"},
    {.name = "dtype", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech, .choices = "auto|f32|bf16",
     .help = "as in tts-gen", .example = "--dtype bf16"},
    {.name = "quant", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech, .choices = "none|int8|int4",
     .help = "as in tts-gen", .example = "--quant int8"},
    {.name = "ablate", .kind = ArgKind::text, .value = "NAME,...", .group = kGroup, .commands = kSpeech,
     .help = "optimisations to switch off, as in tts-gen", .example = "--ablate parallel_predictor"},
    {.name = "line", .group = kGroup, .commands = kSpeech, .help = "one flat JSON object per text, for comparisons with other programs",
     .example = "--line --label short"},
    {.name = "device",
     .kind = ArgKind::text,
     .value = "NAME",
     .group = kGroup, .commands = kBoth,
     .help = "cpu, reference, cuda or emulator (default cpu)",
     .example = "ops --device cpu conv"},
    {.name = "threads",
     .letter = 'j',
     .kind = ArgKind::integer,
     .value = "N",
     .group = kGroup, .commands = kBoth,
     .least = 1,
     .most = 1024,
     .help = "threads of the CPU (default: physical cores)",
     .example = "ops --threads 1"},
    {.name = "cpu-level",
     .kind = ArgKind::text,
     .value = "NAME",
     .group = kGroup, .commands = kBoth,
     .help = "portable, avx2, avx512 or vnni (default: the best this processor has)",
     .example = "ops --cpu-level avx2 linear"},
    {.name = "seconds",
     .kind = ArgKind::real,
     .value = "S",
     .group = kGroup, .commands = kOps,
     .low = 0.01,
     .high = 60,
     .help = "time spent on each line (default 0.3)",
     .example = "ops --seconds 1"},
    {.name = "json",
     .group = kGroup, .commands = kBoth,
     .help = "JSON lines instead of a table",
     .example = "ops --json attend"},
    {.name = "help", .letter = 'h', .group = kGroup, .commands = kBoth, .help = "this page"},
    {.name = "version", .group = kGroup, .commands = kBoth, .help = "version and commit"},
    {.name = "completion",
     .kind = ArgKind::choice,
     .value = "SHELL",
     .group = kGroup, .commands = kBoth,
     .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell",
     .example = "--completion bash"},
    {.name = "man", .group = kGroup, .commands = kBoth, .help = "print the man page", .example = "--man"},
};

constexpr Program kProgram{
    .name = "tts-bench",
    .summary = "times tts-engine, whole syntheses or single operations",
    .description =
        "Without a command word: speaks three fixed texts, a warm-up first, and prints medians and spread; every "
        "repetition must give the codes of the first, else nothing is printed.\n\n"
        "ops: "
        "compares every operation with its readable version, refuses to time a wrong answer, and prints "
        "time, "
        "memory rate, arithmetic rate and their share of what this machine can do with the same threads. "
        "Weights are read from memory, not from a cache. \"us cpu\" is the processor time of all threads: "
        "the figure to trust on a busy machine.",
    .commands = kCommands,
    .options = kOptions,
};

int time_speech(const Arguments& args, const std::string& command) {
  SpeechBench bench;
  bench.model = args.text("model", "embedded");
  bench.device.kind = args.text("device", "cpu");
  bench.device.dtype = args.text("dtype", "auto");
  bench.device.quant = args.text("quant", "none");
  bench.device.options.threads = static_cast<int>(args.integer("threads", 0));
  bench.device.options.cpu_level = args.text("cpu-level");
  bench.device.options.switches = parse_ablations(args.text("ablate"));
  if (args.text("label", "all") != "all") bench.labels = {args.text("label")};
  bench.frames = static_cast<int>(args.integer("frames", 0));
  bench.repeats = static_cast<int>(args.integer("repeats", bench.repeats));
  bench.seed = static_cast<uint64_t>(args.integer("seed", 1));
  bench.output = args.has("line") ? SpeechBench::Output::line : args.has("json") ? SpeechBench::Output::json : SpeechBench::Output::table;
  bench_speech(bench, command);
  return 0;
}

int time_ops(const Arguments& args, const std::string& command) {
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

int run(const Arguments& args, const std::string& command) {
  if (args.has("help")) return write_stdout(help_page(kProgram)), 0;
  if (args.has("man")) return write_stdout(man_page(kProgram, kVersion)), 0;
  if (args.has("completion")) return write_stdout(completion_script(kProgram, args.text("completion"))), 0;
  if (args.has("version")) return write_stdout(format("tts-bench {} ({})\n", kVersion, kCommit)), 0;
  return static_cast<Command>(args.command) == Command::ops ? time_ops(args, command) : time_speech(args, command);
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
    complain("out of memory: the host has no more; a smaller model or fewer operations need less");
  } catch (const std::exception& error) {
    complain(std::string("internal failure: ") + error.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::guarded(argc, argv); }
