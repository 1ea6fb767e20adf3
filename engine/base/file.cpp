// Writing. The temporary file is locked (flock) for as long as its writer lives; a temporary file that can be
// locked was left behind by a process that is gone, whatever process id is in use again by now, and the next
// writer removes it.
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <system_error>

namespace tts {

namespace {

constexpr std::string_view kTemporary{".tts-tmp"};
constexpr size_t kNameBytes{200};  // of the name that the temporary one repeats: together they stay below 255

std::string reason(int error) { return std::generic_category().message(error); }

template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// A file size limit is an error like a full disk, not a signal that ends the process.
void ignore_size_signal() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction now {};
    if (sigaction(SIGXFSZ, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGXFSZ, SIG_IGN);
  });
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The file that `path` leads to, which need not exist yet.
std::string follow_links(const std::string& path) {
  std::string at = path;
  for (int hops = 0; hops < 40; ++hops) {  // as many as the kernel follows
    char target[PATH_MAX];
    const ssize_t length = readlink(at.c_str(), target, sizeof target);
    if (length < 0) return at;
    const std::string to(target, static_cast<size_t>(length));
    at = to.starts_with('/') ? to : directory_of(at) + "/" + to;
  }
  throw Error(Exit::output, "{}: cannot be written: {}", path, reason(ELOOP));
}

// A device or FIFO may refuse to sync: there is nothing to sync.
bool sync_file(int fd) {
  return retry([&] { return fsync(fd); }) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
}

// False only when the directory exists, can be opened, and fails to sync.
bool sync_directory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return true;  // a directory that may be written but not read
  const bool synced = sync_file(fd);
  close(fd);
  return synced;
}

// ".<name>.<digits>.tts-tmp"
bool is_temporary_name(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kTemporary)) return false;
  name.remove_suffix(kTemporary.size());
  const size_t dot = name.rfind('.');
  return dot != name.npos && dot > 0 && dot + 1 < name.size() &&
         name.find_first_not_of("0123456789", dot + 1) == name.npos;
}

void remove_leftovers(const std::string& directory) {
  DIR* folder = opendir(directory.c_str());
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    if (!is_temporary_name(entry->d_name)) continue;
    const int fd = openat(dirfd(folder), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(dirfd(folder), entry->d_name, 0);
    close(fd);
  }
  closedir(folder);
}

// Creates and locks the temporary file. A cleaner may have taken it away between the two steps: then once
// more.
int create_locked(const std::string& path, mode_t mode) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return -1;
    struct stat info {};
    retry([&] { return flock(fd, LOCK_EX); });
    if (fstat(fd, &info) == 0 && info.st_nlink > 0) {
      if (mode != 0) fchmod(fd, mode);
      return fd;
    }
    close(fd);
  }
  errno = EBUSY;
  return -1;
}

}  // namespace

struct FileWriter::State {
  std::string path;       // as the caller named it, for messages
  std::string target;     // links followed
  std::string temporary;  // empty: written directly
  int descriptor = -1;
  bool refuse_existing = false;

  [[noreturn]] void fail(int error) {
    discard();
    throw Error(Exit::output, "{}: cannot be written: {}", path, reason(error));
  }
  void discard() {
    if (!temporary.empty()) unlink(temporary.c_str());
    temporary.clear();
    if (descriptor >= 0) close(descriptor);
    descriptor = -1;
  }
  void rename_to(const std::string& name) {
    if (refuse_existing) {
      if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) return;
      if (errno == EINVAL || errno == ENOSYS) {  // a file system without it: a link cannot replace either
        if (link(temporary.c_str(), name.c_str()) != 0) fail(errno);
        unlink(temporary.c_str());
        return;
      }
      fail(errno);
    }
    if (rename(temporary.c_str(), name.c_str()) != 0) fail(errno);
  }
};

