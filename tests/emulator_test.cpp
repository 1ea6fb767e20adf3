// The emulated machine itself: every planted fault must be reported, everything else must work as CUDA says.
#include "catch.h"
#include "kernels/cuda/ptx.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <numeric>
#include <vector>

using namespace tts;

namespace {

struct Options {  // restores what a test changes
  emulator::Options before = emulator::options();
  ~Options() { emulator::options() = before; }
};

struct Machine {
  Counters counters;
  Queue queue;
  std::vector<void*> memory;
  Machine() {
    emulator::reset_device();
    cuda_call(cudaStreamCreateWithPriority(&queue.stream, cudaStreamNonBlocking, 0));
    queue.counters = &counters;
  }
  ~Machine() {
    emulator::reset_device();
    for (void* at : memory) cudaFree(at);
    cudaStreamDestroy(queue.stream);
    emulator::reset_device();
  }
  template <class T>
  T* device(const std::vector<T>& values) {
    void* at = nullptr;
    cuda_call(cudaMalloc(&at, values.size() * sizeof(T)));
    memory.push_back(at);
    cuda_call(
        cudaMemcpyAsync(at, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, queue.stream));
    return static_cast<T*>(at);
  }
  template <class T>
  std::vector<T> host(const T* at, size_t n) {
    std::vector<T> values(n);
    cuda_call(cudaMemcpyAsync(values.data(), at, n * sizeof(T), cudaMemcpyDeviceToHost, queue.stream));
    return values;
  }
  // What the machine reports once all queued work is done.
  std::string report() {
    return cudaStreamSynchronize(queue.stream) == cudaSuccess ? "" : cudaGetErrorString(cudaGetLastError());
  }
};

bool contains(const std::string& text, const std::string& part) {
  INFO("report: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

// ---- kernels ------------------------------------------------------------------------------------

// y[0] = sum of x[64]; `barriers` says which of the two barriers are there.
__global__ void sum_kernel(float* y, const float* x, int barriers) {
  Shared<float> partial = shared<float>();
  partial[threadIdx.x] = x[threadIdx.x];
  if (barriers & 1) __syncthreads();
  for (unsigned step = 32; step > 0; step /= 2) {
    if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
    if (barriers & 2) __syncthreads();
  }
  if (threadIdx.x == 0) y[0] = partial[0];
}

__global__ void early_return_kernel(float* y) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}

__global__ void two_barriers_kernel(float* y) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}

__global__ void half_a_warp_kernel(float* y) {
  float v[1] = {1};
  if (threadIdx.x < 16) warp_sum(v);
  __syncthreads();
  y[threadIdx.x] = v[0];
}

__global__ void overrun_kernel(float* y, int at) {
  Shared<float> s = shared<float>();
  s[at] = 1;
  y[0] = s[at];
}

__global__ void never_written_kernel(float* y) {
  Shared<float> s = shared<float>();
  if (threadIdx.x != 7) s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

__global__ void misaligned_kernel(float* y, const float* x, int offset) {
  y[threadIdx.x] = load4(x + offset).x;
}

__global__ void misaligned_shared_kernel(float* y) {
  Shared<float> s = shared<float>();
  for (int i = 0; i < 8; ++i) s[i] = 0;
  y[0] = load4(s + 2).x;
}

__global__ void forgotten_wait_kernel(float* y, const float* x, bool wait) {
  Shared<float> s = shared<float>();
  copy_async(s + 4 * threadIdx.x, x + 4 * threadIdx.x);
  commit_async();
  if (wait) wait_async<0>();
  y[threadIdx.x] = s[4 * threadIdx.x];
  wait_async<0>();
}

__global__ void grid_barrier_kernel(unsigned* arrived, float* y, int missing) {
  y[blockIdx.x * blockDim.x + threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0 && static_cast<int>(blockIdx.x) != missing) {
    add_release(arrived, 1);
    while (load_acquire(arrived) < gridDim.x) wait_a_moment();
  }
  __syncthreads();
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) sum += y[i];
  if (threadIdx.x == 0) y[gridDim.x * blockDim.x + blockIdx.x] = sum;
}

__global__ void warp_kernel(float* y, unsigned* bits) {
  const int lane = static_cast<int>(threadIdx.x);
  float v[2] = {static_cast<float>(lane), 1};
  warp_sum(v);
  y[lane] = v[0] + v[1];
  y[32 + lane] = __shfl_xor_sync(~0u, static_cast<float>(lane), 5);
  y[64 + lane] = __shfl_sync(~0u, static_cast<float>(lane), 9);
  y[96 + lane] = __shfl_down_sync(~0u, static_cast<float>(lane), 3);
  y[128 + lane] = warp_max(static_cast<float>(lane == 4 ? 99 : lane));
  bits[lane] = __ballot_sync(~0u, lane % 3 == 0);
  bits[32 + lane] = __reduce_add_sync(~0u, static_cast<unsigned>(lane));
  bits[64 + lane] = __any_sync(~0u, lane == 31) + 2u * __all_sync(~0u, lane < 31);
}

__global__ void count_kernel(unsigned* counter, unsigned* most) {
  Shared<unsigned> in_block = shared<unsigned>();
  if (threadIdx.x + threadIdx.y == 0) in_block[0] = 0;
  __syncthreads();
  atomicAdd(in_block + 0, 2u);
  __syncthreads();
  atomicAdd(counter, 1u);
  atomicMax(most, in_block[0]);
}

__global__ void add_kernel(float* y, const float* x, float n) { y[threadIdx.x] += x[threadIdx.x] + n; }

struct Pointers {
  int number;
  const float* x;
};
__global__ void struct_kernel(float* y, Pointers p) { y[0] = p.x[0]; }

__global__ void mma_kernel(float* d, const float* a, const float* b) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  float sum[4] = {};
  const float left[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
  const float right[2] = {b[t * 8 + g], b[(t + 4) * 8 + g]};
  mma_tf32(sum, left, right);
  d[g * 8 + 2 * t] = sum[0];
  d[g * 8 + 2 * t + 1] = sum[1];
  d[(g + 8) * 8 + 2 * t] = sum[2];
  d[(g + 8) * 8 + 2 * t + 1] = sum[3];
}

// ---- helpers of the tests -----------------------------------------------------------------------

std::vector<float> counting(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

// Seeds of 100 under which the kernel without these barriers is wrong or reported.
int caught(int barriers, bool check_shared) {
  Options restore;
  emulator::options().check_shared = check_shared;
  int found = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    emulator::options().seed = seed;
    Machine machine;
    float* x = machine.device(counting(64));
    float* y = machine.device(std::vector<float>{0});
    launch(machine.queue, "sum", sum_kernel, {.threads = 64, .shared_bytes = 256}, y, x, barriers);
    found += !machine.report().empty() || machine.host(y, 1)[0] != 64 * 65 / 2;
  }
  return found;
}

template <class Kernel, class... A>
std::string report_of(Kernel kernel, size_t shared_bytes, A... arguments) {
  Machine machine;
  float* y = machine.device(std::vector<float>(64));
  launch(machine.queue, "planted", kernel, {.threads = 64, .shared_bytes = shared_bytes}, y, arguments...);
  return machine.report();
}

// What a child process that runs `body` writes to its standard error, and whether a signal ended it.
std::string dying_words(void (*body)()) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    body();
    _exit(0);
  }
  close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t n = read(ends[0], text.data(), text.size());
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
  return text;
}

}  // namespace

