// Speech codec and speaker encoder: field, name in the checkpoint and shape stand in one line, in the order
// of the tensor tables of spec/codec-decoder.md section 2, codec-encoder.md section 2 and model-files.md
// section 5.3. This list is the only list: the same each() binds, checks, prints and writes test models.
// Names carry their full prefix ("decoder.", "encoder.", "speaker_encoder."); the first two live in
// speech_tokenizer/, the third beside the talker.
//
// Tensors that the forward passes do not read are listed all the same: a checkpoint is checked completely.
#pragma once

#include "base/types.h"
#include "codec/config.h"

#include <string>
#include <vector>

namespace tts {

struct ConvWeights {  // weight [out, in, taps], of a transposed convolution [in, out, taps]
  Tensor weight, bias;

  template <class Visit>
  void each(const Shape& shape, int64_t out, Visit&& t) {
    t(weight, "weight", shape);
    t(bias, "bias", Shape{out});
  }
};

struct Codebook {  // code vector v = sum[v] / max(usage[v], 1e-5)
  Tensor sum, usage;
};

// ---- decoder: 271 tensors with 16 groups, 8 layers, 2 latent stages and 4 waveform blocks ---------------

struct DecoderQuantizer {  // decoder.quantizer.{rvq_first,rvq_rest}.
  Tensor input_proj;       // not used: of the encoding side
  Tensor output_proj;
  std::vector<Codebook> codebooks;

  template <class Visit>
  void each(const CodecDecoderConfig& c, int count, Visit&& t) {
    t(input_proj, "input_proj.weight", Shape{c.codebook_width, 2 * int64_t{c.codebook_width}, 1});
    t(output_proj, "output_proj.weight", Shape{2 * int64_t{c.codebook_width}, c.codebook_width, 1});
    codebooks.resize(static_cast<size_t>(count));
    for (int q = 0; q < count; ++q) {
      Codebook& book = codebooks[static_cast<size_t>(q)];
      t(book.sum, format("vq.layers.{}._codebook.embedding_sum", q),
        Shape{c.codebook_size, c.codebook_width});
      t(book.usage, format("vq.layers.{}._codebook.cluster_usage", q), Shape{c.codebook_size});
    }
  }
};

struct DecoderLayer {  // decoder.pre_transformer.layers.{l}.   11 tensors
  Tensor input_norm, q, k, v, o, attention_scale, post_norm, gate, up, down, mlp_scale;

  template <class Visit>
  void each(const Dims& m, Visit&& t) {
    t(input_norm, "input_layernorm.weight", Shape{m.H});
    t(q, "self_attn.q_proj.weight", Shape{int64_t{m.nq} * m.d, m.H});
    t(k, "self_attn.k_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(v, "self_attn.v_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(o, "self_attn.o_proj.weight", Shape{m.H, int64_t{m.nq} * m.d});
    t(attention_scale, "self_attn_layer_scale.scale", Shape{m.H});
    t(post_norm, "post_attention_layernorm.weight", Shape{m.H});
    t(gate, "mlp.gate_proj.weight", Shape{m.I, m.H});
    t(up, "mlp.up_proj.weight", Shape{m.I, m.H});
    t(down, "mlp.down_proj.weight", Shape{m.H, m.I});
    t(mlp_scale, "mlp_layer_scale.scale", Shape{m.H});
  }
};

struct LatentStage {  // decoder.upsample.{u}.   11 tensors: transposed convolution, then a ConvNeXt block
  ConvWeights up, depthwise, pointwise1, pointwise2;
  Tensor norm, norm_bias, gamma;

  template <class Visit>
  void each(int64_t channels, int64_t ratio, Visit&& t) {
    up.each(Shape{channels, channels, ratio}, channels, within("0.conv.", t));
    depthwise.each(Shape{channels, 1, 7}, channels, within("1.dwconv.conv.", t));
    t(norm, "1.norm.weight", Shape{channels});
    t(norm_bias, "1.norm.bias", Shape{channels});
    pointwise1.each(Shape{4 * channels, channels}, 4 * channels, within("1.pwconv1.", t));
    pointwise2.each(Shape{channels, 4 * channels}, channels, within("1.pwconv2.", t));
    t(gamma, "1.gamma", Shape{channels});
  }
};

struct Snake {  // both in log scale
  Tensor alpha, beta;

  template <class Visit>
  void each(int64_t channels, Visit&& t) {
    t(alpha, "alpha", Shape{channels});
    t(beta, "beta", Shape{channels});
  }
};

struct ResidualUnit {  // decoder.decoder.{b}.block.{2,3,4}.   8 tensors
  Snake act1, act2;
  ConvWeights conv1, conv2;

  template <class Visit>
  void each(int64_t channels, Visit&& t) {
    act1.each(channels, within("act1.", t));
    conv1.each(Shape{channels, channels, 7}, channels, within("conv1.conv.", t));
    act2.each(channels, within("act2.", t));
    conv2.each(Shape{channels, channels, 1}, channels, within("conv2.conv.", t));
  }
};

struct WaveBlock {                 // decoder.decoder.{b}.   28 tensors
  static constexpr int kUnits{3};  // with dilations 1, 3, 9

