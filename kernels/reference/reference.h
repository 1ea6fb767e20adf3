// The device `reference`: the plainest loops next to the specification. Slow, obvious, and the truth the
// others are compared with. Sums are taken in f64 and rounded to f32 once, where an operation hands its
// result over.
#pragma once

#include "kernels/host_memory.h"
#include "kernels/ops.h"

namespace tts {

class Reference {
 public:
  explicit Reference(const DeviceOptions& options) : switches_(options.switches) {}

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

  Tensor place(const Tensor& tensor) { return tensor; }
  void* allocate(int64_t bytes);
  void release(void* memory) { memory_.release(memory); }
  void zero(void* to, int64_t bytes);
  void upload(void* to, const void* from, int64_t bytes);
  void copy(void* to, const void* from, int64_t bytes);
  void download(void* to, const void* from, int64_t bytes);
  void publish(const Cursor*) {}
  Cursor peek(const Cursor* cursor) { return *cursor; }

  static constexpr bool kHostMemory{true};
  static std::string_view kind() { return "reference"; }
  std::string name() const { return processor_name() + ", plain loops"; }
  int threads() const { return 1; }
  int64_t memory_bytes() const { return memory_.bytes(); }
  Counters counters() const { return counters_; }
  const Switches& switches() const { return switches_; }

 private:
  Switches switches_;
  HostMemory memory_;
  Counters counters_;
};

}  // namespace tts
