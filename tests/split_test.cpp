// Sentences: the hand-made set, and what must hold for every text.
#include "engine/split.h"
#include "catch.h"
#include "timing.h"
#include "engine/chunks.h"
#include "tokenizer_data.h"

#include <algorithm>
#include <iostream>
#include <sstream>

using namespace tts;
using namespace tts::test;

namespace {

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

struct Score {
  int cases = 0, right_cases = 0;
  int boundaries = 0, missed = 0, invented = 0;
  int languages = 0;
  double worst = 1;  // share of a language
  double share() const { return 1 - static_cast<double>(missed + invented) / boundaries; }
};

constexpr const char* kMark{"\u2016"};

std::string marked(const std::string& text, const std::vector<SentenceEnd>& ends) {
  std::string out;
  size_t begin = 0;
  for (const SentenceEnd& s : ends) {
    out += text.substr(begin, s.end - begin) + (s.end < text.size() ? kMark : "");
    begin = s.end;
  }
  return out;
}

void count(const std::string& want, const std::string& language, Score& score, bool print) {
  const std::string text = replace_all(want, kMark, "");
  std::vector<size_t> expected, found;
  size_t plain = 0;
  for (size_t at = 0; at < want.size(); ++at) {
    if (want.compare(at, 3, kMark) == 0) {
      expected.push_back(plain);
      at += 2;
    } else {
      ++plain;
    }
  }
  for (const SentenceEnd& s : split_sentences(text, language))
    if (s.end < text.size()) found.push_back(s.end);
  std::vector<size_t> missed, invented;
  std::ranges::set_difference(expected, found, std::back_inserter(missed));
  std::ranges::set_difference(found, expected, std::back_inserter(invented));
  ++score.cases;
  score.right_cases += missed.empty() && invented.empty();
  score.boundaries += static_cast<int>(expected.size()) + 1;  // the end of the text is one
  score.missed += static_cast<int>(missed.size());
  score.invented += static_cast<int>(invented.size());
  if (!print || (missed.empty() && invented.empty())) return;
  std::cout << language << ": expected " << replace_all(want, "\n", "\\n") << "\n"
            << std::string(language.size(), ' ') << "  got      "
            << replace_all(marked(text, split_sentences(text, language)), "\n", "\\n") << "\n";
}

}  // namespace

namespace {

// Counts every language of a file; `as_auto`: without telling which language it is.
Score count_file(const std::string& name, bool as_auto) {
  std::istringstream lines(data_file(name));
  std::string language;
  Score all, own;
  const auto close = [&] {
    if (own.cases > 0 && !as_auto)
      std::cout << language << ": " << own.right_cases << " of " << own.cases << " cases, " << own.boundaries
                << " boundaries, " << own.missed << " missed, " << own.invented << " invented\n";
    all.languages += own.cases > 0;
    all.worst = std::min(all.worst, own.cases > 0 ? own.share() : 1);
    own = {};
  };
  for (std::string line; std::getline(lines, line);) {
    const bool comment = line.starts_with("# ") && all.cases == 0 && language.empty();
    if (line.empty() || comment) continue;
    if (line[0] == '[') {
      close();
      language = line.substr(1, line.size() - 2);
      continue;
    }
    const std::string text = replace_all(line, "\u23ce", "\n");
    count(text, as_auto ? "auto" : language, own, !as_auto);
    count(text, as_auto ? "auto" : language, all, false);
  }
  close();
  std::cout << name << (as_auto ? ", language unknown: " : ": ") << all.right_cases << " of " << all.cases
            << " cases, " << all.boundaries << " boundaries, " << 100 * all.share() << " % right\n";
  return all;
}

}  // namespace

TEST_CASE("at least 98 % of the boundaries of the hand-made set are right, 95 % in every language") {
  for (const bool as_auto : {false, true}) {
    const Score score = count_file("sentences.txt", as_auto);
    CHECK(score.languages == 10);
    CHECK(score.cases >= 300);
    CHECK(score.worst >= 0.95);
    CHECK(score.share() >= 0.98);
  }
}

TEST_CASE("the rules hold on sentences that were written after them") {
  const Score score = count_file("sentences-later.txt", false);
  CHECK(score.languages == 10);
  CHECK(score.share() >= 0.95);
}

namespace {

std::string prose(size_t bytes) {
  const std::string all = replace_all(replace_all(data_file("sentences.txt"), kMark, ""), "\u23ce", "\n");
  std::string out;
  while (out.size() < bytes) out += all;
  while (bytes < out.size() && (out[bytes] & 0xc0) == 0x80) --bytes;
  return out.substr(0, bytes);
}

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

std::string joined(std::string_view text, const std::vector<Chunk>& chunks) {
  std::string out;
  for (const Chunk& c : chunks) out += text.substr(c.begin, c.end - c.begin);
  return out;
}

constexpr SplitMode kModes[]{SplitMode::automatic, SplitMode::sentence, SplitMode::paragraph, SplitMode::line,
                             SplitMode::none};

}  // namespace

// The number of chunks; every violation is reported.
static size_t check_plan(const std::string& text, SplitMode mode, int64_t reach) {
  const auto plan = plan_chunks(text, {mode, "auto", characters, reach});
  if (joined(text, plan) != text) FAIL_CHECK("the chunks are not the text");
  uint32_t at = 0;
  for (const Chunk& c : plan) {
    if (c.begin != at || c.end <= at) FAIL_CHECK("a gap at " << at);
    at = c.end;
    const std::string_view body = std::string_view(text).substr(c.begin, c.end - c.begin);
    if (c.cost != characters(body)) FAIL_CHECK("cost of " << printable(body));
    if (mode == SplitMode::none || c.cost <= reach) continue;
    // only one grapheme may be longer than the reach
    const auto graphemes = split_pieces(body, Pretokenizer::patched).size();
    if (reach >= 40 || graphemes > 3) FAIL_CHECK("beyond reach: " << printable(body));
  }
  return plan.size();
}

