#pragma once

#include <fstream>
#include <string>

#include "cugad/detector.hpp"
#include "host/cli/progress.hpp"

namespace cugad::cli {

/// The telemetry of a fit as JSON lines, each written through at once so that it can be followed.
class TrainingLog {
 public:
  /// A resumed fit continues the file.
  TrainingLog(const std::string& path, bool append);
  void write(const FitProgress& progress);

 private:
  std::string path_;
  std::ofstream file_;
  Stopwatch watch_;
};

}  // namespace cugad::cli
