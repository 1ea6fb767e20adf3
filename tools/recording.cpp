#include "tools/recording.h"

#include "base/limits.h"
#include "tools/settings.h"

#include <algorithm>
#include <map>

namespace tts {

namespace {

using SampleSink = std::function<void(std::span<const float>)>;

void add_counters(Counters& all, const Counters& more) {
  all.syncs += more.syncs;
  all.launches += more.launches;
  all.graph_replays += more.graph_replays;
  all.copies += more.copies;
  all.allocations += more.allocations;
}

void add_chunk(Spoken& all, const Spoken& chunk, bool with_codes) {
  const StageTimes& t = chunk.times;
  if (all.samples == 0) all.times.first_audio = all.times.total + t.first_audio;
  all.times.tokenize += t.tokenize;
  all.times.prefill += t.prefill;
  all.times.talker += t.talker;
  all.times.predictor += t.predictor;
  all.times.codec += t.codec;
  all.times.write += t.write;
  all.times.total += t.total;
  // Codes of a book are not kept in memory unless somebody wants them.
  if (with_codes) all.codes.insert(all.codes.end(), chunk.codes.begin(), chunk.codes.end());
  all.frames += chunk.frames;
  all.samples += chunk.samples;
  all.text_tokens += chunk.text_tokens;
  all.prompt_rows += chunk.prompt_rows;
  all.language_used = chunk.language_used;
  add_counters(all.counters, chunk.counters);
  if (was_stopped(chunk.finish) || ended_by_itself(all.finish)) all.finish = chunk.finish;
  for (const std::string& warning : chunk.warnings) {
    if (std::find(all.warnings.begin(), all.warnings.end(), warning) == all.warnings.end())
      all.warnings.push_back(warning);
  }
}

// The chunks of one item, one after the other.
class ItemSpeaker {
 public:
  ItemSpeaker(Speaking& speaking, Recording& recording, ItemResult& result)
      : s_(speaking), recording_(recording), result_(result) {}

  Spoken speak(const SpeakRequest& request) {
    const SpeechPlan plan = plan_of(request);
    result_.warnings.insert(result_.warnings.end(), plan.warnings.begin(), plan.warnings.end());
    for (const PlannedChunk& chunk : plan.chunks) s_.log.detail("spoken: " + chunk.text);
    check_codes_fit(plan);
    for (const PlannedChunk& chunk : plan.chunks) {
      if (!chunk.speakable) continue;
      ++ahead_.chunks;
      ahead_.expected_frames += chunk.expected_frames;
    }
    if (is_single(plan) && !recording_.several) return speak_single(request, plan.chunks.front());
    return speak_plan(request, plan);
  }

 private:
  SpeechPlan plan_of(const SpeakRequest& request) const {
    if (!request.raw_control_tokens)
      return plan_item(s_.care, request.text, request.language, s_.engine->model());
    return {.chunks = {{.text = request.text, .ends_paragraph = true, .speakable = true}}, .warnings = {}};
  }

  void check_codes_fit(const SpeechPlan& plan) const {
    int64_t frames = 0;
    for (const PlannedChunk& chunk : plan.chunks) frames += chunk.speakable ? chunk.expected_frames : 0;
    check(
        !s_.args.has("codes") || frames <= limits::kFrames, Exit::usage,
        "--codes: expected a text of at most {} frames, got one of about {}; --job keeps the codes of every "
        "chunk",
        limits::kFrames.value, frames);
  }

  // One attempt at a chunk.
  Spoken attempt(const SpeakRequest& request, const SampleSink& sink) {
    ProgressLine progress(s_.args.text("progress", "auto"), s_.log);
    bool reader_gone = false;
    SpeakCallbacks callbacks;
    callbacks.samples = sink;
    callbacks.progress = [&](const Progress& p) {
      if (p.frames > 0) recording_.output.begin();
      progress.update(p, ahead_);
    };
    callbacks.stop = [&]() -> std::optional<FinishReason> {
      reader_gone = reader_gone || recording_.output.reader_gone();
      if (reader_gone) return FinishReason::cancelled;
      const auto reason = stop_reason();
      if (!reason) return std::nullopt;
      return *reason == Exit::timeout ? FinishReason::timeout : FinishReason::cancelled;
    };
    Spoken spoken;
    try {
      spoken = s_.engine->speak(request, callbacks);
    } catch (...) {
      progress.clear();
      throw;
    }
    progress.clear();
    check(!reader_gone, Exit::output, "standard output: cannot be written: the reader is gone");
    return spoken;
  }

