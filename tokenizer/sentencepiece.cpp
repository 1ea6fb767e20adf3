// Adapter to libsentencepiece. The file is walked once before the library sees it, for two reasons: the
// library trusts what is inside, and it lets text produce user-defined pieces. So sizes, pieces and the
// character map are checked, and user-defined pieces become control pieces, which no text matches.
//
//   ModelProto    1: pieces, repeated { 1: piece  2: score  3: kind }      3, 5: normaliser, denormaliser {
//   2: character map } kind          1 ordinary (also when absent)  2 unknown  3 control  4 user-defined  5
//   unused  6 byte character map { u32 bytes of the trie, trie: u32 units in blocks of 256, replacements: C
//   strings }
#include "tokenizer/sentencepiece.h"

#include "base/limits.h"
#include "tokenizer/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tts {

namespace {

constexpr unsigned char kUnknown{2}, kControl{3}, kUserDefined{4}, kByte{6};

// One message in the protocol-buffer wire format.
class Fields {
 public:
  Fields(std::string& file, size_t from, size_t to, const std::string& name)
      : file_(file), name_(name), at_(from), end_(to) {}

  uint64_t number = 0, kind = 0;  // of the current field; kind 0: integer, 1: 8 bytes, 2: bytes, 5: 4 bytes
  size_t begin = 0, end = 0;      // its value in the file

  bool next() {
    if (at_ == end_) return false;
    const uint64_t key = varint();
    number = key >> 3;
    kind = key & 7;
    begin = at_;
    uint64_t bytes = kind == 1 ? 8 : 4;
    if (kind == 0) {
      varint();
      bytes = 0;
    } else if (kind == 2) {
      bytes = varint();
      begin = at_;
    }
    check(kind <= 2 || kind == 5, Exit::bad_input, "{}: byte {}: expected a field, got wire type {}", name_,
          at_, kind);
    check(bytes <= end_ - at_, Exit::bad_input, "{}: byte {}: field {} ends behind its message", name_, begin,
          number);
    at_ += bytes;
    end = at_;
    return true;
  }

  std::string_view value() const { return std::string_view(file_).substr(begin, end - begin); }
  Fields inside() const { return {file_, begin, end, name_}; }
  char& first_byte() const { return file_[begin]; }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      check(at_ < end_, Exit::bad_input, "{}: byte {}: the file ends inside a number", name_, at_);
      const auto byte = static_cast<unsigned char>(file_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw Error(Exit::bad_input, "{}: byte {}: a number longer than 64 bits", name_, at_);
  }

