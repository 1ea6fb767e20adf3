// Talker and code predictor: field, name in the checkpoint and shape stand in one line, in the order of
// spec/model-files.md section 5. This list is the only list: the same each() binds, uploads, quantises,
// prints and writes test models.
//
// Visit is called as t(tensor, "name.weight", Shape{...}); `within(prefix, child)` descends with a name
// prefix.
#pragma once

#include "base/types.h"
#include "engine/config.h"

#include <string>
#include <vector>

namespace tts {

struct LayerWeights {  // <prefix>layers.{l}.   11 tensors
  Tensor input_norm, q, k, v, o, q_norm, k_norm, post_norm, gate, up, down;

  template <class Visit>
  void each(const Dims& m, Visit&& t) {
    t(input_norm, "input_layernorm.weight", Shape{m.H});
    t(q, "self_attn.q_proj.weight", Shape{int64_t{m.nq} * m.d, m.H});
    t(k, "self_attn.k_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(v, "self_attn.v_proj.weight", Shape{int64_t{m.nkv} * m.d, m.H});
    t(o, "self_attn.o_proj.weight", Shape{m.H, int64_t{m.nq} * m.d});
    t(q_norm, "self_attn.q_norm.weight", Shape{m.d});
    t(k_norm, "self_attn.k_norm.weight", Shape{m.d});
    t(post_norm, "post_attention_layernorm.weight", Shape{m.H});
    t(gate, "mlp.gate_proj.weight", Shape{m.I, m.H});
    t(up, "mlp.up_proj.weight", Shape{m.I, m.H});
    t(down, "mlp.down_proj.weight", Shape{m.H, m.I});
  }
};

struct TalkerWeights {  // talker.   316 tensors with 28 layers
  Tensor text_embedding, fc1, fc1_bias, fc2, fc2_bias, codec_embedding, norm, codec_head;
  std::vector<LayerWeights> layers;

  template <class Visit>
  void each(const TalkerConfig& c, Visit&& t) {
    const Dims& m = c.dims;
    t(text_embedding, "talker.model.text_embedding.weight", Shape{c.text_vocabulary, c.text_width});
    t(fc1, "talker.text_projection.linear_fc1.weight", Shape{c.text_width, c.text_width});
    t(fc1_bias, "talker.text_projection.linear_fc1.bias", Shape{c.text_width});
    t(fc2, "talker.text_projection.linear_fc2.weight", Shape{m.H, c.text_width});
    t(fc2_bias, "talker.text_projection.linear_fc2.bias", Shape{m.H});
    t(codec_embedding, "talker.model.codec_embedding.weight", Shape{m.V, m.H});
    layers.resize(static_cast<size_t>(m.L));
    for (int l = 0; l < m.L; ++l) {
      layers[static_cast<size_t>(l)].each(m, within(format("talker.model.layers.{}.", l), t));
    }
    t(norm, "talker.model.norm.weight", Shape{m.H});
    t(codec_head, "talker.codec_head.weight", Shape{m.V, m.H});
  }
};

// talker.code_predictor.   86 tensors (88 with the adapter) with 5 layers and 16 groups
struct PredictorWeights {
  std::vector<Tensor> embedding;  // [K-1] of [V, talker H]; entry j-1 is group j's
  std::vector<Tensor> head;       // [K-1] of [V, H]; entry g draws group g+1
  Tensor adapter, adapter_bias;   // empty when the widths are equal
  std::vector<LayerWeights> layers;
  Tensor norm;

  template <class Visit>
  void each(const ModelConfig& c, Visit&& t) {
    const Dims& m = c.predictor;
    const size_t passes = static_cast<size_t>(c.talker.groups - 1);
    embedding.resize(passes);
    head.resize(passes);
    for (size_t j = 0; j < passes; ++j) {
      t(embedding[j], format("talker.code_predictor.model.codec_embedding.{}.weight", j),
        Shape{m.V, c.talker.dims.H});
    }
    for (size_t j = 0; j < passes; ++j) {
      t(head[j], format("talker.code_predictor.lm_head.{}.weight", j), Shape{m.V, m.H});
    }
    if (c.adapter) {
      t(adapter, "talker.code_predictor.small_to_mtp_projection.weight", Shape{m.H, c.talker.dims.H});
      t(adapter_bias, "talker.code_predictor.small_to_mtp_projection.bias", Shape{m.H});
    }
    layers.resize(static_cast<size_t>(m.L));
    for (int l = 0; l < m.L; ++l) {
      layers[static_cast<size_t>(l)].each(m, within(format("talker.code_predictor.model.layers.{}.", l), t));
    }
    t(norm, "talker.code_predictor.model.norm.weight", Shape{m.H});
  }
};

}  // namespace tts