TEST_CASE("a removed barrier shows") {
  CHECK(caught(3, true) == 0);
  CHECK(caught(3, false) == 0);
  for (const int barriers : {0, 1, 2}) {
    INFO("barriers present: " << barriers);
    CHECK(caught(barriers, true) >= 99);   // by the report of the race
    CHECK(caught(barriers, false) >= 99);  // by the order of the threads alone
  }
  Options restore;
  emulator::options().permute = false;  // a kind machine hides the first barrier's absence
  Machine machine;
  emulator::options().check_shared = false;
  float* x = machine.device(counting(64));
  float* y = machine.device(std::vector<float>{0});
  launch(machine.queue, "sum", sum_kernel, {.threads = 64, .shared_bytes = 256}, y, x, 3);
  CHECK(machine.report().empty());
  CHECK(machine.host(y, 1)[0] == 64 * 65 / 2);
}

TEST_CASE("divergent barriers are reported") {
  contains(report_of(early_return_kernel, 0), "divergent barrier");
  contains(report_of(two_barriers_kernel, 0), "divergent barrier");
  contains(report_of(half_a_warp_kernel, 0), "deadlock");
}

TEST_CASE("faults of shared memory are reported") {
  contains(report_of(overrun_kernel, 64, 16), "shared memory overrun: byte 64 of 64");
  contains(report_of(overrun_kernel, 64, -1), "shared memory overrun");
  contains(report_of(never_written_kernel, 256), "byte 28 is read but was never written");
  contains(report_of(misaligned_shared_kernel, 64), "misaligned access to shared memory");
}

