#include "engine/synthesis.h"

#include "engine/clone.h"
#include "engine/device_plan.h"
#include "engine/session.h"

#include <thread>
#include <variant>

namespace tts {

std::string_view str(FinishReason reason) {
  switch (reason) {
    case FinishReason::eos: return "eos";
    case FinishReason::length: return "length";
    case FinishReason::guard: return "guard";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::timeout: return "timeout";
  }
  throw Error(Exit::internal, "finish reason {}: unknown", static_cast<int>(reason));
}

Sampling defaults_of(const GenerationDefaults& g) {
  return {.greedy = !g.do_sample, .sub_greedy = !g.sub_do_sample,
          .temperature = g.temperature, .sub_temperature = g.sub_temperature,
          .top_p = g.top_p, .sub_top_p = g.sub_top_p,
          .top_k = g.top_k, .sub_top_k = g.sub_top_k,
          .repetition_penalty = g.repetition_penalty, .max_new_tokens = g.max_new_tokens};
}

// ---- choice of the device ---------------------------------------------------------------------------------

std::vector<std::string> device_kinds() {
  std::vector<std::string> kinds;
#define TTS_KIND(D) kinds.emplace_back(D::kind());
  TTS_DEVICES(TTS_KIND)
#undef TTS_KIND
  return kinds;
}

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Calls use(type tag of the device named `kind`).
template <class D>
struct Tag {
  using Type = D;
};
template <class Use>
void with_device(const std::string& kind, Use&& use) {
#define TTS_TRY(D) \
  if (kind == D::kind()) return use(Tag<D>{});
  TTS_DEVICES(TTS_TRY)
#undef TTS_TRY
  check(kind != "cuda", Exit::device,
        "--device cuda: expected a build with CUDA (cmake --preset cuda), this one has: auto, {}; choose "
        "--device cpu",
        joined(device_kinds()));
  throw Error(Exit::device, "--device {}: this build has: auto, {}", kind, joined(device_kinds()));
}

bool has_kind(const std::string& kind) {
  for (const std::string& known : device_kinds()) {
    if (known == kind) return true;
  }
  return false;
}

// `auto` takes a GPU if there is one that can run, else the CPU; and says why.
std::string choose_kind(const DeviceChoice& choice, std::string& why) {
  if (choice.kind != "auto") return choice.kind;
  if (!has_kind("cuda")) {
    why = "this build has no CUDA device";
    return "cpu";
  }
  try {
    with_device("cuda", [&](auto tag) {
      typename decltype(tag)::Type probe(choice.options);
      why = probe.name();
    });
    return "cuda";
  } catch (const Error& error) {
    if (error.exit != Exit::device) throw;
    why = error.what();
    return "cpu";
  }
}

void fill_precision(DeviceFacts& facts, const DeviceChoice& choice) {
  check(choice.dtype == "auto" || choice.dtype == "f32" || choice.dtype == "bf16", Exit::usage,
        "--dtype: expected auto, f32 or bf16, got {}", choice.dtype);
  parse_quant(choice.quant);
  facts.dtype = choice.dtype != "auto" ? choice.dtype : facts.kind == "cuda" ? "bf16" : "f32";
  facts.quant = choice.quant;
  check(choice.codec_dtype == "f32" || choice.codec_dtype == "tf32", Exit::usage,
        "--codec-dtype: expected f32 or tf32, got {}", choice.codec_dtype);
  check(choice.codec_dtype == "f32" || facts.kind == "cuda" || facts.kind == "emulator", Exit::usage,
        "--codec-dtype tf32: expected a device with tensor cores (--device cuda), got {}", facts.kind);
  facts.codec_dtype = choice.codec_dtype;
}

}  // namespace

DeviceFacts resolve_device(const DeviceChoice& choice) {
  DeviceFacts facts;
  facts.kind = choose_kind(choice, facts.why);
  fill_precision(facts, choice);
  with_device(facts.kind, [&](auto tag) {
    typename decltype(tag)::Type probe(choice.options);
    facts.name = probe.name();
    facts.threads = probe.threads();
    if constexpr (requires { probe.room(); }) {
      const auto room = probe.room();
      facts.total_bytes = static_cast<int64_t>(room.total);
      facts.free_bytes = static_cast<int64_t>(room.free) + probe.memory_bytes();
      facts.plan = {{"scratch of the device", probe.memory_bytes()}};
    }
  });
  return facts;
}

// ---- the engine -------------------------------------------------------------------------------------------

