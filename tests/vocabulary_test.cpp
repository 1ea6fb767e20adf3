// Malformed vocabularies, merges and lists of added tokens: every row is refused with exit 3 and exactly this
// message.
#include "base/file.h"
#include "base/limits.h"
#include "catch.h"
#include "temp_directory.h"
#include "tokenizer_data.h"

#include <functional>

using namespace tts;
using namespace tts::test;

namespace {

// A small vocabulary: the bytes, " " " ", "a" "b", "ab" "c".
const std::string kMerges = "\u0120 \u0120\na b\nab c\n";

std::string small_vocab() {
  const std::string& full = qwen_vocab();
  const std::string bytes = full.substr(0, full.find(",\"\u0120\u0120\":256"));
  return bytes + ",\"\u0120\u0120\":256,\"ab\":257,\"abc\":258}";
}

const std::string kConfig = R"({"added_tokens_decoder": {"259": {"content": "<x>"}}})";

struct Bad {
  std::string text;
  std::string message;
};

std::string refusal(const Tokenizer::Files& files) {
  try {
    Tokenizer::from_files(files);
  } catch (const Error& e) {
    CHECK(e.exit == Exit::bad_input);
    return e.what();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != text.npos);
  return text.replace(at, from.size(), to);
}

std::vector<Bad> bad_merges() {
  const std::string two = "m/merges.txt: line 2: expected two symbols with one space between, got ";
  const std::string alphabet = " has a character outside the byte alphabet; is this a byte-level vocabulary?";
  const std::string order = ": expected a byte or the result of an earlier line";
  return {
      {"a b\n\nab c\n", two + "\"\""},
      {"a b\nabc\n", two + "\"abc\""},
      {"a b\na b c\n", two + "\"a b c\""},
      {"a b\n c\n", two + "\" c\""},
      {"a b\nc \n", two + "\"c \""},
      {"a b\na  b\n", two + "\"a  b\""},
      {"a b\n \n", two + "\" \""},
      {"a b\nc\n", two + "\"c\""},
      {"a b\nc\td\n", two + "\"c\\x09d\""},
      {"a b\n\n", two + "\"\""},
      {"a b\n#version: 0.2\n", "m/merges.txt: line 2: symbol \"#version:\"" + order},
      {"#version: 0.2\n#version: 0.2\n", "m/merges.txt: line 2: symbol \"#version:\"" + order},
      {"#comment\n", "m/merges.txt: line 1: expected two symbols with one space between, got \"#comment\""},
      {"a b\r\n", "m/merges.txt: line 1: \"b\\x0D\"" + alphabet},
      {"a b\nc \u4f60\n", "m/merges.txt: line 2: \"\u4f60\"" + alphabet},
      {"a b\nc d\u00ad\n", "m/merges.txt: line 2: \"d\u00ad\"" + alphabet},
      {"a\u0144 b\n", "m/merges.txt: line 1: \"a\u0144\"" + alphabet},
      {std::string("a b\nc \0\n", 8), "m/merges.txt: line 2: \"\\x00\"" + alphabet},
      {"\ufeff"
       "a b\n",
       "m/merges.txt: line 1: \"\ufeff"
       "a\"" +
           alphabet},
      {"ab c\na b\n", "m/merges.txt: line 1: symbol \"ab\"" + order},
      {"a b\nab cd\nc d\n", "m/merges.txt: line 2: symbol \"cd\"" + order},
      {"a b\nabc d\n", "m/merges.txt: line 2: symbol \"abc\"" + order},
      {"a b\na b\n", "m/merges.txt: line 2: \"a b\" makes the same token as an earlier line"},
      {"a b\nab c\nb c\na bc\n", "m/merges.txt: line 4: \"a bc\" makes the same token as an earlier line"},
      {"a b\n\xff c\n", "m/merges.txt: byte 4: not UTF-8"},
      {"a b\xc3", "m/merges.txt: byte 3: not UTF-8"},
      {"\xed\xa0\x80 b\n", "m/merges.txt: byte 0: not UTF-8"},
      {std::string(limits::kVocabularyBytes + 1, 'a'),
       "m/merges.txt: expected at most 16777216 bytes, got 16777217"},
      {"a " + std::string(200, 'z') + "\n",
       "m/merges.txt: line 1: symbol \"" + std::string(80, 'z') + "\"" + order},
  };
}

std::vector<Bad> bad_vocabularies() {
  const std::string v = small_vocab(), file = "m/vocab.json: ";
  const auto at = [&](const std::string& text) { return std::to_string(v.find(text)); };
  const auto ids = [&](const std::string& token, const std::string& got) {
    return file + "token \"" + token + "\": expected an id in 0..258 (m/merges.txt has 3 merges), got " + got;
  };
  return {
      {"", file + "byte 0: expected an object, got the end of the file"},
      {"   ", file + "byte 3: expected an object, got the end of the file"},
      {"[]", file + "byte 0: expected an object, got '['"},
      {"null", file + "byte 0: expected an object, got 'n'"},
      {"\ufeff{}", file + "byte 0: expected an object, got '\ufeff'"},
      {"{", file + "byte 1: expected a token in quotes, got the end of the file"},
      {"{}", file + "id 0: expected \"!\", got nothing; 0 of 259 tokens are there"},
      {"{} {}", file + "byte 3: expected the end of the file, got '{'"},
      {v + "x", file + "byte " + std::to_string(v.size()) + ": expected the end of the file, got 'x'"},
      {"{\"!\"}", file + "byte 4: expected ':', got '}'"},
      {"{!:0}", file + "byte 1: expected a token in quotes, got '!'"},
      {"{\"!\":0,}", file + "byte 7: expected a token in quotes, got '}'"},
      {"{,\"!\":0}", file + "byte 1: expected a token in quotes, got ','"},
      {"{\"!\":0 \"#\":1}", file + "byte 7: expected ',' or '}', got '\"'"},
      {"{'!':0}", file + "byte 1: expected a token in quotes, got '''"},
      {"{\"!\":\"0\"}", file + "byte 5: expected an integer, got '\"'"},
      {"{\"!\":null}", file + "byte 5: expected an integer, got 'n'"},
      {"{\"!\":true}", file + "byte 5: expected an integer, got 't'"},
      {"{\"!\":[0]}", file + "byte 5: expected an integer, got '['"},
      {"{\"!\":{}}", file + "byte 5: expected an integer, got '{'"},
      {"{\"!\":}", file + "byte 5: expected an integer, got '}'"},
      {"{\"!\":", file + "byte 5: expected an integer, got the end of the file"},
      {"{\"!\":0.0}", file + "byte 6: expected ',' or '}', got '.'"},
      {"{\"!\":0e1}", file + "byte 6: expected ',' or '}', got 'e'"},
      {"{\"!\":+0}", file + "byte 5: expected an integer, got '+'"},
      {"{\"!\":-}", file + "byte 5: expected an integer, got '-'"},
      {"{\"!\":NaN}", file + "byte 5: expected an integer, got 'N'"},
      {"{\"!\":00}", file + "byte 5: expected an integer, got 00"},
      {"{\"!\":-0}", file + "byte 5: expected an integer, got -0"},
      {"{\"!\":0x1}", file + "byte 6: expected ',' or '}', got 'x'"},
      {"{\"!\":9223372036854775808}", file + "byte 5: expected an integer, got 9223372036854775808"},
      {"{\"!\":18446744073709551616}", file + "byte 5: expected an integer, got 18446744073709551616"},
      {"{\"!\":-1}", ids("!", "-1")},
      {"{\"!\":259}", ids("!", "259")},
      {"{\"!\":1000000000}", ids("!", "1000000000")},
      {"{\"!\":2147483648}", ids("!", "2147483648")},
      {"{\"!\":9223372036854775807}", ids("!", "9223372036854775807")},
      {"{\"!", file + "byte 3: expected the end of the token, got the end of the file"},
      {"{\"!\n\":0}", file + "byte 3: expected the end of the token, got '\\x0A'"},
      {"{\"\\x\":0}", file + "byte 3: expected an escape, got 'x'"},
      {"{\"\\", file + "byte 3: expected an escape, got the end of the file"},
      {"{\"\\u12\":0}", file + "byte 6: expected four hexadecimal digits, got '\"'"},
      {"{\"\\uGGGG\":0}", file + "byte 4: expected four hexadecimal digits, got 'G'"},
      {"{\"\\ud800\":0}", file + "byte 7: half of a surrogate pair"},
      {"{\"\\ud800\\u0041\":0}", file + "byte 13: half of a surrogate pair"},
      {"{\"\\udc00\":0}", file + "byte 7: half of a surrogate pair"},
      {"{\"\xff\":0}", file + "byte 2: not UTF-8"},
      {"{\"\xc0\x80\":0}", file + "byte 2: not UTF-8"},
      {"{\"\":0}", file + "id 0: expected \"!\" (the byte alphabet), got \"\""},
      {"{\"\u4f60\":0}", file + "token \"\u4f60\" has a character outside the byte alphabet; added tokens "
                                "belong into tokenizer_config.json"},
      {"{\" \":0}", file + "token \" \" has a character outside the byte alphabet; added tokens belong into "
                           "tokenizer_config.json"},
      {"{\"\\u0000\":0}", file + "token \"\\x00\" has a character outside the byte alphabet; added tokens "
                                 "belong into tokenizer_config.json"},
      {"{\"\\ud83d\\ude00\":0}", file + "token \"\U0001f600\" has a character outside the byte alphabet; "
                                        "added tokens belong into tokenizer_config.json"},
      {replaced(v, "\"!\":0,", ""), file + "id 0: expected \"!\", got nothing; 258 of 259 tokens are there"},
      {replaced(v, ",\"\u0143\":255", ""),
       file + "id 255: expected \"\u0143\", got nothing; 258 of 259 tokens are there"},
      {replaced(v, ",\"ab\":257", ""),
       file + "id 257: expected \"ab\", got nothing; 258 of 259 tokens are there"},
      {replaced(v, ",\"abc\":258", ""),
       file + "id 258: expected \"abc\", got nothing; 258 of 259 tokens are there"},
      {replaced(v, "\"ab\":257", "\"ab\":258"), file + "id 258: expected \"abc\" (m/merges.txt), got \"ab\""},
      {replaced(v, "\"ab\":257", "\"ba\":257"), file + "id 257: expected \"ab\" (m/merges.txt), got \"ba\""},
      {replaced(v, "\"ab\":257", "\"ab\":259"), ids("ab", "259")},
      {replaced(v, "\"!\":0", "\"!\":1"), file + "id 1: expected \"\"\" (the byte alphabet), got \"!\""},
      {replaced(v, "\"a\":64", "\"b\":64"), file + "id 64: expected \"a\" (the byte alphabet), got \"b\""},
      {replaced(v, "\"abc\":258", "\"ab\":257"), file + "token \"ab\" is there twice"},
      {replaced(v, "\"!\":0", "\"!\":0,\"\\u0021\":0"), file + "token \"!\" is there twice"},
      {replaced(v, "\"abc\":258", "\"abc\":258,\"abcd\":259"), ids("abcd", "259")},
      {replaced(v, "\"abc\":258", "\"abc\":258,\"<x>\":259"), ids("<x>", "259")},
      {replaced(v, ":257", ":257.0"),
       file + "byte " + std::to_string(v.find(":257") + 4) + ": expected ',' or '}', got '.'"},
      {replaced(v, "\"ab\"", "ab"), file + "byte " + at("\"ab\"") + ": expected a token in quotes, got 'a'"},
      {std::string(limits::kVocabularyBytes + 1, ' '),
       file + "expected at most 16777216 bytes, got 16777217"},
      {"{\"" + std::string(100, '!') + "\":0}",
       file + "id 0: expected \"!\" (the byte alphabet), got \"" + std::string(80, '!') + "\""},
  };
}

std::vector<Bad> bad_configs() {
  const std::string file = "m/tokenizer_config.json: ", list = "added_tokens_decoder";
  const auto with = [](const std::string& tokens) { return "{\"added_tokens_decoder\": " + tokens + "}"; };
  const std::string range = ": expected an id in 259..1048575 (behind the vocabulary), got ";
  const auto key = [&](const std::string& k) {
    return file + list + "." + k + ": expected a key that is an id, got \"" + k + "\"";
  };
  return {
      {"{}", file + list + ": expected a value, the key is absent"},
      {with("null"), file + list + ": expected an object, got null"},
      {with("[]"), file + list + ": expected an object, got an array"},
      {with("\"x\""), file + list + ": expected an object, got \"x\""},
      {with("3"), file + list + ": expected an object, got 3"},
      {with(R"({"259": null})"), file + list + ".259: expected an object, got null"},
      {with(R"({"259": "<x>"})"), file + list + ".259: expected an object, got \"<x>\""},
      {with(R"({"259": {}})"), file + list + ".259.content: expected a value, the key is absent"},
      {with(R"({"259": {"content": null}})"), file + list + ".259.content: expected a string, got null"},
      {with(R"({"259": {"content": 7}})"), file + list + ".259.content: expected a string, got 7"},
      {with(R"({"259": {"content": ["<x>"]}})"),
       file + list + ".259.content: expected a string, got an array"},
      {with(R"({"259": {"content": ""}})"), file + list + ".259.content: expected 1 to 256 bytes, got 0"},
      {with(R"({"259": {"content": ")" + std::string(257, 'x') + "\"}}"),
       file + list + ".259.content: expected 1 to 256 bytes, got 257"},
      {with(R"({"258": {"content": "<x>"}})"), file + list + ".258" + range + "258"},
      {with(R"({"0": {"content": "<x>"}})"), file + list + ".0" + range + "0"},
      {with(R"({"-1": {"content": "<x>"}})"), file + list + ".-1" + range + "-1"},
      {with(R"({"1048576": {"content": "<x>"}})"), file + list + ".1048576" + range + "1048576"},
      {with(R"({"2147483647": {"content": "<x>"}})"), file + list + ".2147483647" + range + "2147483647"},
      {with(R"({"2147483648": {"content": "<x>"}})"), key("2147483648")},
      {with(R"({"18446744073709551616": {"content": "<x>"}})"), key("18446744073709551616")},
      {with(R"({"0259": {"content": "<x>"}})"), key("0259")},
      {with(R"({"+259": {"content": "<x>"}})"), key("+259")},
      {with(R"({" 259": {"content": "<x>"}})"), key(" 259")},
      {with(R"({"259 ": {"content": "<x>"}})"), key("259 ")},
      {with(R"({"259a": {"content": "<x>"}})"), key("259a")},
      {with(R"({"id": {"content": "<x>"}})"), key("id")},
      {with(R"({"0x103": {"content": "<x>"}})"), key("0x103")},
      {with(R"({"259": {"content": "<x>"}, "260": {"content": "<x>"}})"),
       file + list + ": ids 259 and 260 have the same content \"<x>\""},
      {with(R"({"259": {"content": "<x>", "lstrip": 1}})"),
       file + list + ".259.lstrip: expected true or false, got 1"},
      {with(R"({"259": {"content": "<x>", "rstrip": "yes"}})"),
       file + list + ".259.rstrip: expected true or false, got \"yes\""},
      {with(R"({"259": {"content": "<x>", "normalized": null}})"),
       file + list + ".259.normalized: expected true or false, got null"},
      {with(R"({"259": {"content": "<x>", "single_word": []}})"),
       file + list + ".259.single_word: expected true or false, got an array"},
  };
}

