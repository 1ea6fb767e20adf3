// The code predictor, spec/talker.md section 7: a fresh cache per frame, fifteen passes, the first with two
// rows.
#include "engine/talker.h"

#include "base/trace.h"

#include <algorithm>

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

// Pass g takes the code of group g and draws the code of group g + 1; pass 0 takes the talker's hidden in
// front of it.
template <class D>
void predictor_pass(LanguageModel<D>& lm, Memory& m, int g) {
  D& d = lm.d;
  const Dims& dims = lm.config.predictor;
  const auto group = static_cast<size_t>(g);
  const int rows = g == 0 ? 2 : 1, first_position = g == 0 ? 0 : g + 1;
  float* last = m.pass_x + int64_t{rows - 1} * dims.H;
  if (g == 0) enter_hidden(lm, m);
  d.embed_code(last, m.state, g, lm.predictor_rows[group]);
  for (size_t l = 0; l < lm.predictor.layers.size(); ++l) {
    decoder_layer(d, lm.predictor.layers[l], m.predictor.caches[l], m.predictor, dims, m.pass_x,
                  m.fixed + first_position, rows);
  }
  d.norm(m.pass_hidden, last, {.weight = lm.predictor.norm, .bias = {}, .eps = dims.eps}, 1);
  d.linear(m.pass_logits, m.pass_hidden, lm.predictor.head[group], {}, 1, Act::none);
  const Trace sampling("sample");
  d.sample(m.state, m.pass_logits, g + 1, dims.V);
}

// ---- the same codes in fewer passes -----------------------------------------------------------------------
//
// A draw is a deterministic function of its logits, because the noise depends on (seed, frame, group, code)
// only. So the codes of a frame are a fixed point: guess all of them (the previous frame's), run all rows at
// once (or the first of them), draw their groups again. Up to and including the first code that changed,
// everything is final; the rows behind it start over with the new guess. A row's arithmetic does not depend
// on how many rows share the call, so the result equals the sequential passes bit for bit.

// Rows of positions [first, end): each is the embedding of the guessed code of the group before it; position
// 0 is the hidden.
template <class D>
static void enter_rows(LanguageModel<D>& lm, Memory& m, int first, int end) {
  const int H = lm.config.predictor.H;
  if (first == 0) enter_hidden(lm, m);
  for (int p = std::max(first, 1); p < end; ++p) {
    lm.d.embed_code(m.pass_x + int64_t{p - first} * H, m.state, p - 1,
                    lm.predictor_rows[static_cast<size_t>(p - 1)]);
  }
}

// Rows of one pass. Where rows cost, only as many as cost little: codes far behind the first one that changes
// are guessed again anyway (trained voice: 6.2 passes of up to 6 rows, 5.6 of up to 16).
template <class D>
static int rows_at_once(const LanguageModel<D>& lm) {
  if constexpr (requires { D::rows_at_once(DType::f32); }) {
    return D::rows_at_once(lm.predictor.layers.front().q.dtype);
  }
  return lm.config.talker.groups;
}

template <class D>
static void predict_codes_at_once(LanguageModel<D>& lm, Memory& m) {
  D& d = lm.d;
  const Dims& dims = lm.config.predictor;
  const int K = lm.config.talker.groups;
  int32_t* codes = m.state.codes + int64_t{m.state.cursor->frame} * K;
  if (m.state.cursor->frame > 0) std::copy(codes - K + 1, codes, codes + 1);
  for (int first = 0; first < K;) {
    ++m.predictor_passes;
    const int end = std::min(K, first + rows_at_once(lm)), rows = end - first;
    const std::vector<int32_t> guess(codes, codes + K);
    enter_rows(lm, m, first, end);
    for (size_t l = 0; l < lm.predictor.layers.size(); ++l) {
      decoder_layer(d, lm.predictor.layers[l], m.predictor.caches[l], m.predictor, dims, m.pass_x,
                    m.fixed + first, rows);
    }
    d.norm(m.pass_hidden, m.pass_x, {.weight = lm.predictor.norm, .bias = {}, .eps = dims.eps}, rows);
    int next = end;
    for (int group = std::max(first, 1); group < end; ++group) {
      const auto pass = static_cast<size_t>(group - 1);
      d.linear(m.pass_logits, m.pass_hidden + int64_t{group - first} * dims.H, lm.predictor.head[pass], {}, 1,
               Act::none);
      d.sample(m.state, m.pass_logits, group, dims.V);
      // the row whose input is the first code that changed
      if (codes[group] != guess[static_cast<size_t>(group)]) next = std::min(next, group + 1);
    }
    first = next;
  }
}

