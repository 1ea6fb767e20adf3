// A reader for the part of SSML that markup.h names: elements, attributes, text, the five entities, comments
// and one XML declaration. No document type, no processing instruction, no character data sections: refused
// where they begin.
#include "engine/markup.h"

#include "base/error.h"
#include "base/limits.h"
#include "engine/numbers.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>

namespace tts {

namespace {

constexpr size_t kMaxDepth{16};

struct Element {
  std::string_view name;
  std::string_view attributes;  // between blanks
};

constexpr Element kElements[] = {
    {"speak", "version xmlns xml:lang"},
    {"p", "xml:lang"},
    {"s", "xml:lang"},
    {"break", "time strength"},
    {"sub", "alias"},
    {"say-as", "interpret-as format"},
    {"voice", "name"},
    {"lang", "xml:lang"},
};

struct Strength {
  std::string_view name;
  int ms;
};
constexpr Strength kStrengths[] = {{"none", 0},     {"x-weak", 100}, {"weak", 200},
                                   {"medium", 400}, {"strong", 700}, {"x-strong", 1200}};

constexpr std::array<std::string_view, 7> kInterpretations{"cardinal",  "number", "ordinal", "characters",
                                                           "spell-out", "digits", "date"};

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == ':' || c == '.';
}

bool listed(std::string_view list, std::string_view word) {
  for (size_t at = list.find(word); at != list.npos; at = list.find(word, at + 1))
    if ((at == 0 || list[at - 1] == ' ') &&
        (at + word.size() == list.size() || list[at + word.size()] == ' '))
      return true;
  return false;
}

class SsmlReader {
 public:
  SsmlReader(std::string_view xml, const SsmlRules& rules) : xml_(xml), rules_(rules) {}

  std::vector<SpeechPart> read() {
    const size_t invalid = first_invalid_utf8(xml_);
    if (invalid != xml_.npos) refuse(invalid, "expected UTF-8");
    if (xml_.starts_with("\xef\xbb\xbf")) at_ = 3;
    skip_blanks();
    if (xml_.substr(at_).starts_with("<?xml ")) at_ = behind("?>");
    while (at_ < xml_.size()) xml_[at_] == '<' ? read_tag() : read_text();
    if (!open_.empty()) refuse(xml_.size(), format("expected </{}>, got the end", open_.back().name));
    if (!had_root_) refuse(xml_.size(), "expected <speak>, got nothing");
    if (parts_.size() > 1 && parts_.back().text.empty() && parts_.back().pause_ms == 0) parts_.pop_back();
    return std::move(parts_);
  }

 private:
  struct Attribute {
    std::string_view name;
    std::string value;
  };
  struct Open {
    std::string_view name;
    size_t at;
    std::string voice, language;
    std::vector<Attribute> attributes;
    std::string text;  // of sub and say-as
  };

  [[noreturn]] void refuse(size_t at, const std::string& what) const {
    const std::string_view before = xml_.substr(0, at);
    const size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    throw Error(Exit::bad_input, "ssml: line {}, column {}: {}",
                1 + std::count(before.begin(), before.end(), '\n'), at - line_begin + 1, what);
  }

  // ---- syntax

  void skip_blanks() {
    while (at_ < xml_.size() && is_blank(xml_[at_])) ++at_;
  }

  size_t behind(std::string_view end) const {
    const size_t found = xml_.find(end, at_);
    if (found == xml_.npos) refuse(at_, format("expected \"{}\" after it, got the end", end));
    return found + end.size();
  }

  std::string_view read_name() {
    const size_t begin = at_;
    while (at_ < xml_.size() && is_name(xml_[at_])) ++at_;
    return xml_.substr(begin, at_ - begin);
  }