void check_table(const std::vector<Bad>& table,
                 const std::function<Tokenizer::Files(const std::string&)>& files) {
  for (const Bad& bad : table) {
    CAPTURE(bad.text.substr(0, 200));
    CHECK(refusal(files(bad.text)) == bad.message);
  }
}

}  // namespace

TEST_CASE("the small vocabulary itself is accepted, in every legal spelling") {
  const std::string v = small_vocab();
  using Ids = std::vector<int32_t>;
  const auto ids = [](const std::string& vocab, const std::string& merges, const std::string& config) {
    return Tokenizer::from_files({vocab, merges, config, {}, "m"}).encode_with_control("abcab  <x>");
  };
  const Ids want{258, 257, 256, 259};
  CHECK(ids(v, kMerges, kConfig) == want);
  CHECK(ids(v, "#version: 0.2\n" + kMerges, kConfig) == want);            // the header line, only first
  CHECK(ids(v, kMerges.substr(0, kMerges.size() - 1), kConfig) == want);  // no line end at the end
  CHECK(ids(" \t\r\n" + replaced(v, "\"ab\":257", " \"ab\" :\n257 ") + "\n", kMerges, kConfig) == want);
  CHECK(ids(replaced(v, "\"ab\"", "\"\\u0061b\""), kMerges, kConfig) == want);
  CHECK(ids(replaced(replaced(v, "\"ab\":257", "\"Z\":57"), "\"Z\":57", "\"ab\":257"), kMerges, kConfig) ==
        want);
  const Ids bytes =
      Tokenizer::from_files(
          {v.substr(0, v.find(",\"\u0120\u0120\"")) + "}", "", R"({"added_tokens_decoder": {}})", {}, "m"})
          .encode("ab");
  CHECK(bytes == Ids{64, 65});                              // no merges at all
  const std::string hash_merges = kMerges + "# #\n## #\n";  // lines that begin with # are merges
  const std::string hash_vocab = replaced(v, "\"abc\":258", "\"abc\":258,\"##\":259,\"###\":260");
  CHECK(Tokenizer::from_files({hash_vocab, hash_merges, R"({"added_tokens_decoder": {}})", {}, "m"})
            .encode("###") == Ids{260});
}

