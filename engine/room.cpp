// How long an item may get, and what is laid out for it: known without a device.
#include "base/limits.h"
#include "engine/session.h"

#include <algorithm>

namespace tts {

namespace {

int round_up(int n, int step) { return (n + step - 1) / step * step; }

int reference_frames(const Prompt& prompt, int groups) {
  return prompt.voice ? static_cast<int>(prompt.voice->codes.size()) / groups : 0;
}

}  // namespace

FrameBudget frame_budget(const ModelConfig& config, const SpeakRequest& request, const Prompt& prompt) {
  const int rows = static_cast<int>(prompt.rows.size());
  // The codec hears the reference first, in one stream.
  const int reference = reference_frames(prompt, config.talker.groups);
  const int heard = Decoder<Reference>::max_frames(config.codec) - reference;
  check(heard >= 1, Exit::bad_input,
        "voice: expected less than {} reference frames, got {}; clone a shorter clip", heard + reference,
        reference);
  const int room =
      std::min({config.talker.max_positions - rows, static_cast<int>(limits::kFrames), heard});
  check(room >= 1, Exit::bad_input,
        "text: expected at most {} prompt rows, got {}; split it (--split sentence)",
        config.talker.max_positions - 1, rows);
  if (request.fixed_frames > 0) {
    check(request.fixed_frames <= room, Exit::usage, "frames: expected at most {}, got {}", room,
          request.fixed_frames);
    return {request.fixed_frames, FinishReason::length};
  }
  FrameBudget budget{room, FinishReason::length};
  const auto lower = [&](int64_t frames, FinishReason reason) {
    if (frames < budget.frames) budget = {static_cast<int>(frames), reason};
  };
  lower(int64_t{request.sampling.max_new_tokens} - 1, FinishReason::length);
  if (request.max_seconds > 0) {
    const double frames = request.max_seconds * config.codec.sample_rate / config.codec.samples_per_frame;
    lower(std::max<int64_t>(1, static_cast<int64_t>(std::min(frames, 1e9))), FinishReason::length);
  }
  if (request.guard) lower(frame_ceiling(prompt.text_tokens), FinishReason::guard);
  return budget;
}

std::vector<SampleRule> frame_rules(const ModelConfig& config, const SpeakRequest& request,
                                    const FrameBudget& budget) {
  const Sampling& s = request.sampling;
  SampleRule pass;
  pass.seed = request.seed;
  pass.temperature = s.sub_temperature;
  pass.top_p = s.sub_top_p;
  pass.top_k = s.sub_top_k;
  pass.greedy = s.sub_greedy;
  std::vector<SampleRule> rules(static_cast<size_t>(config.talker.groups), pass);
  rules[0] = {.seed = request.seed,
              .temperature = s.temperature,
              .top_p = s.top_p,
              .penalty = s.repetition_penalty,
              .top_k = s.top_k,
              .greedy = s.greedy,
              .eos = config.talker.eos,
              .first_suppressed = config.talker.first_suppressed,
              .min_tokens = std::max(2, request.fixed_frames + 1),
              .max_tokens = budget.frames + 1};
  return rules;
}

MemoryShape room_for(int positions, int trailing, int reference, DType cache_dtype) {
  return {.positions = round_up(positions, kPositionStep),
          .trailing = round_up(trailing, 64),
          .reference = round_up(reference, 64),
          .cache = cache_dtype};
}

MemoryShape memory_shape(const Prompt& prompt, const FrameBudget& budget, int groups, DType cache_dtype) {
  const int positions = static_cast<int>(prompt.rows.size()) + budget.frames + 1;
  return room_for(positions, static_cast<int>(prompt.trailing.size()) + 1, reference_frames(prompt, groups),
                  cache_dtype);
}

MemoryShape shown_shape(const ModelConfig& config, int frames, DType cache_dtype) {
  return {.positions = std::min(config.talker.max_positions, kShownRows + frames),
          .trailing = kShownRows,
          .reference = 0,
          .cache = cache_dtype};
}

Arena session_plan(const ModelConfig& config, const MemoryShape& shape) {
  Arena plan;
  lay_out(plan, config, shape);
  return plan;
}

}  // namespace tts
