#include "tools/bench_ops.h"

#include "kernels/cases.h"
#include "kernels/devices.h"
#include "tools/build_info.h"
#include "tools/report.h"

#include <chrono>
#include <cmath>
#include <ctime>
#include <deque>

namespace tts {

namespace {

constexpr int64_t kBeyondCache{192 << 20};  // bytes of weights a case cycles through: no cache holds them

struct Timing {
  double best = 0, median = 0;  // microseconds
  double cpu = 0;               // best processor time of all threads: what a call costs on a busy machine
  int calls = 0;
};

double processor_microseconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// On a GPU: all copies behind each other as one recorded graph, timed by the GPU. What is between two kernels
// is counted too, as it is in a frame.
template <class D, class Trials>
Timing time_on_gpu(D& device, Trials& trials, double seconds) {
  const auto all = [&] {
    for (auto& trial : trials) trial.run();
  };
  all();  // loads the code of the kernels, which cannot be recorded
  const auto key = reinterpret_cast<uint64_t>(&trials);
  const auto replay = [&] { device.replay(key, all); };
  const auto share = 1000 / static_cast<double>(trials.size());
  std::vector<double> times;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  device.milliseconds(replay);
  while (times.size() < 5 || std::chrono::steady_clock::now() < end)
    times.push_back(device.milliseconds(replay) * share);
  std::sort(times.begin(), times.end());
  return {.best = times.front(),
          .median = times[times.size() / 2],
          .cpu = 0,
          .calls = static_cast<int>(times.size())};
}

// Copies of the case, each with weights of its own, used in turn.
template <class D>
Timing time_case(D& device, const Case& c, double seconds) {
  const auto copies =
      static_cast<size_t>(std::clamp<int64_t>(kBeyondCache / std::max<int64_t>(c.bytes, 1), 1, 256));
  std::deque<Case> cases(copies, c);
  std::deque<Trial<D>> trials;
  for (const Case& copy : cases) trials.emplace_back(device, copy);
  if constexpr (requires { device.measure_ceilings(), device.milliseconds([] {}); }) {
    return time_on_gpu(device, trials, seconds);
  }
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  Timing timing;
  timing.cpu = 1e12;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times.size() < copies + 5 || Clock::now() < end) {
    const double cpu = processor_microseconds();
    const auto begin = Clock::now();
    trials[times.size() % copies].run();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    timing.cpu = std::min(timing.cpu, processor_microseconds() - cpu);
  }
  times.erase(times.begin(),
              times.begin() + static_cast<int64_t>(std::min(copies, times.size() - 5)));  // first touches
  std::sort(times.begin(), times.end());
  timing.best = times.front(), timing.median = times[times.size() / 2],
  timing.calls = static_cast<int>(times.size());
  return timing;
}

template <class D>
void refuse_wrong_answer(D& device, const Case& c) {
  const std::vector<float> want = expected(c);
  const std::vector<double> bound = error_bound(c);
  Trial<D> trial(device, c);
  trial.run();
  check_answer(str(c.recipe), trial.output(), want, bound);
}

template <class D>
MachineRates measure(D& device) {
  if constexpr (requires { device.measure_ceilings(); }) {
    const auto ceilings = device.measure_ceilings();
    return {ceilings.gflop_s, ceilings.gb_s};
  }
  return {};
}

double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }
std::string percent(double part, double whole) { return whole > 0 ? fixed(share(part, whole), 0) : "-"; }

std::string table_row(std::string line, std::initializer_list<std::string> numbers) {
  constexpr size_t kName{54}, kNumber{10};
  line.resize(std::max(kName, line.size()), ' ');
  for (const std::string& number : numbers)
    line += std::string(kNumber - std::min(kNumber, number.size()), ' ') + number;
  return line + "\n";
}

template <class D>
std::string json_line(D& device, const BenchOps& request, const MachineRates& machine, const Case& c,
                      const Timing& t) {
  const double gb_s = static_cast<double>(c.bytes) / t.best / 1e3,
               gflop_s = static_cast<double>(c.flops) / t.best / 1e3;
  return format(
      R"({"case":"{}","device":"{}","machine":"{}","threads":{},"machine_gb_s":{},"machine_gflop_s":{},)"
      R"("us_best":{},"us_median":{},"us_cpu":{},"calls":{},"bytes":{},"flops":{},"gb_s":{},"gflop_s":{},)"
      R"("percent_memory":{},"percent_peak":{},"commit":"{}","command":"{}"})"
      "\n",
      str(c.recipe), D::kind(), device.name(), device.threads(), fixed(machine.gb_s, 1),
      fixed(machine.gflop_s, 0), fixed(t.best, 2), fixed(t.median, 2), fixed(t.cpu, 2), t.calls, c.bytes,
      c.flops, fixed(gb_s, 2), fixed(gflop_s, 2), fixed(share(gb_s, machine.gb_s), 1),
      fixed(share(gflop_s, machine.gflop_s), 1), kCommit, request.command);
}

template <class D>
void bench_device(D& device, const BenchOps& request) {
  const MachineRates machine = measure(device);
  if (!request.json) {
    write_stdout(format("{}, {} threads: {} GFLOP/s, {} GB/s\n", device.name(), device.threads(),
                        fixed(machine.gflop_s, 0), fixed(machine.gb_s, 1)));
    write_stdout(
        table_row("operation", {"us best", "us median", "us cpu", "GB/s", "GFLOP/s", "% mem", "% peak"}));
  }
  for (const Recipe& recipe : recipes()) {
    const std::string name = str(recipe);
    if (!recipe.timed || name.find(request.filter) == name.npos) continue;
    const Case c = make_case(recipe);
    D own(request.options);  // what is placed lives as long as its device
    refuse_wrong_answer(own, c);
    const Timing t = time_case(own, c, request.seconds);
    const double gb_s = static_cast<double>(c.bytes) / t.best / 1e3,
                 gflop_s = static_cast<double>(c.flops) / t.best / 1e3;
    if (request.json) {
      write_stdout(json_line(device, request, machine, c, t));
    } else {
      write_stdout(table_row(
          name, {fixed(t.best, 1), fixed(t.median, 1), fixed(t.cpu, 1), fixed(gb_s, 1), fixed(gflop_s, 1),
                 percent(gb_s, machine.gb_s), percent(gflop_s, machine.gflop_s)}));
    }
  }
}

}  // namespace

void check_answer(const std::string& name, std::span<const float> got, std::span<const float> want,
                  std::span<const double> bound) {
  check(got.size() == want.size(), Exit::internal, "{}: expected {} values, got {}", name, want.size(),
        got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    check(std::abs(double{got[i]} - double{want[i]}) <= bound[i], Exit::internal,
          "{}: value {}: expected {} within {}, got {}; a wrong answer is not timed", name, i, want[i],
          bound[i], got[i]);
  }
}

MachineRates measure_machine(const std::string& kind, const DeviceOptions& options) {
#define TTS_MEASURE(D)          \
  if (D::kind() == kind) {      \
    D device(options);          \
    return measure(device);     \
  }
  TTS_DEVICES(TTS_MEASURE)
#undef TTS_MEASURE
  throw Error(Exit::device, "--device {}: not a device of this build", kind);
}

void bench_ops(const BenchOps& request) {
  bool found = false;
#define TTS_BENCH(D)                 \
  if (D::kind() == request.device) { \
    found = true;                    \
    D device(request.options);       \
    bench_device(device, request);   \
  }
  TTS_DEVICES(TTS_BENCH)
#undef TTS_BENCH
  check(found, Exit::device, "--device {}: not a device of this build", request.device);
}

}  // namespace tts
