// --version and --print-config: what this program is and how it understood its options.
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "engine/device_plan.h"
#include "engine/session.h"
#include "tools/build_info.h"
#include "tools/commands.h"
#include "tools/gen_options.h"
#include "tools/settings.h"

namespace tts {

std::string processor_sets() {
  std::string out;
#if defined(__x86_64__)
  const auto add = [&](const char* name, bool has) {
    if (has) out += (out.empty() ? "" : " ") + std::string(name);
  };
  add("avx2", __builtin_cpu_supports("avx2") != 0);
  add("fma", __builtin_cpu_supports("fma") != 0);
  add("avx512f", __builtin_cpu_supports("avx512f") != 0);
  add("avx512bw", __builtin_cpu_supports("avx512bw") != 0);
  add("avx512vnni", __builtin_cpu_supports("avx512vnni") != 0);
  add("avx512bf16", __builtin_cpu_supports("avx512bf16") != 0);
#endif
  return out.empty() ? "portable" : out;
}

namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? std::string() : std::string(between)) + word;
  return out;
}

}  // namespace

int print_version(const Arguments& args) {
  if (!args.has("json")) {
    write_stdout(
        format("tts-engine {}\ncommit    {}\ncompiler  {}, {}\ndevices   {}\nCPU sets  {}\nCUDA      "
               "{}\nvoice     {}\n",
               kVersion, kCommit, kCompiler, kBuildType, joined(device_kinds(), ", "), processor_sets(),
               kCudaArchitectures, has_embedded_voice() ? "embedded" : "none"));
    return 0;
  }
  JsonWriter json;
  json.begin_object().field("version", kVersion).field("commit", kCommit).field("compiler", kCompiler);
  json.field("build", kBuildType).key("devices").begin_array();
  for (const std::string& kind : device_kinds()) json.value(std::string_view(kind));
  json.end_array()
      .field("simd", std::string_view(processor_sets()))
      .field("cuda_architectures", kCudaArchitectures);
  json.field("embedded_voice", has_embedded_voice()).end_object();
  const std::string line = json.str() + "\n";
  write_report(args, line);
  return 0;
}

// ---- --print-config ---------------------------------------------------------------------------------------

namespace {

std::string options_text(const Arguments& args) {
  std::string out = "[options]\n";
  for (const OptionRow& row : kGenProgram.options) {
    if (std::string_view(row.group) == "About" || !args.has(row.name)) continue;
    out += format("{} = {}\n", row.name, row.kind == ArgKind::flag ? "on" : printable(args.text(row.name)));
  }
  return out;
}

std::string sampling_text(const Sampling& s) {
  return format(
      "[sampling]\ngreedy = {}\ntemperature = {}\ntop-k = {}\ntop-p = {}\nrepetition-penalty = "
      "{}\nsub-greedy = {}\n"
      "sub-temperature = {}\nsub-top-k = {}\nsub-top-p = {}\nmax-new-tokens = {}\n",
      s.greedy, s.temperature, s.top_k, s.top_p, s.repetition_penalty, s.sub_greedy, s.sub_temperature,
      s.sub_top_k, s.sub_top_p, s.max_new_tokens);
}

// The memory of a session that is long enough for the text limits of this run.
std::string memory_text(const Model& model, const Sampling& sampling, const std::string& dtype) {
  const ModelConfig& c = model.config;
  const int frames = std::min<int>(sampling.max_new_tokens, limits::kFrames);
  const Arena plan = session_plan(c, shown_shape(c, frames, dtype == "bf16" ? DType::bf16 : DType::f32));
  std::string out = format("[memory: session of {} prompt rows and {} frames]\n", kShownRows, frames);
  for (const Arena::Entry& entry : plan.entries()) out += format("{} = {} bytes\n", entry.name, entry.bytes);
  return out + format("total = {} bytes\nweights = {} bytes\n", plan.bytes(), model.weight_bytes);
}

// What a GPU is asked for before a weight is read; its own scratch is known where there is one.
std::string device_memory_text(const Model& model, const DeviceFacts& device, const RunNeeds& needs) {
  const DType cache = device.dtype == "bf16" ? DType::bf16 : DType::f32;
  const MemoryShape shape = planned_shape(model.config, needs, cache);
  std::vector<Arena::Entry> plan = device.plan;
  const std::vector<Arena::Entry> run = device_plan(model, parse_quant(device.quant), shape, needs.clips);
  plan.insert(plan.end(), run.begin(), run.end());
  std::string out = format("[memory of a GPU: plan with one utterance of {} positions]\n", shape.positions);
  for (const Arena::Entry& entry : plan) out += format("{} = {} bytes\n", entry.name, entry.bytes);
  return out + format("total = {} bytes\n", plan_bytes(plan));
}

}  // namespace

int print_config(const Arguments& args) {
  std::string out = options_text(args);
  const DeviceChoice choice = device_choice(args);
  const DeviceFacts device = resolve_device(choice);
  out += format("[device]\nkind = {}\nname = {}\ndtype = {}\nquant = {}\ncodec_dtype = {}\nthreads = {}\n",
                device.kind, device.name, device.dtype, device.quant, device.codec_dtype, device.threads);
  if (!device.why.empty()) out += format("why = {}\n", device.why);
  out += "[switches]\n";
  for (size_t i = 0; i < static_cast<size_t>(Ablate::kCount); ++i) {
    const auto name = static_cast<Ablate>(i);
    out += format("{} = {}  # {}\n", name_of(name), choice.options.switches.on(name) ? "on" : "off",
                  what_it_does(name));
  }
  out += "[limits]\n";
  for (const Limit* limit : limits::kAll)
    out += format("{} = {} {}\n", limit->name, limit->value, limit->unit);
  const auto model = load_model(model_choice(args), load_options(args));
  const Sampling sampling = sampling_of(args, model->config);
  out += format("[model]\ndirectory = {}\ntype = {}\nsize = {}\nspeaker = {}\n",
                printable(model->files.directory()), model->config.type, model->config.size,
                choose_speaker_name(args.has("speaker") ? std::optional(args.text("speaker")) : std::nullopt,
                                    model->config));
  write_stdout(out + sampling_text(sampling) + memory_text(*model, sampling, device.dtype) +
               device_memory_text(*model, device, needs_of(args, *model)));
  return 0;
}

}  // namespace tts
