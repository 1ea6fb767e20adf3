#include "engine/speech_plan.h"

#include "catch.h"
#include "tokenizer_data.h"

using namespace tts;
using namespace tts::test;

namespace {

const Tokenizer& tokenizer() { return qwen_tokenizer(Pretokenizer::standard); }

std::string joined(const SpeechPlan& plan) {
  std::string out;
  for (const PlannedChunk& c : plan.chunks) out += c.text;
  return out;
}

std::string book(size_t sentences) {
  std::string out;
  for (size_t i = 0; i < sentences; ++i)
    out +=
        i % 20 == 19 ? "The end of a paragraph.\n\n" : "It was a dark and stormy night, and nobody slept. ";
  return out;
}

}  // namespace

TEST_CASE("a short text is one chunk, a long one stays within reach") {
  const SpeechPlan one = plan_speech("Hello there. How are you?", {}, {}, tokenizer());
  REQUIRE(one.chunks.size() == 1);
  CHECK(one.chunks[0].text_tokens == 7);
  CHECK(one.chunks[0].expected_frames == 38);
  CHECK(one.warnings.empty());
  const std::string text = book(400);
  const SpeechPlan many = plan_speech(text, {}, {}, tokenizer());
  CHECK(joined(many) == text);
  CHECK(many.chunks.size() >= 20);
  for (const PlannedChunk& c : many.chunks) CHECK(c.text_tokens <= 200);
  CHECK(many.warnings.empty());
}

TEST_CASE("rules that a voice declares apply without being asked for, and are reported") {
  const VoiceRules voice{
      .max_characters = 60, .upfront_text_only = false, .spell_numbers = true, .description = ""};
  const SpeechPlan plan =
      plan_speech("I have 21 apples and more. They are red and green. You can have 3 of them, if you like.",
                  {.language = "english"}, voice, tokenizer());
  CHECK(
      joined(plan) ==
      "I have twenty-one apples and more. They are red and green. You can have three of them, if you like.");
  CHECK(plan.chunks.size() == 2);
  for (const PlannedChunk& c : plan.chunks) CHECK(c.text.size() <= 60);
  CHECK(plan.warnings ==
        std::vector<std::string>{
            "this voice cannot read digits: they are spelled out",
            "this voice reaches 60 characters at once: the text is spoken in several chunks"});
  const SpeechPlan unknown = plan_speech("21", {}, voice, tokenizer());
  CHECK(joined(unknown) == "21");
  CHECK(unknown.warnings ==
        std::vector<std::string>{
            "this voice cannot read digits, and they were left: language auto has no rules for them"});
  CHECK(plan_speech("No digits.", {}, voice, tokenizer()).warnings.empty());
}

TEST_CASE("the order of the stages: markup, cleaning, lexicon, numbers, chunks") {
  SpeechPlanRules rules{.language = "english",
                        .markup = Markup::pauses,
                        .clean = parse_clean_rules("markdown,emoji"),
                        .numbers = true};
  rules.lexicon = Lexicon::parse("nginx\tengine x 2\n", "l.tsv");
  const SpeechPlan plan = plan_speech("**nginx** has 5[pause 300ms] parts \U0001f600 [pause 1s][pause 2s]...",
                                      rules, {}, tokenizer());
  REQUIRE(plan.chunks.size() == 4);
  CHECK(plan.chunks[0].text == "engine x two has five");
  CHECK(plan.chunks[0].pause_ms == 300);
  CHECK(plan.chunks[1].text == " parts ");
  CHECK(plan.chunks[1].pause_ms == 1000);
  CHECK(plan.chunks[2].text.empty());
  CHECK(plan.chunks[2].pause_ms == 2000);
  CHECK(plan.chunks[3].text == "...");
  CHECK(plan.chunks[0].speakable);
  CHECK_FALSE(plan.chunks[2].speakable);
  CHECK_FALSE(plan.chunks[3].speakable);
}

TEST_CASE("SSML gives voices, languages and paragraphs") {
  SpeechPlanRules rules{.language = "english", .markup = Markup::ssml};
  rules.language_of = [](std::string_view code) { return std::string(code == "de" ? "german" : ""); };
  const SpeechPlan plan = plan_speech(
      "<speak><p>One.</p><voice name=\"ryan\">Two <lang xml:lang=\"de\">drei</lang></voice><break "
      "time=\"1s\"/></speak>",
      rules, {}, tokenizer());
  REQUIRE(plan.chunks.size() == 3);
  CHECK(plan.chunks[0].ends_paragraph);
  CHECK(plan.chunks[0].voice.empty());
  CHECK(plan.chunks[1].voice == "ryan");
  CHECK_FALSE(plan.chunks[1].ends_paragraph);
  CHECK(plan.chunks[2].language == "german");
  CHECK(plan.chunks[2].voice == "ryan");
  CHECK(plan.chunks[2].pause_ms == 1000);
  CHECK(plan_speech("", {}, {}, tokenizer()).chunks.empty());
}
