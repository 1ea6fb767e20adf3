#include "engine/codes_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/types.h"
#include "engine/safetensors.h"

#include <bit>
#include <cstring>

namespace tts {

namespace {

static_assert(std::endian::native == std::endian::little, "tensor files are little-endian");

constexpr int64_t kLargestCode{limits::kVocabulary - 1};

int checked_groups(int64_t frames, int64_t groups, const std::string& origin) {
  check(groups >= 1 && groups <= limits::kCodeGroups, Exit::bad_input, "{}: groups: expected 1..{}, got {}",
        origin, limits::kCodeGroups.value, groups);
  check(frames >= 1 && frames <= limits::kFrames, Exit::bad_input, "{}: frames: expected 1..{}, got {}",
        origin, limits::kFrames.value, frames);
  return static_cast<int>(groups);
}

std::string print_tensors(const CodesFile& codes) {
  const size_t bytes = codes.codes.size() * sizeof(int32_t);
  JsonWriter json;
  json.begin_object().key("codes").begin_object().field("dtype", str(DType::i32));
  json.key("shape").begin_array().value(codes.frames()).value(codes.groups).end_array();
  json.key("data_offsets").begin_array().value(0).value(static_cast<int64_t>(bytes)).end_array();
  std::string header = json.end_object().end_object().str();
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the numbers behind it stay aligned
  const uint64_t header_bytes = header.size();
  std::string out(sizeof header_bytes, '\0');
  std::memcpy(out.data(), &header_bytes, sizeof header_bytes);
  out += header;
  out.append(reinterpret_cast<const char*>(codes.codes.data()), bytes);
  return out;
}

// One frame per line.
std::string print_json(const CodesFile& codes) {
  std::string out = format("{\"groups\": {}, \"frames\": [", codes.groups);
  for (size_t i = 0; i < codes.codes.size(); ++i) {
    const size_t group = i % static_cast<size_t>(codes.groups);
    out += group != 0 ? ", " : i == 0 ? "\n[" : "],\n[";
    out += std::to_string(codes.codes[i]);
  }
  return out + "]\n]}\n";
}

}  // namespace

CodesForm codes_form(std::string_view path) {
  if (path.ends_with(".json")) return CodesForm::json;
  check(path.ends_with(".safetensors"), Exit::usage,
        "{}: codes: expected a name that ends in .json or .safetensors", path);
  return CodesForm::tensors;
}

CodesFile parse_codes_json(std::string_view bytes, const std::string& origin) {
  const Json json = Json::parse(bytes, origin);
  json.allow_only({"groups", "frames"});
  const std::vector<Json>& frames = json.at("frames").items();
  CodesFile codes;
  codes.groups = checked_groups(static_cast<int64_t>(frames.size()),
                                json.at("groups").integer(1, limits::kCodeGroups), origin);
  codes.codes.reserve(frames.size() * static_cast<size_t>(codes.groups));
  for (const Json& frame : frames) {
    const std::vector<Json>& row = frame.items();
    check(row.size() == static_cast<size_t>(codes.groups), Exit::bad_input, "{}: expected {} codes, got {}",
          frame.where(), codes.groups, row.size());
    for (const Json& code : row) codes.codes.push_back(static_cast<int32_t>(code.integer(0, kLargestCode)));
  }
  return codes;
}

CodesFile parse_codes_tensors(std::span<const std::byte> bytes, const std::string& origin) {
  const std::vector<StoredTensor> tensors = parse_safetensors(bytes, origin);
  check(tensors.size() == 1 && tensors[0].name == "codes", Exit::bad_input,
        "{}: expected one tensor \"codes\", got {}", origin,
        tensors.size() == 1 ? format("\"{}\"", printable(tensors[0].name))
                            : format("{} tensors", tensors.size()));
  const Tensor& tensor = tensors[0].tensor;
  check(tensor.dtype == DType::i32 && tensor.shape.rank == 2, Exit::bad_input,
        "{}: codes: expected I32[frames,groups], got {}", origin, str(tensor));
  CodesFile codes;
  codes.groups = checked_groups(tensor.rows(), tensor.columns(), origin);
  codes.codes.resize(static_cast<size_t>(tensor.rows() * tensor.columns()));
  std::memcpy(codes.codes.data(), tensor.data, codes.codes.size() * sizeof(int32_t));
  for (size_t i = 0; i < codes.codes.size(); ++i) {
    const auto group = static_cast<int>(i % static_cast<size_t>(codes.groups));
    check(codes.codes[i] >= 0 && codes.codes[i] <= kLargestCode, Exit::bad_input,
          "{}: codes[{}][{}]: expected 0..{}, got {}", origin, i / static_cast<size_t>(codes.groups), group,
          kLargestCode, codes.codes[i]);
  }
  return codes;
}

std::string print_codes(const CodesFile& codes, CodesForm form) {
  return form == CodesForm::json ? print_json(codes) : print_tensors(codes);
}

CodesFile load_codes(const std::string& path) {
  if (codes_form(path) == CodesForm::json) return parse_codes_json(read_text(path, limits::kJsonBytes), path);
  const MappedFile file(path);
  CodesFile codes = parse_codes_tensors(file.bytes(), path);
  file.check_intact();
  return codes;
}

void save_codes(const std::string& path, const CodesFile& codes) {
  write_file(path, print_codes(codes, codes_form(path)));
}

void check_codes(const CodesFile& codes, int groups, int codebook_size, const std::string& origin) {
  check(codes.groups == groups, Exit::bad_input, "{}: groups: expected {} as the checkpoint has, got {}",
        origin, groups, codes.groups);
  for (size_t i = 0; i < codes.codes.size(); ++i)
    check(codes.codes[i] >= 0 && codes.codes[i] < codebook_size, Exit::bad_input,
          "{}: codes[{}][{}]: expected 0..{} as the checkpoint has, got {}", origin,
          i / static_cast<size_t>(groups), i % static_cast<size_t>(groups), codebook_size - 1,
          codes.codes[i]);
}

}  // namespace tts
