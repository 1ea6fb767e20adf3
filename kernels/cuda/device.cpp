// The type Cuda: opening a GPU, memory, graphs, published progress; the operations forward to the .cu files.
#include "kernels/cuda/context.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#if !defined(TTS_CUDA_ARCHITECTURES)
#define TTS_CUDA_ARCHITECTURES "90"
#endif

namespace tts {

void check_cuda(cudaError_t error, const char* expression, const char* file, int line) {
  if (error == cudaSuccess) return;
  throw Error(Exit::device, "{}:{}: {}: {}: {}", file, line, expression, cuda_status(cudaGetErrorName(error)),
              cuda_status(cudaGetErrorString(error)));
}

namespace {

constexpr int64_t kScratchShare{8192};  // of the device's memory: 1 MiB of 8 GiB, 16 MiB of 128
constexpr int64_t kArrivals{1 << 16};
constexpr int64_t kFetchBytes{1 << 18};  // a call of 16 frames is 123 KB of samples
// of the device's memory for each part of the prefill's room: 16 MiB of 8 GiB
constexpr int64_t kGemmShare{512};

std::string version_text(int version) { return format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

// ---- opening ------------------------------------------------------------------------------------

// Everything that must hold before the first byte of a model is read.
void Cuda::State::find_gpu(int gpu) {
  int devices = 0, driver = 0, runtime = 0;
  cuda_status(cudaRuntimeGetVersion(&runtime));
  const cudaError_t driver_error = cuda_status(cudaDriverGetVersion(&driver));
  check(driver_error == cudaSuccess && driver > 0, Exit::device,
        "cuda: driver: expected an NVIDIA driver for CUDA {}, found none; install it, or choose --device cpu",
        version_text(runtime));
  const cudaError_t error = cuda_status(cudaGetDeviceCount(&devices));
  check(error == cudaSuccess && devices > 0, Exit::device,
        "cuda: device: expected a GPU, found none ({}; driver for CUDA {}, this binary was built with CUDA "
        "{}); choose --device cpu",
        error == cudaSuccess ? "0 devices" : cuda_status(cudaGetErrorName(error)), version_text(driver),
        version_text(runtime));
  check(gpu >= 0 && gpu < devices, Exit::device,
        "cuda: device {}: expected an index below {}, the number of GPUs found", gpu, devices);
  cuda_call(cudaSetDevice(gpu));
  cuda_call(cudaGetDeviceProperties(&properties, gpu));
  index = gpu;
  check(properties.cooperativeLaunch != 0 && properties.major >= 8, Exit::device,
        "cuda: {}: expected compute capability 8.0 or newer (this binary holds {}), found {}.{}; choose "
        "--device cpu",
        properties.name, TTS_CUDA_ARCHITECTURES, properties.major, properties.minor);
  const cudaError_t code = cuda::find_code();
  check(code == cudaSuccess, Exit::device,
        "cuda: {}: expected code for compute capability {}.{}, this binary holds {} ({}); build it with "
        "-D CMAKE_CUDA_ARCHITECTURES={}{}",
        properties.name, properties.major, properties.minor, TTS_CUDA_ARCHITECTURES,
        cuda_status(cudaGetErrorName(code)), properties.major, properties.minor);
}

void Cuda::State::open_queue(Queue& q, int priority, int64_t scratch_bytes) {
  cuda_call(cudaStreamCreateWithPriority(&q.stream, cudaStreamNonBlocking, priority));
  q.counters = &counters;
  q.multiprocessors = properties.multiProcessorCount;
  q.early = properties.major >= 9 && switches.on(Ablate::early_launch);
  q.scratch = static_cast<float*>(take(scratch_bytes));
  q.scratch_bytes = scratch_bytes;
  q.arrivals = static_cast<unsigned*>(take((kArrivals + 2) * 4));
  q.arrival_count = kArrivals;
  cuda_call(cudaMemsetAsync(q.arrivals, 0, (kArrivals + 2) * 4, q.stream));
}

// 32 MiB of workspace is what the library's algorithms for Hopper ask for at most; the rows of one block of
// the prefill and the gate and up of the larger published model fit the other 32.
void Cuda::State::open_gemm(bool rounded) {
  if (!switches.on(Ablate::library_prefill)) return;
  gemm.library = cuda::open_library();
  gemm.rounded = rounded;
  const int64_t share = static_cast<int64_t>(properties.totalGlobalMem) / kGemmShare;
  gemm.room_bytes = gemm.workspace_bytes = std::clamp<int64_t>(share / 256 * 256, 1 << 20, 32 << 20);
  gemm.room = static_cast<std::byte*>(take(gemm.room_bytes));
  gemm.workspace = take(gemm.workspace_bytes);
}

void Cuda::State::open(const DeviceOptions& options) {
  switches = options.switches, codec_tf32 = options.codec_tf32;
  find_gpu(options.index);
  int least = 0, greatest = 0;
  cuda_call(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  const int64_t share = static_cast<int64_t>(properties.totalGlobalMem) / kScratchShare;
  const int64_t scratch = std::clamp<int64_t>(share, 1 << 20, 16 << 20);
  open_queue(first, greatest, scratch);  // the frame has no slack, the codec has
  open_queue(second, least, scratch);
  open_gemm(options.round_activations);
  for (cudaEvent_t* event : {&uploads[0].done, &uploads[1].done, &job_done}) {
    cuda_call(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  }
  void* pinned = nullptr;
  cuda_call(cudaHostAlloc(&pinned, kSlots * sizeof(cuda::Published), cudaHostAllocDefault));
  ++counters.allocations;
  std::memset(pinned, 0, kSlots * sizeof(cuda::Published));
  published = static_cast<cuda::Published*>(pinned);
  reserve_fetch(kFetchBytes);
  epochs = static_cast<uint32_t*>(take(kSlots * 4));
  cuda_call(cudaMemsetAsync(epochs, 0, kSlots * 4, first.stream));
  note_upload(first);
}

// A failure here has been reported by the operation that caused it.
void Cuda::State::close() {
  for (const Graph& graph : graphs) cuda_status(cudaGraphExecDestroy(graph.exec));
  for (Queue* q : {&first, &second}) {
    if (q->stream) cuda_status(cudaStreamSynchronize(q->stream));
  }
  for (const auto& [at, bytes] : memory) {
    if (!pool.give(at)) cuda_status(cudaFree(at));
  }
  if (pool.memory()) cuda_status(cudaFree(pool.memory()));
  if (published) cuda_status(cudaFreeHost(published));
  if (fetch_room) cuda_status(cudaFreeHost(fetch_room));
  for (cudaEvent_t event : {uploads[0].done, uploads[1].done, job_done, begun, ended}) {
    if (event) cuda_status(cudaEventDestroy(event));
  }
  for (Queue* q : {&first, &second}) {
    if (q->stream) cuda_status(cudaStreamDestroy(q->stream));
  }
}

Cuda::Cuda(const DeviceOptions& options) : state_(std::make_shared<State>()), queue_(&state_->first) {
  state_->open(options);
  beside_.reset(new Cuda(state_));
}

Cuda::Cuda(std::shared_ptr<State> state) : state_(std::move(state)), queue_(&state_->second) {}

// ---- memory -------------------------------------------------------------------------------------

void* Cuda::State::ask_driver(int64_t bytes) {
  void* at = nullptr;
  const size_t wanted = static_cast<size_t>(std::max<int64_t>(bytes, 16));
  const cudaError_t error = cuda_status(cudaMalloc(&at, wanted));
  if (error == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    cuda_status(cudaGetLastError());
    cuda_status(cudaMemGetInfo(&free, &total));
    throw Error(Exit::device,
                "{}: memory: expected {} free bytes, found {} of {}; use a smaller model or --quant int8, or "
                "free the GPU",
                properties.name, wanted, free, total);
  }
  cuda_call(error);
  ++counters.allocations;
  memory_bytes += bytes;
  return at;
}

void* Cuda::State::take(int64_t bytes) {
  void* at = pool.take(bytes);
  if (at == nullptr) at = ask_driver(bytes);
  memory[at] = bytes;
  return at;
}

void Cuda::reserve(int64_t bytes) {
  State& s = *state_;
  check(s.pool.memory() == nullptr, Exit::internal, "cuda: expected one plan, got another");
  s.pool = cuda::Pool(s.ask_driver(bytes), bytes);
}

void Cuda::State::note_upload(const Queue& q) {
  if (recording) return;
  Upload& upload = uploads[&q == &second];
  cuda_call(cudaEventRecord(upload.done, q.stream));
  upload.awaited = true;
}

void Cuda::State::order_behind_uploads(Queue& q) {
  Upload& other = uploads[&q == &first];
  if (!other.awaited || recording) return;
  cuda_call(cudaStreamWaitEvent(q.stream, other.done, 0));
  other.awaited = false;
}

Queue& Cuda::queue() {
  state_->order_behind_uploads(*queue_);
  return *queue_;
}

void* Cuda::allocate(int64_t bytes) {
  void* at = state_->take(bytes);
  zero(at, bytes);
  return at;
}

void Cuda::release(void* memory) {
  if (memory == nullptr) return;
  State& s = *state_;
  const auto found = s.memory.find(memory);
  check(found != s.memory.end(), Exit::internal, "cuda: released memory that was not allocated");
  const int64_t bytes = found->second;
  // Work may still be queued that reads it, and recorded graphs may hold its address. Destructors come here:
  // a context that a kernel has ended is reported by the operation that meets it, not by giving memory back.
  bool alive = true;
  for (const Queue* q : {&s.first, &s.second})
    alive = cuda_status(cudaStreamSynchronize(q->stream)) == cudaSuccess && alive;
  if (alive) s.forget_graphs();
  const auto* begin = static_cast<std::byte*>(memory);
  std::erase_if(s.slots, [&](const auto& slot) {
    const auto* at = reinterpret_cast<const std::byte*>(slot.first);
    return at >= begin && at < begin + bytes;
  });
  s.memory.erase(found);
  if (s.pool.give(memory)) return;
  s.memory_bytes -= bytes;
  const cudaError_t error = cuda_status(cudaFree(memory));
  if (alive) cuda_call(error);
}

void Cuda::zero(void* to, int64_t bytes) {
  if (bytes == 0) return;
  cuda_call(cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), queue().stream));
  state_->reset_cursors(to, bytes);
  state_->note_upload(*queue_);
}

void Cuda::upload(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  cuda_call(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, queue().stream));
  ++state_->counters.copies;
  state_->reset_cursors(to, bytes);
  state_->note_upload(*queue_);
}

void Cuda::copy(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  cuda_call(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, queue().stream));
}

void Cuda::download(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  cuda_call(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, queue().stream));
  cuda_call(cudaStreamSynchronize(queue_->stream));
  ++state_->counters.copies;
  ++state_->counters.syncs;
}

