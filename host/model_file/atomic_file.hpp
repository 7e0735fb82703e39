#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace cugad {

/// Writes a file so that `path` holds either its old contents or all of the new ones: into a temporary file beside it,
/// synced, renamed over it, directory synced. `write` gets a function that appends bytes. On any failure the temporary
/// file is removed and Error{input_output} names the path and the reason (disk full, permission, ...). The first write
/// to a directory calls remove_abandoned_files().
void write_file_atomically(const std::string& path,
                           const std::function<void(const std::function<void(std::string_view)>& append)>& write);

/// Throws the errors of write_file_atomically that are detectable before writing: for checks before long work. Creates
/// a file beside `path` and removes it.
void check_can_be_written(const std::string& path);

/// Removes the temporary files in a directory whose writers were killed; what cannot be removed stays. A writer holds a
/// lock on its file, which may not be seen from other machines: files that other systems began, or this one before it
/// was started, stay for `age_of_others` after their last change. 0 where no other process writes there.
void remove_abandoned_files(const std::string& directory, std::chrono::seconds age_of_others = std::chrono::hours(24));

/// Removes the temporary files of writes under way. Safe in a signal handler that then ends the process.
void remove_temporary_files() noexcept;

}  // namespace cugad
