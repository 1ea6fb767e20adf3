// Unicode normalisation form C of checked UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tts {

// True: the text is in form C already, found without decomposing it. False: unknown.
bool is_surely_nfc(std::string_view text);

std::string to_nfc(std::string_view text);  // linear in the text, whatever marks it holds

std::string normalization_library();  // with the version of its data

// The code point at `at` of checked UTF-8; `at` moves behind it.
uint32_t next_code_point(std::string_view text, size_t& at);
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace tts
