#include "tokenizer_data.h"

#include "base/file.h"
#include "base/limits.h"

#include <random>
#include <sstream>

namespace tts::test {

std::string data_file(const std::string& name) {
  return read_text(std::string(TTS_SOURCE_DIR) + "/tests/data/" + name, limits::kVocabularyBytes);
}

const std::string& qwen_merges() {
  static const std::string text = data_file("qwen-tokenizer/merges.txt");
  return text;
}

const std::string& qwen_tokenizer_config() {
  static const std::string text = data_file("qwen-tokenizer/tokenizer_config.json");
  return text;
}

std::string to_utf8(const std::u32string& text) {
  std::string out;
  for (const char32_t c : text) {
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    constexpr int kLead[]{0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(kLead[more] | static_cast<int>(c >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
  }
  return out;
}

std::u32string to_utf32(std::string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    char32_t c = more == 0 ? lead : lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k) c = c << 6 | (static_cast<unsigned char>(text[i++]) & 0x3fu);
    out += c;
  }
  return out;
}

std::string stand_in(unsigned char byte) {
  const auto visible = [](int b) { return (b > 32 && b < 127) || (b > 160 && b != 173); };
  if (visible(byte)) return to_utf8({byte});
  char32_t c = 256;
  for (int b = 0; b < byte; ++b) c += !visible(b);
  return to_utf8({c});
}

const std::string& qwen_vocab() {
  static const std::string text = [] {
    std::string out = "{";
    int id = 0;
    const auto add = [&](const std::string& token) {
      out += id == 0 ? "\"" : ",\"";
      for (const char c : token) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
      }
      out += "\":" + std::to_string(id++);
    };
    for (const bool first : {true, false})
      for (int b = 0; b < 256; ++b)
        if ((stand_in(static_cast<unsigned char>(b)) < "\xc4\x80") == first)
          add(stand_in(static_cast<unsigned char>(b)));
    std::istringstream lines(qwen_merges());
    for (std::string left, right; lines >> left >> right;) add(left + right);
    return out + "}";
  }();
  return text;
}

const Tokenizer& qwen_tokenizer(Pretokenizer pretokenizer) {
  const auto load = [](Pretokenizer p) {
    return Tokenizer::from_files({.vocab_json = qwen_vocab(),
                                  .merges_txt = qwen_merges(),
                                  .tokenizer_config_json = qwen_tokenizer_config(),
                                  .sentencepiece_model = {},
                                  .origin = "qwen"},
                                 p);
  };
  static const Tokenizer standard = load(Pretokenizer::standard), patched = load(Pretokenizer::patched);
  return pretokenizer == Pretokenizer::standard ? standard : patched;
}

std::string random_text(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  using namespace std::string_view_literals;  // a pool holds NUL
  static constexpr std::u32string_view kPools[] = {
      U"abcdefghijklmnopqrstuvwxyzsstt"sv,
      U"ABCDEFGHIJKLMNOPQRSTUVWXYZ\u01c5\u1f88"sv,
      U"          \t\u00a0\u2003\u3000\u202f"sv,
      U"\n\r\n\n\r\u0085\u2028\u000b"sv,
      U"0123456789\u0663\u2167\u00bd\u3007"sv,
      U".,;:!?-_/()[]{}\"'`~@#$%^&*+=<>|\\\u2019\u201c\u2014"sv,
      U"\u4f60\u597d\u4e16\u754c\u6211\u3002\uff0c\uff01\u3042\u30ab\u30fc"sv,
      U"\u0301\u0308\u0323\u0327\u3099\u0e31\u093e\u20dd\u0345"sv,
      U"\u1112\u1161\u11ab\uac00\ud55c\u0915\u0e01\u05d0\u0627\u02b0"sv,
      U"\U0001f600\U0001f44d\U0001f3fd\u200d\ufe0f\u2126\u212b\U0001f1e9"sv,
      U"\u0430\u0431\u0438\u0415\u00e9\u00df\u00fc\u00d1\u0153\u017f"sv,
      U"\u0000\u0001\u001b\u007f\u200b\ufeff\ufffd\ue000"sv};
  static const char* const kParts[] = {
      "'s",      "'T",           "'re",           "'VE",        "'m",        "'ll",
      "'LLx",    "'d",           "it's",          "iPhone",     "  ",        "\n\n",
      "\r\n",    " \n ",         "<|im_start|>",  "<|im_end|>", "<tts_pad>", "<tts_text_bos>",
      "<think>", "</tool_call>", "<|endoftext|>", "<|im_",      "//\n/"};
  std::string out;
  for (size_t n = below(24); n > 0; --n) {
    const size_t kind = below(20);
    if (kind < std::size(kPools)) {
      for (size_t run = 1 + below(5); run > 0; --run)
        out += to_utf8({kPools[kind][below(kPools[kind].size())]});
    } else if (kind < 17) {
      out += kParts[below(std::size(kParts))];
    } else {
      char32_t c = static_cast<char32_t>(kind == 17   ? below(0x110000)
                                         : kind == 18 ? below(0x3000)
                                                      : below(0x250));
      if (c >= 0xd800 && c < 0xe000) c -= 0x800;
      out += to_utf8({c});
    }
  }
  return out;
}

}  // namespace tts::test