namespace {

template <class D>
constexpr bool kOwnMemory{requires(D& d) { d.reserve(int64_t{}); }};

// The whole plan is asked for before the first weight is touched.
template <class D>
D& reserved(D& device, const Model& model, const DeviceChoice& choice, const MemoryShape& shape,
            DeviceFacts& facts) {
  if constexpr (kOwnMemory<D>) {
    facts.plan = device_plan(model, parse_quant(choice.quant), shape, choice.needs.clips);
    const int64_t bytes = plan_bytes(facts.plan);
    facts.plan.insert(facts.plan.begin(), {"scratch of the device", device.memory_bytes()});
    device.reserve(bytes);
  }
  return device;
}

// What lives as long as the run lies in front, in the order of the plan; behind it what a clip needs comes
// and goes.
template <class D>
struct Runner {
  Runner(const Model& model, const DeviceChoice& choice, DType cache, DeviceFacts& facts)
      : device(choice.options), shape(planned_shape(model.config, choice.needs, cache)),
        lm(reserved(device, model, choice, shape, facts), model, parse_quant(choice.quant)),
        workspace(device, model, cache), cloner(device, model) {
    if constexpr (kOwnMemory<D>) {
      reserve_text(lm, planned_text_rows(model.config, shape));
      workspace.reserve(shape);
    }
  }
  D device;
  MemoryShape shape;
  LanguageModel<D> lm;
  SessionSpace<D> workspace;
  Cloner<D> cloner;
};

// Calls work(); what the device had to ask its driver for after the start is said.
template <class R, class Work>
auto watched(R& runner, DeviceFacts& facts, Work&& work) {
  const Counters before = runner.device.counters();
  auto done = work(runner);
  const Counters more = runner.device.counters() - before;
  if (more.allocations == 0 || facts.plan.empty()) return done;
  const int64_t planned = plan_bytes(facts.plan);
  facts.memory_bytes = runner.device.memory_bytes();
  done.warnings.push_back(
      format("device memory: this is longer than the run was planned for: {} MB, planned were {} MB "
             "(--print-config)",
             facts.memory_bytes / 1'000'000, planned / 1'000'000));
  return done;
}

template <class... D>
std::variant<std::unique_ptr<Runner<D>>...> any_runner(Tag<D>...);
#define TTS_TAG(D) , Tag<D>{}
template <class First, class... D>
auto skip_first(First, D... tags) -> decltype(any_runner(tags...));
using AnyRunner = decltype(skip_first(0 TTS_DEVICES(TTS_TAG)));
#undef TTS_TAG

}  // namespace

struct Engine::State {
  std::shared_ptr<const Model> model;
  DeviceFacts facts;
  AnyRunner runner;

  template <class Use>
  auto visit(Use&& use) {
    return std::visit([&](auto& r) { return use(*r); }, runner);
  }
};

Engine::Engine(std::shared_ptr<const Model> model, const DeviceChoice& choice)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.model = std::move(model);
  s.facts.kind = choose_kind(choice, s.facts.why);
  fill_precision(s.facts, choice);
  const DType cache = s.facts.dtype == "bf16" ? DType::bf16 : DType::f32;
  DeviceChoice resolved = choice;
  resolved.options.round_activations = cache == DType::bf16;
  resolved.options.codec_tf32 = s.facts.codec_dtype == "tf32";
  with_device(s.facts.kind, [&](auto tag) {
    using D = typename decltype(tag)::Type;
    auto runner = std::make_unique<Runner<D>>(*s.model, resolved, cache, s.facts);
    s.facts.name = runner->device.name();
    s.facts.threads = runner->device.threads();
    s.facts.memory_bytes = runner->device.memory_bytes();
    s.runner = std::move(runner);
  });
  // Convolutions are packed for every device: what was read of them in the file (half of the codec) need not
  // stay.
  CodecDecoderWeights decoder = s.model->decoder;
  decoder.each(s.model->config.codec, [&](const Tensor& tensor, std::string_view, const Shape&) {
    if (tensor.shape.rank == 3) s.model->files.forget(tensor);
  });
  s.model->files.check_intact();
}

std::vector<int32_t> encode_audio(const Model& model, const DeviceChoice& choice,
                                  std::span<const float> samples) {
  std::string why;
  std::vector<int32_t> codes;
  with_device(choose_kind(choice, why), [&](auto tag) {
    using D = typename decltype(tag)::Type;
    D device(choice.options);
    if constexpr (kOwnMemory<D>) {
      if (model.encoder) {
        const EncoderPlan plan = Encoder<D>::plan(*model.config.codec_encoder, *model.encoder,
                                                  static_cast<int64_t>(samples.size()));
        device.reserve(plan.weights_bytes + plan.clip_bytes);
      }
    }
    codes = Cloner<D>(device, model).encode(samples);
  });
  model.files.check_intact();
  return codes;
}

Engine::Engine(Engine&&) noexcept = default;
Engine::~Engine() = default;

Spoken Engine::speak(const SpeakRequest& request, const SpeakCallbacks& callbacks) {
  Spoken spoken = state_->visit([&](auto& runner) {
    return watched(runner, state_->facts,
                   [&](auto& r) { return tts::speak(r.lm, r.workspace, request, callbacks); });
  });
  state_->model->files.check_intact();
  return spoken;
}

Clone Engine::clone(const CloneRequest& request) {
  Clone clone = state_->visit([&](auto& runner) {
    return watched(runner, state_->facts, [&](auto& r) { return r.cloner.clone(request); });
  });
  state_->model->files.check_intact();
  return clone;
}

std::vector<float> Engine::decode(std::span<const int32_t> codes, bool official_chunks) {
  const ModelConfig& c = state_->model->config;
  const auto groups = static_cast<size_t>(c.codec.groups);
  check(codes.size() % groups == 0, Exit::bad_input, "codes: expected a multiple of {} per item, got {}",
        groups, codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    check(codes[i] >= 0 && codes[i] < c.codec.codebook_size, Exit::bad_input,
          "codes: frame {} group {}: expected 0..{}, got {}", i / groups, i % groups,
          c.codec.codebook_size - 1, codes[i]);
  }
  if (codes.empty()) return {};
  return state_->visit([&](auto& r) { return decode_codes(r.workspace, codes, official_chunks); });
}

const Model& Engine::model() const { return *state_->model; }
const DeviceFacts& Engine::device() const { return state_->facts; }

std::vector<Arena::Entry> Engine::plan() const {
  return state_->visit([](auto& r) { return r.workspace.arena.entries(); });
}
int64_t Engine::session_bytes() const {
  return state_->visit([](auto& r) { return r.workspace.arena.bytes(); });
}

}  // namespace tts
