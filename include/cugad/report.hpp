#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/export.h"
#include "cugad/image.hpp"
#include "cugad/table.hpp"

/// A page about a detector and the rows that it scores, for people who would rather look: one HTML file that needs no
/// network. docs/report.md shows one.
namespace cugad {

/// What a report holds beside the scores.
struct ReportOptions {
  std::string title = "rows";                ///< what was scored
  std::optional<TableEncoder> encoder = {};  ///< that made rows of a table; none: each column is a number
  std::optional<ImageShape> image = {};      ///< of rows that are images
  std::optional<float> threshold = {};       ///< in place of the detector's own
  std::vector<std::string> ids = {};         ///< columns of the tables that name a row
  std::vector<FitProgress> history = {};     ///< what FitControl::on_progress was given, for the curves of the training
  int top = 25;                              ///< the most anomalous rows are listed, 1 to 200 of them
  /// Lines on where the page comes from, each with its name: a command, the hash of a file.
  std::vector<std::pair<std::string, std::string>> sources = {};
};

/// What is known of some rows beside their numbers; each may be absent.
struct ReportRows {
  std::span<const std::int8_t> labels = {};    ///< one per row (or image): 1 an anomaly, 0 normal, -1 unknown
  std::span<const std::int64_t> numbers = {};  ///< of the rows in their file; none: in the order of add()
  const Table* table = nullptr;                ///< the same rows as they were read
  std::span<const PatchGrid> grids = {};       ///< the rows are patches of images, which are cut so
};

/// Collects rows in bounded memory (5 bytes a row, and some hundred whole rows), and makes the page. At most some
/// hundred points of any curve are on it, so that it has the size of one for few rows.
class CUGAD_API Report {
 public:
  /// `detector`: fitted, for example Detector::share() of another. Throws Error{invalid_argument} for options out of
  /// range, Error{unsupported} in a build without Chart.js (docs/packaging.md).
  explicit Report(Detector detector, ReportOptions options = {});
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  /// Scores further rows, which are in host memory. Throws Error{invalid_argument} for lists of other lengths or labels
  /// of other values, and what Detector::score() throws.
  void add(MatrixView<const float> rows, const ReportRows& beside = {});
  /// The rows added so far.
  std::int64_t rows() const;
  /// The page. Explains the rows that it lists. Throws Error{invalid_argument} if no row was added. The same rows in
  /// the same order give the same page.
  std::string html();
  /// Writes the page atomically: whole or not at all.
  void write(const std::string& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
