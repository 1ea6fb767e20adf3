// Subtitles from sample counts: when a sentence is heard is known exactly, so nothing is estimated but the
// places where a long sentence is divided.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct SpokenText {  // a sentence, or what was spoken as one
  std::string text;
  int64_t begin = 0, end = 0;  // samples of the recording
};

enum class SubtitleForm : uint8_t { srt, vtt, json };
SubtitleForm subtitle_form(std::string_view path);  // by extension; Exit::usage

struct Cue {
  std::vector<std::string> lines;
  int64_t begin = 0, end = 0;
};

// At most two lines of 42 columns, as broadcasters have it (characters of Chinese, Japanese and Korean take
// two columns); a longer text becomes several cues, which share its time by their widths. White space is
// folded; blank text has no cue.
inline constexpr int kLineColumns{42};
inline constexpr int kCueLines{2};
std::vector<Cue> make_cues(const SpokenText& spoken);
int display_columns(std::string_view text);

// SRT and WebVTT hold cues; JSON holds the texts whole:
//   {"sample_rate": 24000, "sentences": [{"begin": 0.5, "end": 1.25, "begin_sample": 12000, "end_sample":
//   30000, "text": ...}]}
std::string print_subtitles(std::span<const SpokenText> spoken, int rate_hz, SubtitleForm form);

}  // namespace tts
