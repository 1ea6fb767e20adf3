// The scheduler: which thread runs next, barriers, warp collectives, and the reports when a kernel breaks the
// rules.
//
// A thread needs a fiber only from its first instruction to its last. A fiber whose thread has ended takes
// the next thread that was not started yet without any switch, so kernels without barriers cost no switches
// at all. A thread that waits picks its successor itself: a barrier costs one switch per thread.
#include "kernels/emulator/context.h"
#include "kernels/emulator/execution.h"

#include "base/error.h"

#include <cstring>
#include <memory>
#include <numeric>

namespace tts::emulator {

struct Fiber {
  Context context;
  Thread* thread = nullptr;
};

namespace {

// Well beyond the patience of a kernel that watches over itself (2 s of the emulated clock, a step each us).
constexpr int64_t kSpinsWithoutProgress{4'000'000};
constexpr int kCheckedBlocks{4};
constexpr size_t kCheckedShare{32};

// What one launch needs; kept per host thread so that stacks and tables are made once.
struct Scheduler {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  std::vector<Thread*> ready;
  std::vector<Thread*> late;       // of Options::late_block
  std::vector<Block> blocks;       // resident ones
  std::vector<std::byte> shared;
  Context host;
  const std::function<void()>* body = nullptr;
  const char* name = "";
  std::string report;
  uint64_t random = 1;
  uint32_t epoch = 1;              // of shared memory, over all blocks
  int64_t steps = 0, spins = 0;
  int prepared = 0;                // blocks of this launch
  bool spoiled = false;            // fibers were left in the middle of a kernel

