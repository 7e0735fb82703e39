#include "host/cli/training_log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "host/methods/telemetry_json.hpp"

namespace cugad::cli {

using nlohmann::ordered_json;

TrainingLog::TrainingLog(const std::string& path, bool append)
    : path_(path), file_(path, append ? std::ios::app : std::ios::trunc) {
  if (!file_) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path_, std::strerror(errno)));
}

void TrainingLog::write(const FitProgress& progress) {
  ordered_json line = {{"step", progress.step}, {"steps", progress.steps}, {"seconds", watch_.seconds()}};
  line["models"] = ordered_json::parse(telemetry_to_json(progress.models));
  file_ << line.dump() << std::endl;
  if (!file_) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path_, std::strerror(errno)));
}

}  // namespace cugad::cli
