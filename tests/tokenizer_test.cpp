// Text to ids: the published cases, the slow reference, and what must hold for every text.
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "catch.h"
#include "reference_tokenizer.h"
#include "tokenizer/normalize.h"
#include "tokenizer_data.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

using namespace tts;
using namespace tts::test;

namespace {

constexpr Pretokenizer kBoth[]{Pretokenizer::standard, Pretokenizer::patched};

std::vector<int32_t> ids_of(const Json& list) {
  std::vector<int32_t> ids;
  for (const Json& id : list.items()) ids.push_back(static_cast<int32_t>(id.integer(0, limits::kVocabulary)));
  return ids;
}

std::string nfc(std::string_view text) { return to_nfc(text); }

// Texts per property: a few hundred here, TTS_RANDOM_TEXTS=20000 for a long run.
uint64_t random_texts(uint64_t ordinary) {
  const char* wanted = std::getenv("TTS_RANDOM_TEXTS");
  return wanted != nullptr ? std::stoull(wanted) : ordinary;
}

}  // namespace

TEST_CASE("the vocabulary that follows from the merges is the published file") {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : qwen_vocab()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  CHECK(qwen_vocab().size() == 2'776'833);
  CHECK(hash == 0xae8594ea0dd9a396u);
}

TEST_CASE("published cases, both expressions") {
  const Json file = Json::parse(data_file("tokenizer-cases.json"), "tokenizer-cases.json");
  int compared = 0, different = 0;
  for (const char* list : {"cases", "extra_cases"})
    for (const Json& c : file.at(list).items()) {
      const std::string& text = c.at("text").text();
      CAPTURE(text);
      const Json& patched = c.at("ids_patched_regex");
      CHECK(qwen_tokenizer(Pretokenizer::standard).encode_with_control(text) == ids_of(c.at("ids")));
      CHECK(qwen_tokenizer(Pretokenizer::patched).encode_with_control(text) ==
            ids_of(patched.is_null() ? c.at("ids") : patched));
      compared += 2;
      different += !patched.is_null();
    }
  CHECK(compared == 130);
  CHECK(different == 7);
}

TEST_CASE("golden ids of the tiny checkpoints") {
  const std::string goldens = std::string(TTS_SOURCE_DIR) + "/tests/goldens";
  const Json file = Json::load(goldens + "/tokenizer/tiny-custom-voice.json");
  REQUIRE(file.at("regex").text() == "standard");
  const Tokenizer tokenizer = Tokenizer::load(goldens + "/models/tiny-custom-voice");
  CHECK(tokenizer.size() == 609);
  int compared = 0;
  for (const Json& c : file.at("cases").items()) {
    CAPTURE(c.at("text").text());
    CHECK(tokenizer.encode_with_control(c.at("text").text()) == ids_of(c.at("ids")));
    ++compared;
  }
  CHECK(compared == 34);
}

TEST_CASE("anchors of the specification") {
  const Tokenizer& t = qwen_tokenizer(Pretokenizer::standard);
  using Ids = std::vector<int32_t>;
  CHECK(t.encode("Hello world") == Ids{9707, 1879});
  CHECK(t.encode("Fran\u00e7ais, T\u00fcrk\u00e7e, italiano \u2014 d\u00e9j\u00e0 vu!") ==
        Ids{75331, 3131, 2782, 11, 136891, 11, 59804, 1959, 45839, 32514, 0});
  CHECK(t.encode_with_control("<tts_pad>") == Ids{151671});
  CHECK(t.encode("<tts_pad>") == Ids{62752, 2576, 30290, 29});
  CHECK(t.encode("") == Ids{});
  CHECK(t.encode("bad\ufffd"
                 "byte")[1] == 5691);
  CHECK(t.size() == 151676);
  CHECK(t.added_id("<|im_end|>") == 151645);
  CHECK(t.added_id("<|nothing|>") == -1);
  CHECK((t.is_added(151643) && t.is_added(151675) && !t.is_added(151642) && !t.is_added(151676) &&
         !t.is_added(-1)));
  CHECK(t.piece(9707) == "Hello");
  CHECK(t.piece(1879) == " world");
  CHECK(t.piece(151644) == "<|im_start|>");
  CHECK(t.decode(Ids{151644, 9707, 1879}) == "<|im_start|>Hello world");
}

