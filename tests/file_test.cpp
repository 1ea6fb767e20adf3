// Real files, pipes, devices, limits and processes.
#include "catch.h"
#include "refusal.h"
#include "temp_directory.h"

#include "base/file.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <numeric>
#include <thread>

using namespace tts;
using namespace tts::test;

namespace {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// Runs `act` in a child process; its exit status, or 1000 + the signal that ended it.
template <class Act>
int in_child(Act act) {
  const pid_t child = fork();
  if (child == 0) _exit(act());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("a file that shrinks while it is mapped ends in an error, not in a signal") {
  const TempDirectory dir;
  const std::string path = dir.file("weights");
  write_file(path, std::string(1 << 20, 'x'));
  const MappedFile file(path), other(path);
  REQUIRE(truncate(path.c_str(), 5000) == 0);
  int64_t sum = 0;
  std::thread reader([&] {
    for (const std::byte b : file.bytes()) sum += static_cast<int64_t>(b);
  });
  reader.join();
  CHECK(sum == 5000 * 'x');  // zeros behind the new end
  const Refusal refusal = refusal_of([&] { file.check_intact(); });
  CHECK(refusal.exit == Exit::bad_input);
  CHECK(refusal.message == path + ": the file shrank while it was in use: expected 1048576 bytes, got 5000");
  REQUIRE(truncate(path.c_str(), 1 << 20) == 0);  // grown again: the pages that were lost stay lost
  CHECK(refusal_of([&] { file.check_intact(); }).message ==
        path + ": the file changed or could not be read while it was in use");
  CHECK_NOTHROW(other.check_intact());  // nobody read through it in the meantime
}

TEST_CASE("a bus error that is not ours still ends the process") {
  const TempDirectory dir;
  write_file(dir.file("a"), std::string(10000, 'x'));
  CHECK(in_child([&] {
          signal(SIGBUS, SIG_DFL);  // what a sanitizer installed would report and exit on its own
          const MappedFile ours(dir.file("a"));
          raise(SIGBUS);
          raise(SIGBUS);
          return 0;
        }) == 1000 + SIGBUS);
}

TEST_CASE("mapping takes regular files only, and never waits") {
  const TempDirectory dir;
  REQUIRE(mkfifo(dir.file("pipe").c_str(), 0600) == 0);
  CHECK(refusal_of([&] { MappedFile file(dir.file("pipe")); }).message ==
        dir.file("pipe") + ": expected a file, got a FIFO");
  CHECK(refusal_of([&] { MappedFile file(dir.path()); }).message ==
        dir.path() + ": expected a file, got a directory");
  CHECK(refusal_of([&] { MappedFile file("/dev/null"); }).message ==
        "/dev/null: expected a file, got a device");
  CHECK(refusal_of([&] { MappedFile file(dir.file("none")); }).message ==
        dir.file("none") + ": cannot be opened: No such file or directory");
  write_file(dir.file("empty"), "");
  CHECK(MappedFile(dir.file("empty")).bytes().empty());
}

TEST_CASE("names from inside a model stay inside its directory") {
  const TempDirectory dir;
  std::filesystem::create_directory(dir.file("model"));
  write_file(dir.file("secret"), "s");
  write_file(dir.file("model/shard"), "x");
  std::filesystem::create_symlink("../secret", dir.file("model/leaves"));
  std::filesystem::create_symlink(dir.file("secret"), dir.file("model/absolute"));
  std::filesystem::create_symlink("shard", dir.file("model/inside"));
  REQUIRE(mkfifo(dir.file("model/pipe").c_str(), 0600) == 0);
  const std::string model = dir.file("model");
  CHECK(MappedFile::beneath(model, "shard").bytes().size() == 1);
  CHECK(MappedFile::beneath(model, "inside").bytes().size() == 1);
  const auto says = [&](std::string_view name) {
    const Refusal refusal = refusal_of([&] { MappedFile::beneath(model, name); });
    CHECK(refusal.exit == Exit::bad_input);
    return refusal.message;
  };
  const std::string leaves =
      ": expected a file inside the directory, got a link that leaves it; copy the file there";
  CHECK(says("leaves") == model + "/leaves" + leaves);
  CHECK(says("absolute") == model + "/absolute" + leaves);
  CHECK(says("pipe") == model + "/pipe: expected a file, got a FIFO");
  for (const std::string name : {"", ".", "..", "../secret", "/etc/passwd", "a/b"}) {
    CHECK(says(name) == model + ": expected a plain file name, got \"" + name + "\"");
  }
  CHECK(says(std::string_view("shard\0x", 7)) == model + ": expected a plain file name, got \"shard\\x00x\"");
}

TEST_CASE("a written file appears whole, and keeps the mode of the one it replaces") {
  const TempDirectory dir;
  const std::string path = dir.file("out.wav");
  write_file(path, "old");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  FileWriter writer(path);
  writer.write("0123456789", 10);
  writer.write_at(2, "ab", 2);
  CHECK(writer.seekable());
  CHECK(read_text(path, 100) == "old");
  CHECK(names_in(dir.path()) == std::vector<std::string>{format(".out.wav.{}.tts-tmp", getpid()), "out.wav"});
  writer.commit();
  CHECK(read_text(path, 100) == "01ab456789");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out.wav"});
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
}

TEST_CASE("a name as long as the file system allows can be written") {
  const TempDirectory dir;
  const std::string name(255, 'n');
  write_file(dir.file(name), "x");
  CHECK(names_in(dir.path()) == std::vector<std::string>{name});
  CHECK(refusal_of([&] { write_file(dir.file(name + "n"), "x"); }).exit == Exit::output);
}

TEST_CASE("an unfinished file leaves nothing; a partial one gets its own name") {
  const TempDirectory dir;
  const std::string path = dir.file("out.wav");
  write_file(path, "old");
  { FileWriter(path).write("new", 3); }
  CHECK(read_text(path, 100) == "old");
  FileWriter partial(path);
  partial.write("part", 4);
  partial.commit_as(dir.file("out.partial.wav"));
  CHECK(read_text(path, 100) == "old");
  CHECK(read_text(dir.file("out.partial.wav"), 100) == "part");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out.partial.wav", "out.wav"});
}

TEST_CASE("an existing file is refused when asked for, also when it appears meanwhile") {
  const TempDirectory dir;
  const std::string path = dir.file("out.wav");
  FileWriter writer(path, FileWriter::Existing::refuse);
  write_file(dir.file("other"), "meanwhile");
  std::filesystem::rename(dir.file("other"), path);
  const Refusal late = refusal_of([&] { writer.commit(); });
  CHECK(late.exit == Exit::output);
  CHECK(late.message == path + ": cannot be written: File exists");
  CHECK(refusal_of([&] { FileWriter again(path, FileWriter::Existing::refuse); }).message ==
        path + ": the file exists already; remove it, or allow it to be replaced");
  CHECK(read_text(path, 100) == "meanwhile");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out.wav"});
}

TEST_CASE("links are followed, FIFOs and devices are written directly, directories are refused") {
  const TempDirectory dir;
  write_file(dir.file("target"), "old");
  std::filesystem::create_symlink("target", dir.file("link"));
  write_file(dir.file("link"), "new");
  CHECK(read_text(dir.file("target"), 100) == "new");
  CHECK(std::filesystem::is_symlink(dir.file("link")));
  std::filesystem::create_symlink("loop", dir.file("loop"));
  CHECK(refusal_of([&] { write_file(dir.file("loop"), "x"); }).exit == Exit::output);
  CHECK(refusal_of([&] { write_file(dir.path(), "x"); }).message ==
        dir.path() + ": expected a file, got a directory");
  CHECK(refusal_of([&] { write_file(dir.file("no/such"), "x"); }).message ==
        dir.file("no/such") + ": cannot be written: No such file or directory");
  REQUIRE(mkfifo(dir.file("pipe").c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_text(dir.file("pipe"), 100); });
  FileWriter pipe(dir.file("pipe"));
  CHECK_FALSE(pipe.seekable());
  pipe.write("through", 7);
  pipe.commit();
  reader.join();
  CHECK(got == "through");
}

TEST_CASE("a full disk is an error at once, and the previous file survives") {
  const Refusal full = refusal_of([] { write_file("/dev/full", "abc"); });
  CHECK(full.exit == Exit::output);
  CHECK(full.message == "/dev/full: cannot be written: No space left on device");

  const TempDirectory dir;
  const std::string path = dir.file("out.wav");
  write_file(path, "old");
  CHECK(in_child([&] {  // RLIMIT_FSIZE: the signal is ignored, the write fails
          const rlimit limit{1000, 1000};
          setrlimit(RLIMIT_FSIZE, &limit);
          const Refusal refusal = refusal_of([&] { write_file(path, std::string(5000, 'x')); });
          return refusal.exit == Exit::output &&
                         refusal.message == path + ": cannot be written: File too large"
                     ? 42
                     : 1;
        }) == 42);
  CHECK(read_text(path, 100) == "old");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out.wav"});
}

// From now on the kernel answers this call of the process with "no space left".
bool disk_is_full_for(long call) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_CASE(
    "a disk that is full at the sync or the rename: the previous file survives, the temporary is gone") {
#if defined(SYS_rename)
  const long rename_call = SYS_rename;
#elif defined(SYS_renameat)
  const long rename_call = SYS_renameat;
#else
  const long rename_call = SYS_renameat2;
#endif
  for (const long call : {static_cast<long>(SYS_fsync), rename_call}) {
    const TempDirectory dir;
    const std::string path = dir.file("out.wav");
    write_file(path, "old");
    CHECK(in_child([&] {
            if (!disk_is_full_for(call)) return 2;
            const Refusal refusal = refusal_of([&] { write_file(path, "new"); });
            if (refusal.exit != Exit::output) return 3;
            return refusal.message == path + ": cannot be written: No space left on device" ? 42 : 4;
          }) == 42);
    CHECK(read_text(path, 100) == "old");
    CHECK(names_in(dir.path()) == std::vector<std::string>{"out.wav"});
  }
}

TEST_CASE("temporary files of dead processes are removed, those of living ones stay") {
  const TempDirectory dir;
  const std::string path = dir.file("out.wav");
  CHECK(in_child([&] {
          FileWriter writer(path);
          writer.write("half", 4);
          raise(SIGKILL);
          return 0;
        }) == 1000 + SIGKILL);
  REQUIRE(names_in(dir.path()).size() == 1);  // only SIGKILL may leave one
  write_file(dir.file("other.txt"), "x");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"other.txt"});

