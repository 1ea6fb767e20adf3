#include "engine/subtitles.h"

#include "base/error.h"
#include "base/json.h"

#include <algorithm>

namespace tts {

namespace {

constexpr int64_t kMsPerSecond{1'000};

struct Range {
  uint32_t first, last;
};
// East Asian wide and fullwidth characters of Unicode, gaps included, and what is drawn over its neighbour.
constexpr Range kWide[] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xa960, 0xa97c}, {0xac00, 0xd7a3},
                           {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff01, 0xff60}, {0xffe0, 0xffe6},
                           {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
constexpr Range kWidthless[] = {
    {0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};

template <size_t N>
bool within_ranges(const Range (&ranges)[N], uint32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](Range r) { return c >= r.first && c <= r.last; });
}

// Decodes the character at `at` and moves behind it; the text is valid UTF-8.
uint32_t next_character(std::string_view text, size_t& at) {
  const auto lead = static_cast<uint8_t>(text[at++]);
  const int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
  for (int i = 0; i < more && at < text.size(); ++i) c = c << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  return c;
}

bool is_space(uint32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x3000;
}

// Punctuation that does not begin a line, and that does not end one.
constexpr std::u32string_view kClosing{
    U"、。，．・：；？！）］｝〉》」』】〕…ー々％”’"
    U"ァィゥェォッャュョぁぃぅぇぉっゃゅょ"};
constexpr std::u32string_view kOpening{U"（［｛〈《「『【〔“‘"};

// What stays together on a line: a word, or one wide character with the punctuation that clings to it.
struct Piece {
  std::string text;
  int columns = 0;
  bool space_before = false;
};

bool in(std::u32string_view set, uint32_t c) { return set.find(static_cast<char32_t>(c)) != set.npos; }

int columns_of(uint32_t c) { return within_ranges(kWide, c) ? 2 : within_ranges(kWidthless, c) ? 0 : 1; }

std::vector<Piece> cut_into_pieces(std::string_view text) {
  std::vector<Piece> pieces;
  bool space = false;
  uint32_t previous = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t c = next_character(text, at);
    if (is_space(c)) {
      space = true;
      continue;
    }
    const int columns = columns_of(c);
    const bool beside_wide = columns == 2 || columns_of(previous) == 2;
    const bool apart = space || (beside_wide && !in(kClosing, c) && !in(kOpening, previous));
    const bool full =
        !pieces.empty() && pieces.back().columns + columns > kLineColumns;  // an address, for example
    if (pieces.empty() || apart || full)
      pieces.push_back({.text = "", .columns = 0, .space_before = space && !pieces.empty()});
    pieces.back().text += text.substr(begin, at - begin);
    pieces.back().columns += columns;
    space = false;
    previous = c;
  }
  return pieces;
}

struct Line {
  std::string text;
  int columns = 0;
};

std::vector<Line> fill_lines(const std::vector<Piece>& pieces, int columns) {
  std::vector<Line> lines;
  for (const Piece& piece : pieces) {
    const int space = piece.space_before ? 1 : 0;
    if (lines.empty() || lines.back().columns + space + piece.columns > columns) {
      lines.push_back({piece.text, piece.columns});
      continue;
    }
    lines.back().text += (space ? " " : "") + piece.text;
    lines.back().columns += space + piece.columns;
  }
  return lines;
}

// As few lines as possible, then the narrowest that need no more: lines of about the same length.
std::vector<Line> balance_lines(const std::vector<Piece>& pieces) {
  std::vector<Line> lines = fill_lines(pieces, kLineColumns);
  for (int columns = kLineColumns - 1; columns > 0; --columns) {
    std::vector<Line> narrower = fill_lines(pieces, columns);
    if (narrower.size() > lines.size()) break;
    lines = std::move(narrower);
  }
  return lines;
}

std::string digits(int64_t value, size_t count) {
  std::string text = std::to_string(value);
  return std::string(count > text.size() ? count - text.size() : 0, '0') + text;
}

std::string time_text(int64_t ms, char point) {
  return format("{}:{}:{}{}{}", digits(ms / (3'600 * kMsPerSecond), 2),
                digits(ms / (60 * kMsPerSecond) % 60, 2), digits(ms / kMsPerSecond % 60, 2), point,
                digits(ms % kMsPerSecond, 3));
}

int64_t nearest_ms(int64_t samples, int rate_hz) { return (samples * kMsPerSecond + rate_hz / 2) / rate_hz; }

// The three characters that mean something in WebVTT.
std::string escape_vtt(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string print_cues(std::span<const SpokenText> spoken, int rate_hz, bool vtt) {
  std::string out = vtt ? "WEBVTT\n\n" : "";
  int number = 0;
  for (const SpokenText& text : spoken) {
    for (const Cue& cue : make_cues(text)) {
      const int64_t begin = nearest_ms(cue.begin, rate_hz);
      const int64_t end = std::max(begin + 1, nearest_ms(cue.end, rate_hz));
      const char point = vtt ? '.' : ',';
      out += format("{}\n{} --> {}\n", ++number, time_text(begin, point), time_text(end, point));
      for (const std::string& line : cue.lines) out += (vtt ? escape_vtt(line) : line) + "\n";
      out += "\n";
    }
  }
  return out;
}

std::string print_json(std::span<const SpokenText> spoken, int rate_hz) {
  JsonWriter json;
  json.begin_object().field("sample_rate", rate_hz).key("sentences").begin_array();
  for (const SpokenText& text : spoken) {
    json.begin_object().field("begin", static_cast<double>(text.begin) / rate_hz);
    json.field("end", static_cast<double>(text.end) / rate_hz);
    json.field("begin_sample", text.begin)
        .field("end_sample", text.end)
        .field("text", std::string_view(text.text))
        .end_object();
  }
  return json.end_array().end_object().str() + "\n";
}

}  // namespace

SubtitleForm subtitle_form(std::string_view path) {
  if (path.ends_with(".srt")) return SubtitleForm::srt;
  if (path.ends_with(".vtt")) return SubtitleForm::vtt;
  check(path.ends_with(".json"), Exit::usage,
        "{}: subtitles: expected a name that ends in .srt, .vtt or .json", path);
  return SubtitleForm::json;
}

int display_columns(std::string_view text) {
  int columns = 0;
  for (size_t at = 0; at < text.size();) columns += columns_of(next_character(text, at));
  return columns;
}

std::vector<Cue> make_cues(const SpokenText& spoken) {
  const std::vector<Line> lines = balance_lines(cut_into_pieces(spoken.text));
  int64_t total = 0, before = 0;
  for (const Line& line : lines) total += line.columns;
  total = std::max<int64_t>(total, 1);
  const int64_t length = spoken.end - spoken.begin;
  std::vector<Cue> cues;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i % kCueLines == 0)
      cues.push_back({.lines = {}, .begin = spoken.begin + length * before / total, .end = 0});
    before += lines[i].columns;
    cues.back().lines.push_back(lines[i].text);
    cues.back().end = spoken.begin + length * before / total;
  }
  return cues;
}

std::string print_subtitles(std::span<const SpokenText> spoken, int rate_hz, SubtitleForm form) {
  return form == SubtitleForm::json ? print_json(spoken, rate_hz)
                                    : print_cues(spoken, rate_hz, form == SubtitleForm::vtt);
}

}  // namespace tts