TEST_CASE("the slow reference gives the same ids") {
  static const ReferenceTokenizer reference(qwen_merges());
  const uint64_t texts = random_texts(400);
  size_t tokens = 0;
  for (uint64_t seed = 0; seed < texts; ++seed) {
    const std::string text = random_text(seed), normal = nfc(text);
    for (const Pretokenizer p : kBoth) {
      const auto ids = qwen_tokenizer(p).encode(text);
      tokens += ids.size();
      const auto pieces = reference_split(normal, p);
      std::vector<uint32_t> ends;
      for (const std::string& piece : pieces)
        ends.push_back((ends.empty() ? 0 : ends.back()) + static_cast<uint32_t>(piece.size()));
      if (split_pieces(normal, p) != ends) FAIL_CHECK("pieces of seed " << seed << ": " << printable(text));
      if (ids != reference.encode(normal, p)) FAIL_CHECK("seed " << seed << ": " << printable(text));
    }
  }
  std::cout << texts << " random texts, " << tokens << " tokens, equal to the reference\n";
  CHECK(tokens > texts * 20);
}

TEST_CASE("decode gives back the text in form C, and no text yields an added token") {
  const Tokenizer& t = qwen_tokenizer(Pretokenizer::standard);
  const uint64_t texts = random_texts(1000);
  std::string all;
  for (uint64_t seed = 0; seed < texts; ++seed) {
    std::string text = random_text(seed);
    if (seed % 8 == 0)  // every added string, in the middle of others
      for (int32_t id = 151643; id < t.size(); ++id)
        text += t.piece(id) + random_text(seed * 977 + static_cast<uint64_t>(id));
    for (const Pretokenizer p : kBoth) {
      const auto ids = qwen_tokenizer(p).encode(text);
      if (t.decode(ids) != nfc(text)) FAIL_CHECK("seed " << seed << ": " << printable(text));
      if (std::ranges::any_of(ids, [&](int32_t id) { return t.is_added(id); }))
        FAIL_CHECK("added token, seed " << seed);
    }
  }
  for (int32_t id = 151643; id < t.size(); ++id) {  // while the official behaviour finds each of them
    CHECK(t.encode_with_control(std::string("a") + t.piece(id) + "b") == std::vector<int32_t>{64, id, 65});
    for (const int32_t plain : t.encode(std::string("a") + t.piece(id) + "b")) CHECK(plain < 151643);
  }
}

TEST_CASE("classes of Unicode 16, every code point") {
  int standard = 0, patched = 0;
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string one = to_utf8({c}), text = std::string("a") + one + one + "A";
    const auto differs = [&](Pretokenizer p) {
      return split_pieces(text, p).size() != reference_split(text, p).size();
    };
    standard += differs(Pretokenizer::standard);
    patched += differs(Pretokenizer::patched);
  }
  std::cout << unicode_versions() << ": " << standard
            << " code points split differently by the standard expression, " << patched
            << " by the patched one\n";
  CHECK(standard == 0);  // newer libraries than Unicode 16 may differ in letters that came later
  CHECK(patched == 0);
}

TEST_CASE("normalisation form C") {
  const Json file = Json::parse(data_file("nfc-cases.json"), "nfc-cases.json");
  int compared = 0;
  for (const Json& c : file.at("cases").items()) {
    const std::string &text = c.items()[0].text(), &want = c.items()[1].text();
    if (nfc(text) != want) FAIL_CHECK(printable(text.substr(0, 60)));
    CHECK(nfc(want) == want);
    if (is_surely_nfc(text)) CHECK(text == want);
    ++compared;
  }
  CHECK(compared == 418);
}

TEST_CASE("code points that skip normalisation are stable") {
  std::u32string seconds;  // what some composition has behind its first character
  int stable = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string one = to_utf8({c});
    if (is_surely_nfc(one)) {
      ++stable;
      if (nfc(one) != one) FAIL_CHECK("changed by form C: " << static_cast<uint32_t>(c));
      // a mark in front of it stays in front: it is a starter
      if (nfc(std::string("a") + to_utf8({U'\u0345'}) + one) != std::string("a") + to_utf8({U'\u0345'}) + one)
        FAIL_CHECK("not a starter: " << static_cast<uint32_t>(c));
    }
  }
  // 64 starters that compose with something, before every stable character: nothing happens
  for (const char32_t first :
       U"aeouAEOU\u0391\u03b1\u03c9\u0415\u0438\u304b\u30cf\u1100\uac00\u0627\u0928\u09c7\u0b47\u0bc6\u0cc6"
       U"\u0d46\u0dd9\u1025"
       U"\u1b05\U00011099\U00011131\U00011347\U000114b9\U000115b8\U00011935\u00e2\u1ea1\u0306")
    for (char32_t c = 1; c < 0x10000 && first != 0; ++c) {
      if (c >= 0xd800 && c < 0xe000) continue;
      const std::string two = to_utf8({first, c});
      if (is_surely_nfc(to_utf8({c})) && nfc(two) != to_utf8({first}) + to_utf8({c}))
        FAIL_CHECK("composes: " << static_cast<uint32_t>(first) << " " << static_cast<uint32_t>(c));
    }
  CHECK(stable > 40'000);
}

