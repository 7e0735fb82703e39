#include "host/cli/output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/mute.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/model_file/atomic_file.hpp"

namespace cugad::cli {
namespace {

std::atomic<bool> muted{false};

[[noreturn]] void fail_output() {
  const int reason = errno;
  throw Error(ErrorCode::input_output, reason == EPIPE ? std::string("standard output was closed by its reader")
                                                       : fmt::format("standard output: {}", std::strerror(reason)));
}

}  // namespace

void open_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) >= 0) continue;
    if (open("/dev/null", O_RDWR) != descriptor) _exit(1);  // it takes the lowest number that is free
  }
}

void mute() { muted = true; }
bool is_muted() { return muted; }

void print(std::string_view text) {
  if (muted) return;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_output();
}

void print_note(std::string_view line) {
  if (muted) return;
  const std::string text = one_line(line) + '\n';  // names from files may hold anything
  // Nothing sensible is left to do when standard error cannot be written.
  [[maybe_unused]] const auto written = std::fwrite(text.data(), 1, text.size(), stderr);
}

std::string npy_header(const std::string& shape) {
  static_assert(std::endian::native == std::endian::little, "the header says little-endian");
  const std::string magic("\x93NUMPY\x01\x00", 8);
  std::string description = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape);
  // The data start at a multiple of 64; the header ends with a line break.
  description.append(63 - (magic.size() + 2 + description.size()) % 64, ' ');
  description += '\n';
  const std::string length = {static_cast<char>(description.size() & 0xff), static_cast<char>(description.size() >> 8)};
  return magic + length + description;
}

void write_result(const std::string& path, const std::function<void(const Append&)>& write) {
  if (path.empty()) {
    write(print);
    flush_output();
  } else {
    const CancelScope scope;  // a signal must not leave the temporary file behind
    write_file_atomically(path, [&](const Append& append) {
      write([&](std::string_view text) {
        stop_if_cancelled();
        append(text);
      });
    });
  }
}

void check_writable(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw Error(ErrorCode::input_output,
                fmt::format("{}: {}", path,
                            std::filesystem::exists(folder, ignored)
                                ? fmt::format("{} is not a folder", folder.string())
                                : fmt::format("the folder {} does not exist", folder.string())));
  }
  check_can_be_written(path);
}

namespace {

/// Also of a file that does not exist yet: of a relative path none of whose folders is named, weakly_canonical() alone
/// leaves the path relative.
std::filesystem::path whole_path(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
}

}  // namespace

void check_no_other_file(const std::string& flag, const std::string& output, std::span<const std::string> others) {
  std::error_code ignored;
  for (const std::string& other : others) {
    if (output.empty() || other.empty()) continue;
    const bool same = std::filesystem::equivalent(output, other, ignored) || whole_path(output) == whole_path(other);
    if (same && !std::filesystem::is_character_file(output, ignored)) {
      throw UsageError(fmt::format("--{} {} would overwrite {}, which this command also needs", flag, output, other));
    }
  }
}

void check_csv_name(const std::string& output, std::initializer_list<std::string_view> more) {
  std::vector<std::string_view> others = {".npy", ".npz", ".parquet", ".json", ".xlsx", ".safetensors"};
  others.insert(others.end(), more);
  for (const std::string_view ending : others) {
    if (output.ends_with(ending)) throw UsageError(fmt::format("--output is a csv table, not '{}'", output));
  }
}

std::string named_values(std::vector<std::vector<std::string>> lines) {
  for (auto& line : lines) {
    for (std::string& cell : line) cell = one_line(cell);
  }
  std::size_t width = 0;
  for (const auto& line : lines) width = std::max(width, line[0].size());
  std::string text;
  for (const auto& line : lines) text += fmt::format("{:<{}}  {}\n", line[0], width, line[1]);
  return text;
}

std::string aligned_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], row[column].size());
    }
  }
  std::size_t total = 0;
  for (const std::size_t width : widths) total += width + 2;
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += column == 0 ? fmt::format("{:<{}}", row[column], widths[column])
                          : fmt::format("  {:>{}}", row[column], widths[column]);
    }
    if (row.empty()) line.assign(total > 2 ? total - 2 : total, '-');
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace cugad::cli
