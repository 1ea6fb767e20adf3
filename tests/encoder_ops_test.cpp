// Operations of the encoders of reference audio: every device against the plain loops, within bounds from u =
// 2^-24.
#include "catch.h"
#include "devices_here.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace tts;

namespace {

constexpr double kU{0x1p-24};

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random()) * 0x1p-31f - 1;
  return values;
}

// Copies of host vectors on a device; released at the end.
template <class D>
class Bench {
 public:
  explicit Bench(D& device) : d_(device) {}
  ~Bench() {
    for (void* memory : taken_) d_.release(memory);
  }
  Bench(const Bench&) = delete;
  template <class T>
  T* put(const std::vector<T>& values) {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
    taken_.push_back(d_.allocate(bytes));
    d_.upload(taken_.back(), values.data(), bytes);
    return static_cast<T*>(taken_.back());
  }
  template <class T>
  std::vector<T> get(const T* from, size_t count) {
    std::vector<T> values(count);
    d_.download(values.data(), from, static_cast<int64_t>(count * sizeof(T)));
    return values;
  }

 private:
  D& d_;
  std::vector<void*> taken_;
};

#define TTS_EACH_DEVICE(D) D,
using Devices = std::tuple<TTS_DEVICES(TTS_EACH_DEVICE) Reference>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("unfold and insert move values and add once", "[encoder_ops]", Devices) {
  if (!test::is_here<TestType>()) return;
  TestType device{DeviceOptions{}};
  Bench<TestType> bench(device);
  const int rows = 7;
  const auto x = random_values(rows * 12, 1), add = random_values(rows * 5, 2);
  for (const Neighbours n :
       {Neighbours{{12, 0, 12}, 1, 1}, Neighbours{{12, 3, 5}, 3, 2}, Neighbours{{12, 7, 5}, 5, 3}}) {
    for (const bool with_add : {false, true}) {
      const size_t count = static_cast<size_t>(n.columns.count), taps = static_cast<size_t>(n.taps);
      if (with_add && count != 5) continue;
      float* y = bench.put(std::vector<float>(rows * taps * count));
      device.unfold(y, bench.put(x), with_add ? bench.put(add) : nullptr, n, rows);
      const auto got = bench.get(y, rows * taps * count);
      std::vector<float> want;
      for (int r = 0; r < rows; ++r) {
        for (int k = 0; k < n.taps; ++k) {
          int from = r + (k - n.taps / 2) * n.dilation;
          from = from < 0 ? -from : from >= rows ? 2 * rows - 2 - from : from;
          for (size_t i = 0; i < count; ++i) {
            const float moved = x[static_cast<size_t>(from) * 12 + static_cast<size_t>(n.columns.first) + i];
            want.push_back(with_add ? moved + add[static_cast<size_t>(from) * count + i] : moved);
          }
        }
      }
      CHECK(got == want);
    }
  }
  float* y = bench.put(x);
  device.insert(y, bench.put(add), {.width = 12, .first = 4, .count = 5}, rows);
  auto want = x;
  for (size_t i = 0; i < add.size(); ++i) want[i / 5 * 12 + 4 + i % 5] = add[i];
  CHECK(bench.get(y, x.size()) == want);
}

