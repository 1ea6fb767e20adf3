// What a voice assistant asks of an engine: how soon it is ready, how soon it speaks, what it takes, and
// whether a player at real-time speed could ever make it wait or run dry.
#include "tools/bench_speech.h"
#include "tools/playback.h"
#include "tools/report.h"
#include "tools/statistics.h"

#include <cstdio>
#include <fstream>

namespace tts {

namespace {

constexpr int kAssistantRepeats{5};
constexpr std::string_view kAnswer{
    "The evening train to the coast leaves at half past six and stops at every station that day."};
constexpr size_t kCharacters{91};

// Memory that the process holds now, mapped pages of files included.
double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  throw Error(Exit::internal, "/proc/self/status: VmRSS: expected a line, got none");
}

struct Assistant {
  double init_ms = 0, first_ever_ms = 0, ready_mb = 0, longest_push_us = 0;
  std::vector<double> first_ms, wall_ms, underruns;
  double seconds = 0;
};

Assistant measure(const SpeechBench& bench, OpenBench& open) {
  Assistant a;
  a.init_ms = open.load_ms;
  Engine& engine = open.engine;
  const auto requests = requests_of(bench, engine.model(), std::string(kAnswer));
  const Spoken warm = speak_all(engine, requests, {});
  a.first_ever_ms = warm.times.first_audio;
  a.ready_mb = resident_mb();
  a.seconds = seconds_of(engine.model(), warm);
  for (int i = 0; i < (bench.repeats ? bench.repeats : kAssistantRepeats); ++i) {
    NullSink sink(engine.model().config.codec.sample_rate);
    SpeakCallbacks callbacks;
    callbacks.samples = [&](std::span<const float> samples) {
      sink.push(static_cast<int64_t>(samples.size()));
    };
    const Spoken spoken = speak_all(engine, requests, callbacks);
    a.underruns.push_back(sink.underruns());
    sink.finish();
    check_same(warm, spoken, "assistant");
    check(sink.played() == spoken.samples, Exit::internal,
          "bench assistant: expected {} samples played, got {}", spoken.samples, sink.played());
    a.first_ms.push_back(spoken.times.first_audio);
    a.wall_ms.push_back(spoken.times.total);
    a.longest_push_us = std::max(a.longest_push_us, sink.longest_push_us());
  }
  return a;
}

}  // namespace

void bench_assistant(const SpeechBench& bench) {
  static_assert(kAnswer.size() == kCharacters);
  OpenBench open = open_bench(bench);
  const Assistant a = measure(bench, open);
  const double wall = median(a.wall_ms), peak = static_cast<double>(peak_memory_bytes()) / (1 << 20);
  if (bench.output == SpeechBench::Output::table) {
    std::printf("ready to speak            %9.1f ms\n", a.init_ms);
    std::printf("first audio, first time   %9.1f ms\n", a.first_ever_ms);
    std::printf("first audio               %9.1f ms   (95 %%: %.1f)\n", median(a.first_ms),
                quantile(a.first_ms, 0.95));
    std::printf("%zu characters             %9.1f ms   for %.2f s of audio, RTF %.3f\n", kCharacters, wall,
                a.seconds, wall / 1000 / a.seconds);
    std::printf("memory                    %9.1f MB   (peak %.1f)\n", a.ready_mb, peak);
    std::printf("playback in real time     %9.0f underruns; the longest hand-over took %.1f us\n",
                median(a.underruns), a.longest_push_us);
    return;
  }
  JsonWriter w;
  record_head(w.begin_object(), bench, open, "assistant");
  w.field("repeats", static_cast<int64_t>(a.wall_ms.size()))
      .field("characters", static_cast<int64_t>(kCharacters));
  w.field("init_ms", a.init_ms).field("first_ever_ms", a.first_ever_ms).field("ttfa_ms", median(a.first_ms));
  w.field("ttfa_p95_ms", quantile(a.first_ms, 0.95)).field("total_ms", wall).field("seconds", a.seconds);
  w.field("rtf", wall / 1000 / a.seconds).field("ready_mb", a.ready_mb).field("peak_rss_mb", peak);
  w.field("underruns", median(a.underruns)).field("longest_push_us", a.longest_push_us).end_object();
  print_line(w);
}

}  // namespace tts
