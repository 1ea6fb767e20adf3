#include "tokenizer/added_tokens.h"

#include "base/json.h"
#include "base/limits.h"
#include "tokenizer/normalize.h"

#include <algorithm>
#include <charconv>

namespace tts {

namespace {

int32_t parse_id(const std::string& key, const Json& entry, int32_t first_id) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  check(error == std::errc() && end == key.data() + key.size() && std::to_string(id) == key, Exit::bad_input,
        "{}: expected a key that is an id, got \"{}\"", entry.where(), key);
  check(id >= first_id && id < limits::kVocabulary, Exit::bad_input,
        "{}: expected an id in {}..{} (behind the vocabulary), got {}", entry.where(), first_id,
        limits::kVocabulary.value - 1, id);
  return id;
}

bool flag(const Json& entry, std::string_view key) {
  const Json* value = entry.find(key);
  return value != nullptr && value->boolean();
}

bool is_space(uint32_t c) {  // White_Space of Unicode 16
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

size_t space_begin(std::string_view text, size_t end) {
  while (end > 0) {
    size_t at = end - 1;
    while (at > 0 && (text[at] & 0xc0) == 0x80) --at;
    size_t after = at;
    if (!is_space(next_code_point(text, after))) break;
    end = at;
  }
  return end;
}

size_t space_end(std::string_view text, size_t at) {
  while (at < text.size()) {
    size_t after = at;
    if (!is_space(next_code_point(text, after))) break;
    at = after;
  }
  return at;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(std::string_view config_json, const std::string& name,
                                          int32_t first_id) {
  const Json config = Json::parse(config_json, name);
  std::vector<AddedToken> tokens;
  for (const auto& [key, entry] : config.at("added_tokens_decoder").members()) {
    AddedToken token;
    token.id = parse_id(key, entry, first_id);
    token.content = entry.at("content").text();
    check(!token.content.empty() && static_cast<int64_t>(token.content.size()) <= limits::kAddedTokenBytes,
          Exit::bad_input, "{}: expected 1 to {} bytes, got {}", entry.at("content").where(),
          limits::kAddedTokenBytes.value, token.content.size());
    token.lstrip = flag(entry, "lstrip");
    token.rstrip = flag(entry, "rstrip");
    token.normalized = flag(entry, "normalized");
    token.single_word = flag(entry, "single_word");
    tokens.push_back(std::move(token));
  }
  const auto content_of = [](const AddedToken& t) -> const std::string& { return t.content; };
  std::ranges::sort(tokens, {}, content_of);
  const auto twin = std::ranges::adjacent_find(tokens, {}, content_of);
  if (twin != tokens.end())
    throw Error(Exit::bad_input, "{}: added_tokens_decoder: ids {} and {} have the same content \"{}\"", name,
                std::min(twin->id, (twin + 1)->id), std::max(twin->id, (twin + 1)->id), twin->content);
  std::ranges::sort(tokens, {}, &AddedToken::id);
  return tokens;
}

AddedMatcher::AddedMatcher(std::vector<const AddedToken*> tokens) : tokens_(std::move(tokens)) {
  std::ranges::sort(tokens_, {}, [](const AddedToken* t) -> std::string_view { return t->content; });
}

// The tokens that begin with the bytes read so far are neighbours in the sorted list; each byte narrows them
// down.
const AddedToken* AddedMatcher::longest_at(std::string_view text, size_t at) const {
  const AddedToken* best = nullptr;
  auto first = tokens_.begin(), last = tokens_.end();
  for (size_t i = 0; at + i < text.size() && first != last; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    const auto byte_of = [i](const AddedToken* t) {  // -1: the token ends here
      return i < t->content.size() ? static_cast<int>(static_cast<unsigned char>(t->content[i])) : -1;
    };
    first = std::partition_point(first, last, [&](const AddedToken* t) { return byte_of(t) < byte; });
    last = std::partition_point(first, last, [&](const AddedToken* t) { return byte_of(t) <= byte; });
    if (first != last && (*first)->content.size() == i + 1) best = *first;
  }
  return best;
}

AddedMatcher::Match AddedMatcher::find(std::string_view text, size_t from) const {
  if (tokens_.empty()) return {};
  for (size_t at = from; at < text.size(); ++at) {
    const AddedToken* token = longest_at(text, at);
    if (token == nullptr) continue;
    check(!token->single_word, Exit::bad_input,
          "tokenizer_config.json: added token {} \"{}\": \"single_word\" is not supported with control "
          "tokens in the text",
          token->id, token->content);
    Match match{token, at, at + token->content.size()};
    if (token->lstrip) match.begin = std::max(from, space_begin(text, match.begin));
    if (token->rstrip) match.end = space_end(text, match.end);
    return match;
  }
  return {};
}

}  // namespace tts
