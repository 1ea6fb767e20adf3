// Weights as stored -> weights as the devices read them. What is used as it is stays where it is (a mapped
// file, on the CPU); what must be rearranged is queued, and finish() rearranges everything on several
// threads: of the 457 MB of the full-size decoder about half.
#pragma once

#include "codec/weights.h"
#include "kernels/arena.h"
#include "kernels/ops.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tts {

using HostFloats = std::unique_ptr<float[]>;

// Device memory with an owner.
template <class D>
struct DeviceMemory {
  D& d;
  void* data;

  DeviceMemory(D& device, int64_t bytes) : d(device), data(d.allocate(bytes)) {}
  ~DeviceMemory() { d.release(data); }
  DeviceMemory(const DeviceMemory&) = delete;
};

// The same elements as a matrix [rows, everything else].
inline Tensor as_matrix(const Tensor& t) {
  Tensor matrix = t;
  matrix.shape = Shape{t.shape[0], element_count(t.shape) / t.shape[0]};
  return matrix;
}

// What a convolution is, from the shape [out, in, taps] of its weight.
template <class Filter>
void set_size(Filter& to, const Tensor& weight) {
  const Shape& s = weight.shape;
  to.out = static_cast<int>(s[0]), to.in = static_cast<int>(s[1]), to.taps = static_cast<int>(s[2]);
}

// Upper bound of what weights take on a device that has its own memory: everything becomes f32 or stays
// smaller, each tensor starts at a multiple of Arena::kAlignment.
template <class Config, class Weights>
int64_t placed_bytes_at_most(const Config& config, Weights views) {
  int64_t bytes = 0;
  views.each(config, [&](const Tensor& tensor, std::string_view, const Shape&) {
    if (!tensor) return;
    const int64_t size = element_count(tensor.shape) * static_cast<int64_t>(sizeof(float));
    bytes += (size + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;
  });
  return bytes;
}

// E[v] = sum[v] / max(usage[v], 1e-5): a lower bound on the count, not an added epsilon.
inline void pack_codebook(float* packed, const Codebook& book) {
  const int64_t width = book.sum.columns();
  for (int64_t v = 0; v < book.sum.rows(); ++v) {
    float* row = packed + v * width;
    widen_row(row, book.sum, v);
    const float usage = std::max(book.usage.f32()[v], 1e-5f);
    for (int64_t i = 0; i < width; ++i) row[i] /= usage;
  }
}

template <class D>
class Packer {
 public:
  // Packed host memory that the device reads in place is moved to `owned`.
  Packer(D& device, std::vector<HostFloats>& owned, bool tf32 = false)
      : d_(device), owned_(owned), tf32_(tf32) {}

  void stored(Tensor& to, const Tensor& from) {
    if (from) to = d_.place(from);
  }
  void matrix(Tensor& to, const Tensor& from) { to = d_.place(as_matrix(from)); }
  void norm(Norm& to, const Tensor& weight, const Tensor& bias, float eps) {
    stored(to.weight, weight);
    stored(to.bias, bias);
    to.eps = eps;
  }

  // Filled later, by another thread; `to` must stay where it is until finish().
  void made(Tensor& to, const Shape& shape, std::function<void(float*)> fill) {
    jobs_.push_back(
        {&to, shape, HostFloats(new float[static_cast<size_t>(element_count(shape))]), std::move(fill)});
  }
  void codebook(Tensor& to, const Codebook& book) {
    made(to, book.sum.shape, [book](float* p) { pack_codebook(p, book); });
  }
  // [out, in, taps] with the dilation, stride and period of `to`
  void conv(Conv& to, const ConvWeights& w) {
    const Shape& s = w.weight.shape;
    set_size(to, w.weight);
    to.tf32 = tf32_;
    made(to.weight, Shape{s[2], s[1], s[0]}, [w](float* p) { pack_conv(p, w.weight); });
    jobs_.back().periodic = to.period > 0;
    stored(to.bias, w.bias);
  }
  // [in, out, stride or 2*stride]: a row of the result is `stride` rows of `out` channels
  void transposed(Conv& to, const ConvWeights& w, int stride) {
    const Shape& s = w.weight.shape;
    const int64_t out = s[1], wide = out * stride;
    to.in = static_cast<int>(s[0]), to.out = static_cast<int>(wide),
    to.taps = static_cast<int>(s[2]) / stride;
    to.tf32 = tf32_;
    made(to.weight, Shape{to.taps, s[0], wide},
         [w, stride](float* p) { pack_transposed(p, w.weight, stride); });
    made(to.bias, Shape{wide}, [w, out, wide](float* p) {
      for (int64_t i = 0; i < wide; ++i) p[i] = w.bias.f32()[i % out];
    });
  }
  void snake(Conv& to, const Snake& act) {
    to.input = Conv::Input::snake;
    stored(to.alpha, act.alpha);
    stored(to.beta, act.beta);
  }

  void finish() {
    std::sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {  // the long ones first
      return element_count(a.shape) > element_count(b.shape);
    });
    run_all();
    for (Job& job : jobs_) {
      const Tensor host{.data = job.values.get(), .dtype = DType::f32, .shape = job.shape};
      *job.to = job.periodic ? place_periodic(d_, host) : d_.place(host);
      if (job.to->data == host.data) owned_.push_back(std::move(job.values));
      job.values.reset();
    }
    jobs_.clear();
  }

 private:
  struct Job {
    Tensor* to;
    Shape shape;
    HostFloats values;
    std::function<void(float*)> fill;
    bool periodic = false;  // the weight of a convolution with a period
  };

  void run_all() {
    std::atomic<size_t> next{0};
    std::exception_ptr failure;
    std::atomic_flag failed;
    const auto work = [&] {
      try {
        for (size_t j = next++; j < jobs_.size(); j = next++) jobs_[j].fill(jobs_[j].values.get());
      } catch (...) {
        if (!failed.test_and_set()) failure = std::current_exception();
      }
    };
    {
      const size_t threads = std::min<size_t>({std::thread::hardware_concurrency(), jobs_.size(), 8});
      std::vector<std::jthread> helpers;
      for (size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
      work();
    }
    if (failure) std::rethrow_exception(failure);
  }

  D& d_;
  std::vector<HostFloats>& owned_;
  bool tf32_;  // of every convolution
  std::vector<Job> jobs_;
};

}  // namespace tts
