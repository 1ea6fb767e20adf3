#include "engine/numbers.h"

#include "catch.h"
#include "timing.h"
#include "tokenizer_data.h"

#include <ctime>

#include <iostream>
#include <sstream>

using namespace tts;
using namespace tts::test;

TEST_CASE("numbers are read in ten languages") {
  std::istringstream lines(data_file("numbers.txt"));
  std::string language;
  int languages = 0, cases = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      language = line.substr(1, line.size() - 2);
      ++languages;
      continue;
    }
    const size_t tab = line.find('\t');
    REQUIRE(tab != line.npos);
    const std::string read = read_numbers(line.substr(0, tab), language);
    CHECK(read == line.substr(tab + 1));
    CHECK(read_numbers(read, language) == read);  // what was read or left is not touched again
    ++cases;
  }
  CHECK(languages == 10);
  CHECK(cases >= 34);
}

TEST_CASE("single numbers and dates") {
  CHECK(read_number("21", NumberKind::cardinal, "english") == "twenty-one");
  CHECK(read_number("-3.5", NumberKind::cardinal, "english") == "minus three point five");
  CHECK(read_number("21", NumberKind::ordinal, "french") == "vingt-et-uni\u00e8me");
  CHECK(read_number("2024", NumberKind::digits, "english") == "two zero two four");
  CHECK(read_number("1990", NumberKind::cardinal, "english") == "one thousand nine hundred ninety");
  CHECK(read_date(2024, 5, 3, "english") == "May third, twenty twenty-four");
  CHECK(read_date(0, 5, 3, "spanish") == "tres de mayo");
  CHECK_THROWS_WITH(read_number("2x", NumberKind::cardinal, "english"),
                    "numbers: expected a number, got \"2x\"");
  CHECK_THROWS_WITH(read_number("", NumberKind::digits, "english"), "numbers: expected a number, got \"\"");
  CHECK_THROWS_WITH(read_number("1.5", NumberKind::ordinal, "english"),
                    "numbers: expected a number, got \"1.5\"");
  CHECK_THROWS_WITH(read_date(1985, 13, 3, "english"), "numbers: expected a date, got 1985-13-3");
  CHECK(can_read_numbers("korean"));
  CHECK_FALSE(can_read_numbers("auto"));
  try {
    read_numbers("1", "auto");
    FAIL_CHECK("accepted");
  } catch (const Error& e) {
    CHECK(e.exit == Exit::usage);
  }
  CHECK_THROWS_WITH(read_numbers("1\xff", "english"), "text: byte 1: expected UTF-8");
}

TEST_CASE("text without digits stays as it is, and reading is linear") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::string text;
    for (const char c : random_text(seed))
      if (c < '0' || c > '9') text += c;
    for (const char* language : {"english", "german", "russian", "chinese"})
      CHECK(read_numbers(text, language) == text);
  }
  const auto seconds = [](const std::string& once, const char* language) {
    std::string text;
    while (text.size() < 100'000) text += once;
    timespec a{}, b{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    read_numbers(text, language);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    return static_cast<double>(b.tv_sec - a.tv_sec) + 1e-9 * static_cast<double>(b.tv_nsec - a.tv_nsec);
  };
  for (const char* once : {"1", "1 ", "1.", "1,234 ", "$", "-", "1-", "10:30 ", "3. Mai ", "a1",
                           "\u2013"
                           "1",
                           "1/", "5/3/2024 "})
    for (const char* language : {"english", "german", "russian"}) {
      const double s = seconds(once, language);
      CAPTURE(once, language);
      CHECK(s < 3 * kSlower);
      if (s > 0.5) std::cout << "100 KB of \"" << once << "\", " << language << ": " << s << " s\n";
    }
}
