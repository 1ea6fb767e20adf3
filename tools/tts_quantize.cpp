// tts-quantize: checkpoint -> int8 or int4 checkpoint that every program of tts-engine loads.
#include "tools/program.h"
#include "tools/quantize_checkpoint.h"

namespace tts {

namespace {

constexpr CommandRow kCommands[] = {
    {.name = "", .operands = "FROM TO",
     .help = "writes the quantised copy of directory FROM to the new directory TO",
     .max_operands = 2},
};

constexpr const char* kGroup{"Options"};

// clang-format off
constexpr OptionRow kOptions[] = {
    {.name = "quant", .kind = ArgKind::choice, .value = "NAME", .group = kGroup, .choices = "int8|int4",
     .help = "int8: every matrix of the language model; int4: the talker's layers, the rest int8 "
             "(default int8)",
     .example = "--quant int4 DIR DIR-int4"},
    {.name = "frames", .kind = ArgKind::integer, .value = "N", .group = kGroup, .least = 1, .most = 1000,
     .help = "frames per text in the comparison with the original (default 60)",
     .example = "--frames 20 DIR DIR-int8"},
    {.name = "threads", .letter = 'j', .kind = ArgKind::integer, .value = "N", .group = kGroup,
     .least = 1, .most = 1024, .help = "threads of the comparison (default: physical cores)",
     .example = "-j 1 DIR DIR-int8"},
    {.name = "completion", .kind = ArgKind::choice, .value = "SHELL", .group = kGroup,
     .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell", .example = "--completion bash"},
    {.name = "man", .group = kGroup, .help = "print the man page", .example = "--man"},
    {.name = "version", .group = kGroup, .help = "version and commit"},
    {.name = "help", .letter = 'h', .group = kGroup, .help = "this page"},
};
// clang-format on

constexpr Program kProgram{
    .name = "tts-quantize",
    .summary = "rounds the language model of a checkpoint to 8 or 4 bits",
    .description =
        "Copies every file, rounds the matrices that a frame reads, and keeps embedding tables, norms and "
        "the codec. Then both checkpoints read the same codes, and per code group the agreement of their "
        "best codes and the divergence of their distributions are printed and stored in quantization.json.",
    .commands = kCommands,
    .options = kOptions,
};

void act(const Arguments& args, const std::string&) {
  check(args.operands.size() == 2, Exit::usage, "expected two directories, FROM and TO, got {}",
        args.operands.size());
  DeviceOptions options;
  options.threads = static_cast<int>(args.integer("threads", 0));
  quantize_checkpoint(args.operands[0], args.operands[1], parse_quant(args.text("quant", "int8")), options,
                      static_cast<int>(args.integer("frames", 60)));
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::run_program(tts::kProgram, argc, argv, tts::act); }
