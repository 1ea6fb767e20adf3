// The two drawings of the journal, from its recorded lines: real-time factor with one optimisation after the
// other switched on, and milliseconds per frame along a long utterance.
#pragma once

#include "perf_journal/entry.h"

namespace tts {

std::string plot_steps(const std::vector<Entry>& entries);
std::string plot_positions(const std::vector<Entry>& entries);

}  // namespace tts