TEST_CASE("sentences and chunks put together are the text, and no chunk is beyond reach") {
  size_t chunks = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const std::string text = seed % 2 ? random_text(seed) + prose(700).substr(seed % 500)
                                      : random_text(seed) + random_text(seed + 5000);
    if (first_invalid_utf8(text) != text.npos) continue;  // prose cut inside a character
    uint32_t last = 0;
    for (const SentenceEnd& s : split_sentences(text, "auto")) {
      CHECK(s.end > last);
      last = s.end;
    }
    CHECK(last == text.size());
    for (const SplitMode mode : kModes)
      for (const int64_t reach : {1, 7, 40, 300}) {
        INFO("seed " << seed << " mode " << static_cast<int>(mode) << " reach " << reach);
        chunks += check_plan(text, mode, reach);
      }
  }
  CHECK(chunks > 10'000);
}

TEST_CASE("what the modes do") {
  const std::string text = "One. Two! Three?\nFour five six.\n\nSeven, eight; nine ten. Eleven.";
  const auto plan = [&](SplitMode mode, int64_t reach) {
    std::vector<std::string> out;
    for (const Chunk& c : plan_chunks(text, {mode, "english", characters, reach}))
      out.push_back(text.substr(c.begin, c.end - c.begin));
    return out;
  };
  using Texts = std::vector<std::string>;
  CHECK(plan(SplitMode::none, 0) == Texts{text});
  CHECK(plan(SplitMode::automatic, 200) == Texts{text});
  CHECK(plan(SplitMode::automatic, 40) ==
        Texts{"One. Two! Three?\nFour five six.\n\n", "Seven, eight; nine ten. Eleven."});
  CHECK(plan(SplitMode::automatic, 25) ==
        Texts{"One. Two! Three?\n", "Four five six.\n\n", "Seven, eight; nine ten. ", "Eleven."});
  CHECK(plan(SplitMode::automatic, 12) == Texts{"One. Two! ", "Three?\n", "Four five ", "six.\n\n", "Seven, ",
                                                "eight; ", "nine ten. ", "Eleven."});
  CHECK(plan(SplitMode::sentence, 200) ==
        Texts{"One. ", "Two! ", "Three?\n", "Four five six.\n\n", "Seven, eight; nine ten. ", "Eleven."});
  CHECK(plan(SplitMode::line, 200) ==
        Texts{"One. Two! Three?\n", "Four five six.\n\n", "Seven, eight; nine ten. Eleven."});
  CHECK(plan(SplitMode::paragraph, 200) ==
        Texts{"One. Two! Three?\nFour five six.\n\n", "Seven, eight; nine ten. Eleven."});
  CHECK(plan_chunks("", {SplitMode::automatic, "auto", characters, 10}).empty());
  CHECK(plan_chunks("\n \n", {SplitMode::sentence, "auto", characters, 10}).size() == 1);
  CHECK_THROWS_WITH(split_sentences("ab\xff", "auto"), "text: byte 2: expected UTF-8");
}

TEST_CASE("a megabyte is split into sentences in under 200 ms") {
  struct Hostile {
    const char* name;
    std::string text;
  };
  const auto repeat = [](const std::string& once) {
    std::string out;
    while (out.size() < 1'000'000) out += once;
    return out;
  };
  const Hostile texts[] = {{"prose in ten languages", prose(1'000'000)},
                           {"letters", repeat("a")},
                           {"blanks", repeat(" ")},
                           {"full stops", repeat(".")},
                           {"line breaks", repeat("\n")},
                           {"abbreviations", repeat("Dr. ")},
                           {"open brackets", repeat("(")},
                           {"brackets", repeat("(a. ")},
                           {"pairs", repeat("()")},
                           {"quotes", repeat("\" ")},
                           {"ellipses", repeat("\u2026 ")},
                           {"ideographs", repeat("\u4f60")},
                           {"numbers", repeat("1. ")},
                           {"dots and lines", repeat(".\n")},
                           {"dashes", repeat("\u2014")},
                           {"emoji", repeat("\U0001f600")},
                           {"closers", repeat(".\" ")}};
  for (const Hostile& hostile : texts) {
    size_t sentences = 0;
    const double ms = best_ms([&] { sentences = split_sentences(hostile.text, "auto").size(); });
    std::cout << "split " << hostile.name << ": " << ms << " ms, " << sentences << " sentences\n";
    CAPTURE(hostile.name);
    CHECK(ms < 200 * kSlower);
  }
  const std::string text = prose(1'000'000);
  size_t chunks = 0;
  const double ms = best_ms([&] {
    chunks = plan_chunks(text, {SplitMode::automatic, "auto", characters, 400}).size();
  });
  std::cout << "plan of a megabyte by characters: " << ms << " ms, " << chunks << " chunks\n";
  const std::string letters(1'000'000, 'a');
  const double one = best_ms([&] {
    chunks = plan_chunks(letters, {SplitMode::automatic, "auto", characters, 400}).size();
  });
  std::cout << "plan of one word of a megabyte: " << one << " ms, " << chunks << " chunks\n";
  CHECK(chunks == 2500);
  CHECK(one < 2000 * kSlower);
}