Tensor Cuda::place(const Tensor& tensor) {
  if (!tensor) return {};
  const int64_t bytes = byte_size(tensor.dtype, tensor.shape);
  const int64_t count = tensor.dtype == DType::int8_rows     ? tensor.rows()
                        : tensor.dtype == DType::int4_blocks ? tensor.rows() * tensor.columns() / 32
                                                             : 0;
  const int64_t scales_at = (bytes + 255) / 256 * 256;
  auto* at = static_cast<std::byte*>(state_->take(checked_add(scales_at, count * 4, "weights")));
  Tensor placed = tensor;
  upload(at, tensor.data, bytes);
  placed.data = at;
  if (count > 0) {
    upload(at + scales_at, tensor.scales, count * 4);
    placed.scales = reinterpret_cast<const float*>(at + scales_at);
  }
  return placed;
}

// ---- progress -----------------------------------------------------------------------------------

Cuda::State::Slot& Cuda::State::slot_of(const Cursor* cursor) {
  const auto found = slots.find(cursor);
  if (found != slots.end()) return found->second;
  bool used[kSlots] = {};
  for (const auto& [other, slot] : slots) used[slot.index] = true;
  int free = 0;
  while (free < kSlots && used[free]) ++free;
  check(free < kSlots, Exit::internal, "cuda: expected at most {} cursors, got one more", kSlots);
  Slot& slot = slots[cursor];
  slot.index = free;
  slot.epoch = published[free].epoch + 1;
  cuda_call(cudaMemcpyAsync(epochs + free, &slot.epoch, 4, cudaMemcpyHostToDevice, first.stream));
  ++counters.copies;
  return slot;
}