TEST_CASE("misaligned vector access and forgotten waits are reported") {
  Machine machine;
  float* x = machine.device(counting(256));
  CHECK(report_of(misaligned_kernel, 0, static_cast<const float*>(x), 4).empty());
  contains(report_of(misaligned_kernel, 0, static_cast<const float*>(x), 1), "misaligned vector access");
  CHECK(report_of(forgotten_wait_kernel, 1024, static_cast<const float*>(x), true).empty());
  contains(report_of(forgotten_wait_kernel, 1024, static_cast<const float*>(x), false), "never written");
}

TEST_CASE("grid barriers work with all blocks resident, and their absence is a deadlock") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Options restore;
    emulator::options().seed = seed;
    Machine machine;
    unsigned* arrived = machine.device(std::vector<unsigned>{0});
    float* y = machine.device(std::vector<float>(8 * 64 + 8));
    const LaunchShape shape{.blocks = 8, .threads = 64, .cooperative = true};
    launch(machine.queue, "grid", grid_barrier_kernel, shape, arrived, y, -1);
    const std::vector<float> all = machine.host(y, 8 * 64 + 8);
    for (int block = 0; block < 8; ++block) CHECK(all[static_cast<size_t>(8 * 64 + block)] == 512);
  }
  Machine machine;
  unsigned* arrived = machine.device(std::vector<unsigned>{0});
  float* y = machine.device(std::vector<float>(8 * 64 + 8));
  launch(machine.queue, "grid", grid_barrier_kernel, {.blocks = 8, .threads = 64, .cooperative = true},
         arrived, y, 3);
  contains(machine.report(), "deadlock");
  CHECK_THROWS_WITH(launch(machine.queue, "grid", grid_barrier_kernel,
                           {.blocks = 4096, .threads = 64, .cooperative = true}, arrived, y, -1),
                    test::ContainsSubstring("cudaErrorCooperativeLaunchTooLarge"));
}

TEST_CASE("a kernel refuses host memory, host code dies on device memory") {
  Machine machine;
  float on_host = 1;
  float* y = machine.device(std::vector<float>{0});
  const Pointers good{3, y}, bad{3, &on_host};
  CHECK_THROWS_WITH(launch(machine.queue, "planted", add_kernel, {}, y, &on_host, 1.0f),
                    test::ContainsSubstring("argument 1 points to pageable host memory"));
  CHECK_THROWS_WITH(launch(machine.queue, "planted", struct_kernel, {}, y, bad),
                    test::ContainsSubstring("points to pageable host memory"));
  launch(machine.queue, "planted", struct_kernel, {}, y, good);
  CHECK(machine.report().empty());
  const std::string words = dying_words([] {
    void* at = nullptr;
    cuda_call(cudaMalloc(&at, 64));
    *static_cast<volatile float*>(at) = 1;
  });
  contains(words, "host code touched device memory");
}

