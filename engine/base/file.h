// Bytes of files. Reading: mapped, never copied. Writing: the name holds the old or the complete new file,
// never a part.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tts {

// A file mapped for reading. If the file shrinks while it is mapped, reads beyond its new end give zeros (a
// handler replaces the lost pages) and check_intact() throws; nothing ends in a signal.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::string& path);  // follows links: the user named it
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // A name from inside a model file (shards): plain file name, nothing that leaves the directory.
  static MappedFile beneath(const std::string& directory, std::string_view name);

  std::span<const std::byte> bytes() const;
  const std::string& path() const;
  void check_intact() const;                           // Exit::bad_input when the file shrank
  void forget(const void* begin, int64_t size) const;  // the pages were copied: let the system drop them

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The whole file as text, at most `limit` bytes; "-" reads standard input.
std::string read_text(const std::string& path, int64_t limit);

// Writes through "<directory>/.<name>.<pid>.tts-tmp", syncs, renames. FIFOs and devices are written directly,
// links are followed, directories are refused. The destructor of an unfinished writer removes the temporary
// file. Every failure is Exit::output and leaves the previous file as it was. Temporary files of dead
// processes beside `path` are removed.
class FileWriter {
 public:
  enum class Existing { replace, refuse };
  explicit FileWriter(const std::string& path, Existing existing = Existing::replace);
  FileWriter(FileWriter&& other) noexcept;
  ~FileWriter();

  void write(const void* data, size_t bytes);
  void write_at(int64_t offset, const void* data, size_t bytes);  // to patch a header; not on FIFOs
  bool seekable() const;
  int descriptor() const;                   // for libraries that write themselves
  void commit();                            // sync, close, rename
  void commit_as(const std::string& path);  // the same under another name ("STEM.partial.EXT")
  void discard();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

void write_file(const std::string& path, std::string_view bytes);  // FileWriter in one line

bool same_file(const std::string& a, const std::string& b);  // the same inode

}  // namespace tts
