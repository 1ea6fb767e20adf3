// Speaker encoder (spec/speaker-encoder.md section 5): one function per subsection.
//
//   log-mel [T][mels] -> B0 -> B1 -> B2 -> B3    (B1, B2, B3) -> MFA -> pooling over time -> FC -> vector
//   [width]
//
// A convolution here is symmetric and reflects at the ends: its input is unfolded into rows of all taps, and
// the rest is a matrix product. Rows are time, as everywhere.
#include "base/limits.h"
#include "codec/codec.h"
#include "codec/pack.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tts {

namespace {

template <class D>
struct SpeakerModel {
  struct Tdnn {  // weight [out][taps * in]
    Tensor weight, bias;
    int in = 0, out = 0, taps = 1, dilation = 1;
  };
  struct Block {
    Tdnn tdnn1, tdnn2;
    std::vector<Tdnn> res2;
    Tensor squeeze, squeeze_bias, excite, excite_bias;
  };

  SpeakerEncoderConfig config;
  Tdnn first, mfa;
  std::vector<Block> blocks;
  Tensor attention_rows, attention_stats, attention_in_bias, attention_out, attention_out_bias, fc, fc_bias;
  std::vector<HostFloats> owned;
};

// [out][in][taps] -> [out][taps][in]
void pack_taps(float* packed, const Tensor& w) {
  const int64_t in = w.shape[1], taps = w.shape[2];
  std::vector<float> row(static_cast<size_t>(in * taps));
  const Tensor rows = as_matrix(w);
  for (int64_t o = 0; o < w.shape[0]; ++o, packed += in * taps) {
    widen_row(row.data(), rows, o);
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t k = 0; k < taps; ++k) packed[k * in + i] = row[static_cast<size_t>(i * taps + k)];
    }
  }
}

// Columns [begin, end) of a matrix.
void pack_columns(float* packed, const Tensor& matrix, int64_t begin, int64_t end) {
  std::vector<float> row(static_cast<size_t>(matrix.columns()));
  for (int64_t o = 0; o < matrix.rows(); ++o, packed += end - begin) {
    widen_row(row.data(), matrix, o);
    std::copy(row.begin() + begin, row.begin() + end, packed);
  }
}

template <class Tdnn>
void describe(Tdnn& to, const ConvWeights& w, int dilation) {
  set_size(to, w.weight);
  to.dilation = dilation;
}

// Everything that the memory of a clip depends on; no weight is read.
template <class D>
void describe(SpeakerModel<D>& to, const SpeakerEncoderConfig& c, const SpeakerEncoderWeights& w) {
  to.config = c;
  describe(to.first, w.first, c.dilations[0]);
  to.blocks.resize(w.blocks.size());
  for (size_t b = 0; b < to.blocks.size(); ++b) {
    auto& block = to.blocks[b];
    describe(block.tdnn1, w.blocks[b].tdnn1, 1);
    describe(block.tdnn2, w.blocks[b].tdnn2, 1);
    block.res2.resize(w.blocks[b].res2.size());
    for (size_t r = 0; r < block.res2.size(); ++r)
      describe(block.res2[r], w.blocks[b].res2[r], c.dilations[b + 1]);
  }
  describe(to.mfa, w.mfa, c.dilations.back());
}

template <class D>
void pack_tdnn(Packer<D>& pack, typename SpeakerModel<D>::Tdnn& to, const ConvWeights& w) {
  const Shape& s = w.weight.shape;
  pack.stored(to.bias, w.bias);
  if (to.taps == 1) return pack.matrix(to.weight, w.weight);
  pack.made(to.weight, Shape{s[0], s[1] * s[2]}, [w](float* p) { pack_taps(p, w.weight); });
}

template <class D>
void pack_speaker(D& d, SpeakerModel<D>& to, const SpeakerEncoderWeights& w) {
  Packer<D> pack(d, to.owned);
  const SpeakerEncoderConfig& c = to.config;
  pack_tdnn(pack, to.first, w.first);
  for (size_t b = 0; b < to.blocks.size(); ++b) {
    auto& block = to.blocks[b];
    pack_tdnn(pack, block.tdnn1, w.blocks[b].tdnn1);
    pack_tdnn(pack, block.tdnn2, w.blocks[b].tdnn2);
    for (size_t r = 0; r < block.res2.size(); ++r) pack_tdnn(pack, block.res2[r], w.blocks[b].res2[r]);
    pack.matrix(block.squeeze, w.blocks[b].squeeze.weight);
    pack.stored(block.squeeze_bias, w.blocks[b].squeeze.bias);
    pack.matrix(block.excite, w.blocks[b].excite.weight);
    pack.stored(block.excite_bias, w.blocks[b].excite.bias);
  }
  pack_tdnn(pack, to.mfa, w.mfa);
  // 5.2: two thirds of the columns multiply the same row at every time: they are kept apart and used once.
  const int64_t wide = c.channels.back(), narrow = c.attention_channels;
  const Tensor attention = as_matrix(w.attention_in.weight);
  pack.made(to.attention_rows, Shape{narrow, wide}, [=](float* p) { pack_columns(p, attention, 0, wide); });
  pack.made(to.attention_stats, Shape{narrow, 2 * wide},
            [=](float* p) { pack_columns(p, attention, wide, 3 * wide); });
  pack.stored(to.attention_in_bias, w.attention_in.bias);
  pack.matrix(to.attention_out, w.attention_out.weight);
  pack.stored(to.attention_out_bias, w.attention_out.bias);
  pack.matrix(to.fc, w.fc.weight);
  pack.stored(to.fc_bias, w.fc.bias);
  pack.finish();
}

