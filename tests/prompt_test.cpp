// Rows of every layout as ids (spec/prompt.md section 8), what a checkpoint's type accepts, and texts that
// are refused. The vectors behind the ids are compared with the official implementation by golden_test.
#include "catch.h"
#include "engine/prompt.h"
#include "speech.h"

#include <map>

using namespace tts;
using namespace tts::test;

namespace {

const Model& model_named(const char* name) {
  static std::map<std::string, std::unique_ptr<Model>> loaded;
  auto& model = loaded[name];
  if (!model) model = load_model(golden_model(name));
  return *model;
}

SpeakRequest asking(const std::string& text, const std::string& speaker = "",
                    const std::string& language = "auto") {
  SpeakRequest request;
  request.text = text;
  request.speaker = speaker;
  request.language = language;
  return request;
}

void refused(const Model& model, const SpeakRequest& request, Exit exit, const std::string& message) {
  try {
    build_prompt(model, request);
    FAIL("accepted: " << request.text.substr(0, 40));
  } catch (const Error& error) {
    CHECK(error.exit == exit);
    CHECK_THAT(error.what(), ContainsSubstring(message));
  }
}

}  // namespace

TEST_CASE("up-front text: role, tags, speaker, text on PAD, end of text, BOS") {
  const Model& model = model_named("tiny-custom-voice");
  const ModelConfig& c = model.config;
  const TalkerConfig& t = c.talker;
  const Prompt prompt = build_prompt(model, asking("Hello world.", "ryan", "english"));
  const auto x = model.tokenizer.encode("Hello world.");
  REQUIRE(prompt.rows.size() == 7 + x.size() + 4);  // |C| + N + 4
  const auto is = [&](size_t row, int text, int codec) {
    INFO("row " << row);
    CHECK(prompt.rows[row].text == text);
    CHECK(prompt.rows[row].codec == codec);
  };
  is(0, c.im_start, -1);
  is(3, c.tts_pad, t.think);
  is(4, c.tts_pad, t.think_bos);
  is(5, c.tts_pad, find_language(c, "English")->id);
  is(6, c.tts_pad, t.think_eos);
  is(7, c.tts_pad, find_speaker(c, "RYAN")->id);
  is(8, c.tts_bos, t.pad);
  for (size_t i = 0; i < x.size(); ++i) is(9 + i, x[i], t.pad);
  is(9 + x.size(), c.tts_eos, t.pad);
  is(10 + x.size(), c.tts_pad, t.bos);
  CHECK(prompt.trailing.empty());
  CHECK(prompt.text_tokens == static_cast<int>(x.size()));
}

TEST_CASE("streaming text: the first id on BOS, the others trail, then the end of text") {
  const Model& model = model_named("tiny-custom-voice");
  SpeakRequest request = asking("Hello world.", "serena");
  request.text_mode = TextMode::stream;
  const Prompt prompt = build_prompt(model, request);
  auto x = model.tokenizer.encode("Hello world.");
  REQUIRE(prompt.rows.size() == 3 + 6);  // |C| + 3 with the NOTHINK form and a speaker
  CHECK(prompt.rows[3].codec == model.config.talker.nothink);
  CHECK(prompt.rows.back().text == x[0]);
  CHECK(prompt.rows.back().codec == model.config.talker.bos);
  x.erase(x.begin());
  x.push_back(model.config.tts_eos);
  CHECK(prompt.trailing == x);
}

TEST_CASE("a dialect speaker overrides Auto and Chinese, nothing else") {
  const Model& model = model_named("tiny-custom-voice");
  const int dialect = find_language(model.config, "sichuan_dialect")->id;
  for (const char* language : {"auto", "Chinese"}) {
    const Prompt prompt = build_prompt(model, asking("Hello.", "Eric", language));
    CHECK(prompt.rows[5].codec == dialect);
    CHECK(prompt.language == "sichuan_dialect");
  }
  CHECK(build_prompt(model, asking("Hello.", "Eric", "english")).rows[5].codec ==
        find_language(model.config, "english")->id);
}

TEST_CASE("user text never becomes a control id, unless it is asked for") {
  const Model& model = model_named("tiny-custom-voice");
  SpeakRequest request = asking("say <|im_end|> and <tts_pad> now", "ryan");
  for (const PromptRow& row : build_prompt(model, request).rows) {
    const bool control = model.tokenizer.is_added(row.text);
    const bool ours = row.text == model.config.im_start || row.text == model.config.tts_pad ||
                      row.text == model.config.tts_bos || row.text == model.config.tts_eos;
    CHECK((!control || ours));
  }
  const size_t plain = build_prompt(model, request).rows.size();
  request.raw_control_tokens = true;
  CHECK(build_prompt(model, request).rows.size() < plain);
}

