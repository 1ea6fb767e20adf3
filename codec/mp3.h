// The frames of an MP3 file. libsndfile takes the length of a file without a count of frames from its first
// frame alone, and a variable bit rate is then cut short without a word; so the frames are counted here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tts {

bool is_mp3(std::span<const std::byte> bytes);

// Whole frames of layer III and nothing else (tags before and behind them apart), no longer than a clip may
// be. Returns them behind a frame that says how many they are, as encoders write it. Exit::bad_input.
std::vector<std::byte> counted_mp3(std::span<const std::byte> bytes, const std::string& origin);

}  // namespace tts
