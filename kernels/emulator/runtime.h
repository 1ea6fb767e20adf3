// The part of the CUDA runtime that the engine calls, with the same names and meanings, for the emulated
// machine. Work waits in its stream until the host waits, asks or has queued a lot; streams that no event
// orders overtake each other at random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

struct dim3;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorCooperativeLaunchTooLarge = 720,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
constexpr unsigned cudaStreamNonBlocking{1};
constexpr unsigned cudaEventDefault{0}, cudaEventDisableTiming{2};
constexpr unsigned cudaHostAllocDefault{0};

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount, maxThreadsPerMultiProcessor, l2CacheSize, cooperativeLaunch;
  size_t totalGlobalMem, sharedMemPerBlockOptin, sharedMemPerMultiprocessor;
};
struct cudaFuncAttributes {
  int binaryVersion, ptxVersion, numRegs;
};

namespace tts::emulator {
struct Stream;
struct Event;
struct Graph;
}  // namespace tts::emulator
using cudaStream_t = tts::emulator::Stream*;
using cudaEvent_t = tts::emulator::Event*;
using cudaGraph_t = tts::emulator::Graph*;
using cudaGraphExec_t = tts::emulator::Graph*;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);  // of a launch failure: the emulator's report
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* argument);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void* nodes, size_t* count);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

namespace tts::emulator {

struct Shape;

struct Counts {
  int64_t launches = 0, copies = 0, syncs = 0, allocations = 0, graphs = 0;  // graphs: made executable
};
const Counts& counts();
void reset_device();  // forgets the sticky error and all queued work, as a new process would
void set_memory(size_t bytes);  // of the emulated device
void set_device_count(int count);

// Queues a kernel; `body` runs once per thread. Used by launch() in cuda/launch.h.
cudaError_t enqueue_kernel(cudaStream_t stream, const char* name, const Shape& shape,
                           std::function<void()> body);
cudaError_t max_resident_blocks(int* per_multiprocessor, int threads, size_t shared_bytes);

// A kernel may be given device memory and pinned memory only. `why` of an argument that is neither; empty
// when it is fine.
std::string refuse_pointer(const void* pointer);
std::string refuse_words(const void* object, size_t bytes);  // pointers inside of structs passed by value

}  // namespace tts::emulator
