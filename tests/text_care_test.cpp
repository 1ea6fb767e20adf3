// Lexicon, cleaning, pauses and SSML: what they do, and exactly how they refuse.
#include "base/error.h"
#include "catch.h"
#include "engine/clean.h"
#include "engine/lexicon.h"
#include "engine/markup.h"
#include "tokenizer_data.h"

#include <functional>

using namespace tts;
using namespace tts::test;

namespace {

struct Bad {
  std::string text, message;
};

void check_refused(const std::vector<Bad>& table, const std::function<void(const std::string&)>& parse) {
  for (const Bad& bad : table) {
    CAPTURE(bad.text.substr(0, 120));
    try {
      parse(bad.text);
      FAIL_CHECK("accepted");
    } catch (const Error& e) {
      CHECK(e.what() == bad.message);
      CHECK(e.exit == Exit::bad_input);
    }
  }
}

std::string language_of(std::string_view code) {
  return code == "de" || code == "de-AT" ? "german" : code == "en" ? "english" : "";
}

std::string shown(const std::vector<SpeechPart>& parts) {
  std::string out;
  for (const SpeechPart& p : parts)
    out += (out.empty() ? "" : "|") + p.text + (p.pause_ms > 0 ? format("<{}>", p.pause_ms) : "") +
           (p.ends_sentence ? "." : "") + (p.ends_paragraph ? "\u00b6" : "") +
           (p.voice.empty() ? "" : "@" + p.voice) + (p.language.empty() ? "" : "#" + p.language);
  return out;
}

std::string ssml(const std::string& xml, const std::string& language = "english") {
  return shown(parse_ssml(xml, {language, language_of}));
}
std::string at(int column, const std::string& what) {
  return format("ssml: line 1, column {}: {}", column, what);
}
std::string spoken(const std::string& inside) { return ssml("<speak>" + inside + "</speak>"); }

}  // namespace

TEST_CASE("lexicon: whole words, the longest first, case by the entry") {
  const Lexicon l = Lexicon::parse(
      "# names\n\nnginx\tengine x\nSQL\tsequel\nNew York\tnoo york\nnew york city\tthe big "
      "apple\ncaf\u00e9\tka-fay\nC++\tsee plus plus\n\u5317\u4eac\tBeijing\r\n",
      "l.tsv");
  CHECK(l.size() == 7);
  CHECK(l.apply("Nginx, NGINX and nginx.") == "engine x, engine x and engine x.");
  CHECK(l.apply("SQL is not sql, MySQL not SQLite.") == "sequel is not sql, MySQL not SQLite.");
  CHECK(l.apply("New York is not new york; New York City is.") ==
        "noo york is not new york; the big apple is.");
  CHECK(l.apply("CAF\u00c9 or caf\u00e9s") == "ka-fay or caf\u00e9s");
  CHECK(l.apply("C++ code") == "see plus plus code");
  CHECK(l.apply("nothing") == "nothing");
  CHECK(l.apply("") == "");
  CHECK(Lexicon::parse("a\tb\nb\ta\n", "l").apply("a b") == "b a");  // what was put in is not searched again
  CHECK(Lexicon::parse("", "l").apply("a") == "a");
}

TEST_CASE("lexicon: errors with line numbers") {
  check_refused({{"a b\n", "l.tsv: line 1: expected a word, one tab and its spoken form, got \"a b\""},
                 {"# x\n\na\tb\tc\n",
                  "l.tsv: line 3: expected a word, one tab and its spoken form, got \"a\\x09b\\x09c\""},
                 {"\tb\n", "l.tsv: line 1: expected a word and its spoken form, one is empty"},
                 {"a\t\n", "l.tsv: line 1: expected a word and its spoken form, one is empty"},
                 {"a\tb\nc\td\na\te\n", "l.tsv: line 3: \"a\" is in line 1 already"},
                 {"a\t" + std::string(1100, 'b'), "l.tsv: line 1: expected at most 1024 bytes, got 1102"},
                 {"a b c d e f g h i\tx\n", "l.tsv: line 1: expected at most 16 words and marks, got 17"},
                 {"a\tb\nc\xff\td\n", "l.tsv: byte 5: expected UTF-8"}},
                [](const std::string& text) { Lexicon::parse(text, "l.tsv"); });
}

