#include "tools/job.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "engine/safetensors.h"
#include "engine/tensor_writer.h"
#include "tools/settings.h"
#include "tools/signals.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tts {

namespace {

constexpr std::string_view kFormat{"tts-gen job"};
constexpr int kVersion{1};
constexpr uint64_t kBasis{0xcbf29ce484222325u}, kPrime{0x100000001b3u};  // FNV-1a

uint64_t fnv(std::string_view bytes) {
  uint64_t hash = kBasis;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * kPrime;
  return hash;
}

// Gigabytes of weights: eight bytes at a time, in four lanes that do not wait for one another.
uint64_t hash_of(const void* data, int64_t bytes) {
  const auto* at = static_cast<const char*>(data);
  uint64_t lanes[4] = {kBasis, kBasis + 1, kBasis + 2, kBasis + 3};
  const auto stir = [](uint64_t& lane, const char* from, size_t count) {
    uint64_t word = 0;
    std::memcpy(&word, from, count);
    lane = std::rotl((lane ^ word) * 0x9e3779b97f4a7c15u, 29);
  };
  int64_t i = 0;
  for (; i + 32 <= bytes; i += 32)
    for (int lane = 0; lane < 4; ++lane) stir(lanes[lane], at + i + 8 * lane, 8);
  for (; i < bytes; i += 8) stir(lanes[0], at + i, static_cast<size_t>(std::min<int64_t>(8, bytes - i)));
  std::string all(reinterpret_cast<const char*>(lanes), sizeof lanes);
  all += format("{}", bytes);
  return fnv(all);
}

std::string hexadecimal(uint64_t value) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

uint64_t checksum(const FinishedChunk& chunk) {
  return hash_of(chunk.samples.data(), static_cast<int64_t>(bytes_of(chunk.samples).size())) ^
         std::rotl(fnv(bytes_of(chunk.spoken.codes)), 1);
}

FinishReason finish_of(const Json& value) {
  for (const FinishReason reason : {FinishReason::eos, FinishReason::length, FinishReason::guard})
    if (value.text() == str(reason)) return reason;
  throw Error(Exit::bad_input, "{}: expected eos, length or guard, got {}", value.where(), value.brief());
}

// A directory that holds nothing yet, or what a run left that was killed while it made the job.
bool is_untouched(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name != "lock" && name != "chunks" && !name.ends_with(".tts-tmp")) return false;
  }
  return true;
}

}  // namespace

uint64_t model_identity(Model& model) {
  std::string all;
  for (const char* name :
       {"config.json", "generation_config.json", "vocab.json", "merges.txt", "tokenizer_config.json",
        "tokenizer.model", "voice.json", "speech_tokenizer/config.json"}) {
    if (!model.files.has(name)) continue;
    const auto bytes = model.files.bytes(name);
    all += format("{} {}\n", name, hash_of(bytes.data(), static_cast<int64_t>(bytes.size())));
  }
  each_tensor(model, [&](const Tensor& tensor, const std::string& name, const Shape& shape) {
    if (!tensor) return;
    all += format("{} {} {}\n", name, shape, hash_of(tensor.data, byte_size(tensor.dtype, tensor.shape)));
    if (!tensor.scales) return;
    const int64_t blocks = tensor.dtype == DType::int4_blocks ? tensor.columns() / 32 : 1;
    all += format("{}\n", hash_of(tensor.scales, tensor.rows() * blocks * int64_t{sizeof(float)}));
  });
  return fnv(all);
}

std::string chunk_inputs(const ChunkInputs& inputs, const SpeakRequest& r) {
  const Sampling& s = r.sampling;
  const DeviceFacts& d = inputs.device;
  std::string voice = "none";
  if (r.voice)
    voice = format("{} {} {}", fnv(bytes_of(r.voice->speaker_vector)), fnv(bytes_of(r.voice->codes)),
                   fnv(r.voice->transcript));
  std::string out = format("version {}\nmodel {}\n", kVersion, inputs.model);
  out += format("device {} {} {} {}\n", d.kind, d.dtype, d.quant, inputs.device_options);
  out += format("seed {}\nretries {}\n", r.seed, inputs.retries);
  out += format("sampling {} {} {} {} {} {} {} {} {} {}\n", s.greedy, s.sub_greedy, s.temperature,
                s.sub_temperature, s.top_p, s.sub_top_p, s.top_k, s.sub_top_k, s.repetition_penalty,
                s.max_new_tokens);
  out += format("limits {} {}\n", r.max_seconds, r.guard);
  out += format("reading {} {} {} {}\n", static_cast<int>(r.text_mode), r.raw_control_tokens,
                r.official_chunks, r.official_reference_cut);
  out += format("speaker {}\nlanguage {}\nvoice {}\n", r.speaker, r.language, voice);
  out += format("instruct {} {}\ntext {} {}\n", r.instruct.size(), r.instruct, r.text.size(), r.text);
  return out;
}

// ---- the directory ----------------------------------------------------------------------------------------

namespace {

// The lock is gone with the process, however that ends.
int lock_directory(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  check(descriptor >= 0, Exit::output, "{}: cannot be written: {}", path,
        std::generic_category().message(errno));
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  const int reason = errno;
  close(descriptor);
  check(reason != EWOULDBLOCK, Exit::output,
        "{}: job: another process works in it; wait for its end, or name another directory", directory);
  throw Error(Exit::output, "{}: cannot be locked: {}", path, std::generic_category().message(reason));
}

}  // namespace

