// Reads merges.txt and checks vocab.json against it.
//
//   merges.txt   [#version: ...\n]  then per line  LEFT ' ' RIGHT '\n'      line n (from 0) makes token 256 +
//   n vocab.json   {"TOKEN": id, ...}                                         every token once, in any order
//
// Both write each byte of a token as one printable character: bytes 33..126, 161..172 and 174..255 as
// themselves, the others in order as U+0100, U+0101, ... vocab.json has one entry per token, so a tree of
// JSON values would take longer than everything else together: it is scanned here, with the rules of
// base/json.h.
#include "tokenizer/vocabulary.h"

#include "base/limits.h"
#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary_scan.h"

#include <algorithm>
#include <array>
#include <bit>

namespace tts {

namespace {

constexpr bool is_itself(int byte) { return (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173); }

struct Alphabet {
  std::array<int16_t, 0x144> byte_of{};  // by code point; -1: not in the alphabet
  std::array<int16_t, 256> id_of{};
  std::array<unsigned char, 256> byte_of_id{};

  constexpr Alphabet() {
    byte_of.fill(-1);
    int id = 0, stand_in = 0x100;
    for (const bool itself : {true, false})
      for (int byte = 0; byte < 256; ++byte) {
        if (is_itself(byte) != itself) continue;
        byte_of[static_cast<size_t>(itself ? byte : stand_in++)] = static_cast<int16_t>(byte);
        byte_of_id[static_cast<size_t>(id)] = static_cast<unsigned char>(byte);
        id_of[static_cast<size_t>(byte)] = static_cast<int16_t>(id++);
      }
  }
};
constexpr Alphabet kAlphabet;

// Token bytes -> id, open addressing. A stranger's file could be made so that all tokens fall on one another;
// honest files of the largest permitted size stay below 200 probes, so a thousand is refused.
class Index {
 public:
  explicit Index(size_t tokens) : slots_(std::bit_ceil(2 * tokens), -1) {}

  // The slot of `token`, or the empty slot where it belongs; npos: see above.
  size_t find(const Vocabulary& v, std::string_view token) const {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : token) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    size_t at = static_cast<size_t>((hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 20);
    for (int probes = 0; probes < kMaxProbes; ++probes, ++at) {
      at &= slots_.size() - 1;
      if (slots_[at] < 0 || v.token(slots_[at]) == token) return at;
    }
    return std::string_view::npos;
  }
  int32_t& operator[](size_t slot) { return slots_[slot]; }

 private:
  static constexpr int kMaxProbes{1000};
  std::vector<int32_t> slots_;
};

std::string shown(std::string_view text) {
  return printable(text.substr(0, 80));
}  // what a message quotes of it

// Appends the bytes that `printed` stands for. False: a character outside the alphabet.
bool append_bytes(std::string& out, std::string_view printed) {
  for (size_t at = 0; at < printed.size();) {
    const uint32_t c = next_code_point(printed, at);
    if (c >= kAlphabet.byte_of.size() || kAlphabet.byte_of[c] < 0) return false;
    out.push_back(static_cast<char>(kAlphabet.byte_of[c]));
  }
  return true;
}

void add_token(Vocabulary& v, std::string_view token) {
  v.bytes += token;
  v.begins.push_back(static_cast<uint32_t>(v.bytes.size()));
}

class MergesReader {
 public:
  MergesReader(std::string_view text, const std::string& name, Vocabulary& v)
      : text_(text),
        name_(name),
        v_(v),
        index_(kByteTokens + static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1) {}

  void read() {
    v_.begins.push_back(0);
    for (const unsigned char byte : kAlphabet.byte_of_id) {
      const char c = static_cast<char>(byte);
      add_token(v_, {&c, 1});
      index_[index_.find(v_, {&c, 1})] = v_.size() - 1;
    }
    for (size_t begin = 0; begin < text_.size(); ++line_) {
      const size_t end = std::min(text_.find('\n', begin), text_.size());
      const std::string_view line = text_.substr(begin, end - begin);
      if (line_ > 1 || !line.starts_with("#version:")) add_merge(line);
      begin = end + 1;
    }
    group_merges();
  }

 private:
  struct Pair {
    int32_t left, right;
  };

  void add_merge(std::string_view line) {
    const size_t space = line.find(' ');
    if (space == line.npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != line.npos)
      throw Error(Exit::bad_input, "{}: line {}: expected two symbols with one space between, got \"{}\"",
                  name_, line_, shown(line));
    check(v_.size() < limits::kVocabularyEntries, Exit::bad_input,
          "{}: line {}: more tokens than the limit of {}", name_, line_, limits::kVocabularyEntries.value);
    const Pair pair{find(line.substr(0, space)), find(line.substr(space + 1))};
    symbol_.assign(v_.token(pair.left)).append(v_.token(pair.right));
    const size_t slot = checked(index_.find(v_, symbol_));
    if (index_[slot] >= 0)
      throw Error(Exit::bad_input, "{}: line {}: \"{}\" makes the same token as an earlier line", name_,
                  line_, shown(line));
    add_token(v_, symbol_);
    index_[slot] = v_.size() - 1;
    pairs_.push_back(pair);
  }

  int32_t find(std::string_view printed) {
    symbol_.clear();
    if (!append_bytes(symbol_, printed))
      throw Error(
          Exit::bad_input,
          "{}: line {}: \"{}\" has a character outside the byte alphabet; is this a byte-level vocabulary?",
          name_, line_, shown(printed));
    const int32_t id = index_[checked(index_.find(v_, symbol_))];
    if (id < 0)
      throw Error(Exit::bad_input,
                  "{}: line {}: symbol \"{}\": expected a byte or the result of an earlier line", name_,
                  line_, shown(printed));
    return id;
  }