TEST_CASE("writing behind an allocation is found when it is freed") {
  Machine machine;
  float* y = machine.device(std::vector<float>(8));
  float* x = machine.device(counting(64));
  cuda_call(cudaStreamSynchronize(machine.queue.stream));
#if defined(__SANITIZE_ADDRESS__)  // which would end the program at the write itself
  CHECK(cudaFree(y) == cudaSuccess);
  CHECK(cudaFree(x) == cudaSuccess);
  machine.memory.clear();
#else
  launch(machine.queue, "planted", add_kernel, {}, y, x, 1.0f);
  CHECK(cudaFree(y) == cudaErrorLaunchFailure);
  contains(cudaGetErrorString(cudaGetLastError()), "behind the end of an allocation of 32 bytes");
  machine.memory.erase(machine.memory.begin());
#endif
}

TEST_CASE("warp functions") {
  Machine machine;
  float* y = machine.device(std::vector<float>(160));
  unsigned* bits = machine.device(std::vector<unsigned>(96));
  launch(machine.queue, "warp", warp_kernel, {}, y, bits);
  const std::vector<float> values = machine.host(y, 160);
  const std::vector<unsigned> words = machine.host(bits, 96);
  for (int lane = 0; lane < 32; ++lane) {
    const size_t l = static_cast<size_t>(lane);
    CHECK(values[l] == 31 * 32 / 2 + 32);
    CHECK(values[32 + l] == (lane ^ 5));
    CHECK(values[64 + l] == 9);
    CHECK(values[96 + l] == (lane + 3 < 32 ? lane + 3 : lane));
    CHECK(values[128 + l] == 99);
    CHECK(words[l] == 0x49249249u);
    CHECK(words[32 + l] == 496);
    CHECK(words[64 + l] == 1);
  }
}

TEST_CASE("atomics, tensor cores, 16-bit numbers") {
  Machine machine;
  unsigned* counter = machine.device(std::vector<unsigned>{0});
  unsigned* most = machine.device(std::vector<unsigned>{0});
  launch(machine.queue, "count", count_kernel, {.blocks = {3, 2}, .threads = {32, 2}, .shared_bytes = 16},
         counter, most);
  CHECK(machine.host(counter, 1)[0] == 6 * 64);
  CHECK(machine.host(most, 1)[0] == 128);

  float* a = machine.device(counting(128));
  float* b = machine.device(counting(64));
  float* d = machine.device(std::vector<float>(128));
  launch(machine.queue, "mma", mma_kernel, {}, d, a, b);
  const std::vector<float> product = machine.host(d, 128);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float want = 0;
      for (int k = 0; k < 8; ++k) want += static_cast<float>((row * 8 + k + 1) * (k * 8 + column + 1));
      CHECK(product[static_cast<size_t>(row * 8 + column)] == want);
    }
  }

  for (const float x : {0.0f, 1.0f, -2.5f, 65504.0f, 0x1p-24f, 0x1p-14f, 0x1.8p-20f}) {
    CHECK(__half2float(__float2half(x)) == x);
  }
  CHECK(__half2float(__float2half(1.0f + 0x1p-11f)) == 1.0f);
  CHECK(__half2float(__float2half(1.0f + 0x3p-11f)) == 1.0f + 0x1p-9f);
  CHECK(std::isinf(__half2float(__float2half(65520.0f))));
  CHECK(__bfloat162float(__float2bfloat16(1.0f + 0x1p-8f)) == 1.0f);
}

