// Four passes, each over the whole text: code, markdown, addresses, emoji. Marks without a partner stay as
// they are.
#include "engine/clean.h"

#include "base/error.h"
#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>

namespace tts {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

// Calls `line` with every line, its break included.
template <class Line>
void for_each_line(std::string_view text, const Line& line) {
  while (!text.empty()) {
    const size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    line(text.substr(0, size));
    text.remove_prefix(size);
  }
}

std::string_view without_indent(std::string_view line) {
  while (!line.empty() && is_blank(line[0])) line.remove_prefix(1);
  return line;
}

// ``` or ~~~ to the next line of the same marks, or to the end.
std::string without_code_blocks(std::string_view text) {
  std::string out;
  std::string_view fence;
  for_each_line(text, [&](std::string_view line) {
    const std::string_view body = without_indent(line);
    const bool marks = body.starts_with("```") || body.starts_with("~~~");
    if (fence.empty() && marks)
      fence = body.substr(0, 3);
    else if (!fence.empty() && body.starts_with(fence))
      fence = {};
    else if (fence.empty())
      out += line;
  });
  return out;
}

// "# ", "> ", "---" at the beginning of a line.
std::string without_line_marks(std::string_view text) {
  std::string out;
  for_each_line(text, [&](std::string_view line) {
    std::string_view body = without_indent(line);
    const size_t end = body.find_last_not_of(" \t\r\n") + 1;
    const bool rule = end >= 3 && body.find_first_not_of("-*_= ") >= end &&
                      body.substr(0, end).find_first_of("-*_=") != body.npos;
    if (rule) {
      out += '\n';
      return;
    }
    while (body.starts_with(">")) body = without_indent(body.substr(1));
    const size_t marks = std::min(body.find_first_not_of('#'), body.size());
    if (marks > 0 && marks <= 6 && marks < body.size() && is_blank(body[marks]))
      body = without_indent(body.substr(marks));
    out += body.size() == without_indent(line).size() ? line : body;
  });
  return out;
}

// "[text](address)" and "![text](address)" leave the text.
std::string without_links(std::string_view text) {
  constexpr size_t kReach{2048};
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t open = text[at] == '!' && at + 1 < text.size() && text[at + 1] == '[' ? at + 1 : at;
    const std::string_view rest = text.substr(open, kReach);
    const size_t middle = rest.starts_with("[") ? rest.substr(0, rest.find('\n')).find("](") : rest.npos;
    const size_t close = middle == rest.npos ? rest.npos : rest.substr(0, rest.find('\n')).find(')', middle);
    if (close == rest.npos) {
      out += text[at];
      continue;
    }
    out += rest.substr(1, middle - 1);
    at = open + close;
  }
  return out;
}

// Pairs of *, _, ~ or ` that touch a word on their inner side.
std::string without_emphasis(std::string_view text, std::string_view marks) {
  constexpr size_t kReach{1024};
  std::string out(text);
  std::string dropped(text.size(), 0);
  for (size_t at = 0; at < text.size(); ++at) {
    const char mark = text[at];
    if (marks.find(mark) == marks.npos || dropped[at] != 0) continue;
    size_t run = 1;
    while (run < 3 && at + run < text.size() && text[at + run] == mark) ++run;
    const size_t inner = at + run;
    const bool opens = inner < text.size() && !is_blank(text[inner]) && text[inner] != '\n' &&
                       text[inner] != mark && (at == 0 || !is_word(text[at - 1]));
    const std::string closing(run, mark);
    const std::string_view line = text.substr(inner, std::min(kReach, text.substr(inner).find('\n')));
    const size_t end = opens ? line.find(closing, 1) : line.npos;
    const bool closes = end != line.npos && !is_blank(line[end - 1]) &&
                        (end + run >= line.size() || (!is_word(line[end + run]) && line[end + run] != mark));
    if (closes)
      for (size_t i = 0; i < run; ++i) dropped[at + i] = dropped[inner + end + i] = 1;
    at += run - 1;
  }
  size_t size = 0;
  for (size_t i = 0; i < text.size(); ++i)
    if (dropped[i] == 0) out[size++] = text[i];
  out.resize(size);
  return out;
}

// "https://user@www.host:80/path" leaves "host"; full stops and brackets behind it stay.
std::string with_hosts_only(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const bool fresh = at == 0 || !is_word(text[at - 1]);
    const size_t scheme = !fresh                         ? 0
                          : rest.starts_with("https://") ? 8
                          : rest.starts_with("http://")  ? 7
                          : rest.starts_with("www.")     ? 4
                                                         : 0;
    if (scheme == 0) {
      out += text[at++];
      continue;
    }
    size_t end = std::min(rest.find_first_of(" \t\r\n<>\"|{}^`"), rest.size());
    while (end > scheme && std::string_view(".,;:!?)]}'").find(rest[end - 1]) != std::string_view::npos)
      --end;
    std::string_view host =
        rest.substr(scheme, std::min(rest.substr(0, end).find_first_of("/?#:", scheme), end) - scheme);
    if (host.find('@') != host.npos) host.remove_prefix(host.find('@') + 1);
    if (host.starts_with("www.")) host.remove_prefix(4);
    out += host;
    at += std::max(end, scheme);
  }
  return out;
}

bool is_emoji(uint32_t c) {
  return (c >= 0x1f000 && c <= 0x1faff) || (c >= 0x2600 && c <= 0x27bf) || (c >= 0x2b00 && c <= 0x2bff) ||
         (c >= 0x231a && c <= 0x23ff) || c == 0x2934 || c == 0x2935 || c == 0x3030 || c == 0x303d;
}
bool is_emoji_part(uint32_t c) {
  return c == 0x200d || c == 0xfe0f || c == 0xfe0e || c == 0x20e3 || (c >= 0xe0020 && c <= 0xe007f);
}

std::string without_emoji(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t c = next_code_point(text, at);
    const bool picture = is_emoji(c);
    if (!picture && !(inside && is_emoji_part(c))) {
      const bool double_blank =
          inside && is_blank(text[begin]) && (out.empty() || is_blank(out.back()) || out.back() == '\n');
      if (!double_blank) out += text.substr(begin, at - begin);
      inside = inside && double_blank;
      continue;
    }
    inside = true;
  }
  return out;
}

}  // namespace

CleanRules parse_clean_rules(std::string_view list) {
  CleanRules rules;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, end);
    bool* const rule = name == "markdown" ? &rules.markdown
                       : name == "urls"   ? &rules.urls
                       : name == "emoji"  ? &rules.emoji
                       : name == "code"   ? &rules.code
                                          : nullptr;
    check(rule != nullptr, Exit::usage,
          "--clean: expected a list of markdown, urls, emoji and code, got \"{}\"", printable(name));
    *rule = true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return rules;
}

std::string clean_text(std::string_view text, const CleanRules& rules) {
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8", invalid);
  std::string out(text);
  if (rules.code) out = without_emphasis(without_code_blocks(out), "`");
  if (rules.markdown) out = without_emphasis(without_links(without_line_marks(out)), "*_~");
  if (rules.urls) out = with_hosts_only(out);
  if (rules.emoji) out = without_emoji(out);
  return out;
}

}  // namespace tts
