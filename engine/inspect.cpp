#include "engine/inspect.h"

#include "base/json.h"
#include "base/limits.h"
#include "engine/quantize.h"
#include "engine/safetensors.h"
#include "engine/session.h"

#include <algorithm>

namespace tts {

namespace {

struct Group {
  std::string name;
  int64_t tensors = 0, parameters = 0, bytes = 0;
};

constexpr std::string_view kGroups[] = {"talker.code_predictor.", "talker.", "speaker_encoder.", "decoder.",
                                        "encoder."};

std::string_view group_of(std::string_view name) {
  for (const std::string_view group : kGroups) {
    if (name.starts_with(group)) return group.substr(0, group.size() - 1);
  }
  return "other";
}

struct Inventory {
  TensorTable tables[2];  // beside the configuration, and in speech_tokenizer/
  std::vector<Group> groups;
  Group total{"total"};
};

// Scales belong to the weights they scale, and a byte of int4 holds two of those.
int64_t parameters_of(const StoredTensor& stored) {
  if (stored.name.ends_with(kScalesSuffix)) return 0;
  return element_count(stored.tensor.shape) * (stored.tensor.dtype == DType::u8 ? 2 : 1);
}

Inventory take_inventory(const Model& model) {
  Inventory all{{open_tensors(model.files, ""), open_tensors(model.files, "speech_tokenizer")}, {}};
  for (const TensorTable& table : all.tables) {
    for (const StoredTensor& stored : table.tensors) {
      const std::string_view name = group_of(stored.name);
      auto group =
          std::find_if(all.groups.begin(), all.groups.end(), [&](const Group& g) { return g.name == name; });
      if (group == all.groups.end()) group = all.groups.insert(group, Group{std::string(name)});
      for (Group* sum : {&*group, &all.total}) {
        sum->tensors += 1;
        sum->parameters += parameters_of(stored);
        sum->bytes += stored.bytes;
      }
    }
  }
  return all;
}

// The memory of one session on the CPU, as long as the checkpoint lets an item become by itself.
struct MemoryPlan {
  int frames;
  std::vector<Arena::Entry> parts{};  // of one name together, in order
  int64_t bytes;
};

MemoryPlan plan_memory(const ModelConfig& config) {
  const int frames = std::min<int>(config.generation.max_new_tokens, limits::kFrames);
  const Arena arena = session_plan(config, shown_shape(config, frames, DType::f32));
  MemoryPlan plan{.frames = frames, .bytes = arena.bytes()};
  for (const Arena::Entry& entry : arena.entries()) {
    const auto same = [&](const Arena::Entry& part) { return part.name == entry.name; };
    const auto part = std::find_if(plan.parts.begin(), plan.parts.end(), same);
    part == plan.parts.end() ? plan.parts.push_back(entry) : void(part->bytes += entry.bytes);
  }
  return plan;
}

std::string pad(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string right(int64_t number, size_t width) {
  const std::string digits = format("{}", number);
  return std::string(width > digits.size() ? width - digits.size() : 0, ' ') + digits;
}

std::string list(const std::vector<int>& numbers) {
  std::string text;
  for (const int n : numbers) text += (text.empty() ? "" : " ") + format("{}", n);
  return text;
}

void line(std::string& out, std::string_view name, const std::string& value) {
  out += pad(std::string(name), 20) + printable(value) + "\n";
}

std::string stack(const Dims& m) {
  return format("width {}, MLP {}, {} layers, {} heads over {} of {}, theta {}, eps {}", m.H, m.I, m.L, m.nq,
                m.nkv, m.d, m.theta, m.eps);
}

std::string speaker_list(const ModelConfig& c) {
  std::string text;
  for (const Speaker& s : c.talker.speakers) {
    text += (text.empty() ? "" : ", ") + format("{} {}", s.name, s.id) +
            (s.dialect.empty() ? "" : " (" + s.dialect + ")");
  }
  return text.empty() ? "none" : text;
}

std::string language_list(const ModelConfig& c) {
  std::string text;
  for (const Named& l : c.talker.languages)
    text += (text.empty() ? "" : ", ") + format("{} {}", l.name, l.id);
  return text.empty() ? "none" : text;
}

void describe_generation(std::string& out, const GenerationDefaults& g) {
  line(out, "talker sampling",
       format("sample {}, temperature {}, top-k {}, top-p {}, repetition penalty {}, at most {} tokens",
              g.do_sample, g.temperature, g.top_k, g.top_p, g.repetition_penalty, g.max_new_tokens));
  line(out, "predictor sampling",
       format("sample {}, temperature {}, top-k {}, top-p {}", g.sub_do_sample, g.sub_temperature,
              g.sub_top_k, g.sub_top_p));
}

void describe(std::string& out, const Model& model) {
  const ModelConfig& c = model.config;
  const TalkerConfig& t = c.talker;
  line(out, "model", model.files.directory());
  line(out, "type", format("{} {}", str(c.type), c.size));
  if (!model.rules.description.empty()) line(out, "description", model.rules.description);
  line(out, "saved by", c.library_version.empty() ? "not said" : "transformers " + c.library_version);
  line(out, "talker", stack(t.dims));
  line(out, "",
       format("text {} x {}, codec vocabulary {}, {} groups, {} positions", t.text_vocabulary, t.text_width,
              t.dims.V, t.groups, t.max_positions));
  line(out, "predictor",
       stack(c.predictor) + format(", {} codes", c.predictor.V) + (c.adapter ? ", adapter" : ""));
  line(out, "codec decoder", stack(c.codec.transformer) + format(", window {}", c.codec.transformer.window));
  line(out, "",
       format("{} codes of {} x {} groups, latent {}, rates {} x {}, {} samples a frame at {} Hz",
              c.codec.codebook_size, c.codec.codebook_width, c.codec.groups, c.codec.latent,
              list(c.codec.upsampling_ratios), list(c.codec.upsample_rates), c.codec.samples_per_frame,
              c.codec.sample_rate));
  line(out, "codec encoder",
       !model.encoder ? "absent"
                      : stack(c.codec_encoder->transformer) +
                            format(", {} of {} quantizers, rates {}", c.codec_encoder->groups,
                                   c.codec_encoder->quantizers, list(c.codec_encoder->ratios)));
  line(out, "speaker encoder",
       !c.speaker_encoder ? "none"
                          : format("{} mels, channels {}, vector of {}", c.speaker_encoder->mels,
                                   list(c.speaker_encoder->channels), c.speaker_encoder->width));
  line(out, "speakers", speaker_list(c));
  line(out, "languages", language_list(c));
  describe_generation(out, c.generation);
  line(out, "tokenizer", format("{} ids", model.tokenizer.size()));
}

void write_dims(JsonWriter& json, std::string_view name, const Dims& m) {
  json.key(name)
      .begin_object()
      .field("hidden", m.H)
      .field("mlp", m.I)
      .field("layers", m.L)
      .field("heads", m.nq);
  json.field("kv_heads", m.nkv)
      .field("head_width", m.d)
      .field("theta", m.theta)
      .field("eps", static_cast<double>(m.eps));
  if (m.V > 0) json.field("vocabulary", m.V);
  if (m.window > 0) json.field("window", m.window);
  json.end_object();
}

void describe_memory(std::string& out, const Model& model) {
  const MemoryPlan plan = plan_memory(model.config);
  out += format("\nmemory of a session of {} prompt rows and {} frames, f32\n", kShownRows, plan.frames);
  for (const Arena::Entry& part : plan.parts)
    out += "  " + pad(part.name, 22) + right(part.bytes, 14) + " bytes\n";
  out += pad("session", 24) + right(plan.bytes, 14) + " bytes\n";
  out += pad("weights", 24) + right(model.weight_bytes, 14) + " bytes, mapped as they are stored\n";
}

void write_memory(JsonWriter& json, const Model& model) {
  const MemoryPlan plan = plan_memory(model.config);
  json.key("memory_plan").begin_object().field("prompt_rows", kShownRows).field("frames", plan.frames);
  json.field("cache", "f32").key("parts").begin_object();
  for (const Arena::Entry& part : plan.parts) json.field(part.name, part.bytes);
  json.end_object().field("session_bytes", plan.bytes).field("weight_bytes", model.weight_bytes).end_object();
}

void write_config(JsonWriter& json, const Model& model) {
  const ModelConfig& c = model.config;
  json.field("directory", std::string_view(model.files.directory()))
      .field("type", str(c.type))
      .field("size", std::string_view(c.size));
  json.field("library_version", std::string_view(c.library_version));
  write_dims(json, "talker", c.talker.dims);
  write_dims(json, "predictor", c.predictor);
  write_dims(json, "codec_decoder", c.codec.transformer);
  if (model.encoder) write_dims(json, "codec_encoder", c.codec_encoder->transformer);
  json.field("adapter", c.adapter)
      .field("code_groups", c.talker.groups)
      .field("text_vocabulary", c.talker.text_vocabulary);
  json.field("text_width", c.talker.text_width).field("max_positions", c.talker.max_positions);
  json.field("samples_per_frame", c.codec.samples_per_frame).field("sample_rate", c.codec.sample_rate);
  json.key("speaker_vector");
  c.speaker_encoder ? json.value(c.speaker_encoder->width) : json.null();
  json.key("speakers").begin_object();
  for (const Speaker& s : c.talker.speakers) json.field(s.name, s.id);
  json.end_object().key("languages").begin_object();
  for (const Named& l : c.talker.languages) json.field(l.name, l.id);
  json.end_object();
  const GenerationDefaults& g = c.generation;
  json.key("generation")
      .begin_object()
      .field("do_sample", g.do_sample)
      .field("temperature", static_cast<double>(g.temperature));
  json.field("top_k", g.top_k).field("top_p", static_cast<double>(g.top_p));
  json.field("repetition_penalty", static_cast<double>(g.repetition_penalty))
      .field("subtalker_dosample", g.sub_do_sample);
  json.field("subtalker_temperature", static_cast<double>(g.sub_temperature))
      .field("subtalker_top_k", g.sub_top_k);
  json.field("subtalker_top_p", static_cast<double>(g.sub_top_p))
      .field("max_new_tokens", g.max_new_tokens)
      .end_object();
}

}  // namespace

std::string inspect_text(const Model& model) {
  const Inventory all = take_inventory(model);
  std::string out;
  describe(out, model);
  size_t widest = 0;
  for (const TensorTable& table : all.tables) {
    for (const StoredTensor& stored : table.tensors) widest = std::max(widest, stored.name.size());
  }
  for (const TensorTable& table : all.tables) {
    out += "\n" + printable(table.path) + "\n";
    for (const StoredTensor& stored : table.tensors) {
      out += "  " + pad(printable(stored.name), widest + 2) + pad(str(stored.tensor), 20) +
             right(stored.bytes, 12) + " bytes\n";
    }
  }
  out += "\n" + pad("group", 24) + "tensors    parameters         bytes\n";
  std::vector<Group> rows = all.groups;
  rows.push_back(all.total);
  for (const Group& group : rows) {
    out += pad(group.name, 24) + right(group.tensors, 7) + right(group.parameters, 14) +
           right(group.bytes, 14) + "\n";
  }
  describe_memory(out, model);
  for (const std::string& warning : model.warnings) out += "warning: " + printable(warning) + "\n";
  return out;
}

std::string inspect_json(const Model& model) {
  const Inventory all = take_inventory(model);
  JsonWriter json;
  json.begin_object();
  write_config(json, model);
  json.key("tensors").begin_array();
  for (const TensorTable& table : all.tables) {
    for (const StoredTensor& stored : table.tensors) {
      json.begin_object()
          .field("name", std::string_view(stored.name))
          .field("file", std::string_view(table.paths[stored.file]));
      json.field("dtype", str(stored.tensor.dtype)).key("shape").begin_array();
      for (int axis = 0; axis < stored.tensor.shape.rank; ++axis) json.value(stored.tensor.shape[axis]);
      json.end_array().field("bytes", stored.bytes).end_object();
    }
  }
  json.end_array().key("groups").begin_object();
  for (const Group& group : all.groups) {
    json.key(group.name).begin_object().field("tensors", group.tensors).field("parameters", group.parameters);
    json.field("bytes", group.bytes).end_object();
  }
  json.end_object().field("tensor_count", all.total.tensors).field("parameters", all.total.parameters);
  json.field("bytes", all.total.bytes);
  write_memory(json, model);
  json.key("warnings").begin_array();
  for (const std::string& warning : model.warnings) json.value(std::string_view(warning));
  json.end_array().end_object();
  return json.str();
}

}  // namespace tts
