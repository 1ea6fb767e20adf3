// Every optimisation can be switched off by name (--ablate NAME); each has an entry in perf_journal/.
// How a device is asked for, and what it says about itself and its counters.
#pragma once

#include "base/types.h"

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

enum class Ablate : uint8_t {
  run_ahead,        // the host enqueues frames before it knows that the sequence goes on
  parallel_predictor,  // the codes of a frame as a fixed point: all rows of a pass at once, fewer passes
  codec_overlap,    // the codec decodes beside the language model, on a core or in a stream of its own
  cuda_graphs,      // the work of a frame is recorded once and replayed as one graph
  persistent_predictor,  // all passes of the code predictor as one resident kernel
  library_prefill,  // the products of the prefill go through cuBLASLt
  minimal_filters,  // four outputs of the codec's long filters together, 10 products instead of 28 (CPU)
  early_launch,     // a kernel fetches its weights while the one before it ends
  kCount,
};

std::string_view name_of(Ablate ablate);
std::string_view what_it_does(Ablate ablate);  // one line for --help and the journal

struct Switches {
  std::bitset<static_cast<size_t>(Ablate::kCount)> off;
  bool on(Ablate ablate) const { return !off.test(static_cast<size_t>(ablate)); }
};
Switches parse_ablations(std::string_view comma_separated);  // unknown name: Exit::usage and the list

struct DeviceOptions {
  int index = 0;            // of the GPU
  int threads = 0;          // of the CPU; 0: chosen (and explained by `doctor`)
  std::string cpu_level;    // "": best the CPU has; else portable, avx2, avx512, vnni
  bool round_activations = false;  // bf16: inputs of products may be rounded
  bool codec_tf32 = false;         // the convolutions of the codec's decoder on tensor cores
  Switches switches;
};

// What the device layer counts; per-frame figures are differences divided by frames.
struct Counters {
  int64_t syncs = 0;         // device-to-host synchronisations
  int64_t launches = 0;      // kernels executed, nodes of graphs included
  int64_t graph_replays = 0;
  int64_t copies = 0;        // host <-> device
  int64_t allocations = 0;
  Counters operator-(const Counters& o) const {
    return {syncs - o.syncs, launches - o.launches, graph_replays - o.graph_replays, copies - o.copies,
            allocations - o.allocations};
  }
};

}  // namespace tts