// The same passes as one operation, on devices that have it. False: this device or these shapes do not.
template <class D>
static bool predict_fused(LanguageModel<D>& lm, Memory& m) {
  PredictorFrame frame;
  if constexpr (requires { lm.d.predict(frame); }) {
    if (!lm.d.switches().on(Ablate::persistent_predictor)) return false;
    for (size_t l = 0; l < lm.predictor.layers.size(); ++l) {
      const LayerWeights& w = lm.predictor.layers[l];
      frame.layers.push_back({w.input_norm, w.q, w.k, w.v, w.o, w.q_norm, w.k_norm, w.post_norm, w.gate, w.up,
                              w.down, m.predictor.caches[l]});
    }
    frame.heads = m.predictor.heads;
    frame.norm = lm.predictor.norm;
    frame.hidden = m.pass_x;
    frame.positions = m.fixed;
    frame.tables = lm.predictor_rows;
    frame.output = lm.predictor.head;
    frame.state = m.state;
    frame.rounds = m.predictor_rounds;
    frame.at_once = lm.d.switches().on(Ablate::parallel_predictor);
    enter_hidden(lm, m);
    m.predictor_fused = lm.d.predict(frame);
  }
  return m.predictor_fused;
}

template <class D>
static void predict_codes_in_turn(LanguageModel<D>& lm, Memory& m) {
  for (int g = 0; g < lm.config.talker.groups - 1; ++g) predictor_pass(lm, m, g);
}

// Where a pass of many rows costs more than a pass of one, the clock decides: the codes are the same either
// way. Of every stretch of frames the first has no guess worth its name, two are drawn at once, two in turn,
// and the rest the faster way: how many passes a frame needs depends on what is spoken.
template <class D>
static void predict_codes_by_clock(LanguageModel<D>& lm, Memory& m) {
  constexpr int kStretch{64}, kAtOnce{2}, kTried{4};
  const int at = m.pace.frames++ % kStretch;
  if (at == 0) m.pace.at_once_ms = m.pace.in_turn_ms = 0;
  const bool at_once = at <= kAtOnce || (at > kTried && m.pace.at_once_ms < m.pace.in_turn_ms);
  double ignored_ms = 0;
  const Stage stage("codes", at == 0 || at > kTried ? ignored_ms
                             : at_once              ? m.pace.at_once_ms
                                                    : m.pace.in_turn_ms);
  if (at_once) return predict_codes_at_once(lm, m);
  predict_codes_in_turn(lm, m);
  m.predictor_passes += lm.config.talker.groups - 1;
}

template <class D>
void predict_codes(LanguageModel<D>& lm, Memory& m) {
  if (predict_fused(lm, m)) return;
  if constexpr (requires { requires D::kHostMemory; }) {
    if (lm.d.switches().on(Ablate::parallel_predictor)) {
      if constexpr (requires { D::rows_at_once(DType::f32); }) return predict_codes_by_clock(lm, m);
      return predict_codes_at_once(lm, m);
    }
  }
  predict_codes_in_turn(lm, m);
}

#define TTS_INSTANTIATE(D)                                       \
  template void predictor_pass(LanguageModel<D>&, Memory&, int); \
  template void predict_codes(LanguageModel<D>&, Memory&);
TTS_DEVICES(TTS_INSTANTIATE)
#undef TTS_INSTANTIATE

}  // namespace tts
