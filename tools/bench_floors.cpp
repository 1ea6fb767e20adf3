// Where the time of a frame goes, and how far each stage is from what the machine can do: the language model
// reads its weights and the keys and values written so far, the codec computes.
#include "engine/quantize.h"
#include "tools/bench_ops.h"
#include "tools/bench_speech.h"
#include "tools/report.h"

#include <cstdio>

namespace tts {

namespace {

// Visits an each() list and adds up what a pass over it reads, by part of the model.
struct Reads {
  Quant quant;
  double talker = 0, predictor_layers = 0, predictor_heads = 0;

  void operator()(Tensor& tensor, std::string_view name, const Shape& shape) {
    const DType rounded = quantised_format(name, shape, quant);
    const DType dtype = quant == Quant::none || rounded == DType::f32 ? tensor.dtype : rounded;
    const double scales = dtype == DType::int8_rows ? 4.0 * static_cast<double>(shape[0])
                          : dtype == DType::int4_blocks ? static_cast<double>(element_count(shape)) / 8
                                                        : 0;
    const double bytes = static_cast<double>(byte_size(dtype, shape)) + scales;
    const bool table = name.find("_embedding.") != name.npos || name.find("text_projection") != name.npos;
    if (table) return;  // a row at a time, or not in every frame
    if (!name.starts_with("talker.code_predictor.")) talker += bytes;
    else if (name.find(".lm_head.") != name.npos) predictor_heads += bytes;
    else predictor_layers += bytes;
  }
};

// Multiplications and additions of one frame. A transposed convolution meets every input with all its
// weights.
double codec_flops(const CodecDecoderWeights& w, const CodecDecoderConfig& c) {
  double sum = 0, rate = 1;
  const auto add = [&](const Tensor& t) { sum += 2 * rate * static_cast<double>(element_count(t.shape)); };
  for (const Tensor* t : {&w.first.output_proj, &w.rest.output_proj, &w.pre_conv.weight, &w.input_proj.weight,
                          &w.output_proj.weight}) {
    add(*t);
  }
  for (const DecoderLayer& l : w.layers) {
    for (const Tensor* t : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) add(*t);
  }
  for (size_t u = 0; u < w.latent.size(); ++u) {
    add(w.latent[u].up.weight);
    rate *= c.upsampling_ratios[u];
    for (const ConvWeights* conv : {&w.latent[u].depthwise, &w.latent[u].pointwise1, &w.latent[u].pointwise2})
      add(conv->weight);
  }
  add(w.wave_in.weight);
  for (size_t b = 0; b < w.blocks.size(); ++b) {
    add(w.blocks[b].up.weight);
    rate *= c.upsample_rates[b];
    for (const ResidualUnit& unit : w.blocks[b].units) add(unit.conv1.weight), add(unit.conv2.weight);
  }
  add(w.wave_out.weight);
  return sum;
}

struct StageCost {
  const char* name;
  double measured_ms, bytes, flops;
  // of the measured time, what a thread was computing: less when other programs had its core
  double busy_ms = 0;
  double floor_ms(const MachineRates& m) const {
    const double reading = m.gb_s > 0 ? bytes / m.gb_s / 1e6 : 0,
                 computing = m.gflop_s > 0 ? flops / m.gflop_s / 1e6 : 0;
    return std::max(reading, computing);
  }
};

std::vector<StageCost> costs_of(const SpeechBench& bench, const OpenBench& open, const Spoken& spoken) {
  const Model& model = open.engine.model();
  Model& lists = const_cast<Model&>(model);  // each() lists take tensors by reference; nothing is written
  Reads reads{parse_quant(bench.device.quant)};
  lists.talker.each(model.config.talker, reads);
  lists.predictor.each(model.config, reads);
  const Dims& t = model.config.talker.dims;
  const double positions = spoken.prompt_rows + spoken.frames / 2.0;
  const double cache = 2.0 * t.L * t.nkv * t.d * positions * (open.engine.device().dtype == "bf16" ? 2 : 4);
  const double frames = std::max(1, spoken.frames), flops = codec_flops(model.decoder, model.config.codec);
  return {{"talker", spoken.times.talker / frames, reads.talker + cache, 0, 0},
          {"predictor", spoken.times.predictor / frames,
           spoken.predictor_passes * reads.predictor_layers + reads.predictor_heads, 0, 0},
          {"codec", spoken.times.codec / frames, 0, flops, 0}};
}

}  // namespace

void bench_floors(const SpeechBench& bench) {
  const MachineRates machine = measure_machine(bench.device.kind, bench.device.options);
  OpenBench open = open_bench(bench);
  const auto requests = requests_of(bench, open.engine.model(), bench_text(bench, bench.labels.front()));
  const Spoken warm = speak_all(open.engine, requests, {});
  const double cpu_begin = processor_ms();
  const Spoken spoken = speak_all(open.engine, requests, {});
  const double busy =
      std::min(1.0, (processor_ms() - cpu_begin) / (spoken.times.total * open.engine.device().threads));
  check_same(warm, spoken, "floors");
  const bool table = bench.output == SpeechBench::Output::table;
  if (table) {
    std::printf("%s GB/s, %s GFLOP/s with the same threads\n", fixed(machine.gb_s, 1).c_str(),
                fixed(machine.gflop_s, 0).c_str());
    std::printf("%-10s %10s %10s %10s %10s %10s %10s\n", "Stage",
                "ms/frame", "busy", "MB", "GFLOP", "Floor ms", "Distance");
  }
  for (StageCost stage : costs_of(bench, open, spoken)) {
    stage.busy_ms = stage.measured_ms * busy;
    const double floor = stage.floor_ms(machine), distance = floor > 0 ? stage.busy_ms / floor : 0;
    if (table) {
      std::printf("%-10s %10.2f %10.2f %10.1f %10.2f %10.2f %10.2f\n", stage.name, stage.measured_ms,
                  stage.busy_ms, stage.bytes / 1e6, stage.flops / 1e9, floor, distance);
      continue;
    }
    JsonWriter w;
    record_head(w.begin_object(), bench, open, "floors");
    w.field("stage", stage.name)
        .field("machine_gb_s", machine.gb_s)
        .field("machine_gflop_s", machine.gflop_s);
    w.field("predictor_passes", spoken.predictor_passes).field("frame_ms", stage.measured_ms);
    w.field("busy_ms", stage.busy_ms).field("mbytes", stage.bytes / 1e6);
    w.field("gflop", stage.flops / 1e9).field("floor_ms", floor).field("distance", distance).end_object();
    print_line(w);
  }
}

}  // namespace tts
