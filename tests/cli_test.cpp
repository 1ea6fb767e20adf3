// The option table: what the parser takes, and that help, man page and completions say the same.
#include "tools/cli.h"
#include "catch.h"
#include "tools/gen_options.h"
#include "tools/languages.h"

#include <cmath>

using namespace tts;

namespace {

std::vector<std::string> shell_words(std::string_view text) {  // only plain words and '...'
  std::vector<std::string> words;
  std::string word;
  bool quoted = false, any = false;
  for (const char c : text) {
    if (c == '\'') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

Arguments parse(const std::vector<std::string>& words) { return parse_arguments(kGenProgram, words); }

std::string complaint(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const Error& error) {
    CHECK(error.exit == Exit::usage);
    return error.what();
  }
  return "accepted";
}

size_t count(std::string_view text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string escaped_dashes(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '-' ? std::string("\\-") : std::string(1, c);
  return out;
}

}  // namespace

TEST_CASE("every option is in help, man page and completions, with an example that parses") {
  const std::string help = help_page(kGenProgram), man = man_page(kGenProgram, "1.2.3");
  const std::string bash = completion_script(kGenProgram, "bash"),
                    zsh = completion_script(kGenProgram, "zsh"),
                    fish = completion_script(kGenProgram, "fish");
  REQUIRE(kGenProgram.options.size() > 40);
  CHECK(count(man, "\nExample: ") == kGenProgram.options.size());
  for (const OptionRow& row : kGenProgram.options) {
    CAPTURE(row.name);
    const std::string dashed = std::string("--") + row.name;
    CHECK(count(help, dashed) >= 1);
    CHECK(count(man, escaped_dashes(dashed)) >= 1);
    CHECK(count(bash, dashed) >= 1);
    CHECK(count(zsh, dashed + "[") == 1);
    CHECK(count(fish, std::string("-l ") + row.name + " ") == 1);
    CHECK(std::string_view(row.help).size() > 5);
    CHECK(row.commands != 0);
    CHECK(parse(shell_words(row.example)).has(row.name));
  }
}

TEST_CASE("names and letters are unique") {
  for (const OptionRow& a : kGenProgram.options) {
    for (const OptionRow& b : kGenProgram.options) {
      if (&a == &b) continue;
      CHECK(std::string_view(a.name) != b.name);
      CHECK((a.letter == 0 || a.letter != b.letter));
    }
  }
}

TEST_CASE("spellings of options") {
  CHECK(parse({"--output_dir", "x"}).text("output-dir") == "x");
  CHECK(parse({"--output-dir=x"}).text("output-dir") == "x");
  CHECK(parse({"-dx"}).text("output-dir") == "x");
  CHECK(parse({"-qvd", "x"}).text("output-dir") == "x");
  CHECK(parse({"-o", "-"}).text("output") == "-");
  CHECK(parse({"-t", "--hello"}).text("text") == "--hello");
  CHECK(parse({"--json"}).has("json"));
  CHECK(parse({"--json=a.json"}).text("json") == "a.json");
  CHECK(parse({"--json", "a"}).operands == std::vector<std::string>{"a"});
  CHECK(parse({"--seed", "9223372036854775807"}).integer("seed", 0) == INT64_MAX);
  CHECK(parse({"--temperature", "2"}).real("temperature", 0) == 2);
  CHECK(parse({"hello", "-q", "world"}).operands == std::vector<std::string>{"hello", "world"});
}

TEST_CASE("command words") {
  CHECK(command_of(parse({"doctor"})) == GenCommand::doctor);
  CHECK(command_of(parse({"--", "doctor"})) == GenCommand::speak);
  CHECK(command_of(parse({"-t", "doctor"})) == GenCommand::speak);
  CHECK(command_of(parse({"codec", "decode", "a.json"})) == GenCommand::codec_decode);
  CHECK(command_of(parse({"codec", "decoder"})) == GenCommand::speak);
  CHECK(command_of(parse({"-q", "inspect", "DIR"})) == GenCommand::inspect);
  CHECK(complaint({"inspect"}) == "inspect: expected DIR, got 0 words");
  CHECK(complaint({"doctor", "--seed", "1"}) == "--seed: does not apply to 'tts-gen doctor'");
}

TEST_CASE("what is refused, in which words") {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--vresion"}, "unknown option '--vresion'; did you mean '--version'?"},
      {{"--temp", "1"}, "unknown option '--temp'; did you mean '--temperature'?"},
      {{"--qqqqqqqqqqqqq"}, "unknown option '--qqqqqqqqqqqqq'; tts-gen --help lists the known ones"},
      {{"-Z"}, "unknown option '-Z'; tts-gen --help lists the known ones"},
      {{"--seed"}, "--seed: expected N, got nothing"},
      {{"--greedy=1"}, "--greedy: takes no value, got '1'"},
      {{"--json="}, "--json: expected FILE, got an empty word"},
      {{"--output", ""}, "--output: expected PATH|-, got an empty word"},
      {{"--guard", "maybe"}, "--guard: expected on|off, got 'maybe'"},
      {{"--seed", "1", "--seed", "2"}, "--seed: given twice"},
  };
  for (const auto& [words, message] : cases) CHECK(complaint(words) == message);
}

TEST_CASE("numbers are strict") {
  for (const char* bad : {"-1", "+1", "", " 1", "1 ", "1x", "0x10", "1.0", "1e3", "nan",
                          "9223372036854775808", "18446744073709551616", "99999999999999999999999"}) {
    CAPTURE(bad);
    CHECK(complaint({"--seed", bad}) ==
          format("--seed: expected an integer in 0..9223372036854775807, got '{}'", bad));
  }
  for (const char* bad :
       {"0", "-0.5", "2.0001", "nan", "inf", "-nan", "1e400", "0x1p0", "1,5", "1.5f", "", " 1", "+1"}) {
    CAPTURE(bad);
    CHECK(complaint({"--temperature", bad}) ==
          format("--temperature: expected a number above 0 and at most 2, got '{}'", bad));
  }
  CHECK(complaint({"--max-new-tokens", "1"}) ==
        "--max-new-tokens: expected an integer in 2..1048576, got '1'");
}

TEST_CASE("languages by code") {
  CHECK(language_of_code("en") == "english");
  CHECK(language_of_code("ZH") == "chinese");
  CHECK(language_of_code("ger") == "german");
  CHECK(language_of_code("deu") == "german");
  CHECK(language_of_code("").empty());
  CHECK(language_of_code("english").empty());
}
