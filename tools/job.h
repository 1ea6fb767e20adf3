// Work that survives: every chunk that was spoken to its end is a file of the job's directory, named by a
// hash of everything that decides its samples. Whoever asks for the same chunk again gets the file, so a run
// that was killed continues, and after an edit only what changed is spoken (docs/formats.md).
#pragma once

#include "engine/synthesis.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct FinishedChunk {
  Spoken spoken;  // times and counters are not kept
  std::vector<float> samples;
  int attempts = 1;
};

// A hash of every file that decides what a checkpoint says: small files whole, and all tensors.
uint64_t model_identity(Model& model);

// Everything that decides the samples of a chunk, as text of one line per fact.
struct ChunkInputs {
  uint64_t model = 0;
  const DeviceFacts& device;
  std::string device_options;  // --cpu-level and --ablate, as given
  int retries = 0;
};
std::string chunk_inputs(const ChunkInputs& inputs, const SpeakRequest& request);

class Job {
 public:
  // Makes the directory, or continues in it. Exit::bad_input: not a job, or one of another version;
  // Exit::output: it cannot be written, or another process works in it.
  explicit Job(const std::string& directory);
  Job(const Job&) = delete;
  ~Job();

  // Of a command without --seed: drawn once, the same whenever the job continues.
  uint64_t seed();

  // Nothing: not spoken yet, or its file is damaged (which is said in `complaint`).
  std::optional<FinishedChunk> find(const std::string& inputs, std::string& complaint) const;
  void keep(const std::string& inputs, const SpeakRequest& request, const FinishedChunk& chunk, int groups);

 private:
  std::string file_of(const std::string& inputs) const;
  void read_head();
  void write_head();

  std::string directory_;
  std::optional<uint64_t> seed_;
  int lock_ = -1;
};

}  // namespace tts
