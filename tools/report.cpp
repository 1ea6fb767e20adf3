#include "tools/report.h"

#include "base/file.h"
#include "engine/device_plan.h"
#include "tokenizer/tokenizer.h"
#include "tools/signals.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tts {

namespace {

void write_all(int descriptor, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t done = write(descriptor, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    check(done > 0, Exit::output, "{}: cannot be written: {}", name,
          std::generic_category().message(done == 0 ? ENOSPC : errno));
    bytes.remove_prefix(static_cast<size_t>(done));
  }
}

double per_frame(int64_t count, int frames) { return frames > 0 ? static_cast<double>(count) / frames : 0; }
double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// ---- standard error ---------------------------------------------------------------------------------------

void say_error(std::string_view line) {
  const std::string text = "tts-gen: " + printable(line) + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {  // whoever closed standard error does not want to know
    const ssize_t done = write(STDERR_FILENO, rest.data(), rest.size());
    if (done <= 0) return;
    rest.remove_prefix(static_cast<size_t>(done));
  }
}

void Log::say(std::string_view line) const {
  if (!quiet) say_error(line);
}
void Log::detail(std::string_view line) const {
  if (verbose) say_error(line);
}

ProgressLine::ProgressLine(std::string_view when, const Log& log)
    : shown_(when == "always" || (when == "auto" && !log.quiet && isatty(STDERR_FILENO) == 1)) {}

std::string progress_text(const Progress& p, const ChunksAhead& ahead, std::time_t now) {
  const double elapsed = ahead.elapsed_seconds + p.elapsed_seconds;
  const auto frames = static_cast<double>(ahead.frames + p.frames);
  const auto behind = static_cast<double>(ahead.expected_frames);
  const double left = elapsed / frames * (std::max(0, p.expected_frames - p.frames) + behind);
  const double spoken = p.frames > 0 ? p.seconds / p.frames * frames : 0;  // in this run
  std::string line = ahead.chunks > 1 ? format("chunk {} of {}", ahead.chunk, ahead.chunks)
                                      : format("{} frames", p.frames);
  line += format(", {} s of audio, RTF {}, about {} s left", fixed(ahead.seconds + p.seconds, 1),
                 fixed(spoken > 0 ? elapsed / spoken : 0, 2), fixed(left, 0));
  if (ahead.chunks <= 1) return line;
  const std::time_t end = now + static_cast<std::time_t>(left);
  std::tm local{};
  char clock[16];
  localtime_r(&end, &local);
  if (std::strftime(clock, sizeof clock, "%H:%M", &local) > 0) line += format(", until {}", clock);
  return line;
}

void ProgressLine::update(const Progress& p, const ChunksAhead& ahead) {
  constexpr double kRedrawMs{100};
  if (!shown_ || p.frames == 0 || ms_since(last_) < kRedrawMs) return;
  last_ = Clock::now();
  std::string line = progress_text(p, ahead, std::time(nullptr));
  const size_t width = line.size();
  line.append(width_ > width ? width_ - width : 0, ' ');  // over the rest of the old line
  width_ = width;
  line.insert(0, "\r");
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) shown_ = false;
}

void ProgressLine::clear() {
  if (width_ == 0) return;
  const std::string line = "\r" + std::string(width_, ' ') + "\r";
  width_ = 0;
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) shown_ = false;
}

// ---- JSON -------------------------------------------------------------------------------------------------

void write_stdout(std::string_view bytes) { write_all(STDOUT_FILENO, bytes, "standard output"); }

void write_report(const Arguments& args, std::string_view text) {
  const std::string path = args.text("json");
  if (path.empty() || path == "-") return write_stdout(text);
  const Orderly orderly;
  write_file(path, text);
}

void text_field(JsonWriter& json, std::string_view name, std::string_view text) {
  json.key(name).value(first_invalid_utf8(text) == text.npos ? std::string_view(text)
                                                             : std::string_view(printable(text)));
}

