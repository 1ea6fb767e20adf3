// tokenizer_config.json: what is accepted is found in text, longest first, and never by plain text.
#include "fuzz.h"

#include "tokenizer/added_tokens.h"

#include <set>

TTS_FUZZ(added_tokens) {
  using namespace tts;
  std::vector<AddedToken> tokens;
  if (!fuzz::accepts([&] { tokens = read_added_tokens(bytes, "tokenizer_config.json", 259); })) return;
  std::set<int32_t> ids;
  std::vector<const AddedToken*> all;
  for (AddedToken& token : tokens) {
    fuzz::require(ids.insert(token.id).second && token.id >= 259, "an id twice or inside the vocabulary");
    token.single_word = token.lstrip = token.rstrip = false;
    all.push_back(&token);
  }
  const AddedMatcher matcher(all);
  for (const AddedToken& token : tokens) {
    const auto match = matcher.find(token.content, 0);
    fuzz::require(match.token != nullptr && match.begin == 0, "a token does not begin its own text");
    fuzz::require(match.end == token.content.size() && match.token->id == token.id, "not the longest match");
  }
}
