#include "engine/device_plan.h"

#include "codec/codec.h"
#include "engine/session.h"
#include "engine/speech_plan.h"

#include <algorithm>

namespace tts {

namespace {

constexpr int kTextIds{512};    // rows of the text table that a few utterances need
constexpr int64_t kBlock{256};  // every allocation starts at a multiple

int64_t whole_blocks(int64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

int64_t placed_bytes(const Tensor& tensor, DType dtype) {
  const int64_t weights = element_count(tensor.shape);
  switch (dtype) {
    case DType::int8_rows: return whole_blocks(weights) + whole_blocks(tensor.rows() * 4);
    case DType::int4_blocks: return whole_blocks(weights / 2) + whole_blocks(weights / 32 * 4);
    default: return whole_blocks(byte_size(dtype, tensor.shape));
  }
}

int64_t language_bytes(const Model& model, Quant quant) {
  int64_t bytes = 0;
  const auto add = [&](const Tensor& tensor, std::string_view name, const Shape& shape) {
    const DType dtype = quantised_format(name, shape, quant);
    bytes += placed_bytes(tensor, dtype == DType::f32 ? tensor.dtype : dtype);
  };
  TalkerWeights talker = model.talker;  // views
  PredictorWeights predictor = model.predictor;
  talker.each(model.config.talker, add);
  predictor.each(model.config, add);
  return bytes;
}

// Everything becomes f32 or stays smaller; transposed convolutions repeat their bias `stride` times, which
// the usage counts of the code tables, not placed, make room for.
int64_t codec_bytes(const Model& model) {
  int64_t bytes = 0;
  CodecDecoderWeights decoder = model.decoder;
  decoder.each(model.config.codec, [&](const Tensor& tensor, std::string_view, const Shape&) {
    bytes += whole_blocks(element_count(tensor.shape) * 4);
  });
  const CodecDecoderConfig& c = model.config.codec;
  for (size_t b = 0; b < c.upsample_rates.size(); ++b) {
    bytes += whole_blocks(int64_t{c.block_channels(b + 1)} * c.upsample_rates[b] * 4);
  }
  for (const int ratio : c.upsampling_ratios) bytes += whole_blocks(int64_t{c.latent} * ratio * 4);
  return bytes + whole_blocks(int64_t{Decoder<Reference>::max_frames(c)} * c.transformer.d * 4);
}

// E0 .. E14 through the adapter, and what making one of them takes for a moment.
int64_t adapted_bytes(const Model& model) {
  if (!model.config.adapter) return 0;
  const int64_t to = model.config.predictor.H, from = model.config.talker.dims.H,
                more = model.config.talker.groups - 2;
  return whole_blocks(model.config.talker.dims.V * to * 4) +
         more * whole_blocks(model.config.predictor.V * to * 4) + whole_blocks(kPrefillRows * from * 4) +
         kBlock * kPrefillRows;
}

// The table, its larger successor, and the projection of one block of ids.
int64_t text_bytes(const Model& model) {
  const int64_t H = model.config.talker.dims.H, wide = model.config.talker.text_width;
  return 3 * whole_blocks(kTextIds * H * 4) + 2 * whole_blocks(kPrefillRows * wide * 4) +
         whole_blocks(kPrefillRows * 4);
}

// Of the longest clip that a checkpoint with encoders takes.
int reference_frames(const ModelConfig& c) {
  if (!c.codec_encoder) return 0;
  return static_cast<int>(longest_clip_samples(c.codec.sample_rate) / c.codec.samples_per_frame) + 1;
}

}  // namespace

int planned_positions(const ModelConfig& c, int frames) {
  if (frames == 0) frames = std::min(c.generation.max_new_tokens - 1, frame_ceiling(kSafeTokens));
  const int rows = kShownRows + kSafeTokens + reference_frames(c);
  const int steps = (rows + std::min<int>(frames, limits::kFrames) + kPositionStep) / kPositionStep;
  return std::min(c.talker.max_positions, steps * kPositionStep);
}

std::vector<Arena::Entry> device_plan(const Model& model, Quant quant, DType cache, int positions) {
  const ModelConfig& c = model.config;
  const MemoryShape shape{
      .positions = positions, .trailing = kTextIds, .reference = reference_frames(c), .cache = cache};
  const int64_t chunk = int64_t{kCodecCallFrames} * c.codec.samples_per_frame * 4;
  return {{"weights of the language model", language_bytes(model, quant)},
          {"inputs of the code predictor", adapted_bytes(model)},
          {"text table", text_bytes(model)},
          {"weights of the codec", codec_bytes(model)},
          {"stream of the codec",
           whole_blocks(Decoder<Reference>::plan(c.codec, kCodecCallFrames).bytes()) + whole_blocks(chunk)},
          {"utterance", session_plan(c, shape).bytes()}};
}

int64_t plan_bytes(const std::vector<Arena::Entry>& plan) {
  int64_t sum = 0;
  for (const Arena::Entry& entry : plan) sum += entry.bytes;
  return sum;
}

}  // namespace tts
