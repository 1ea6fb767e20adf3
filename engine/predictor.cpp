// The code predictor, spec/talker.md section 7: a fresh cache per frame, fifteen passes, the first with two rows.
#include "engine/talker.h"

namespace tts {

// P(hidden): through the adapter where the widths differ.
template <class D>
static void enter_hidden(LanguageModel<D>& lm, Memory& m) {
  if (lm.config.adapter) {
    lm.d.linear(m.pass_x, m.hidden, lm.predictor.adapter, lm.predictor.adapter_bias, 1, Act::none);
  } else {
    lm.d.copy(m.pass_x, m.hidden, int64_t{lm.config.predictor.H} * 4);
  }
}

// Pass g takes the code of group g and draws the code of group g + 1; pass 0 takes the talker's hidden in front of it.
template <class D>
void predictor_pass(LanguageModel<D>& lm, Memory& m, const FrameRules& rules, int g) {
  D& d = lm.d;
  const Dims& dims = lm.config.predictor;
  const auto group = static_cast<size_t>(g);
  const int rows = g == 0 ? 2 : 1, first_position = g == 0 ? 0 : g + 1;
  float* last = m.pass_x + int64_t{rows - 1} * dims.H;
  if (g == 0) enter_hidden(lm, m);
  d.embed_code(last, m.state, g, lm.predictor_rows[group]);
  for (size_t l = 0; l < lm.predictor.layers.size(); ++l) {
    decoder_layer(d, lm.predictor.layers[l], m.predictor.caches[l], m.predictor, dims, m.pass_x, m.fixed + first_position, rows);
  }
  d.norm(m.pass_hidden, last, {.weight = lm.predictor.norm, .bias = {}, .eps = dims.eps}, 1);
  d.linear(m.pass_logits, m.pass_hidden, lm.predictor.head[group], {}, 1, Act::none);
  d.sample(m.state, m.pass_logits, rules.passes[group], dims.V);
}

template <class D>
void predict_codes(LanguageModel<D>& lm, Memory& m, const FrameRules& rules) {
  for (int g = 0; g < lm.config.talker.groups - 1; ++g) predictor_pass(lm, m, rules, g);
}

#define TTS_INSTANTIATE(D)                                                           \
  template void predictor_pass(LanguageModel<D>&, Memory&, const FrameRules&, int);  \
  template void predict_codes(LanguageModel<D>&, Memory&, const FrameRules&);
TTS_DEVICES(TTS_INSTANTIATE)
#undef TTS_INSTANTIATE

}  // namespace tts