void Cuda::State::reset_cursors(const void* begin, int64_t bytes) {
  const auto* from = static_cast<const std::byte*>(begin);
  for (auto& [cursor, slot] : slots) {
    const auto* at = reinterpret_cast<const std::byte*>(cursor);
    if (at < from || at >= from + bytes) continue;
    ++slot.epoch;
    slot.newest = {};
    cuda_call(cudaMemcpyAsync(epochs + slot.index, &slot.epoch, 4, cudaMemcpyHostToDevice, first.stream));
    ++counters.copies;
  }
}

void Cuda::publish(const Cursor* cursor) {
  State& s = *state_;
  const int index = s.slot_of(cursor).index;
  cuda::publish(queue(), s.published + index, cursor, s.epochs + index);
}

Cursor Cuda::peek(const Cursor* cursor) {
  State& s = *state_;
  // also where a failed kernel is reported
  const cudaError_t error = cuda_status(cudaStreamQuery(s.first.stream));
  if (error != cudaErrorNotReady) cuda_call(error);
  State::Slot& slot = s.slot_of(cursor);
  const volatile cuda::Published& shown = s.published[slot.index];
  const uint32_t after = shown.after;
  std::atomic_thread_fence(std::memory_order_acquire);
  const Cursor seen{shown.cursor.position, shown.cursor.frame, shown.cursor.tokens, shown.cursor.finish,
                    shown.cursor.fault};
  const uint32_t epoch = shown.epoch;
  std::atomic_thread_fence(std::memory_order_acquire);
  if (shown.before == after && epoch == slot.epoch) slot.newest = seen;
  return slot.newest;
}

