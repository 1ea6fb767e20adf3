// Everything that can be refused is refused before the model is loaded; then one item after the other, each
// with its own file and its own line of JSON. An item that fails says so and the next one goes on.
#include "tools/synthesise.h"

#include "base/file.h"
#include "base/trace.h"
#include "engine/codes_file.h"
#include "tools/recording.h"
#include "tools/settings.h"
#include "tools/voice_choice.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tts {

namespace {

// What every item of a run shares.
struct Run {
  const Arguments& args;
  Speaking speaking;
  ItemSource* source = nullptr;  // null: codes instead of text
  OutputPlan output{};           // of a single item, or of --join
  std::optional<uint64_t> seed{};
  bool streaming = false;
  double load_ms = 0;
  std::unique_ptr<VoiceChoice> voices{};
  std::unique_ptr<Recording> joined{};  // of --join
  std::set<std::string> outputs{};      // names of this run: no item replaces another one's file

  const Log& log() const { return speaking.log; }
  Engine& engine() const { return *speaking.engine; }
};

Run new_run(const Arguments& args) {
  return {.args = args, .speaking = {.args = args, .log = log_of(args)}};
}

// Combinations of options that can be refused before anything is opened.
void check_item_options(const Arguments& args, bool several) {
  const bool join = args.has("join");
  const std::string input = args.text("input");
  check(!several || !args.has("output"), Exit::usage,
        "--output: several items go below --output-dir or to --join, got --output {}", args.text("output"));
  check(!several || !args.has("codes"), Exit::usage, "--codes: expected one item, got --input {}", input);
  check(several || !args.has("output-dir"), Exit::usage,
        "--output-dir: expected --input lines or jsonl; one item goes to --output");
  check(several || !join, Exit::usage,
        "--join: expected --input lines or jsonl; one item goes to --output");
  check(!join || !args.has("output-dir"), Exit::usage,
        "--join: expected one place, got --output-dir as well");
  check(!several || join || !args.has("subtitles"), Exit::usage,
        "--subtitles: expected one recording, got --input {}; --join makes one of several items", input);
  if (args.has("subtitles")) subtitle_form(args.text("subtitles"));
  if (args.has("codes")) codes_form(args.text("codes"));
  check_voice_options(args);
}

Run open_run(const Arguments& args, bool several) {
  Run run = new_run(args);
  check_item_options(args, several);
  run.voices = std::make_unique<VoiceChoice>(args);
  run.speaking.care = text_care_of(args);
  run.speaking.retries = static_cast<int>(args.integer("retries", 0));
  if (!several || args.has("join")) run.output = plan_output(args);
  run.streaming = args.has("stream") || run.output.is_stream();
  check(run.speaking.retries == 0 || !run.streaming, Exit::usage,
        "--retries: what was streamed cannot be taken back; give --output FILE without --stream");
  return run;
}

void check_outputs(const Run& run) {
  const Arguments& args = run.args;
  std::vector<std::string> inputs;
  if (run.source) inputs.push_back(run.source->file());
  for (const char* name : {"from-codes", "ref-audio", "ref-text-file", "voice", "lexicon"}) {
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
  DeviceChoice choice = device_choice(run.args);
  const std::string directory = model_choice(run.args);
  resolve_device(choice);  // a device that is not there is said before the weights are read
  std::unique_ptr<Model> model = load_model(directory, load_options(run.args));
  for (const std::string& warning : model->warnings) run.log().detail(warning);
  if (!chose_model(run.args)) {
    run.log().say(
        format("model: the embedded voice, as none was named (-m DIR); {}", model->rules.description));
  }
  if (run.speaking.job) run.speaking.model_identity = model_identity(*model);
  choice.needs = needs_of(run.args, *model);
  run.speaking.engine = std::make_unique<Engine>(std::move(model), choice);
  run.load_ms = ms_since(begin);
  const DeviceFacts& device = run.engine().device();
  for (const Arena::Entry& entry : device.plan)
    run.log().detail(format("device memory: {}: {} bytes", entry.name, entry.bytes));
  if (choice.kind == "auto")
    run.log().say(format("device: {} ({}), {}; {}", device.kind, device.name, device.dtype, device.why));
}

// Once, when it is sure that there is something to write.
void say_output(Run& run) {
  const std::string said = std::exchange(run.output.said, {});
  if (!said.empty()) run.log().say(said);
}

// Of items without a seed of their own: given, or drawn once; a job remembers what was drawn.
uint64_t seed_of_run(Run& run) {
  if (run.seed) return *run.seed;
  if (run.args.has("seed"))
    run.seed = static_cast<uint64_t>(run.args.integer("seed", 0));
  else
    run.seed = run.speaking.job ? run.speaking.job->seed() : draw_seed();
  return *run.seed;
}

SpeakRequest request_of(Run& run, const Item& item, std::vector<std::string>& warnings) {
  const Arguments& args = run.args;
  const ModelConfig& config = run.engine().model().config;
  const auto asked = [&](const std::optional<std::string>& own, const char* option) {
    return own ? own : args.has(option) ? std::optional(args.text(option)) : std::nullopt;
  };
  SpeakRequest request;
  request.text = item.text;
  request.voice = run.voices->voice_of(item, run.engine(), warnings);
  check(request.voice || !args.has("carry"), Exit::usage,
        "--carry: expected a base checkpoint with --ref-audio or --voice");
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
  request.seed = item.seed ? static_cast<uint64_t>(*item.seed) : seed_of_run(run);
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
             {.groups = run.engine().model().config.talker.groups, .codes = spoken.codes});
}

void write_subtitles(const Run& run, const Recording& recording) {
  if (!run.args.has("subtitles")) return;
  const std::string path = run.args.text("subtitles");
  const Orderly orderly;
  write_file(path, print_subtitles(recording.subtitles, run.engine().model().config.codec.sample_rate,
                                   subtitle_form(path)));
}

// The audio of the item, in a file of its own unless items are joined.
void record_item(Run& run, const SpeakRequest& request, const OutputPlan& plan, ItemResult& result) {
  const int rate = run.engine().model().config.codec.sample_rate;
  std::optional<Recording> own;
  if (!run.joined) own.emplace(plan, rate, false);
  Recording& recording = own ? *own : *run.joined;
  const int64_t before = recording.output.samples_out();
  result.spoken = speak_text(run.speaking, request, recording, result);
  const auto begin_write = Clock::now();
  if (own) {
    const bool stopped = was_stopped(result.spoken.finish);
    stopped ? own->output.finish_partial() : own->output.finish();
    write_codes(run, result.spoken, stopped);
    write_subtitles(run, *own);
  }
  result.spoken.times.write += ms_since(begin_write);
  result.output = recording.output.final_name();
  result.samples = recording.output.samples_out() - before;
  if (recording.output.clamped() > 0)
    result.warnings.push_back(
        format("{} samples beyond full scale were clamped", recording.output.clamped()));
}

ItemResult speak_item(Run& run, const Item& item, const OutputPlan& plan) {
  const auto begin = Clock::now();
  ItemResult result{.item = &item, .format = std::string(str(plan.format))};
  const SpeakRequest request = request_of(run, item, result.warnings);
  const ModelConfig& config = run.engine().model().config;
  record_item(run, request, plan, result);
  result.sample_rate = plan.rate_hz > 0 ? plan.rate_hz : config.codec.sample_rate;
  result.seed = request.seed;
  result.speaker = request.speaker;
  result.language_asked = item.language.value_or(run.args.text("language", "auto"));
  result.load_ms = run.load_ms;
  result.wall_ms = ms_since(begin);
  result.warnings.insert(result.warnings.end(), result.spoken.warnings.begin(), result.spoken.warnings.end());
  return result;
}

// Whose item a line on standard error is about, when there are several.
std::string prefix(const Run& run, const Item& item) {
  return run.source->several() ? item.where : std::string();
}

void say_speaker(const Run& run, const Item& item) {
  if (item.speaker || run.args.has("speaker")) return;
  const std::string name = choose_speaker_name(std::nullopt, run.engine().model().config);
  if (!name.empty())
    run.log().say(format("{}speaker: {}, the first of this checkpoint (choose with --speaker)",
                       prefix(run, item), name));
}

// The exit code of the item; its JSON line is out when this returns.
Exit do_item(Run& run, const Item& item, ResultSink& sink) {
  try {
    if (item.error) std::rethrow_exception(item.error);
    for (const std::string& note : item.notes) run.log().detail(item.where + note);
    if (!run.args.has("raw-control-tokens")) check_speakable(item.text);
    say_output(run);
    OutputPlan plan = run.output;
    if (run.joined) {
      check(!item.output, Exit::bad_input, "output: every item is written to --join {}, got '{}'",
            run.output.path, item.output.value_or(""));
    } else if (run.source->several()) {
      plan = plan_item_output(run.args, item.id, item.output.value_or(""));
      check(run.outputs.insert(plan.path).second, Exit::bad_input,
            "output: {}: an item before this one is written there", plan.path);
      check_output_path(plan.path, plan.keep_existing, std::vector<std::string>{run.source->file()});
    } else {
      check(!item.output, Exit::internal, "output: a single item has no key");
    }
    say_speaker(run, item);
    const ItemResult result = speak_item(run, item, plan);
    for (const std::string& warning : result.warnings) run.log().say(prefix(run, item) + warning);
    run.log().say(prefix(run, item) + summary(result));
    sink.line(result_json(result, run.engine()));
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

// A joined recording without one of its items would be another one: it ends there, under the partial name.
void finish_joined(Run& run, bool whole) {
  check(!whole || run.joined->joiner.samples() > 0, Exit::bad_input,
        "--join: expected items with sound, got none; nothing was written");
  whole ? run.joined->output.finish() : run.joined->output.finish_partial();
  if (run.joined->joiner.samples() == 0) return;
  write_subtitles(run, *run.joined);
  const double seconds = static_cast<double>(run.joined->joiner.samples()) /
                         run.engine().model().config.codec.sample_rate;
  run.log().say(format("{}: {} s of audio", run.joined->output.final_name(), fixed(seconds, 2)));
}

void say_job(const Run& run) {
  if (run.speaking.job)
    run.log().say(format("job: {} chunks spoken, {} taken from {}", run.speaking.chunks_spoken,
                         run.speaking.chunks_kept, run.args.text("job")));
}

int speak_items(Run& run) {
  TraceFile trace(run.args);
  ResultSink sink(run.args, run.source->several(), run.source->json_lines());
  if (run.args.has("job")) run.speaking.job = std::make_unique<Job>(run.args.text("job"));
  load_engine(run);
  if (run.args.has("join"))
    run.joined =
        std::make_unique<Recording>(run.output, run.engine().model().config.codec.sample_rate, true);
  std::vector<std::string> warnings;
  run.voices->save(run.engine(), warnings);
  Exit first_failure = Exit::ok;
  bool limited = false;
  while (const std::optional<Item> item = run.source->next()) {
    const Exit code = do_item(run, *item, sink);
    const bool failed = code != Exit::ok && code != Exit::limit;
    limited = limited || code == Exit::limit;
    if (failed && first_failure == Exit::ok) first_failure = code;
    if (stop_reason() || (failed && (run.args.has("fail-fast") || run.joined))) break;
  }
  if (run.joined) finish_joined(run, first_failure == Exit::ok);
  say_job(run);
  sink.finish();
  trace.finish();
  const Exit ended = first_failure == Exit::ok && limited ? Exit::limit : first_failure;
  return static_cast<int>(stop_reason().value_or(ended));
}

// ---- codes alone -------------------------------------------------------------------------------

int speak_codes(Run& run, const std::string& path) {
  TraceFile trace(run.args);
  const CodesFile codes = load_codes(path);
  load_engine(run);
  say_output(run);
  const ModelConfig& config = run.engine().model().config;
  check_codes(codes, config.codec.groups, config.codec.codebook_size, path);
  const auto begin = Clock::now();
  const std::vector<float> samples = run.engine().decode(codes.codes);
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
  run.log().say(summary(result));
  ResultSink sink(run.args, false, false);
  sink.line(result_json(result, run.engine()));
  sink.finish();
  trace.finish();
  return static_cast<int>(Exit::ok);
}

}  // namespace

int codec_decode(const Arguments& args) {
  Run run = new_run(args);
  run.output = plan_output(args);
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