  Snake act;
  ConvWeights up;
  ResidualUnit units[kUnits];

  template <class Visit>
  void each(int64_t in, int64_t out, int64_t rate, Visit&& t) {
    act.each(in, within("block.0.", t));
    up.each(Shape{in, out, 2 * rate}, out, within("block.1.conv.", t));
    for (int u = 0; u < kUnits; ++u) units[u].each(out, within(format("block.{}.", u + 2), t));
  }
};

struct CodecDecoderWeights {
  DecoderQuantizer first, rest;
  ConvWeights pre_conv, input_proj, output_proj;
  std::vector<DecoderLayer> layers;
  Tensor norm;
  std::vector<LatentStage> latent;
  ConvWeights wave_in, wave_out;
  std::vector<WaveBlock> blocks;
  Snake wave_act;

  template <class Visit>
  void each(const CodecDecoderConfig& c, Visit&& t) {
    const Dims& m = c.transformer;
    first.each(c, 1, within("decoder.quantizer.rvq_first.", t));
    rest.each(c, c.groups - 1, within("decoder.quantizer.rvq_rest.", t));
    pre_conv.each(Shape{c.latent, 2 * int64_t{c.codebook_width}, 3}, c.latent,
                  within("decoder.pre_conv.conv.", t));
    input_proj.each(Shape{m.H, c.latent}, m.H, within("decoder.pre_transformer.input_proj.", t));
    layers.resize(static_cast<size_t>(m.L));
    for (int l = 0; l < m.L; ++l) {
      layers[static_cast<size_t>(l)].each(m, within(format("decoder.pre_transformer.layers.{}.", l), t));
    }
    t(norm, "decoder.pre_transformer.norm.weight", Shape{m.H});
    output_proj.each(Shape{c.latent, m.H}, c.latent, within("decoder.pre_transformer.output_proj.", t));
    latent.resize(c.upsampling_ratios.size());
    for (size_t u = 0; u < latent.size(); ++u) {
      latent[u].each(c.latent, c.upsampling_ratios[u], within(format("decoder.upsample.{}.", u), t));
    }
    wave_in.each(Shape{c.decoder_dim, c.latent, 7}, c.decoder_dim, within("decoder.decoder.0.conv.", t));
    blocks.resize(c.upsample_rates.size());
    for (size_t b = 0; b < blocks.size(); ++b) {
      blocks[b].each(c.block_channels(b), c.block_channels(b + 1), c.upsample_rates[b],
                     within(format("decoder.decoder.{}.", b + 1), t));
    }
    const int last = c.block_channels(blocks.size());
    wave_act.each(last, within(format("decoder.decoder.{}.", blocks.size() + 1), t));
    wave_out.each(Shape{1, last, 7}, 1, within(format("decoder.decoder.{}.conv.", blocks.size() + 2), t));
  }
};

// ---- encoder: 225 tensors with 4 ratios, 8 layers and 32 quantizers -------------------------------------

struct EncoderBlock {  // encoder.encoder.layers.{3i+1}., a residual block, and {3i+3}., a strided convolution
  ConvWeights squeeze, expand, down;

  template <class Visit>
  void each(const CodecEncoderConfig& c, size_t i, Visit&& t) {
    const int64_t in = c.block_channels(i), narrow = in / c.compress, out = c.block_channels(i + 1);
    const int64_t taps = 2 * int64_t{c.ratios[i]};
    const std::string residual = format("encoder.encoder.layers.{}.", 3 * i + 1);
    squeeze.each(Shape{narrow, in, c.residual_kernel}, narrow, within(residual + "block.1.conv.", t));
    expand.each(Shape{in, narrow, 1}, in, within(residual + "block.3.conv.", t));
    down.each(Shape{out, in, taps}, out, within(format("encoder.encoder.layers.{}.conv.", 3 * i + 3), t));
  }
};

struct EncoderLayer {  // encoder.encoder_transformer.layers.{l}.   12 tensors
  Tensor input_norm, input_norm_bias, q, k, v, o, attention_scale;
  Tensor post_norm, post_norm_bias, fc1, fc2, mlp_scale;

  template <class Visit>
  void each(const Dims& m, Visit&& t) {
    t(input_norm, "input_layernorm.weight", Shape{m.H});
    t(input_norm_bias, "input_layernorm.bias", Shape{m.H});
    t(q, "self_attn.q_proj.weight", Shape{int64_t{m.nq} * m.d, m.H});
    t(k, "self_attn.k_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(v, "self_attn.v_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(o, "self_attn.o_proj.weight", Shape{m.H, int64_t{m.nq} * m.d});
    t(attention_scale, "self_attn_layer_scale.scale", Shape{m.H});
    t(post_norm, "post_attention_layernorm.weight", Shape{m.H});
    t(post_norm_bias, "post_attention_layernorm.bias", Shape{m.H});
    t(fc1, "mlp.fc1.weight", Shape{m.I, m.H});
    t(fc2, "mlp.fc2.weight", Shape{m.H, m.I});
    t(mlp_scale, "mlp_layer_scale.scale", Shape{m.H});
  }
};

struct EncoderQuantizer {  // encoder.quantizer.{semantic,acoustic}_residual_vector_quantizer.
  Tensor input_proj;
  Tensor output_proj;               // not used: of the decoding side
  std::vector<Codebook> codebooks;  // more than the codes kept
  std::vector<Tensor> initialized;  // not used: a mark of the training

