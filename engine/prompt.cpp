#include "engine/prompt.h"

#include "base/limits.h"

#include <algorithm>

namespace tts {

namespace {

std::string known_names(const ModelConfig& config, bool speakers) {
  std::string out;
  const auto add = [&](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
  if (speakers) {
    for (const Speaker& s : config.talker.speakers) add(s.name);
  } else {
    add("auto");
    for (const Named& l : config.talker.languages) {
      if (l.name.find("dialect") == l.name.npos) add(l.name);
    }
  }
  return out;
}

// ---- what the checkpoint's type accepts (spec/api-surface.md section 3.2) ---------------------------------

const Speaker* choose_speaker(const Model& model, const SpeakRequest& request) {
  if (request.speaker.empty()) return nullptr;
  const ModelConfig& c = model.config;
  check(c.type == ModelType::custom_voice, Exit::usage,
        "speaker '{}': a {} checkpoint has no named speakers; {}", request.speaker, c.type,
        c.type == ModelType::base ? "give --ref-audio or --voice" : "describe the voice with --instruct");
  const Speaker* speaker = find_speaker(c, request.speaker);
  check(speaker != nullptr, Exit::usage, "speaker '{}' is not in this checkpoint; it has: {}",
        request.speaker, known_names(c, true));
  return speaker;
}

// Language row, dialect override included (spec/prompt.md section 3.1). nullptr: Auto.
const Named* choose_language(const Model& model, const SpeakRequest& request, const Speaker* speaker) {
  std::string name = request.language;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char ch) { return std::tolower(ch); });
  const Named* language = nullptr;
  if (name != "auto" && !name.empty()) {
    language = find_language(model.config, name);
    check(language != nullptr && name.find("dialect") == name.npos, Exit::usage,
          "language '{}' is not in this checkpoint; it has: {}", request.language,
          known_names(model.config, false));
  }
  const bool overridable = language == nullptr || language->name == "chinese";
  if (speaker && !speaker->dialect.empty() && overridable)
    return find_language(model.config, speaker->dialect);
  return language;
}

void check_voice(const Model& model, const SpeakRequest& request) {
  if (!request.voice) return;
  const ModelConfig& c = model.config;
  check(c.type == ModelType::base, Exit::usage, "a cloned voice needs a base checkpoint; this one is {}, {}",
        c.type,
        c.type == ModelType::custom_voice ? "choose one of its speakers"
                                          : "describe the voice with --instruct");
  const auto width = static_cast<int>(request.voice->speaker_vector.size());
  check(width == c.talker.dims.H, Exit::bad_input,
        "voice: speaker vector: expected {} values, got {}; it belongs to a checkpoint of "
        "another size",
        c.talker.dims.H, width);
  const size_t groups = static_cast<size_t>(c.talker.groups);
  check(request.voice->codes.size() % groups == 0, Exit::bad_input,
        "voice: codes: expected a multiple of {}, got {}", groups, request.voice->codes.size());
  for (size_t i = 0; i < request.voice->codes.size(); ++i) {
    const int limit = i % groups == 0 ? std::min(c.talker.dims.V, c.codec.codebook_size) : c.predictor.V;
    const int32_t code = request.voice->codes[i];
    check(code >= 0 && code < limit, Exit::bad_input, "voice: code {} of frame {}: expected 0..{}, got {}",
          i % groups, i / groups, limit - 1, code);
  }
  check(!request.voice->in_context() || !request.voice->transcript.empty(), Exit::bad_input,
        "voice: in-context cloning needs the transcript of the reference; give --ref-text, or use "
        "--x-vector-only");
}

// ---- ids (spec/prompt.md section 2) -----------------------------------------------------------------------

constexpr const char* kImStart{"<|im_start|>"};
constexpr const char* kImEnd{"<|im_end|>"};

using Ids = std::vector<int32_t>;

void append(Ids& to, const Ids& from) { to.insert(to.end(), from.begin(), from.end()); }

// <|im_start|>ROLE\nTEXT<|im_end|>\n, and for the utterance <|im_start|>assistant\n behind it. Control ids
// are inserted by number; the raw form tokenises the official string whole, where text can turn into control
// ids.
Ids template_ids(const Model& model, std::string_view role, const std::string& text, bool raw,
                 bool open_next) {
  const std::string head = std::string(role) + "\n";
  if (raw) {
    std::string whole = kImStart + head + text + kImEnd + "\n";
    if (open_next) whole += kImStart + std::string("assistant\n");
    return model.tokenizer.encode_with_control(whole);
  }
  Ids ids{model.config.im_start};
  append(ids, model.tokenizer.encode(head + text));
  ids.push_back(model.config.im_end);
  append(ids, model.tokenizer.encode("\n"));
  if (open_next) {
    ids.push_back(model.config.im_start);
    append(ids, model.tokenizer.encode("assistant\n"));
  }
  return ids;
}

// The positional slices of the official code are right only if the template has its normal ids.
void check_template(const Model& model) {
  const Ids head = model.tokenizer.encode("assistant\n");
  const Ids newline = model.tokenizer.encode("\n");
  check(head.size() == 2 && newline.size() == 1, Exit::bad_input,
        "{}: tokenizer: expected the template to begin with 3 ids and to end with 5, got {} and {}; its "
        "vocabulary lacks 'assistant' or the newline as one token",
        model.files.directory(), head.size() + 1, 2 * newline.size() + 1 + head.size());
}

std::string without_leading_newlines(const std::string& text, std::vector<std::string>& warnings) {
  const size_t begin = text.find_first_not_of("\r\n");
  if (begin == 0 || begin == text.npos) return text;
  warnings.push_back(format("{} leading line breaks of the text were dropped", begin));
  return text.substr(begin);
}

// ---- rows (spec/prompt.md sections 3 to 5) ----------------------------------------------------------------

struct Layout {
  const ModelConfig& c;
  Prompt& prompt;

