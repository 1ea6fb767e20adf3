// Every case of kernels/cases.h on every device and, on the CPU, at every level it has; the equalities the
// interface promises; non-finite numbers; the random numbers.
#include "catch.h"
#include "devices_here.h"
#include "kernels/cases.h"
#include "kernels/devices.h"
#include "kernels/noise.h"
#include "refusal.h"

#include <cmath>

using namespace tts;
using tts::test::Refusal;
using tts::test::refusal_of;

namespace {

// Worst value of the list with both numbers, its bound and the place; empty when all are within bounds.
std::string first_difference(const std::vector<float>& got, const std::vector<float>& want,
                             const std::vector<double>& bound) {
  if (got.size() != want.size()) return format("{} values, expected {}", got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double{got[i]} - double{want[i]});
    if (!(error <= bound[i])) {
      return format("value {}: expected {}, got {}; off by {}, allowed {}", i, want[i], got[i], error,
                    bound[i]);
    }
  }
  return "";
}

std::string first_inequality(const std::vector<float>& got, const std::vector<float>& want) {
  return first_difference(got, want, std::vector<double>(want.size(), 0.0));
}

// Small enough to run everywhere in a test; the rest is checked by tts-bench before it is timed.
bool is_small(const Recipe& r) { return !r.timed; }

// visit(device, label) for every device; the CPU once per level and with 1, 2 and 4 threads.
template <class Visit>
void for_each_device(Visit&& visit) {
#define TTS_VISIT(D)                                          \
  if constexpr (std::is_same_v<D, Cpu>) {                     \
    for (const std::string_view level : Cpu::levels()) {      \
      for (const int threads : {1, 2, 4}) {                   \
        DeviceOptions options;                                \
        options.cpu_level = level, options.threads = threads; \
        Cpu device(options);                                  \
        visit(device, format("cpu {} {}", level, threads));   \
      }                                                       \
    }                                                         \
  } else if (test::is_here<D>()) {                            \
    D device{DeviceOptions{}};                                \
    visit(device, std::string(D::kind()));                    \
  }
  TTS_DEVICES(TTS_VISIT)
#undef TTS_VISIT
}

template <class D>
std::vector<float> run_at_once(D& device, const Case& c) {
  Trial trial(device, c);
  trial.run();
  return trial.output();
}

template <class D>
std::vector<float> run_in_parts(D& device, const Case& c, int part) {
  Trial trial(device, c);
  for (int first = 0; first < c.recipe.rows; first += part)
    trial.run(first, std::min(part, c.recipe.rows - first));
  return trial.output();
}

// How many devices were compared with the reference.
int compare_devices(const Case& c) {
  const std::vector<float> want = expected(c);
  const std::vector<double> bound = error_bound(c);
  int compared = 0;
  for_each_device([&](auto& device, const std::string& label) {
    INFO(str(c.recipe) << " on " << label);
    CHECK(first_difference(run_at_once(device, c), want, bound) == "");
    ++compared;
  });
  return compared;
}

}  // namespace

TEST_CASE("every operation agrees with the reference within its derived bound") {
  int compared = 0;
  for (const Recipe& recipe : recipes()) {
    if (!is_small(recipe)) continue;
    compared += compare_devices(make_case(recipe));
  }
  CHECK(compared >= 300);
}

// A checkpoint may store the matrices of one operation in different formats.
TEST_CASE("the matrices of one operation may differ in their formats") {
  constexpr DType kFormats[] = {DType::f32, DType::bf16, DType::int8_rows, DType::int4_blocks};
  int compared = 0;
  for (const Recipe& recipe : {Recipe{.op = Op::qkv, .rows = 3, .in = 64, .nq = 4, .nkv = 2, .d = 16},
                        Recipe{.op = Op::gated, .rows = 3, .in = 64, .out = 40}}) {
    Case c = make_case(recipe);
    for (size_t i = 0; i < c.weights.size(); ++i) {
      const Tensor w = c.weights[i].view();
      if (!w || w.shape.rank != 2) continue;
      const float* values = w.f32();
      c.weights[i] = make_weight({values, values + element_count(w.shape)}, w.shape, kFormats[i % 4]);
    }
    compared += compare_devices(c);
  }
  CHECK(compared >= 4);
}

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
TEST_CASE("a convolution in TF32 rounds, and one of numbers that need no rounding does not") {
  if (!test::is_here<Cuda>()) return;
  Cuda device{DeviceOptions{}};
  const Recipe exact{.op = Op::conv, .rows = 21, .in = 40, .out = 24, .taps = 3};
  Recipe rounded = exact;
  rounded.tf32 = true;
  Case c = make_case(rounded);
  CHECK(run_at_once(device, c) != run_at_once(device, make_case(exact)));
  const auto coarse = [](std::vector<float> values) {  // quarters: every product and sum is exact
    for (float& v : values) v = std::round(v * 4) / 4;
    return values;
  };
  const Tensor w = c.weights[0].view();
  const std::vector<float> values(w.f32(), w.f32() + element_count(w.shape));
  c.weights[0] = make_weight(coarse(values), w.shape, DType::f32);
  c.x = coarse(c.x), c.state = coarse(c.state);
  CHECK(first_inequality(run_at_once(device, c), expected(c)) == "");
}
#endif

TEST_CASE("rows in one call equal rows in several calls, bit for bit") {
  for (const Recipe& recipe : recipes()) {
    const Case c = make_case(recipe);
    if (!is_small(recipe) || recipe.rows / c.step() < 2) continue;
    for_each_device([&](auto& device, const std::string& label) {
      const std::vector<float> whole = run_at_once(device, c);
      for (const int part : {1, 2, 3, 7}) {
        INFO(str(recipe) << " on " << label << " in parts of " << part);
        CHECK(first_inequality(run_in_parts(device, c, part * c.step()), whole) == "");
      }
    });
  }
}

