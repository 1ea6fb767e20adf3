// What a cloned voice costs before the first word: ten seconds of reference audio through both encoders.
#include "codec/audio_reader.h"
#include "engine/clone.h"
#include "tools/bench_speech.h"
#include "tools/report.h"
#include "tools/statistics.h"

#include <cmath>
#include <cstdio>
#include <numbers>

namespace tts {

namespace {

constexpr int kEncodeRepeats{3};
constexpr double kReferenceSeconds{10};

// A voice-like sound: pulses at 120 Hz under a slow swell, so that no frame is silent and no two are equal.
AudioClip reference_clip(int rate) {
  AudioClip clip;
  clip.rate = rate;
  clip.channels = 1;
  for (int i = 0; i < static_cast<int>(kReferenceSeconds * rate); ++i) {
    const double t = static_cast<double>(i) / rate, turn = 2 * std::numbers::pi * t;
    double x = 0;
    for (int harmonic = 1; harmonic <= 20; ++harmonic)
      x += std::sin(120 * harmonic * turn + harmonic) / harmonic;
    clip.samples.push_back(static_cast<float>(0.2 * x * (0.6 + 0.4 * std::sin(3 * turn))));
  }
  return clip;
}

}  // namespace

void bench_encode(const SpeechBench& bench) {
  OpenBench open = open_bench(bench);
  CloneRequest request;
  request.clip = reference_clip(open.engine.model().config.codec.sample_rate);
  request.origin = "ten seconds of pulses";
  request.transcript = "ten seconds";
  request.silence_ms = 0;
  const Clone warm = open.engine.clone(request);
  std::vector<double> wall_ms, cpu_ms;
  for (int i = 0; i < (bench.repeats ? bench.repeats : kEncodeRepeats); ++i) {
    const auto begin = Clock::now();
    const double cpu = processor_ms();
    const Clone again = open.engine.clone(request);
    wall_ms.push_back(ms_since(begin));
    cpu_ms.push_back(processor_ms() - cpu);
    check(
        again.voice->codes == warm.voice->codes && again.voice->speaker_vector == warm.voice->speaker_vector,
        Exit::internal,
        "bench encode: a repetition gave another voice than the warm-up; refusing to time a changing answer");
  }
  const double peak = static_cast<double>(peak_memory_bytes()) / (1 << 20);
  if (bench.output == SpeechBench::Output::table) {
    std::printf("%.0f s of reference audio: %.1f ms (%.1f to %.1f), processor %.1f ms, peak memory %.0f MB\n",
                kReferenceSeconds, median(wall_ms), quantile(wall_ms, 0), quantile(wall_ms, 1),
                median(cpu_ms), peak);
    return;
  }
  JsonWriter w;
  record_head(w.begin_object(), bench, open, "encode");
  w.field("repeats", static_cast<int64_t>(wall_ms.size()))
      .field("seconds", kReferenceSeconds)
      .field("encode_ms", median(wall_ms));
  w.field("encode_cpu_ms", median(cpu_ms)).field("peak_rss_mb", peak).end_object();
  print_line(w);
}

}  // namespace tts