// ---- graphs and the second stream ---------------------------------------------------------------

void Cuda::State::forget_graphs() {
  for (const Graph& graph : graphs) cuda_call(cudaGraphExecDestroy(graph.exec));
  graphs.clear();
}

bool Cuda::begin_replay(uint64_t key) {
  State& s = *state_;
  if (queue_ == &s.second) key = ~key;  // what is recorded holds the scratch of its stream
  for (auto graph = s.graphs.begin(); graph != s.graphs.end(); ++graph) {
    if (graph->key != key) continue;
    s.graphs.splice(s.graphs.begin(), s.graphs, graph);
    cuda_call(cudaGraphLaunch(graph->exec, queue().stream));
    ++s.counters.graph_replays;
    s.counters.launches += graph->nodes;
    return false;
  }
  cuda_call(cudaStreamBeginCapture(queue().stream, cudaStreamCaptureModeThreadLocal));
  s.recording = true;
  s.launches_before = s.counters.launches;
  return true;
}

void Cuda::abandon_replay() {
  State& s = *state_;
  cudaGraph_t graph = nullptr;
  cuda_status(cudaStreamEndCapture(queue_->stream, &graph));
  if (graph) cuda_status(cudaGraphDestroy(graph));
  s.recording = false;
  s.counters.launches = s.launches_before;
}

void Cuda::end_replay(uint64_t key) {
  State& s = *state_;
  s.recording = false;
  s.counters.launches = s.launches_before;
  cudaGraph_t graph = nullptr;
  cuda_call(cudaStreamEndCapture(queue_->stream, &graph));
  size_t nodes = 0;
  cuda_call(cudaGraphGetNodes(graph, nullptr, &nodes));
  cudaGraphExec_t exec = nullptr;
  cuda_call(cudaGraphInstantiate(&exec, graph, 0));
  cuda_call(cudaGraphDestroy(graph));
  s.graphs.push_front({queue_ == &s.second ? ~key : key, exec, static_cast<int64_t>(nodes)});
  if (s.graphs.size() > State::kGraphs) {
    cuda_call(cudaGraphExecDestroy(s.graphs.back().exec));
    s.graphs.pop_back();
  }
  begin_replay(key);
}

void Cuda::start(void (*job)(void*), void* argument) {
  job(argument);
  cuda_call(cudaEventRecord(state_->job_done, state_->second.stream));
}

bool Cuda::job_runs() {
  const cudaError_t error = cuda_status(cudaEventQuery(state_->job_done));
  if (error != cudaErrorNotReady) cuda_call(error);
  return error == cudaErrorNotReady;
}

void Cuda::finish() {
  if (!job_runs()) return;
  cuda_call(cudaEventSynchronize(state_->job_done));
  ++state_->counters.syncs;
}

void Cuda::State::reserve_fetch(int64_t bytes) {
  if (bytes <= fetch_capacity) return;
  if (fetch_room) cuda_call(cudaFreeHost(std::exchange(fetch_room, nullptr)));
  fetch_capacity = 0;
  cuda_call(cudaHostAlloc(&fetch_room, static_cast<size_t>(bytes), cudaHostAllocDefault));
  ++counters.allocations;
  fetch_capacity = bytes;
}

void Cuda::reserve_fetch(int64_t bytes) { state_->reserve_fetch(bytes); }

void Cuda::fetch(const void* from, int64_t bytes) {
  State& s = *state_;
  check(bytes <= s.fetch_capacity, Exit::internal, "cuda: a fetch of {} bytes, reserved are {}", bytes,
        s.fetch_capacity);
  cuda_call(cudaMemcpyAsync(s.fetch_room, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                            queue().stream));
  ++s.counters.copies;
}