TEST_CASE("malformed merges.txt") {
  const std::string v = small_vocab();
  check_table(bad_merges(), [&](const std::string& text) {
    return Tokenizer::Files{v, text, kConfig, {}, "m"};
  });
  CHECK(
      refusal({v, "", kConfig, {}, "m"}) ==
      "m/vocab.json: token \"\u0120\u0120\": expected an id in 0..255 (m/merges.txt has 0 merges), got 256");
}

TEST_CASE("malformed vocab.json") {
  check_table(bad_vocabularies(), [&](const std::string& text) {
    return Tokenizer::Files{text, kMerges, kConfig, {}, "m"};
  });
}

TEST_CASE("malformed tokenizer_config.json") {
  const std::string v = small_vocab();
  check_table(bad_configs(), [&](const std::string& text) {
    return Tokenizer::Files{v, kMerges, text, {}, "m"};
  });
  for (const char* text :
       {"", "{", "[]", "null", "{\"added_tokens_decoder\": {\"259\": {\"content\": \"\\ud800\"}}}",
        "{\"added_tokens_decoder\": {}, \"added_tokens_decoder\": {}}", "{\"added_tokens_decoder\": {}} x"}) {
    CAPTURE(text);
    CHECK_THAT(refusal({v, kMerges, text, {}, "m"}),
               Catch::Matchers::StartsWith("m/tokenizer_config.json: "));
  }
}

