// The command line of tts-gen: words are separated by newlines. Refused with Exit::usage, or every value can
// be read.
#include "fuzz.h"
#include "tools/gen_options.h"

#include <algorithm>

TTS_FUZZ(command_line) {
  using namespace tts;
  std::vector<std::string> words;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    words.emplace_back(bytes.substr(at, end - at));
    at = end + 1;
  }
  try {
    const Arguments args = parse_arguments(kGenProgram, words);
    for (const OptionRow& row : kGenProgram.options) {
      if (!args.has(row.name)) continue;
      if (row.kind == ArgKind::integer) {
        const int64_t value = args.integer(row.name, -1);
        fuzz::require(value >= row.least && value <= row.most, "an integer out of its range was taken");
      } else if (row.kind == ArgKind::real) {
        const double value = args.real(row.name, -1);
        fuzz::require(value >= row.low && value <= row.high, "a number out of its range was taken");
      } else {
        args.text(row.name);
      }
    }
    fuzz::require(args.command < kGenProgram.commands.size(), "a command that does not exist");
  } catch (const Error& error) {
    fuzz::require(error.exit == Exit::usage, error.what());
  }
}
