// Geometry of the speech codec and of the speaker encoder, as speech_tokenizer/config.json and config.json
// give it. Filled by engine/config.cpp; nothing here has a default: a missing key is an error there.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <string>
#include <vector>

namespace tts {

struct CodecDecoderConfig {  // spec/codec-decoder.md section 1
  Dims transformer;          // H hidden, I MLP, L layers, nq = nkv heads, d, eps, theta, window
  int latent = 0;            // latent_dim
  int codebook_width = 0;    // codebook_dim / 2, the width of one code vector
  int codebook_size = 0;
  int groups = 0;  // num_quantizers
  int decoder_dim = 0;
  std::vector<int> upsample_rates;     // waveform blocks, 8 5 4 3
  std::vector<int> upsampling_ratios;  // latent stages, 2 2
  int samples_per_frame = 0;           // decode_upsample_rate; equals the product of both lists
  int sample_rate = 0;
  // Channels that enter waveform block b (0: the first); halved by each block, so the configuration is
  // refused unless decoder_dim is a multiple of 2^blocks.
  int block_channels(size_t b) const { return decoder_dim >> b; }
};

struct CodecEncoderConfig {  // spec/codec-encoder.md section 1
  Dims transformer;          // theta, eps = norm_eps; window is not applied (0)
  int filters = 0;           // num_filters
  int kernel = 0, last_kernel = 0, residual_kernel = 0;
  int compress = 0;
  std::vector<int> ratios;  // in encoder order: 4 5 6 8
  int codebook_width = 0;   // codebook_dim
  int codebook_size = 0;
  int quantizers = 0;         // in the file: 1 semantic + the rest acoustic
  int groups = 0;             // kept: encoder_valid_num_quantizers
  int samples_per_frame = 0;  // encode_downsample_rate; equals 2 * the product of the ratios
  int sample_rate = 0;
  // Channels that enter block i (0: the first); doubled by each block.
  int block_channels(size_t i) const { return filters << i; }
};

struct SpeakerEncoderConfig {  // spec/speaker-encoder.md; model-files.md 2.4
  int width = 0;               // enc_dim
  int sample_rate = 0;
  int mels = 0;
  std::vector<int> channels, kernels, dilations;
  int attention_channels = 0, res2net_scale = 0, se_channels = 0;
  // Refused by the reader of the file, because the network has no meaning otherwise: lists of different
  // length or with fewer than 3 entries; even kernels; channels of the first block and the middle ones not
  // all equal or no multiple of res2net_scale; the last channels not the sum of the middle ones; first or
  // last dilation not 1.
};

}  // namespace tts
