// Minimal filtering (Toom and Cook; Winograd): kOutputs outputs of a filter of kTaps taps from kPoints
// products instead of kOutputs * kTaps, 10 for 28.
//
//   y[j] = sum over points i  join(i, j) * product[i],   product[i] = (split of x)[i] * (weight of point)[i]
//
// Filter and inputs are polynomials; the points are where they are evaluated: 0, the pairs +a and -a,
// infinity. The pairs (2/5, 4/5, 5/4, 5/2) lose the fewest digits of some hundred that were tried: 111 dB for
// 192 input channels, where the plain sum has 124.
#pragma once

#include <array>
#include <cstddef>

namespace tts::minimal {

inline constexpr int kOutputs{4}, kTaps{7}, kPairs{4};
inline constexpr int kPoints{kOutputs + kTaps - 1};  // 0; +a, -a of every pair; infinity
inline constexpr std::array<double, kPairs> kPair{0.4, 0.8, 1.25, 2.5};

// Coefficients of the product of (u - a^2) over all pairs but `without` (kPairs: over all), u^0 first.
constexpr std::array<double, kPairs + 1> even_polynomial(size_t without) {
  std::array<double, kPairs + 1> c{1};
  for (size_t pair = 0, degree = 0; pair < kPairs; ++pair) {
    if (pair == without) continue;
    ++degree;
    for (size_t k = degree + 1; k-- > 0;) {
      c[k] = (k > 0 ? c[k - 1] : 0) - kPair[pair] * kPair[pair] * (k < degree ? c[k] : 0);
    }
  }
  return c;
}

// Input l in the part of point i.
constexpr double split(size_t i, size_t l) {
  if (i == 0) return l % 2 == 0 && l / 2 <= kPairs ? even_polynomial(kPairs)[l / 2] : 0;
  if (i == kPoints - 1) return l % 2 == 1 ? even_polynomial(kPairs)[l / 2] : 0;
  if (l == 0 || l > 2 * kPairs) return 0;
  const size_t pair = (i - 1) / 2;
  const double c = even_polynomial(pair)[(l - 1) / 2];
  return l % 2 == 0 ? c : c * (i % 2 == 1 ? kPair[pair] : -kPair[pair]);
}

// Tap k in the weight of point i.
constexpr double weigh(size_t i, size_t k) {
  if (i == 0) return k == 0 ? 1 / even_polynomial(kPairs)[0] : 0;
  if (i == kPoints - 1) return k == kTaps - 1 ? 1 : 0;
  const size_t pair = (i - 1) / 2;
  const double a = kPair[pair], square = a * a;
  double others = 0;  // even_polynomial(pair) at a^2
  for (size_t n = kPairs; n-- > 0;) others = others * square + even_polynomial(pair)[n];
  double power = 1;
  for (size_t n = 0; n < k; ++n) power *= i % 2 == 1 ? a : -a;
  return power / (2 * square * others);
}

// The product of point i in output j.
constexpr double join(size_t i, size_t j) {
  if (i == 0) return j == 0 ? 1 : 0;
  if (i == kPoints - 1) return j == kOutputs - 1 ? 1 : 0;
  double power = 1;
  for (size_t n = 0; n < j; ++n) power *= i % 2 == 1 ? kPair[(i - 1) / 2] : -kPair[(i - 1) / 2];
  return power;
}

}  // namespace tts::minimal
