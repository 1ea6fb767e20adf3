#include "engine/codec_config.h"

#include "engine/config_fields.h"

#include <numeric>

namespace tts {

namespace {

int64_t product_of(const std::vector<int>& factors) {
  int64_t product = 1;
  for (const int factor : factors) product = checked_mul(product, factor, "product of the codec's rates");
  return product;
}

std::string list(const std::vector<int>& numbers) {
  std::string text;
  for (const int n : numbers) text += (text.empty() ? "" : ",") + format("{}", n);
  return "[" + text + "]";
}

int read_rate(const Json& file, std::string_view key) {
  return read_int(file, key, limits::kClipMinRate, limits::kClipMaxRate);
}

}  // namespace

CodecDecoderConfig read_codec_decoder(const Json& file) {
  const Json& object = file.at("decoder_config");
  CodecDecoderConfig c;
  c.transformer = read_dims(object, "rms_norm_eps");
  expect_text(object, "hidden_act", "silu");
  c.transformer.window = read_int(object, "sliding_window", 1, limits::kPositions);
  c.latent = read_int(object, "latent_dim", 1, limits::kCodecChannels);
  const int codebook_dim = read_int(object, "codebook_dim", 2, limits::kCodecChannels);
  check(codebook_dim % 2 == 0, Exit::bad_input, "{}: expected an even number, got {}",
        object.at("codebook_dim").where(), codebook_dim);
  c.codebook_width = codebook_dim / 2;
  c.codebook_size = read_int(object, "codebook_size", 1, limits::kVocabulary);
  c.groups = read_int(object, "num_quantizers", 2, limits::kCodeGroups);
  c.decoder_dim = read_int(object, "decoder_dim", 1, limits::kCodecChannels);
  c.upsample_rates =
      read_ints(object.at("upsample_rates"), 1, limits::kSamplesPerFrame, limits::kCodecStages);
  c.upsampling_ratios =
      read_ints(object.at("upsampling_ratios"), 1, limits::kSamplesPerFrame, limits::kCodecStages);
  const int halvings = 1 << c.upsample_rates.size();
  check(c.decoder_dim % halvings == 0, Exit::bad_input,
        "{}: expected a multiple of {} (it is halved {} times), got {}", object.at("decoder_dim").where(),
        halvings, c.upsample_rates.size(), c.decoder_dim);
  c.samples_per_frame = read_int(file, "decode_upsample_rate", 1, limits::kSamplesPerFrame);
  const int64_t product =
      checked_mul(product_of(c.upsample_rates), product_of(c.upsampling_ratios), "samples of a frame");
  check(product == c.samples_per_frame, Exit::bad_input,
        "{}: expected {}, the product of upsample_rates {} and upsampling_ratios {}, got {}",
        file.at("decode_upsample_rate").where(), product, list(c.upsample_rates), list(c.upsampling_ratios),
        c.samples_per_frame);
  c.sample_rate = read_rate(file, "output_sample_rate");
  return c;
}

std::optional<CodecEncoderConfig> read_codec_encoder(const Json& file) {
  const Json* object = file.find("encoder_config");
  if (object == nullptr) return std::nullopt;
  CodecEncoderConfig c;
  c.transformer = read_dims(*object, "norm_eps");
  expect_text(*object, "hidden_act", "gelu");
  expect_text(*object, "pad_mode", "constant");
  expect_boolean(*object, "use_causal_conv", true);
  expect_boolean(*object, "use_conv_shortcut", false);
  expect_boolean(*object, "normalize", false);
  read_int(*object, "audio_channels", 1, 1);
  read_int(*object, "num_residual_layers", 1, 1);
  read_int(*object, "num_semantic_quantizers", 1, 1);
  c.filters = read_int(*object, "num_filters", 1, limits::kCodecChannels);
  c.kernel = read_int(*object, "kernel_size", 1, limits::kConvTaps);
  c.last_kernel = read_int(*object, "last_kernel_size", 1, limits::kConvTaps);
  c.residual_kernel = read_int(*object, "residual_kernel_size", 1, limits::kConvTaps);
  c.compress = read_int(*object, "compress", 1, c.filters);
  const Json& ratios = object->at("upsampling_ratios");  // in decoder order
  c.ratios = read_ints(ratios, 1, limits::kSamplesPerFrame, limits::kCodecStages);
  c.ratios = {c.ratios.rbegin(), c.ratios.rend()};
  const int64_t widest = checked_mul(c.filters, int64_t{1} << c.ratios.size(), "codec channels");
  check(widest <= limits::kCodecChannels, Exit::bad_input,
        "{}: expected at most {} channels after {} doublings, got {}", object->at("num_filters").where(),
        limits::kCodecChannels.value, c.ratios.size(), widest);
  c.codebook_width = read_int(*object, "codebook_dim", 1, limits::kCodecChannels);
  c.codebook_size = read_int(*object, "codebook_size", 1, limits::kVocabulary);
  check((c.codebook_size & (c.codebook_size - 1)) == 0, Exit::bad_input,
        "{}: expected a power of two, got {}", object->at("codebook_size").where(), c.codebook_size);
  c.quantizers = read_int(*object, "num_quantizers", 2, limits::kCodeGroups);
  c.groups = read_int(file, "encoder_valid_num_quantizers", 2, c.quantizers);
  c.samples_per_frame = read_int(file, "encode_downsample_rate", 1, limits::kSamplesPerFrame);
  const int64_t product =
      checked_mul(2, product_of(c.ratios), "samples of a frame");  // the last halving: 25 -> 12.5 Hz
  check(product == c.samples_per_frame, Exit::bad_input,
        "{}: expected {}, twice the product of upsampling_ratios {}, got {}",
        file.at("encode_downsample_rate").where(), product, list(c.ratios), c.samples_per_frame);
  c.sample_rate = read_rate(file, "input_sample_rate");
  return c;
}

// Only two keys are stored in published files; the others are the defaults of the official classes
// (spec/model-files.md 2.4).
SpeakerEncoderConfig read_speaker_encoder(const Json& file, int talker_width, int sample_rate) {
  const Json* object = file.find("speaker_encoder_config");
  constexpr int kMostReach{
      4};  // frames to one side: the shortest clip allowed has 5, and the padding reflects
  constexpr int kMostMels{512};  // fewer filters than bins of the spectrum
  SpeakerEncoderConfig c{1024, 24'000, 128, {512, 512, 512, 512, 1536}, {5, 3, 3, 3, 1}, {1, 2, 3, 4, 1},
                         128,  8,      128};
  const auto number = [&](int& field, std::string_view key, int64_t low, int64_t high) {
    if (object != nullptr && object->has(key)) field = read_int(*object, key, low, high);
  };
  const auto numbers = [&](std::vector<int>& field, std::string_view key, int64_t high) {
    if (object != nullptr && object->has(key))
      field = read_ints(object->at(key), 1, high, limits::kCodecStages);
  };
  const std::string where = object == nullptr ? file.where() + ": speaker_encoder_config" : object->where();
  number(c.width, "enc_dim", 1, limits::kHidden);
  number(c.sample_rate, "sample_rate", limits::kClipMinRate, limits::kClipMaxRate);
  number(c.mels, "mel_dim", 1, kMostMels);
  numbers(c.channels, "enc_channels", limits::kCodecChannels);
  numbers(c.kernels, "enc_kernel_sizes", limits::kConvTaps);
  numbers(c.dilations, "enc_dilations", limits::kConvTaps);
  number(c.attention_channels, "enc_attention_channels", 1, limits::kCodecChannels);
  number(c.res2net_scale, "enc_res2net_scale", 2, limits::kConvTaps);
  number(c.se_channels, "enc_se_channels", 1, limits::kCodecChannels);

  check(c.width == talker_width, Exit::bad_input, "{}.enc_dim: expected the talker's hidden_size {}, got {}",
        where, talker_width, c.width);
  check(c.sample_rate == sample_rate, Exit::bad_input, "{}.sample_rate: expected the codec's {}, got {}",
        where, sample_rate, c.sample_rate);
  const size_t n = c.channels.size();
  check(n >= 3 && c.kernels.size() == n && c.dilations.size() == n, Exit::bad_input,
        "{}: expected enc_channels, enc_kernel_sizes and enc_dilations of one length of at least 3, got {}, "
        "{} and {}",
        where, n, c.kernels.size(), c.dilations.size());
  for (size_t i = 0; i < n; ++i) {
    const int reach = (c.kernels[i] - 1) / 2 * c.dilations[i];
    check(c.kernels[i] % 2 == 1 && reach <= kMostReach, Exit::bad_input,
          "{}.enc_kernel_sizes[{}]: expected an odd number that reaches at most {} frames to a side, got {} "
          "with dilation {}",
          where, i, kMostReach, c.kernels[i], c.dilations[i]);
  }
  for (size_t i = 1; i + 1 < n; ++i) {
    check(c.channels[i] == c.channels[0] && c.channels[i] % c.res2net_scale == 0, Exit::bad_input,
          "{}.enc_channels[{}]: expected {}, divisible by enc_res2net_scale {}, got {}", where, i,
          c.channels[0], c.res2net_scale, c.channels[i]);
  }
  const int joined = std::accumulate(c.channels.begin() + 1, c.channels.end() - 1, 0);
  check(c.channels.back() == joined, Exit::bad_input,
        "{}.enc_channels[{}]: expected {}, the sum of the blocks joined, got {}", where, n - 1, joined,
        c.channels.back());
  return c;
}

}  // namespace tts