Job::Job(const std::string& directory) : directory_(directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  check(!error, Exit::output, "{}: job: cannot be made: {}", directory, error.message());
  const bool known = std::filesystem::exists(directory + "/job.json", error);
  check(known || is_untouched(directory), Exit::bad_input,
        "{}: job: expected an empty directory, or one that --job made, got other files; name a new one",
        directory);
  lock_ = lock_directory(directory);
  try {
    std::filesystem::exists(directory + "/job.json", error) ? read_head() : write_head();
    std::filesystem::create_directories(directory + "/chunks", error);
    check(!error, Exit::output, "{}/chunks: cannot be made: {}", directory, error.message());
  } catch (...) {
    close(lock_);
    throw;
  }
}

Job::~Job() { close(lock_); }

void Job::read_head() {
  const Json json = Json::load(directory_ + "/job.json");
  const Json* name = json.find("format");
  const bool ours = name && name->kind() == Json::Kind::text && name->text() == kFormat;
  check(ours, Exit::bad_input, "{}/job.json: format: expected \"{}\", got {}; this directory is not a job",
        directory_, kFormat, name ? name->brief() : "nothing");
  const int64_t version = json.at("version").integer(0, INT64_MAX);
  check(version == kVersion, Exit::bad_input,
        "{}/job.json: version: expected {}, got {}; finish the job with the program that began it, or name a "
        "new directory",
        directory_, kVersion, version);
  json.allow_only({"format", "version", "seed"});
  if (const Json* seed = json.find("seed")) seed_ = static_cast<uint64_t>(seed->integer(0, INT64_MAX));
}

void Job::write_head() {
  JsonWriter json;
  json.begin_object().field("format", kFormat).field("version", kVersion);
  if (seed_) json.field("seed", *seed_);
  json.end_object();
  const Orderly orderly;
  write_file(directory_ + "/job.json", json.str() + "\n");
}

uint64_t Job::seed() {
  if (!seed_) {
    seed_ = draw_seed();
    write_head();
  }
  return *seed_;
}

// ---- chunks -----------------------------------------------------------------------------------------------

std::string Job::file_of(const std::string& inputs) const {
  return format("{}/chunks/{}.safetensors", directory_, hexadecimal(fnv(inputs)));
}

void Job::keep(const std::string& inputs, const SpeakRequest& request, const FinishedChunk& chunk,
               int groups) {
  const Spoken& s = chunk.spoken;
  JsonWriter about;
  about.begin_object().field("text", std::string_view(request.text)).field("seed", request.seed);
  about.field("inputs", std::string_view(hexadecimal(fnv(inputs)))).field("finish_reason", str(s.finish));
  about.field("attempts", chunk.attempts).field("frames", s.frames).field("text_tokens", s.text_tokens);
  about.field("prompt_rows", s.prompt_rows).field("language", std::string_view(s.language_used));
  about.key("warnings").begin_array();
  for (const std::string& warning : s.warnings) about.value(std::string_view(warning));
  about.end_array().field("checksum", std::string_view(hexadecimal(checksum(chunk)))).end_object();
  const std::string& text = about.str();
  const auto count = [](const auto& values) { return static_cast<int64_t>(values.size()); };
  const Orderly orderly;
  write_safetensors(
      file_of(inputs),
      {{"audio", {.data = chunk.samples.data(), .dtype = DType::f32, .shape = {count(chunk.samples)}}},
       {"codes", {.data = s.codes.data(), .dtype = DType::i32, .shape = {count(s.codes) / groups, groups}}},
       {"about", {.data = text.data(), .dtype = DType::u8, .shape = {count(text)}}}});
}

namespace {

template <class T>
std::vector<T> values_of(const std::vector<StoredTensor>& tensors, std::string_view name, DType dtype,
                         const std::string& path) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](auto& t) { return t.name == name; });
  check(found != tensors.end() && found->tensor.dtype == dtype, Exit::bad_input,
        "{}: expected a tensor {} of {}", path, name, dtype);
  std::vector<T> values(static_cast<size_t>(found->bytes) / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), found->tensor.data, static_cast<size_t>(found->bytes));
  return values;
}

FinishedChunk read_chunk(const std::string& path) {
  const MappedFile file(path);
  const std::vector<StoredTensor> tensors = parse_safetensors(file.bytes(), path);
  FinishedChunk chunk;
  chunk.samples = values_of<float>(tensors, "audio", DType::f32, path);
  chunk.spoken.codes = values_of<int32_t>(tensors, "codes", DType::i32, path);
  const std::vector<char> about = values_of<char>(tensors, "about", DType::u8, path);
  const Json json = Json::parse({about.data(), about.size()}, path);
  Spoken& s = chunk.spoken;
  s.finish = finish_of(json.at("finish_reason"));
  s.frames = static_cast<int>(json.at("frames").integer(0, limits::kFrames));
  s.text_tokens = static_cast<int>(json.at("text_tokens").integer(0, INT32_MAX));
  s.prompt_rows = static_cast<int>(json.at("prompt_rows").integer(0, INT32_MAX));
  s.language_used = json.at("language").text();
  for (const Json& warning : json.at("warnings").items()) s.warnings.push_back(warning.text());
  s.samples = static_cast<int64_t>(chunk.samples.size());
  chunk.attempts = static_cast<int>(json.at("attempts").integer(1, INT32_MAX));
  file.check_intact();
  check(json.at("checksum").text() == hexadecimal(checksum(chunk)), Exit::bad_input,
        "{}: the checksum does not fit", path);
  return chunk;
}

}  // namespace

std::optional<FinishedChunk> Job::find(const std::string& inputs, std::string& complaint) const {
  const std::string path = file_of(inputs);
  if (access(path.c_str(), F_OK) != 0) return std::nullopt;
  try {
    return read_chunk(path);
  } catch (const Error& error) {
    complaint = format("{}; the chunk is spoken again", error.what());
    return std::nullopt;
  }
}

}  // namespace tts
