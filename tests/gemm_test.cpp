// The prefill's products through the library (on the emulator: a plain kernel in its place, with everything
// around it as on a GPU): in f32 the reference's numbers, in bf16 those of rounded inputs, and nothing of it
// outside of in_bulk.
#include "catch.h"
#include "kernels/cases.h"
#include "devices_here.h"
#include "speech.h"

#if defined(TTS_EMULATOR)
#include "kernels/emulator/runtime.h"
#endif

#include <cmath>

using namespace tts;
using namespace tts::test;

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
namespace {

DeviceOptions options_of(bool rounded, const char* ablate = "") {
  DeviceOptions options;
  options.round_activations = rounded;
  if (*ablate) options.switches = parse_ablations(ablate);
  return options;
}

// What `op` gives inside of in_bulk.
std::vector<float> in_bulk(Cuda& device, const Case& c) {
  Trial<Cuda> trial(device, c);
  device.in_bulk([&] { trial.run(); });
  return trial.output();
}

Recipe recipe_of(Op op, DType dtype, int rows, int in, int out) {
  Recipe r;
  r.op = op, r.dtype = dtype, r.rows = rows, r.in = in, r.out = out;
  if (op == Op::qkv) r.nq = out / 16, r.nkv = r.nq / 2, r.d = 16;
  return r;
}

std::vector<Recipe> bulk_recipes() {
  std::vector<Recipe> all;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int rows : {8, 33}) {
      all.push_back(recipe_of(Op::qkv, dtype, rows, 64, 64));
      all.push_back(recipe_of(Op::linear_add, dtype, rows, 96, 40));
      all.push_back(recipe_of(Op::gated, dtype, rows, 64, 48));
    }
  }
  return all;
}

double norm_of(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += double{x} * double{x};
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("in f32 the products in bulk are the reference's, whatever the format of the weights") {
  if (!is_here<Cuda>()) return;
  Cuda device{options_of(false)};
  for (const Recipe& recipe : bulk_recipes()) {
    INFO(str(recipe));
    const Case c = make_case(recipe);
    const std::vector<float> want = expected(c), got = in_bulk(device, c);
    const std::vector<double> bound = error_bound(c);
    for (size_t i = 0; i < want.size(); ++i) REQUIRE(std::abs(double{got[i]} - double{want[i]}) <= bound[i]);
  }
}

TEST_CASE("in bf16 the products in bulk differ by the rounding of their inputs, and by no more") {
  if (!is_here<Cuda>()) return;
  Cuda device{options_of(true)}, exact{options_of(false)};
  for (const int rows : {8, 33}) {
    INFO(rows << " rows");
    const Case c = make_case(recipe_of(Op::linear_add, DType::bf16, rows, 96, 40));
    const std::vector<float> rounded = in_bulk(device, c), whole = in_bulk(exact, c);
    CHECK(rounded != whole);
    Case in = c;  // with inputs that are bf16 already there is nothing to round
    for (float& v : in.x) v = widen(round_to_bf16(v));
    CHECK(in_bulk(device, in) == in_bulk(exact, in));
    CHECK(in_bulk(device, in) == rounded);
  }
  for (const Recipe& recipe :
       {recipe_of(Op::qkv, DType::bf16, 9, 64, 64), recipe_of(Op::gated, DType::bf16, 9, 64, 48)}) {
    INFO(str(recipe));
    const Case c = make_case(recipe);
    const std::vector<float> rounded = in_bulk(device, c), whole = in_bulk(exact, c);
    CHECK(rounded != whole);
    std::vector<float> apart(whole.size());
    for (size_t i = 0; i < whole.size(); ++i) apart[i] = rounded[i] - whole[i];
    // Inputs are off by 2^-9 of themselves, so each of two factors is, as a whole, by about as much; SiLU's
    // slope is below 1.1.
    CHECK(norm_of(apart) <= 4 * 0x1p-9 * norm_of(whole));
  }
}

TEST_CASE("outside of in_bulk, with few rows, or switched off the library is not used") {
  if (!is_here<Cuda>()) return;
  Cuda on{options_of(true)}, off{options_of(true, "library_prefill")};
  CHECK(on.memory_bytes() > off.memory_bytes());
  const Case c = make_case(recipe_of(Op::linear_add, DType::bf16, 8, 96, 40));
  const auto plain = [&](Cuda& device) {
    Trial<Cuda> trial(device, c);
    trial.run();
    return trial.output();
  };
  CHECK(plain(on) == plain(off));
  CHECK(in_bulk(off, c) == plain(off));
  CHECK(in_bulk(on, c) != plain(on));
  const Case few = make_case(recipe_of(Op::linear_add, DType::bf16, 7, 96, 40));
  CHECK(in_bulk(on, few) == in_bulk(off, few));
  const Case quantised = make_case(recipe_of(Op::linear_add, DType::int8_rows, 8, 96, 40));
  CHECK(in_bulk(on, quantised) == in_bulk(off, quantised));
}

#if defined(TTS_EMULATOR)
TEST_CASE("a prompt longer than the room goes through it in parts, with the same numbers") {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  emulator::set_memory(size_t{256} << 20);  // leaves a room of 1 MiB
  Cuda device{options_of(false)};
  emulator::set_memory(total);
  const Case c =
      make_case(recipe_of(Op::gated, DType::f32, 600, 64, 512));  // 600 rows of 4352 bytes: more than 1 MiB
  const std::vector<float> want = expected(c), got = in_bulk(device, c);
  const std::vector<double> bound = error_bound(c);
  for (size_t i = 0; i < want.size(); ++i) REQUIRE(std::abs(double{got[i]} - double{want[i]}) <= bound[i]);
}
#endif

TEST_CASE("greedy codes with and without the library are the same in f32") {
  if (!is_here<Cuda>()) return;
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  std::vector<std::vector<int32_t>> codes;
  for (const char* ablate : {"", "library_prefill"}) {
    DeviceChoice choice;
    choice.kind = std::string(Cuda::kind());
    choice.dtype = "f32";
    choice.options.switches = parse_ablations(ablate);
    Engine engine(model, choice);
    SpeakRequest request = request_for(*model, "Hi.");
    request.sampling.greedy = request.sampling.sub_greedy = true;
    request.sampling.max_new_tokens = 3;
    codes.push_back(hear(engine, request).spoken.codes);
  }
  CHECK(codes[0].size() >= 2 * 16);
  CHECK(codes[0] == codes[1]);
}
#else
TEST_CASE("the switch of the prefill's library exists in every build") {
  CHECK(!parse_ablations("library_prefill").on(Ablate::library_prefill));
}
#endif
