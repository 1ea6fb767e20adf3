// Speech codec and speaker encoder against the recorded stages of the official implementation, and the
// equalities that streaming promises.
#include "codec/codec.h"
#include "base/json.h"
#include "catch.h"
#include "devices_here.h"
#include "engine/model.h"
#include "recorded.h"

#include <algorithm>
#include <limits>

using namespace tts;

namespace {

// A float64 recomputation of all stages differs from the official float32 run by at most 9e-7.
constexpr double kStageError{1e-5};
constexpr double kWaveSnr{100};  // dB

const char* const kModels[]{"tiny-base", "tiny-base-1b7", "tiny-custom-voice", "tiny-custom-voice-1b7",
                            "tiny-voice-design"};
const char* const kSpeakerModels[]{"tiny-base", "tiny-base-1b7"};

std::unique_ptr<Model> open_model(const std::string& name) {
  return load_model(kGoldens + "/models/" + name);
}

template <class T>
std::span<const T> part(const std::vector<T>& all, size_t begin, size_t count) {
  return std::span(all).subspan(begin, count);
}

// The generator of spec/codec-decoder.md section 9.
std::vector<int32_t> some_codes(const CodecDecoderConfig& c, size_t frames) {
  std::vector<int32_t> codes(frames * static_cast<size_t>(c.groups));
  uint32_t state = 0x6D2B79F5;
  for (int32_t& code : codes) {
    state = state * 1664525 + 1013904223;
    code = static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(c.codebook_size));
  }
  return codes;
}

