// UTF-8 check, normalisation form C, and what counts as speakable. The Unicode data come from utf8proc; its
// own reordering of marks is quadratic in the length of a run of marks, so decomposed marks are sorted here.
#include "tokenizer/normalize.h"

#include "tokenizer/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace tts {

namespace {

struct Range {
  uint32_t first, last;
};

// Blocks in which every code point is a starter, unchanged by form C, and never the second half of a
// composition. They cover the ten languages as people type them; a test proves the three properties from the
// library's data.
constexpr Range kStable[] = {
    {0x0000, 0x02ff},  // Latin
    {0x0388, 0x03ff},  // Greek
    {0x0400, 0x0482},  // Cyrillic
    {0x048a, 0x052f},  // Cyrillic supplement
    {0x2010, 0x2027},  // dashes and quotes
    {0x20a0, 0x20bf},  // currencies
    {0x3000, 0x3029},  // CJK punctuation
    {0x3041, 0x3096},  // Hiragana
    {0x30a1, 0x30fe},  // Katakana
    {0x3400, 0x9fff},  // ideographs
    {0xac00, 0xd7a3},  // Hangul syllables
    {0xff01, 0xffef},  // full-width forms
};

bool is_stable(uint32_t c) {
  for (const Range& range : kStable)
    if (c <= range.last) return c >= range.first;
  return false;
}

bool is_continuation(unsigned byte) { return (byte & 0xc0) == 0x80; }

// Bytes of the sequence that starts at text[at], or 0 when it is not valid (the standard's table of legal
// ranges).
size_t valid_sequence(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const unsigned a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a < 0xc2 || a > 0xf4) return 0;
  if (a < 0xe0) return is_continuation(b) ? 2 : 0;
  if (a < 0xf0) {
    const unsigned low = a == 0xe0 ? 0xa0 : 0x80, high = a == 0xed ? 0x9f : 0xbf;
    return b >= low && b <= high && is_continuation(byte(2)) ? 3 : 0;
  }
  const unsigned low = a == 0xf0 ? 0x90 : 0x80, high = a == 0xf4 ? 0x8f : 0xbf;
  return b >= low && b <= high && is_continuation(byte(2)) && is_continuation(byte(3)) ? 4 : 0;
}

struct Decomposed {
  int32_t code_point;
  int32_t mark_class;  // 0: a starter
};

std::vector<Decomposed> decompose(std::string_view text) {
  std::vector<Decomposed> out;
  out.reserve(text.size());
  std::array<utf8proc_int32_t, 8> parts;  // no canonical decomposition has more than four
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<utf8proc_int32_t>(next_code_point(text, at));
    int boundary_class = 0;
    const auto n =
        utf8proc_decompose_char(c, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &boundary_class);
    check(n > 0 && n <= static_cast<utf8proc_ssize_t>(parts.size()), Exit::internal,
          "normalisation: code point {}: {}", c, utf8proc_errmsg(n));
    for (size_t i = 0; i < static_cast<size_t>(n); ++i)
      out.push_back({parts[i], utf8proc_get_property(parts[i])->combining_class});
  }
  return out;
}

void order_marks(std::vector<Decomposed>& text) {
  const auto is_mark = [](const Decomposed& d) { return d.mark_class != 0; };
  const auto by_class = [](const Decomposed& a, const Decomposed& b) { return a.mark_class < b.mark_class; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), is_mark);
    const auto end = std::find_if_not(begin, text.end(), is_mark);
    if (!std::is_sorted(begin, end, by_class)) std::stable_sort(begin, end, by_class);
    begin = end;
  }
}

}  // namespace

uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&] { return static_cast<uint32_t>(static_cast<unsigned char>(text[at++])); };
  const uint32_t a = byte();
  if (a < 0x80) return a;
  uint32_t c = a < 0xe0 ? a & 0x1f : a < 0xf0 ? a & 0x0f : a & 0x07;
  for (int more = a < 0xe0 ? 1 : a < 0xf0 ? 2 : 3; more > 0; --more) c = c << 6 | (byte() & 0x3f);
  return c;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto push = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return push(c);
  if (c < 0x800) {
    push(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      push(0xe0 | c >> 12);
    } else {
      push(0xf0 | c >> 18);
      push(0x80 | (c >> 12 & 0x3f));
    }
    push(0x80 | (c >> 6 & 0x3f));
  }
  push(0x80 | (c & 0x3f));
}

bool is_surely_nfc(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0xcc) {  // below U+0300: the first block of the table
      ++at;
      continue;
    }
    if (!is_stable(next_code_point(text, at))) return false;
  }
  return true;
}

std::string to_nfc(std::string_view text) {
  std::vector<Decomposed> decomposed = decompose(text);
  order_marks(decomposed);
  std::vector<utf8proc_int32_t> points;
  points.reserve(decomposed.size());
  for (const Decomposed& d : decomposed) points.push_back(d.code_point);
  const auto n = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  check(n >= 0, Exit::internal, "normalisation: {}", utf8proc_errmsg(n));
  points.resize(static_cast<size_t>(n));
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t c : points) append_utf8(out, static_cast<uint32_t>(c));
  return out;
}

std::string normalization_library() {
  return format("utf8proc {} (Unicode {})", utf8proc_version(), utf8proc_unicode_version());
}

size_t first_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    uint64_t eight = 0;
    if (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const size_t bytes = valid_sequence(text, at);
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::string_view::npos;
}

bool is_speakable(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const char kind = utf8proc_category_string(static_cast<utf8proc_int32_t>(next_code_point(text, at)))[0];
    if (kind == 'L' || kind == 'N' || kind == 'S') return true;
  }
  return false;
}

}  // namespace tts