TEST_CASE("cleaning, each kind by its name") {
  const auto clean = [](const std::string& text, const char* rules) {
    return clean_text(text, parse_clean_rules(rules));
  };
  CHECK(clean("# Title\n\n> quoted\n---\nSome *very* **bold** and _thin_ text.\n", "markdown") ==
        "Title\n\nquoted\n\nSome very bold and thin text.\n");
  CHECK(clean("See [the page](http://a.b/c) and ![a cat](cat.png).", "markdown") ==
        "See the page and a cat.");
  CHECK(clean("2 * 3 * 4, snake_case_name, a*b, * item, #5 and [1]", "markdown") ==
        "2 * 3 * 4, snake_case_name, a*b, * item, #5 and [1]");
  CHECK(clean("Go to https://www.example.com/a?b=1, or (http://x.org).", "urls") ==
        "Go to example.com, or (x.org).");
  CHECK(clean("www.example.com/x and awww.b", "urls") == "example.com and awww.b");
  CHECK(
      clean(
          "Hi \U0001f600 there \U0001f468\u200d\U0001f469\u200d\U0001f467! \u2764\ufe0f\U0001f44d\U0001f3fd",
          "emoji") == "Hi there ! ");
  CHECK(clean("before\n```c\nint x;\n```\nafter `x = 1` end", "code") == "before\nafter x = 1 end");
  CHECK(clean("```\nopen", "code") == "");
  CHECK(clean("*a* `b` \U0001f600 http://x.y/z", "") == "*a* `b` \U0001f600 http://x.y/z");
  CHECK(clean("**a** `b` \U0001f600 http://x.y/z", "markdown,urls,emoji,code") == "a b x.y");
  CHECK_THROWS_WITH(parse_clean_rules("markdown,html"),
                    "--clean: expected a list of markdown, urls, emoji and code, got \"html\"");
  for (uint64_t seed = 0; seed < 200; ++seed)
    CHECK(first_invalid_utf8(clean(random_text(seed), "markdown,urls,emoji,code")) == std::string::npos);
}

TEST_CASE("pauses") {
  CHECK(shown(parse_pauses("One[pause 500ms]two [pause 1.5s] three")) == "One<500>|two <1500>| three");
  CHECK(shown(parse_pauses("[pause 1s][pause 0ms]")) == "<1000>|");
  CHECK(shown(parse_pauses("no [brackets] [[pause 1s] [paused]")) == "no [brackets] [pause 1s] [paused]");
  CHECK(shown(parse_pauses("")).empty());
  const auto bad = [](const std::string& got) {
    return "text: byte 1: expected [pause N ms or s, at most 10 s], got \"" + got +
           "\"; write [[ for a bracket";
  };
  check_refused({{"a[pause]", bad("[pause]")},
                 {"a[pause 5]", bad("[pause 5]")},
                 {"a[pause -1s]", bad("[pause -1s]")},
                 {"a[pause 11s]", bad("[pause 11s]")},
                 {"a[pause 1 s]", bad("[pause 1 s]")},
                 {"a[pause nans]", bad("[pause nans]")},
                 {"a[pause infs]", bad("[pause infs]")},
                 {"a[pause 1e3ms]", bad("[pause 1e3ms]")},
                 {"a[pause 500ms and more", bad("[pause 500ms and mor")},
                 {"a\xff", "text: byte 1: expected UTF-8"}},
                [](const std::string& text) { parse_pauses(text); });
}

TEST_CASE("SSML: the documented subset") {
  CHECK(spoken("Hello  \n world") == "Hello world");
  CHECK(spoken("<p><s>One.</s><s>Two.</s></p><p>Three.</p>") == "One..|Two..\u00b6|Three.\u00b6");
  CHECK(spoken("A<break time='500ms'/>B<break strength=\"strong\"/>C<break/>D") == "A<500>|B<700>|C<400>|D");
  CHECK(spoken("<break time=\"1s\"/>A") == "<1000>|A");
  CHECK(spoken("I use <sub alias=\"sequel\">SQL</sub> daily.") == "I use sequel daily.");
  CHECK(spoken("<say-as interpret-as=\"cardinal\">21</say-as> <say-as interpret-as=\"ordinal\">3</say-as>") ==
        "twenty-one third");
  CHECK(spoken("<say-as interpret-as=\"characters\">AB 12</say-as>") == "A B one two");
  CHECK(spoken("<say-as interpret-as=\"digits\">007</say-as>") == "zero zero seven");
  CHECK(spoken("<say-as interpret-as=\"date\" format=\"dmy\">3.5.2024</say-as>") ==
        "May third, twenty twenty-four");
  CHECK(spoken("<say-as interpret-as='date'>1985-05-03</say-as>") == "May third, nineteen eighty-five");
  CHECK(spoken("<voice name=\"ryan\">Hi</voice> there") == "Hi@ryan|there");
  CHECK(spoken("a <lang xml:lang=\"de\"><say-as interpret-as=\"number\">21</say-as></lang>") ==
        "a |einundzwanzig#german");
  CHECK(spoken("&lt;b&gt; &amp; &quot;q&quot; &apos;s&apos;<!-- no <b> -->") == "<b> & \"q\" 's'");
  CHECK(ssml("<?xml version=\"1.0\"?>\n<speak version=\"1.0\" xmlns=\"http://www.w3.org/2001/10/synthesis\" "
             "xml:lang=\"de-AT\">Ja</speak>\n") == "Ja#german");
  CHECK(spoken("").empty());
}

