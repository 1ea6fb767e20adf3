#include "tools/speech_output.h"

#include "base/file.h"
#include "codec/resample.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace tts {

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool is_pipe(int descriptor) {
  struct stat info {};
  return fstat(descriptor, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

OutputPlan with_format(OutputPlan plan, const Arguments& args) {
  plan.rate_hz = static_cast<int>(args.integer("rate", 0));
  plan.keep_existing = args.has("no-clobber");
  struct stat info {};  // FIFOs and devices have no extension: the same default as standard output
  const bool special =
      stat(plan.path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  plan.format = plan.player.empty() ? choose_audio_format(special ? "-" : plan.path, args.text("format"))
                                    : AudioFormat::raw;
  return plan;
}

// Without --output: what a person at a terminal, a pipeline and a script most likely want.
OutputPlan default_output(const Arguments& args) {
  const bool json = args.has("json") && args.text("json").empty();
  if (isatty(STDOUT_FILENO) == 1) {
    if (const auto player = find_player())
      return {.player = *player, .said = "no --output: playing through " + *player};
    return {.path = "out.wav", .said = "no --output and no player found: writing out.wav"};
  }
  if (is_pipe(STDOUT_FILENO) && !json)
    return {.path = "-", .said = "no --output: a stream on standard output"};
  return {.path = "out.wav", .said = "no --output: writing out.wav"};
}

}  // namespace

OutputPlan plan_output(const Arguments& args) {
  const std::string option = args.has("join") ? "join" : "output";
  if (!args.has(option)) {
    OutputPlan plan = default_output(args);
    if (plan.path == "out.wav" && args.has("format"))
      plan.path = format("out.{}", extension(choose_audio_format("", args.text("format"))));
    return with_format(plan, args);
  }
  const OutputPlan plan = with_format({.path = args.text(option)}, args);
  const bool json = args.has("json") && (args.text("json").empty() || args.text("json") == "-");
  check(plan.path != "-" || !json, Exit::usage,
        "--json: standard output carries the audio; give --json=FILE");
  check(plan.path != "-" || isatty(STDOUT_FILENO) == 0, Exit::usage,
        "--{} -: standard output is a terminal; send it to a file or a pipe", option);
  return plan;
}

OutputPlan plan_item_output(const Arguments& args, const std::string& id, const std::string& wanted) {
  constexpr size_t kNameBytes{200};  // file systems allow 255 and the temporary name is longer
  std::string name = wanted;
  if (name.empty()) {
    const bool plain = !id.empty() && id[0] != '.' && std::all_of(id.begin(), id.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c >= 0x80;
    });
    check(plain, Exit::bad_input,
          "id: expected letters, digits, '-', '_' or '.' for a file name, got '{}'; give the key output", id);
    const AudioFormat chosen = choose_audio_format("", args.text("format", "wav"));
    name = format("{}.{}", id, extension(chosen));
  }
  const std::filesystem::path relative(name);
  check(relative.is_relative() && name.find('\0') == name.npos, Exit::bad_input,
        "output: expected a path below --output-dir, got '{}'", name);
  for (const auto& part : relative)
    check(part != ".." && part.native().size() <= kNameBytes, Exit::bad_input,
          "output: expected a path below --output-dir, no '..' and no name above {} bytes, got '{}'",
          kNameBytes, name);
  const std::filesystem::path path = std::filesystem::path(args.text("output-dir", ".")) / relative;
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  check(!error, Exit::output, "{}: cannot be made: {}", path.parent_path().string(), error.message());
  return with_format({.path = path.string()}, args);
}

void check_output_path(const std::string& path, bool keep_existing, std::span<const std::string> inputs) {
  if (path == "-") return;
  struct stat info {};
  const bool exists = stat(path.c_str(), &info) == 0;
  check(exists || errno == ENOENT, Exit::output, "{}: cannot be written: {}", path,
        std::generic_category().message(errno));
  check(!exists || !S_ISDIR(info.st_mode), Exit::output, "{}: expected a file, got a directory", path);
  check(!exists || !keep_existing, Exit::output, "{}: the file exists and --no-clobber was given", path);
  for (const std::string& input : inputs)
    check(input.empty() || input == "-" || !same_file(path, input), Exit::output,
          "{}: is also an input; give another --output", path);
  if (exists && !S_ISREG(info.st_mode)) return;
  const std::string folder = folder_of(path);
  check(access(folder.c_str(), W_OK | X_OK) == 0, Exit::output, "{}: cannot be written: {}: {}", path, folder,
        std::generic_category().message(errno));
}

std::string partial_name(const std::string& path) {
  const size_t dot = path.rfind('.');
  const size_t slash = path.rfind('/');
  const bool has_extension = dot != path.npos && dot != 0 && (slash == path.npos || dot > slash + 1);
  return has_extension ? path.substr(0, dot) + ".partial" + path.substr(dot) : path + ".partial";
}

SpeechOutput::SpeechOutput(const OutputPlan& plan, int sample_rate)
    : plan_(plan), sample_rate_(sample_rate), final_name_(plan.name()) {
  check_audio_output(plan.format, plan.rate_hz > 0 ? plan.rate_hz : sample_rate);
}

void SpeechOutput::begin() {
  if (orderly_) return;
  struct stat info {};
  const bool file = plan_.player.empty() && plan_.path != "-" &&
                    (stat(plan_.path.c_str(), &info) != 0 || S_ISREG(info.st_mode));
  orderly_.emplace(!file);
}

void SpeechOutput::open() {
  if (writer_) return;
  begin();
  std::string path = plan_.path;
  if (!plan_.player.empty()) {
    player_ = start_player(plan_.player, plan_.rate_hz > 0 ? plan_.rate_hz : sample_rate_);
    path = player_->pipe;
  }
  writer_.emplace(path, AudioOutput{.format = plan_.format,
                                    .rate_hz = sample_rate_,
                                    .output_rate_hz = plan_.rate_hz,
                                    .existing = plan_.keep_existing ? FileWriter::Existing::refuse
                                                                    : FileWriter::Existing::replace});
  if (player_) ::close(player_->descriptor), player_->descriptor = -1;  // the writer has opened it once more
}

void SpeechOutput::write(std::span<const float> samples) {
  open();
  writer_->write(samples);
  samples_ += static_cast<int64_t>(samples.size());
}

void SpeechOutput::close() {
  clamped_ = writer_->clamped();
  writer_.reset();
  orderly_.reset();
  if (player_) wait_for_player(*player_);
  player_.reset();
}

void SpeechOutput::finish() {
  open();
  writer_->finish();
  close();
}

void SpeechOutput::finish_partial() {
  if (!writer_) return orderly_.reset();
  if (writer_->is_file()) final_name_ = partial_name(plan_.path);
  writer_->finish_as(final_name_);
  close();
}

void SpeechOutput::discard() {
  if (!writer_) return;
  writer_->discard();
  writer_.reset();
  orderly_.reset();
  samples_ = 0;
}

bool SpeechOutput::reader_gone() const {
  if (plan_.path != "-") return false;
  pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

int64_t SpeechOutput::samples_out() const {
  return plan_.rate_hz == 0 || plan_.rate_hz == sample_rate_
             ? samples_
             : resampled_count(samples_, sample_rate_, plan_.rate_hz);
}

}  // namespace tts