  void row(int32_t text, int32_t codec) { prompt.rows.push_back({.text = text, .codec = codec}); }
};

// Section 4: instruct, role and tag rows; everything up to, not including, the BOS row.
void common_prefix(Layout& l, const Speaker* speaker, const Named* language) {
  const TalkerConfig& t = l.c.talker;
  for (const int32_t id : l.prompt.instruct_ids) l.row(id, -1);
  for (size_t i = 0; i < 3; ++i) l.row(l.prompt.input_ids[i], -1);
  const Ids tags = language ? Ids{t.think, t.think_bos, language->id, t.think_eos}
                            : Ids{t.nothink, t.think_bos, t.think_eos};
  for (const int32_t tag : tags) l.row(l.c.tts_pad, tag);
  if (speaker) l.row(l.c.tts_pad, speaker->id);
  if (l.prompt.voice) l.prompt.rows.push_back({.text = l.c.tts_pad, .speaker = true});
  l.row(l.c.tts_bos, t.pad);
}

// Sections 5.1 and 5.2.
void plain_text(Layout& l, const Ids& first, const Ids& rest, const Ids& text, bool upfront) {
  const TalkerConfig& t = l.c.talker;
  if (upfront) {
    for (const int32_t id : text) l.row(id, t.pad);
    l.row(l.c.tts_eos, t.pad);
    l.row(l.c.tts_pad, t.bos);
    return;
  }
  for (const int32_t id : first) l.row(id, t.bos);
  l.prompt.trailing = rest;
  l.prompt.trailing.push_back(l.c.tts_eos);
}

// Section 5.3: in-context cloning.
void in_context(Layout& l, const Ids& reference_text, const Ids& text, bool upfront) {
  const TalkerConfig& t = l.c.talker;
  const int frames = static_cast<int>(l.prompt.voice->codes.size()) / t.groups;
  Ids channel = reference_text;  // t of the specification
  append(channel, text);
  channel.push_back(l.c.tts_eos);
  const int codec_rows = frames + 1;
  const auto codec_row = [&](int32_t text_id, int i) {
    PromptRow row{.text = text_id};
    (i == 0 ? row.codec : row.reference) = i == 0 ? t.bos : i - 1;
    l.prompt.rows.push_back(row);
  };
  if (upfront) {
    for (const int32_t id : channel) l.row(id, t.pad);
    for (int i = 0; i < codec_rows; ++i) codec_row(l.c.tts_pad, i);
    return;
  }
  const int text_rows = static_cast<int>(channel.size());
  for (int i = 0; i < codec_rows; ++i)
    codec_row(i < text_rows ? channel[static_cast<size_t>(i)] : l.c.tts_pad, i);
  if (text_rows > codec_rows) l.prompt.trailing.assign(channel.begin() + codec_rows, channel.end());
}

void check_text(const Model& model, const SpeakRequest& request) {
  const std::string& text = request.text;
  check(static_cast<int64_t>(text.size()) <= limits::kTextBytes, Exit::bad_input,
        "text: expected at most {} bytes per item, got {}; split it (--split sentence)",
        limits::kTextBytes.value, text.size());
  const size_t bad = first_invalid_utf8(text);
  check(bad == text.npos, Exit::bad_input, "text: invalid UTF-8 at byte {}", bad);
  check(text.find('\0') == text.npos, Exit::bad_input, "text: a NUL byte at byte {}", text.find('\0'));
  check(request.raw_control_tokens || is_speakable(text), Exit::bad_input,
        "text: nothing to speak: expected at least one letter, digit or symbol");
  const int reach = model.rules.max_characters;
  const auto characters =
      std::count_if(text.begin(), text.end(), [](char ch) { return (ch & 0xC0) != 0x80; });
  check(reach == 0 || characters <= reach, Exit::bad_input,
        "text: this voice reaches {} characters per item, got {}; split it at sentences", reach, characters);
}

bool text_up_front(const Model& model, TextMode mode) {
  if (model.rules.upfront_text_only) {
    check(mode != TextMode::stream, Exit::usage,
          "--text-mode stream: this voice was trained for text given up front only");
    return true;
  }
  if (mode == TextMode::automatic) return model.config.type != ModelType::base;  // spec/prompt.md section 5.4
  return mode == TextMode::upfront;
}

// Instruct rows where the checkpoint honours them; a warning where the official package drops them silently.
void add_instruct(Prompt& prompt, const Model& model, const SpeakRequest& request) {
  if (request.instruct.empty()) return;
  const ModelConfig& c = model.config;
  check(c.type != ModelType::base, Exit::usage,
        "--instruct: a base checkpoint takes no instruction; it clones voices");
  if (!honours_instruct(c)) {
    prompt.warnings.push_back(
        format("this checkpoint ({} {}) ignores --instruct, as the official package does", c.type, c.size));
    return;
  }
  const size_t bad = first_invalid_utf8(request.instruct);
  check(bad == request.instruct.npos, Exit::bad_input, "instruct: invalid UTF-8 at byte {}", bad);
  prompt.instruct_ids = template_ids(model, "user", request.instruct, request.raw_control_tokens, false);
}

}  // namespace

