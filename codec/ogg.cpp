// A page, little-endian:
//   0  "OggS"   4  version 0   5  flags: 1 continued, 2 first, 4 last   6  position i64   14  stream u32   18
//   number u32 22  CRC-32 over the page with these four bytes 0   26  n, number of segments   27  n lengths
//   27 + n  their bytes
#include "codec/ogg.h"

#include "base/error.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace tts {

namespace {

constexpr size_t kHeader{27};

// Polynomial 0x04c11db7, most significant bit first, starting from 0.
constexpr std::array<uint32_t, 256> kCrc = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t r = i << 24;
    for (int bit = 0; bit < 8; ++bit) r = (r << 1) ^ (r & 0x80000000u ? 0x04c11db7u : 0u);
    table[i] = r;
  }
  return table;
}();

uint32_t number(std::string_view page, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value |= static_cast<uint32_t>(static_cast<uint8_t>(page[at + i])) << (8 * i);
  return value;
}

uint32_t checksum(std::string_view page) {
  uint32_t crc = 0;
  for (size_t i = 0; i < page.size(); ++i) {
    const uint8_t byte = i >= 22 && i < 26 ? 0 : static_cast<uint8_t>(page[i]);
    crc = (crc << 8) ^ kCrc[(crc >> 24) ^ byte];
  }
  return crc;
}

// Bytes of the page at the beginning of `rest`; 0 when it is not all there.
size_t page_bytes(std::string_view rest) {
  if (rest.size() < kHeader) return 0;
  const size_t segments = static_cast<uint8_t>(rest[26]);
  if (rest.size() < kHeader + segments) return 0;
  size_t size = kHeader + segments;
  for (size_t i = 0; i < segments; ++i) size += static_cast<uint8_t>(rest[kHeader + i]);
  return size <= rest.size() ? size : 0;
}

}  // namespace

void check_ogg_pages(std::span<const std::byte> bytes, const std::string& origin) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  uint32_t stream = 0;
  bool ended = false;
  for (size_t at = 0, pages = 0; at < file.size(); ++pages) {
    const std::string_view rest = file.substr(at);
    check(rest.starts_with("OggS"), Exit::bad_input, "{}: byte {}: expected an Ogg page, got something else",
          origin, at);
    const size_t size = page_bytes(rest);
    check(size > 0, Exit::bad_input, "{}: Ogg page at byte {}: the file is truncated", origin, at);
    const std::string_view page = rest.substr(0, size);
    check(checksum(page) == number(page, 22), Exit::bad_input,
          "{}: Ogg page at byte {}: wrong checksum, the file is damaged", origin, at);
    if (pages == 0) stream = number(page, 14);
    check(number(page, 14) == stream && !ended, Exit::bad_input,
          "{}: Ogg page at byte {}: expected one audio stream, got several", origin, at);
    check(number(page, 18) == pages, Exit::bad_input,
          "{}: Ogg page at byte {}: expected page {}, got page {}", origin, at, pages, number(page, 18));
    ended = (static_cast<uint8_t>(page[5]) & 4) != 0;
    at += size;
  }
  check(ended, Exit::bad_input,
        "{}: expected a last Ogg page, got the end of the file; the file is truncated", origin);
}

}  // namespace tts