TEST_CASE("graphs replay what was recorded, streams are ordered by events only") {
  Machine machine;
  float* x = machine.device(std::vector<float>(32, 1.0f));
  float* y = machine.device(std::vector<float>(32));
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cuda_call(cudaStreamBeginCapture(machine.queue.stream, cudaStreamCaptureModeThreadLocal));
  launch(machine.queue, "add", add_kernel, {}, y, x, 1.0f);
  launch(machine.queue, "add", add_kernel, {}, y, x, 0.0f);
  cuda_call(cudaStreamEndCapture(machine.queue.stream, &graph));
  cuda_call(cudaGraphInstantiate(&exec, graph, 0));
  CHECK(machine.host(y, 1)[0] == 0);
  for (int i = 0; i < 3; ++i) cuda_call(cudaGraphLaunch(exec, machine.queue.stream));
  CHECK(machine.host(y, 1)[0] == 9);
  cuda_call(cudaGraphExecDestroy(exec));
  cuda_call(cudaGraphDestroy(graph));

  int early = 0;
  for (const bool ordered : {true, false}) {
    for (int round = 0; round < 50; ++round) {
      cudaStream_t other;
      cudaEvent_t event;
      cuda_call(cudaStreamCreateWithPriority(&other, cudaStreamNonBlocking, 0));
      cuda_call(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
      float* z = machine.device(std::vector<float>(32));
      cuda_call(cudaMemsetAsync(y, 0, 128, machine.queue.stream));
      cuda_call(cudaStreamSynchronize(machine.queue.stream));
      launch(machine.queue, "add", add_kernel, {}, y, x, 0.0f);
      cuda_call(cudaEventRecord(event, machine.queue.stream));
      if (ordered) cuda_call(cudaStreamWaitEvent(other, event, 0));
      Queue second{other, &machine.counters};
      launch(second, "add", add_kernel, {}, z, y, 0.0f);
      cuda_call(cudaStreamSynchronize(other));
      const float seen = machine.host(z, 1)[0];
      if (ordered) CHECK(seen == 1);
      else early += seen != 1;
      cuda_call(cudaEventDestroy(event));
      cuda_call(cudaStreamDestroy(other));
    }
  }
  CHECK(early > 0);  // without the event the order is not promised, and the machine does not keep it
}

TEST_CASE("pinned memory is read when the copy runs, pageable memory at once; all is counted") {
  Machine machine;
  const emulator::Counts before = emulator::counts();
  void* pinned = nullptr;
  cuda_call(cudaHostAlloc(&pinned, 128, cudaHostAllocDefault));
  float* host = static_cast<float*>(pinned);
  float pageable = 1;
  host[0] = 1;
  float* y = machine.device(std::vector<float>(32));
  cuda_call(cudaMemcpyAsync(y, host, 4, cudaMemcpyHostToDevice, machine.queue.stream));
  cuda_call(cudaMemcpyAsync(y + 1, &pageable, 4, cudaMemcpyHostToDevice, machine.queue.stream));
  host[0] = pageable = 2;
  cuda_call(cudaStreamSynchronize(machine.queue.stream));
  const std::vector<float> seen = machine.host(y, 2);
  CHECK(seen[0] == 2);
  CHECK(seen[1] == 1);
  cuda_call(cudaFreeHost(pinned));
  const emulator::Counts after = emulator::counts();
  CHECK(after.copies - before.copies == 4);
  CHECK(after.syncs - before.syncs == 1);
  CHECK(after.allocations - before.allocations == 2);
}

TEST_CASE("limits of the machine are errors") {
  Machine machine;
  float* y = machine.device(std::vector<float>(64));
  launch(machine.queue, "planted", early_return_kernel, {.threads = 48}, y);
  contains(machine.report(), "whole warps");
  Machine fresh;
  CHECK_THROWS_WITH(launch(fresh.queue, "planted", overrun_kernel, {.shared_bytes = 300 << 10}, y, 1),
                    test::ContainsSubstring("cudaErrorInvalidConfiguration"));
  emulator::set_memory(1 << 20);
  void* at = nullptr;
  CHECK(cudaMalloc(&at, 2 << 20) == cudaErrorMemoryAllocation);
  emulator::set_memory(size_t{8} << 30);
}
