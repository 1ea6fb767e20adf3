// What this machine is, what every device of this build says about itself, and whether it computes.
#include "base/file.h"
#include "base/json.h"
#include "engine/device_plan.h"
#include "engine/synthesis.h"
#include "kernels/devices.h"
#include "tokenizer/tokenizer.h"
#include "tools/build_info.h"
#include "tools/commands.h"
#include "tools/settings.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

namespace tts {

namespace {

constexpr const char* kTestText{"Hello."};
constexpr int kTestTokens{5};  // 4 frames of the embedded voice: about two seconds on plain loops

struct DeviceCheck {
  std::string kind;
  DeviceFacts facts;
  std::string trouble;    // why it cannot run; empty: it can
  std::string self_test;  // "passed", "not run: ...", "FAILED: ..."
  double milliseconds = 0;
  int64_t planned_bytes = 0;  // of the self-test's voice, on a device with memory of its own
  bool failed() const { return self_test.starts_with("FAILED"); }
};

DeviceChoice choice_for(const Arguments& args, const std::string& kind) {
  DeviceChoice choice = device_choice(args);
  choice.kind = kind;
  if (kind == "reference") choice.dtype = "f32";
  return choice;
}

// Greedy codes of a fixed text; all devices must find the same ones in f32.
std::vector<int32_t> test_codes(std::shared_ptr<const Model> model, const DeviceChoice& choice,
                                DeviceCheck& c) {
  Engine engine(model, choice);
  SpeakRequest request;
  request.text = kTestText;
  request.speaker = choose_speaker_name(std::nullopt, model->config);
  request.sampling = defaults_of(model->config.generation);
  request.sampling.greedy = request.sampling.sub_greedy = true;
  request.sampling.max_new_tokens = kTestTokens;
  const auto begin = Clock::now();
  const Spoken spoken = engine.speak(request, {});
  c.milliseconds = ms_since(begin);
  c.planned_bytes = plan_bytes(engine.device().plan);
  check(!spoken.codes.empty(), Exit::internal, "self-test: expected codes, got none");
  return spoken.codes;
}

std::vector<DeviceCheck> check_devices(const Arguments& args) {
  std::vector<DeviceCheck> checks;
  std::shared_ptr<const Model> model;
  std::vector<int32_t> expected;
  DeviceCheck ignored;
  if (has_embedded_voice()) {
    model = load_model("embedded");
    expected = test_codes(model, choice_for(args, "reference"), ignored);
  }
  std::vector<std::string> kinds = device_kinds();
  if (std::find(kinds.begin(), kinds.end(), "cuda") == kinds.end())
    kinds.emplace_back("cuda");  // and why not
  for (const std::string& kind : kinds) {
    DeviceCheck& c = checks.emplace_back();
    c.kind = kind;
    try {
      DeviceChoice choice = choice_for(args, kind);
      c.facts = resolve_device(choice);
      choice.dtype = "f32";
      if (model) {
        const bool same = test_codes(model, choice, c) == expected;
        c.self_test = same ? "passed" : "FAILED: its codes differ from those of the reference";
      } else {
        c.self_test = "not run: this build carries no voice";
      }
    } catch (const Error& error) {
      (error.exit == Exit::device ? c.trouble : c.self_test) =
          (error.exit == Exit::device ? "" : "FAILED: ") + std::string(error.what());
    }
  }
  return checks;
}

std::string driver() {
  const std::string path = "/proc/driver/nvidia/version";
  if (!std::filesystem::exists(path)) return "no NVIDIA driver";
  std::string text = read_text(path, 1 << 16);
  return text.substr(0, text.find('\n'));
}

struct Machine {
  std::string system, driver, automatic;
  Placement placement;  // threads that compute unless the user says otherwise
  unsigned cores;
  int64_t memory_bytes;
};

Machine this_machine(const Arguments& args) {
  utsname name{};
  uname(&name);
  Machine machine{.system = format("{} {} {}", name.sysname, name.release, name.machine),
                  .driver = driver(),
                  .automatic = {},
                  .placement = default_placement(),
                  .cores = std::thread::hardware_concurrency(),
                  .memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE)};
  const DeviceFacts chosen = resolve_device(choice_for(args, "auto"));
  machine.automatic = format("{} ({}), {}: {}", chosen.kind, chosen.name, chosen.dtype, chosen.why);
  return machine;
}

std::string gigabytes(int64_t bytes) { return fixed(static_cast<double>(bytes) / 1e9, 2); }

// Of a device with memory of its own: what there is and what is needed.
std::string memory_text(const DeviceCheck& c) {
  if (c.facts.total_bytes == 0) return "";
  std::string out =
      format("{} of {} GB free, ", gigabytes(c.facts.free_bytes), gigabytes(c.facts.total_bytes));
  if (c.kind == "cuda") out += format("code for {}, ", kCudaArchitectures);
  if (c.planned_bytes > 0) out += format("{} GB for the embedded voice, ", gigabytes(c.planned_bytes));
  return out;
}

std::string doctor_text(const Machine& machine, const std::vector<DeviceCheck>& checks) {
  std::string out = format(
      "tts-engine {} ({})\nsystem     {}\nmemory     {} GB\ncores      {}\nthreads    {} ({}); change with "
      "-j\nsets       {}\nGPU   "
      "     {}\ncharacters {}\n",
      kVersion, kCommit, machine.system, fixed(static_cast<double>(machine.memory_bytes) / 1e9, 1),
      machine.cores, machine.placement.threads, machine.placement.why, processor_sets(), machine.driver,
      unicode_versions());
  out += format("voice      {}\nauto       {}\n", has_embedded_voice() ? "embedded" : "none embedded",
                machine.automatic);
  for (const DeviceCheck& c : checks) {
    out += format("{}{}", c.kind, std::string(c.kind.size() < 11 ? 11 - c.kind.size() : 1, ' '));
    if (!c.trouble.empty()) {
      out += "not usable: " + c.trouble + "\n";
    } else {
      out += format("{}, {} threads, {}{}; self-test {}", c.facts.name, c.facts.threads, memory_text(c),
                    c.facts.dtype, c.self_test);
      out += c.milliseconds > 0 ? format(" in {} ms\n", fixed(c.milliseconds, 0)) : "\n";
    }
  }
  return out;
}

std::string doctor_json(const Machine& machine, const std::vector<DeviceCheck>& checks) {
  JsonWriter json;
  json.begin_object().field("version", kVersion).field("commit", kCommit);
  json.field("system", std::string_view(machine.system)).field("memory_bytes", machine.memory_bytes);
  json.field("cores", static_cast<int>(machine.cores))
      .field("threads", machine.placement.threads)
      .field("threads_why", std::string_view(machine.placement.why))
      .field("processor_sets", std::string_view(processor_sets()));
  text_field(json, "driver", machine.driver);
  json.field("unicode", std::string_view(unicode_versions())).field("embedded_voice", has_embedded_voice());
  text_field(json, "auto", machine.automatic);
  json.field("cuda_architectures", kCudaArchitectures);
  json.key("devices").begin_array();
  for (const DeviceCheck& c : checks) {
    json.begin_object().field("kind", std::string_view(c.kind)).field("usable", c.trouble.empty());
    text_field(json, "name", c.facts.name);
    json.field("threads", c.facts.threads).field("dtype", std::string_view(c.facts.dtype));
    json.field("memory_bytes", c.facts.total_bytes).field("free_bytes", c.facts.free_bytes);
    json.field("planned_bytes", c.planned_bytes);
    text_field(json, "trouble", c.trouble);
    text_field(json, "self_test", c.self_test);
    json.field("self_test_ms", c.milliseconds).end_object();
  }
  json.end_array().end_object();
  return json.str() + "\n";
}

}  // namespace

int doctor(const Arguments& args) {
  const Machine machine = this_machine(args);
  const std::vector<DeviceCheck> checks = check_devices(args);
  const std::string text = args.has("json") ? doctor_json(machine, checks) : doctor_text(machine, checks);
  write_report(args, text);
  bool failed = false;
  for (const DeviceCheck& c : checks) failed = failed || c.failed();
  return static_cast<int>(failed ? Exit::internal : Exit::ok);
}

}  // namespace tts
