#pragma once

#include <string>
#include <string_view>

#include "cugad/detector.hpp"
#include "host/cli/progress.hpp"
#include "host/model_file/file_descriptor.hpp"

namespace cugad::cli {

/// The telemetry of a fit as JSON lines, each written through at once so that it can be followed.
class TrainingLog {
 public:
  /// A resumed fit continues the file. Throws Error{input_output} if it cannot be written, as write() does.
  TrainingLog(const std::string& path, bool append);
  void write(const FitProgress& progress);

 private:
  void write(std::string_view text);
  [[noreturn]] void fail() const;

  std::string path_;
  FileDescriptor file_;
  Stopwatch watch_;
};

}  // namespace cugad::cli
