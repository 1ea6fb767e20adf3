#include "base/format.h"

#include <cstdint>

namespace tts {

namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8
};

// The code point at `at`; overlong forms, surrogates and values above U+10FFFF are not UTF-8.
CodePoint decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t bytes = first >= 0xF0 && first < 0xF5   ? 4
                       : first >= 0xE0 && first < 0xF0 ? 3
                       : first >= 0xC2 && first < 0xE0 ? 2
                                                       : 0;
  if (bytes == 0 || text.size() - at < bytes) return {};
  uint32_t value = first & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, bytes};
}

// Controls, and the marks that reorder or break a line on screen: what is read must be what is there.
bool misleads(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029 || c == 0x200E || c == 0x200F ||
         c == 0x061C;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode(text, at);
    const size_t bytes = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes != 0 && !misleads(c.value)) {
      out += text.substr(at, bytes);
    } else {
      for (const char raw : text.substr(at, bytes)) {
        const auto value = static_cast<unsigned char>(raw);
        out += {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
      }
    }
    at += bytes;
  }
  return out;
}

}  // namespace tts
