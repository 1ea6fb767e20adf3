#include "engine/voice.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "engine/safetensors.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tts {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the numbers of a voice are read and written as they lie");

constexpr std::string_view kMagic{"TTSVOICE"};
constexpr uint32_t kVersion{1};
constexpr int64_t kHeaderBytes{40};
constexpr int64_t kChecksumBytes{8};

struct Header {
  char magic[8];
  uint32_t version, width;
  uint64_t checkpoint;
  uint32_t frames, groups, transcript_bytes, zero;
};
static_assert(sizeof(Header) == kHeaderBytes);

uint64_t fnv(std::string_view bytes, uint64_t hash = 0xcbf29ce484222325u) {
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

std::string hexadecimal(uint64_t value) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What both kinds of files must hold.
void check_content(const SavedVoice& saved, const std::string& origin) {
  const std::vector<float>& vector = saved.voice.speaker_vector;
  for (size_t i = 0; i < vector.size(); ++i)
    check(std::isfinite(vector[i]), Exit::bad_input,
          "{}: speaker vector[{}]: expected a finite number, got {}", origin, i, vector[i]);
  const std::vector<int32_t>& codes = saved.voice.codes;
  for (size_t i = 0; i < codes.size(); ++i)
    check(codes[i] >= 0 && codes[i] < limits::kVocabulary, Exit::bad_input,
          "{}: codes[{}]: expected 0..{}, got {}", origin, i, limits::kVocabulary - 1, codes[i]);
  const std::string& text = saved.voice.transcript;
  const size_t bad = first_invalid_utf8(text);
  check(bad == text.npos, Exit::bad_input, "{}: transcript: byte {} is not valid UTF-8", origin, bad);
  check(static_cast<int64_t>(text.size()) <= limits::kTextBytes, Exit::bad_input,
        "{}: transcript: expected at most {} bytes, got {}", origin, limits::kTextBytes.value, text.size());
  check(codes.empty() || is_speakable(text), Exit::bad_input,
        "{}: transcript: expected the words of the reference, got none; in-context cloning needs them",
        origin);
}

void check_header(const Header& h, int64_t size, const std::string& origin) {
  check(h.width >= 1 && h.width <= limits::kHidden, Exit::bad_input,
        "{}: speaker vector: expected 1..{} values, got {}", origin, limits::kHidden.value, h.width);
  check(h.frames <= limits::kFrames, Exit::bad_input, "{}: reference frames: expected 0..{}, got {}", origin,
        limits::kFrames.value, h.frames);
  const bool fits = h.frames == 0 ? h.groups == 0 : h.groups >= 1 && h.groups <= limits::kCodeGroups;
  check(fits, Exit::bad_input, "{}: codes per frame: expected {}, got {}", origin,
        h.frames == 0 ? std::string("0 without frames") : format("1..{}", limits::kCodeGroups.value),
        h.groups);
  check(h.transcript_bytes <= limits::kTextBytes, Exit::bad_input,
        "{}: transcript: expected at most {} bytes, got {}", origin, limits::kTextBytes.value,
        h.transcript_bytes);
  check(h.zero == 0, Exit::bad_input, "{}: byte 36: expected 0, got {}", origin, h.zero);
  const int64_t want = kHeaderBytes + int64_t{4} * h.width + int64_t{4} * h.frames * h.groups +
                       h.transcript_bytes + kChecksumBytes;
  check(size == want, Exit::bad_input, "{}: expected {} bytes, got {}; the file is {}", origin, want, size,
        size < want ? "truncated" : "longer than a voice");
}

std::vector<float> read_vector(const Tensor& tensor, const std::string& origin) {
  check(tensor.shape.rank == 1 && tensor.shape[0] >= 1 && tensor.shape[0] <= limits::kHidden, Exit::bad_input,
        "{}: speaker_embedding: expected 1..{} values in one axis, got {}", origin, limits::kHidden.value,
        str(tensor));
  check(tensor.dtype == DType::f32 || tensor.dtype == DType::bf16, Exit::bad_input,
        "{}: speaker_embedding: expected F32 or BF16, got {}", origin, str(tensor.dtype));
  std::vector<float> out(static_cast<size_t>(tensor.shape[0]));
  if (tensor.dtype == DType::f32) {
    std::memcpy(out.data(), tensor.data, out.size() * sizeof(float));
    return out;
  }
  std::vector<bf16> halves(out.size());
  std::memcpy(halves.data(), tensor.data, halves.size() * sizeof(bf16));
  std::transform(halves.begin(), halves.end(), out.begin(), [](bf16 x) { return widen(x); });
  return out;
}

std::vector<int32_t> read_reference_codes(const Tensor& tensor, const std::string& origin) {
  const bool fits = tensor.shape.rank == 2 && tensor.rows() >= 1 && tensor.rows() <= limits::kFrames &&
                    tensor.columns() >= 1 && tensor.columns() <= limits::kCodeGroups;
  check(fits && (tensor.dtype == DType::i32 || tensor.dtype == DType::i64), Exit::bad_input,
        "{}: ref_codes: expected I32 or I64[1..{},1..{}], got {}", origin, limits::kFrames.value,
        limits::kCodeGroups.value, str(tensor));
  const auto count = static_cast<size_t>(tensor.rows() * tensor.columns());
  std::vector<int32_t> out(count);
  if (tensor.dtype == DType::i32) {
    std::memcpy(out.data(), tensor.data, count * sizeof(int32_t));
    return out;
  }
  std::vector<int64_t> wide(count);
  std::memcpy(wide.data(), tensor.data, count * sizeof(int64_t));
  for (size_t i = 0; i < count; ++i) {
    check(wide[i] >= 0 && wide[i] < limits::kVocabulary, Exit::bad_input,
          "{}: ref_codes[{}]: expected 0..{}, got {}", origin, i, limits::kVocabulary - 1, wide[i]);
    out[i] = static_cast<int32_t>(wide[i]);
  }
  return out;
}

const Tensor* find(const std::vector<StoredTensor>& tensors, std::string_view name) {
  for (const StoredTensor& stored : tensors)
    if (stored.name == name) return &stored.tensor;
  return nullptr;
}

// "x/NAME.json" and "x/NAME.safetensors" -> "x/NAME"; anything else -> "".
std::string pair_stem(const std::string& path) {
  for (const std::string_view ending : {".safetensors", ".json"})
    if (path.ends_with(ending)) return path.substr(0, path.size() - ending.size());
  return "";
}

}  // namespace

