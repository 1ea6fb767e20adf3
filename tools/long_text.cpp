#include "tools/long_text.h"

#include "base/limits.h"
#include "engine/join.h"
#include "engine/split.h"
#include "tools/items.h"
#include "tools/languages.h"
#include "tools/report.h"
#include "tools/settings.h"

#include <algorithm>

namespace tts {

namespace {

SplitMode split_mode(const Arguments& args) {
  const std::string name = args.text("split", args.has("subtitles") ? "sentence" : "auto");
  if (name == "sentence") return SplitMode::sentence;
  if (name == "paragraph") return SplitMode::paragraph;
  if (name == "line") return SplitMode::line;
  return name == "none" ? SplitMode::none : SplitMode::automatic;
}

// "de-AT" -> "german"
std::string language_of_tag(std::string_view tag) {
  const std::string_view name = language_of_code(tag.substr(0, tag.find('-')));
  return std::string(name);
}

void check_sentences(const std::string& text, const std::string& language) {
  uint32_t begin = 0;
  for (const SentenceEnd& sentence : split_sentences(text, language)) {
    check(sentence.end - begin <= limits::kTextBytes, Exit::bad_input,
          "text: too long: expected sentences of at most {} bytes, got one of {} at byte {}",
          limits::kTextBytes.value, sentence.end - begin, begin);
    begin = sentence.end;
  }
}

}  // namespace

TextCare text_care_of(const Arguments& args) {
  TextCare care;
  care.rules.split = split_mode(args);
  care.rules.markup = args.text("input", "text") == "ssml"      ? Markup::ssml
                      : args.text("markup", "none") == "pauses" ? Markup::pauses
                                                                : Markup::none;
  if (args.has("clean")) care.rules.clean = parse_clean_rules(args.text("clean"));
  care.rules.numbers = args.has("numbers");
  if (args.has("lexicon")) care.rules.lexicon = Lexicon::load(args.text("lexicon"));
  care.rules.language_of = language_of_tag;
  if (args.has("carry")) care.rules.reach_tokens = kCarryTokens;
  care.gap_ms = static_cast<double>(args.integer("gap-ms", static_cast<int64_t>(kGapMs)));
  care.paragraph_gap_ms =
      static_cast<double>(args.integer("paragraph-gap-ms", static_cast<int64_t>(kParagraphGapMs)));
  return care;
}

void check_speakable(const std::string& text) {
  check(is_speakable(text), Exit::bad_input,
        "text: nothing to speak: expected at least one letter, digit or symbol");
}

SpeechPlan plan_item(const TextCare& care, const std::string& text, const std::string& language,
                     const Model& model) {
  const size_t bad = first_invalid_utf8(text);
  check(bad == text.npos, Exit::bad_input, "text: invalid UTF-8 at byte {}", bad);
  check(text.find('\0') == text.npos, Exit::bad_input, "text: a NUL byte at byte {}", text.find('\0'));
  check_speakable(text);
  if (care.rules.markup != Markup::ssml && static_cast<int64_t>(text.size()) > limits::kTextBytes)
    check_sentences(text, language);
  SpeechPlanRules rules = care.rules;
  // Who speaks one language only need not be told which.
  const std::vector<Named>& known = model.config.talker.languages;
  rules.language = language == "auto" && known.size() == 1 ? known.front().name : language;
  SpeechPlan plan = plan_speech(text, rules, model.rules, model.tokenizer);
  const bool any =
      std::any_of(plan.chunks.begin(), plan.chunks.end(), [](const PlannedChunk& c) { return c.speakable; });
  check(any, Exit::bad_input, "text: nothing to speak: expected at least one letter, digit or symbol");
  return plan;
}

bool is_single(const SpeechPlan& plan) {
  return plan.chunks.size() == 1 && plan.chunks.front().pause_ms == 0;
}

uint64_t seed_of_chunk(uint64_t seed, std::string_view text, int repeat) {
  uint64_t words = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) words = (words ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return seed_of_attempt(seed ^ words, 1 + repeat);
}

int print_chunks(const Arguments& args) {
  const TextCare care = text_care_of(args);
  ItemSource source(args, false);
  const auto model = load_model(model_choice(args), load_options(args));
  const CodecDecoderConfig& codec = model->config.codec;
  while (const std::optional<Item> item = source.next()) {
    if (item->error) std::rethrow_exception(item->error);
    const std::string language =
        language_name(item->language.value_or(args.text("language", "auto")), model->config);
    const SpeechPlan plan = plan_item(care, item->text, language, *model);
    for (const std::string& warning : plan.warnings) log_of(args).say(item->where + warning);
    for (const PlannedChunk& chunk : plan.chunks) {
      const double seconds = chunk.speakable ? static_cast<double>(chunk.expected_frames) *
                                                   codec.samples_per_frame / codec.sample_rate
                                             : 0;
      write_stdout(format("{} tokens\t{} s\t{}{}\n", chunk.text_tokens, fixed(seconds, 1),
                          printable(chunk.text),
                          chunk.pause_ms > 0 ? format("\tthen {} ms of silence", chunk.pause_ms) : ""));
    }
  }
  return 0;
}

}  // namespace tts
