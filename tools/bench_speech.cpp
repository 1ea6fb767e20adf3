#include "tools/bench_speech.h"

#include "engine/speech_plan.h"
#include "tools/bench_texts.h"
#include "tools/build_info.h"
#include "tools/report.h"
#include "tools/statistics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>

namespace tts {

namespace {

struct Run {
  double wall_ms;
  double cpu_ms;  // processor time of all threads: what it costs on a busy machine
  Spoken spoken;
};

struct Summary {
  std::string label;
  int words = 0;
  double others = 0;  // cores that other programs kept busy meanwhile
  std::vector<Run> runs;

  template <class Get>
  std::vector<double> all(Get&& get) const {
    std::vector<double> values;
    for (const Run& run : runs) values.push_back(get(run));
    return values;
  }
  template <class Get>
  double median_of(Get&& get) const { return median(all(get)); }
};

constexpr int kRepeats{3};

// Processor time that the whole machine has spent, stolen time included.
double machine_ms() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  double ticks[8] = {};  // user nice system idle iowait irq softirq steal
  stat >> cpu;
  for (double& t : ticks) stat >> t;
  check(static_cast<bool>(stat) && cpu == "cpu", Exit::internal,
        "/proc/stat: expected the line cpu with 8 numbers");
  const double busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7];
  return busy * 1000 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Summary measure(const SpeechBench& bench, Engine& engine, const std::string& label) {
  const std::string text = bench_text(bench, label);
  Summary summary{label, 1 + static_cast<int>(std::count(text.begin(), text.end(), ' ')), 0, {}};
  const auto requests = requests_of(bench, engine.model(), text);
  const Spoken warm = speak_all(engine, requests, {});
  const double machine_before = machine_ms(), own_before = processor_ms();
  const auto all_begin = Clock::now();
  for (int i = 0; i < (bench.repeats ? bench.repeats : kRepeats); ++i) {
    const auto begin = Clock::now();
    const double cpu = processor_ms();
    Spoken spoken = speak_all(engine, requests, {});
    summary.runs.push_back({ms_since(begin), processor_ms() - cpu, std::move(spoken)});
    check_same(warm, summary.runs.back().spoken, label);
  }
  const double others_ms = machine_ms() - machine_before - (processor_ms() - own_before);
  summary.others = std::max(0.0, others_ms / ms_since(all_begin));
  return summary;
}

struct Stages {  // milliseconds; talker, predictor and codec per frame
  double prefill, talker, predictor, codec, total, first_audio;
};
Stages stages_of(const Summary& s) {
  const double frames = std::max(1, s.runs[0].spoken.frames);
  const auto time = [&](double StageTimes::*stage) {
    return s.median_of([&](const Run& r) { return r.spoken.times.*stage; });
  };
  return {.prefill = time(&StageTimes::prefill),
          .talker = time(&StageTimes::talker) / frames,
          .predictor = time(&StageTimes::predictor) / frames,
          .codec = time(&StageTimes::codec) / frames,
          .total = s.median_of([](const Run& r) { return r.wall_ms; }),
          .first_audio = time(&StageTimes::first_audio)};
}

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void print_row(const Summary& s, const Model& model) {
  const Spoken& spoken = s.runs[0].spoken;
  const Stages stages = stages_of(s);
  const double seconds = seconds_of(model, spoken), frames = std::max(1, spoken.frames);
  const double spread = deviation(s.all([](const Run& r) { return r.wall_ms; }));
  std::printf("%-8s %5d %9.1f %7.1f %7.2f %7.3f %7.1f %8.0f %8.1f %9.1f %8.1f %9.1f %7.2f %9.1f\n",
              s.label.c_str(), s.words, stages.total, spread, seconds, stages.total / 1000 / seconds,
              frames / stages.total * 1000, megabytes(peak_memory_bytes()), stages.prefill,
              (stages.talker + stages.predictor) * frames, stages.codec * frames, stages.first_audio,
              static_cast<double>(spoken.counters.syncs) / frames,
              static_cast<double>(spoken.counters.launches) / frames);
}

void print_json(const SpeechBench& bench, const Summary& s, const OpenBench& open) {
  const Spoken& spoken = s.runs[0].spoken;
  const Stages stages = stages_of(s);
  const double seconds = seconds_of(open.engine.model(), spoken), frames = std::max(1, spoken.frames);
  JsonWriter w;
  w.begin_object();
  if (bench.output == SpeechBench::Output::json) {
    record_head(w, bench, open, "speech");
    w.field("label", std::string_view(s.label))
        .field("words", s.words)
        .field("repeats", static_cast<int64_t>(s.runs.size()));
    w.field("wall_spread_ms", deviation(s.all([](const Run& r) { return r.wall_ms; })))
        .field("seconds", seconds);
    w.field("rtf", stages.total / 1000 / seconds).field("tok_s", frames / stages.total * 1000);
    w.field("cpu_rtf", s.median_of([](const Run& r) { return r.cpu_ms; }) / 1000 / seconds);
    w.field("others", s.others);
    w.field("peak_rss_mb", megabytes(peak_memory_bytes()))
        .field("weights_mb", megabytes(open.engine.model().weight_bytes));
    w.field("session_mb", megabytes(open.engine.session_bytes())).field("finish_reason", str(spoken.finish));
    w.field("predictor_passes", spoken.predictor_passes);
    w.field("syncs_per_frame", static_cast<double>(spoken.counters.syncs) / frames);
    w.field("launches_per_frame", static_cast<double>(spoken.counters.launches) / frames);
  }
  w.field("frames", spoken.frames).field("load_ms", open.load_ms).field("prefill_ms", stages.prefill);
  w.field("talker_ms", stages.talker).field("predictor_ms", stages.predictor).field("codec_ms", stages.codec);
  w.field("total_ms", stages.total).field("ttfa_ms", stages.first_audio).end_object();
  print_line(w);
}

// In a made checkpoint the end token's row of the talker's head is zero: it never ends by itself.
bool is_random(const Model& model) {
  const Tensor& head = model.talker.codec_head;
  if (head.dtype != DType::bf16 && head.dtype != DType::f32) return false;
  const auto row =
      static_cast<size_t>(head.columns()) * static_cast<size_t>(bits_per_element(head.dtype)) / 8;
  const auto* bytes =
      static_cast<const std::byte*>(head.data) + row * static_cast<size_t>(model.config.talker.eos);
  return std::all_of(bytes, bytes + row, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::string bench_text(const SpeechBench& bench, const std::string& label) {
  if (!bench.text.empty()) return bench.text;
  std::string known;
  for (const BenchText& row : bench_texts()) {
    if (row.label == label) return row.text;
    known += (known.empty() ? "" : ", ") + row.label;
  }
  throw Error(Exit::usage, "--label {}: expected one of: {}", label, known);
}

double seconds_of(const Model& model, const Spoken& spoken) {
  return static_cast<double>(spoken.frames) * model.config.codec.samples_per_frame /
         model.config.codec.sample_rate;
}

std::vector<SpeakRequest> requests_of(const SpeechBench& bench, const Model& model, const std::string& text) {
  SpeakRequest request;
  request.seed = bench.seed;
  request.sampling = defaults_of(model.config.generation);
  request.fixed_frames = bench.frames;
  request.guard = bench.frames == 0;
  request.first_chunk_frames = bench.first_chunk_frames;
  request.chunk_frames = bench.chunk_frames;
  if (!model.config.talker.speakers.empty()) request.speaker = model.config.talker.speakers[0].name;
  std::vector<SpeakRequest> requests;
  for (const PlannedChunk& chunk : plan_speech(text, {}, model.rules, model.tokenizer).chunks) {
    request.text = chunk.text;
    if (requests.empty() || bench.frames == 0) requests.push_back(request);
  }
  return requests;
}

Spoken speak_all(Engine& engine, const std::vector<SpeakRequest>& requests, const SpeakCallbacks& callbacks) {
  Spoken all = engine.speak(requests.front(), callbacks);
  for (size_t i = 1; i < requests.size(); ++i) {
    const Spoken one = engine.speak(requests[i], callbacks);
    for (double StageTimes::*stage :
         {&StageTimes::tokenize, &StageTimes::prefill, &StageTimes::talker, &StageTimes::predictor,
          &StageTimes::codec, &StageTimes::write, &StageTimes::total}) {
      all.times.*stage += one.times.*stage;
    }
    all.predictor_passes =
        (all.predictor_passes * all.frames + one.predictor_passes * one.frames) / (all.frames + one.frames);
    all.codes.insert(all.codes.end(), one.codes.begin(), one.codes.end());
    all.frames += one.frames;
    all.samples += one.samples;
    all.counters.syncs += one.counters.syncs;
    all.counters.launches += one.counters.launches;
    if (one.finish != FinishReason::eos) all.finish = one.finish;
  }
  return all;
}

void check_same(const Spoken& warm, const Spoken& again, const std::string& what) {
  check(again.codes == warm.codes, Exit::internal,
        "bench {}: a repetition gave other codes than the warm-up; refusing to time a changing answer", what);
}

OpenBench open_bench(const SpeechBench& bench) {
  resolve_device(bench.device);  // a device that is not there is said before the weights are read
  const auto begin = Clock::now();
  const std::shared_ptr<const Model> model = load_model(bench.model);
  Engine engine(model, bench.device);
  const double load_ms = ms_since(begin);
  return {std::move(engine), load_ms, is_random(*model)};
}

void record_head(JsonWriter& w, const SpeechBench& bench, const OpenBench& open, std::string_view report) {
  const DeviceFacts& device = open.engine.device();
  w.field("report", report).field("command", std::string_view(bench.command)).field("commit", kCommit);
  w.field("machine", std::string_view(device.name))
      .field("cores", static_cast<int64_t>(std::thread::hardware_concurrency()));
  w.field("model", std::string_view(bench.model))
      .field("size", std::string_view(open.engine.model().config.size));
  w.field("weights", open.random_weights ? "random" : "trained")
      .field("device", std::string_view(device.kind));
  w.field("dtype", std::string_view(device.dtype))
      .field("quant", std::string_view(device.quant))
      .field("threads", device.threads);
  if (device.codec_dtype != "f32") w.field("codec_dtype", std::string_view(device.codec_dtype));
}

double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

void print_line(const JsonWriter& json) { write_stdout(json.str() + "\n"); }

void bench_speech(const SpeechBench& bench) {
  OpenBench open = open_bench(bench);
  const DeviceFacts& device = open.engine.device();
  const bool table = bench.output == SpeechBench::Output::table;
  if (table) {
    std::printf("%s (%s weights) on %s %s, %s, quant %s, %d threads; %d repetitions after a warm-up%s\n",
                bench.model.c_str(), open.random_weights ? "random" : "trained", device.kind.c_str(),
                device.name.c_str(), device.dtype.c_str(), device.quant.c_str(), device.threads,
                bench.repeats ? bench.repeats : kRepeats, bench.frames ? ", fixed number of frames" : "");
    std::printf("%-8s %5s %9s %7s %7s %7s %7s %8s %8s %9s %8s %9s %7s %9s\n", "Label", "Words", "Wall ms",
                "+-std", "Audio s", "RTF", "Tok/s", "Mem MB", "Prefill", "Generate", "Decode", "First ms",
                "Syncs/f", "Launch/f");
  }
  for (const std::string& label : bench.labels) {
    const Summary summary = measure(bench, open.engine, label);
    if (table) print_row(summary, open.engine.model());
    else print_json(bench, summary, open);
  }
}

}  // namespace tts
