// The device `cuda`: hand-written kernels on an NVIDIA GPU. The same sources on the host emulation of the
// CUDA execution model are the device `emulator`. Declarations only, no CUDA header: every floor above builds
// with the host compiler alone.
#pragma once

#include "kernels/ops.h"
#include "kernels/switches.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tts {

struct Queue;

class Cuda {
 public:
  explicit Cuda(const DeviceOptions& options);  // Exit::device: what was found and what is needed
  Cuda(const Cuda&) = delete;
  Cuda& operator=(const Cuda&) = delete;

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
  void advance(int32_t* counter, int n);

  void unfold(float* y, const float* x, const float* add, const Neighbours& neighbours, int rows);
  void insert(float* y, const float* x, const Columns& columns, int rows);
  void pool(float* y, const float* x, const float* scores, int C, int rows);
  void add_scaled(float* y, const float* x, const float* scale, int C, int rows);
  void nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows);

  void reserve(int64_t bytes);  // once: what is allocated from now on lies in it as long as there is room
  Tensor place(const Tensor& tensor);
  void* allocate(int64_t bytes);
  void release(void* memory);
  void zero(void* to, int64_t bytes);
  void upload(void* to, const void* from, int64_t bytes);
  void copy(void* to, const void* from, int64_t bytes);
  void download(void* to, const void* from, int64_t bytes);
  void publish(const Cursor* cursor);
  Cursor peek(const Cursor* cursor);

  // The optional operation of ops.h: all passes of the code predictor as one kernel. False: the shapes are
  // not for it.
  bool predict(const PredictorFrame& frame);

  // Records what `body` enqueues the first time and repeats it as one graph from then on. Its arguments are
  // part of the record: a key stands for all of them (pointers, rows).
  template <class Body>
  void replay(uint64_t key, Body&& body) {
    if (!begin_replay(key)) return;
    try {
      body();
    } catch (...) {
      abandon_replay();
      throw;
    }
    end_replay(key);
  }

  // A second device with a stream and scratch of its own on the same memory. What one of the two uploads or
  // zeroes comes before all that the other enqueues afterwards; everything else is ordered by the host, with
  // finish().
  Cuda& beside() { return beside_ ? *beside_ : *this; }
  void start(void (*job)(void*), void* argument);  // job(argument) enqueues work of beside()
  bool job_runs();
  void finish();
  // The results of a job: fetch() at its end sends them to the host, fetched() hands them over after
  // finish().
  void reserve_fetch(int64_t bytes);
  void fetch(const void* from, int64_t bytes);
  void fetched(void* to, int64_t bytes);

  // Products of many rows in `body` may go through a library whose sums depend on how many rows share a call.
  template <class Body>
  void in_bulk(Body&& body) {
    const Bulk scope(*this);
    body();
  }

  bool codec_tf32() const;  // as the options said

  // How long the work of `body` takes on the GPU; waits for it.
  template <class Body>
  double milliseconds(Body&& body) {
    begin_timing();
    body();
    return end_timing();
  }
  struct Ceilings {
    double gflop_s, gb_s;
  };
  Ceilings measure_ceilings();  // f32 by the data sheet's formula, memory by a copy

  static std::string_view kind();  // "cuda" or "emulator"
  std::string name() const;
  int threads() const { return 1; }
  int64_t memory_bytes() const;
  struct Room {
    size_t total, free;
  };
  Room room() const;  // of the GPU, now
  Counters counters() const;
  const Switches& switches() const;

 private:
  struct Bulk {
    explicit Bulk(Cuda& d) : device(d) { device.set_bulk(true); }
    ~Bulk() { device.set_bulk(false); }
    Cuda& device;
  };
  void set_bulk(bool on);
  void begin_timing();
  double end_timing();
  bool goes_in_bulk(int rows) const;
  bool begin_replay(uint64_t key);  // true: the body has to be recorded now
  void end_replay(uint64_t key);
  void abandon_replay();

  struct State;
  explicit Cuda(std::shared_ptr<State> state);  // the one beside it
  Queue& queue();  // behind the uploads of the other one

  std::shared_ptr<State> state_;
  Queue* queue_;
  std::unique_ptr<Cuda> beside_;
};

}  // namespace tts
