// Keys and values in bf16, everything else as it is: under the same codes the logits stay within the bound of
// the design, and the best code almost always the same.
#include "catch.h"
#include "engine/session.h"
#include "speech.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace tts;
using namespace tts::test;

namespace {

using Logits = std::vector<std::vector<float>>;  // per draw: frame 0 group 0, group 1, ...

Logits read_codes(LanguageModel<Cpu>& lm, SessionSpace<Cpu>& w, const SpeakRequest& request,
                  const std::vector<int32_t>& codes, int frames) {
  const Prompt prompt = build_prompt(w.model, request);
  const FrameBudget budget = frame_budget(w.model.config, request, prompt);
  const std::vector<SampleRule> rules = frame_rules(w.model.config, request, budget);
  const int V = lm.config.talker.dims.V, Vp = lm.config.predictor.V;
  w.fit(prompt, budget);
  w.m.state.forced = codes.data();
  begin_utterance(lm, w.m, rules);
  upload_prompt(lm, w.m, prompt);
  prefill(lm, w.m, prompt);
  Logits logits;
  for (int frame = 0; frame < frames; ++frame) {
    logits.emplace_back(w.m.logits, w.m.logits + V);
    lm.d.sample(w.m.state, w.m.logits, 0, V);
    for (int pass = 0; pass + 1 < lm.config.talker.groups; ++pass) {
      predictor_pass(lm, w.m, pass);
      logits.emplace_back(w.m.pass_logits, w.m.pass_logits + Vp);
    }
    lm.d.next_row(w.m.x, w.m.state, lm.code_tables.data(), w.m.trailing, w.m.trailing_rows);
    talker_step(lm, w.m);
  }
  w.m.state.forced = nullptr;
  return logits;
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (double{got[i]} - double{want[i]}) * (double{got[i]} - double{want[i]});
    size += double{want[i]} * double{want[i]};
  }
  return std::sqrt(error / size);
}

auto best(const std::vector<float>& x) { return std::max_element(x.begin(), x.end()) - x.begin(); }

void compare_caches(const std::string& name, const std::vector<std::string>& texts) {
  const std::shared_ptr<const Model> model = load_model(name);
  Cpu device(DeviceOptions{});
  LanguageModel<Cpu> lm(device, *model);
  SessionSpace<Cpu> wide(device, *model, DType::f32), narrow(device, *model, DType::bf16);
  double worst = 0;
  int64_t draws = 0, same = 0;
  for (const std::string& text : texts) {
    SpeakRequest request = request_for(*model, text);
    request.sampling.max_new_tokens = 61;
    request.guard = false;
    const Spoken spoken = speak(lm, wide, request, {});
    std::vector<int32_t> codes = spoken.codes;
    codes.resize(codes.size() + static_cast<size_t>(model->config.talker.groups), 0);
    const Logits want = read_codes(lm, wide, request, codes, spoken.frames),
                 got = read_codes(lm, narrow, request, codes, spoken.frames);
    REQUIRE(want.size() == got.size());
    for (size_t i = 0; i < want.size(); ++i) {
      worst = std::max(worst, relative_error(got[i], want[i]));
      same += best(got[i]) == best(want[i]);
      ++draws;
    }
  }
  std::printf("%s: worst relative error %.2e, %.2f %% of %ld draws have the same best code\n", name.c_str(),
              worst, 100.0 * static_cast<double>(same) / static_cast<double>(draws),
              static_cast<long>(draws));
  CHECK(draws > 300);
  CHECK(worst > 0);  // the narrow cache was used
  CHECK(worst <= 1e-2);
  CHECK(static_cast<double>(same) >= 0.99 * static_cast<double>(draws));
}

}  // namespace

TEST_CASE("a cache in bf16 keeps the logits within one percent and 99 of 100 best codes") {
  const std::vector<std::string> texts = {"Hello there, world.",
                                          "The second sentence is a little longer than the first one."};
  compare_caches(golden_model("tiny-custom-voice"), texts);
  compare_caches(golden_model("tiny-custom-voice-1b7"), texts);
#ifdef TTS_EMBED_VOICE
  compare_caches("embedded", texts);
#endif
}
