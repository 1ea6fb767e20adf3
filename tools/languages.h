// ISO 639 codes -> English names of languages, as checkpoints spell them.
#pragma once

#include <string_view>

namespace tts {

std::string_view language_of_code(std::string_view code);  // case-insensitive; "" when it is not a known code

}  // namespace tts
