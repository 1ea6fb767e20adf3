#include "engine/session.h"

#include "engine/stage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>

namespace tts {

namespace {

// Enqueued beyond the newest frame known to be done; deeper windows bought nothing elsewhere.
constexpr int kRunAheadFrames{2};

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

// ---- memory -----------------------------------------------------------------------------------------------

// The device the codec computes on: a second one beside the language model's where there is such a thing.
template <class D>
static D& codec_device(D& d) {
  if constexpr (requires { d.beside(); }) {
    if (d.switches().on(Ablate::codec_overlap)) return d.beside();
  }
  return d;
}

template <class D>
SessionSpace<D>::SessionSpace(D& device, const Model& loaded, DType dtype)
    : d(device),
      model(loaded),
      cache_dtype(dtype),
      decoder(codec_device(device), loaded.config.codec, loaded.decoder, kCodecCallFrames) {
  const int64_t bytes = int64_t{kCodecCallFrames} * loaded.config.codec.samples_per_frame * 4;
  samples = static_cast<float*>(d.allocate(bytes));
  if constexpr (requires { d.reserve_fetch(bytes); }) d.reserve_fetch(bytes);
}

template <class D>
SessionSpace<D>::~SessionSpace() {
  if (memory) d.release(memory);
  d.release(samples);
}

template <class D>
void SessionSpace<D>::fit(const Prompt& prompt, const FrameBudget& budget) {
  reserve(memory_shape(prompt, budget, model.config.talker.groups, cache_dtype));
}

template <class D>
void SessionSpace<D>::reserve(const MemoryShape& need) {
  const MemoryShape both{.positions = std::max(need.positions, shape.positions),
                         .trailing = std::max(need.trailing, shape.trailing),
                         .reference = std::max(need.reference, shape.reference),
                         .cache = cache_dtype};
  if (memory && both == shape) return;
  if (memory) d.release(memory);
  memory = nullptr;
  shape = {};  // of nothing, should the memory be refused: the next utterance may need less
  memory = d.allocate(session_plan(model.config, both).bytes());
  shape = both;
  arena = Arena(memory);
  m = lay_out(arena, model.config, shape);
  write_constants(d, m, model.config, shape);
}

// ---- from frames to samples -------------------------------------------------------------------------------

namespace {

// The official cut of an in-context clone, floor(R / max(R + F, 1) * samples) in double precision from left
// to right, sometimes falls one sample before the exact boundary (spec/codec-streaming.md section 4.1).
int64_t official_cut(int reference_frames, int frames, int64_t samples_per_frame) {
  const double total = std::max(reference_frames + frames, 1);
  return static_cast<int64_t>(reference_frames / total *
                              static_cast<double>(samples_per_frame * (reference_frames + frames)));
}

// Frames of codes in, checked and guarded samples out, in order. A decoder call runs beside the next frames
// of the language model where the device can do that, and its samples are handed out between two frames;
// otherwise it runs at once.
template <class D>
class SampleFlow {
 public:
  SampleFlow(SessionSpace<D>& w, const SpeakRequest& request, const SpeakCallbacks& callbacks, Spoken& spoken,
             Clock::time_point begin)
      : w_(w), request_(request), callbacks_(callbacks), spoken_(spoken), begin_(begin),
        guard_(w.model.config.codec.samples_per_frame, w.model.config.codec.sample_rate, request.guard),
        beside_(&codec_device(w.d) != &w.d) {}
  SampleFlow(const SampleFlow&) = delete;
  ~SampleFlow() {
    try {
      finish_call();  // only after another error: nothing may use the session's memory when it is gone
    } catch (...) {   // the first error is the one that is reported
    }
  }

  // The reference part of an in-context prompt: its samples are dropped, its state stays
  // (spec/codec-streaming.md section 4).
  void prime(int reference_frames) {
    w_.decoder.reset();
    if (reference_frames > 0) start_call(w_.m.reference_codes, reference_frames, true);
  }

