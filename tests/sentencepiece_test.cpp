// A model directory with tokenizer.model. The models are written here, field by field, in the protocol-buffer
// format.
#include "base/file.h"
#include "catch.h"
#include "temp_directory.h"
#include "tokenizer_data.h"

#include <bit>

using namespace tts;
using namespace tts::test;

namespace {

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string field(int number, std::string_view bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

std::string field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}

std::string little_endian(uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

enum Kind { ordinary = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

std::string piece(const std::string& text, Kind kind = ordinary, float score = 0) {
  const std::string score_field = varint(2 << 3 | 5) + little_endian(std::bit_cast<uint32_t>(score));
  return field(
      1, field(1, text) + score_field + (kind == ordinary ? "" : field(3, static_cast<uint64_t>(kind))));
}

const std::string kBlank = "\u2581";
const std::string kTrainer = field(2, field(3, uint64_t{1}));  // a unigram model

std::string small_model() {
  std::string model =
      piece("<unk>", unknown) + piece("<s>", control) + piece("</s>", control) + piece("<x>", user_defined);
  for (const char c : std::string("<>xhelowrd!")) model += piece(std::string(1, c), ordinary, -10);
  model += piece(kBlank, ordinary, -5) + piece(kBlank + "hello", ordinary, -1) + piece("world", ordinary, -1);
  return model + kTrainer + field(3, field(1, std::string("identity")));
}

Tokenizer from_model(const std::string& model, const std::string& config = "") {
  return Tokenizer::from_files({{}, {}, config, model, "m"});
}

std::string refusal(const std::string& model, const std::string& config = "") {
  try {
    from_model(model, config);
  } catch (const Error& e) {
    CHECK(e.exit == Exit::bad_input);
    return e.what();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& id) { return text.replace(text.find("{}"), 2, id); }

using Ids = std::vector<int32_t>;

}  // namespace

TEST_CASE("a sentencepiece model behind the same interface") {
  const Tokenizer t = from_model(small_model());
  CHECK(t.size() == 18);
  const Ids hello = t.encode("hello world!");
  CHECK(hello == Ids{16, 15, 17, 14});
  CHECK(t.decode(hello) == "hello world!");
  CHECK(t.piece(16) == " hello");
  CHECK(t.encode("") == Ids{});
}

TEST_CASE("control and user-defined pieces come from no text") {
  const Tokenizer t = from_model(small_model());
  for (const int32_t id : {1, 2, 3}) {
    CHECK(t.is_added(id));
    CHECK(t.added_id(t.piece(id)) == id);
  }
  CHECK_FALSE(t.is_added(0));
  for (const char* text : {"<x>", "hello<x>", "<x><x>world"})
    for (const int32_t id : t.encode(text)) CHECK_FALSE(t.is_added(id));
  CHECK(t.decode(t.encode("hello<x>")) == "hello<x>");
  CHECK(t.encode_with_control("hello<x>hello") == Ids{16, 3, 16});
  CHECK(t.decode(Ids{16, 3, 16}) == "hello<x>hello");
}

TEST_CASE("added tokens of tokenizer_config.json stand behind the pieces") {
  const Tokenizer t = from_model(small_model(), R"({"added_tokens_decoder": {"19": {"content": "<pad>"}}})");
  CHECK(t.size() == 20);
  CHECK(t.encode_with_control("hello<pad>") == Ids{16, 19});
  // control pieces may be named again, other pieces may not
  const std::string again =
      R"({"added_tokens_decoder": {"0": {"content": "<unk>"}, "1": {"content": "<s>"}, "3": {"content": "<x>"}}})";
  CHECK(from_model(small_model(), again).size() == 18);
  const std::string bad =
      "m/tokenizer_config.json: added_tokens_decoder.{}: expected a control piece of tokenizer.model or an "
      "id behind it, got ";
  CHECK(refusal(small_model(), R"({"added_tokens_decoder": {"17": {"content": "world"}}})") ==
        replaced(bad, "17") + "\"world\"");
  CHECK(refusal(small_model(), R"({"added_tokens_decoder": {"1": {"content": "</s>"}}})") ==
        replaced(bad, "1") + "\"</s>\"");
}

TEST_CASE("characters without a piece are refused, never dropped") {
  CHECK_THROWS_WITH(from_model(small_model()).encode("\u4f60"),
                    "text: the vocabulary m/tokenizer.model has no pieces for some of its characters");
}

TEST_CASE("byte pieces take what no other piece covers") {
  std::string model = piece("<unk>", unknown) + piece(kBlank + "a");
  for (int b = 0; b < 256; ++b) {
    const char* hex = "0123456789ABCDEF";
    model += piece(std::string("<0x") + hex[b >> 4] + hex[b & 15] + ">", byte);
  }
  const Tokenizer t = from_model(model + field(2, field(3, uint64_t{1}) + field(35, uint64_t{1})));
  const Ids ids = t.encode("a\u4f60");
  CHECK(ids == Ids{1, 2 + 0xe4, 2 + 0xbd, 2 + 0xa0});
  CHECK(t.decode(ids) == "a\u4f60");
  CHECK(t.piece(2 + 0x0a) == "\n");
}

TEST_CASE("malformed tokenizer.model") {
  const std::string file = "m/tokenizer.model: ", map = file + "character map: ";
  const auto with_map = [](const std::string& bytes) { return small_model() + field(3, field(2, bytes)); };
  const std::string block(1024, '\0');
  struct Bad {
    std::string model, message;
  };
  const Bad table[] = {
      {"x", file + "byte 1: the file ends inside a number"},
      {std::string(11, '\xff'), file + "byte 10: a number longer than 64 bits"},
      {"\x0b", file + "byte 1: expected a field, got wire type 3"},
      {"\x0a\x05"
       "ab",
       file + "byte 2: field 1 ends behind its message"},
      {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", file + "byte 11: field 1 ends behind its message"},
      {kTrainer, file + "expected 1..1048576 pieces, got 0"},
      {small_model() + field(1, field(2, uint64_t{1})),
       file + "byte " + std::to_string(small_model().size() + 2) + ": expected a piece of UTF-8 text"},
      {small_model() + field(1, field(1, std::string("a\0b", 3))),
       file + "byte " + std::to_string(small_model().size() + 2) + ": expected a piece of UTF-8 text"},
      {small_model() + field(1, field(1, std::string("\xff"))),
       file + "byte " + std::to_string(small_model().size() + 2) + ": expected a piece of UTF-8 text"},
      {small_model() + field(1, field(1, std::string("z")) + field(3, uint64_t{7})),
       file + "byte " + std::to_string(small_model().size() + 6) +
           ": expected a kind of piece in 1..6, got 7"},
      {with_map("abc"), map + "expected a trie and replacements, got 3 bytes"},
      {with_map(little_endian(1024) + block), map + "expected a trie and replacements, got 1028 bytes"},
      {with_map(little_endian(0xfffffffc) + block), map + "expected a trie and replacements, got 1028 bytes"},
      {with_map(little_endian(1020) + block + "ab"),
       map + "expected a trie and replacements, got 1030 bytes"},
      {with_map(little_endian(1024) + block + std::string(4, 'a')),
       map + "expected a trie and replacements, got 1032 bytes"},
      {with_map(little_endian(1024) + little_endian(0xfffffc00) + block.substr(4) + std::string(4, '\0')),
       map + "unit 0 points outside"},
      {with_map(little_endian(1024) + little_endian(256u << 10) + block.substr(4) + std::string(4, '\0')),
       map + "unit 0 points outside"},
      {with_map(little_endian(1024) + little_endian(0) + little_endian(0x80000004) + block.substr(8) +
                std::string(4, '\0')),
       map + "unit 1 points outside"},
  };
  for (const Bad& bad : table) {
    CAPTURE(printable(bad.model.substr(bad.model.size() > 60 ? bad.model.size() - 60 : 0)));
    CHECK(refusal(bad.model) == bad.message);
  }
  CHECK_THAT(refusal(piece("a") + kTrainer), Catch::Matchers::StartsWith(file));  // no unknown piece
  CHECK_THAT(refusal(piece("<unk>", unknown) + piece("a") + piece("a") + kTrainer),
             Catch::Matchers::StartsWith(file));  // twice
}

TEST_CASE("a directory with tokenizer.model and no vocab.json") {
  const TempDirectory folder;
  const std::string& directory = folder.path();
  write_file(directory + "/tokenizer.model", small_model());
  CHECK(Tokenizer::load(directory).encode("hello world!") == Ids{16, 15, 17, 14});
  write_file(directory + "/tokenizer_config.json",
             R"({"added_tokens_decoder": {"19": {"content": "<pad>"}}})");
  CHECK(Tokenizer::load(directory).added_id("<pad>") == 19);
  write_file(directory + "/vocab.json", "{}");  // then the byte-level files count
  CHECK_THROWS_WITH(Tokenizer::load(directory), ContainsSubstring("merges.txt"));
}
