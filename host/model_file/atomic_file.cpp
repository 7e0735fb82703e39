#include "host/model_file/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <system_error>

#include "cugad/error.hpp"
#include "host/model_file/file_descriptor.hpp"

namespace cugad {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr int name_attempts = 1000;
constexpr std::string_view name_begin = ".cugad-", name_end = ".tmp";  // of temporary files

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::input_output, fmt::format("cannot write \"{}\": {}", path, reason));
}

[[noreturn]] void fail_with_errno(const std::string& path, const char* step, int error) {
  fail(path, fmt::format("{}: {}", step, std::generic_category().message(error)));
}

/// The file that `path` leads to, through a symbolic link: the link stays and its target is replaced.
std::string follow_link(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fail_with_errno(path, "following the symbolic link", errno);
  std::string target = resolved;
  ::free(resolved);
  return target;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

/// The permissions of the file about to be replaced, if there is one. Renaming over anything but a regular file would
/// destroy it (a device, a pipe) or fail late (a directory).
std::optional<mode_t> check_target(const std::string& path, const std::string& target) {
  struct stat status;
  if (::stat(target.c_str(), &status) != 0) {
    if (errno != ENOENT) fail_with_errno(path, "looking at the target", errno);
    if (target.back() == '/') fail(path, "the path names a directory, expected a file");
    return std::nullopt;
  }
  if (S_ISDIR(status.st_mode)) fail(path, "the path names a directory, expected a file");
  if (!S_ISREG(status.st_mode)) fail(path, "the path names a device, pipe or socket, expected a regular file");
  return status.st_mode & 0777;
}

/// What keeps a file from being replaced though its directory may be written.
void check_replaceable(const std::string& path, const std::string& target, const std::string& directory) {
  struct statx file, folder;
  if (::statx(AT_FDCWD, target.c_str(), 0, STATX_UID, &file) != 0) return;
  if (::statx(AT_FDCWD, directory.c_str(), 0, STATX_UID | STATX_MODE, &folder) != 0) return;
  if ((file.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) fail(path, "a file that is mounted cannot be replaced");
  if ((file.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0) {
    fail(path, "the file is set to be immutable or append-only (chattr)");
  }
  const uid_t user = ::geteuid();
  const bool is_foreign = user != file.stx_uid && user != folder.stx_uid && user != 0;
  if ((folder.stx_mode & S_ISVTX) != 0 && is_foreign) {
    fail(path, "the file belongs to another user, and its directory lets no other user replace it");
  }
}

struct Target {
  std::string path, directory;
  std::optional<mode_t> permissions;  ///< of the existing file
};

/// Where a write to `path` goes, once it is known that it can.
Target find_target(const std::string& path) {
  if (path.empty()) fail(path, "the path is empty");
  if (path.find('\0') != std::string::npos) fail(path.c_str(), "the path holds a zero byte");
  Target target{.path = follow_link(path), .directory = {}, .permissions = {}};
  target.permissions = check_target(path, target.path);
  target.directory = directory_of(target.path);
  check_replaceable(path, target.path, target.directory);
  return target;
}

/// The name of a temporary file, at an address for a signal handler. Neither moved nor freed while a handler may read
/// it.
struct KnownName {
  std::atomic<bool> is_taken{false}, is_set{false};
  char text[PATH_MAX];
};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");
KnownName known_names[16];

/// Keeps a file's name among the known ones while it lives; one of many files at once may stay unknown.
class KnownFile {
 public:
  explicit KnownFile(const std::string& name) {
    if (name.size() >= sizeof known_names->text) return;
    for (KnownName& one : known_names) {
      if (one.is_taken.exchange(true)) continue;
      name.copy(one.text, name.size());
      one.text[name.size()] = '\0';
      one.is_set.store(true);
      known_ = &one;
      return;
    }
  }
  KnownFile(const KnownFile&) = delete;
  KnownFile& operator=(const KnownFile&) = delete;
  ~KnownFile() {
    if (known_ == nullptr) return;
    known_->is_set.store(false);
    known_->is_taken.store(false);
  }

 private:
  KnownName* known_ = nullptr;
};

/// Numbers that earlier runs probably did not use: files of killed runs must not block a process with the same id, as
/// in a container.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> number(
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
  return number++;
}

/// Of the system that runs now, in whatever container: its processes see each other's locks on every file system.
const std::string& system_name() {
  static const std::string name = [] {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id.substr(0, id.find('-'));
  }();
  return name;
}

bool is_temporary_name(std::string_view name) {
  if (!name.starts_with(name_begin) || !name.ends_with(name_end)) return false;
  name = name.substr(name_begin.size(), name.size() - name_begin.size() - name_end.size());
  return name.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

/// Removes a temporary file whose writer is gone: its lock went with it.
void remove_if_abandoned(const std::string& path, bool is_of_this_system, std::chrono::seconds age_of_others) {
  const FileDescriptor file(
      retry_interrupted([&] { return ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (!is_of_this_system && age_of_others.count() > 0 && std::time(nullptr) - status.st_mtime < age_of_others.count())
    return;
  // Removed while it is locked: a writer that has just made it sees that.
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
}

/// Not before each of many writes: a directory may hold many files.
void remove_abandoned_files_once(const std::string& directory) {
  static std::mutex mutex;
  static std::string last;
  const std::lock_guard lock(mutex);
  if (directory == last) return;
  remove_abandoned_files(directory);
  last = directory;
}

/// A new file beside the target that removes itself unless it was renamed. It is locked while its writer lives.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& path, const std::string& directory) : path_(path) {
    remove_abandoned_files_once(directory);
    for (int attempt = 0; attempt < name_attempts; ++attempt) {
      // The name does not contain the target's: a target whose name is as long as the system allows must work too.
      name_ = fmt::format("{}{}{}-{}-{}{}", directory, name_begin, system_name(), ::getpid(), next_number(), name_end);
      known_.emplace(name_);
      descriptor_ = FileDescriptor(retry_interrupted([&] {
        return ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);  // the umask applies
      }));
      if (descriptor_ && is_kept()) return;
      if (!descriptor_ && errno != EEXIST) break;
    }
    fail_with_errno(path_, "creating a temporary file beside it", errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!renamed_) ::unlink(name_.c_str());
  }

  void set_permissions(mode_t mode) {
    if (::fchmod(descriptor_.get(), mode) != 0) fail_with_errno(path_, "copying the permissions", errno);
  }

  void append(std::string_view bytes) {
    if (buffer_.size() + bytes.size() > buffer_bytes) flush();
    if (bytes.size() >= buffer_bytes)
      write_all(bytes);
    else
      buffer_ += bytes;
  }

  void rename_to(const std::string& target) {
    // A writer that caught the error of a failed append must not turn a partial file into the target.
    if (failed_error_ != 0) fail_with_errno(path_, "writing", failed_error_);
    flush();
    if (retry_interrupted([&] { return ::fsync(descriptor_.get()); }) != 0) fail_with_errno(path_, "syncing", errno);
    // Network file systems report a full disk when a descriptor is closed, here a second one: the lock goes with the
    // last. A close that was interrupted has closed all the same.
    const int second = ::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0);
    if (second >= 0 && ::close(second) != 0 && errno != EINTR) fail_with_errno(path_, "closing", errno);
    if (::rename(name_.c_str(), target.c_str()) != 0) fail_with_errno(path_, "renaming the temporary file", errno);
    renamed_ = true;
  }

 private:
  /// Locks the new file; false if another process took it for abandoned before that. Some file systems have no locks.
  bool is_kept() {
    struct stat status;
    return (::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
           ::fstat(descriptor_.get(), &status) == 0 && status.st_nlink > 0;
  }

  void flush() {
    write_all(buffer_);
    buffer_.clear();
  }

  void write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = retry_interrupted([&] { return ::write(descriptor_.get(), bytes.data(), bytes.size()); });
      if (written <= 0) {
        failed_error_ = written < 0 ? errno : EIO;
        fail_with_errno(path_, "writing", failed_error_);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  const std::string& path_;  ///< as the caller gave it, for messages
  std::string name_;
  std::optional<KnownFile> known_;
  FileDescriptor descriptor_;
  std::string buffer_;
  int failed_error_ = 0;
  bool renamed_ = false;
};

/// Without this a power cut may bring the old file back. Some file systems cannot sync a directory (EINVAL), and a
/// directory that may be written but not listed cannot be opened: there the system's own order has to do.
void sync_directory(const std::string& path, const std::string& directory) {
  const FileDescriptor descriptor(
      retry_interrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!descriptor) {
    if (errno == EACCES) return;
    fail_with_errno(path, "opening its directory", errno);
  }
  if (retry_interrupted([&] { return ::fsync(descriptor.get()); }) != 0 && errno != EINVAL)
    fail_with_errno(path, "syncing its directory", errno);
}

}  // namespace

void write_file_atomically(const std::string& path,
                           const std::function<void(const std::function<void(std::string_view)>& append)>& write) {
  const Target target = find_target(path);
  TemporaryFile file(path, target.directory);
  if (target.permissions) file.set_permissions(*target.permissions);
  write([&](std::string_view bytes) { file.append(bytes); });
  file.rename_to(target.path);
  sync_directory(path, target.directory);
}

void check_can_be_written(const std::string& path) {
  const Target target = find_target(path);
  const TemporaryFile file(path, target.directory);
}

void remove_abandoned_files(const std::string& directory, std::chrono::seconds age_of_others) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::string of_this_system = fmt::format("{}{}-", name_begin, system_name());
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_of_this_system = !system_name().empty() && name.starts_with(of_this_system);
    if (is_temporary_name(name)) remove_if_abandoned(entry->path().string(), is_of_this_system, age_of_others);
  }
}

void remove_temporary_files() noexcept {
  for (const KnownName& one : known_names) {
    if (one.is_set.load()) ::unlink(one.text);
  }
}

}  // namespace cugad
