#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cugad/detector.hpp"

/// Progress on standard error.
namespace cugad::cli {

/// Seconds since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One line of status: renewed in place on a terminal, a plain line every few seconds elsewhere, nothing when quiet.
class StatusLine {
 public:
  explicit StatusLine(bool quiet);
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  bool is_terminal() const { return terminal_; }
  /// Whether it is time to show something again.
  bool due() const;
  void show(const std::string& text);
  /// Takes the line off the terminal, so that other text can be written.
  void clear();

 private:
  bool quiet_;
  bool terminal_;
  bool visible_ = false;
  bool shown_once_ = false;
  Stopwatch clock_;
  double last_ = 0;
};

/// The progress of a fit: a bar with steps/s, losses and the time left.
class FitStatus {
 public:
  explicit FitStatus(bool quiet, std::string title = {}) : quiet_(quiet), title_(std::move(title)), line_(quiet) {}
  void update(const FitProgress& progress);
  /// Writes a line that remains when the bar is redrawn.
  void message(const std::string& text);
  void clear() { line_.clear(); }

 private:
  bool quiet_;
  std::string title_;
  StatusLine line_;
  Stopwatch clock_;
  std::int64_t first_step_ = -1;  ///< a resumed fit does not start at 0
  double first_seconds_ = 0;
};

/// How many rows went through.
class RowStatus {
 public:
  explicit RowStatus(bool quiet, std::string title = "rows") : title_(std::move(title)), line_(quiet) {}
  /// `total` is 0 if it is unknown.
  void update(std::int64_t rows, std::int64_t total = 0);
  void clear() { line_.clear(); }

 private:
  std::string title_;
  StatusLine line_;
  Stopwatch clock_;
};

}  // namespace cugad::cli