  size_t checked(size_t slot) const {
    check(slot != std::string_view::npos, Exit::bad_input,
          "{}: line {}: too many tokens share one hash value", name_, line_);
    return slot;
  }

  // Two counting sorts: by the right token, then (stable) by the left one.
  void group_merges() {
    const auto sorted = [&](const std::vector<uint32_t>& order, auto key) {
      v_.groups.assign(static_cast<size_t>(v_.size()) + 1, 0);
      for (const uint32_t i : order) ++v_.groups[static_cast<size_t>(key(pairs_[i])) + 1];
      for (size_t i = 1; i < v_.groups.size(); ++i) v_.groups[i] += v_.groups[i - 1];
      std::vector<uint32_t> next = v_.groups, out(order.size());
      for (const uint32_t i : order) out[next[static_cast<size_t>(key(pairs_[i]))]++] = i;
      return out;
    };
    std::vector<uint32_t> order(pairs_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    order = sorted(order, [](const Pair& p) { return p.right; });
    order = sorted(order, [](const Pair& p) { return p.left; });
    for (const uint32_t i : order)
      v_.merges.push_back({pairs_[i].right, kByteTokens + static_cast<int32_t>(i)});
  }

  std::string_view text_;
  const std::string& name_;
  Vocabulary& v_;
  Index index_;
  int64_t line_ = 1;
  std::string symbol_;
  std::vector<Pair> pairs_;
};

// Every entry of vocab.json is the token that the merges give to its id, and every id is there once. Here and
// in MergesReader what a message quotes is made only when it is needed: quoting 151,643 right tokens took two
// thirds of the time of loading.
void check_entries(std::string_view text, const std::string& name, const Vocabulary& v,
                   const std::string& merges_name) {
  std::vector<bool> seen(static_cast<size_t>(v.size()));
  int64_t entries = 0;
  std::string bytes;
  scan_vocabulary(text, name, [&](const VocabularyEntry& entry) {
    check(++entries <= limits::kVocabularyEntries, Exit::bad_input, "{}: more entries than the limit of {}",
          name, limits::kVocabularyEntries.value);
    bytes.clear();
    if (!append_bytes(bytes, entry.token))
      throw Error(Exit::bad_input,
                  "{}: token \"{}\" has a character outside the byte alphabet; added tokens belong into "
                  "tokenizer_config.json",
                  name, shown(entry.token));
    if (entry.id < 0 || entry.id >= v.size())
      throw Error(Exit::bad_input, "{}: token \"{}\": expected an id in 0..{} ({} has {} merges), got {}",
                  name, shown(entry.token), v.size() - 1, merges_name, v.merges.size(), entry.id);
    const auto id = static_cast<int32_t>(entry.id);
    if (v.token(id) != bytes)
      throw Error(Exit::bad_input, "{}: id {}: expected \"{}\" ({}), got \"{}\"", name, id,
                  print_token(v.token(id)), id < kByteTokens ? "the byte alphabet" : merges_name,
                  shown(entry.token));
    if (seen[static_cast<size_t>(id)])
      throw Error(Exit::bad_input, "{}: token \"{}\" is there twice", name, shown(entry.token));
    seen[static_cast<size_t>(id)] = true;
  });
  const auto gap = std::find(seen.begin(), seen.end(), false);
  if (gap == seen.end()) return;
  const auto id = static_cast<int32_t>(gap - seen.begin());
  throw Error(Exit::bad_input, "{}: id {}: expected \"{}\", got nothing; {} of {} tokens are there", name, id,
              print_token(v.token(id)), entries, v.size());
}

void check_text(std::string_view text, const std::string& name) {
  check(static_cast<int64_t>(text.size()) <= limits::kVocabularyBytes, Exit::bad_input,
        "{}: expected at most {} bytes, got {}", name, limits::kVocabularyBytes.value, text.size());
  const size_t at = first_invalid_utf8(text);
  check(at == text.npos, Exit::bad_input, "{}: byte {}: not UTF-8", name, at);
}

}  // namespace

int32_t id_of_byte(unsigned char byte) { return kAlphabet.id_of[byte]; }

std::string print_token(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<int16_t>(static_cast<unsigned char>(c));
    const auto at = std::find(kAlphabet.byte_of.begin(), kAlphabet.byte_of.end(), byte);
    append_utf8(out, static_cast<uint32_t>(at - kAlphabet.byte_of.begin()));
  }
  return out;
}

int32_t Vocabulary::merged(int32_t left, int32_t right) const {
  const Merge* const first = merges.data() + groups[static_cast<size_t>(left)];
  const Merge* const last = merges.data() + groups[static_cast<size_t>(left) + 1];
  const Merge* const at =
      std::lower_bound(first, last, right, [](const Merge& m, int32_t r) { return m.right < r; });
  return at != last && at->right == right ? at->result : -1;
}

Vocabulary read_vocabulary(std::string_view vocab_json, const std::string& vocab_name,
                           std::string_view merges_txt, const std::string& merges_name) {
  check_text(merges_txt, merges_name);
  check_text(vocab_json, vocab_name);
  Vocabulary v;
  MergesReader(merges_txt, merges_name, v).read();
  check_entries(vocab_json, vocab_name, v, merges_name);
  return v;
}

}  // namespace tts