  ~Scheduler() {
    for (auto& fiber : fibers) free_context(fiber->context);
  }
};

Scheduler& scheduler() {
  static thread_local Scheduler the;
  return the;
}

uint32_t draw(Scheduler& s, size_t n) {  // xorshift64*, upper bits
  s.random ^= s.random >> 12;
  s.random ^= s.random << 25;
  s.random ^= s.random >> 27;
  return static_cast<uint32_t>(((s.random * 0x2545F4914F6CDD1Dull) >> 32) * n >> 32);
}

bool same(const char* a, const char* b) { return a == b || strcmp(a, b) == 0; }

std::string place(const Thread& thread) {
  return format("thread ({},{},{}) of block ({},{},{})", thread.index.x, thread.index.y, thread.index.z,
                thread.block->index.x, thread.block->index.y, thread.block->index.z);
}

std::string place(const Site& site) { return format("{} at {}:{}", site.what, site.file, site.line); }

std::string deadlock_report(Scheduler& s, const char* kind) {
  std::string text = kind;
  int shown = 0;
  for (Block& block : s.blocks) {
    for (Thread& thread : block.thread) {
      if (thread.fiber == nullptr || shown == 4) continue;
      text += format("; {} waits in {}", place(thread), place(thread.site));
      ++shown;
    }
    if (block.exited > 0 && block.exited < block.threads) {
      text += format("; {} of {} threads of block {} have ended", block.exited, block.threads, block.index.x);
    }
    if (shown == 4) break;
  }
  return text;
}

// Frames of the kernel are left behind as they are, so nothing in them may own memory: the report moves out,
// and who writes one has ended the statement, with its temporaries, before.
[[noreturn]] void end_launch(Scheduler& s, std::string report) {
  s.report = std::move(report);
  std::string().swap(report);
  s.spoiled = true;
  Fiber* here = current_thread->fiber;
  switch_context(here->context, s.host);
  abort();  // nobody returns here
}

Thread* pick(Scheduler& s) {
  ++s.steps;
  if (s.ready.empty()) s.ready.swap(s.late);
  if (s.ready.empty()) return nullptr;
  size_t at = s.ready.size() - 1;
  if (options().permute) at = draw(s, s.ready.size());
  Thread* thread = s.ready[at];
  s.ready[at] = s.ready.back();
  s.ready.pop_back();
  return thread;
}

void enter_fiber();

void set_current(Thread* thread) {
  current_thread = thread;
  if (thread)
    current_shared = {thread->block->shared_begin, thread->block->shared_bytes, thread->block->checked};
}

Fiber* idle_fiber(Scheduler& s) {
  if (s.idle.empty()) {
    s.fibers.push_back(std::make_unique<Fiber>());
    make_context(s.fibers.back()->context, enter_fiber);
    s.idle.push_back(s.fibers.back().get());
  }
  Fiber* fiber = s.idle.back();
  s.idle.pop_back();
  return fiber;
}

// From the running thread (waiting or ready) to the next one; returns when it is this thread's turn again.
void run_others(Scheduler& s, Thread* self, const char* if_none) {
  Thread* next = pick(s);
  if (next == nullptr) end_launch(s, deadlock_report(s, if_none));
  if (next == self) return;
  if (next->fiber == nullptr) {
    next->fiber = idle_fiber(s);
    next->fiber->thread = next;
  }
  set_current(next);
  switch_context(self->fiber->context, next->fiber->context);
}

void end_thread(Scheduler& s, Thread* thread) {
  Block& block = *thread->block;
  if (!thread->copies.empty()) {
    std::string text = format("{} ended with asynchronous copies it never waited for", place(*thread));
    end_launch(s, std::move(text));
  }
  ++block.exited;
  s.spins = 0;
  if (block.arrived > 0 && block.arrived + block.exited == block.threads) {
    std::string text =
        format("divergent barrier: {} ended, others wait in {}", place(*thread), place(block.site));
    end_launch(s, std::move(text));
  }
  thread->fiber = nullptr;
}

// The life of a fiber: thread after thread; idle when the next runnable one has a fiber of its own.
void enter_fiber() {
  context_entered();
  Scheduler& s = scheduler();
  Fiber* self = current_thread->fiber;
  for (;;) {
    Thread* thread = self->thread;
    (*s.body)();
    end_thread(s, thread);
    Thread* next = pick(s);
    if (next != nullptr && next->fiber == nullptr) {
      next->fiber = self;
      self->thread = next;
      set_current(next);
      continue;
    }
    if (next == nullptr) {
      for (const Block& block : s.blocks) {
        if (block.exited == block.threads) continue;
        thread->fiber = self;
        end_launch(s, deadlock_report(s, "deadlock: no thread can run"));
      }
    }
    s.idle.push_back(self);
    set_current(next);
    switch_context(self->context, next ? next->fiber->context : s.host);
  }
}

void prepare_block(Scheduler& s, Block& block, const Shape& shape, unsigned linear, std::byte* shared) {
  block.index = {linear % shape.grid.x, linear / shape.grid.x % shape.grid.y,
                 linear / shape.grid.x / shape.grid.y};
  block.threads = static_cast<int>(shape.block.x * shape.block.y * shape.block.z);
  block.arrived = block.exited = 0;
  block.waiting.clear();
  block.shared_begin = shared;
  block.shared_bytes = shape.shared_bytes;
  memset(shared, 0xff, shape.shared_bytes);  // NaN: what an earlier block left must not look like a result
  // All of the first blocks and a few of the others: what one block does wrong the others do too, and every
  // checked word costs.
  block.checked = options().check_shared && (s.prepared++ < kCheckedBlocks || draw(s, kCheckedShare) == 0);
  block.first_epoch = block.epoch = ++s.epoch;
  if (block.shadow.size() < shape.shared_bytes / 4 + 1) block.shadow.assign(shape.shared_bytes / 4 + 1, {});
  block.warp.resize(static_cast<size_t>(block.threads / 32));
  for (Warp& warp : block.warp) warp.arrived = 0;
  block.thread.resize(static_cast<size_t>(block.threads));
  for (int i = 0; i < block.threads; ++i) {
    Thread& thread = block.thread[static_cast<size_t>(i)];
    const unsigned n = static_cast<unsigned>(i);
    thread.index = {n % shape.block.x, n / shape.block.x % shape.block.y, n / shape.block.x / shape.block.y};
    thread.linear = i;
    thread.lane = i % 32;
    thread.warp = &block.warp[static_cast<size_t>(i / 32)];
    thread.block = &block;
    thread.fiber = nullptr;
    thread.copies.clear();
    thread.copy_group = 0;
    (static_cast<int>(linear) == options().late_block ? s.late : s.ready).push_back(&thread);
  }
}

// Runs until every resident thread has ended, or a fault.
void run_resident(Scheduler& s) {
  Thread* first = pick(s);
  first->fiber = idle_fiber(s);
  first->fiber->thread = first;
  set_current(first);
  switch_context(s.host, first->fiber->context);
  current_thread = nullptr;
}

void discard_fibers(Scheduler& s) {
  s.idle.clear();
  for (auto& fiber : s.fibers) {
    fiber->thread = nullptr;
    make_context(fiber->context, enter_fiber);
    s.idle.push_back(fiber.get());
  }
  s.ready.clear();
  s.late.clear();
  s.spoiled = false;
}

std::string refusal(const Shape& shape) {
  const unsigned threads = shape.block.x * shape.block.y * shape.block.z;
  if (threads == 0 || threads > 1024) return format("{} threads in a block, allowed are 1 to 1024", threads);
  if (threads % 32 != 0) return format("{} threads in a block: our kernels use whole warps of 32", threads);
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return "an empty grid";
  if (shape.grid.y > 65535 || shape.grid.z > 65535) return "more than 65535 blocks along y or z";
  return {};
}

}  // namespace

Options& options() {
  static Options the;
  return the;
}

std::string run_grid(const char* name, const Shape& shape, const std::function<void()>& body) {
  Scheduler& s = scheduler();
  if (const std::string why = refusal(shape); !why.empty()) return format("kernel {}: {}", name, why);
  adopt_thread(s.host);
  s.name = name;
  s.body = &body;
  s.report.clear();
  s.steps = s.spins = s.prepared = 0;
  s.random = (s.random ^ options().seed * 0x9E3779B97F4A7C15ull) | 1;
  current_shape = &shape;
  const unsigned blocks = shape.grid.x * shape.grid.y * shape.grid.z;
  const unsigned resident = shape.cooperative ? blocks : 1;
  const size_t stride = (shape.shared_bytes + 255) / 256 * 256 + 256;
  if (s.shared.size() < resident * stride + 256) s.shared.resize(resident * stride + 256);
  std::byte* shared = s.shared.data() + (256 - reinterpret_cast<uintptr_t>(s.shared.data()) % 256);
  s.blocks.resize(resident);
  if (shape.cooperative) {
    for (unsigned b = 0; b < blocks; ++b) prepare_block(s, s.blocks[b], shape, b, shared + b * stride);
    run_resident(s);
  } else {
    // A stride that shares no factor with the number of blocks visits each once, in an order nobody can rely
    // on.
    unsigned step = options().permute ? 2 * draw(s, blocks) + 1 : 1;
    while (std::gcd(step, blocks) != 1) step += 2;
    unsigned at = options().permute ? draw(s, blocks) : 0;
    for (unsigned b = 0; b < blocks && s.report.empty(); ++b, at = (at + step) % blocks) {
      prepare_block(s, s.blocks[0], shape, at, shared);
      run_resident(s);
    }
  }
  current_shape = nullptr;
  if (s.spoiled) discard_fibers(s);
  return s.report.empty() ? std::string{} : format("kernel {}: {}", name, s.report);
}

void fault(std::string what) {
  if (current_thread == nullptr) throw Error(Exit::internal, "emulator: {} outside of a kernel", what);
  what = format("{}: {}", place(*current_thread), what);
  end_launch(scheduler(), std::move(what));
}

int64_t steps() { return scheduler().steps; }

void refuse_access(std::byte* at, bool inside) {
  const Block& block = *current_thread->block;
  if (!inside)
    fault(format("shared memory overrun: byte {} of {}", at - block.shared_begin, block.shared_bytes));
  fault(format("misaligned access to shared memory: byte {}", at - block.shared_begin));
}

void sync_threads(const char* file, int line) {
  Scheduler& s = scheduler();
  Thread* self = current_thread;
  Block& block = *self->block;
  const Site site{"__syncthreads", file, line};
  if (block.arrived == 0) block.site = site;
  if (block.site.line != line || !same(block.site.file, file)) {
    std::string text = format("divergent barrier: in {}, others wait in {}", place(site), place(block.site));
    fault(std::move(text));
  }
  self->site = site;
  block.waiting.push_back(self);
  if (++block.arrived + block.exited == block.threads && block.exited > 0) {
    std::string text = format("divergent barrier: {} threads ended before {}", block.exited, place(site));
    fault(std::move(text));
  }
  if (block.arrived == block.threads) {
    s.ready.insert(s.ready.end(), block.waiting.begin(), block.waiting.end());
    block.waiting.clear();
    block.arrived = 0;
    block.epoch = ++s.epoch;
    s.spins = 0;
  }
  run_others(s, self, "deadlock: no thread can run");
}

const uint64_t* gather_warp(uint64_t value, unsigned mask, Site site, void (*reduce)(Warp&, int)) {
  Scheduler& s = scheduler();
  Thread* self = current_thread;
  Warp& warp = *self->warp;
  if (mask != ~0u) {
    std::string text = format("{}: our kernels call warp functions with the full mask only", place(site));
    fault(std::move(text));
  }
  if (warp.arrived == 0) warp.site = site;
  if (warp.site.line != site.line || !same(warp.site.what, site.what)) {
    std::string text = format("divergent warp: in {}, other lanes wait in {}", place(site), place(warp.site));
    fault(std::move(text));
  }
  const int parity = warp.parity;
  self->site = site;
  warp.slot[parity][self->lane] = value;
  warp.waiting[warp.arrived++] = self;
  if (warp.arrived == 32) {
    if (reduce) reduce(warp, parity);
    s.ready.insert(s.ready.end(), warp.waiting, warp.waiting + 32);
    warp.arrived = 0;
    warp.parity ^= 1;
    ++warp.epoch;
    s.spins = 0;
  }
  run_others(s, self, "deadlock: no thread can run");
  return warp.slot[parity];
}

uint64_t reduce_warp(uint64_t value, unsigned mask, Site site, void (*reduce)(Warp&, int)) {
  const Warp& warp = *current_thread->warp;
  const int parity = warp.parity;
  gather_warp(value, mask, site, reduce);
  return warp.result[parity];
}

void spin() {
  Scheduler& s = scheduler();
  Thread* self = current_thread;
  self->site = {"a spin loop", "", 0};
  if (++s.spins > kSpinsWithoutProgress)
    end_launch(s, deadlock_report(s, "deadlock: the threads that can run only spin"));
  s.ready.push_back(self);
  run_others(s, self, "");
}

void start_copy(std::byte* to, const void* from) {
  if (reinterpret_cast<uintptr_t>(from) % 16 != 0) fault("misaligned source of a 16-byte asynchronous copy");
  Thread* self = current_thread;
  self->copies.push_back({to, static_cast<const std::byte*>(from), self->copy_group});
}

void commit_copies() { ++current_thread->copy_group; }

void wait_copies(int groups_in_flight) {
  Thread* self = current_thread;
  size_t kept = 0;
  for (const AsyncCopy& copy : self->copies) {
    if (copy.group >= self->copy_group - groups_in_flight) {
      self->copies[kept++] = copy;
      continue;
    }
    std::byte* to = touch_shared(copy.to, 16, true);
    if (copy.from) memcpy(to, copy.from, 16);
    else memset(to, 0, 16);
  }
  self->copies.resize(kept);
}

// A word may be read after a write of the same thread, of an earlier barrier interval, or, inside a warp, of
// an earlier collective; a write must not meet foreign reads or writes of the same interval.
void check_shadow(std::byte* at, size_t bytes, bool write) {
  constexpr uint16_t kSeveral{0xffff};
  Thread& self = *current_thread;
  Block& block = *self.block;
  const auto orders = [&](uint16_t other, uint32_t epoch, uint32_t warp_epoch) {
    if (epoch != block.epoch || other == self.linear) return true;
    return other != kSeveral && other / 32 == self.linear / 32 && warp_epoch != self.warp->epoch;
  };
  const size_t first = static_cast<size_t>(at - block.shared_begin) / 4;
  for (size_t word = first; word < first + bytes / 4; ++word) {
    ShadowWord& shadow = block.shadow[word];
    if (write) {
      const bool after_reads = orders(shadow.reader, shadow.read_epoch, shadow.read_warp_epoch);
      if (!after_reads || !orders(shadow.writer, shadow.write_epoch, shadow.write_warp_epoch)) {
        fault(
            format("race in shared memory: byte {} is written, and {} by thread {} without a barrier between",
                   word * 4, after_reads ? "written" : "read", after_reads ? shadow.writer : shadow.reader));
      }
      shadow.writer = static_cast<uint16_t>(self.linear);
      shadow.write_epoch = block.epoch;
      shadow.write_warp_epoch = self.warp->epoch;
    } else {
      if (shadow.write_epoch < block.first_epoch) {
        fault(format("shared memory: byte {} is read but was never written", word * 4));
      }
      if (!orders(shadow.writer, shadow.write_epoch, shadow.write_warp_epoch)) {
        fault(format(
            "race in shared memory: byte {} is read, and written by thread {} without a barrier between",
            word * 4, shadow.writer));
      }
      const bool alone = orders(shadow.reader, shadow.read_epoch, shadow.read_warp_epoch);
      const bool same_warp = shadow.reader != kSeveral && shadow.reader / 32 == self.linear / 32;
      shadow.reader = alone || same_warp ? static_cast<uint16_t>(self.linear) : kSeveral;
      shadow.read_epoch = block.epoch;
      shadow.read_warp_epoch = self.warp->epoch;
    }
  }
}

}  // namespace tts::emulator
