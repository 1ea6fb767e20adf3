// Stacks and the switch between them (context.h). The new stack is laid out as if it had once called
// switch_stack:
//
//   top  ├─ 0 (no caller)
//        ├─ entry            popped by `ret` (x86-64) or loaded into the link register (AArch64)
//   sp ─►└─ saved registers, all zero
#include "kernels/emulator/context.h"

#include "base/error.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#if defined(TTS_FIBER_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(TTS_FIBER_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(TTS_PORTABLE_FIBERS) && defined(__x86_64__)
asm(R"(
.text
.globl tts_switch_stack
.hidden tts_switch_stack
.type tts_switch_stack,@function
tts_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tts_switch_stack,.-tts_switch_stack
)");
#define TTS_STACK_SWITCH
#elif !defined(TTS_PORTABLE_FIBERS) && defined(__aarch64__)
asm(R"(
.text
.globl tts_switch_stack
.hidden tts_switch_stack
.type tts_switch_stack,%function
tts_switch_stack:
  sub sp, sp, 160
  stp x19, x20, [sp, 0]
  stp x21, x22, [sp, 16]
  stp x23, x24, [sp, 32]
  stp x25, x26, [sp, 48]
  stp x27, x28, [sp, 64]
  stp x29, x30, [sp, 80]
  stp d8, d9, [sp, 96]
  stp d10, d11, [sp, 112]
  stp d12, d13, [sp, 128]
  stp d14, d15, [sp, 144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, 0]
  ldp x21, x22, [sp, 16]
  ldp x23, x24, [sp, 32]
  ldp x25, x26, [sp, 48]
  ldp x27, x28, [sp, 64]
  ldp x29, x30, [sp, 80]
  ldp d8, d9, [sp, 96]
  ldp d10, d11, [sp, 112]
  ldp d12, d13, [sp, 128]
  ldp d14, d15, [sp, 144]
  add sp, sp, 160
  ret
.size tts_switch_stack,.-tts_switch_stack
)");
#define TTS_STACK_SWITCH
#else
#include <ucontext.h>
#endif

#if defined(TTS_STACK_SWITCH)
extern "C" void tts_switch_stack(void** save, void* load);
#endif

namespace tts::emulator {
namespace {

thread_local Context* leaving = nullptr;  // where the running context was entered from, for AddressSanitizer

// One page below the stack stays closed: a kernel that overflows its stack stops there.
std::byte* map_stack() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(memory != MAP_FAILED, Exit::device, "emulator: no memory for a stack of {} bytes", kStackBytes);
  check(mprotect(memory, page, PROT_NONE) == 0, Exit::device, "emulator: cannot protect the end of a stack");
  return static_cast<std::byte*>(memory) + page;
}

}  // namespace

void make_context(Context& context, void (*entry)()) {
  if (context.stack == nullptr) context.stack = map_stack();
  context.stack_bytes = kStackBytes;
#if defined(TTS_FIBER_ASAN)
  // frames of a kernel that was ended by a fault
  ASAN_UNPOISON_MEMORY_REGION(context.stack, context.stack_bytes);
  context.shadow_stack = nullptr;
#endif
#if defined(TTS_FIBER_TSAN)
  if (context.sanitizer_fiber) __tsan_destroy_fiber(context.sanitizer_fiber);
  context.sanitizer_fiber = __tsan_create_fiber(0);
#endif
#if defined(TTS_STACK_SWITCH)
  void** top = reinterpret_cast<void**>(context.stack + context.stack_bytes);
#if defined(__x86_64__)
  constexpr int kSaved{6};
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  top -= kSaved;
  memset(top, 0, kSaved * sizeof(void*));
#else
  constexpr int kSaved{20};
  top -= kSaved;
  memset(top, 0, kSaved * sizeof(void*));
  top[11] = reinterpret_cast<void*>(entry);  // x30
#endif
  context.stack_pointer = top;
#else
  if (context.portable == nullptr) context.portable = new ucontext_t;
  ucontext_t* portable = static_cast<ucontext_t*>(context.portable);
  getcontext(portable);
  portable->uc_stack.ss_sp = context.stack;
  portable->uc_stack.ss_size = context.stack_bytes;
  portable->uc_link = nullptr;
  makecontext(portable, entry, 0);
#endif
}

void free_context(Context& context) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (context.stack) munmap(context.stack - page, kStackBytes + page);
#if defined(TTS_FIBER_TSAN)
  if (context.stack && context.sanitizer_fiber) __tsan_destroy_fiber(context.sanitizer_fiber);
#endif
#if !defined(TTS_STACK_SWITCH)
  delete static_cast<ucontext_t*>(context.portable);
#endif
  context = {};
}

void adopt_thread(Context& context) {
#if defined(TTS_FIBER_TSAN)
  context.sanitizer_fiber = __tsan_get_current_fiber();
#endif
#if !defined(TTS_STACK_SWITCH)
  if (context.portable == nullptr) context.portable = new ucontext_t;
#endif
  (void)context;
}

void switch_context(Context& from, Context& to) {
  leaving = &from;
#if defined(TTS_FIBER_ASAN)
  __sanitizer_start_switch_fiber(&from.shadow_stack, to.stack, to.stack_bytes);
#endif
#if defined(TTS_FIBER_TSAN)
  __tsan_switch_to_fiber(to.sanitizer_fiber, 0);
#endif
#if defined(TTS_STACK_SWITCH)
  tts_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(static_cast<ucontext_t*>(from.portable), static_cast<ucontext_t*>(to.portable));
#endif
#if defined(TTS_FIBER_ASAN)
  // The stack just left is learned here: it is the only way to know the bounds of the host thread's own.
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(from.shadow_stack, &bottom, &bytes);
  leaving->stack_bytes = bytes;
  leaving->stack = static_cast<std::byte*>(const_cast<void*>(bottom));
#endif
}

void context_entered() {
#if defined(TTS_FIBER_ASAN)
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  leaving->stack_bytes = bytes;
  leaving->stack = static_cast<std::byte*>(const_cast<void*>(bottom));
#endif
}

}  // namespace tts::emulator
