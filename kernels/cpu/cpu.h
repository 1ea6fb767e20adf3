// The device `cpu`: kernels for every instruction-set level from one source each, chosen when the device is
// made; a fixed pool of threads. Start at matvec.cpp for the matrices, conv.cpp for the codec, pool.h for the
// threads.
//
// Results of one level are the same bits for any number of rows per call, of calls and of threads. Levels
// differ from each other by rounding. One thread uses a device at a time.
#pragma once

#include "kernels/cpu/levels.h"
#include "kernels/cpu/pool.h"
#include "kernels/host_memory.h"
#include "kernels/ops.h"

#include <memory>

namespace tts {

// Memory that grows to the largest request and stays: no allocation once every operation has run.
class GrowingMemory {
 public:
  template <class T>
  T* get(int64_t count) {
    return static_cast<T*>(grow(checked_mul(count, sizeof(T), "workspace")));
  }
  int64_t bytes() const { return bytes_; }

 private:
  void* grow(int64_t bytes);
  HostMemory memory_;
  void* block_ = nullptr;
  int64_t bytes_ = 0;
};

struct Ceilings {  // of this machine with the threads and vectors of one device
  double gflop_s = 0, gb_s = 0;
};

class Cpu {
 public:
  explicit Cpu(const DeviceOptions& options);
  static std::vector<std::string_view> levels();  // that this processor has

  void linear(float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act);
  void linear_add(float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                  int rows);
  void qkv(float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows);
  void gated(float* y, const float* x, const Norm& norm, const Tensor& gate, const Tensor& up, int rows);
  void norm(float* y, const float* x, const Norm& norm, int rows);

  void attend(float* y, const float* x, const Tensor& q_norm, const Tensor& k_norm, const KvCache& cache,
              const Heads& heads, const int32_t* position, int rows);

  void embed(float* y, const int32_t* ids, const Tensor& table, int rows);
  void embed_add(float* y, const int32_t* ids, const Tensor& table, int rows);
  void sum_codes(float* y, const int32_t* codes, const Tensor* tables, int groups, int rows);
  void embed_code(float* y, const SampleState& state, int group, const Tensor& table);
  void next_row(float* y, const SampleState& state, const Tensor* tables, const float* text, int text_rows);

  void sample(const SampleState& state, const float* logits, int group, int V);

  void conv(float* y, const float* x, const Conv& conv, float* history, int rows);
  void conv_add(float* y, const float* x, const Conv& conv, float* history, int rows);
  void depthwise(float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
                 int rows);
  void clamp(float* y, const float* x, int n);

  void unfold(float* y, const float* x, const float* add, const Neighbours& neighbours, int rows);
  void insert(float* y, const float* x, const Columns& columns, int rows);
  void pool(float* y, const float* x, const float* scores, int C, int rows);
  void add_scaled(float* y, const float* x, const float* scale, int C, int rows);
  void nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows);

  void advance(int32_t* counter, int n) { *counter += n; }

  // Convolution weights are packed for the level, the rest stays where it is.
  Tensor place(const Tensor& tensor);
  // For a convolution with a period: for minimal filtering (minimal_filter.cpp) where that is possible.
  Tensor place_periodic(const Tensor& weight);
  void* allocate(int64_t bytes);
  void release(void* memory) { memory_.release(memory); }
  void zero(void* to, int64_t bytes);
  void upload(void* to, const void* from, int64_t bytes);
  void copy(void* to, const void* from, int64_t bytes);
  void download(void* to, const void* from, int64_t bytes);
  void publish(const Cursor*) {}
  Cursor peek(const Cursor* cursor) { return *cursor; }

  static constexpr bool kHostMemory{true};
  // Where the arithmetic of so many rows takes about as long as the memory brings the weights.
  static constexpr int rows_at_once(DType weights) { return weights == DType::int8_rows ? 6 : 4; }
  static std::string_view kind() { return "cpu"; }
  std::string name() const { return processor_name() + ", " + std::string(str(level_)); }
  int threads() const { return team_.threads(); }
  int64_t memory_bytes() const {
    int64_t bytes = memory_.bytes() + normed_.bytes() + scores_.bytes();
    bytes += window_.bytes() + parts_.bytes();
    for (const GrowingMemory& rows : rows_) bytes += rows.bytes();
    return bytes + (beside_ ? beside_->memory_bytes() : 0);
  }
  Counters counters() const { return counters_; }
  const Switches& switches() const { return switches_; }

  // Two things at once: a second device with scratch of its own on the same threads and memory (with one
  // thread: this one), and a job that uses it beside what is called here next. finish() throws what the job
  // threw.
  Cpu& beside() { return beside_ ? *beside_ : *this; }
  void start(Pool::Job job, void* argument) { team_.pool().start(job, argument); }
  bool job_runs() const { return team_.pool().job_runs(); }
  void finish() { team_.pool().finish(); }

  Ceilings measure_ceilings();  // takes about two seconds

 private:
  Cpu(const Cpu& first, int lane);  // the one beside it
  void convolve(float* y, const float* x, const Conv& conv, float* history, int rows, bool add);
  void direct(float* y, const float* window, const Conv& conv, int64_t outputs, bool add);
  void filter(float* y, const float* window, const Conv& conv, int64_t rows, bool add);
  static int64_t filter_rows(const Conv& conv);  // how many at a time
  // weight[..][in][out] as panels of `columns` output channels, [rows][in][width] each, by `pack`.
  struct Panels {
    int64_t rows;  // taps, or points
    int columns, lanes;
    void (*pack)(float* panel, const Tensor& weight, int64_t column);
  };
  Tensor in_panels(const Tensor& weight, const Panels& panels);

  Switches switches_;
  Level level_;
  Team team_;
  std::unique_ptr<Cpu> beside_;
  HostMemory memory_;
  Counters counters_;
  GrowingMemory normed_;  // rows after a norm
  GrowingMemory rows_[3];  // rows quantised for a product: one per format of its matrices
  GrowingMemory scores_;  // of attention, per thread
  GrowingMemory window_;  // activated input rows of a convolution with their history
  GrowingMemory parts_;   // what minimal filtering makes of them
};

}  // namespace tts