  template <class Visit>
  void each(const CodecEncoderConfig& c, int count, Visit&& t) {
    t(input_proj, "input_proj.weight", Shape{c.codebook_width, c.transformer.H, 1});
    codebooks.resize(static_cast<size_t>(count));
    initialized.resize(static_cast<size_t>(count));
    for (size_t q = 0; q < codebooks.size(); ++q) {
      const std::string prefix = format("layers.{}.codebook.", q);
      t(codebooks[q].sum, prefix + "embed_sum", Shape{c.codebook_size, c.codebook_width});
      t(codebooks[q].usage, prefix + "cluster_usage", Shape{c.codebook_size});
      t(initialized[q], prefix + "initialized", Shape{1});
    }
    t(output_proj, "output_proj.weight", Shape{c.transformer.H, c.codebook_width, 1});
  }
};

struct CodecEncoderWeights {
  ConvWeights wave_in, wave_out;
  std::vector<EncoderBlock> blocks;
  std::vector<EncoderLayer> layers;
  Tensor downsample;
  EncoderQuantizer semantic, acoustic;

  template <class Visit>
  void each(const CodecEncoderConfig& c, Visit&& t) {
    const Dims& m = c.transformer;
    wave_in.each(Shape{c.filters, 1, c.kernel}, c.filters, within("encoder.encoder.layers.0.conv.", t));
    blocks.resize(c.ratios.size());
    for (size_t i = 0; i < blocks.size(); ++i) blocks[i].each(c, i, t);
    wave_out.each(Shape{m.H, c.block_channels(blocks.size()), c.last_kernel}, m.H,
                  within(format("encoder.encoder.layers.{}.conv.", 3 * blocks.size() + 2), t));
    layers.resize(static_cast<size_t>(m.L));
    for (int l = 0; l < m.L; ++l) {
      layers[static_cast<size_t>(l)].each(m, within(format("encoder.encoder_transformer.layers.{}.", l), t));
    }
    t(downsample, "encoder.downsample.conv.weight", Shape{m.H, m.H, 4});
    semantic.each(c, 1, within("encoder.quantizer.semantic_residual_vector_quantizer.", t));
    acoustic.each(c, c.quantizers - 1, within("encoder.quantizer.acoustic_residual_vector_quantizer.", t));
  }
};

// ---- speaker encoder: 76 tensors ------------------------------------------------------------------------

struct SpeakerBlock {  // speaker_encoder.blocks.{b}.   a squeeze-and-excitation Res2 block
  ConvWeights tdnn1, tdnn2, squeeze, excite;
  std::vector<ConvWeights> res2;

  template <class Visit>
  void each(const SpeakerEncoderConfig& c, size_t b, Visit&& t) {
    const int64_t in = c.channels[b - 1], out = c.channels[b], part = out / c.res2net_scale;
    tdnn1.each(Shape{out, in, 1}, out, within("tdnn1.conv.", t));
    res2.resize(static_cast<size_t>(c.res2net_scale - 1));
    for (size_t r = 0; r < res2.size(); ++r) {
      res2[r].each(Shape{part, part, c.kernels[b]}, part,
                   within(format("res2net_block.blocks.{}.conv.", r), t));
    }
    tdnn2.each(Shape{out, out, 1}, out, within("tdnn2.conv.", t));
    squeeze.each(Shape{c.se_channels, out, 1}, c.se_channels, within("se_block.conv1.", t));
    excite.each(Shape{out, c.se_channels, 1}, out, within("se_block.conv2.", t));
  }
};

struct SpeakerEncoderWeights {
  ConvWeights first, mfa, attention_in, attention_out, fc;
  std::vector<SpeakerBlock> blocks;  // without the first

  template <class Visit>
  void each(const SpeakerEncoderConfig& c, Visit&& t) {
    const int64_t wide = c.channels.back(), narrow = c.attention_channels;
    first.each(Shape{c.channels[0], c.mels, c.kernels[0]}, c.channels[0],
               within("speaker_encoder.blocks.0.conv.", t));
    blocks.resize(c.channels.size() - 2);
    for (size_t b = 1; b <= blocks.size(); ++b) {
      blocks[b - 1].each(c, b, within(format("speaker_encoder.blocks.{}.", b), t));
    }
    mfa.each(Shape{wide, wide, c.kernels.back()}, wide, within("speaker_encoder.mfa.conv.", t));
    attention_in.each(Shape{narrow, 3 * wide, 1}, narrow, within("speaker_encoder.asp.tdnn.conv.", t));
    attention_out.each(Shape{wide, narrow, 1}, wide, within("speaker_encoder.asp.conv.", t));
    fc.each(Shape{c.width, 2 * wide, 1}, c.width, within("speaker_encoder.fc.", t));
  }
};

}  // namespace tts
