// Speech codec, encoder side (spec/codec-encoder.md): one function per section.
//
//   samples -> convolutions -> rows of 25 Hz -> transformer -> rows -> downsample -> rows of 12.5 Hz -> codes
//              '- in blocks, with history -'   '- in blocks, with caches -'
//
// A clip of 60 s needs 6.1 MB per second and activation at 24 kHz if it is held whole, so it is not: the
// convolutions see kRowsPerBlock rows of their output at a time. The result does not depend on the blocks.
#include "codec/codec.h"
#include "codec/pack.h"

#include <algorithm>
#include <utility>

namespace tts {

namespace {

constexpr int kRowsPerBlock{25};  // one second: large enough to read the 50 MB of the deep layers seldom
constexpr int kRowsPerPass{128};  // of the transformer
const Tensor kNone{};

template <class D>
struct EncoderModel {
  struct Block {
    Conv squeeze, expand, down;
  };
  struct Layer {
    Norm input_norm, post_norm;
    QkvWeights qkv;
    Tensor o, attention_scale, fc1, fc2, mlp_scale;
  };

  CodecEncoderConfig config;
  Conv wave_in, wave_out, downsample;
  std::vector<Block> blocks;
  std::vector<Layer> layers;
  Tensor project_semantic, project_acoustic;
  std::vector<Tensor> codebooks;  // [groups]: the semantic one, then the acoustic ones that are kept
  int samples_per_row = 1;        // of the transformer: the product of the ratios
  std::vector<HostFloats> owned;
};

// Everything that the memory of a clip depends on; no weight is read.
template <class D>
void describe(EncoderModel<D>& to, const CodecEncoderConfig& config, const CodecEncoderWeights& w) {
  to.config = config;
  set_size(to.wave_in, w.wave_in.weight);
  to.blocks.resize(w.blocks.size());
  for (size_t i = 0; i < to.blocks.size(); ++i) {
    auto& block = to.blocks[i];
    for (Conv* conv : {&block.squeeze, &block.expand, &block.down}) conv->input = Conv::Input::elu;
    block.down.stride = config.ratios[i];
    to.samples_per_row *= config.ratios[i];
    set_size(block.squeeze, w.blocks[i].squeeze.weight);
    set_size(block.down, w.blocks[i].down.weight);
  }
  to.wave_out.input = Conv::Input::elu;
  set_size(to.wave_out, w.wave_out.weight);
  to.downsample.stride = 2;
  set_size(to.downsample, w.downsample);
}

template <class D>
void pack_conv_stack(Packer<D>& pack, EncoderModel<D>& to, const CodecEncoderWeights& w) {
  pack.conv(to.wave_in, w.wave_in);
  for (size_t i = 0; i < to.blocks.size(); ++i) {
    pack.conv(to.blocks[i].squeeze, w.blocks[i].squeeze);
    pack.conv(to.blocks[i].expand, w.blocks[i].expand);
    pack.conv(to.blocks[i].down, w.blocks[i].down);
  }
  pack.conv(to.wave_out, w.wave_out);
}

template <class D>
void pack_layer(Packer<D>& pack, typename EncoderModel<D>::Layer& to, const EncoderLayer& w, const Dims& m) {
  pack.norm(to.input_norm, w.input_norm, w.input_norm_bias, m.eps);
  pack.stored(to.qkv.q, w.q);
  pack.stored(to.qkv.k, w.k);
  pack.stored(to.qkv.v, w.v);
  pack.stored(to.o, w.o);
  pack.stored(to.attention_scale, w.attention_scale);
  pack.norm(to.post_norm, w.post_norm, w.post_norm_bias, m.eps);
  pack.stored(to.fc1, w.fc1);
  pack.stored(to.fc2, w.fc2);
  pack.stored(to.mlp_scale, w.mlp_scale);
}

template <class D>
void pack_encoder(D& d, EncoderModel<D>& to, const CodecEncoderWeights& w) {
  Packer<D> pack(d, to.owned);
  const CodecEncoderConfig& c = to.config;
  pack_conv_stack(pack, to, w);
  to.layers.resize(w.layers.size());
  for (size_t l = 0; l < to.layers.size(); ++l) pack_layer(pack, to.layers[l], w.layers[l], c.transformer);
  pack.conv(to.downsample, {.weight = w.downsample, .bias = kNone});
  pack.matrix(to.project_semantic, w.semantic.input_proj);
  pack.matrix(to.project_acoustic, w.acoustic.input_proj);
  to.codebooks.resize(static_cast<size_t>(c.groups));
  pack.codebook(to.codebooks[0], w.semantic.codebooks[0]);
  for (size_t g = 1; g < to.codebooks.size(); ++g)
    pack.codebook(to.codebooks[g], w.acoustic.codebooks[g - 1]);
  pack.finish();
}

// ---- memory of one clip ------------------------------------------------------------------------

struct Memory {
  int32_t* position = nullptr;
  float *wave_in = nullptr, *wave_out = nullptr, *downsample = nullptr;
  struct Block {
    float *squeeze, *down;
  };
  std::vector<Block> blocks;
  int64_t zeroed_bytes = 0;

