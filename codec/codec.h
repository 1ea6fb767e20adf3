// Codes -> samples, audio -> codes, audio -> speaker vector. Each is opened once (weights are packed for the
// device), keeps its state in memory that was laid out at the start, and is a template over the device.
#pragma once

#include "base/limits.h"
#include "codec/config.h"
#include "codec/weights.h"
#include "kernels/arena.h"
#include "kernels/devices.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tts {

// A stage's output, for comparisons with recorded numbers: time-first rows on the host.
struct CodecStage {
  std::string name;
  int64_t rows, channels;
  std::vector<float> values;
};

// A reference clip with the silence that is appended to it.
inline int64_t longest_clip_samples(int sample_rate) {
  return (limits::kClipSeconds * 1000 + limits::kClipSilenceMs) * sample_rate / 1000;
}

// ---- decoder -----------------------------------------------------------------------------------

// Weights in the form the device reads: code tables divided by their usage, convolutions packed. Shared by
// streams.
template <class D>
struct DecoderModel;

template <class D>
std::shared_ptr<const DecoderModel<D>> pack_decoder(D& device, const CodecDecoderConfig& config,
                                                    const CodecDecoderWeights& weights);

// One stream. A call with n new frames costs n frames and gives exactly the samples of the one-shot decode,
// for every chunking; zero state at the start, nothing pending at the end.
template <class D>
class Decoder {
 public:
  Decoder(D& device, const CodecDecoderConfig& config, const CodecDecoderWeights& weights,
          int frames_per_call);
  Decoder(D& device, std::shared_ptr<const DecoderModel<D>> model, int frames_per_call);
  Decoder(Decoder&&) noexcept;
  ~Decoder();

  // What a stream needs, as a pure function of the configuration; for the printed plan.
  static Arena plan(const CodecDecoderConfig& config, int frames_per_call);
  // Frames from one reset() to the next: the longest item behind the longest reference clip. The caller of
  // the calls on device memory keeps to it; the one on host memory refuses more.
  static int max_frames(const CodecDecoderConfig& config);

  void reset();  // a new utterance: state to zero, position 0
  // codes: device memory, [frames][groups], 0 ... codebook_size-1; samples: device memory,
  // [frames * samples_per_frame]. frames may exceed frames_per_call: it is then cut into several calls.
  void decode(float* samples, const int32_t* codes, int frames);
  // Leaves the state that decode() of these frames leaves, without their samples: the waveform part runs only
  // on the frames that the next one can hear (10 with the real rates). `last_frame`: null or the samples of
  // the last frame.
  void prime(float* last_frame, const int32_t* codes, int frames);
  // The same as decode() from host to host memory; codes are checked.
  std::vector<float> decode(std::span<const int32_t> codes);

  // All stages of decode() of at most frames_per_call frames: "dequantised", "pre_conv",
  // "transformer_layer0", ..., "transformer", "upsample0_conv", "upsample0", ..., "decoder0", "decoder1",
  // ..., "final".
  std::vector<CodecStage> decode_stages(std::span<const int32_t> codes, std::vector<float>& samples);

  const CodecDecoderConfig& config() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The official package decodes chunks of 300 frames, each from zero state with 25 frames of context in front
// (spec/codec-streaming.md section 1). Equal to decode() up to 300 frames, and different afterwards.
template <class D>
std::vector<float> decode_official_chunks(Decoder<D>& decoder, std::span<const int32_t> codes);

// ---- encoder -----------------------------------------------------------------------------------

// What an encoder takes on a device that has its own memory: upper bounds, known before a weight is read.
struct EncoderPlan {
  int64_t weights_bytes = 0;  // from the first clip on
  int64_t clip_bytes = 0;     // during a clip
};

// Audio -> codes. Memory is bounded: the convolutions stream over blocks of the clip, and what grows with it
// are 25 rows of hidden width and of the attention caches per second.
template <class D>
class Encoder {
 public:
  Encoder(D& device, const CodecEncoderConfig& config, const CodecEncoderWeights& weights);
  static EncoderPlan plan(const CodecEncoderConfig& config, const CodecEncoderWeights& weights,
                          int64_t samples);
  Encoder(Encoder&&) noexcept;
  ~Encoder();

  // samples at the codec's rate, at least one -> [ceil(samples / samples_per_frame)][groups]
  std::vector<int32_t> encode(std::span<const float> samples);
  // "conv_stack", "transformer_layer0", ..., "transformer", "latent" of the same run.
  std::vector<CodecStage> encode_stages(std::span<const float> samples, std::vector<int32_t>& codes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// ---- speaker encoder ---------------------------------------------------------------------------

inline constexpr int kMelHop{256};  // samples per row

// [floor(samples / kMelHop)][mels] of natural logarithms (spec/speaker-encoder.md section 4), on the host in
// double precision: the same numbers on every device, and a small part of the work.
std::vector<float> log_mel(std::span<const float> samples, const SpeakerEncoderConfig& config);

// Audio -> the vector of the "speaker" row of the prompt.
template <class D>
class SpeakerEncoder {
 public:
  SpeakerEncoder(D& device, const SpeakerEncoderConfig& config, const SpeakerEncoderWeights& weights);
  static EncoderPlan plan(const SpeakerEncoderConfig& config, const SpeakerEncoderWeights& weights,
                          int64_t samples);
  SpeakerEncoder(SpeakerEncoder&&) noexcept;
  ~SpeakerEncoder();

  // samples at config.sample_rate, at least limits::kClipMinSamples -> [width]
  std::vector<float> encode(std::span<const float> samples);
  // "logmel", "block0", ..., "mfa", "asp" of the same run.
  std::vector<CodecStage> encode_stages(std::span<const float> samples, std::vector<float>& vector);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