TEST_CASE("invalid UTF-8 is refused at its offset") {
  struct Case {
    std::string text;
    size_t at;
  };
  const Case cases[] = {{"\x80", 0},
                        {"a\xbf", 1},
                        {"ab\xc0\x80", 2},
                        {"\xc1\xbf", 0},
                        {"\xc3", 0},
                        {"abc\xc3(", 3},
                        {"\xe0\x80\x80", 0},
                        {"\xe0\x9f\xbf", 0},
                        {"\xed\xa0\x80", 0},
                        {"ok\xed\xbf\xbf", 2},
                        {"\xe2\x82", 0},
                        {"\xe2(\xa1", 0},
                        {"\xf0\x80\x80\x80", 0},
                        {"\xf0\x8f\xbf\xbf", 0},
                        {"\xf4\x90\x80\x80", 0},
                        {"\xf5\x80\x80\x80", 0},
                        {"\xff", 0},
                        {"12345678\xfe", 8},
                        {"1234567\xf0\x9f\x98", 7},
                        {"12345678abcdefg\x80", 15}};
  for (const Case& c : cases) {
    CAPTURE(c.at);
    CHECK(first_invalid_utf8(c.text) == c.at);
    const std::string want = format("text: byte {}: expected UTF-8, got byte {}", c.at,
                                    static_cast<int>(static_cast<unsigned char>(c.text[c.at])));
    try {
      qwen_tokenizer(Pretokenizer::standard).encode(c.text);
      FAIL_CHECK("accepted");
    } catch (const Error& e) {
      CHECK(e.what() == want);
      CHECK(e.exit == Exit::bad_input);
    }
  }
  for (const char32_t c : {0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xd7ffu, 0xe000u, 0xffffu, 0x10000u, 0x10ffffu})
    CHECK(first_invalid_utf8(to_utf8({c})) == std::string_view::npos);
}

TEST_CASE("speakable text has a letter, a number or a symbol") {
  for (const char* yes : {"a", " 1 ", "\u4f60", "...x", "+", "\U0001f600", "$"}) CHECK(is_speakable(yes));
  for (const char* no : {"", " ", "\n\t", "...", "\u3002\uff01", "\u2014", "\u200b", "\u0301", "!?"})
    CHECK_FALSE(is_speakable(no));
}

TEST_CASE("flags of added tokens are honoured") {
  const std::string config = R"({"added_tokens_decoder": {
    "151643": {"content": "<a>"}, "151644": {"content": "<ab"}, "151645": {"content": "<ab>"},
    "151650": {"content": "<l>", "lstrip": true}, "151651": {"content": "<r>", "rstrip": true},
    "151652": {"content": "\u212b!", "normalized": true},
    "151653": {"content": "<w>", "single_word": true}}})";
  const Tokenizer t = Tokenizer::from_files({qwen_vocab(), qwen_merges(), config, {}, ""});
  using Ids = std::vector<int32_t>;
  CHECK(t.size() == 151654);
  CHECK(t.encode_with_control("<ab><ab<a><abc") ==
        Ids{151645, 151644, 151643, 151644, 66});  // longest, leftmost
  CHECK(t.encode_with_control("a \u3000<l> b") == Ids{64, 151650, 293});
  CHECK(t.encode_with_control("a <r>\n\u00a0 b <r>") == Ids{64, 220, 151651, 65, 220, 151651});
  CHECK(t.encode_with_control("x\u00c5!A\u030a!") == Ids{87, 151652, 151652});
  CHECK(t.encode_with_control("x<w") == t.encode("x<w"));
  CHECK_THROWS_WITH(t.encode_with_control("x<w>"),
                    "tokenizer_config.json: added token 151653 \"<w>\": \"single_word\" is not supported "
                    "with control tokens in the text");
  CHECK_THROWS_WITH(t.piece(151646), "token id 151646: expected one of the 151654 ids of the vocabulary");
  CHECK_THROWS_WITH(t.decode(Ids{-1}), "token id -1: expected one of the 151654 ids of the vocabulary");
}