  float *x = nullptr, *y = nullptr, *inner = nullptr;  // of the convolutions, one block
  float* hidden = nullptr;                             // [rows + 1][H], the whole clip
  float *normed = nullptr, *qkv = nullptr, *attention = nullptr, *mlp = nullptr;
  std::vector<KvCache> caches;
  float *latent = nullptr, *residual = nullptr;
  float* rope = nullptr;
  int32_t* codes = nullptr;
};

template <class D>
Memory lay_out(Arena& a, const EncoderModel<D>& model, int64_t rows) {
  const CodecEncoderConfig& c = model.config;
  const Dims& m = c.transformer;
  const int64_t frames = (rows + 1) / 2, narrow = m.nkv * int64_t{m.d}, wide = m.nq * int64_t{m.d};
  Memory s;
  s.position = a.take<int32_t>("position", 1);
  s.wave_in = a.take<float>("history", model.wave_in.history_rows());
  int64_t block_samples = kRowsPerBlock * int64_t{model.samples_per_row}, activations = block_samples;
  int64_t row = block_samples;
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    const auto& block = model.blocks[i];
    const int64_t channels = c.block_channels(i);
    s.blocks.push_back({a.take<float>("history", block.squeeze.history_rows() * channels),
                        a.take<float>("history", block.down.history_rows() * channels)});
    activations = std::max(activations, checked_mul(row, channels, "codec activations"));
    row /= c.ratios[i];
    activations = std::max(activations, checked_mul(row, c.block_channels(i + 1), "codec activations"));
  }
  s.wave_out = a.take<float>("history", model.wave_out.history_rows() * int64_t{model.wave_out.in});
  s.downsample = a.take<float>("history", model.downsample.history_rows() * int64_t{m.H});
  s.zeroed_bytes = a.bytes();

  for (float** p : {&s.x, &s.y, &s.inner}) *p = a.take<float>("activations", activations);
  s.hidden = a.take<float>("rows", checked_mul(rows + 1, m.H, "codec rows"));
  s.normed = a.take<float>("activations", kRowsPerPass * int64_t{m.H});
  s.qkv = a.take<float>("activations", kRowsPerPass * (wide + 2 * narrow));
  s.attention = a.take<float>("activations", kRowsPerPass * wide);
  s.mlp = a.take<float>("activations", kRowsPerPass * int64_t{m.I});
  for (int l = 0; l < m.L; ++l) {
    float* k = a.take<float>("attention cache", checked_mul(rows, narrow, "codec attention cache"));
    float* v = a.take<float>("attention cache", checked_mul(rows, narrow, "codec attention cache"));
    s.caches.push_back({.k = k, .v = v, .dtype = DType::f32, .capacity = static_cast<int>(rows)});
  }
  s.latent = a.take<float>("latent", frames * m.H);
  s.residual = a.take<float>("residual", frames * c.codebook_width);
  s.rope = a.take<float>("rope", rows * m.d);
  s.codes = a.take<int32_t>("codes", frames * c.groups);
  return s;
}

template <class D>
int64_t rows_of(const EncoderModel<D>& model, int64_t samples) {
  return (samples + model.samples_per_row - 1) / model.samples_per_row;
}

// ---- one clip ----------------------------------------------------------------------------------

template <class D>
struct Clip {
  D& d;
  const EncoderModel<D>& model;
  int64_t rows;  // of the transformer
  Memory s;
  std::vector<CodecStage>* record = nullptr;