void compare_stages(const std::vector<CodecStage>& stages, const Recorded& recorded,
                    const std::string& prefix) {
  for (const CodecStage& stage : stages) {
    CAPTURE(prefix, stage.name);
    REQUIRE(recorded.has(prefix + stage.name));
    const bool rows_first = stage.name.starts_with("transformer") || stage.name == "logmel";
    const auto want =
        rows_first ? recorded.floats(prefix + stage.name) : recorded.time_first(prefix + stage.name);
    CHECK(relative_error(stage.values, want) <= kStageError);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("decoder: every stage equals the official one", "[codec]", Reference, Cpu) {
  const std::string name = GENERATE(from_range(std::begin(kModels), std::end(kModels)));
  CAPTURE(name);
  const auto model = open_model(name);
  const Recorded recorded(kGoldens + "/codec/" + name + "/decoder.safetensors");
  TestType device{DeviceOptions{}};
  Decoder<TestType> decoder(device, model->config.codec, model->decoder, 64);
  int compared = 0;
  const Json json = Json::load(kGoldens + "/codec/" + name + "/decoder.json");
  for (const Json& run : json.at("runs").items()) {
    const std::string prefix = run.at("prefix").text();
    const std::vector<int32_t> codes = recorded.integers(prefix + "codes");
    decoder.reset();
    if (recorded.has(prefix + "final")) {
      std::vector<float> samples;
      const std::vector<CodecStage> stages = decoder.decode_stages(codes, samples);
      // five before the latent stages without the layers, two each of these, the first convolution, the
      // blocks, the end
      const CodecDecoderConfig& c = model->config.codec;
      CHECK(stages.size() == 3 + static_cast<size_t>(c.transformer.L) + 2 * c.upsampling_ratios.size() + 1 +
                                 c.upsample_rates.size() + 1);
      compare_stages(stages, recorded, prefix);
      decoder.reset();
      ++compared;
    }
    if (!recorded.has(prefix + "wave")) continue;
    CAPTURE(prefix);
    CHECK(snr_db(decoder.decode(codes), recorded.floats(prefix + "wave")) >= kWaveSnr);
    ++compared;
  }
  CHECK(compared >= 3);
}

TEMPLATE_TEST_CASE("decoder: long runs, plain and in the official chunks", "[codec]", Reference, Cpu) {
  const std::string name = GENERATE("tiny-base", "tiny-custom-voice", "tiny-custom-voice-1b7");
  CAPTURE(name);
  const auto model = open_model(name);
  const Recorded recorded(kGoldens + "/codec/" + name + "/decoder.safetensors");
  TestType device{DeviceOptions{}};
  Decoder<TestType> decoder(device, model->config.codec, model->decoder, 64);
  const std::vector<int32_t> codes = recorded.integers("T320.codes");
  const std::vector<float> plain = decoder.decode(codes), chunked = decode_official_chunks(decoder, codes);
  const auto tail = [](const std::vector<float>& samples, const std::vector<float>& like) {
    return part(samples, samples.size() - like.size(), like.size());
  };
  const auto want_plain = recorded.floats("T320.wave_plain_tail"),
             want_chunked = recorded.floats("T320.wave_chunked_tail");
  REQUIRE(plain.size() == 320 * static_cast<size_t>(model->config.codec.samples_per_frame));
  REQUIRE(chunked.size() == plain.size());
  CHECK(snr_db(tail(plain, want_plain), want_plain) >= kWaveSnr);
  CHECK(snr_db(tail(chunked, want_chunked), want_chunked) >= kWaveSnr);
  // The official chunks are another result once the context of 25 frames is shorter than what the layers look
  // back at.
  const Dims& m = model->config.codec.transformer;
  if (m.window == 72) CHECK(snr_db(tail(chunked, want_plain), want_plain) < 60);
  const size_t first_chunk = 300 * static_cast<size_t>(model->config.codec.samples_per_frame);
  CHECK(std::equal(plain.begin(), plain.begin() + static_cast<ptrdiff_t>(first_chunk), chunked.begin()));
}

TEMPLATE_TEST_CASE("decoder: the samples do not depend on how the frames are cut", "[codec]", Reference,
                   Cpu) {
  const std::string name = GENERATE(from_range(std::begin(kModels), std::end(kModels)));
  CAPTURE(name);
  const auto model = open_model(name);
  TestType device{DeviceOptions{}};
  const CodecDecoderConfig& c = model->config.codec;
  const size_t groups = static_cast<size_t>(c.groups),
               frames = static_cast<size_t>(c.transformer.window) + 26;
  const std::vector<int32_t> codes = some_codes(c, frames);
  const auto packed = pack_decoder(device, c, model->decoder);
  const std::vector<float> whole = Decoder<TestType>(device, packed, static_cast<int>(frames)).decode(codes);
  REQUIRE(whole.size() == frames * static_cast<size_t>(c.samples_per_frame));
  for (const size_t chunk : {1, 2, 4, 7, 25}) {
    CAPTURE(chunk);
    Decoder<TestType> decoder(device, packed, 7);
    const int64_t memory = device.memory_bytes();
    std::vector<float> streamed;
    for (size_t begin = 0; begin < frames; begin += chunk) {
      const auto samples =
          decoder.decode(part(codes, begin * groups, std::min(chunk, frames - begin) * groups));
      streamed.insert(streamed.end(), samples.begin(), samples.end());
    }
    CHECK((streamed == whole));  // not taken apart: a failure would print 200 000 numbers
    CHECK(device.memory_bytes() == memory);
  }
}

// Rounding differs, nothing else: 24 filters in a chain lose 111 dB each at the widest of the published
// codec.
TEST_CASE("decoder: minimal filtering off makes the same sound to 100 dB", "[codec]") {
  const std::string name = GENERATE(from_range(std::begin(kModels), std::end(kModels)));
  const auto model = open_model(name);
  const CodecDecoderConfig& c = model->config.codec;
  const std::vector<int32_t> codes = some_codes(c, 9);
  const auto decode = [&](const Switches& switches) {
    DeviceOptions options;
    options.switches = switches;
    Cpu device{options};
    return Decoder<Cpu>(device, c, model->decoder, 9).decode(codes);
  };
  const std::vector<float> on = decode({}), off = decode(parse_ablations("minimal_filters"));
  const double snr = snr_db(on, off);
  INFO(name << ": " << snr << " dB");
  CHECK(snr >= 100);
  CHECK((on != off));  // the switch does something
}

TEMPLATE_TEST_CASE("decoder: a primed state goes on as if the frames had been decoded", "[codec]", Reference,
                   Cpu) {
  const std::string name = GENERATE(from_range(std::begin(kModels), std::end(kModels)));
  CAPTURE(name);
  const auto model = open_model(name);
  TestType device{DeviceOptions{}};
  const CodecDecoderConfig& c = model->config.codec;
  const size_t groups = static_cast<size_t>(c.groups), after = 4,
               frame = static_cast<size_t>(c.samples_per_frame);
  const std::vector<int32_t> codes = some_codes(c, 64);
  Decoder<TestType> decoder(device, c, model->decoder, 6);
  auto* on_device =
      static_cast<int32_t*>(device.allocate(64 * static_cast<int64_t>(groups * sizeof(int32_t))));
  auto* last = static_cast<float*>(device.allocate(static_cast<int64_t>(frame * sizeof(float))));
  for (const size_t primed : {0, 1, 9, 10, 11, 12, 37}) {
    CAPTURE(primed);
    decoder.reset();
    const std::vector<float> whole = decoder.decode(part(codes, 0, (primed + after) * groups));
    decoder.reset();
    device.upload(on_device, codes.data(), static_cast<int64_t>(primed * groups * sizeof(int32_t)));
    decoder.prime(last, on_device, static_cast<int>(primed));
    const std::vector<float> rest = decoder.decode(part(codes, primed * groups, after * groups));
    CHECK(std::equal(rest.begin(), rest.end(), whole.begin() + static_cast<ptrdiff_t>(primed * frame),
                     whole.end()));
    if (primed == 0) continue;
    std::vector<float> last_frame(frame);
    device.download(last_frame.data(), last, static_cast<int64_t>(frame * sizeof(float)));
    CHECK(std::equal(last_frame.begin(), last_frame.end(),
                     whole.begin() + static_cast<ptrdiff_t>((primed - 1) * frame)));
  }
}

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
// Two roundings of 2^-11 per product, independent of each other: some 60 dB below the sum of a layer, and the
// layers add up. What a model gets is printed with -s and stands in docs/kernels.md.
TEST_CASE("decoder: in TF32 close to f32, and the same samples however the frames are cut", "[codec]") {
  if (!test::is_here<Cuda>()) return;
  const std::string name = GENERATE("tiny-custom-voice", "tiny-base-1b7");
  const std::unique_ptr<Model> model = open_model(name);
  const CodecDecoderConfig& c = model->config.codec;
  const std::vector<int32_t> codes = some_codes(c, 5);
  const auto decode = [&](bool tf32, int at_once) {
    DeviceOptions options;
    options.codec_tf32 = tf32;
    Cuda device{options};
    return Decoder<Cuda>(device, c, model->decoder, at_once).decode(codes);
  };
  const std::vector<float> exact = decode(false, 5), rounded = decode(true, 5);
  const double snr = snr_db(rounded, exact);
  INFO(name << ": " << snr << " dB");
  CHECK(snr >= 40);
  CHECK(snr <= 90);  // it is not f32 by another name
  CHECK(decode(true, 2) == rounded);
}
#endif

TEST_CASE("decoder: codes that are none are refused by place", "[codec]") {
  const auto model = open_model("tiny-base");
  Reference device{DeviceOptions{}};
  Decoder<Reference> decoder(device, model->config.codec, model->decoder, 2);
  std::vector<int32_t> codes(48, 3);
  codes[17] = 64;
  CHECK_THROWS_WITH(decoder.decode(codes), "codes: frame 1, group 1: expected 0 ... 63, got 64");
  codes[17] = -1;
  CHECK_THROWS_WITH(decoder.decode(codes), "codes: frame 1, group 1: expected 0 ... 63, got -1");
  CHECK_THROWS_WITH(decoder.decode(part(codes, 0, 15)), "codes: expected rows of 16 groups, got 15 codes");
  CHECK(decoder.decode(part(codes, 0, 0)).empty());
  CHECK(Decoder<Reference>::max_frames(model->config.codec) == 8192 + 813);  // 65 s are 812.5 frames
  codes.assign(static_cast<size_t>(16 * (8192 + 814)), 0);
  CHECK_THROWS_WITH(decoder.decode(codes), "codes: expected at most 9005 frames, got 9006");
}

TEMPLATE_TEST_CASE("encoder: every stage equals the official one, codes are identical", "[codec]", Reference,
                   Cpu) {
  const std::string name =
      GENERATE("tiny-base", "tiny-base-1b7", "tiny-custom-voice", "tiny-custom-voice-1b7");
  CAPTURE(name);
  const auto model = open_model(name);
  REQUIRE(model->encoder);
  const Recorded recorded(kGoldens + "/codec/" + name + "/encoder.safetensors"),
      audio(kGoldens + "/audio.safetensors");
  TestType device{DeviceOptions{}};
  Encoder<TestType> encoder(device, *model->config.codec_encoder, *model->encoder);
  const Json json = Json::load(kGoldens + "/codec/" + name + "/encoder.json");
  for (const Json& run : json.at("runs").items()) {
    const std::string clip = run.at("audio").text();
    CAPTURE(clip);
    std::vector<int32_t> codes;
    compare_stages(encoder.encode_stages(audio.floats(clip), codes), recorded, clip + ".");
    const std::vector<float> margins = recorded.floats(clip + ".code_margin");
    CHECK(*std::min_element(margins.begin(), margins.end()) >= 1e-4f);  // or equality could not be asked for
    CHECK(codes == recorded.integers(clip + ".codes"));
  }
  const std::vector<float> silence(static_cast<size_t>(longest_clip_samples(24000)) + 1);
  CHECK_THROWS_WITH(encoder.encode(part(silence, 0, 0)),
                    "codec encoder: expected 1 ... 1560000 samples, got 0");
  CHECK_THROWS_WITH(encoder.encode(silence), "codec encoder: expected 1 ... 1560000 samples, got 1560001");
}

TEMPLATE_TEST_CASE("speaker encoder: mels, stages and vector equal the official ones", "[codec]", Reference,
                   Cpu) {
  const std::string name = GENERATE(from_range(std::begin(kSpeakerModels), std::end(kSpeakerModels)));
  CAPTURE(name);
  const auto model = open_model(name);
  REQUIRE(model->speaker_encoder);
  const Recorded recorded(kGoldens + "/speaker/" + name + "/speaker.safetensors"),
      audio(kGoldens + "/audio.safetensors");
  TestType device{DeviceOptions{}};
  SpeakerEncoder<TestType> encoder(device, *model->config.speaker_encoder, *model->speaker_encoder);
  const Json json = Json::load(kGoldens + "/speaker/" + name + "/speaker.json");
  for (const Json& run : json.at("runs").items()) {
    const std::string clip = run.at("audio").text();
    CAPTURE(clip);
    std::vector<float> vector;
    std::vector<CodecStage> stages = encoder.encode_stages(audio.floats(clip), vector);
    CHECK(stages.size() == 7);
    if (!recorded.has(clip + ".block0")) stages.resize(1);  // of the long clip only the ends are recorded
    compare_stages(stages, recorded, clip + ".");
    CHECK(relative_error(vector, recorded.floats(clip + ".embedding")) <= kStageError);
  }
  const std::vector<float> clip = audio.floats("s1280");
  CHECK_THROWS_WITH(encoder.encode(part(clip, 0, 1279)),
                    "speaker encoder: expected 1280 ... 1560000 samples, got 1279");
}

TEMPLATE_TEST_CASE("encoders: a number that is not finite is an error, never a code", "[codec]", Reference,
                   Cpu) {
  const float poison =
      GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  const auto model = open_model("tiny-base");
  const std::vector<float> clip = Recorded(kGoldens + "/audio.safetensors").floats("ref4");
  TestType device{DeviceOptions{}};
  std::vector<float> bias(static_cast<size_t>(model->encoder->wave_out.bias.shape[0]), poison);
  model->encoder->wave_out.bias.data = bias.data();
  Encoder<TestType> encoder(device, *model->config.codec_encoder, *model->encoder);
  CHECK_THROWS_WITH(encoder.encode(clip), "codec encoder: a latent row is not finite");
  std::vector<float> other(static_cast<size_t>(model->speaker_encoder->mfa.bias.shape[0]), poison);
  model->speaker_encoder->mfa.bias.data = other.data();
  SpeakerEncoder<TestType> speaker(device, *model->config.speaker_encoder, *model->speaker_encoder);
  CHECK_THROWS_WITH(speaker.encode(clip), "speaker encoder: the vector is not finite");
}
