// What a kernel source needs to be CUDA under nvcc and C++ under the emulator: launch(), shared<T>(), and the
// check of every call of the runtime. No triple angle brackets, no extern __shared__ anywhere else.
//
//   launch(queue, "norm", norm_kernel, {.blocks = rows, .threads = 128, .shared_bytes = 16}, y, x, w);
//   Shared<float> partial = shared<float>();
#pragma once

#include "base/error.h"
#include "kernels/switches.h"

#if defined(TTS_EMULATOR)
#include "kernels/emulator/cuda_emulator.h"
#else
#include <cuda_runtime.h>
#endif

#include <cstddef>
#include <tuple>
#include <utility>

namespace tts {

// Throws Exit::device with the expression and what the driver (or the emulator) said.
void check_cuda(cudaError_t error, const char* expression, const char* file, int line);
#define cuda_call(expression) ::tts::check_cuda((expression), #expression, __FILE__, __LINE__)
// where the error itself is the answer, or nobody is left to tell
#define cuda_status(expression) (expression)

// Where work goes, and who counts it.
struct Queue {
  cudaStream_t stream = nullptr;
  Counters* counters = nullptr;
  int multiprocessors = 1;
  float* scratch = nullptr;        // of the operation that runs; one set per stream
  int64_t scratch_bytes = 0;
  unsigned* arrivals = nullptr;    // zero between operations
  int64_t arrival_count = 0;
  bool early = false;              // kernels may start before the one before them has ended
};

struct LaunchShape {
  dim3 blocks = {1, 1, 1};
  dim3 threads = {32, 1, 1};
  size_t shared_bytes = 0;
  bool cooperative = false;  // all blocks resident at once; the launch fails when they do not fit
  // it says await_inputs() before it touches what the kernel before it wrote or still reads
  bool early = false;
};

// ---- shared memory ------------------------------------------------------------------------------

#if defined(TTS_EMULATOR)
inline constexpr const char* kDeviceKind{"emulator"};

template <class T>
using Shared = emulator::SharedPointer<T>;

template <class T>
Shared<T> shared() {
  return {emulator::current_thread->block->shared_begin};
}
template <class U, class T>
Shared<U> shared_cast(Shared<T> p) {
  return {p.at};
}
#else
inline constexpr const char* kDeviceKind{"cuda"};

template <class T>
using Shared = T*;

#if defined(__CUDACC__)
template <class T>
__device__ __forceinline__ Shared<T> shared() {
  extern __shared__ __align__(16) unsigned char tts_shared_memory[];
  return reinterpret_cast<T*>(tts_shared_memory);
}
template <class U, class T>
__device__ __forceinline__ Shared<U> shared_cast(T* p) {
  return reinterpret_cast<U*>(p);
}
#endif
#endif

// ---- launch -------------------------------------------------------------------------------------

namespace detail {

#if defined(TTS_EMULATOR)
template <class T>
void check_argument(const char* name, size_t index, const T& argument) {
  std::string why;
  if constexpr (std::is_pointer_v<T>) {
    why = emulator::refuse_pointer(argument);
  } else if constexpr (std::is_class_v<T>) {
// without it old pointers between the members would be taken for new ones
#if __has_builtin(__builtin_clear_padding)
    T copy = argument;
    __builtin_clear_padding(&copy);
    why = emulator::refuse_words(&copy, sizeof copy);
#endif
  }
  check(why.empty(), Exit::device, "kernel {}: argument {} {}", name, index, why);
}

template <class... P, size_t... I>
void submit(Queue& queue, const char* name, void (*kernel)(P...), const LaunchShape& shape,
            const std::tuple<P...>& arguments, std::index_sequence<I...>) {
  (check_argument(name, I, std::get<I>(arguments)), ...);
  cuda_call(emulator::enqueue_kernel(queue.stream, name,
                                     {shape.blocks, shape.threads, shape.shared_bytes, shape.cooperative},
                                     [kernel, arguments, early = shape.early] {
                                       emulator::current_thread->awaits = early;
                                       std::apply(kernel, arguments);
                                       if (emulator::current_thread->awaits) {
                                         emulator::fault(
                                             "a kernel that may start early never waited for its inputs");
                                       }
                                     }));
}
#else
inline constexpr size_t kSharedWithoutAsking{48 << 10};

template <class... P, size_t... I>
void submit(Queue& queue, const char*, void (*kernel)(P...), const LaunchShape& shape,
            std::tuple<P...> arguments, std::index_sequence<I...>) {
  void* pointers[sizeof...(P) + 1] = {static_cast<void*>(&std::get<I>(arguments))...};
  const void* function = reinterpret_cast<const void*>(kernel);
  const size_t bytes = shape.shared_bytes;
  if (bytes > kSharedWithoutAsking) {
    cuda_call(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(bytes)));
  }
  if (shape.cooperative) {
    cuda_call(cudaLaunchCooperativeKernel(function, shape.blocks, shape.threads, pointers, bytes,
                                          queue.stream));
  } else if (shape.early && queue.early) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = shape.blocks;
    config.blockDim = shape.threads;
    config.dynamicSmemBytes = bytes;
    config.stream = queue.stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    cuda_call(cudaLaunchKernelExC(&config, function, pointers));
  } else {
    cuda_call(cudaLaunchKernel(function, shape.blocks, shape.threads, pointers, bytes, queue.stream));
  }
}
#endif

}  // namespace detail

// How many blocks of a kernel one multiprocessor holds at once; 0: it does not fit at all.
template <class... P>
cudaError_t resident_blocks(int* blocks, void (*kernel)(P...), int threads, size_t shared_bytes) {
#if defined(TTS_EMULATOR)
  static_cast<void>(kernel);
  return emulator::max_resident_blocks(blocks, threads, shared_bytes);
#else
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shared_bytes > detail::kSharedWithoutAsking) {
    const cudaError_t error = cuda_status(cudaFuncSetAttribute(
        function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
    if (error != cudaSuccess) return error;
  }
  return cuda_status(cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared_bytes));
#endif
}

template <class... P, class... A>
void launch(Queue& queue, const char* name, void (*kernel)(P...), const LaunchShape& shape,
            A&&... arguments) {
  if (queue.counters) ++queue.counters->launches;
  detail::submit(queue, name, kernel, shape, std::tuple<P...>(std::forward<A>(arguments)...),
                 std::index_sequence_for<P...>{});
  cuda_call(cudaPeekAtLastError());
}

}  // namespace tts