// ---- files ------------------------------------------------------------------------------------------------

SavedVoice parse_voice(std::span<const std::byte> bytes, const std::string& origin) {
  const std::string_view file = as_text(bytes);
  check(file.starts_with(kMagic), Exit::bad_input,
        "{}: expected a saved voice, which begins with {}, got something else", origin, kMagic);
  const auto size = static_cast<int64_t>(file.size());
  check(size >= kHeaderBytes + kChecksumBytes, Exit::bad_input,
        "{}: expected at least {} bytes, got {}; the file is truncated", origin,
        kHeaderBytes + kChecksumBytes, size);
  Header h{};
  std::memcpy(&h, file.data(), sizeof h);
  check(h.version == kVersion, Exit::bad_input, "{}: version: expected {}, got {}", origin, kVersion,
        h.version);
  check_header(h, size, origin);
  uint64_t stored = 0;
  std::memcpy(&stored, file.data() + size - kChecksumBytes, sizeof stored);
  const uint64_t computed = fnv(file.substr(0, static_cast<size_t>(size - kChecksumBytes)));
  check(stored == computed, Exit::bad_input, "{}: checksum: expected {}, got {}; the file is damaged", origin,
        hexadecimal(computed), hexadecimal(stored));

  SavedVoice saved;
  saved.groups = static_cast<int>(h.groups);
  saved.checkpoint = h.checkpoint;
  saved.voice.speaker_vector.resize(h.width);
  saved.voice.codes.resize(size_t{h.frames} * h.groups);
  const char* at = file.data() + kHeaderBytes;
  std::memcpy(saved.voice.speaker_vector.data(), at, h.width * sizeof(float));
  at += h.width * sizeof(float);
  if (h.frames > 0) std::memcpy(saved.voice.codes.data(), at, saved.voice.codes.size() * sizeof(int32_t));
  at += saved.voice.codes.size() * sizeof(int32_t);
  saved.voice.transcript.assign(at, h.transcript_bytes);
  check_content(saved, origin);
  return saved;
}