TEST_CASE("the tables hold at least 120 files, and each differs") {
  const size_t rows = bad_merges().size() + bad_vocabularies().size() + bad_configs().size();
  CHECK(rows >= 120);
}

TEST_CASE("more merges than the limit") {
  std::string merges;  // every pair of bytes, then pairs of pairs: 2^20 - 256 would be the last
  const auto printed = [](int64_t i) { return stand_in(static_cast<unsigned char>(i)); };
  for (int64_t i = 0; i < 65'536; ++i) merges += printed(i / 256) + " " + printed(i % 256) + "\n";
  for (int64_t i = 0; i < limits::kVocabularyEntries; ++i)
    merges += printed(i >> 16) + printed(i >> 8 & 255) + " " + printed(i & 255) + "\n";
  CHECK(refusal({small_vocab(), merges, kConfig, {}, "m"}) ==
        "m/merges.txt: line 1048321: more tokens than the limit of 1048576");
}

TEST_CASE("files of a directory") {
  const TempDirectory folder;
  const std::string& directory = folder.path();
  CHECK_THROWS_AS(Tokenizer::load(directory), Error);
  write_file(directory + "/vocab.json", small_vocab());
  CHECK_THROWS_WITH(Tokenizer::load(directory), ContainsSubstring("merges.txt"));
  write_file(directory + "/merges.txt", kMerges);
  CHECK_THROWS_WITH(Tokenizer::load(directory), ContainsSubstring("tokenizer_config.json"));
  write_file(directory + "/tokenizer_config.json", kConfig);
  CHECK(Tokenizer::load(directory).encode("abc") == std::vector<int32_t>{258});
  write_file(directory + "/merges.txt", "a b\nb\n");
  CHECK_THROWS_WITH(
      Tokenizer::load(directory),
      directory + "/merges.txt: line 2: expected two symbols with one space between, got \"b\"");
}