FileWriter::FileWriter(const std::string& path, Existing existing) : state_(std::make_unique<State>()) {
  ignore_size_signal();
  State& s = *state_;
  s.path = path;
  s.target = follow_links(path);
  s.refuse_existing = existing == Existing::refuse;
  struct stat info {};
  const bool exists =
      stat(path.c_str(), &info) == 0;  // not `target`: /dev/stdout leads to names that are no files
  check(exists || errno == ENOENT, Exit::output, "{}: cannot be written: {}", path, reason(errno));
  check(!exists || !S_ISDIR(info.st_mode), Exit::output, "{}: expected a file, got a directory", path);
  check(!exists || !S_ISSOCK(info.st_mode), Exit::output, "{}: expected a file, got a socket", path);
  if (exists && !S_ISREG(info.st_mode)) {  // a FIFO waits here for its reader, as it does for every program
    s.descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    check(s.descriptor >= 0, Exit::output, "{}: cannot be written: {}", path, reason(errno));
    return;
  }
  check(!exists || !s.refuse_existing, Exit::output,
        "{}: the file exists already; remove it, or allow it to be replaced", path);
  check(!exists || access(s.target.c_str(), W_OK) == 0, Exit::output, "{}: cannot be written: {}", path,
        reason(errno));
  const std::string directory = directory_of(s.target);
  remove_leftovers(directory);
  const std::string name = name_of(s.target);
  check(!name.empty(), Exit::output, "{}: expected a file name, got a directory", path);
  s.temporary = format("{}/.{}.{}{}", directory, name.substr(0, kNameBytes), getpid(), kTemporary);
  s.descriptor = create_locked(s.temporary, exists ? info.st_mode & 07777 : 0);
  if (s.descriptor < 0) {
    const int error = errno;
    s.temporary.clear();
    check(error != EEXIST, Exit::output, "{}: cannot be written: it is being written already", path);
    s.fail(error);
  }
}

FileWriter::FileWriter(FileWriter&& other) noexcept = default;

FileWriter::~FileWriter() {
  if (state_) discard();
}

void FileWriter::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = retry([&] { return ::write(state_->descriptor, at, bytes); });
    if (done <= 0) state_->fail(done == 0 ? ENOSPC : errno);
    at += done;
    bytes -= static_cast<size_t>(done);
  }
}

void FileWriter::write_at(int64_t offset, const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = retry([&] { return pwrite(state_->descriptor, at, bytes, offset); });
    if (done <= 0) state_->fail(done == 0 ? ENOSPC : errno);
    at += done;
    offset += done;
    bytes -= static_cast<size_t>(done);
  }
}

bool FileWriter::seekable() const { return !state_->temporary.empty(); }
int FileWriter::descriptor() const { return state_->descriptor; }
void FileWriter::commit() { commit_as(state_->target); }

void FileWriter::commit_as(const std::string& path) {
  State& s = *state_;
  check(s.descriptor >= 0, Exit::internal, "{}: nothing is open for writing", s.path);
  if (!sync_file(s.descriptor)) s.fail(errno);
  if (s.temporary.empty()) {
    const int closed = close(s.descriptor);
    s.descriptor = -1;
    check(closed == 0, Exit::output, "{}: cannot be written: {}", s.path, reason(errno));
    return;
  }
  // The lock is held until the new name stands; fsync has reported what close could.
  s.rename_to(path);
  s.temporary.clear();
  close(s.descriptor);
  s.descriptor = -1;
  check(sync_directory(directory_of(path)), Exit::output, "{}: cannot be written: {}", path, reason(errno));
}

void FileWriter::discard() { state_->discard(); }

void write_file(const std::string& path, std::string_view bytes) {
  FileWriter file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

std::string read_text(const std::string& path, int64_t limit) {
  const bool standard_input = path == "-";
  const int fd =
      standard_input ? STDIN_FILENO : retry([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  const std::string name = standard_input ? "standard input" : path;
  check(fd >= 0, Exit::bad_input, "{}: cannot be opened: {}", name, reason(errno));
  std::string text;
  ssize_t got = 0;
  do {
    constexpr size_t kChunk{1 << 16};
    const size_t used = text.size();
    text.resize(used + kChunk);
    got = retry([&] { return read(fd, text.data() + used, kChunk); });
    const int error = errno;
    text.resize(used + static_cast<size_t>(got > 0 ? got : 0));
    const bool too_long = static_cast<int64_t>(text.size()) > limit;
    if ((got <= 0 || too_long) && !standard_input) close(fd);
    check(got >= 0, Exit::bad_input, "{}: cannot be read: {}", name, reason(error));
    check(!too_long, Exit::bad_input, "{}: expected at most {} bytes, got more", name, limit);
  } while (got > 0);
  return text;
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace tts