std::string print_voice(const SavedVoice& saved) {
  const ClonedVoice& v = saved.voice;
  Header h{};
  std::memcpy(h.magic, kMagic.data(), kMagic.size());
  h.version = kVersion;
  h.width = static_cast<uint32_t>(v.speaker_vector.size());
  h.checkpoint = saved.checkpoint;
  h.frames = static_cast<uint32_t>(saved.frames());
  h.groups = static_cast<uint32_t>(saved.groups);
  h.transcript_bytes = static_cast<uint32_t>(v.transcript.size());
  std::string out(reinterpret_cast<const char*>(&h), sizeof h);
  out.append(reinterpret_cast<const char*>(v.speaker_vector.data()), v.speaker_vector.size() * sizeof(float));
  out.append(reinterpret_cast<const char*>(v.codes.data()), v.codes.size() * sizeof(int32_t));
  out += v.transcript;
  const uint64_t checksum = fnv(out);
  out.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return out;
}

SavedVoice parse_voice_pair(std::span<const std::byte> tensors, std::string_view json_text,
                            const std::string& origin) {
  const Json json = Json::parse(json_text, origin);
  json.allow_only({"ref_text", "x_vector_only_mode", "icl_mode"});
  const bool vector_only = json.at("x_vector_only_mode").boolean();
  const Json* in_context = json.find("icl_mode");
  check(in_context == nullptr || in_context->boolean() != vector_only, Exit::bad_input,
        "{}: icl_mode: expected the opposite of x_vector_only_mode, got the same", origin);
  SavedVoice saved;
  const Json* text = json.find("ref_text");
  if (text != nullptr && !text->is_null()) saved.voice.transcript = text->text();

  const std::vector<StoredTensor> stored = parse_safetensors(tensors, origin);
  for (const StoredTensor& tensor : stored)
    check(tensor.name == "speaker_embedding" || tensor.name == "ref_codes", Exit::bad_input,
          "{}: expected the tensors speaker_embedding and ref_codes, got \"{}\"", origin,
          printable(tensor.name));
  const Tensor* vector = find(stored, "speaker_embedding");
  check(vector != nullptr, Exit::bad_input, "{}: expected a tensor speaker_embedding, got none", origin);
  saved.voice.speaker_vector = read_vector(*vector, origin);
  const Tensor* codes = find(stored, "ref_codes");
  check(vector_only || codes != nullptr, Exit::bad_input,
        "{}: expected a tensor ref_codes as x_vector_only_mode is false, got none", origin);
  if (!vector_only) {
    saved.voice.codes = read_reference_codes(*codes, origin);
    saved.groups = static_cast<int>(codes->columns());
  }
  check_content(saved, origin);
  return saved;
}

SavedVoice load_voice(const std::string& path) {
  const std::string stem = pair_stem(path);
  const MappedFile file(stem.empty() ? path : stem + ".safetensors");
  SavedVoice saved =
      stem.empty() ? parse_voice(file.bytes(), path)
                   : parse_voice_pair(file.bytes(), read_text(stem + ".json", limits::kJsonBytes), path);
  file.check_intact();
  return saved;
}

