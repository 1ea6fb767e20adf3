// The pages of an Ogg file. libsndfile skips pages that are damaged and stops where a file is cut, both
// without a word.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tts {

// Whole pages from the first byte to the last, each with the right checksum, of one stream that begins and
// ends.
void check_ogg_pages(std::span<const std::byte> bytes, const std::string& origin);

}  // namespace tts
