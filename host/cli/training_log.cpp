#include "host/cli/training_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "host/detector/telemetry_json.hpp"

namespace cugad::cli {

using nlohmann::ordered_json;

TrainingLog::TrainingLog(const std::string& path, bool append)
    : path_(path), file_(retry_interrupted([&] {
        return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
      })) {
  if (!file_) fail();
  write("");  // a full disk fails now
}

void TrainingLog::write(const FitProgress& progress) {
  ordered_json line = {{"step", progress.step}, {"steps", progress.steps}, {"seconds", watch_.seconds()}};
  line["models"] = ordered_json::parse(telemetry_to_json(progress.models));
  write(line.dump() + '\n');
}

void TrainingLog::write(std::string_view text) {
  do {
    const ssize_t written = retry_interrupted([&] { return ::write(file_.get(), text.data(), text.size()); });
    if (written < 0) fail();
    text.remove_prefix(static_cast<std::size_t>(written));
  } while (!text.empty());
}

void TrainingLog::fail() const {
  throw Error(ErrorCode::input_output, fmt::format("{}: {}", path_, std::strerror(errno)));
}

}  // namespace cugad::cli
