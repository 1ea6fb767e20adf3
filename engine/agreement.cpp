#include "engine/agreement.h"

#include "base/json.h"
#include "engine/session.h"

#include <algorithm>
#include <cmath>

namespace tts {

namespace {

using Logits = std::vector<std::vector<float>>;  // per draw, in order: frame 0 group 0, group 1, ...

struct Forced {
  const SpeakRequest& request;
  const std::vector<int32_t>& codes;  // [frames + 1][groups]
  int frames;
};

std::vector<float> copy_of(const float* from, int count) { return {from, from + count}; }

// All logits of one text under the given codes.
Logits read_codes(LanguageModel<Cpu>& lm, SessionSpace<Cpu>& w, const Forced& forced) {
  const Prompt prompt = build_prompt(w.model, forced.request);
  const FrameBudget budget = frame_budget(w.model.config, forced.request, prompt);
  const std::vector<SampleRule> rules = frame_rules(w.model.config, forced.request, budget);
  const int V = lm.config.talker.dims.V, Vp = lm.config.predictor.V, K = lm.config.talker.groups;
  w.fit(prompt, budget);
  w.m.state.forced = forced.codes.data();
  begin_utterance(lm, w.m, rules);
  upload_prompt(lm, w.m, prompt);
  prefill(lm, w.m, prompt);
  Logits logits;
  for (int frame = 0; frame < forced.frames; ++frame) {
    logits.push_back(copy_of(w.m.logits, V));
    lm.d.sample(w.m.state, w.m.logits, 0, V);
    for (int pass = 0; pass + 1 < K; ++pass) {
      predictor_pass(lm, w.m, pass);
      logits.push_back(copy_of(w.m.pass_logits, Vp));
    }
    lm.d.next_row(w.m.x, w.m.state, lm.code_tables.data(), w.m.trailing, w.m.trailing_rows);
    talker_step(lm, w.m);
  }
  w.m.state.forced = nullptr;
  return logits;
}

std::vector<double> log_softmax(const std::vector<float>& logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float x : logits) total += std::exp(x - highest);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - highest - std::log(total));
  return out;
}

void compare(GroupAgreement& group, const std::vector<float>& original, const std::vector<float>& quantised) {
  const auto best = [](const std::vector<float>& x) {
    return std::max_element(x.begin(), x.end()) - x.begin();
  };
  const std::vector<double> p = log_softmax(original), q = log_softmax(quantised);
  double kl = 0;
  for (size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
  group.top1 += best(original) == best(quantised);
  group.kl += kl;
  ++group.draws;
}

SpeakRequest request_for(const Model& model, const std::string& text, int frames) {
  SpeakRequest request;
  request.text = text;
  request.seed = 1;
  request.sampling = defaults_of(model.config.generation);
  request.sampling.max_new_tokens = frames + 1;
  request.guard = false;
  if (!model.config.talker.speakers.empty()) request.speaker = model.config.talker.speakers[0].name;
  return request;
}

}  // namespace

std::vector<GroupAgreement> measure_agreement(const Model& model, Quant quant,
                                              const std::vector<std::string>& texts, int frames,
                                              const DeviceOptions& options) {
  Cpu device(options);
  LanguageModel<Cpu> original(device, model), quantised(device, model, quant);
  SessionSpace<Cpu> workspace(device, model, DType::f32);
  const auto K = static_cast<size_t>(model.config.talker.groups);
  std::vector<GroupAgreement> groups(K);
  for (const std::string& text : texts) {
    const SpeakRequest request = request_for(model, text, frames);
    const Spoken spoken = speak(original, workspace, request, {});
    std::vector<int32_t> codes = spoken.codes;
    codes.resize(codes.size() + K, 0);
    const Forced forced{request, codes, spoken.frames};
    const Logits from = read_codes(original, workspace, forced),
                 to = read_codes(quantised, workspace, forced);
    for (size_t i = 0; i < from.size(); ++i) compare(groups[i % K], from[i], to[i]);
  }
  for (GroupAgreement& group : groups) {
    check(group.draws > 0, Exit::internal, "agreement: no frames were drawn");
    group.top1 /= static_cast<double>(group.draws);
    group.kl /= static_cast<double>(group.draws);
  }
  return groups;
}

std::string agreement_json(const std::vector<GroupAgreement>& groups, Quant quant) {
  JsonWriter w;
  w.begin_object().field("quant", str(quant)).key("groups").begin_array();
  for (const GroupAgreement& group : groups) {
    w.begin_object()
        .field("draws", group.draws)
        .field("top1", group.top1)
        .field("kl_nats", group.kl)
        .end_object();
  }
  w.end_array().end_object();
  return w.str() + "\n";
}

}  // namespace tts
