// Checkpoint -> DecoderModel: code tables divided by their usage, convolutions in the order of their taps.
#include "codec/decoder_model.h"

namespace tts {

namespace {

constexpr float kLayerNormEps{1e-6f};  // of the ConvNeXt blocks; the transformer's comes from the file
const Tensor kNone{};

template <class D>
bool goes_in_tf32([[maybe_unused]] const D& device) {
  if constexpr (requires { device.codec_tf32(); }) return device.codec_tf32();
  return false;
}

template <class D>
void pack_layer(Packer<D>& pack, typename DecoderModel<D>::Layer& to, const DecoderLayer& w, const Dims& m) {
  pack.norm(to.input_norm, w.input_norm, kNone, m.eps);
  pack.stored(to.qkv.q, w.q);
  pack.stored(to.qkv.k, w.k);
  pack.stored(to.qkv.v, w.v);
  pack.stored(to.o, w.o);
  pack.stored(to.attention_scale, w.attention_scale);
  pack.norm(to.post_norm, w.post_norm, kNone, m.eps);
  pack.stored(to.gate, w.gate);
  pack.stored(to.up, w.up);
  pack.stored(to.down, w.down);
  pack.stored(to.mlp_scale, w.mlp_scale);
}

template <class D>
void pack_latent(Packer<D>& pack, typename DecoderModel<D>::Latent& to, const LatentStage& w, int ratio) {
  pack.transposed(to.up, w.up, ratio);
  const Shape& s = w.depthwise.weight.shape;
  pack.made(to.depthwise, Shape{s[2], s[0]}, [&w](float* p) { pack_conv(p, w.depthwise.weight); });
  pack.stored(to.depthwise_bias, w.depthwise.bias);
  pack.norm(to.norm, w.norm, w.norm_bias, kLayerNormEps);
  pack.stored(to.pointwise1, w.pointwise1.weight);
  pack.stored(to.pointwise1_bias, w.pointwise1.bias);
  pack.stored(to.pointwise2, w.pointwise2.weight);
  pack.stored(to.pointwise2_bias, w.pointwise2.bias);
  pack.stored(to.gamma, w.gamma);
}

template <class D>
void pack_block(Packer<D>& pack, typename DecoderModel<D>::Block& to, const WaveBlock& w, int rate,
                int frame_rows) {
  pack.transposed(to.up, w.up, rate);
  pack.snake(to.up, w.act);
  for (int u = 0; u < WaveBlock::kUnits; ++u) {
    to.units[u].conv1.dilation = kDilations[u];
    to.units[u].conv1.period = frame_rows;
    pack.conv(to.units[u].conv1, w.units[u].conv1);
    pack.snake(to.units[u].conv1, w.units[u].act1);
    pack.conv(to.units[u].conv2, w.units[u].conv2);
    pack.snake(to.units[u].conv2, w.units[u].act2);
  }
}

}  // namespace

template <class D>
std::shared_ptr<const DecoderModel<D>> pack_decoder(D& device, const CodecDecoderConfig& c,
                                                    const CodecDecoderWeights& w) {
  auto model = std::make_shared<DecoderModel<D>>();
  DecoderModel<D>& to = *model;
  Packer<D> pack(device, to.owned, goes_in_tf32(device));
  to.config = c;
  to.semantic.resize(static_cast<size_t>(c.groups));
  to.acoustic.resize(static_cast<size_t>(c.groups));
  pack.codebook(to.semantic[0], w.first.codebooks[0]);
  for (size_t g = 1; g < to.acoustic.size(); ++g) pack.codebook(to.acoustic[g], w.rest.codebooks[g - 1]);
  pack.matrix(to.project_semantic, w.first.output_proj);
  pack.matrix(to.project_acoustic, w.rest.output_proj);
  pack.conv(to.pre_conv, w.pre_conv);
  pack.stored(to.input_proj, w.input_proj.weight);
  pack.stored(to.input_proj_bias, w.input_proj.bias);
  to.layers.resize(w.layers.size());
  for (size_t l = 0; l < to.layers.size(); ++l) pack_layer(pack, to.layers[l], w.layers[l], c.transformer);
  pack.norm(to.norm, w.norm, kNone, c.transformer.eps);
  pack.stored(to.output_proj, w.output_proj.weight);
  pack.stored(to.output_proj_bias, w.output_proj.bias);
  const int positions = Decoder<D>::max_frames(c), width = c.transformer.d;
  const double theta = c.transformer.theta;
  pack.made(to.rope, Shape{positions, width}, [=](float* p) { fill_rope(p, positions, width, theta); });
  to.latent.resize(w.latent.size());
  for (size_t u = 0; u < to.latent.size(); ++u)
    pack_latent(pack, to.latent[u], w.latent[u], c.upsampling_ratios[u]);
  pack.conv(to.wave_in, w.wave_in);
  to.blocks.resize(w.blocks.size());
  int frame_rows = 1;
  for (const int ratio : c.upsampling_ratios) frame_rows *= ratio;
  for (size_t b = 0; b < to.blocks.size(); ++b) {
    frame_rows *= c.upsample_rates[b];
    pack_block(pack, to.blocks[b], w.blocks[b], c.upsample_rates[b], frame_rows);
  }
  pack.conv(to.wave_out, w.wave_out);
  pack.snake(to.wave_out, w.wave_act);
  pack.finish();
  return model;
}

#define TTS_INSTANTIATE(D)                                                                    \
  template std::shared_ptr<const DecoderModel<D>> pack_decoder(D&, const CodecDecoderConfig&, \
                                                               const CodecDecoderWeights&);
TTS_DEVICES(TTS_INSTANTIATE)

}  // namespace tts
