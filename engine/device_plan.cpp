#include "engine/device_plan.h"

#include "codec/codec.h"
#include "codec/pack.h"
#include "engine/session.h"
#include "engine/speech_plan.h"

#include <algorithm>

namespace tts {

namespace {

constexpr int64_t kBlock{Arena::kAlignment};  // every allocation starts at a multiple

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
  const CodecDecoderConfig& c = model.config.codec;
  int64_t bytes = placed_bytes_at_most(c, model.decoder);
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

// The table, and the projection of one block of ids.
int64_t text_bytes(const ModelConfig& c, const MemoryShape& shape) {
  const int64_t H = c.talker.dims.H, wide = c.talker.text_width;
  return whole_blocks(planned_text_rows(c, shape) * H * 4) + 2 * whole_blocks(kPrefillRows * wide * 4) +
         whole_blocks(kPrefillRows * 4);
}

// Of the longest clip; other types have no cloned voices.
int reference_frames(const ModelConfig& c) {
  if (c.type != ModelType::base) return 0;
  return static_cast<int>(longest_clip_samples(c.codec.sample_rate) / c.codec.samples_per_frame) + 1;
}

// The encoders stay, what they need for a clip goes: one of them has a clip at a time.
void add_encoders(std::vector<Arena::Entry>& plan, const Model& model) {
  const ModelConfig& c = model.config;
  EncoderPlan speaker, codec;
  if (model.speaker_encoder) {
    const int64_t longest = longest_clip_samples(c.speaker_encoder->sample_rate);
    speaker = SpeakerEncoder<Reference>::plan(*c.speaker_encoder, *model.speaker_encoder, longest);
  }
  if (model.encoder) {
    const int64_t longest = longest_clip_samples(c.codec_encoder->sample_rate);
    codec = Encoder<Reference>::plan(*c.codec_encoder, *model.encoder, longest);
  }
  plan.push_back({"weights of the speaker encoder", speaker.weights_bytes});
  plan.push_back({"weights of the codec's encoder", codec.weights_bytes});
  plan.push_back({"reference clip", std::max(speaker.clip_bytes, codec.clip_bytes)});
}

}  // namespace

// The transcript of the longest clip is about a safe chunk of text: both are a minute of speech.
MemoryShape planned_shape(const ModelConfig& c, const RunNeeds& needs, DType cache) {
  const int text = needs.text_tokens > 0 ? needs.text_tokens : kSafeTokens;
  int frames = needs.frames;
  if (frames == 0) frames = std::min(c.generation.max_new_tokens - 1, frame_ceiling(text));
  frames = std::clamp<int>(frames, 1, limits::kFrames);
  int reference = reference_frames(c), transcript = reference > 0 ? kSafeTokens : 0;
  if (needs.carried_tokens > 0) {
    reference += std::min(frames, frame_ceiling(needs.carried_tokens));
    transcript += needs.carried_tokens;
  }
  const int spoken = text + transcript;
  const int positions = kShownRows + needs.prompt_tokens + spoken + reference + frames + 1;
  MemoryShape shape = room_for(positions, spoken + 2, reference, cache);
  shape.positions = std::min(shape.positions, room_for(c.talker.max_positions, 0, 0, cache).positions);
  return shape;
}

int planned_text_rows(const ModelConfig& c, const MemoryShape& shape) {
  return std::min(c.talker.text_vocabulary, std::max(kTextRows, shape.trailing));
}

std::vector<Arena::Entry> device_plan(const Model& model, Quant quant, const MemoryShape& shape, bool clips) {
  const ModelConfig& c = model.config;
  const int64_t chunk = int64_t{kCodecCallFrames} * c.codec.samples_per_frame * 4;
  std::vector<Arena::Entry> plan{
      {"weights of the language model", language_bytes(model, quant)},
      {"inputs of the code predictor", adapted_bytes(model)},
      {"text table", text_bytes(c, shape)},
      {"weights of the codec", codec_bytes(model)},
      {"stream of the codec",
       whole_blocks(Decoder<Reference>::plan(c.codec, kCodecCallFrames).bytes()) + whole_blocks(chunk)},
      {"utterance", session_plan(c, shape).bytes()}};
  if (clips) add_encoders(plan, model);
  return plan;
}

int64_t plan_bytes(const std::vector<Arena::Entry>& plan) {
  int64_t sum = 0;
  for (const Arena::Entry& entry : plan) sum += entry.bytes;
  return sum;
}

}  // namespace tts
