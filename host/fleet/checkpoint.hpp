#pragma once

#include <bit>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "host/detector/checkpoint_files.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/training/checkpoint.hpp"

namespace cugad {

/// Tells other rows, groups or options, not a cryptographic promise.
class Fingerprint {
 public:
  void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 1099511628211ull; }
  void add(const std::string& text) {
    for (const char c : text) add(static_cast<unsigned char>(c));
    add(text.size());
  }
  void add(MatrixView<const float> rows) {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      for (std::int64_t c = 0; c < rows.columns; ++c) add(std::bit_cast<std::uint32_t>(rows.row(r)[c]));
    }
  }
  std::string text() const { return std::to_string(hash_); }

 private:
  std::uint64_t hash_ = 1469598103934665603ull;
};

/// The finished parts of a fit in its checkpoint directory, and the directories of the running ones.
class Parts {
 public:
  Parts(const FitControl& control, std::string fingerprint)
      : control_(control), directory_(control.checkpoint_directory), fingerprint_(std::move(fingerprint)) {}

  std::string running(const std::string& part) const { return directory_.empty() ? "" : directory_ + "/" + part; }
  std::optional<safetensors::File> load(const std::string& part) const {
    if (directory_.empty() || !control_.resume || !std::filesystem::exists(path(part))) return std::nullopt;
    safetensors::File file = safetensors::read(path(part));
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end() || found->second != fingerprint_) {
      throw Error(ErrorCode::invalid_argument, path(part) +
                                                   ": made with other options or training rows than those given now; "
                                                   "use the same or another directory");
    }
    file.metadata.erase(found);
    return file;
  }
  void save(const std::string& part, safetensors::File file) const {
    if (directory_.empty()) return;
    file.metadata[key] = fingerprint_;
    const auto write = [&] {
      std::error_code error;
      std::filesystem::create_directories(directory_, error);  // if it fails, so does the writing
      if (!control_.resume) keep_aside(path(part));
      safetensors::write(path(part), file);
      remove_checkpoint_files(running(part), checkpoint_files(running(part)));
    };
    is_regular_checkpoint(control_) ? write() : keep_unasked(control_, write);
  }

 private:
  static constexpr const char* key = "fleet_fingerprint";
  std::string path(const std::string& part) const { return directory_ + "/" + part + ".safetensors"; }
  const FitControl& control_;
  std::string directory_;
  std::string fingerprint_;
};

}  // namespace cugad
