// Codes -> samples, audio -> codes, audio -> speaker vector. Each is opened once (weights are packed for the device), keeps
// its state in memory that was laid out at the start, and is a template over the device.
#pragma once

#include "codec/config.h"
#include "codec/weights.h"
#include "kernels/arena.h"
#include "kernels/devices.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tts {

// Weights in the form the device reads: code tables divided by their usage, convolutions packed. Shared by all streams.
template <class D>
struct DecoderModel;

// One stream. A call with n new frames costs n frames and gives exactly the samples of the one-shot decode, for every
// chunking; zero state at the start, nothing pending at the end.
template <class D>
class Decoder {
 public:
  Decoder(D& device, const CodecDecoderConfig& config, const CodecDecoderWeights& weights, int frames_per_call);
  ~Decoder();

  // What a session needs, as a pure function of the configuration; for the printed plan.
  static Arena plan(const CodecDecoderConfig& config, int frames_per_call);

  void reset();  // a new utterance: state to zero, position 0
  // codes: device memory, [frames][groups]; samples: device memory, [frames * samples_per_frame]. frames may exceed
  // frames_per_call: it is then cut into several calls.
  void decode(float* samples, const int32_t* codes, int frames);
  // The same from host to host memory.
  std::vector<float> decode(std::span<const int32_t> codes);

  // A stage's output of the last call, for comparisons with recorded numbers: "dequantised", "pre_conv", "transformer",
  // "upsample.0", ..., "decoder.0", "block.1", ..., as time-first rows on the host. frames <= frames_per_call.
  struct Stage {
    std::string name;
    int64_t rows, channels;
    std::vector<float> values;
  };
  std::vector<Stage> decode_stages(std::span<const int32_t> codes, std::vector<float>& samples);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
