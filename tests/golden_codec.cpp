// codec/<model>/: codes -> every decoder stage -> waveform, as one pass and in the official chunks; audio ->
// encoder stages -> codes.  speaker/<model>/: audio -> log-mel -> network -> vector.
#include "codec/codec.h"
#include "engine/model.h"
#include "golden.h"
#include "golden_device.h"

#include <algorithm>
#include <cmath>

namespace tts::golden {

namespace {

constexpr double kRelativeError{
    1e-5};  // float64 against the official float32 run: 9e-7 at most, stages and waveforms
constexpr double kMarginError{1e-4};  // absolute, as the recorded margins are meant
constexpr int kStageFrames{128};      // stages are recorded for short runs

// Stages are rows in time here; recorded ones are [C,T], but for those of the transformer.
std::vector<float> in_recorded_order(const CodecStage& stage, bool time_first) {
  if (time_first) return stage.values;
  std::vector<float> out(stage.values.size());
  for (int64_t t = 0; t < stage.rows; ++t) {
    for (int64_t c = 0; c < stage.channels; ++c)
      out[static_cast<size_t>(c * stage.rows + t)] =
          stage.values[static_cast<size_t>(t * stage.channels + c)];
  }
  return out;
}

void compare_stages(const Run& run, File& file, const std::string& part, const std::string& prefix,
                    const std::vector<CodecStage>& stages) {
  for (const CodecStage& stage : stages) {
    const std::string kind = part + "." + stage.name;
    if (!file.has(prefix + stage.name) || !run.tally.wants(kind)) continue;
    const bool time_first = stage.name.starts_with("transformer") || stage.name == "logmel";
    run.tally.close(kind, file.take(prefix + stage.name), in_recorded_order(stage, time_first),
                    kRelativeError);
  }
}

template <class D>
void compare_run(const Run& run, Decoder<D>& decoder, File& file, const std::string& prefix,
                 const Json& facts) {
  const std::vector<int32_t> codes = as_ints(file.take(prefix + "codes"));  // input of everything below
  const double bound_db = wave_snr_db(D::kind());
  const auto compare_wave = [&](const char* name, std::vector<float> got) {
    if (!file.has(prefix + name) || !run.tally.wants("codec.wave")) return;
    const Stored& want = file.take(prefix + name);
    if (facts.has("tail_start"))
      got.erase(got.begin(), got.begin() + facts.at("tail_start").integer(0, 1 << 30));
    run.tally.snr("codec.wave", want, got, bound_db);
  };
  decoder.reset();
  const std::vector<float> plain = decoder.decode(codes);
  compare_wave("wave", plain);
  compare_wave("wave_plain_tail", plain);
  compare_wave("wave_chunked_tail", decode_official_chunks(decoder, codes));
  if (run.tally.wants("scalars")) {
    run.tally.scalar("scalars", prefix + "samples",
                     static_cast<double>(facts.at("samples").integer(0, 1 << 30)),
                     static_cast<double>(plain.size()), 0);
  }
  if (!file.has(prefix + "final")) return;
  std::vector<float> samples;
  decoder.reset();
  compare_stages(run, file, "codec", prefix, decoder.decode_stages(codes, samples));
}

// ---- encoder ----------------------------------------------------------------------------------------------

std::vector<double> table_of(const Tensor& sum, const Tensor& usage) {
  std::vector<double> table(static_cast<size_t>(sum.rows() * sum.columns()));
  std::vector<float> row(static_cast<size_t>(sum.columns()));
  for (int64_t v = 0; v < sum.rows(); ++v) {
    widen_row(row.data(), sum, v);
    const double count = std::max(static_cast<double>(usage.f32()[v]), 1e-5);
    for (int64_t i = 0; i < sum.columns(); ++i)
      table[static_cast<size_t>(v * sum.columns() + i)] = row[static_cast<size_t>(i)] / count;
  }
  return table;
}

std::vector<double> project(const Tensor& matrix, std::span<const float> x) {
  Tensor flat = matrix;
  flat.shape = {matrix.shape[0], matrix.shape[1]};
  std::vector<double> out;
  std::vector<float> row(x.size());
  for (int64_t m = 0; m < flat.rows(); ++m) {
    widen_row(row.data(), flat, m);
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(row[i]) * x[i];
    out.push_back(sum);
  }
  return out;
}

// (second smallest - smallest) / second smallest distance of r to the table; r loses the nearest row.
float quantise(std::vector<double>& r, const std::vector<double>& table) {
  const size_t width = r.size();
  double best = INFINITY, second = INFINITY;
  size_t at = 0;
  for (size_t v = 0; v * width < table.size(); ++v) {
    double distance = 0;
    for (size_t i = 0; i < width; ++i)
      distance += (r[i] - table[v * width + i]) * (r[i] - table[v * width + i]);
    distance = std::sqrt(distance);
    if (distance < best)
      second = best, best = distance, at = v;
    else if (distance < second)
      second = distance;
  }
  for (size_t i = 0; i < width; ++i) r[i] -= table[at * width + i];
  return static_cast<float>((second - best) / second);
}

// Margins of all codes from the vectors before quantisation, in float64 (spec/codec-encoder.md section 4.5).
std::vector<float> margins_of(const CodecStage& latent, const CodecEncoderWeights& w, int groups) {
  std::vector<std::vector<double>> tables;
  for (int g = 0; g < groups; ++g) {
    const Codebook& book =
        g == 0 ? w.semantic.codebooks[0] : w.acoustic.codebooks[static_cast<size_t>(g - 1)];
    tables.push_back(table_of(book.sum, book.usage));
  }
  std::vector<float> margins;
  for (int64_t t = 0; t < latent.rows; ++t) {
    const std::span<const float> x(latent.values.data() + t * latent.channels,
                                   static_cast<size_t>(latent.channels));
    std::vector<double> semantic = project(w.semantic.input_proj, x), r = project(w.acoustic.input_proj, x);
    margins.push_back(quantise(semantic, tables[0]));
    for (int g = 1; g < groups; ++g) margins.push_back(quantise(r, tables[static_cast<size_t>(g)]));
  }
  return margins;
}

template <class D>
void compare_clip(const Run& run, Encoder<D>& encoder, const Model& model, File& file,
                  const std::string& clip, std::span<const float> audio) {
  const std::string prefix = clip + ".";
  std::vector<int32_t> codes;
  const std::vector<CodecStage> stages = encoder.encode_stages(audio, codes);
  compare_stages(run, file, "encoder", prefix, stages);
  if (run.tally.wants("encoder.codes")) run.tally.equal("encoder.codes", file.take(prefix + "codes"), codes);
  if (!file.has(prefix + "code_margin") || !run.tally.wants("encoder.code_margin")) return;
  const Stored& want = file.take(prefix + "code_margin");
  const std::vector<float> got =
      margins_of(stages.back(), *model.encoder, model.config.codec_encoder->groups);
  for (size_t i = 0; i < want.real.size(); ++i) {
    const double difference =
        std::abs(want.real[i] - static_cast<double>(i < got.size() ? got[i] : INFINITY));
    if (!(difference <= kMarginError))
      run.tally.fail("encoder.code_margin", format("{} at {}", prefix, i),
                     format("expected {}", want.real[i]));
  }
  run.tally.scalar("encoder.code_margin", prefix + "count", static_cast<double>(want.real.size()),
                   static_cast<double>(got.size()), 0);
}

}  // namespace

void check_speaker(const Run& run) {
  with_golden_device(run.device, [&](auto& device) {
    using D = std::remove_reference_t<decltype(device)>;
    for (const std::string& name : folders(run.directory + "/speaker")) {
      if (run.skips(name)) continue;
      const auto model = load_model(run.directory + "/models/" + name);
      SpeakerEncoder<D> encoder(device, *model->config.speaker_encoder, *model->speaker_encoder);
      const std::string path = run.directory + "/speaker/" + name + "/speaker";
      const Json json = Json::load(path + ".json");
      File file(path + ".safetensors"), audio(run.directory + "/audio.safetensors");
      for (const Json& facts : json.at("runs").items()) {
        const std::string clip = facts.at("audio").text();
        std::vector<float> vector;
        compare_stages(run, file, "speaker", clip + ".",
                       encoder.encode_stages(as_floats(audio.peek(clip)), vector));
        if (run.tally.wants("speaker.embedding"))
          run.tally.close("speaker.embedding", file.take(clip + ".embedding"), vector, kRelativeError);
      }
      file.require_all_taken(run.tally);
    }
  });
}

void check_codec(const Run& run) {
  const Json index = Json::load(run.directory + "/index.json");
  with_golden_device(run.device, [&](auto& device) {
    using D = std::remove_reference_t<decltype(device)>;
    for (const std::string& name : folders(run.directory + "/codec")) {
      if (run.skips(name)) continue;
      const auto model = load_model(run.directory + "/models/" + name);
      Decoder<D> decoder(device, model->config.codec, model->decoder, kStageFrames);
      const std::string path = run.directory + "/codec/" + name + "/decoder";
      const Json json = Json::load(path + ".json");
      File file(path + ".safetensors");
      for (const Json& facts : json.at("runs").items())
        compare_run(run, decoder, file, facts.at("prefix").text(), facts);
      file.require_all_taken(run.tally);
      if (!index.at("models").at(name).has("encoder")) continue;  // what was recorded, the index says
      check(model->encoder.has_value(), Exit::bad_input,
            "{}: recordings of an encoder that the checkpoint lacks", name);
      Encoder<D> encoder(device, *model->config.codec_encoder, *model->encoder);
      const std::string recorded = run.directory + "/codec/" + name + "/encoder";
      const Json clips = Json::load(recorded + ".json");
      File encoded(recorded + ".safetensors"), audio(run.directory + "/audio.safetensors");
      for (const Json& facts : clips.at("runs").items()) {
        const std::string clip = facts.at("audio").text();
        compare_clip(run, encoder, *model, encoded, clip, as_floats(audio.peek(clip)));
      }
      encoded.require_all_taken(run.tally);
    }
  });
}

}  // namespace tts::golden