TEST_CASE("the number of threads changes nothing") {
  for (const Recipe& recipe : recipes()) {
    if (!is_small(recipe)) continue;
    const Case c = make_case(recipe);
    for (const std::string_view level : Cpu::levels()) {
      std::vector<float> alone;
      for (const int threads : {1, 2, 3, 4}) {
        DeviceOptions options;
        options.cpu_level = level, options.threads = threads;
        Cpu device(options);
        const std::vector<float> y = run_at_once(device, c);
        if (threads == 1) alone = y;
        INFO(str(recipe) << " level " << level << " with " << threads << " threads");
        CHECK(first_inequality(y, alone) == "");
      }
    }
  }
}

// The integer part is exact, and what is around it is the same arithmetic on every level.
TEST_CASE("int8 products are the same bits on every level") {
  for (const Recipe& recipe : recipes()) {
    if (!is_small(recipe) || recipe.op != Op::linear || recipe.dtype != DType::int8_rows) continue;
    if (recipe.act != Act::none) continue;
    const Case c = make_case(recipe);
    std::vector<float> portable;
    for (const std::string_view level : Cpu::levels()) {
      DeviceOptions options;
      options.cpu_level = level;
      Cpu device(options);
      const std::vector<float> y = run_at_once(device, c);
      if (portable.empty()) portable = y;
      INFO(str(recipe) << " level " << level);
      CHECK(first_inequality(y, portable) == "");
    }
  }
}

TEST_CASE("a pool runs every chunk once, for any number of threads and of loops") {
  for (const int threads : {1, 2, 3, 8}) {
    Pool pool(threads);
    CHECK(pool.threads() == threads);
    for (int loop = 0; loop < 300; ++loop) {
      const int chunks = loop % 41;
      std::vector<int> runs(static_cast<size_t>(chunks), 0);
      pool.run(0, chunks, [&](int chunk, int thread) {
        runs[static_cast<size_t>(chunk)] += thread < threads ? 1 : 100;
      });
      REQUIRE(runs == std::vector<int>(static_cast<size_t>(chunks), 1));
    }
  }
}

TEST_CASE("every switch has a name, an explanation, and is found by its name") {
  std::string all;
  for (size_t i = 0; i < static_cast<size_t>(Ablate::kCount); ++i) {
    const auto ablate = static_cast<Ablate>(i);
    CHECK(!what_it_does(ablate).empty());
    CHECK(!parse_ablations(name_of(ablate)).on(ablate));
    all += (i > 0 ? "," : "") + std::string(name_of(ablate));
  }
  CHECK(parse_ablations(all).off.all());
  CHECK(parse_ablations("").off.none());
  CHECK_THROWS_WITH(parse_ablations("doctor"), Catch::Contains("doctor") && Catch::Contains("run_ahead"));
}

TEST_CASE("a level the processor lacks is refused, and one that does not exist otherwise") {
  DeviceOptions options;
  options.cpu_level = "doctor";
  const Refusal unknown = refusal_of([&] { Cpu device(options); });
  CHECK(unknown.exit == Exit::usage);  // exit 4 would pass for a processor that lacks it
  CHECK(unknown.message.find("--cpu-level doctor: no such level; this processor has portable") == 0);
  for (const std::string_view level : {"avx2", "avx512", "vnni"}) {
    options.cpu_level = level;
    const std::vector<std::string_view> here = Cpu::levels();
    const bool has = std::find(here.begin(), here.end(), level) != here.end();
    CHECK(refusal_of([&] { Cpu device(options); }).exit == (has ? Exit::ok : Exit::device));
  }
}

TEST_CASE("a poisoned input reaches every output that depends on it") {
  for (const Recipe& recipe : recipes()) {
    if (!is_small(recipe) || recipe.op == Op::embed || recipe.op == Op::sum_codes) continue;
    Case c = make_case(recipe);
    c.x[c.x.size() / 2] = std::nanf("");
    const std::vector<float> want = expected(c);
    REQUIRE(std::any_of(want.begin(), want.end(), [](float value) { return std::isnan(value); }));
    for_each_device([&](auto& device, const std::string& label) {
      const std::vector<float> got = run_at_once(device, c);
      size_t lost = 0;
      for (size_t i = 0; i < want.size(); ++i) lost += std::isnan(want[i]) && std::isfinite(got[i]) ? 1 : 0;
      INFO(str(recipe) << " on " << label);
      CHECK(lost == 0);
    });
  }
}

TEST_CASE("Philox4x32-10: the published known answers") {
  const auto words = [](Philox counter, uint32_t k0, uint32_t k1) {
    const Philox r = philox4x32(counter, k0, k1);
    return std::vector<uint32_t>(r.word, r.word + 4);
  };
  CHECK(words({{0, 0, 0, 0}}, 0, 0) == std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(words({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u) ==
        std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
        std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the logarithm of the noise is within two units of the true one") {
  double worst = 0;
  for (uint32_t i = 0; i < 1u << 23; i += 101) {
    const float u = (static_cast<float>(i) + 0.5f) * 0x1p-23f;
    const double truth = std::log(double{u});
    worst = std::max(worst, std::abs(double{natural_log(u)} - truth) / std::max(std::abs(truth), 0x1p-24));
  }
  CHECK(worst <= 4 * 0x1p-24);
}