  FileWriter living(path);
  living.write("mine", 4);
  write_file(dir.file("other.txt"), "y");  // cleans, but not the one in use
  CHECK(refusal_of([&] { FileWriter second(path); }).message ==
        path + ": cannot be written: it is being written already");
  living.commit();
  CHECK(read_text(path, 100) == "mine");

  // A process id that is in use again (small numbers in containers) does not protect what a dead process
  // left.
  const std::string mine = dir.file(format(".out.wav.{}.tts-tmp", getpid()));
  std::filesystem::rename(dir.file("other.txt"), mine);
  write_file(path, "again");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out.wav"});
  CHECK(read_text(path, 100) == "again");
}

TEST_CASE("text is read up to its limit") {
  const TempDirectory dir;
  write_file(dir.file("t"), "0123456789");
  CHECK(read_text(dir.file("t"), 10) == "0123456789");
  CHECK(refusal_of([&] { read_text(dir.file("t"), 9); }).message ==
        dir.file("t") + ": expected at most 9 bytes, got more");
  CHECK(refusal_of([&] { read_text(dir.path(), 9); }).message ==
        dir.path() + ": cannot be read: Is a directory");
  CHECK(refusal_of([&] { read_text("/dev/zero", 1 << 20); }).message ==
        "/dev/zero: expected at most 1048576 bytes, got more");
  std::filesystem::create_hard_link(dir.file("t"), dir.file("u"));
  CHECK(same_file(dir.file("t"), dir.file("u")));
  CHECK_FALSE(same_file(dir.file("t"), dir.file("none")));
}
