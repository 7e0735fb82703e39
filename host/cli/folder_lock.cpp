#include "host/cli/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

constexpr int attempts = 100;

}  // namespace

FolderLock::FolderLock(const std::string& path) : path_(path) {
  for (int attempt = 0; attempt < attempts; ++attempt) {
    std::error_code ignored;
    is_new_ = std::filesystem::create_directories(path_, ignored);
    folder_ =
        FileDescriptor(retry_interrupted([&] { return ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!folder_ && errno != ENOENT) break;
    is_refused_ = folder_ && ::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (is_refused_ || is_in_place()) break;  // else its last user removed it before it was locked
  }
  if (is_refused_) is_new_ = false;
  if (is_new_) remove_when_stopped(path_.c_str());
}

FolderLock::~FolderLock() {
  if (!is_new_) return;
  remove_when_stopped(nullptr);
  if (is_in_place()) ::rmdir(path_.c_str());  // still locked
}

bool FolderLock::is_in_place() const {
  struct stat opened, found;
  return folder_ && ::fstat(folder_.get(), &opened) == 0 && ::stat(path_.c_str(), &found) == 0 &&
         opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

}  // namespace cugad::cli
