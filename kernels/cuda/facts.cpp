// What a GPU says about itself.
#include "kernels/cuda/context.h"

namespace tts {

std::string_view Cuda::kind() { return kDeviceKind; }
std::string Cuda::name() const {
  const cudaDeviceProp& p = state_->properties;
  return format("{}, compute capability {}.{}", p.name, p.major, p.minor);
}
int64_t Cuda::memory_bytes() const { return state_->memory_bytes; }
Cuda::Room Cuda::room() const {
  Room room{};
  cuda_call(cudaMemGetInfo(&room.free, &room.total));
  return room;
}
Counters Cuda::counters() const { return state_->counters; }
const Switches& Cuda::switches() const { return state_->switches; }
bool Cuda::codec_tf32() const { return state_->codec_tf32; }

}  // namespace tts