TEST_CASE("leading line breaks are dropped and said; official behaviour keeps them") {
  const Model& model = model_named("tiny-custom-voice");
  const Prompt prompt = build_prompt(model, asking("\r\n\nHello.", "ryan"));
  CHECK(prompt.warnings.size() == 1);
  CHECK(prompt.input_ids == build_prompt(model, asking("Hello.", "ryan")).input_ids);
}

TEST_CASE("an instruction is honoured, or refused, or ignored with a warning") {
  SpeakRequest request = asking("Hello.");
  request.instruct = "Speak softly.";
  const Prompt honoured = build_prompt(model_named("tiny-voice-design"), request);
  CHECK(honoured.instruct_ids.size() > 5);
  CHECK(honoured.rows[0].text == honoured.instruct_ids[0]);
  const Prompt ignored = build_prompt(model_named("tiny-custom-voice"), request);
  CHECK(ignored.instruct_ids.empty());
  CHECK(ignored.warnings.size() == 1);
  refused(model_named("tiny-base"), request, Exit::usage, "takes no instruction");
}

TEST_CASE("unknown names list the known ones; a type refuses what it cannot do") {
  const Model& custom = model_named("tiny-custom-voice");
  refused(custom, asking("Hi.", "rian"), Exit::usage, "speaker 'rian' is not in this checkpoint; it has:");
  refused(custom, asking("Hi.", "ryan", "klingon"), Exit::usage,
          "language 'klingon' is not in this checkpoint; it has: auto,");
  refused(custom, asking("Hi.", "ryan", "beijing_dialect"), Exit::usage, "is not in this checkpoint");
  refused(model_named("tiny-voice-design"), asking("Hi.", "ryan"), Exit::usage,
          "a voice_design checkpoint has no named speakers");
  refused(model_named("tiny-base"), asking("Hi.", "ryan"), Exit::usage, "give --ref-audio or --voice");
  SpeakRequest cloned = asking("Hi.");
  cloned.voice = std::make_shared<ClonedVoice>();
  refused(custom, cloned, Exit::usage, "a cloned voice needs a base checkpoint");
  refused(model_named("tiny-base"), cloned, Exit::bad_input, "speaker vector: expected 48 values, got 0");
}

TEST_CASE("bad texts are refused with the place") {
  const Model& model = model_named("tiny-custom-voice");
  struct Bad {
    std::string text, message;
  };
  const std::vector<Bad> list = {
      {"abc\xff" "def", "invalid UTF-8 at byte 3"},
      {"\xc0\xaf", "invalid UTF-8 at byte 0"},           // overlong
      {"x\xed\xa0\x80", "invalid UTF-8 at byte 1"},      // a surrogate
      {std::string("a\0b", 3), "a NUL byte at byte 1"},
      {"", "nothing to speak"},
      {" \n\t ", "nothing to speak"},
      {"...!?\xe2\x80\xa6", "nothing to speak"},
      {std::string(32769, 'a'), "at most 32768 bytes per item, got 32769"},
  };
  for (const Bad& bad : list) refused(model, asking(bad.text, "ryan"), Exit::bad_input, bad.message);
}

TEST_CASE("in-context cloning: reference text and codes run side by side") {
  const Model& model = model_named("tiny-base");
  SpeakRequest request = asking("Hello world.");
  ClonedVoice voice;
  voice.speaker_vector.assign(static_cast<size_t>(model.config.talker.dims.H), 0.5f);
  voice.codes.assign(16 * 21, 1);
  voice.transcript = "A voice.";
  request.voice = std::make_shared<ClonedVoice>(voice);
  const size_t text =
      model.tokenizer.encode("A voice.").size() + model.tokenizer.encode("Hello world.").size() + 1;
  const Prompt streaming = build_prompt(model, request);  // the default of this type
  CHECK(streaming.rows.size() == 3 + 4 + 1 + 22);  // role, tags with the speaker, PAD row, BOS and 21 frames
  CHECK(streaming.rows[6].speaker);
  CHECK(streaming.rows.back().reference == 20);
  CHECK(streaming.trailing.size() == (text > 22 ? text - 22 : 0));
  request.text_mode = TextMode::upfront;
  CHECK(build_prompt(model, request).rows.size() == 3 + 4 + 1 + text + 22);
}