// ---- memory of one clip ------------------------------------------------------------------------

struct Memory {
  float *mel = nullptr, *unfolded = nullptr;
  float *x = nullptr, *u = nullptr,
        *part = nullptr;  // of a block: its input and output, inside, one Res2 part
  float *all = nullptr, *wide = nullptr, *scores = nullptr;  // concatenated blocks, MFA, attention over time
  float* narrow = nullptr;
  float *stats = nullptr, *gate = nullptr, *bias = nullptr, *vector = nullptr;
};

template <class D>
Memory lay_out(Arena& a, const SpeakerModel<D>& model, int64_t rows) {
  const SpeakerEncoderConfig& c = model.config;
  const int64_t channels = c.channels[0], wide = c.channels.back();
  // also holds the rows that leave the second TDNN of a block
  int64_t unfolded = std::max({channels, model.first.in * int64_t{model.first.taps}, wide * model.mfa.taps});
  for (const auto& block : model.blocks) {
    for (const auto& part : block.res2) unfolded = std::max<int64_t>(unfolded, part.in * int64_t{part.taps});
  }
  const auto take = [&](const char* name, int64_t count, int64_t width) {
    return a.take<float>(name, checked_mul(count, width, name));
  };
  Memory s;
  s.mel = take("mel", rows, c.mels);
  s.unfolded = take("unfolded", rows, unfolded);
  s.x = take("block", rows, channels);
  s.u = take("block", rows, channels);
  s.part = take("part", rows, channels / c.res2net_scale);
  s.all = take("blocks", rows, wide);
  s.wide = take("mfa", rows, wide);
  s.scores = take("scores", rows, wide);
  s.narrow = take("attention", rows, c.attention_channels);
  s.stats = take("stats", 1, 2 * wide);
  s.gate = take("gate", 1, channels + c.se_channels);
  s.bias = take("bias", 1, c.attention_channels);
  s.vector = take("vector", 1, c.width);
  return s;
}

// ---- one clip ----------------------------------------------------------------------------------

template <class D>
struct Clip {
  D& d;
  const SpeakerModel<D>& model;
  int rows;
  Memory s;
  std::vector<CodecStage>* record = nullptr;

  void seen(std::string name, const float* values, int64_t count, int64_t channels) {
    if (!record) return;
    CodecStage stage{std::move(name), count, channels,
                     std::vector<float>(static_cast<size_t>(count * channels))};
    d.download(stage.values.data(), values, count * channels * static_cast<int64_t>(sizeof(float)));
    record->push_back(std::move(stage));
  }

  // ReLU(Conv(columns [first, first + in) of x[rows][width], plus `add`))
  void tdnn(float* y, const float* x, const typename SpeakerModel<D>::Tdnn& w, Columns from,
            const float* add) {
    if (from.count != from.width || w.taps > 1) {
      d.unfold(s.unfolded, x, add, {.columns = from, .taps = w.taps, .dilation = w.dilation}, rows);
      x = s.unfolded;
    }
    d.linear(y, x, w.weight, w.bias, rows, Act::relu);
  }
  void tdnn(float* y, const float* x, const typename SpeakerModel<D>::Tdnn& w) {
    tdnn(y, x, w, {.width = w.in, .first = 0, .count = w.in}, nullptr);
  }

  // 5.1: x[rows][C] in place. Part 0 stays as it is, part 1 takes nothing from it.
  void block(const typename SpeakerModel<D>::Block& w) {
    const int channels = w.tdnn1.out, parts = static_cast<int>(w.res2.size()) + 1, count = channels / parts;
    tdnn(s.u, s.x, w.tdnn1);
    for (int p = 1; p < parts; ++p) {
      const Columns columns{.width = channels, .first = p * count, .count = count};
      tdnn(s.part, s.u, w.res2[static_cast<size_t>(p - 1)], columns, p > 1 ? s.part : nullptr);
      d.insert(s.u, s.part, columns, rows);
    }
    float* const mixed = s.unfolded;  // the input of tdnn2 is not needed any more when it is unfolded
    d.linear(mixed, s.u, w.tdnn2.weight, w.tdnn2.bias, rows, Act::relu);
    d.pool(s.stats, mixed, nullptr, channels, rows);
    float* const squeezed = s.gate + channels;
    d.linear(squeezed, s.stats, w.squeeze, w.squeeze_bias, 1, Act::relu);
    d.linear(s.gate, squeezed, w.excite, w.excite_bias, 1, Act::sigmoid);
    d.add_scaled(s.x, mixed, s.gate, channels, rows);
  }