TEST_CASE("SSML: everything else is refused by name and position") {
  check_refused(
      {{"", at(1, "expected <speak>, got nothing")},
       {"Hello", at(1, "expected <speak>, got text outside of it")},
       {"<p>x</p>", at(1, "expected one <speak> around everything, got <p>")},
       {"<speak>a</speak>b", at(17, "expected <speak>, got text outside of it")},
       {"<speak/><speak/>", at(9, "expected one <speak> around everything, got <speak>")},
       {"<speak><speak/></speak>", at(8, "expected one <speak> around everything, got <speak>")},
       {"<speak>\n<prosody rate=\"fast\">x</prosody></speak>",
        "ssml: line 2, column 1: expected one of speak p s break sub say-as voice lang, got <prosody"},
       {"<speak><audio src='x'/></speak>",
        at(8, "expected one of speak p s break sub say-as voice lang, got <audio")},
       {"<!DOCTYPE speak [<!ENTITY a \"b\">]><speak/>",
        at(1, "expected one of speak p s break sub say-as voice lang, got <!")},
       {"<speak><![CDATA[x]]></speak>",
        at(8, "expected one of speak p s break sub say-as voice lang, got <!")},
       {"<speak><?php x?></speak>", at(8, "expected one of speak p s break sub say-as voice lang, got <?")},
       {"<speak>&nbsp;</speak>", at(8, "expected &amp; &lt; &gt; &quot; or &apos;, got another entity")},
       {"<speak>&#65;</speak>", at(8, "expected &amp; &lt; &gt; &quot; or &apos;, got another entity")},
       {"<speak>a & b</speak>", at(10, "expected &amp; &lt; &gt; &quot; or &apos;, got another entity")},
       {"<speak>", at(8, "expected </speak>, got the end")},
       {"<speak><p></speak>", at(11, "expected </p>, got </speak>")},
       {"<speak></speak></p>", at(16, "</p> ends nothing")},
       {"<speak><p", at(10, "expected > of <p")},
       {"<speak></p x></speak>", at(12, "expected > of </p")},
       {"<speak><!-- x", at(12, "expected \"-->\" after it, got the end")}},
      [](const std::string& text) {
        parse_ssml(text, {"english", language_of});
      });
}

TEST_CASE("SSML: attributes and their values are refused by name and position") {
  std::string deep = "<speak>";
  for (int i = 0; i < 16; ++i) deep += "<p>";
  check_refused(
      {{"<speak><break time=500ms/></speak>", at(20, "expected a quoted value of time")},
       {"<speak><break time/></speak>", at(19, "expected = after time")},
       {"<speak><break time=\"5</speak>", at(22, "expected the closing quote of time")},
       {"<speak><break time=\"5m\"/></speak>", at(8, "time: expected ms or s, at most 10 s, got \"5m\"")},
       {"<speak><break time=\"99s\"/></speak>", at(8, "time: expected ms or s, at most 10 s, got \"99s\"")},
       {"<speak><break strength=\"big\"/></speak>",
        at(8, "strength: expected none, x-weak, weak, medium, strong or x-strong, got \"big\"")},
       {"<speak><break time=\"1s\" time=\"2s\"/></speak>", at(25, "time is there twice")},
       {"<speak><break pitch=\"1\"/></speak>", at(15, "<break> takes time strength, got pitch")},
       {"<speak><break>x</break></speak>", at(16, "<break> holds no text")},
       {"<speak><sub>x</sub></speak>", at(8, "<sub> expects alias")},
       {"<speak><sub alias='a'><p/></sub></speak>", at(23, "<sub> holds no elements, got <p>")},
       {"<speak><voice>x</voice></speak>", at(8, "<voice> expects name")},
       {"<speak><lang>x</lang></speak>", at(8, "<lang> expects xml:lang")},
       {"<speak xml:lang='tlh'>x</speak>", at(1, "xml:lang \"tlh\" is no language that is known")},
       {"<speak><say-as>1</say-as></speak>", at(8, "<say-as> expects interpret-as")},
       {"<speak><say-as interpret-as='time'>1</say-as></speak>",
        at(8,
           "interpret-as: expected cardinal, number, ordinal, characters, spell-out, digits or date, got "
           "\"time\"")},
       {"<speak><say-as interpret-as='date' format='yyyy'>1</say-as></speak>",
        at(8, "format: expected ymd, dmy, mdy, md or dm of a date, got \"yyyy\"")},
       {"<speak><say-as interpret-as='cardinal'>one</say-as></speak>",
        at(8, "say-as cardinal: numbers: expected a number, got \"one\"")},
       {"<speak><say-as interpret-as='date'>1985-13-01</say-as></speak>",
        at(8, "say-as date: numbers: expected a date, got 1985-13-1")},
       {"<speak><say-as interpret-as='date'>May</say-as></speak>",
        at(8, "say-as date: expected numbers as ymd, got \"May\"")},
       {deep, at(53, "more than 16 levels")},
       {"<speak>\xff</speak>", at(8, "expected UTF-8")}},
      [](const std::string& text) {
        parse_ssml(text, {"english", language_of});
      });
  CHECK_THROWS_WITH(
      parse_ssml("<speak><say-as interpret-as='cardinal'>1</say-as></speak>", {"auto", language_of}),
      at(8, "say-as needs a language that can be read, got \"auto\"; say xml:lang"));
}
