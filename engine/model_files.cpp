#include "engine/embedded_voice.h"
#include "engine/model.h"

#include <map>
#include <mutex>

#include <sys/stat.h>

namespace tts {

struct ModelFiles::State {
  std::string directory;
  std::vector<EmbeddedFile> embedded;  // empty: a directory on disk
  std::mutex lock;
  std::map<std::string, MappedFile, std::less<>> mapped;  // by name below the directory

  const EmbeddedFile* find_embedded(std::string_view name) const {
    for (const EmbeddedFile& file : embedded) {
      if (file.name == name) return &file;
    }
    return nullptr;
  }
  // The node of a map does not move: the bytes stay where they are while others are added.
  template <class Open>
  std::span<const std::byte> map_once(std::string_view name, Open open) {
    const std::scoped_lock hold(lock);
    auto at = mapped.find(name);
    if (at == mapped.end()) at = mapped.emplace(std::string(name), open()).first;
    return at->second.bytes();
  }
};

ModelFiles ModelFiles::open(const std::string& directory_or_embedded) {
  ModelFiles files;
  files.state_ = std::make_shared<State>();
  files.state_->directory = directory_or_embedded;
  if (directory_or_embedded == "embedded") {
    files.state_->embedded = embedded_voice();
    check(!files.state_->embedded.empty(), Exit::usage,
          "embedded: this program was built without a voice (TTS_EMBED_VOICE=OFF); name a model directory "
          "with -m");
    return files;
  }
  struct stat info {};
  const bool exists = stat(directory_or_embedded.c_str(), &info) == 0;
  check(exists, Exit::bad_input, "{}: expected a model directory, got no such file or directory",
        directory_or_embedded);
  check(S_ISDIR(info.st_mode), Exit::bad_input, "{}: expected a model directory, got a file",
        directory_or_embedded);
  return files;
}

bool ModelFiles::has(std::string_view name) const {
  if (!state_->embedded.empty()) return state_->find_embedded(name) != nullptr;
  struct stat info {};
  return stat(path(name).c_str(), &info) == 0;
}

std::span<const std::byte> ModelFiles::bytes(std::string_view name) const {
  if (state_->embedded.empty()) return state_->map_once(name, [&] { return MappedFile(path(name)); });
  const EmbeddedFile* file = state_->find_embedded(name);
  check(file != nullptr, Exit::bad_input, "{}: cannot be opened: the embedded voice has no such file",
        path(name));
  return file->bytes;
}

std::string_view ModelFiles::text(std::string_view name) const {
  const std::span<const std::byte> all = bytes(name);
  return {reinterpret_cast<const char*>(all.data()), all.size()};
}

std::span<const std::byte> ModelFiles::shard(std::string_view folder, std::string_view name) const {
  const std::string full = folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
  if (!state_->embedded.empty()) return bytes(full);
  return state_->map_once(
      full, [&] { return MappedFile::beneath(folder.empty() ? state_->directory : path(folder), name); });
}

std::string ModelFiles::path(std::string_view name) const {
  return state_->directory + (state_->directory.ends_with('/') ? "" : "/") + std::string(name);
}

const std::string& ModelFiles::directory() const { return state_->directory; }

void ModelFiles::check_intact() const {
  const std::scoped_lock hold(state_->lock);
  for (const auto& [name, file] : state_->mapped) file.check_intact();
}

void ModelFiles::forget(const Tensor& tensor) const {
  const auto* begin = static_cast<const std::byte*>(tensor.data);
  const int64_t size = byte_size(tensor.dtype, tensor.shape);
  const std::scoped_lock hold(state_->lock);
  for (const auto& [name, file] : state_->mapped) {
    const std::span<const std::byte> all = file.bytes();
    if (begin >= all.data() && begin + size <= all.data() + all.size()) file.forget(begin, size);
  }
}

bool has_embedded_voice() { return !embedded_voice().empty(); }

}  // namespace tts
