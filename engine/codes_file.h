// Codes of an utterance in a file (--codes, --from-codes); the name's extension decides the form
// (docs/formats.md):
//   .json         {"groups": 16, "frames": [[c0, ..., c15], ...]}
//   .safetensors  one tensor "codes", I32 [frames, groups]
// Frames that were generated only, without those of a reference clip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct CodesFile {
  int groups = 0;
  std::vector<int32_t> codes;  // [frames][groups]
  int frames() const { return groups == 0 ? 0 : static_cast<int>(codes.size()) / groups; }
};

enum class CodesForm : uint8_t { json, tensors };
CodesForm codes_form(std::string_view path);  // Exit::usage unless it ends in .json or .safetensors

// Strict, Exit::bad_input: at least one frame, at most limits::kFrames, codes from 0. What the codec can
// decode is checked with check_codes, against the checkpoint.
CodesFile load_codes(const std::string& path);
void save_codes(const std::string& path, const CodesFile& codes);  // Exit::output
void check_codes(const CodesFile& codes, int groups, int codebook_size, const std::string& origin);

// Bytes instead of files.
CodesFile parse_codes_json(std::string_view bytes, const std::string& origin);
CodesFile parse_codes_tensors(std::span<const std::byte> bytes, const std::string& origin);
std::string print_codes(const CodesFile& codes, CodesForm form);

}  // namespace tts
