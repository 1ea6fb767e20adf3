// The header of WAV files, read and written here: what a stranger's header says is checked before libsndfile
// sees a byte, and a header for a pipe must stand before the samples do. Little-endian:
//
//   RIFF | RF64   size of what follows   WAVE        size 0 or 0xffffffff: streamed, or 64 bits in the chunk
//   "ds64" chunk: name[4]  size u32  bytes[size]  0 if size is odd
//     "ds64"  RF64 only, first: size of the file u64, size of "data" u64, frames u64, ...
//     "fmt "  tag u16  channels u16  rate u32  bytes/s u32  bytes/frame u16  bits u16   more for tag 0xfffe:
//     bits used u16
//             after its length, speakers u32, the real tag u16 with the 14 bytes of kSubformat
//     "data"  samples, channels interleaved; size 0 or 0xffffffff: streamed, up to the end of the file
#pragma once

#include "codec/sound_file.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tts {

struct WavFile {
  RawLayout layout;
  int bytes_per_frame = 0;
  std::span<const std::byte> data;
};

bool is_wav(std::span<const std::byte> bytes);
// Every rule of the picture above, the limits on channels and rate, and that no sample is missing.
// Exit::bad_input.
WavFile parse_wav(std::span<const std::byte> bytes, const std::string& origin);

// 44 bytes for mono PCM; 58 with "fact" for floats, as the standard wants it. data_bytes negative: streamed,
// 0xffffffff.
std::string wav_header(Encoding encoding, int rate_hz, int64_t data_bytes);
int64_t wav_data_limit(Encoding encoding);  // bytes of samples that the 32-bit sizes can say

}  // namespace tts