  // A chunk until it ends by itself, or as often as --retries allows; then what was not handed over yet is.
  FinishedChunk speak_chunk(SpeakRequest request, const SampleSink& sink) {
    const uint64_t seed = request.seed;
    for (int attempts = 1;; ++attempts) {
      request.seed = seed_of_attempt(seed, attempts - 1);
      FinishedChunk chunk{.spoken = {}, .samples = {}, .attempts = attempts};
      const SampleSink keep = [&](std::span<const float> samples) {
        chunk.samples.insert(chunk.samples.end(), samples.begin(), samples.end());
        if (s_.retries == 0) sink(samples);
      };
      chunk.spoken = attempt(request, s_.retries > 0 || s_.job ? keep : sink);
      const FinishReason finish = chunk.spoken.finish;
      if (ended_by_itself(finish) || was_stopped(finish) || attempts > s_.retries) {
        if (s_.retries > 0 && !chunk.samples.empty()) sink(chunk.samples);
        return chunk;
      }
      s_.log.say(
          format("{}attempt {} ended with {}: once more", result_.item->where, attempts, str(finish)));
    }
  }

  // Out of the job, or spoken and kept there.
  Spoken produce(const SpeakRequest& request, const SampleSink& sink) {
    const std::string inputs =
        s_.job ? chunk_inputs({.model = s_.model_identity,
                               .device = s_.engine->device(),
                               .device_options = s_.args.text("cpu-level") + " " + s_.args.text("ablate"),
                               .retries = s_.retries},
                              request)
               : "";
    std::string complaint;
    std::optional<FinishedChunk> chunk;
    if (s_.job) chunk = s_.job->find(inputs, complaint);
    if (!complaint.empty()) s_.log.say(complaint);
    if (chunk) {
      ++s_.chunks_kept;
      recording_.output.begin();
      if (const auto reason = stop_reason())
        chunk->spoken.finish = *reason == Exit::timeout ? FinishReason::timeout : FinishReason::cancelled;
      else if (!chunk->samples.empty())
        sink(chunk->samples);
    } else {
      const auto begin = Clock::now();
      chunk = speak_chunk(request, sink);
      const bool whole = !was_stopped(chunk->spoken.finish);
      if (s_.job && whole)
        s_.job->keep(inputs, request, *chunk, s_.engine->model().config.talker.groups);
      s_.chunks_spoken += whole ? 1 : 0;
      ahead_.frames += chunk->spoken.frames;
      ahead_.elapsed_seconds += ms_since(begin) / 1000;
    }
    result_.attempts = std::max(result_.attempts, chunk->attempts);
    ahead_.seconds += static_cast<double>(chunk->spoken.samples) /
                      s_.engine->model().config.codec.sample_rate;
    return std::move(chunk->spoken);
  }

  void begin_progress_of(const PlannedChunk& chunk) {
    ++ahead_.chunk;
    ahead_.expected_frames -= chunk.expected_frames;
  }

  void note_text(const std::string& text, int64_t begin, int64_t end) {
    if (s_.args.has("subtitles") && end > begin) recording_.subtitles.push_back({text, begin, end});
  }

  Spoken speak_single(const SpeakRequest& request, const PlannedChunk& chunk) {
    SpeakRequest single = request;
    single.text = chunk.text;
    if (!chunk.voice.empty()) single.speaker = chunk.voice;
    if (!chunk.language.empty()) single.language = chunk.language;
    begin_progress_of(chunk);
    Spoken spoken = produce(single, [&](std::span<const float> s) { recording_.output.write(s); });
    note_text(chunk.text, 0, spoken.samples);
    return spoken;
  }

