#include "tokenizer/tokenizer.h"

#include "base/file.h"
#include "base/limits.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/normalize.h"
#include "tokenizer/sentencepiece.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace tts {

struct Tokenizer::State {
  Pretokenizer pretokenizer = Pretokenizer::standard;
  Vocabulary vocabulary;                // empty when there is
  std::optional<SentencePiece> pieces;  // a sentencepiece model instead
  std::vector<AddedToken> added;        // by id
  std::optional<AddedMatcher> raw, normalized;
  int32_t size = 0;

  const AddedToken* find_added(int32_t id) const {
    const auto at = std::ranges::lower_bound(added, id, {}, &AddedToken::id);
    return at != added.end() && at->id == id ? &*at : nullptr;
  }

  // Ids from 0 on that are not added tokens by being behind all of them.
  int32_t base_size() const { return pieces ? pieces->size() : vocabulary.size(); }

  // A sentencepiece model has its control pieces in the vocabulary; the configuration may name them again.
  void add(std::string_view config_json, const std::string& name) {
    for (AddedToken& token : read_added_tokens(config_json, name, pieces ? 0 : base_size())) {
      if (token.id >= base_size()) {
        added.push_back(std::move(token));
        continue;
      }
      check(pieces->piece(token.id) == token.content && !pieces->is_ordinary(token.id), Exit::bad_input,
            "{}: added_tokens_decoder.{}: expected a control piece of tokenizer.model or an id behind it, "
            "got \"{}\"",
            name, token.id, token.content);
    }
  }

  void finish() {
    std::vector<const AddedToken*> before, after;
    for (AddedToken& token : added) {
      if (token.normalized)
        token.content = is_surely_nfc(token.content) ? token.content : to_nfc(token.content);
      (token.normalized ? after : before).push_back(&token);
    }
    raw.emplace(std::move(before));
    normalized.emplace(std::move(after));
    size = std::max(base_size(), added.empty() ? 0 : added.back().id + 1);
  }

  void encode_nfc(std::string_view nfc, std::vector<int32_t>& ids, MergeScratch& scratch) const {
    size_t begin = 0;
    for (const uint32_t end : split_pieces(nfc, pretokenizer)) {
      merge_piece(vocabulary, nfc.substr(begin, end - begin), scratch, ids);
      begin = end;
    }
  }

  // Calls `ordinary` for the text between the matches, `control` for the matches.
  template <class Ordinary>
  void split_at_added(const AddedMatcher& matcher, std::string_view text, std::vector<int32_t>& ids,
                      const Ordinary& ordinary) const {
    size_t at = 0;
    for (auto match = matcher.find(text, 0); match.token != nullptr; match = matcher.find(text, at)) {
      ordinary(text.substr(at, match.begin - at));
      ids.push_back(match.token->id);
      at = match.end;
    }
    ordinary(text.substr(at));
  }

  std::vector<int32_t> encode(std::string_view text, bool with_control) const;
};

std::vector<int32_t> Tokenizer::State::encode(std::string_view text, bool with_control) const {
  check(static_cast<int64_t>(text.size()) <= limits::kInputBytes, Exit::bad_input,
        "text: expected at most {} bytes, got {}", limits::kInputBytes.value, text.size());
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8, got byte {}", invalid,
        invalid == text.npos ? 0 : static_cast<int>(static_cast<unsigned char>(text[invalid])));
  std::vector<int32_t> ids;
  MergeScratch scratch;
  const auto ordinary = [&](std::string_view nfc) { encode_nfc(nfc, ids, scratch); };
  const auto segment = [&](std::string_view raw_text) {
    if (raw_text.empty()) return;
    if (pieces) return pieces->encode(raw_text, ids);
    const std::string composed = is_surely_nfc(raw_text) ? std::string() : to_nfc(raw_text);
    const std::string_view nfc = composed.empty() ? raw_text : composed;
    if (with_control) return split_at_added(*normalized, nfc, ids, ordinary);
    ordinary(nfc);
  };
  if (with_control)
    split_at_added(*raw, text, ids, segment);
  else
    segment(text);
  return ids;
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::string& directory, Pretokenizer pretokenizer) {
  const auto text = [](const MappedFile& file) {
    return std::string_view(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  };
  const auto exists = [&](const char* name) { return std::filesystem::exists(directory + "/" + name); };
  Files files;
  files.origin = directory;
  if (!exists("vocab.json") && exists("tokenizer.model")) {
    const MappedFile model(directory + "/tokenizer.model");
    const MappedFile config =
        exists("tokenizer_config.json") ? MappedFile(directory + "/tokenizer_config.json") : MappedFile();
    files.sentencepiece_model = text(model);
    files.tokenizer_config_json = text(config);
    return from_files(files, pretokenizer);
  }
  const MappedFile vocab(directory + "/vocab.json"), merges(directory + "/merges.txt"),
      config(directory + "/tokenizer_config.json");
  files.vocab_json = text(vocab);
  files.merges_txt = text(merges);
  files.tokenizer_config_json = text(config);
  Tokenizer tokenizer = from_files(files, pretokenizer);
  for (const MappedFile* file : {&vocab, &merges, &config}) file->check_intact();
  return tokenizer;
}

Tokenizer Tokenizer::from_files(const Files& files, Pretokenizer pretokenizer) {
  auto state = std::make_unique<State>();
  state->pretokenizer = pretokenizer;
  const auto name = [&](const char* file) { return files.origin.empty() ? file : files.origin + "/" + file; };
  if (!files.sentencepiece_model.empty()) {
    state->pieces.emplace(files.sentencepiece_model, name("tokenizer.model"));
    state->added = state->pieces->added();
  } else {
    state->vocabulary =
        read_vocabulary(files.vocab_json, name("vocab.json"), files.merges_txt, name("merges.txt"));
  }
  if (!state->pieces || !files.tokenizer_config_json.empty())
    state->add(files.tokenizer_config_json, name("tokenizer_config.json"));
  state->finish();
  return Tokenizer(std::move(state));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const { return state_->encode(text, false); }
std::vector<int32_t> Tokenizer::encode_with_control(std::string_view text) const {
  return state_->encode(text, true);
}

std::string Tokenizer::piece(int32_t id) const {
  if (const AddedToken* token = state_->find_added(id)) return token->content;
  check(id >= 0 && id < state_->base_size(), Exit::bad_input,
        "token id {}: expected one of the {} ids of the vocabulary", id, size());
  return state_->pieces ? state_->pieces->piece(id) : std::string(state_->vocabulary.token(id));
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  if (!state_->pieces) {
    for (const int32_t id : ids) text += piece(id);
    return text;
  }
  for (size_t begin = 0;
       begin < ids.size();) {  // runs of ordinary pieces are decoded together: blanks depend on it
    size_t end = begin;
    while (end < ids.size() && !is_added(ids[end])) piece(ids[end++]);
    text += state_->pieces->decode(ids.subspan(begin, end - begin));
    if (end < ids.size()) text += piece(ids[end++]);
    begin = end;
  }
  return text;
}

int32_t Tokenizer::size() const { return state_->size; }
bool Tokenizer::is_added(int32_t id) const { return state_->find_added(id) != nullptr; }

int32_t Tokenizer::added_id(std::string_view content) const {
  for (const AddedToken& token : state_->added)
    if (token.content == content) return token.id;
  return -1;
}

Pretokenizer Tokenizer::pretokenizer() const { return state_->pretokenizer; }

}  // namespace tts
