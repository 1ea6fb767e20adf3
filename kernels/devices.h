// The devices of this build, the switches, and the choice by name. The only file outside
// kernels/{cpu,cuda,reference} that knows them all; the only one with a conditional for a back end.
#pragma once

#include "kernels/cpu/cpu.h"
#include "kernels/ops.h"
#include "kernels/reference/reference.h"
#include "kernels/switches.h"

#if defined(TTS_CUDA) || defined(TTS_EMULATOR)
#include "kernels/cuda/cuda.h"
#define TTS_DEVICES(X) X(Reference) X(Cpu) X(Cuda)
#else
#define TTS_DEVICES(X) X(Reference) X(Cpu)
#endif

namespace tts {

#define TTS_CHECK_DEVICE(D) static_assert(Device<D>, #D " lacks an operation of kernels/ops.h");
TTS_DEVICES(TTS_CHECK_DEVICE)
#undef TTS_CHECK_DEVICE

}  // namespace tts