  double gap_behind(const PlannedChunk& chunk) const {
    if (chunk.pause_ms > 0) return chunk.pause_ms;
    return chunk.ends_paragraph ? s_.care.paragraph_gap_ms : s_.care.gap_ms;
  }

  // What distinguishes this chunk from the request of its item.
  SpeakRequest request_of(const SpeakRequest& item, const PlannedChunk& chunk, int repeat) const {
    SpeakRequest request = item;
    request.text = chunk.text;
    // An item of one chunk has its own seed, joined or not.
    if (ahead_.chunks > 1) request.seed = seed_of_chunk(item.seed, chunk.text, repeat);
    if (!chunk.voice.empty()) request.speaker = chunk.voice;
    if (!chunk.language.empty()) request.language = chunk.language;
    return request;
  }

  // The chunks of a long text as one recording; what they cost and said together.
  Spoken speak_plan(const SpeakRequest& item, const SpeechPlan& plan) {
    const double rate = s_.engine->model().config.codec.sample_rate;
    const int64_t before = recording_.joiner.samples();
    std::map<std::string_view, int> repeats;
    std::shared_ptr<const ClonedVoice> carried;
    Spoken all;
    double gap_ms = s_.care.paragraph_gap_ms;  // to the item before this one
    for (const PlannedChunk& chunk : plan.chunks) {
      if (!chunk.speakable) {
        gap_ms = std::max(gap_ms, gap_behind(chunk));
        continue;
      }
      const double seconds = static_cast<double>(recording_.joiner.samples() - before) / rate;
      if (item.max_seconds > 0 && seconds >= item.max_seconds) {
        all.finish = FinishReason::length;
        break;
      }
      begin_progress_of(chunk);
      SpeakRequest request = request_of(item, chunk, repeats[chunk.text]++);
      if (item.max_seconds > 0) request.max_seconds = item.max_seconds - seconds;
      if (carried) request.voice = carried;
      recording_.joiner.begin_chunk(gap_ms);
      const Spoken spoken =
          produce(request, [&](std::span<const float> s) { recording_.joiner.write(s); });
      const Placed placed = recording_.joiner.end_chunk();
      note_text(chunk.text, placed.begin, placed.end);
      add_chunk(all, spoken, s_.args.has("codes"));
      if (was_stopped(spoken.finish)) break;
      if (s_.args.has("carry")) carried = carry_on(*item.voice, chunk.text, spoken);
      gap_ms = gap_behind(chunk);
    }
    return all;
  }

  Speaking& s_;
  Recording& recording_;
  ItemResult& result_;
  ChunksAhead ahead_;
};

}  // namespace

bool ended_by_itself(FinishReason reason) { return reason == FinishReason::eos; }
bool was_stopped(FinishReason reason) {
  return reason == FinishReason::cancelled || reason == FinishReason::timeout;
}

Recording::Recording(const OutputPlan& plan, int sample_rate, bool joins_items)
    : output(plan, sample_rate),
      joiner({.rate_hz = sample_rate}, [this](std::span<const float> samples) { output.write(samples); }),
      several(joins_items) {}

Spoken speak_text(Speaking& speaking, const SpeakRequest& request, Recording& recording, ItemResult& result) {
  return ItemSpeaker(speaking, recording, result).speak(request);
}

std::shared_ptr<const ClonedVoice> carry_on(const ClonedVoice& own, const std::string& text,
                                            const Spoken& spoken) {
  auto voice = std::make_shared<ClonedVoice>(own);
  // A chunk that ran away or was cut does not say its text: the clip alone leads the next one.
  if (!ended_by_itself(spoken.finish) || spoken.codes.empty()) return voice;
  voice->codes.insert(voice->codes.end(), spoken.codes.begin(), spoken.codes.end());
  voice->transcript += (own.in_context() ? " " : "") + text;
  if (!own.in_context()) voice->transcript = text;
  return voice;
}

}  // namespace tts