  std::string& file_;
  const std::string& name_;
  size_t at_, end_;
};

struct Piece {
  std::string text;
  unsigned char kind = 1;
};

Piece read_piece(const Fields& message, const std::string& name) {
  Piece piece;
  for (Fields fields = message.inside(); fields.next();) {
    if (fields.number == 1 && fields.kind == 2) piece.text = fields.value();
    if (fields.number != 3 || fields.kind != 0) continue;
    piece.kind = static_cast<unsigned char>(fields.first_byte());
    check(fields.value().size() == 1 && piece.kind >= 1 && piece.kind <= kByte, Exit::bad_input,
          "{}: byte {}: expected a kind of piece in 1..6, got {}", name, fields.begin,
          static_cast<int>(piece.kind));
    if (piece.kind == kUserDefined) fields.first_byte() = static_cast<char>(kControl);
  }
  const bool is_text =
      first_invalid_utf8(piece.text) == std::string_view::npos && piece.text.find('\0') == std::string::npos;
  check(!piece.text.empty() && is_text, Exit::bad_input, "{}: byte {}: expected a piece of UTF-8 text", name,
        message.begin);
  return piece;
}

uint32_t word_at(std::string_view bytes, size_t at) {
  uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

// Every step that a search in the trie can take stays inside it, and every value points into the
// replacements.
void check_character_map(std::string_view map, const std::string& name) {
  if (map.empty()) return;
  constexpr size_t kBlock{256};
  const size_t units = map.size() < 4 ? 0 : word_at(map, 0) / 4;
  check(units > 0 && units % kBlock == 0 && units < (map.size() - 4) / 4 && map.back() == '\0',
        Exit::bad_input, "{}: character map: expected a trie and replacements, got {} bytes", name,
        map.size());
  const size_t replacements = map.size() - 4 - 4 * units;
  for (size_t i = 0; i < units; ++i) {
    const uint32_t unit = word_at(map, 4 + 4 * i);
    const bool is_value = unit >> 31 != 0;
    const size_t offset = static_cast<size_t>(unit >> 10) << ((unit & 0x200) >> 6);
    const bool inside = is_value ? (unit & 0x7fffffff) < replacements : ((i ^ offset) | (kBlock - 1)) < units;
    check(inside, Exit::bad_input, "{}: character map: unit {} points outside", name, i);
  }
}

}  // namespace

struct SentencePiece::State {
  std::string name;
  sentencepiece::SentencePieceProcessor processor;
  std::vector<Piece> pieces;
  std::vector<AddedToken> added;
};

namespace {

// The library reports most of what it dislikes about a model by a status, and throws the rest; some of it
// only when text is encoded.
template <class Call>
void call_library(const std::string& name, const Call& call) {
  sentencepiece::util::Status status;
  try {
    status = call();
  } catch (const std::exception& e) {
    throw Error(Exit::bad_input, "{}: {}", name, e.what());
  }
  check(status.ok(), Exit::bad_input, "{}: {}", name, status.ToString());
}

}  // namespace

SentencePiece::SentencePiece(SentencePiece&&) noexcept = default;
SentencePiece::~SentencePiece() = default;

SentencePiece::SentencePiece(std::string_view model, const std::string& name)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.name = name;
  check(static_cast<int64_t>(model.size()) <= limits::kVocabularyBytes, Exit::bad_input,
        "{}: expected at most {} bytes, got {}", name, limits::kVocabularyBytes.value, model.size());
  std::string bytes(model);
  for (Fields fields(bytes, 0, bytes.size(), name); fields.next();) {
    if (fields.kind != 2) continue;
    if (fields.number == 1) s.pieces.push_back(read_piece(fields, name));
    if (fields.number != 3 && fields.number != 5) continue;
    for (Fields rules = fields.inside(); rules.next();)
      if (rules.number == 2 && rules.kind == 2) check_character_map(rules.value(), name);
  }
  check(!s.pieces.empty() && static_cast<int64_t>(s.pieces.size()) <= limits::kVocabularyEntries,
        Exit::bad_input, "{}: expected 1..{} pieces, got {}", name, limits::kVocabularyEntries.value,
        s.pieces.size());
  for (size_t i = 0; i < s.pieces.size(); ++i)
    if (s.pieces[i].kind == kControl || s.pieces[i].kind == kUserDefined)
      s.added.push_back({static_cast<int32_t>(i), s.pieces[i].text});
  call_library(name, [&] { return s.processor.LoadFromSerializedProto(bytes); });
  check(s.processor.GetPieceSize() == size(), Exit::bad_input, "{}: expected {} pieces, the library read {}",
        name, size(), s.processor.GetPieceSize());
}

int32_t SentencePiece::size() const { return static_cast<int32_t>(state_->pieces.size()); }
const std::vector<AddedToken>& SentencePiece::added() const { return state_->added; }

bool SentencePiece::is_ordinary(int32_t id) const {
  const unsigned char kind = state_->pieces[static_cast<size_t>(id)].kind;
  return kind != kControl && kind != kUserDefined && kind != kUnknown;
}

void SentencePiece::encode(std::string_view text, std::vector<int32_t>& ids) const {
  std::vector<int> pieces;
  call_library(state_->name, [&] { return state_->processor.Encode({text.data(), text.size()}, &pieces); });
  const auto unknown = std::ranges::find_if(
      pieces, [&](int id) { return state_->pieces[static_cast<size_t>(id)].kind == kUnknown; });
  check(unknown == pieces.end(), Exit::bad_input,
        "text: the vocabulary {} has no pieces for some of its characters", state_->name);
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

std::string SentencePiece::decode(std::span<const int32_t> ids) const {
  std::string text;
  call_library(state_->name,
               [&] { return state_->processor.Decode(std::vector<int>(ids.begin(), ids.end()), &text); });
  return text;
}

std::string SentencePiece::piece(int32_t id) const {
  const Piece& piece = state_->pieces[static_cast<size_t>(id)];
  if (piece.kind == kByte) {  // "<0x0A>"
    unsigned int byte = 0;
    const bool is_byte = std::sscanf(piece.text.c_str(), "<0x%2X>", &byte) == 1;
    check(is_byte, Exit::bad_input, "{}: piece {}: expected a byte, got {}", state_->name, id, piece.text);
    return std::string(1, static_cast<char>(byte));
  }
  constexpr std::string_view kBlank{"\xe2\x96\x81"};  // U+2581 stands for a space
  std::string text;
  std::string_view rest = piece.text;
  for (size_t at = rest.find(kBlank); at != rest.npos; at = rest.find(kBlank)) {
    text.append(rest.substr(0, at)).append(" ");
    rest.remove_prefix(at + kBlank.size());
  }
  text += rest;
  return text;
}

}  // namespace tts
