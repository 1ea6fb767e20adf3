// Weights of the codec decoder in the form the devices read (codec/decoder.cpp); filled by
// codec/decoder_model.cpp.
#pragma once

#include "codec/codec.h"
#include "codec/pack.h"

namespace tts {

inline constexpr int kDilations[]{1, 3, 9};  // of the residual units

template <class D>
struct DecoderModel {
  struct Layer {
    Norm input_norm, post_norm;
    QkvWeights qkv;
    Tensor o, attention_scale, gate, up, down, mlp_scale;
  };
  struct Latent {
    Conv up;
    Tensor depthwise, depthwise_bias, pointwise1, pointwise1_bias, pointwise2, pointwise2_bias, gamma;
    Norm norm;
  };
  struct Block {
    Conv up;
    struct Unit {
      Conv conv1, conv2;
    } units[WaveBlock::kUnits];
  };

  CodecDecoderConfig config;
  std::vector<Tensor> semantic, acoustic;  // [groups]: code tables; those of the other kind are empty
  Tensor project_semantic, project_acoustic;
  Conv pre_conv;
  Tensor input_proj, input_proj_bias, output_proj, output_proj_bias;
  std::vector<Layer> layers;
  Norm norm;
  Tensor rope;
  std::vector<Latent> latent;
  Conv wave_in, wave_out;
  std::vector<Block> blocks;
  std::vector<HostFloats> owned;
};

}  // namespace tts
