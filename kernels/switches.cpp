#include "kernels/switches.h"

#include "base/error.h"

#include <iterator>

namespace tts {

namespace {

struct Entry {
  std::string_view name;
  std::string_view what;
};

// In the order of the enumeration.
constexpr Entry kEntries[] = {
    {"run_ahead", "enqueue frames before the host knows that the sequence goes on"},
    {"parallel_predictor", "draw all codes of a frame from a guess and repeat from the first that changes"},
    {"codec_overlap", "decode beside the language model, on a core or in a stream of its own"},
    {"cuda_graphs", "record the work of a frame once and replay it as one graph"},
    {"persistent_predictor", "run all passes of the code predictor in one resident kernel"},
    {"library_prefill", "multiply the rows of the prefill by cuBLASLt"},
    {"minimal_filters",
     "compute four outputs of the codec's filters of seven taps together, with 10 products instead of 28 "
     "(CPU)"},
    {"early_launch",
     "let a kernel fetch its weights while the one before it ends (compute capability 9.0 and newer)"},
};
static_assert(std::size(kEntries) == static_cast<size_t>(Ablate::kCount));

}  // namespace

std::string_view name_of(Ablate ablate) { return kEntries[static_cast<size_t>(ablate)].name; }
std::string_view what_it_does(Ablate ablate) { return kEntries[static_cast<size_t>(ablate)].what; }

Switches parse_ablations(std::string_view comma_separated) {
  Switches switches;
  while (!comma_separated.empty()) {
    const size_t comma = comma_separated.find(',');
    const std::string_view name = comma_separated.substr(0, comma);
    comma_separated.remove_prefix(comma == comma_separated.npos ? comma_separated.size() : comma + 1);
    bool known = false;
    std::string list;
    for (size_t i = 0; i < std::size(kEntries); ++i) {
      if (kEntries[i].name == name) {
        switches.off.set(i);
        known = true;
      }
      list += (i > 0 ? ", " : "") + std::string(kEntries[i].name);
    }
    check(known, Exit::usage, "--ablate: expected names out of: {}; got '{}'", list, name);
  }
  return switches;
}

}  // namespace tts
