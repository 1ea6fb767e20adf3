#include "tools/bench_speech.h"

#include "base/json.h"
#include "tools/bench_texts.h"
#include "tools/build_info.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace tts {

namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

const std::string& text_of(const std::string& label) {
  std::string known;
  for (const BenchText& row : bench_texts()) {
    if (row.label == label) return row.text;
    known += (known.empty() ? "" : ", ") + row.label;
  }
  throw Error(Exit::usage, "--label {}: expected one of: {}", label, known);
}

struct Run {
  double wall_ms;
  Spoken spoken;
};

struct Summary {
  std::string label;
  int words = 0;
  std::vector<Run> runs;

  template <class Get>
  double median(Get&& get) const {
    std::vector<double> values;
    for (const Run& run : runs) values.push_back(get(run));
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  }
  double wall_spread() const {
    double mean = 0, square = 0;
    for (const Run& run : runs) mean += run.wall_ms / static_cast<double>(runs.size());
    for (const Run& run : runs) square += (run.wall_ms - mean) * (run.wall_ms - mean);
    return runs.size() < 2 ? 0 : std::sqrt(square / static_cast<double>(runs.size() - 1));
  }
};

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double seconds_of(const Model& model, const Spoken& spoken) {
  return static_cast<double>(spoken.frames) * model.config.codec.samples_per_frame / model.config.codec.sample_rate;
}

SpeakRequest request_of(const SpeechBench& bench, const Model& model, const std::string& text) {
  SpeakRequest request;
  request.text = text;
  request.seed = bench.seed;
  request.sampling = defaults_of(model.config.generation);
  request.sampling.greedy = request.sampling.greedy || bench.greedy;
  request.sampling.sub_greedy = request.sampling.sub_greedy || bench.greedy;
  request.fixed_frames = bench.frames;
  request.guard = bench.frames == 0;
  request.speaker = bench.speaker;
  if (request.speaker.empty() && !model.config.talker.speakers.empty()) request.speaker = model.config.talker.speakers[0].name;
  return request;
}

// Every repetition must give the codes of the first: a benchmark of a wrong or changing answer means nothing.
Summary measure(const SpeechBench& bench, Engine& engine, const std::string& label, const std::string& text) {
  Summary summary{label, 1 + static_cast<int>(std::count(text.begin(), text.end(), ' ')), {}};
  const SpeakRequest request = request_of(bench, engine.model(), text);
  const Spoken warm = engine.speak(request, {});
  for (int i = 0; i < bench.repeats; ++i) {
    const auto begin = Clock::now();
    Spoken spoken = engine.speak(request, {});
    summary.runs.push_back({ms_since(begin), std::move(spoken)});
    check(summary.runs.back().spoken.codes == warm.codes, Exit::internal,
          "bench {}: repetition {} gave other codes than the warm-up; refusing to time a changing answer", label, i + 1);
  }
  return summary;
}

struct Stages {  // milliseconds per frame
  double prefill, talker, predictor, codec, total, first_audio;
};
Stages stages_of(const Summary& s) {
  const double frames = std::max(1, s.runs[0].spoken.frames);
  const auto per_frame = [&](double StageTimes::*time) {
    return s.median([&](const Run& r) { return r.spoken.times.*time; }) / frames;
  };
  return {.prefill = per_frame(&StageTimes::prefill) * frames, .talker = per_frame(&StageTimes::talker),
          .predictor = per_frame(&StageTimes::predictor), .codec = per_frame(&StageTimes::codec),
          .total = s.median([](const Run& r) { return r.wall_ms; }),
          .first_audio = per_frame(&StageTimes::first_audio) * frames};
}

void print_row(const Summary& s, const Model& model) {
  const Spoken& spoken = s.runs[0].spoken;
  const Stages stages = stages_of(s);
  const double seconds = seconds_of(model, spoken), frames = std::max(1, spoken.frames);
  std::printf("%-8s %5d %9.1f %7.1f %7.2f %7.3f %7.1f %8.0f %8.1f %9.1f %8.1f %9.1f %7.2f %9.1f\n", s.label.c_str(), s.words,
              stages.total, s.wall_spread(), seconds, stages.total / 1000 / seconds, frames / stages.total * 1000,
              peak_memory_mb(), stages.prefill, (stages.talker + stages.predictor) * frames, stages.codec * frames,
              stages.first_audio, static_cast<double>(spoken.counters.syncs) / frames,
              static_cast<double>(spoken.counters.launches) / frames);
}

void print_json(const SpeechBench& bench, const Summary& s, const Engine& engine, double load_ms, const std::string& command) {
  const Spoken& spoken = s.runs[0].spoken;
  const Stages stages = stages_of(s);
  JsonWriter w;
  w.begin_object();
  if (bench.output == SpeechBench::Output::json) {
    const DeviceFacts& device = engine.device();
    w.field("command", command).field("commit", kCommit).field("machine", device.name);
    w.field("label", s.label).field("words", s.words).field("device", device.kind).field("dtype", device.dtype);
    w.field("quant", device.quant).field("threads", device.threads).field("repeats", bench.repeats);
    w.field("wall_spread_ms", s.wall_spread()).field("seconds", seconds_of(engine.model(), spoken));
    w.field("rtf", stages.total / 1000 / seconds_of(engine.model(), spoken)).field("peak_rss_mb", peak_memory_mb());
    w.field("finish_reason", str(spoken.finish)).field("predictor_passes", spoken.predictor_passes);
    w.field("syncs_per_frame", static_cast<double>(spoken.counters.syncs) / std::max(1, spoken.frames));
    w.field("launches_per_frame", static_cast<double>(spoken.counters.launches) / std::max(1, spoken.frames));
  }
  w.field("frames", spoken.frames).field("load_ms", load_ms).field("prefill_ms", stages.prefill);
  w.field("talker_ms", stages.talker).field("predictor_ms", stages.predictor).field("codec_ms", stages.codec);
  w.field("total_ms", stages.total).field("ttfa_ms", stages.first_audio);
  w.end_object();
  std::printf("%s\n", w.str().c_str());
}

}  // namespace

void bench_speech(const SpeechBench& bench, const std::string& command) {
  const auto begin = Clock::now();
  Engine engine(load_model(bench.model), bench.device);
  const double load_ms = ms_since(begin);
  if (bench.output == SpeechBench::Output::table) {
    std::printf("%s on %s, %s, %d threads; %d repetitions after a warm-up%s\n", bench.model.c_str(), engine.device().name.c_str(),
                engine.device().dtype.c_str(), engine.device().threads, bench.repeats,
                bench.frames ? ", fixed number of frames" : "");
    std::printf("%-8s %5s %9s %7s %7s %7s %7s %8s %8s %9s %8s %9s %7s %9s\n", "Label", "Words", "Wall ms", "+-std", "Audio s",
                "RTF", "Tok/s", "Mem MB", "Prefill", "Generate", "Decode", "First ms", "Syncs/f", "Launch/f");
  }
  for (const std::string& label : bench.labels) {
    const Summary summary = measure(bench, engine, label, text_of(label));
    if (bench.output == SpeechBench::Output::table) {
      print_row(summary, engine.model());
    } else {
      print_json(bench, summary, engine, load_ms, command);
    }
  }
}

}  // namespace tts