  bool take(std::string_view text) {
    if (!xml_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  // The text up to one of `stops`, entities resolved.
  std::string read_until(std::string_view stops) {
    struct Entity {
      std::string_view name;
      char c;
    };
    static constexpr Entity kEntities[]{
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    std::string out;
    while (at_ < xml_.size() && stops.find(xml_[at_]) == stops.npos) {
      if (xml_[at_] != '&') {
        out += xml_[at_++];
        continue;
      }
      const auto entity = std::ranges::find_if(
          kEntities, [&](const Entity& e) { return xml_.substr(at_).starts_with(e.name); });
      if (entity == std::end(kEntities))
        refuse(at_, "expected &amp; &lt; &gt; &quot; or &apos;, got another entity");
      out += entity->c;
      at_ += entity->name.size();
    }
    return out;
  }

  void read_tag() {
    const size_t begin = at_++;
    if (take("!--")) {
      at_ = behind("-->");
      return;
    }
    if (take("/")) return read_end(begin);
    const std::string_view name = read_name();
    const auto known = std::ranges::find(kElements, name, &Element::name);
    if (known == std::end(kElements))
      refuse(begin, format("expected one of speak p s break sub say-as voice lang, got <{}",
                           name.empty() ? printable(xml_.substr(at_, 1)) : printable(name)));
    Open element{name, begin, voice(), language(), {}, {}};
    read_attributes(*known, element);
    const bool empty = take("/");
    if (!take(">")) refuse(at_, format("expected > of <{}", name));
    begin_element(std::move(element));
    if (empty) end_element();
  }

  void read_attributes(const Element& known, Open& element) {
    for (;;) {
      skip_blanks();
      const size_t begin = at_;
      const std::string_view name = read_name();
      if (name.empty()) return;
      if (!listed(known.attributes, name))
        refuse(begin, format("<{}> takes {}, got {}", known.name,
                             known.attributes.empty() ? "no attribute" : known.attributes, printable(name)));
      if (std::ranges::find(element.attributes, name, &Attribute::name) != element.attributes.end())
        refuse(begin, format("{} is there twice", name));
      skip_blanks();
      if (!take("=")) refuse(at_, format("expected = after {}", name));
      skip_blanks();
      const bool single = take("'");
      if (!single && !take("\"")) refuse(at_, format("expected a quoted value of {}", name));
      std::string value = read_until(single ? "'<" : "\"<");
      if (!take(single ? "'" : "\"")) refuse(at_, format("expected the closing quote of {}", name));
      element.attributes.push_back({name, std::move(value)});
    }
  }

  void read_end(size_t begin) {
    const std::string_view name = read_name();
    skip_blanks();
    if (!take(">")) refuse(at_, format("expected > of </{}", printable(name)));
    if (open_.empty() || open_.back().name != name)
      refuse(begin, open_.empty() ? format("</{}> ends nothing", printable(name))
                                  : format("expected </{}>, got </{}>", open_.back().name, printable(name)));
    end_element();
  }

  void read_text() {
    const size_t begin = at_;
    const std::string text = read_until("<");
    if (!open_.empty()) return add_text(text);
    if (!std::all_of(text.begin(), text.end(), is_blank))
      refuse(begin, "expected <speak>, got text outside of it");
  }

  // ---- meaning

  const std::string& voice() const { return open_.empty() ? none_ : open_.back().voice; }
  const std::string& language() const { return open_.empty() ? none_ : open_.back().language; }

  static const std::string* value_of(const Open& element, std::string_view name) {
    const auto found = std::ranges::find(element.attributes, name, &Attribute::name);
    return found == element.attributes.end() ? nullptr : &found->value;
  }

  const std::string& required(const Open& element, std::string_view name) const {
    const std::string* const value = value_of(element, name);
    if (value == nullptr || value->empty()) refuse(element.at, format("<{}> expects {}", element.name, name));
    return *value;
  }

  void begin_element(Open element) {
    if (open_.size() >= kMaxDepth) refuse(element.at, format("more than {} levels", kMaxDepth));
    if (open_.empty() != (element.name == "speak") || (open_.empty() && had_root_))
      refuse(element.at, format("expected one <speak> around everything, got <{}>", element.name));
    had_root_ = true;
    if (!open_.empty() &&
        (open_.back().name == "sub" || open_.back().name == "say-as" || open_.back().name == "break"))
      refuse(element.at, format("<{}> holds no elements, got <{}>", open_.back().name, element.name));
    if (const std::string* code = value_of(element, "xml:lang")) {
      element.language = rules_.language_of ? rules_.language_of(*code) : "";
      if (element.language.empty())
        refuse(element.at, format("xml:lang \"{}\" is no language that is known", printable(*code)));
    }
    if (element.name == "voice") element.voice = required(element, "name");
    if (element.name == "lang") required(element, "xml:lang");
    if (element.name == "sub") required(element, "alias");
    if (element.name == "say-as") check_interpretation(element);
    open_.push_back(std::move(element));
  }

  void check_interpretation(const Open& element) const {
    const std::string& kind = required(element, "interpret-as");
    if (std::ranges::find(kInterpretations, std::string_view(kind)) == kInterpretations.end())
      refuse(element.at, format("interpret-as: expected cardinal, number, ordinal, characters, spell-out, "
                                "digits or date, got \"{}\"",
                                printable(kind)));
    const std::string* const order = value_of(element, "format");
    if (order != nullptr && (kind != "date" || !listed("ymd dmy mdy md dm", *order)))
      refuse(element.at,
             format("format: expected ymd, dmy, mdy, md or dm of a date, got \"{}\"", printable(*order)));
  }

  void end_element() {
    const Open element = std::move(open_.back());
    open_.pop_back();
    if (element.name == "sub") say(element, *value_of(element, "alias"));
    if (element.name == "say-as") say(element, interpreted(element));
    if (element.name == "break") pause(element);
    if (parts_.empty()) return;
    if (element.name == "s") parts_.back().ends_sentence = true;
    if (element.name == "p") parts_.back().ends_paragraph = true;
  }

  void add_text(const std::string& text) {
    Open& element = open_.back();
    if (element.name == "break" && !std::all_of(text.begin(), text.end(), is_blank))
      refuse(at_, "<break> holds no text");
    if (element.name == "sub" || element.name == "say-as")
      element.text += text;
    else
      say(element, text);
  }

  // Runs of blanks are one; a new part begins where voice, language or a pause ask for it.
  void say(const Open& element, std::string_view text) {
    const auto same = [&](const SpeechPart& part) {
      return part.voice == element.voice && part.language == element.language && part.pause_ms == 0 &&
             !part.ends_sentence && !part.ends_paragraph;
    };
    for (const char c : text) {
      const bool fresh = parts_.empty() || !same(parts_.back());
      if (fresh && is_blank(c)) continue;
      if (fresh) parts_.push_back({.text = "", .voice = element.voice, .language = element.language});
      std::string& out = parts_.back().text;
      if (!is_blank(c)) out += c;
      if (is_blank(c) && !out.empty() && out.back() != ' ') out += ' ';
    }
  }

  void pause(const Open& element) {
    const std::string *const time = value_of(element, "time"), *const strength =
                                                                   value_of(element, "strength");
    int ms = 400;
    if (strength != nullptr) {
      const auto known = std::ranges::find(kStrengths, std::string_view(*strength), &Strength::name);
      if (known == std::end(kStrengths))
        refuse(element.at,
               format("strength: expected none, x-weak, weak, medium, strong or x-strong, got \"{}\"",
                      printable(*strength)));
      ms = known->ms;
    }
    if (time != nullptr) {
      const auto duration = parse_duration_ms(*time);
      if (!duration)
        refuse(element.at, format("time: expected ms or s, at most {} s, got \"{}\"", limits::kPauseMs / 1000,
                                  printable(*time)));
      ms = *duration;
    }
    if (parts_.empty()) parts_.push_back({.text = "", .voice = element.voice, .language = element.language});
    parts_.back().pause_ms = std::min(static_cast<int>(limits::kPauseMs), parts_.back().pause_ms + ms);
  }

  std::string interpreted(const Open& element) const {
    const std::string& kind = *value_of(element, "interpret-as");
    const std::string language_name = element.language.empty() ? rules_.language : element.language;
    std::string text = element.text;
    std::erase_if(text, is_blank);
    if (kind == "characters" || kind == "spell-out") return characters(element.text, language_name);
    if (!can_read_numbers(language_name))
      refuse(element.at,
             format("say-as needs a language that can be read, got \"{}\"; say xml:lang", language_name));
    if (kind == "date") return date(element, text, language_name);
    const NumberKind how = kind == "ordinal"  ? NumberKind::ordinal
                           : kind == "digits" ? NumberKind::digits
                                              : NumberKind::cardinal;
    return at_its_position(element, kind, [&] { return read_number(text, how, language_name); });
  }

  // Numbers know no position in the file.
  template <class Read>
  std::string at_its_position(const Open& element, std::string_view kind, const Read& read_it) const {
    try {
      return read_it();
    } catch (const Error& e) {
      refuse(element.at, format("say-as {}: {}", kind, e.what()));
    }
  }

  std::string date(const Open& element, const std::string& text, const std::string& language_name) const {
    const std::string* const given = value_of(element, "format");
    const std::string_view order = given != nullptr ? std::string_view(*given) : "ymd";
    int values[3] = {0, 0, 0};
    size_t count = 0, at = 0;
    for (; count < order.size() && at < text.size(); ++count) {
      int& value = values[std::string_view("ymd").find(order[count])];
      const size_t begin = at;
      for (value = 0; at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 4; ++at)
        value = value * 10 + (text[at] - '0');
      if (at == begin)
        refuse(element.at, format("say-as date: expected numbers as {}, got \"{}\"", order, printable(text)));
      if (at < text.size() && count + 1 < order.size()) ++at;  // the mark between them
    }
    if (count != order.size() || at != text.size())
      refuse(element.at, format("say-as date: expected numbers as {}, got \"{}\"", order, printable(text)));
    return at_its_position(element, "date",
                           [&] { return read_date(values[0], values[1], values[2], language_name); });
  }

  std::string characters(const std::string& text, const std::string& language_name) const {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      size_t end = at + 1;
      while (end < text.size() && (text[end] & 0xc0) == 0x80) ++end;
      const std::string one = text.substr(at, end - at);
      at = end;
      if (is_blank(one[0])) continue;
      const bool digit = one[0] >= '0' && one[0] <= '9';
      out += (out.empty() ? "" : " ") + (digit && can_read_numbers(language_name)
                                             ? read_number(one, NumberKind::digits, language_name)
                                             : one);
    }
    return out;
  }

  std::string_view xml_;
  const SsmlRules& rules_;
  size_t at_ = 0;
  bool had_root_ = false;
  std::string none_;
  std::vector<Open> open_;
  std::vector<SpeechPart> parts_;
};

}  // namespace

std::vector<SpeechPart> parse_ssml(std::string_view xml, const SsmlRules& rules) {
  return SsmlReader(xml, rules).read();
}

}  // namespace tts
