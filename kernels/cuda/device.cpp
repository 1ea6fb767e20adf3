#include "kernels/cuda/launch.h"

namespace tts {

void check_cuda(cudaError_t error, const char* expression, const char* file, int line) {
  if (error == cudaSuccess) return;
  throw Error(Exit::device, "{}:{}: {}: {}: {}", file, line, expression, cudaGetErrorName(error), cudaGetErrorString(error));
}

}  // namespace tts