TEMPLATE_LIST_TEST_CASE("pool: mean and deviation over time, with and without weights", "[encoder_ops]",
                        Devices) {
  if (!test::is_here<TestType>()) return;
  TestType device{DeviceOptions{}};
  Reference reference{DeviceOptions{}};
  for (const auto& [rows, C] : {std::pair{1, 1}, {3, 37}, {200, 65}}) {
    const size_t count = static_cast<size_t>(rows * C), channels = static_cast<size_t>(C);
    const auto x = random_values(count, 3);
    auto scores = random_values(count, 4);
    for (float& score : scores) score *= 20;
    for (const bool weighted : {false, true}) {
      CAPTURE(rows, C, weighted);
      std::vector<float> want(2 * channels);
      reference.pool(want.data(), x.data(), weighted ? scores.data() : nullptr, C, rows);
      Bench<TestType> bench(device);
      float* y = bench.put(std::vector<float>(2 * channels));
      device.pool(y, bench.put(x), weighted ? bench.put(scores) : nullptr, C, rows);
      const auto got = bench.get(y, 2 * channels);
      // A weight carries 8 u and the rounding of its exponent, 20 * 2 u; a sum of n terms of size <= 1
      // another (n + 2) u. The deviation is a root: its square carries three times that, and sqrt(a + e) -
      // sqrt(a) <= sqrt(e).
      const double mean_error = (static_cast<double>(rows) + 50) * 2 * kU;
      for (size_t c = 0; c < channels; ++c) {
        CHECK(std::abs(double{got[c]} - double{want[c]}) <= mean_error);
        const double deviation = double{want[channels + c]};
        CHECK(std::abs(double{got[channels + c]} - deviation) <=
              std::min(std::sqrt(6 * mean_error), 6 * mean_error / deviation));
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("add_scaled", "[encoder_ops]", Devices) {
  if (!test::is_here<TestType>()) return;
  TestType device{DeviceOptions{}};
  Bench<TestType> bench(device);
  const auto x = random_values(5 * 33, 5), y = random_values(5 * 33, 6), scale = random_values(33, 7);
  float* sum = bench.put(y);
  device.add_scaled(sum, bench.put(x), bench.put(scale), 33, 5);
  const auto got = bench.get(sum, y.size());
  for (size_t i = 0; i < y.size(); ++i) {
    const double product = double{scale[i % 33]} * double{x[i]};
    CHECK(std::abs(double{got[i]} - (double{y[i]} + product)) <=
          2 * kU * (std::abs(double{y[i]}) + std::abs(product)));
  }
}

TEMPLATE_LIST_TEST_CASE("nearest_code: the lowest of equals, the rest goes on, no code for NaN",
                        "[encoder_ops]", Devices) {
  if (!test::is_here<TestType>()) return;
  TestType device{DeviceOptions{}};
  for (const auto& [V, W] : {std::pair{1, 1}, {64, 10}, {300, 33}}) {
    CAPTURE(V, W);
    const size_t width = static_cast<size_t>(W), rows = 9;
    auto table = random_values(static_cast<size_t>(V) * width, 8);
    auto x = random_values(rows * width, 9);
    const size_t twin = static_cast<size_t>(V) / 2;  // stored twice: the first of them is chosen
    std::copy_n(table.begin() + static_cast<ptrdiff_t>(twin * width), width,
                table.end() - static_cast<ptrdiff_t>(width));
    std::copy_n(table.begin() + static_cast<ptrdiff_t>(twin * width), width, x.begin());
    x.back() = std::numeric_limits<float>::quiet_NaN();
    const Tensor host{.data = table.data(), .dtype = DType::f32, .shape = Shape{V, W}};
    const std::vector<int32_t> before(rows * 3, 77);
    Reference reference{DeviceOptions{}};
    auto want = before;
    auto rest = x;
    reference.nearest_code(want.data(), rest.data(), host, 3, 1, static_cast<int>(rows));
    Bench<TestType> bench(device);
    int32_t* codes = bench.put(before);
    float* residual = bench.put(x);
    device.nearest_code(codes, residual, device.place(host), 3, 1, static_cast<int>(rows));
    CHECK(bench.get(codes, want.size()) == want);
    CHECK(want[1] == static_cast<int32_t>(twin));
    CHECK(want.back() == 77);
    CHECK(want[want.size() - 2] == -1);
    const auto got = bench.get(residual, x.size());
    CHECK(std::equal(got.begin(), got.end() - W, rest.begin()));  // the last row holds the NaN
    CHECK(std::isnan(got.back()));
  }
}