  void seen(std::string name, const float* values, int64_t count, int64_t channels) {
    if (!record) return;
    auto stage =
        std::find_if(record->begin(), record->end(), [&](const CodecStage& r) { return r.name == name; });
    if (stage == record->end()) stage = record->insert(stage, {std::move(name), 0, channels, {}});
    const size_t begin = stage->values.size();
    stage->rows += count;
    stage->values.resize(begin + static_cast<size_t>(count * channels));
    d.download(stage->values.data() + begin, values, count * channels * static_cast<int64_t>(sizeof(float)));
  }

  // 4.1: zeros on the right of the last block until the stride divides it; nothing elsewhere
  int64_t pad(float* x, int64_t count, int stride, int64_t channels) {
    const int64_t padded = (count + stride - 1) / stride * stride;
    if (padded > count)
      d.zero(x + count * channels, (padded - count) * channels * static_cast<int64_t>(sizeof(float)));
    return padded;
  }

  // 4.2: samples of one block -> rows of hidden
  int64_t conv_stack(float* hidden, std::span<const float> samples) {
    int64_t count = static_cast<int64_t>(samples.size());
    d.upload(s.x, samples.data(), count * static_cast<int64_t>(sizeof(float)));
    d.conv(s.y, s.x, model.wave_in, s.wave_in, static_cast<int>(count));
    for (size_t i = 0; i < model.blocks.size(); ++i) {
      const auto& block = model.blocks[i];
      d.conv(s.inner, s.y, block.squeeze, s.blocks[i].squeeze, static_cast<int>(count));
      d.conv_add(s.y, s.inner, block.expand, nullptr, static_cast<int>(count));
      count = pad(s.y, count, block.down.stride, model.config.block_channels(i));
      d.conv(s.x, s.y, block.down, s.blocks[i].down, static_cast<int>(count));
      count /= block.down.stride;
      std::swap(s.x, s.y);
    }
    d.conv(hidden, s.y, model.wave_out, s.wave_out, static_cast<int>(count));
    seen("conv_stack", hidden, count, model.config.transformer.H);
    return count;
  }

  // 4.3: rows of hidden in place; every row sees all before it
  void transformer(float* hidden, int n) {
    const Dims& m = model.config.transformer;
    const Heads heads{.nq = m.nq, .nkv = m.nkv, .d = m.d, .window = 0, .rope = s.rope};
    for (size_t l = 0; l < model.layers.size(); ++l) {
      const auto& layer = model.layers[l];
      d.qkv(s.qkv, hidden, layer.input_norm, layer.qkv, n);
      d.attend(s.attention, s.qkv, kNone, kNone, s.caches[l], heads, s.position, n);
      d.linear_add(hidden, s.attention, layer.o, kNone, layer.attention_scale, n);
      d.norm(s.normed, hidden, layer.post_norm, n);
      d.linear(s.mlp, s.normed, layer.fc1, kNone, n, Act::gelu);
      d.linear_add(hidden, s.mlp, layer.fc2, kNone, layer.mlp_scale, n);
      seen(format("transformer_layer{}", l), hidden, n, m.H);
    }
    d.advance(s.position, n);
    seen("transformer", hidden, n, m.H);
  }

  // 4.4: the ends are repeated, not zero
  void downsample() {
    const int64_t width = model.config.transformer.H, bytes = width * static_cast<int64_t>(sizeof(float));
    for (int i = 0; i < model.downsample.history_rows(); ++i)
      d.copy(s.downsample + i * width, s.hidden, bytes);
    if (rows % 2 == 1) d.copy(s.hidden + rows * width, s.hidden + (rows - 1) * width, bytes);
    d.conv(s.latent, s.hidden, model.downsample, s.downsample, static_cast<int>((rows + 1) / 2 * 2));
    seen("latent", s.latent, (rows + 1) / 2, width);
  }

