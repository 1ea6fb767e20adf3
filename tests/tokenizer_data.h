// The published Qwen vocabulary for tests: merges.txt is stored, vocab.json follows from it.
#pragma once

#include "tokenizer/tokenizer.h"

namespace tts::test {

const std::string& qwen_merges();
const std::string& qwen_vocab();             // the bytes of the published file
const std::string& qwen_tokenizer_config();  // its 33 added tokens
const Tokenizer& qwen_tokenizer(Pretokenizer pretokenizer);

std::string data_file(const std::string& name);  // contents of tests/data/NAME

// The character that stands for a byte, written down a second time for the tests: UTF-8.
std::string stand_in(unsigned char byte);
std::string to_utf8(const std::u32string& text);
std::u32string to_utf32(std::string_view text);

// A random text that meets every rule of the split: scripts, marks, white space of all kinds, contractions,
// digits, emoji, any code point, and the strings of the added tokens.
std::string random_text(uint64_t seed);

}  // namespace tts::test
