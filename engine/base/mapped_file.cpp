// A mapped file whose pages vanish (someone truncates it) raises SIGBUS at the next read. The handler looks
// the address up in the list of our mappings, puts zero pages over the rest of that mapping, marks it, and
// the read goes on; the owner learns of it from check_intact(). The list is only ever extended and its nodes
// are reused, so the handler may walk it at any moment without a lock.
#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

namespace tts {

namespace {

struct Mapping {
  std::atomic<uintptr_t> begin{0};  // 0: the node is free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> lost{false};
  Mapping* next = nullptr;
};

// Reached from a signal handler, hence at file scope.
constinit std::atomic<Mapping*> mappings{nullptr};
constinit struct sigaction previous_action {};

void replace_lost_pages(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Mapping* m = mappings.load(); m != nullptr; m = m->next) {
    const uintptr_t begin = m->begin.load(), end = m->end.load();
    if (begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page = address - address % static_cast<uintptr_t>(getpagesize());
    m->lost.store(true);
    if (mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) != MAP_FAILED) {
      errno = saved_errno;
      return;
    }
  }
  errno = saved_errno;
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);  // the read is repeated and ends the process
  }
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = replace_lost_pages;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous_action);
  });
}

Mapping* enlist(const void* begin, size_t bytes) {
  static std::mutex lock;
  const std::scoped_lock hold(lock);
  Mapping* m = mappings.load();
  while (m != nullptr && m->begin.load() != 0) m = m->next;
  if (m == nullptr) {
    m = new Mapping;  // kept for the life of the process: the handler may be looking at it
    m->next = mappings.load();
    mappings.store(m);
  }
  m->lost.store(false);
  m->end.store(reinterpret_cast<uintptr_t>(begin) + bytes);
  m->begin.store(reinterpret_cast<uintptr_t>(begin));
  return m;
}

std::string reason(int error) { return std::generic_category().message(error); }

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Opens `name` inside `directory`; a link that leads out of it is refused by the kernel (openat2), or any
// link at all where the kernel is older than 5.6.
int open_beneath(int directory, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(fd);
  return openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

}  // namespace

struct MappedFile::State {
  std::string path;
  int descriptor = -1;
  std::byte* data = nullptr;
  size_t size = 0;
  Mapping* mapping = nullptr;

  State(std::string name, int opened) : path(std::move(name)), descriptor(opened) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (mapping != nullptr) mapping->begin.store(0);
    if (data != nullptr) munmap(data, size);
    if (descriptor >= 0) close(descriptor);
  }
  void map() {
    struct stat info {};
    check(fstat(descriptor, &info) == 0, Exit::bad_input, "{}: cannot be read: {}", path, reason(errno));
    check(S_ISREG(info.st_mode), Exit::bad_input, "{}: expected a file, got {}", path, kind_of(info.st_mode));
    size = static_cast<size_t>(info.st_size);
    if (size == 0) return;
    install_handler();
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    // Room for it is missing: no fault of the file.
    check(at != MAP_FAILED || errno != ENOMEM, Exit::internal,
          "{}: cannot be mapped: the system has no more memory", path);
    check(at != MAP_FAILED, Exit::bad_input, "{}: cannot be mapped: {}", path, reason(errno));
    data = static_cast<std::byte*>(at);
    mapping = enlist(at, size);
  }
};

MappedFile::MappedFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not make us wait
  check(fd >= 0, Exit::bad_input, "{}: cannot be opened: {}", path, reason(errno));
  state_ = std::make_shared<State>(path, fd);
  state_->map();
}

MappedFile::MappedFile(MappedFile&& other) noexcept = default;
MappedFile& MappedFile::operator=(MappedFile&& other) noexcept = default;
MappedFile::~MappedFile() = default;

MappedFile MappedFile::beneath(const std::string& directory, std::string_view name) {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
                     name.find('\0') == name.npos;
  check(plain, Exit::bad_input, "{}: expected a plain file name, got \"{}\"", directory, printable(name));
  const std::string path = directory + "/" + std::string(name);
  const int folder = open(directory.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  check(folder >= 0, Exit::bad_input, "{}: cannot be opened: {}", directory, reason(errno));
  const int fd = open_beneath(folder, std::string(name));
  const int error = errno;
  close(folder);
  check(fd >= 0 || (error != EXDEV && error != ELOOP), Exit::bad_input,
        "{}: expected a file inside the directory, got a link that leaves it; copy the file there", path);
  check(fd >= 0, Exit::bad_input, "{}: cannot be opened: {}", path, reason(error));
  MappedFile file;
  file.state_ = std::make_shared<State>(path, fd);
  file.state_->map();
  return file;
}

std::span<const std::byte> MappedFile::bytes() const {
  if (!state_) return {};
  return {state_->data, state_->size};
}

const std::string& MappedFile::path() const {
  static const std::string none;
  return state_ ? state_->path : none;
}

void MappedFile::check_intact() const {
  if (!state_) return;
  struct stat info {};
  check(fstat(state_->descriptor, &info) == 0, Exit::bad_input, "{}: cannot be read: {}", path(),
        reason(errno));
  check(info.st_size >= static_cast<off_t>(state_->size), Exit::bad_input,
        "{}: the file shrank while it was in use: expected {} bytes, got {}", path(), state_->size,
        info.st_size);
  check(state_->mapping == nullptr || !state_->mapping->lost.load(), Exit::bad_input,
        "{}: the file changed or could not be read while it was in use", path());
}

void MappedFile::forget(const void* begin, int64_t size) const {
  const auto page = static_cast<uintptr_t>(getpagesize());
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + static_cast<uintptr_t>(size)) / page * page;
  if (first < last)
    madvise(reinterpret_cast<void*>(first), last - first,
            MADV_DONTNEED);  // a hint: failure costs memory only
}

}  // namespace tts