  // 4.5: both branches start from the same latent row
  void quantise() {
    const int frames = static_cast<int>((rows + 1) / 2), groups = model.config.groups;
    d.linear(s.residual, s.latent, model.project_semantic, kNone, frames, Act::none);
    d.nearest_code(s.codes, s.residual, model.codebooks[0], groups, 0, frames);
    d.linear(s.residual, s.latent, model.project_acoustic, kNone, frames, Act::none);
    for (int g = 1; g < groups; ++g) {
      d.nearest_code(s.codes, s.residual, model.codebooks[static_cast<size_t>(g)], groups, g, frames);
    }
  }

  void encode(std::span<const float> samples) {
    const Dims& m = model.config.transformer;
    d.zero(s.position, s.zeroed_bytes);
    std::vector<float> rope(static_cast<size_t>(rows * m.d));
    fill_rope(rope.data(), static_cast<int>(rows), m.d, m.theta);
    d.upload(s.rope, rope.data(), rows * m.d * static_cast<int64_t>(sizeof(float)));
    const size_t block = static_cast<size_t>(kRowsPerBlock) * static_cast<size_t>(model.samples_per_row);
    int64_t done = 0;
    for (size_t begin = 0; begin < samples.size(); begin += block) {
      done +=
          conv_stack(s.hidden + done * m.H, samples.subspan(begin, std::min(block, samples.size() - begin)));
    }
    for (int64_t begin = 0; begin < rows; begin += kRowsPerPass) {
      transformer(s.hidden + begin * m.H, static_cast<int>(std::min<int64_t>(kRowsPerPass, rows - begin)));
    }
    downsample();
    quantise();
  }
};

}  // namespace

// ---- interface ---------------------------------------------------------------------------------

template <class D>
struct Encoder<D>::State {
  D& d;
  EncoderModel<D> model;

  std::vector<int32_t> encode(std::span<const float> samples, std::vector<CodecStage>* record) {
    const CodecEncoderConfig& c = model.config;
    const int64_t count = static_cast<int64_t>(samples.size()), most = longest_clip_samples(c.sample_rate);
    check(count >= 1 && count <= most, Exit::bad_input, "codec encoder: expected 1 ... {} samples, got {}",
          most, count);
    const int64_t rows = rows_of(model, count);
    Arena plan;
    lay_out(plan, model, rows);
    const DeviceMemory<D> memory(d, plan.bytes());
    Arena arena(memory.data);
    Clip<D> clip{d, model, rows, lay_out(arena, model, rows), record};
    clip.encode(samples);
    std::vector<int32_t> codes(static_cast<size_t>((rows + 1) / 2 * c.groups));
    d.download(codes.data(), clip.s.codes, static_cast<int64_t>(codes.size() * sizeof(int32_t)));
    for (const int32_t code : codes)
      check(code >= 0, Exit::internal, "codec encoder: a latent row is not finite");
    return codes;
  }
};

template <class D>
Encoder<D>::Encoder(D& device, const CodecEncoderConfig& config, const CodecEncoderWeights& weights)
    : state_(new State{device, {}}) {
  describe(state_->model, config, weights);
  pack_encoder(device, state_->model, weights);
}

template <class D>
EncoderPlan Encoder<D>::plan(const CodecEncoderConfig& config, const CodecEncoderWeights& weights,
                             int64_t samples) {
  EncoderModel<D> model;
  describe(model, config, weights);
  Arena clip;
  lay_out(clip, model, rows_of(model, samples));
  CodecEncoderWeights kept = weights;  // views
  for (size_t g = model.config.groups - 1u; g < kept.acoustic.codebooks.size(); ++g)
    kept.acoustic.codebooks[g] = {};
  return {.weights_bytes = placed_bytes_at_most(config, kept), .clip_bytes = clip.bytes()};
}

template <class D>
Encoder<D>::Encoder(Encoder&&) noexcept = default;
template <class D>
Encoder<D>::~Encoder() = default;

template <class D>
std::vector<int32_t> Encoder<D>::encode(std::span<const float> samples) {
  return state_->encode(samples, nullptr);
}

template <class D>
std::vector<CodecStage> Encoder<D>::encode_stages(std::span<const float> samples,
                                                  std::vector<int32_t>& codes) {
  std::vector<CodecStage> stages;
  codes = state_->encode(samples, &stages);
  return stages;
}

#define TTS_INSTANTIATE(D) template class Encoder<D>;
TTS_DEVICES(TTS_INSTANTIATE)

}  // namespace tts