Prompt build_prompt(const Model& model, const SpeakRequest& request) {
  check_text(model, request);
  check_voice(model, request);
  check_template(model);
  Prompt prompt;
  prompt.voice = request.voice;
  const Speaker* speaker = choose_speaker(model, request);
  const Named* language = choose_language(model, request, speaker);
  prompt.language = language ? language->name : "auto";

  const bool raw = request.raw_control_tokens;
  const std::string text = raw ? request.text : without_leading_newlines(request.text, prompt.warnings);
  prompt.input_ids = template_ids(model, "assistant", text, raw, true);
  const Ids& a = prompt.input_ids;
  const Ids spoken(a.begin() + 3, a.end() - 5);
  prompt.text_tokens = static_cast<int>(spoken.size());
  check(prompt.text_tokens <= limits::kTextTokens, Exit::bad_input,
        "text: expected at most {} tokens per item, got {}; "
        "split it (--split sentence)",
        limits::kTextTokens.value, prompt.text_tokens);
  add_instruct(prompt, model, request);

  Layout layout{model.config, prompt};
  common_prefix(layout, speaker, language);
  const bool upfront = text_up_front(model, request.text_mode);
  if (request.voice && request.voice->in_context()) {
    prompt.reference_ids = template_ids(model, "assistant", request.voice->transcript, raw, false);
    const Ids& r = prompt.reference_ids;
    in_context(layout, Ids(r.begin() + 3, r.end() - 2), spoken, upfront);
  } else {
    // Slices are positional: with empty text the first "text" id is the template's <|im_end|>.
    const Ids first(a.begin() + 3, a.begin() + 4);
    const Ids rest(std::min(a.begin() + 4, a.end() - 5), a.end() - 5);
    plain_text(layout, first, rest, spoken, upfront);
  }
  return prompt;
}

}  // namespace tts