  // 5.2: wide[rows][C] -> stats[2 C]
  void pool_with_attention() {
    const int wide = model.config.channels.back(), narrow = model.config.attention_channels;
    d.pool(s.stats, s.wide, nullptr, wide, rows);
    d.linear(s.bias, s.stats, model.attention_stats, model.attention_in_bias, 1, Act::none);
    const Tensor bias{.data = s.bias, .dtype = DType::f32, .shape = Shape{narrow}};
    d.linear(s.narrow, s.wide, model.attention_rows, bias, rows, Act::relu_tanh);
    d.linear(s.scores, s.narrow, model.attention_out, model.attention_out_bias, rows, Act::none);
    d.pool(s.stats, s.wide, s.scores, wide, rows);
  }

  void encode() {
    const SpeakerEncoderConfig& c = model.config;
    seen("logmel", s.mel, rows, c.mels);
    tdnn(s.x, s.mel, model.first);
    seen("block0", s.x, rows, c.channels[0]);
    int first = 0;
    for (size_t b = 0; b < model.blocks.size(); ++b) {
      const int channels = c.channels[b + 1];
      block(model.blocks[b]);
      seen(format("block{}", b + 1), s.x, rows, channels);
      d.insert(s.all, s.x, {.width = c.channels.back(), .first = first, .count = channels}, rows);
      first += channels;
    }
    tdnn(s.wide, s.all, model.mfa);
    seen("mfa", s.wide, rows, c.channels.back());
    pool_with_attention();
    seen("asp", s.stats, 1, 2 * int64_t{c.channels.back()});
    d.linear(s.vector, s.stats, model.fc, model.fc_bias, 1, Act::none);
  }
};

}  // namespace

// ---- interface ---------------------------------------------------------------------------------

template <class D>
struct SpeakerEncoder<D>::State {
  D& d;
  SpeakerModel<D> model;

  // Reflection needs more rows than the widest padding has.
  int64_t fewest_samples() const {
    int padding = 0;
    for (size_t b = 0; b < model.config.kernels.size(); ++b) {
      padding = std::max(padding, model.config.dilations[b] * (model.config.kernels[b] - 1) / 2);
    }
    return std::max<int64_t>(limits::kClipMinSamples, int64_t{padding + 1} * kMelHop);
  }

  std::vector<float> encode(std::span<const float> samples, std::vector<CodecStage>* record) {
    const SpeakerEncoderConfig& c = model.config;
    const int64_t count = static_cast<int64_t>(samples.size()), most = longest_clip_samples(c.sample_rate);
    check(count >= fewest_samples() && count <= most, Exit::bad_input,
          "speaker encoder: expected {} ... {} samples, got {}", fewest_samples(), most, count);
    const std::vector<float> mel = log_mel(samples, c);
    const int64_t rows = static_cast<int64_t>(mel.size()) / c.mels;
    Arena plan;
    lay_out(plan, model, rows);
    const DeviceMemory<D> memory(d, plan.bytes());
    Arena arena(memory.data);
    Clip<D> clip{d, model, static_cast<int>(rows), lay_out(arena, model, rows), record};
    d.upload(clip.s.mel, mel.data(), static_cast<int64_t>(mel.size() * sizeof(float)));
    clip.encode();
    std::vector<float> vector(static_cast<size_t>(c.width));
    d.download(vector.data(), clip.s.vector, c.width * static_cast<int64_t>(sizeof(float)));
    for (const float value : vector) {
      check(std::isfinite(value), Exit::internal, "speaker encoder: the vector is not finite");
    }
    return vector;
  }
};

template <class D>
SpeakerEncoder<D>::SpeakerEncoder(D& device, const SpeakerEncoderConfig& config,
                                  const SpeakerEncoderWeights& weights)
    : state_(new State{device, {}}) {
  describe(state_->model, config, weights);
  pack_speaker(device, state_->model, weights);
}

template <class D>
EncoderPlan SpeakerEncoder<D>::plan(const SpeakerEncoderConfig& config, const SpeakerEncoderWeights& weights,
                                    int64_t samples) {
  SpeakerModel<D> model;
  describe(model, config, weights);
  Arena clip;
  lay_out(clip, model, samples / kMelHop);
  // The first matrix of the attention is kept in two parts.
  return {.weights_bytes = placed_bytes_at_most(config, weights) + Arena::kAlignment,
          .clip_bytes = clip.bytes()};
}

template <class D>
SpeakerEncoder<D>::SpeakerEncoder(SpeakerEncoder&&) noexcept = default;
template <class D>
SpeakerEncoder<D>::~SpeakerEncoder() = default;

template <class D>
std::vector<float> SpeakerEncoder<D>::encode(std::span<const float> samples) {
  return state_->encode(samples, nullptr);
}

template <class D>
std::vector<CodecStage> SpeakerEncoder<D>::encode_stages(std::span<const float> samples,
                                                         std::vector<float>& vector) {
  std::vector<CodecStage> stages;
  vector = state_->encode(samples, &stages);
  return stages;
}

#define TTS_INSTANTIATE(D) template class SpeakerEncoder<D>;
TTS_DEVICES(TTS_INSTANTIATE)

}  // namespace tts
