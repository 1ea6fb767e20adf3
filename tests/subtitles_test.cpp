// Subtitles: exact times, readable lines, valid files.
#include "engine/subtitles.h"
#include "base/json.h"
#include "catch.h"
#include "refusal.h"

using namespace tts;
using namespace tts::test;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (const Cue& cue : make_cues({.text = text, .begin = 0, .end = 48'000}))
    lines.insert(lines.end(), cue.lines.begin(), cue.lines.end());
  return lines;
}

std::string without_spaces(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\n' && c != '\t') out += c;
  return out;
}

const std::vector<SpokenText> kSpoken = {{"Hello there.", 12'000, 36'012},
                                         {"Fish & <chips> -->", 48'000, 60'000}};

}  // namespace

TEST_CASE("times come from sample counts") {
  CHECK(print_subtitles(kSpoken, 24'000, SubtitleForm::srt) ==
        "1\n00:00:00,500 --> 00:00:01,501\nHello there.\n\n2\n00:00:02,000 --> 00:00:02,500\nFish & <chips> "
        "-->\n\n");
  CHECK(print_subtitles(kSpoken, 24'000, SubtitleForm::vtt) ==
        "WEBVTT\n\n1\n00:00:00.500 --> 00:00:01.501\nHello there.\n\n2\n00:00:02.000 --> 00:00:02.500\nFish "
        "&amp; &lt;chips&gt; --&gt;\n\n");
  const std::string json = print_subtitles(kSpoken, 24'000, SubtitleForm::json);
  CHECK(
      json ==
      R"({"sample_rate":24000,"sentences":[{"begin":0.5,"end":1.5005,"begin_sample":12000,"end_sample":36012,)"
      R"("text":"Hello there."},{"begin":2.0,"end":2.5,"begin_sample":48000,"end_sample":60000,"text":"Fish & <chips> -->"}]})"
      "\n");
}

TEST_CASE("long times and short cues") {
  const int64_t hour = 3'600LL * 24'000;
  CHECK(print_subtitles(std::vector<SpokenText>{{"a", 100 * hour + 24'000 * 61, 100 * hour + 24'000 * 62}},
                        24'000, SubtitleForm::srt) == "1\n100:01:01,000 --> 100:01:02,000\na\n\n");
  CHECK(print_subtitles(std::vector<SpokenText>{{"a", 24, 25}}, 24'000, SubtitleForm::srt) ==
        "1\n00:00:00,001 --> 00:00:00,002\na\n\n");
  CHECK(print_subtitles(std::vector<SpokenText>{{" \n ", 0, 24'000}}, 24'000, SubtitleForm::srt).empty());
  CHECK(print_subtitles({}, 24'000, SubtitleForm::vtt) == "WEBVTT\n\n");
}

TEST_CASE("lines have at most 42 columns and about the same length") {
  CHECK(lines_of("Short.") == std::vector<std::string>{"Short."});
  CHECK(lines_of("  White \n\t space   is folded. ") == std::vector<std::string>{"White space is folded."});
  CHECK(lines_of("The quick brown fox jumps over the lazy dog again.") ==
        std::vector<std::string>{"The quick brown fox jumps", "over the lazy dog again."});
  const std::string sentence =
      "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
      "foolishness, it was the epoch "
      "of belief, it was the epoch of incredulity, it was the season of Light.";
  std::string all;
  for (const std::string& line : lines_of(sentence)) {
    CHECK(display_columns(line) <= 42);
    CHECK(display_columns(line) >= 25);
    all += line;
  }
  CHECK(without_spaces(all) == without_spaces(sentence));
  const std::string address = "https://example.org/" + std::string(100, 'x');
  all.clear();
  for (const std::string& line : lines_of("See " + address + " now.")) {
    CHECK(display_columns(line) <= 42);
    all += line;
  }
  CHECK(without_spaces(all) == "See" + address + "now.");
}

TEST_CASE("wide characters take two columns and break anywhere but at their punctuation") {
  CHECK(display_columns("ab") == 2);
  CHECK(display_columns("中文。") == 6);
  CHECK(display_columns("한국") == 4);
  CHECK(display_columns("e\u0301") == 1);
  CHECK(display_columns("é") == 1);
  const std::string text = "今天天气很好，我们一起去公园散步吧，顺便买一些新鲜的水果和蔬菜回家做晚饭。";
  std::string all;
  for (const std::string& line : lines_of(text)) {
    CHECK(display_columns(line) <= 42);
    CHECK_FALSE(line.starts_with("，"));
    CHECK_FALSE(line.starts_with("。"));
    all += line;
  }
  CHECK(all == text);
  for (size_t place = 1; place < 30; ++place) {  // the middle among them, where the line would break
    std::string closing, opening;
    for (size_t i = 0; i < 30; ++i) {
      closing += i == place ? "」" : "字";
      opening += i == place ? "「" : "字";
    }
    for (const std::string& line : lines_of(closing)) CHECK_FALSE(line.starts_with("」"));
    for (const std::string& line : lines_of(opening + "字")) CHECK_FALSE(line.ends_with("「"));
  }
}

TEST_CASE("a long sentence becomes cues that share its time without gaps") {
  std::string sentence;
  for (int i = 0; i < 60; ++i) sentence += "word" + std::to_string(i) + (i == 59 ? "." : " ");
  const std::vector<Cue> cues = make_cues({.text = sentence, .begin = 1'000, .end = 500'000});
  CHECK(cues.size() >= 4);
  CHECK(cues.front().begin == 1'000);
  CHECK(cues.back().end == 500'000);
  for (size_t i = 0; i < cues.size(); ++i) {
    CHECK(cues[i].lines.size() <= 2);
    CHECK(cues[i].begin < cues[i].end);
    if (i > 0) CHECK(cues[i].begin == cues[i - 1].end);
  }
}

TEST_CASE("names of subtitles") {
  CHECK(subtitle_form("a.srt") == SubtitleForm::srt);
  CHECK(subtitle_form("a.vtt") == SubtitleForm::vtt);
  CHECK(subtitle_form("a.json") == SubtitleForm::json);
  CHECK(refusal_of([] { subtitle_form("a.txt"); }).message ==
        "a.txt: subtitles: expected a name that ends in .srt, .vtt or .json");
}
