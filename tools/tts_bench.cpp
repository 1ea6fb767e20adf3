// tts-bench: how fast this machine runs the engine. Every figure comes from an answer that was checked first.
#include "base/limits.h"
#include "tools/bench_ops.h"
#include "tools/bench_speech.h"
#include "tools/program.h"
#include "tools/random_checkpoint.h"

#include <iterator>

namespace tts {

namespace {

enum class Command : uint8_t {
  speech,
  ops,
  checkpoint,
  stream,
  positions,
  assistant,
  start,
  floors,
  encode,
  kCount
};
constexpr CommandSet bit(Command c) { return CommandSet{1} << static_cast<int>(c); }
constexpr CommandSet kSpeech{bit(Command::speech) | bit(Command::stream) | bit(Command::positions) |
                             bit(Command::assistant) | bit(Command::start) | bit(Command::floors) |
                             bit(Command::encode)};
constexpr CommandSet kOps{bit(Command::ops)}, kCheckpoint{bit(Command::checkpoint)}, kBoth{kSpeech | kOps},
    kAll{kBoth | kCheckpoint};
constexpr CommandSet kTexts{bit(Command::speech) | bit(Command::stream) | bit(Command::start) |
                            bit(Command::floors)};
constexpr CommandSet kChunks{bit(Command::speech) | bit(Command::stream) | bit(Command::positions) |
                             bit(Command::assistant)};

constexpr CommandRow kCommands[] = {
    {.name = "", .operands = "", .help = "whole syntheses of the three texts (13, 53 and 115 words)"},
    {.name = "ops",
     .operands = "[NAME]",
     .help = "time every operation whose line contains NAME",
     .max_operands = 1},
    {.name = "checkpoint",
     .operands = "DIR",
     .help = "write a checkpoint of the published geometry with random weights, for measurements without "
             "the published files",
     .min_operands = 1,
     .max_operands = 1},
    {.name = "stream", .operands = "",
     .help = "first audio, jitter of the chunks, underruns at real-time playback"},
    {.name = "positions", .operands = "", .help = "milliseconds per frame along one long utterance"},
    {.name = "assistant", .operands = "",
     .help = "initialisation, first audio, 91 characters, memory, playback through a real-time null sink"},
    {.name = "start", .operands = "",
     .help = "tts-gen from its start to its first sample, with cold and with warm files"},
    {.name = "floors", .operands = "",
     .help = "the stages of a frame against what memory and arithmetic of the machine allow"},
    {.name = "encode", .operands = "",
     .help = "ten seconds of reference audio through codec and speaker encoder (type base)"},
};
static_assert(std::size(kCommands) == static_cast<size_t>(Command::kCount));

constexpr const char* kGroup{"Options"};

constexpr OptionRow kOptions[] = {
    {.name = "model", .letter = 'm', .kind = ArgKind::path, .value = "DIR", .group = kGroup,
     .commands = kSpeech,
     .help = "checkpoint, or 'embedded' (the default)", .example = "-m DIR --frames 125"},
    {.name = "label", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kTexts,
     .choices = "short|medium|long|all",
     .help = "which text (default all; start and floors: short)", .example = "--label short"},
    {.name = "text", .letter = 't', .kind = ArgKind::text, .value = "TEXT", .group = kGroup,
     .commands = kTexts,
     .help = "this text instead of the three", .example = "-t 'Good morning.'"},
    {.name = "frames", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kSpeech,
     .least = 1, .most = limits::kFrames,
     .help = "exactly N frames, the end token is blocked: for random checkpoints and comparisons",
     .example = "-m DIR --frames 125 --label short"},
    {.name = "from", .kind = ArgKind::integer, .value = "N", .group = kGroup,
     .commands = bit(Command::positions), .least = 0,
     .most = limits::kFrames, .help = "begin behind a prompt of N text tokens",
     .example = "positions --from 1900 --frames 128"},
    {.name = "repeats", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kSpeech,
     .least = 1, .most = 1000,
     .help = "repetitions after the warm-up (default 3; stream 10; assistant and start 5)",
     .example = "--repeats 10"},
    {.name = "first-chunk-frames", .kind = ArgKind::integer, .value = "N", .group = kGroup,
     .commands = kChunks, .least = 1,
     .most = limits::kFrames, .help = "as in tts-gen (default 1)",
     .example = "stream --first-chunk-frames 2"},
    {.name = "chunk-frames", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kChunks,
     .least = 1,
     .most = limits::kFrames, .help = "as in tts-gen (default 4)", .example = "stream --chunk-frames 8"},
    {.name = "seed", .kind = ArgKind::integer, .value = "N", .group = kGroup,
     .commands = kSpeech | kCheckpoint,
     .least = 0, .most = INT64_MAX,
     .help = "seed of every repetition (default 1), or of the random weights (default 0)",
     .example = "--seed 7"},
    {.name = "dtype", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech,
     .choices = "auto|f32|bf16",
     .help = "as in tts-gen", .example = "--dtype bf16"},
    {.name = "quant", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech,
     .choices = "none|int8|int4",
     .help = "as in tts-gen", .example = "--quant int8"},
    {.name = "codec-dtype", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kSpeech,
     .choices = "f32|tf32",
     .help = "as in tts-gen", .example = "--codec-dtype f32"},
    {.name = "ablate", .kind = ArgKind::text, .value = "NAME,...", .group = kGroup, .commands = kSpeech,
     .help = "optimisations to switch off, as in tts-gen", .example = "--ablate parallel_predictor"},
    {.name = "line", .group = kGroup, .commands = bit(Command::speech),
     .help = "one flat JSON object per text, for comparisons with other programs",
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
    {.name = "size", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kCheckpoint,
     .choices = "0.6b|1.7b|tiny",
     .help = "geometry (default 0.6b)", .example = "checkpoint --size 1.7b DIR"},
    {.name = "type", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .commands = kCheckpoint,
     .choices = "custom_voice|base|voice_design", .help = "model type (default custom_voice)",
     .example = "checkpoint --type base DIR"},
    {.name = "tokenizer", .kind = ArgKind::path, .value = "DIR", .group = kGroup, .commands = kCheckpoint,
     .help = "where vocab.json, merges.txt and tokenizer_config.json are copied from (default: the "
             "embedded voice)",
     .example = "checkpoint --tokenizer DIR DIR2"},
    {.name = "help", .letter = 'h', .group = kGroup, .commands = kAll, .help = "this page"},
    {.name = "version", .group = kGroup, .commands = kAll, .help = "version and commit"},
    {.name = "completion",
     .kind = ArgKind::choice,
     .value = "SHELL",
     .group = kGroup, .commands = kAll,
     .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell",
     .example = "--completion bash"},
    {.name = "man", .group = kGroup, .commands = kAll, .help = "print the man page", .example = "--man"},
};

constexpr Program kProgram{
    .name = "tts-bench",
    .summary = "times tts-engine, whole syntheses or single operations",
    .description =
        "Without a command word: speaks three fixed texts, a warm-up first, and prints medians and spread; "
        "every "
        "repetition must give the codes of the first, else nothing is printed.\n\n"
        "stream: when the chunks of a streamed synthesis come. Slack is how long before a player that "
        "started with the first "
        "chunk needs it a chunk is there, jitter the spread of the slack between 5 and 95 %.\n\n"
        "ops: "
        "compares every operation with its readable version, refuses to time a wrong answer, and prints "
        "time, "
        "memory rate, arithmetic rate and their share of what this machine can do with the same threads. "
        "Weights are read from memory, not from a cache. \"us cpu\" is the processor time of all threads: "
        "the figure to trust on a busy machine.",
    .commands = kCommands,
    .options = kOptions,
};

SpeechBench speech_bench(const Arguments& args, const std::string& command) {
  SpeechBench bench;
  bench.model = args.text("model", "embedded");
  bench.device.kind = args.text("device", "cpu");
  bench.device.dtype = args.text("dtype", "auto");
  bench.device.quant = args.text("quant", "none");
  bench.device.codec_dtype = args.text("codec-dtype", "f32");
  bench.device.options.threads = static_cast<int>(args.integer("threads", 0));
  bench.device.options.cpu_level = args.text("cpu-level");
  bench.device.options.switches = parse_ablations(args.text("ablate"));
  if (args.text("label", "all") != "all") bench.labels = {args.text("label")};
  bench.text = args.text("text");
  if (!bench.text.empty()) bench.labels = {"text"};
  bench.frames = bench.device.needs.frames = static_cast<int>(args.integer("frames", 0));
  bench.from = static_cast<int>(args.integer("from", 0));
  bench.repeats = static_cast<int>(args.integer("repeats", bench.repeats));
  bench.seed = static_cast<uint64_t>(args.integer("seed", 1));
  bench.first_chunk_frames = static_cast<int>(args.integer("first-chunk-frames", bench.first_chunk_frames));
  bench.chunk_frames = static_cast<int>(args.integer("chunk-frames", bench.chunk_frames));
  bench.output = args.has("line")   ? SpeechBench::Output::line
                 : args.has("json") ? SpeechBench::Output::json
                                    : SpeechBench::Output::table;
  bench.command = command;
  return bench;
}

void time_ops(const Arguments& args, const std::string& command) {
  BenchOps request;
  request.device = args.text("device", "cpu");
  request.options.threads = static_cast<int>(args.integer("threads", 0));
  request.options.cpu_level = args.text("cpu-level");
  request.filter = args.operands.empty() ? "" : args.operands.front();
  request.seconds = args.real("seconds", request.seconds);
  request.json = args.has("json");
  request.command = command;
  bench_ops(request);
}

void write_checkpoint(const Arguments& args) {
  RandomCheckpoint wanted;
  wanted.directory = args.operands.front();
  wanted.size = args.text("size", wanted.size);
  wanted.type = args.text("type", wanted.type);
  wanted.tokenizer = args.text("tokenizer", wanted.tokenizer);
  wanted.seed = static_cast<uint64_t>(args.integer("seed", 0));
  write_random_checkpoint(wanted);
}

void act(const Arguments& args, const std::string& command) {
  switch (static_cast<Command>(args.command)) {
    case Command::speech:
      return bench_speech(speech_bench(args, command));
    case Command::stream:
      return bench_stream(speech_bench(args, command));
    case Command::positions:
      return bench_positions(speech_bench(args, command));
    case Command::assistant:
      return bench_assistant(speech_bench(args, command));
    case Command::start:
      return bench_start(speech_bench(args, command));
    case Command::encode:
      return bench_encode(speech_bench(args, command));
    case Command::floors:
      return bench_floors(speech_bench(args, command));
    case Command::ops:
      return time_ops(args, command);
    case Command::checkpoint:
      return write_checkpoint(args);
    case Command::kCount:
      break;
  }
  throw Error(Exit::internal, "command {}: unknown", args.command);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::run_program(tts::kProgram, argc, argv, tts::act); }
