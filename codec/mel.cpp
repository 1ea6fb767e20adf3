// Log-mel front end of the speaker encoder (spec/speaker-encoder.md section 4).
//
//   samples -> reflected by 384 at both ends -> windows of 1024 every 256 -> FFT -> magnitudes -> mel bank ->
//   ln
//
// In double precision: a filter high above the voice holds 1e-4 of the energy of a window and less, and the
// error of a single-precision transform, relative to the whole window, would be 1 % of its logarithm.
#include "codec/codec.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tts {

namespace {

constexpr int kWindow{1024};
constexpr int kPadding{(kWindow - kMelHop) / 2};
constexpr int kBins{kWindow / 2 + 1};
constexpr double kTopHz{12000};
constexpr double kMagnitudeFloor{1e-9};  // added under the root
constexpr double kMelFloor{1e-5};

// Two real windows at once, as the real and the imaginary part of one complex transform.
class Fft {
 public:
  Fft() {
    for (int i = 0; i < kWindow / 2; ++i) {
      const double angle = -2 * std::numbers::pi * i / kWindow;
      cos_[i] = std::cos(angle), sin_[i] = std::sin(angle);
    }
    for (int i = 0; i < kWindow; ++i) {
      int reversed = 0;
      for (int bit = 1, from = kWindow / 2; bit < kWindow; bit *= 2, from /= 2)
        reversed |= (i & bit) ? from : 0;
      order_[i] = reversed;
    }
  }

  // re, im [kWindow] in place
  void transform(double* re, double* im) const {
    for (int i = 0; i < kWindow; ++i) {
      if (i < order_[i]) std::swap(re[i], re[order_[i]]), std::swap(im[i], im[order_[i]]);
    }
    for (int half = 1; half < kWindow; half *= 2) {
      const int step = kWindow / (2 * half);
      for (int begin = 0; begin < kWindow; begin += 2 * half) {
        for (int i = 0; i < half; ++i) butterfly(re, im, begin + i, begin + i + half, i * step);
      }
    }
  }

 private:
  void butterfly(double* re, double* im, int a, int b, int twiddle) const {
    const double r = re[b] * cos_[twiddle] - im[b] * sin_[twiddle];
    const double i = re[b] * sin_[twiddle] + im[b] * cos_[twiddle];
    re[b] = re[a] - r, im[b] = im[a] - i;
    re[a] += r, im[a] += i;
  }

  double cos_[kWindow / 2], sin_[kWindow / 2];
  int order_[kWindow];
};

// Slaney's scale: linear below 1 kHz, logarithmic above.
const double kLogStep = std::log(6.4) / 27;
double mel_of(double hz) { return hz < 1000 ? 3 * hz / 200 : 15 + std::log(hz / 1000) / kLogStep; }
double hz_of(double mel) { return mel < 15 ? 200 * mel / 3 : 1000 * std::exp(kLogStep * (mel - 15)); }

struct Filter {
  int first_bin;
  std::vector<float> weights;  // stored in single precision, as the official bank
};

// Triangles between neighbouring points, of equal area.
std::vector<Filter> mel_bank(int mels, int sample_rate) {
  std::vector<double> points(static_cast<size_t>(mels) + 2);
  for (size_t i = 0; i < points.size(); ++i)
    points[i] = hz_of(static_cast<double>(i) * mel_of(kTopHz) / (mels + 1));
  std::vector<Filter> bank;
  for (size_t i = 0; i < static_cast<size_t>(mels); ++i) {
    const double left = points[i], middle = points[i + 1], right = points[i + 2];
    Filter filter{kBins, {}};
    for (int k = 0; k < kBins; ++k) {
      const double hz = static_cast<double>(k) * sample_rate / kWindow;
      const double height = std::min((hz - left) / (middle - left), (right - hz) / (right - middle));
      if (height <= 0) continue;
      filter.first_bin = std::min(filter.first_bin, k);
      filter.weights.push_back(static_cast<float>(height * 2 / (right - left)));
    }
    bank.push_back(std::move(filter));
  }
  return bank;
}

void mel_row(float* out, const double* magnitude, const std::vector<Filter>& bank) {
  for (const Filter& filter : bank) {
    double sum = 0;
    for (size_t k = 0; k < filter.weights.size(); ++k) {
      sum += static_cast<double>(filter.weights[k]) * magnitude[static_cast<size_t>(filter.first_bin) + k];
    }
    *out++ = static_cast<float>(std::log(std::max(sum, kMelFloor)));
  }
}

}  // namespace

std::vector<float> log_mel(std::span<const float> samples, const SpeakerEncoderConfig& config) {
  const int64_t count = static_cast<int64_t>(samples.size()), rows = count / kMelHop;
  check(count > kPadding, Exit::bad_input, "log-mel: expected more than {} samples, got {}", kPadding, count);
  const auto reflected = [&](int64_t at) {  // the sample at the edge is not repeated
    if (at < 0) at = -at;
    if (at >= count) at = 2 * (count - 1) - at;
    return static_cast<double>(samples[static_cast<size_t>(at)]);
  };
  double hann[kWindow];
  for (int i = 0; i < kWindow; ++i) hann[i] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / kWindow);
  const Fft fft;
  const std::vector<Filter> bank = mel_bank(config.mels, config.sample_rate);

  std::vector<float> mel(static_cast<size_t>(rows * config.mels));
  double re[kWindow], im[kWindow], first[kBins], second[kBins];
  for (int64_t row = 0; row < rows; row += 2) {
    for (int i = 0; i < kWindow; ++i) {
      const int64_t at = row * kMelHop + i - kPadding;
      re[i] = hann[i] * reflected(at);
      im[i] = row + 1 < rows ? hann[i] * reflected(at + kMelHop) : 0;
    }
    fft.transform(re, im);
    for (int k = 0; k < kBins; ++k) {  // the spectra of the two windows are the even and the odd part
      const int m = (kWindow - k) % kWindow;
      const double a = (re[k] + re[m]) / 2, b = (im[k] - im[m]) / 2, c = (im[k] + im[m]) / 2,
                   e = (re[m] - re[k]) / 2;
      first[k] = std::sqrt(a * a + b * b + kMagnitudeFloor);
      second[k] = std::sqrt(c * c + e * e + kMagnitudeFloor);
    }
    mel_row(mel.data() + row * config.mels, first, bank);
    if (row + 1 < rows) mel_row(mel.data() + (row + 1) * config.mels, second, bank);
  }
  return mel;
}

}  // namespace tts
