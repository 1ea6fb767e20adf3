// Streaming latency, and the cost of a frame along a long utterance.
#include "tools/bench_speech.h"
#include "tools/playback.h"
#include "tools/report.h"
#include "tools/statistics.h"

#include <cstdio>

namespace tts {

namespace {

constexpr int kStreamRepeats{10};
constexpr int kPositions{2048}, kPositionWindow{64};

struct Streamed {
  Spoken spoken;
  Playback playback;
};

Streamed stream(Engine& engine, const std::vector<SpeakRequest>& requests) {
  std::vector<Arrival> arrivals;
  const auto begin = Clock::now();
  SpeakCallbacks callbacks;
  callbacks.samples = [&](std::span<const float> samples) {
    arrivals.push_back({ms_since(begin), static_cast<int64_t>(samples.size())});
  };
  Spoken spoken = speak_all(engine, requests, callbacks);
  return {std::move(spoken), play(arrivals, engine.model().config.codec.sample_rate)};
}

struct Latency {
  std::vector<double> first_ms, slack_ms, waited_ms, underruns, rtf;
};

Latency measure(const SpeechBench& bench, Engine& engine, const std::string& label) {
  const auto requests = requests_of(bench, engine.model(), bench_text(bench, label));
  const Spoken warm = speak_all(engine, requests, {});
  Latency all;
  for (int i = 0; i < (bench.repeats ? bench.repeats : kStreamRepeats); ++i) {
    const Streamed one = stream(engine, requests);
    check_same(warm, one.spoken, label);
    all.first_ms.push_back(one.playback.first_audio_ms);
    all.slack_ms.insert(all.slack_ms.end(), one.playback.slack_ms.begin(), one.playback.slack_ms.end());
    all.waited_ms.push_back(one.playback.waited_ms);
    all.underruns.push_back(one.playback.underruns);
    all.rtf.push_back(one.spoken.times.total / 1000 / seconds_of(engine.model(), one.spoken));
  }
  return all;
}

}  // namespace

// Slack: how long before the player needed it a chunk came. Jitter: the spread between its 5th and 95th
// percentile.
void bench_stream(const SpeechBench& bench) {
  OpenBench open = open_bench(bench);
  const bool table = bench.output == SpeechBench::Output::table;
  if (table) {
    std::printf("%-8s %10s %10s %10s %10s %10s %10s %10s\n", "Label", "First ms", "p95", "Slack ms", "least",
                "Jitter ms", "Underruns", "Waited ms");
  }
  for (const std::string& label : bench.labels) {
    const Latency l = measure(bench, open.engine, label);
    const double jitter = quantile(l.slack_ms, 0.95) - quantile(l.slack_ms, 0.05);
    if (table) {
      std::printf("%-8s %10.1f %10.1f %10.1f %10.1f %10.1f %10.1f %10.1f\n", label.c_str(),
                  median(l.first_ms), quantile(l.first_ms, 0.95), median(l.slack_ms), quantile(l.slack_ms, 0),
                  jitter, median(l.underruns), median(l.waited_ms));
      continue;
    }
    JsonWriter w;
    record_head(w.begin_object(), bench, open, "stream");
    w.field("label", std::string_view(label)).field("repeats", static_cast<int64_t>(l.first_ms.size()));
    w.field("first_chunk_frames", bench.first_chunk_frames).field("chunk_frames", bench.chunk_frames);
    w.field("ttfa_ms", median(l.first_ms)).field("ttfa_p95_ms", quantile(l.first_ms, 0.95));
    w.field("slack_ms", median(l.slack_ms))
        .field("least_slack_ms", quantile(l.slack_ms, 0))
        .field("jitter_ms", jitter);
    w.field("underruns", median(l.underruns))
        .field("waited_ms", median(l.waited_ms))
        .field("rtf", median(l.rtf))
        .end_object();
    print_line(w);
  }
}

namespace {

// The end of a long prompt stands where a long utterance would have got to: the text repeated until it has
// `tokens`.
SpeakRequest request_from(const SpeechBench& bench, const Model& model, int tokens) {
  SpeakRequest request = requests_of(bench, model, bench_text(bench, "medium")).front();
  if (tokens == 0) return request;
  const std::string& once = bench_text(bench, "long");
  const size_t each = std::max<size_t>(1, model.tokenizer.encode(once + " ").size());
  request.text.clear();
  for (size_t i = 0; i < static_cast<size_t>(tokens) / each + 1; ++i) request.text += once + " ";
  request.text_mode = TextMode::upfront;
  return request;
}

struct FrameClock {
  std::vector<double> wall_ms, cpu_ms;  // when frame i was seen to be done
  Clock::time_point begin = Clock::now();
  double cpu_begin = processor_ms();
  void tick(int frames) {
    wall_ms.resize(static_cast<size_t>(frames) + 1, ms_since(begin));
    cpu_ms.resize(static_cast<size_t>(frames) + 1, processor_ms() - cpu_begin);
  }
};

// Median per frame over a window, in steps of a chunk: the codec decodes a chunk at a time.
double per_frame(const std::vector<double>& at_ms, int from, int to, int step) {
  std::vector<double> frames_ms;
  for (int i = from; i < to; i += step) {
    const int next = std::min(i + step, to);
    frames_ms.push_back((at_ms[static_cast<size_t>(next)] - at_ms[static_cast<size_t>(i)]) / (next - i));
  }
  return median(frames_ms);
}

}  // namespace

// One utterance of --frames frames (2,048), behind a prompt of --from text tokens: the median time of a
// frame, codec included, in windows of 64 frames.
void bench_positions(const SpeechBench& wanted) {
  SpeechBench bench = wanted;
  if (bench.frames == 0) bench.frames = kPositions;
  OpenBench open = open_bench(bench);
  const SpeakRequest request = request_from(bench, open.engine.model(), bench.from);
  FrameClock clock;
  SpeakCallbacks callbacks;
  callbacks.progress = [&](const Progress& p) { clock.tick(p.frames); };
  const Spoken spoken = open.engine.speak(request, callbacks);
  check(spoken.frames == bench.frames, Exit::internal, "bench positions: expected {} frames, got {}",
        bench.frames, spoken.frames);
  clock.tick(spoken.frames);
  const bool table = bench.output == SpeechBench::Output::table;
  if (table) std::printf("%-8s %10s %10s\n", "Position", "ms/frame", "processor");
  for (int from = 0; from + kPositionWindow <= spoken.frames; from += kPositionWindow) {
    const int to = from + kPositionWindow, position = spoken.prompt_rows + from + kPositionWindow / 2;
    const double wall = per_frame(clock.wall_ms, from, to, bench.chunk_frames),
                 cpu = per_frame(clock.cpu_ms, from, to, bench.chunk_frames);
    if (table) {
      std::printf("%-8d %10.2f %10.2f\n", position, wall, cpu);
      continue;
    }
    JsonWriter w;
    record_head(w.begin_object(), bench, open, "positions");
    print_line(w.field("position", position).field("frame_ms", wall).field("cpu_frame_ms", cpu).end_object());
  }
}

}  // namespace tts
