// Everything that can be refused is refused before the model is loaded; then one item after the other, each
// with its own file and its own line of JSON. An item that fails says so and the next one goes on.
#include "tools/synthesise.h"

#include "base/file.h"
#include "base/trace.h"
#include "engine/codes_file.h"
#include "engine/join.h"
#include "tools/long_text.h"
#include "tools/settings.h"
#include "tools/speech_output.h"
#include "tools/voice_choice.h"

#include <algorithm>
#include <set>

namespace tts {

namespace {

// What every item of a run shares.
struct Run {
  const Arguments& args;
  Log log;
  ItemSource* source = nullptr;  // null: codes instead of text
  OutputPlan output{};           // of a single item
  std::optional<uint64_t> seed{};
  int retries = 0;
  bool streaming = false;
  std::unique_ptr<Engine> engine{};
  double load_ms = 0;
  std::unique_ptr<VoiceChoice> voices{};
  TextCare care{};
  std::vector<SpokenText> subtitles{};  // of a single item
  std::set<std::string> outputs{};      // names of this run: no item replaces another one's file
};

Run open_run(const Arguments& args, bool several) {
  Run run{.args = args, .log = log_of(args)};
  check(!several || !args.has("output"), Exit::usage,
        "--output: several items go below --output-dir, got --output {}", args.text("output"));
  check(!several || !args.has("codes"), Exit::usage, "--codes: expected one item, got --input {}",
        args.text("input"));
  check(several || !args.has("output-dir"), Exit::usage,
        "--output-dir: expected --input lines or jsonl; one item goes to --output");
  check(!several || !args.has("subtitles"), Exit::usage, "--subtitles: expected one item, got --input {}",
        args.text("input"));
  if (args.has("subtitles")) subtitle_form(args.text("subtitles"));
  if (args.has("codes")) codes_form(args.text("codes"));
  check_voice_options(args);
  run.voices = std::make_unique<VoiceChoice>(args);
  run.care = text_care_of(args);
  run.retries = static_cast<int>(args.integer("retries", 0));
  if (!several) run.output = plan_output(args);
  run.streaming = args.has("stream") || run.output.is_stream();
  check(run.retries == 0 || !run.streaming, Exit::usage,
        "--retries: what was streamed cannot be taken back; give --output FILE without --stream");
  if (!run.output.said.empty()) run.log.say(run.output.said);
  return run;
}

void check_outputs(const Run& run) {
  const Arguments& args = run.args;
  std::vector<std::string> inputs;
  if (run.source) inputs.push_back(run.source->file());
  for (const char* name : {"from-codes", "ref-audio", "ref-text-file", "voice"}) {
    if (args.has(name)) inputs.push_back(args.text(name));
  }
  if (!run.output.path.empty()) check_output_path(run.output.path, run.output.keep_existing, inputs);
  std::vector<std::string> taken = inputs;
  if (!run.output.path.empty()) taken.push_back(run.output.path);
  for (const char* name : {"codes", "json", "trace", "save-voice", "subtitles"}) {
    const std::string path = args.text(name);
    if (path.empty() || path == "-") continue;
    for (const std::string& other : taken)
      check(path != other, Exit::output, "{}: --{}: expected a name of its own", path, name);
    check_output_path(path, false, inputs);
    taken.push_back(path);
  }
}

void load_engine(Run& run) {
  const auto begin = Clock::now();
  const DeviceChoice choice = device_choice(run.args);
  const std::string directory = model_choice(run.args);
  resolve_device(choice);  // a device that is not there is said before the weights are read
  std::shared_ptr<const Model> model = load_model(directory, load_options(run.args));
  for (const std::string& warning : model->warnings) run.log.detail(warning);
  run.engine = std::make_unique<Engine>(model, choice);
  run.load_ms = ms_since(begin);
  const DeviceFacts& device = run.engine->device();
  if (choice.kind == "auto")
    run.log.say(format("device: {} ({}), {}; {}", device.kind, device.name, device.dtype, device.why));
}

SpeakRequest request_of(Run& run, const Item& item, std::vector<std::string>& warnings) {
  const Arguments& args = run.args;
  const ModelConfig& config = run.engine->model().config;
  const auto asked = [&](const std::optional<std::string>& own, const char* option) {
    return own ? own : args.has(option) ? std::optional(args.text(option)) : std::nullopt;
  };
  SpeakRequest request;
  request.text = item.text;
  request.voice = run.voices->voice_of(item, *run.engine, warnings);
  request.official_reference_cut = args.text("ref-cut", "exact") == "official";
  request.speaker = choose_speaker_name(asked(item.speaker, "speaker"), config);
  request.language = language_name(asked(item.language, "language").value_or("auto"), config);
  request.instruct = asked(item.instruct, "instruct").value_or("");
  const std::string mode = args.text("text-mode", "auto");
  request.text_mode = mode == "upfront"  ? TextMode::upfront
                      : mode == "stream" ? TextMode::stream
                                         : TextMode::automatic;
  request.raw_control_tokens = args.has("raw-control-tokens");
  request.sampling = sampling_of(args, config);
  if (!run.seed) run.seed = args.has("seed") ? static_cast<uint64_t>(args.integer("seed", 0)) : draw_seed();
  request.seed = item.seed ? static_cast<uint64_t>(*item.seed) : *run.seed;
  request.max_seconds = args.real("max-seconds", 0);
  request.guard = args.text("guard", "on") == "on";
  constexpr int kWholeChunks{16};  // frames at a time when nobody waits for the first ones
  request.first_chunk_frames =
      static_cast<int>(args.integer("first-chunk-frames", run.streaming ? 1 : kWholeChunks));
  request.chunk_frames = static_cast<int>(args.integer("chunk-frames", run.streaming ? 4 : kWholeChunks));
  return request;
}

void write_codes(const Run& run, const Spoken& spoken, bool partial) {
  if (!run.args.has("codes")) return;
  const std::string path = run.args.text("codes");
  const Orderly orderly;
  save_codes(partial ? partial_name(path) : path,
             {.groups = run.engine->model().config.talker.groups, .codes = spoken.codes});
}

bool ended_by_itself(FinishReason reason) { return reason == FinishReason::eos; }
bool was_stopped(FinishReason reason) {
  return reason == FinishReason::cancelled || reason == FinishReason::timeout;
}

using SampleSink = std::function<void(std::span<const float>)>;

void add_chunk(Spoken& all, const Spoken& chunk) {
  const StageTimes& t = chunk.times;
  if (all.samples == 0) all.times.first_audio = all.times.total + t.first_audio;
  all.times.tokenize += t.tokenize;
  all.times.prefill += t.prefill;
  all.times.talker += t.talker;
  all.times.predictor += t.predictor;
  all.times.codec += t.codec;
  all.times.write += t.write;
  all.times.total += t.total;
  all.codes.insert(all.codes.end(), chunk.codes.begin(), chunk.codes.end());
  all.frames += chunk.frames;
  all.samples += chunk.samples;
  all.text_tokens += chunk.text_tokens;
  all.prompt_rows += chunk.prompt_rows;
  all.language_used = chunk.language_used;
  all.counters.syncs += chunk.counters.syncs;
  all.counters.launches += chunk.counters.launches;
  all.counters.graph_replays += chunk.counters.graph_replays;
  all.counters.copies += chunk.counters.copies;
  all.counters.allocations += chunk.counters.allocations;
  if (was_stopped(chunk.finish) || ended_by_itself(all.finish)) all.finish = chunk.finish;
  for (const std::string& warning : chunk.warnings) {
    if (std::find(all.warnings.begin(), all.warnings.end(), warning) == all.warnings.end())
      all.warnings.push_back(warning);
  }
}

// One attempt at a chunk.
Spoken attempt(Run& run, const SpeakRequest& request, SpeechOutput& output, const SampleSink& sink) {
  ProgressLine progress(run.args.text("progress", "auto"), run.log);
  bool reader_gone = false;
  SpeakCallbacks callbacks;
  callbacks.samples = sink;
  callbacks.progress = [&](const Progress& p) {
    if (p.frames > 0) output.begin();
    progress.update(p);
  };
  callbacks.stop = [&]() -> std::optional<FinishReason> {
    reader_gone = reader_gone || output.reader_gone();
    if (reader_gone) return FinishReason::cancelled;
    const auto reason = stop_reason();
    if (!reason) return std::nullopt;
    return *reason == Exit::timeout ? FinishReason::timeout : FinishReason::cancelled;
  };
  Spoken spoken;
  try {
    spoken = run.engine->speak(request, callbacks);
  } catch (...) {
    progress.clear();
    throw;
  }
  progress.clear();
  check(!reader_gone, Exit::output, "standard output: cannot be written: the reader is gone");
  return spoken;
}

// A chunk until it ends by itself, or as often as --retries allows; then what was not handed over yet is.
Spoken speak_chunk(Run& run, SpeakRequest request, SpeechOutput& output, const SampleSink& sink,
                   ItemResult& result) {
  const uint64_t seed = request.seed;
  for (int attempts = 1;; ++attempts) {
    request.seed = seed_of_attempt(seed, attempts - 1);
    std::vector<float> kept;
    const SampleSink keep = [&](std::span<const float> samples) {
      kept.insert(kept.end(), samples.begin(), samples.end());
    };
    Spoken spoken = attempt(run, request, output, run.retries > 0 ? keep : sink);
    result.attempts = std::max(result.attempts, attempts);
    const bool last = ended_by_itself(spoken.finish) || was_stopped(spoken.finish) || attempts > run.retries;
    if (last && !kept.empty()) sink(kept);
    if (last) return spoken;
    run.log.say(
        format("{}attempt {} ended with {}: once more", result.item->where, attempts, str(spoken.finish)));
  }
}

// The chunks of a long text as one recording; what they cost and said together.
Spoken speak_plan(Run& run, SpeakRequest request, const SpeechPlan& plan, SpeechOutput& output,
                  ItemResult& result) {
  const ModelConfig& config = run.engine->model().config;
  Joiner joiner({.rate_hz = config.codec.sample_rate},
                [&](std::span<const float> samples) { output.write(samples); });
  const uint64_t seed = request.seed;
  const std::string speaker = request.speaker, language = request.language;
  const double longest = request.max_seconds;
  Spoken all;
  double gap_ms = 0;
  for (size_t i = 0; i < plan.chunks.size(); ++i) {
    const PlannedChunk& chunk = plan.chunks[i];
    const double behind = chunk.pause_ms > 0     ? chunk.pause_ms
                          : chunk.ends_paragraph ? run.care.paragraph_gap_ms
                                                 : run.care.gap_ms;
    if (!chunk.speakable) {
      gap_ms = std::max(gap_ms, behind);
      continue;
    }
    const double seconds = static_cast<double>(joiner.samples()) / config.codec.sample_rate;
    if (longest > 0 && seconds >= longest) {
      all.finish = FinishReason::length;
      break;
    }
    request.text = chunk.text;
    request.seed = seed_of_chunk(seed, i);
    request.speaker = chunk.voice.empty() ? speaker : chunk.voice;
    request.language = chunk.language.empty() ? language : chunk.language;
    request.max_seconds = longest > 0 ? longest - seconds : 0;
    joiner.begin_chunk(gap_ms);
    const Spoken spoken = speak_chunk(
        run, request, output, [&](std::span<const float> s) { joiner.write(s); }, result);
    const Placed placed = joiner.end_chunk();
    if (placed.end > placed.begin) run.subtitles.push_back({chunk.text, placed.begin, placed.end});
    add_chunk(all, spoken);
    if (was_stopped(spoken.finish)) break;
    gap_ms = behind;
  }
  return all;
}

Spoken speak_text(Run& run, const SpeakRequest& request, SpeechOutput& output, ItemResult& result) {
  const SampleSink sink = [&](std::span<const float> samples) { output.write(samples); };
  if (request.raw_control_tokens) return speak_chunk(run, request, output, sink, result);
  const SpeechPlan plan = plan_item(run.care, request.text, request.language, run.engine->model());
  result.warnings.insert(result.warnings.end(), plan.warnings.begin(), plan.warnings.end());
  for (const PlannedChunk& chunk : plan.chunks) run.log.detail("spoken: " + chunk.text);
  if (!is_single(plan)) return speak_plan(run, request, plan, output, result);
  SpeakRequest single = request;
  single.text = plan.chunks.front().text;
  if (!plan.chunks.front().voice.empty()) single.speaker = plan.chunks.front().voice;
  if (!plan.chunks.front().language.empty()) single.language = plan.chunks.front().language;
  Spoken spoken = speak_chunk(run, single, output, sink, result);
  run.subtitles.push_back({single.text, 0, spoken.samples});
  return spoken;
}

void write_subtitles(Run& run) {
  if (!run.args.has("subtitles")) return;
  const std::string path = run.args.text("subtitles");
  const Orderly orderly;
  write_file(path, print_subtitles(run.subtitles, run.engine->model().config.codec.sample_rate,
                                   subtitle_form(path)));
}

ItemResult speak_item(Run& run, const Item& item, const OutputPlan& plan) {
  const auto begin = Clock::now();
  ItemResult result{.item = &item, .format = std::string(str(plan.format))};
  const SpeakRequest request = request_of(run, item, result.warnings);
  const ModelConfig& config = run.engine->model().config;
  SpeechOutput output(plan, config.codec.sample_rate);
  result.spoken = speak_text(run, request, output, result);
  const bool stopped = was_stopped(result.spoken.finish);
  const auto begin_write = Clock::now();
  stopped ? output.finish_partial() : output.finish();
  write_codes(run, result.spoken, stopped);
  write_subtitles(run);
  result.spoken.times.write += ms_since(begin_write);
  result.output = output.final_name();
  result.sample_rate = plan.rate_hz > 0 ? plan.rate_hz : config.codec.sample_rate;
  result.samples = output.samples_out();
  result.seed = request.seed;
  result.speaker = request.speaker;
  result.language_asked = item.language.value_or(run.args.text("language", "auto"));
  result.load_ms = run.load_ms;
  result.wall_ms = ms_since(begin);
  result.warnings.insert(result.warnings.end(), result.spoken.warnings.begin(), result.spoken.warnings.end());
  if (output.clamped() > 0)
    result.warnings.push_back(format("{} samples beyond full scale were clamped", output.clamped()));
  return result;
}

// Whose item a line on standard error is about, when there are several.
std::string prefix(const Run& run, const Item& item) {
  return run.source->several() ? item.where : std::string();
}

void say_speaker(const Run& run, const Item& item) {
  if (item.speaker || run.args.has("speaker")) return;
  const std::string name = choose_speaker_name(std::nullopt, run.engine->model().config);
  if (!name.empty())
    run.log.say(format("{}speaker: {}, the first of this checkpoint (choose with --speaker)",
                       prefix(run, item), name));
}

// The exit code of the item; its JSON line is out when this returns.
Exit do_item(Run& run, const Item& item, ResultSink& sink) {
  try {
    if (item.error) std::rethrow_exception(item.error);
    for (const std::string& note : item.notes) run.log.detail(item.where + note);
    OutputPlan plan = run.output;
    if (run.source->several()) {
      plan = plan_item_output(run.args, item.id, item.output.value_or(""));
      check(run.outputs.insert(plan.path).second, Exit::bad_input,
            "output: {}: an item before this one is written there", plan.path);
      check_output_path(plan.path, plan.keep_existing, std::vector<std::string>{run.source->file()});
    } else {
      check(!item.output, Exit::internal, "output: a single item has no key");
    }
    say_speaker(run, item);
    const ItemResult result = speak_item(run, item, plan);
    for (const std::string& warning : result.warnings) run.log.say(prefix(run, item) + warning);
    run.log.say(prefix(run, item) + summary(result));
    sink.line(result_json(result, *run.engine));
    if (was_stopped(result.spoken.finish)) return *stop_reason();
    return ended_by_itself(result.spoken.finish) ? Exit::ok : Exit::limit;
  } catch (const Error& error) {
    const bool says_origin = item.error != nullptr;
    say_error(says_origin ? std::string(error.what()) : item.where + error.what());
    sink.line(failure_json(item, error));
    return error.exit;
  }
}

// The file is written when the run ends, however it ends.
class TraceFile {
 public:
  explicit TraceFile(const Arguments& args) {
    if (args.has("trace")) open_trace(args.text("trace"));
  }
  TraceFile(const TraceFile&) = delete;
  ~TraceFile() {
    try {
      finish();
    } catch (const Error& error) {
      say_error(error.what());
    }
  }
  void finish() {
    const Orderly orderly;
    close_trace();
  }
};

int speak_items(Run& run) {
  TraceFile trace(run.args);
  ResultSink sink(run.args, run.source->several(), run.source->json_lines());
  load_engine(run);
  std::vector<std::string> warnings;
  run.voices->save(*run.engine, warnings);
  Exit first_failure = Exit::ok;
  bool limited = false;
  while (const std::optional<Item> item = run.source->next()) {
    const Exit code = do_item(run, *item, sink);
    const bool failed = code != Exit::ok && code != Exit::limit;
    limited = limited || code == Exit::limit;
    if (failed && first_failure == Exit::ok) first_failure = code;
    if (stop_reason() || (failed && run.args.has("fail-fast"))) break;
  }
  sink.finish();
  trace.finish();
  const Exit ended = first_failure == Exit::ok && limited ? Exit::limit : first_failure;
  return static_cast<int>(stop_reason().value_or(ended));
}

// ---- codes alone
// ------------------------------------------------------------------------------------------------------

int speak_codes(Run& run, const std::string& path) {
  TraceFile trace(run.args);
  const CodesFile codes = load_codes(path);
  load_engine(run);
  const ModelConfig& config = run.engine->model().config;
  check_codes(codes, config.codec.groups, config.codec.codebook_size, path);
  const auto begin = Clock::now();
  const std::vector<float> samples = run.engine->decode(codes.codes);
  Item item;
  item.id = "0001";
  ItemResult result{.item = &item, .format = std::string(str(run.output.format))};
  result.spoken.times.codec = ms_since(begin);
  SpeechOutput output(run.output, config.codec.sample_rate);
  output.write(samples);
  output.finish();
  result.output = output.final_name();
  result.spoken.frames = codes.frames();
  result.spoken.times.total = result.wall_ms = ms_since(begin);
  result.sample_rate = run.output.rate_hz > 0 ? run.output.rate_hz : config.codec.sample_rate;
  result.samples = output.samples_out();
  result.load_ms = run.load_ms;
  run.log.say(summary(result));
  ResultSink sink(run.args, false, false);
  sink.line(result_json(result, *run.engine));
  sink.finish();
  trace.finish();
  return static_cast<int>(Exit::ok);
}

}  // namespace

int codec_decode(const Arguments& args) {
  Run run{.args = args, .log = log_of(args)};
  run.output = plan_output(args);
  if (!run.output.said.empty()) run.log.say(run.output.said);
  const std::string path = args.operands.front();
  if (!run.output.path.empty()) check_output_path(run.output.path, run.output.keep_existing, args.operands);
  return speak_codes(run, path);
}

int synthesise(const Arguments& args) {
  if (args.has("timeout")) start_timeout(args.real("timeout", 0));
  if (args.has("from-codes")) {
    check(args.operands.empty() && !args.has("text") && !args.has("file") && !args.has("input") &&
              !args.has("codes"),
          Exit::usage, "--from-codes: takes the place of the text, got both");
    Run run = open_run(args, false);
    check_outputs(run);
    return speak_codes(run, args.text("from-codes"));
  }
  device_choice(args);
  model_choice(args);
  ItemSource source(args, false);
  Run run = open_run(args, source.several());
  run.source = &source;
  check_outputs(run);
  return speak_items(run);
}

}  // namespace tts