void Cuda::fetched(void* to, int64_t bytes) {
  std::memcpy(to, state_->fetch_room, static_cast<size_t>(bytes));
}

void Cuda::set_bulk(bool on) { state_->in_bulk = on; }
bool Cuda::goes_in_bulk(int rows) const { return state_->in_bulk && rows >= cuda::kBulkRows; }

// ---- operations ---------------------------------------------------------------------------------

void Cuda::linear(float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act) {
  cuda::linear(queue(), y, x, w, bias, rows, act);
}
void Cuda::linear_add(float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                      int rows) {
  if (goes_in_bulk(rows) && !bias && !scale && cuda::linear_add_in_bulk(state_->gemm, queue(), y, x, w, rows))
    return;
  cuda::linear_add(queue(), y, x, w, bias, scale, rows);
}
void Cuda::qkv(float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows) {
  if (goes_in_bulk(rows) && cuda::qkv_in_bulk(state_->gemm, queue(), y, x, norm, w, rows)) return;
  cuda::qkv(queue(), y, x, norm, w, rows);
}
void Cuda::gated(float* y, const float* x, const Norm& norm, const Tensor& gate, const Tensor& up, int rows) {
  if (goes_in_bulk(rows) && cuda::gated_in_bulk(state_->gemm, queue(), y, x, norm, gate, up, rows)) return;
  cuda::gated(queue(), y, x, norm, gate, up, rows);
}
void Cuda::norm(float* y, const float* x, const Norm& norm, int rows) {
  cuda::norm(queue(), y, x, norm, rows);
}
void Cuda::attend(float* y, const float* x, const Tensor& q_norm, const Tensor& k_norm, const KvCache& cache,
                  const Heads& heads, const int32_t* position, int rows) {
  cuda::attend(queue(), y, x, {q_norm, k_norm}, cache, heads, position, rows);
}
void Cuda::embed(float* y, const int32_t* ids, const Tensor& table, int rows) {
  cuda::embed(queue(), y, ids, table, rows);
}
void Cuda::embed_add(float* y, const int32_t* ids, const Tensor& table, int rows) {
  cuda::embed_add(queue(), y, ids, table, rows);
}
void Cuda::sum_codes(float* y, const int32_t* codes, const Tensor* tables, int groups, int rows) {
  cuda::sum_codes(queue(), y, codes, tables, groups, rows);
}
void Cuda::embed_code(float* y, const SampleState& state, int group, const Tensor& table) {
  cuda::embed_code(queue(), y, state, group, table);
}
void Cuda::next_row(float* y, const SampleState& state, const Tensor* tables, const float* text,
                    int text_rows) {
  cuda::next_row(queue(), y, state, tables, text, text_rows);
}
void Cuda::sample(const SampleState& state, const float* logits, int group, int V) {
  cuda::sample(queue(), state, logits, group, V);
}
bool Cuda::predict(const PredictorFrame& frame) { return cuda::predict(queue(), frame); }
void Cuda::conv(float* y, const float* x, const Conv& conv, float* history, int rows) {
  cuda::conv(queue(), y, x, conv, history, rows, false);
}
void Cuda::conv_add(float* y, const float* x, const Conv& conv, float* history, int rows) {
  cuda::conv(queue(), y, x, conv, history, rows, true);
}
void Cuda::depthwise(float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
                     int rows) {
  cuda::depthwise(queue(), y, x, weight, bias, history, rows);
}
void Cuda::clamp(float* y, const float* x, int n) { cuda::clamp(queue(), y, x, n); }
void Cuda::advance(int32_t* counter, int n) { cuda::advance(queue(), counter, n); }
void Cuda::unfold(float* y, const float* x, const float* add, const Neighbours& neighbours, int rows) {
  cuda::unfold(queue(), y, x, add, neighbours, rows);
}
void Cuda::insert(float* y, const float* x, const Columns& columns, int rows) {
  cuda::insert(queue(), y, x, columns, rows);
}
void Cuda::pool(float* y, const float* x, const float* scores, int C, int rows) {
  cuda::pool(queue(), y, x, scores, C, rows);
}
void Cuda::add_scaled(float* y, const float* x, const float* scale, int C, int rows) {
  cuda::add_scaled(queue(), y, x, scale, C, rows);
}
void Cuda::nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows) {
  cuda::nearest_code(queue(), codes, x, table, groups, group, rows);
}

}  // namespace tts