  // Frames [taken, done) that make a full chunk, or all of them at the end. True: the guard tripped.
  bool take(int done, bool at_end) {
    const int K = w_.model.config.talker.groups;
    while (!tripped_) {
      const int want =
          std::min(kCodecCallFrames, taken_ == 0 ? request_.first_chunk_frames : request_.chunk_frames);
      if (called_) {
        // Nobody waits for the codec but the first chunk, the end, and a language model that is far ahead of
        // it.
        const bool wait = at_end || (pushed_frames_ == 0 && done > 0) || done - taken_ >= 2 * want;
        if (!wait && call_runs()) return false;
        collect();
        continue;
      }
      if (taken_ == done || (done - taken_ < want && !at_end)) return false;
      const int n = std::min(want, done - taken_);
      start_call(w_.m.state.codes + int64_t{taken_} * K, n, false);
      taken_ += n;
    }
    return true;
  }

  // Everything at once, for the official behaviours that need the whole: codes of the reference, then of the
  // item.
  bool take_whole(std::span<const int32_t> codes, int reference_frames, int frames) {
    const int64_t size = w_.model.config.codec.samples_per_frame;
    std::vector<float> all;
    {
      const Stage stage("codec", spoken_.times.codec);
      all = decode_codes(w_, codes, request_.official_chunks);
    }
    const int64_t cut = request_.official_reference_cut ? official_cut(reference_frames, frames, size)
                                                        : size * reference_frames;
    const std::vector<float> front(all.begin() + cut,
                                   all.begin() + size * reference_frames);  // one sample at most
    hand_out(front);
    push({all.begin() + size * reference_frames, all.end()});
    return tripped_;
  }

  void finish(bool keep_held_silence) {
    std::vector<float> out;
    if (keep_held_silence) guard_.release(out);
    hand_out(out);
  }

  int covered_frames() const { return guard_.covered_frames(); }

 private:
  // ---- one call of the decoder; nothing else uses the decoder between start_call and collect
  struct Call {
    const int32_t* codes;
    int frames;
    bool prime;
    double codec_ms = 0;
  };

  static void run_call(void* flow) {
    auto& self = *static_cast<SampleFlow*>(flow);
    Call& call = *self.called_;
    const Stage stage("codec", call.codec_ms);
    if (call.prime) return self.w_.decoder.prime(nullptr, call.codes, call.frames);
    self.w_.decoder.decode(self.w_.samples, call.codes, call.frames);
    D& there = codec_device(self.w_.d);
    if constexpr (requires { there.fetch(self.w_.samples, int64_t{}); }) {
      if (self.beside_) there.fetch(self.w_.samples, self.sample_bytes(call));
    }
  }

  int64_t sample_bytes(const Call& call) const {
    return int64_t{call.frames} * w_.model.config.codec.samples_per_frame * 4;
  }

  void start_call(const int32_t* codes, int frames, bool prime) {
    called_ = Call{codes, frames, prime};
    if constexpr (requires { w_.d.start(run_call, this); }) {
      if (beside_) return w_.d.start(run_call, this);
    }
    run_call(this);
  }

  bool call_runs() {
    if constexpr (requires { w_.d.job_runs(); }) return beside_ && w_.d.job_runs();
    return false;
  }

  void finish_call() {
    if constexpr (requires { w_.d.finish(); }) {
      if (beside_ && called_) w_.d.finish();
    }
  }

  void collect() {
    finish_call();
    const Call call = *called_;
    called_.reset();
    spoken_.times.codec += call.codec_ms;
    if (call.prime) return;
    std::vector<float> out(static_cast<size_t>(sample_bytes(call) / 4));
    fetch_samples(out.data(), sample_bytes(call));
    push(out);
  }

  void fetch_samples(float* to, int64_t bytes) {
    if constexpr (requires { w_.d.fetched(to, bytes); }) {
      if (beside_) return w_.d.fetched(to, bytes);
    }
    w_.d.download(to, w_.samples, bytes);
  }

  void push(const std::vector<float>& samples) {
    const auto size = static_cast<size_t>(w_.model.config.codec.samples_per_frame);
    std::vector<float> out;
    for (size_t at = 0; at < samples.size() && !tripped_; at += size) {
      const std::span<const float> frame(samples.data() + at, std::min(size, samples.size() - at));
      const bool finite = std::all_of(frame.begin(), frame.end(), [](float x) { return std::isfinite(x); });
      check(finite, Exit::internal,
            "codec: samples of frame {} are not finite; the weights or the arithmetic are broken",
            pushed_frames_);
      tripped_ = guard_.push(frame, out);
      ++pushed_frames_;
    }
    hand_out(out);
  }

