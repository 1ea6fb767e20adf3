// Switching between stacks. x86-64 and AArch64: the registers that a call keeps, and the stack pointer, about
// 20 ns; elsewhere ucontext. The sanitizers are told of every switch, or they would mistake it for
// corruption.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define TTS_FIBER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TTS_FIBER_ASAN
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TTS_FIBER_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TTS_FIBER_TSAN
#endif
#endif

namespace tts::emulator {

#if defined(TTS_FIBER_ASAN) || defined(TTS_FIBER_TSAN)
inline constexpr size_t kStackBytes{256 << 10};
#else
inline constexpr size_t kStackBytes{64 << 10};
#endif

struct Context {
  void* stack_pointer = nullptr;
  std::byte* stack = nullptr;       // null: the host thread's own
  size_t stack_bytes = 0;
  void* shadow_stack = nullptr;     // AddressSanitizer's
  void* sanitizer_fiber = nullptr;  // ThreadSanitizer's
  void* portable = nullptr;         // ucontext_t
};

void make_context(Context& context, void (*entry)());  // with a stack of its own; entry never returns
void free_context(Context& context);
void adopt_thread(Context& context);                   // the host thread's own stack
void switch_context(Context& from, Context& to);
void context_entered();                                // the first thing `entry` does

}  // namespace tts::emulator