void save_voice(const std::string& path, const SavedVoice& saved) { write_file(path, print_voice(saved)); }

// ---- and checkpoints --------------------------------------------------------------------------------------

uint64_t checkpoint_fingerprint(const ModelFiles& files) {
  const uint64_t hash = fnv(as_text(files.bytes("config.json")));
  const std::string_view index = "model.safetensors.index.json";
  if (files.has(index)) return fnv(as_text(files.bytes(index)), hash);
  const std::string_view file = as_text(files.bytes("model.safetensors"));
  uint64_t header = 0;
  check(file.size() >= sizeof header, Exit::bad_input, "{}: expected at least 8 bytes, got {}",
        files.path("model.safetensors"), file.size());
  std::memcpy(&header, file.data(), sizeof header);
  return fnv(file.substr(0, std::min<uint64_t>(file.size() - sizeof header, header) + sizeof header), hash);
}

std::vector<std::string> check_saved_voice(const SavedVoice& saved, const Model& model,
                                           const std::string& origin) {
  const ModelConfig& config = model.config;
  check(config.type == ModelType::base, Exit::usage, "{}: a saved voice needs a base checkpoint; {} is {}",
        origin, config.directory, config.type);
  const auto width = static_cast<int>(saved.voice.speaker_vector.size());
  check(width == config.talker.dims.H, Exit::bad_input,
        "{}: speaker vector: expected {} values as {} has, got {}; the voice was made with a checkpoint of "
        "another size, make it again "
        "from its clip",
        origin, config.talker.dims.H, config.directory, width);
  check(!saved.voice.in_context() || saved.groups == config.talker.groups, Exit::bad_input,
        "{}: codes per frame: expected {} as {} has, got {}", origin, config.talker.groups, config.directory,
        saved.groups);
  for (const int32_t code : saved.voice.codes)
    check(code < config.predictor.V, Exit::bad_input, "{}: codes: expected 0..{} as {} has, got {}", origin,
          config.predictor.V - 1, config.directory, code);
  if (saved.checkpoint == 0) return {format("{}: the voice does not say which checkpoint made it", origin)};
  if (saved.checkpoint == checkpoint_fingerprint(model.files)) return {};
  return {format("{}: the voice was made by another checkpoint of the same width; it may sound different",
                 origin)};
}

std::string describe_voice(const SavedVoice& saved, const std::string& origin) {
  const ClonedVoice& v = saved.voice;
  std::string out =
      format("file             {}\nkind             saved voice, version {}\n", printable(origin), kVersion);
  out += format("mode             {}\n", v.in_context() ? "in context" : "speaker vector only");
  out += format("speaker vector   {} values\n", v.speaker_vector.size());
  if (v.in_context()) out += format("reference codes  {} frames of {} codes\n", saved.frames(), saved.groups);
  if (!v.transcript.empty()) out += format("transcript       {}\n", printable(v.transcript));
  return out + format("checkpoint       {}\n",
                      saved.checkpoint == 0 ? std::string("not known") : hexadecimal(saved.checkpoint));
}

std::string describe_voice_json(const SavedVoice& saved, const std::string& origin) {
  const ClonedVoice& v = saved.voice;
  JsonWriter json;
  json.begin_object().field("file", std::string_view(printable(origin))).field("kind", "saved voice");
  json.field("version", static_cast<int64_t>(kVersion))
      .field("mode", v.in_context() ? "in_context" : "x_vector_only");
  json.field("width", static_cast<int64_t>(v.speaker_vector.size()))
      .field("reference_frames", saved.frames());
  json.field("groups", saved.groups).field("transcript", std::string_view(v.transcript)).key("checkpoint");
  if (saved.checkpoint == 0)
    json.null();
  else
    json.value(std::string_view(hexadecimal(saved.checkpoint)));
  return json.end_object().str();
}

}  // namespace tts