  void hand_out(const std::vector<float>& out) {
    if (out.empty()) return;
    if (spoken_.samples == 0) spoken_.times.first_audio = ms_since(begin_);
    spoken_.samples += static_cast<int64_t>(out.size());
    const Stage stage("write", spoken_.times.write);
    if (callbacks_.samples) callbacks_.samples(out);
  }

  SessionSpace<D>& w_;
  const SpeakRequest& request_;
  const SpeakCallbacks& callbacks_;
  Spoken& spoken_;
  Clock::time_point begin_;
  SpeechGuard guard_;
  const bool beside_;
  std::optional<Call> called_;
  int taken_ = 0,
      pushed_frames_ = 0;  // frames given to the decoder; frames whose samples went through the guard
  bool tripped_ = false;
};

}  // namespace

template <class D>
std::vector<float> decode_codes(SessionSpace<D>& w, std::span<const int32_t> codes, bool official_chunks) {
  if (official_chunks) return decode_official_chunks(w.decoder, codes);
  w.decoder.reset();
  return w.decoder.decode(codes);
}

// ---- the item ---------------------------------------------------------------------------------------------

namespace {

// Everything about one item that the loop and its end share.
template <class D>
struct Item {
  LanguageModel<D>& lm;
  SessionSpace<D>& w;
  const SpeakRequest& request;
  const SpeakCallbacks& callbacks;
  const Prompt& prompt;
  FrameBudget budget;
  std::vector<SampleRule> rules;
  Clock::time_point begin;
  int32_t* forced = nullptr;  // device copy of request.forced_codes
  ~Item() {
    if (forced) w.d.release(forced);
  }
};

template <class D>
void report_progress(const Item<D>& item, int frames) {
  if (!item.callbacks.progress) return;
  const CodecDecoderConfig& codec = item.w.model.config.codec;
  item.callbacks.progress(
      {.frames = frames,
       .seconds = static_cast<double>(frames) * codec.samples_per_frame / codec.sample_rate,
       .elapsed_seconds = ms_since(item.begin) / 1000,
       .expected_frames = std::min(item.budget.frames, 10 + 4 * item.prompt.text_tokens)});
}

[[noreturn]] void throw_fault(const Cursor& seen) {
  check(seen.fault != kGaveUp, Exit::device,
        "code predictor: frame {}: expected the blocks of its kernel to meet within 2 s, they did not; is "
        "the GPU shared? --ablate persistent_predictor does without that kernel",
        seen.frame);
  throw Error(
      Exit::internal,
      "{}: logits of code group {} in frame {} are not finite; the weights or the arithmetic are broken",
      seen.fault == 1 ? "talker" : "code predictor", seen.fault - 1, seen.frame);
}

// Enqueues frames until the end is seen; frames enqueued past it do nothing. Returns the number of complete
// frames.
template <class D>
int run_frames(Item<D>& item, SampleFlow<D>& flow, Spoken& spoken, bool stream_codec) {
  D& d = item.w.d;
  Memory& m = item.w.m;
  const int ahead = d.switches().on(Ablate::run_ahead) ? kRunAheadFrames : 0;
  int enqueued = 0, reported = -1;
  for (;;) {
    const Cursor seen = d.peek(m.state.cursor);
    if (stream_codec && flow.take(seen.frame, false)) {
      spoken.finish = FinishReason::guard;
      return seen.frame;
    }
    if (seen.frame != reported) report_progress(item, reported = seen.frame);
    if (seen.finish != static_cast<int32_t>(Finish::running)) {
      if (seen.finish == static_cast<int32_t>(Finish::fault)) throw_fault(seen);
      const bool ended = seen.finish == static_cast<int32_t>(Finish::eos);
      spoken.finish = ended ? FinishReason::eos : item.budget.reason;
      return seen.frame;
    }
    if (const auto stop = item.callbacks.stop ? item.callbacks.stop() : std::nullopt) {
      spoken.finish = *stop;
      return seen.frame;
    }
    if (enqueued <= seen.frame + ahead) {
      next_frame(item.lm, m, spoken.times);
      ++enqueued;
    } else {
      std::this_thread::yield();
    }
  }
}

template <class D>
std::vector<int32_t> download_codes(Item<D>& item, int frames) {
  std::vector<int32_t> codes(static_cast<size_t>(frames) *
                             static_cast<size_t>(item.w.model.config.talker.groups));
  if (!codes.empty())
    item.w.d.download(codes.data(), item.w.m.state.codes, static_cast<int64_t>(codes.size()) * 4);
  return codes;
}

template <class D>
void start(Item<D>& item, Spoken& spoken) {
  item.w.fit(item.prompt, item.budget);
  Memory& m = item.w.m;
  if (!item.request.forced_codes.empty()) {
    const auto bytes = static_cast<int64_t>(item.request.forced_codes.size()) * 4;
    item.forced = static_cast<int32_t*>(item.w.d.allocate(bytes));
    item.w.d.upload(item.forced, item.request.forced_codes.data(), bytes);
  }
  m.state.forced = item.forced;
  const Stage stage("prefill", spoken.times.prefill);
  begin_utterance(item.lm, m, item.rules);
  upload_prompt(item.lm, m, item.prompt);
  prefill(item.lm, m, item.prompt);
  const Trace sampling("sample");
  item.w.d.sample(m.state, m.logits, 0, item.lm.config.talker.dims.V);
  item.w.d.publish(m.state.cursor);
}

}  // namespace

template <class D>
Spoken speak(LanguageModel<D>& lm, SessionSpace<D>& w, const SpeakRequest& request,
             const SpeakCallbacks& callbacks) {
  Spoken spoken;
  const auto begin = Clock::now();
  Prompt prompt;
  {
    const Stage stage("tokenize", spoken.times.tokenize);
    prompt = build_prompt(w.model, request);
  }
  const FrameBudget budget = frame_budget(w.model.config, request, prompt);
  Item<D> item{
      lm,    w,      request, callbacks, prompt, budget, frame_rules(w.model.config, request, budget),
      begin, nullptr};
  spoken.text_tokens = prompt.text_tokens;
  spoken.prompt_rows = static_cast<int>(prompt.rows.size());
  spoken.language_used = prompt.language;
  spoken.warnings = prompt.warnings;
  start(item, spoken);

  const int K = w.model.config.talker.groups;
  const int reference = prompt.voice ? static_cast<int>(prompt.voice->codes.size()) / K : 0;
  const Counters before = w.d.counters();
  SampleFlow<D> flow(w, request, callbacks, spoken, begin);
  const bool whole = request.official_chunks || (request.official_reference_cut && reference > 0);
  if (!whole) flow.prime(reference);
  const int done = run_frames(item, flow, spoken, !whole);
  if (!whole && flow.take(done, true)) spoken.finish = FinishReason::guard;
  spoken.codes = download_codes(item, done);
  int32_t rounds = 0;
  if (w.m.predictor_fused) w.d.download(&rounds, w.m.predictor_rounds, sizeof rounds);
  // Counted where they vary: by the device in its one kernel, or by the host that runs all rows at once.
  const int64_t counted = w.m.predictor_passes + rounds;
  spoken.predictor_passes = counted > 0 ? static_cast<double>(counted) / std::max(1, done) : K - 1;
  spoken.counters = w.d.counters() - before;
  if (whole && done > 0) {
    std::vector<int32_t> all = prompt.voice ? prompt.voice->codes : std::vector<int32_t>{};
    all.insert(all.end(), spoken.codes.begin(), spoken.codes.end());
    if (flow.take_whole(all, reference, done)) spoken.finish = FinishReason::guard;
  }
  flow.finish(spoken.finish != FinishReason::guard);
  spoken.frames = spoken.finish == FinishReason::guard ? std::min(done, flow.covered_frames()) : done;
  spoken.codes.resize(static_cast<size_t>(spoken.frames) * static_cast<size_t>(K));
  spoken.times.total = ms_since(begin);
  return spoken;
}

#define TTS_INSTANTIATE(D)                                                                                \
  template struct SessionSpace<D>;                                                                        \
  template Spoken speak(LanguageModel<D>&, SessionSpace<D>&, const SpeakRequest&, const SpeakCallbacks&); \
  template std::vector<float> decode_codes(SessionSpace<D>&, std::span<const int32_t>, bool);
TTS_DEVICES(TTS_INSTANTIATE)
#undef TTS_INSTANTIATE

}  // namespace tts
