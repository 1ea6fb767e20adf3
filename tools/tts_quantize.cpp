// tts-quantize: checkpoint -> int8 or int4 checkpoint that every program of tts-engine loads.
#include "tools/build_info.h"
#include "tools/cli.h"
#include "tools/quantize_checkpoint.h"
#include "tools/report.h"

#include <cstdio>
#include <new>

namespace tts {

namespace {

constexpr CommandRow kCommands[] = {
    {.name = "", .operands = "FROM TO", .help = "writes the quantised copy of directory FROM to the new directory TO",
     .max_operands = 2},
};

constexpr const char* kGroup{"Options"};

constexpr OptionRow kOptions[] = {
    {.name = "quant", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .choices = "int8|int4",
     .help = "int8: every matrix of the language model; int4: the talker's layers, the rest int8 (default int8)",
     .example = "--quant int4 DIR DIR-int4"},
    {.name = "frames", .kind = ArgKind::integer, .value = "N", .group = kGroup, .least = 1, .most = 1000,
     .help = "frames per text in the comparison with the original (default 60)", .example = "--frames 20 DIR DIR-int8"},
    {.name = "threads", .letter = 'j', .kind = ArgKind::integer, .value = "N", .group = kGroup, .least = 1, .most = 1024,
     .help = "threads of the comparison (default: physical cores)", .example = "-j 1 DIR DIR-int8"},
    {.name = "completion", .kind = ArgKind::choice, .value = "SHELL", .group = kGroup, .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell", .example = "--completion bash"},
    {.name = "man", .group = kGroup, .help = "print the man page", .example = "--man"},
    {.name = "version", .group = kGroup, .help = "version and commit"},
    {.name = "help", .letter = 'h', .group = kGroup, .help = "this page"},
};

constexpr Program kProgram{
    .name = "tts-quantize",
    .summary = "rounds the language model of a checkpoint to 8 or 4 bits",
    .description =
        "Copies every file, rounds the matrices that a frame reads, and keeps embedding tables, norms and the codec. Then both "
        "checkpoints read the same codes, and per code group the agreement of their best codes and the divergence of their "
        "distributions are printed and stored in quantization.json.",
    .commands = kCommands,
    .options = kOptions,
};

int run(const Arguments& args) {
  if (args.has("help")) return write_stdout(help_page(kProgram)), 0;
  if (args.has("man")) return write_stdout(man_page(kProgram, kVersion)), 0;
  if (args.has("completion")) return write_stdout(completion_script(kProgram, args.text("completion"))), 0;
  if (args.has("version")) return write_stdout(format("tts-quantize {} ({})\n", kVersion, kCommit)), 0;
  check(args.operands.size() == 2, Exit::usage, "expected two directories, FROM and TO, got {}", args.operands.size());
  DeviceOptions options;
  options.threads = static_cast<int>(args.integer("threads", 0));
  quantize_checkpoint(args.operands[0], args.operands[1], parse_quant(args.text("quant", "int8")), options,
                      static_cast<int>(args.integer("frames", 60)));
  return 0;
}

void complain(const std::string& line) { std::fprintf(stderr, "tts-quantize: %s\n", printable(line).c_str()); }

int guarded(int argc, char** argv) {
  try {
    return run(parse_arguments(kProgram, argc, argv));
  } catch (const Error& error) {
    complain(error.what());
    return static_cast<int>(error.exit);
  } catch (const std::bad_alloc&) {
    complain("out of memory: the host has no more");
  } catch (const std::exception& error) {
    complain(std::string("internal failure: ") + error.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::guarded(argc, argv); }
