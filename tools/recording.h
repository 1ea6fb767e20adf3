// The text of an item becomes sound: planned in chunks, each spoken until it ends by itself, all joined into
// one recording. Seeds come from (seed, chunk), so a chunk spoken alone gives the same samples.
#pragma once

#include "engine/join.h"
#include "engine/subtitles.h"
#include "tools/job.h"
#include "tools/long_text.h"
#include "tools/report.h"
#include "tools/speech_output.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tts {

// One audio file that is being made, of one item or of several.
struct Recording {
  Recording(const OutputPlan& plan, int sample_rate, bool several);
  Recording(const Recording&) = delete;  // the joiner writes to this output

  SpeechOutput output;
  Joiner joiner;
  bool several;  // items: each is joined, also one of a single chunk
  std::vector<SpokenText> subtitles;
};

// How chunks are spoken, the same for every item of a run.
struct Speaking {
  const Arguments& args;
  Log log;
  TextCare care{};
  int retries = 0;
  std::unique_ptr<Engine> engine{};
  std::unique_ptr<Job> job{};
  uint64_t model_identity = 0;  // with a job
  int64_t chunks_kept = 0, chunks_spoken = 0;
};

Spoken speak_text(Speaking& speaking, const SpeakRequest& request, Recording& recording, ItemResult& result);

// The voice that the next chunk is spoken in: `own`, continued by what was just said.
std::shared_ptr<const ClonedVoice> carry_on(const ClonedVoice& own, const std::string& text,
                                            const Spoken& spoken);

bool ended_by_itself(FinishReason reason);
bool was_stopped(FinishReason reason);

}  // namespace tts
