#pragma once

#include <string>

#include "host/model_file/file_descriptor.hpp"

namespace cugad::cli {

/// A folder that no other FolderLock has while this one lives, on this machine and where the file system tells others.
/// It is made if it is not there; that it made goes again if it is empty, also when a signal ends the process.
class FolderLock {
 public:
  /// A folder that cannot be made or opened, or whose file system has no locks, is not locked.
  explicit FolderLock(const std::string& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether another process has it.
  bool is_refused() const { return is_refused_; }

 private:
  /// Whether the path still leads to the folder that was opened.
  bool is_in_place() const;

  std::string path_;
  FileDescriptor folder_;  // its lock goes with it
  bool is_new_ = false, is_refused_ = false;
};

}  // namespace cugad::cli