void id_field(JsonWriter& json, const Item& item) {
  if (item.id_number) {
    json.field("id", *item.id_number);
  } else {
    text_field(json, "id", item.id);
  }
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

namespace {

void what_it_is(JsonWriter& json, const ItemResult& r, const Engine& engine) {
  const ModelConfig& config = engine.model().config;
  const DeviceFacts& device = engine.device();
  json.key("model").begin_object();
  std::string directory = config.directory;
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  text_field(json, "name", directory.substr(directory.rfind('/') + 1));
  json.field("type", str(config.type)).field("size", std::string_view(config.size)).end_object();
  json.key("device").begin_object().field("kind", std::string_view(device.kind));
  text_field(json, "name", device.name);
  json.field("dtype", std::string_view(device.dtype)).field("quant", std::string_view(device.quant))
      .field("codec_dtype", std::string_view(device.codec_dtype));
  json.field("threads", device.threads).end_object();
  json.key("speaker");
  if (r.speaker.empty())
    json.null();
  else
    json.value(std::string_view(r.speaker));
  json.key("language").begin_object();
  text_field(json, "asked", r.language_asked);
  json.field("used", std::string_view(r.spoken.language_used)).end_object();
}

void what_it_cost(JsonWriter& json, const ItemResult& r, const Engine& engine) {
  const Spoken& s = r.spoken;
  const StageTimes& t = s.times;
  json.key("timing_ms").begin_object();
  json.field("load", r.load_ms).field("tokenize", t.tokenize).field("prefill", t.prefill);
  json.field("first_audio", t.first_audio).field("talker", t.talker).field("predictor", t.predictor);
  json.field("codec", t.codec).field("write", t.write).field("total", t.total).end_object();
  json.key("per_frame").begin_object();
  json.field("syncs", per_frame(s.counters.syncs, s.frames))
      .field("launches", per_frame(s.counters.launches, s.frames));
  json.field("copies", per_frame(s.counters.copies, s.frames));
  json.field("allocations", per_frame(s.counters.allocations, s.frames));
  json.field("graph_replays", per_frame(s.counters.graph_replays, s.frames)).end_object();
  json.key("memory_mb").begin_object();
  json.field("weights", megabytes(engine.model().weight_bytes))
      .field("session", megabytes(engine.session_bytes()));
  json.field("peak_rss", megabytes(peak_memory_bytes()))
      .field("device", megabytes(engine.device().memory_bytes))
      .field("planned", megabytes(plan_bytes(engine.device().plan)));
  json.end_object();
  json.field("rtf", r.rtf()).field("tok_s", r.wall_ms > 0 ? s.frames * 1000.0 / r.wall_ms : 0);
}

}  // namespace

std::string result_json(const ItemResult& r, const Engine& engine) {
  const Spoken& s = r.spoken;
  JsonWriter json;
  json.begin_object();
  id_field(json, *r.item);
  text_field(json, "output", r.output);
  json.field("format", std::string_view(r.format))
      .field("sample_rate", r.sample_rate)
      .field("samples", r.samples);
  json.field("seconds", r.seconds()).field("finish_reason", str(s.finish)).field("attempts", r.attempts);
  json.key("seed");
  if (r.seed)
    json.value(*r.seed);
  else
    json.null();
  what_it_is(json, r, engine);
  json.field("text_tokens", s.text_tokens).field("prompt_rows", s.prompt_rows).field("frames", s.frames);
  what_it_cost(json, r, engine);
  json.key("warnings").begin_array();
  for (const std::string& warning : r.warnings) json.value(std::string_view(printable(warning)));
  json.end_array().end_object();
  return json.str();
}

std::string failure_json(const Item& item, const Error& error) {
  JsonWriter json;
  json.begin_object();
  id_field(json, item);
  json.field("error", std::string_view(printable(error.what())))
      .field("exit", static_cast<int>(error.exit))
      .end_object();
  return json.str();
}

std::string summary(const ItemResult& r) {
  std::string line =
      format("{}: {} s of audio in {} s (RTF {}), {} frames, {}",
             r.output == "-" ? "standard output" : r.output, fixed(r.seconds(), 2),
             fixed(r.wall_ms / 1000, 2), fixed(r.rtf(), 2), r.spoken.frames, str(r.spoken.finish));
  if (!r.speaker.empty()) line += format(", speaker {}", r.speaker);
  if (!r.spoken.language_used.empty()) line += format(", language {}", r.spoken.language_used);
  if (r.seed) line += format(", seed {}", *r.seed);
  if (r.attempts > 1) line += format(", attempt {}", r.attempts);
  return line;
}

ResultSink::ResultSink(const Arguments& args, bool several, bool by_default) : several_(several) {
  path_ = args.text("json");
  to_stdout_ = path_.empty() && (args.has("json") || by_default);
  if (path_ == "-") path_.clear(), to_stdout_ = true;
}

ResultSink::~ResultSink() {
  if (descriptor_ >= 0) close(descriptor_);
}

void ResultSink::line(const std::string& json) {
  if (to_stdout_) write_stdout(json + "\n");
  if (path_.empty()) return;
  if (!several_) {
    whole_ += json + "\n";
    return;
  }
  // Many items may take hours: every line is in the file as soon as it is known.
  if (descriptor_ < 0) descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  check(descriptor_ >= 0, Exit::output, "{}: cannot be written: {}", path_,
        std::generic_category().message(errno));
  write_all(descriptor_, json + "\n", path_);
}

void ResultSink::finish() {
  const Orderly orderly;
  if (!whole_.empty()) write_file(path_, whole_);
  whole_.clear();
}

}  // namespace tts
