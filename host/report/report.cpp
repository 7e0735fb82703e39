#include "cugad/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "cugad/error.hpp"
#include "host/detector/compared_options.hpp"
#include "host/floating_point.hpp"
#include "host/image/patch_rows.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/report/column_summary.hpp"
#include "host/report/page.hpp"
#include "host/report/score_summary.hpp"
#include "host/report/shown_text.hpp"
#include "host/report/top_anomalies.hpp"
#include "host/report/top_rows.hpp"
#include "host/report/training_history.hpp"
#include "host/text/shell_text.hpp"

namespace cugad {
namespace {

constexpr int most_listed = 200;
constexpr std::size_t explained_rows = 200, kept_cells = 400'000, most_images = 12;

ReportOptions checked(ReportOptions options, const Detector& detector) {
  check_has_charts();
  if (!detector.fitted()) {
    throw Error(ErrorCode::invalid_argument, "the detector of a report is not fitted: call fit or load first");
  }
  if (options.top < 1 || options.top > most_listed) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a report lists {} rows, expected 1 to {}", options.top, most_listed));
  }
  const std::int64_t columns = detector.columns();
  if (options.encoder && static_cast<std::int64_t>(options.encoder->feature_names().size()) != columns) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the encoder of a report makes {} columns, the detector takes {}",
                            options.encoder->feature_names().size(), columns));
  }
  if (options.image && cells_of(*options.image) > columns) {  // conditions may follow the pixels
    throw Error(ErrorCode::invalid_argument,
                fmt::format("images of {} have more values than the {} columns of the detector",
                            image_shape_text(*options.image), columns));
  }
  return options;
}

/// A command of a shell that trains such a model again, from the options that its preset or method does not have.
std::string training_command(const Detector& detector, const ComparedOptions& compared) {
  std::string command = "cugad train ROWS ";
  command +=
      compared.preset.empty() ? "--method " + get_option(detector.options(), "method") : "--preset " + compared.preset;
  for (const ComparedOptions::Option& option : compared.changed) {
    std::string flag = option.name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    command += " --" + flag + " " + shell_text(option.value);
  }
  return command + " --output MODEL";
}

void put_options(OrderedJson& page, const Detector& detector) {
  const ComparedOptions compared = compare_options(detector, detector.options());
  page["preset"] = compared.preset;
  for (const auto& [key, list] :
       {std::pair{"changed", &compared.changed}, std::pair{"unchanged", &compared.unchanged}}) {
    OrderedJson& place = page[key] = OrderedJson::array();
    for (const ComparedOptions::Option& option : *list) {
      OrderedJson& entry = place.emplace_back(OrderedJson::object());
      entry["name"] = option.name;
      entry["value"] = shown_text(option.value, 300);
      entry["usual"] = shown_text(option.usual, 300);
    }
  }
  page["training_command"] = shown_text(training_command(detector, compared), 4000);
}

template <class List>
void check_length(const char* what, const List& list, std::int64_t items) {
  if (list.empty() || static_cast<std::int64_t>(list.size()) == items) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("a report was given {} {}, expected one for each of {} rows", list.size(), what, items));
}

}  // namespace

struct __attribute__((visibility("hidden"))) Report::Impl {
  Impl(Detector detector_, ReportOptions options_)
      : detector(std::move(detector_)),
        options(checked(std::move(options_), detector)),
        threshold(options.threshold ? *options.threshold : detector.threshold()),
        columns(options.image ? std::vector<std::string>() : detector.column_names(),
                options.encoder && !options.image ? &*options.encoder : nullptr),
        top(kept_rows()) {}

  /// Whole rows that are kept: of wide tables no more than are listed.
  std::size_t kept_rows() const {
    const auto listed = static_cast<std::size_t>(options.top);
    if (options.image) return std::min(most_images, listed);
    return std::clamp(kept_cells / static_cast<std::size_t>(detector.columns()), listed, explained_rows);
  }
  void check(MatrixView<const float> rows, const ReportRows& beside) const;
  void add(MatrixView<const float> rows, const ReportRows& beside);
  TopRow top_row(std::int64_t item, MatrixView<const float> rows, std::int64_t first_patch,
                 const ReportRows& beside) const;
  std::string html();
  void put_facts(OrderedJson& page) const;

  Detector detector;
  ReportOptions options;
  float threshold;
  ColumnSummary columns;
  TopRows top;
  ScoredRows scored;
  std::int64_t added = 0, unreadable = 0, without_value = 0;
  bool has_patches = false;
};

void Report::Impl::check(MatrixView<const float> rows, const ReportRows& beside) const {
  std::int64_t items = rows.rows;
  if (!beside.grids.empty()) {
    std::int64_t patches = 0;
    for (const PatchGrid& grid : beside.grids) patches += grid.count();
    if (patches != rows.rows || !options.image) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("a report was given {} rows for {} patches, expected as many, and the option image",
                              rows.rows, patches));
    }
    items = static_cast<std::int64_t>(beside.grids.size());
  }
  check_length("labels", beside.labels, items);
  check_length("numbers", beside.numbers, items);
  if (beside.table != nullptr && beside.table->rows != items) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a report was given a table of {} rows, expected the {} that are scored",
                            beside.table->rows, items));
  }
  for (const std::int8_t label : beside.labels) {
    if (label >= -1 && label <= 1) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a label is {}, expected 1 (anomaly), 0 (normal) or -1 (unknown)", label));
  }
}

/// The cells of a row that no table was given for are its numbers.
TopRow Report::Impl::top_row(std::int64_t item, MatrixView<const float> rows, std::int64_t first_patch,
                             const ReportRows& beside) const {
  TopRow row;
  const auto at = static_cast<std::size_t>(item);
  row.number = beside.numbers.empty() ? added + item : beside.numbers[at];
  if (!beside.labels.empty()) row.label = beside.labels[at];
  if (!beside.grids.empty()) row.grids = {beside.grids[at]};
  row.rows = Matrix(beside.grids.empty() ? 1 : beside.grids[at].count(), rows.columns);
  for (std::int64_t r = 0; r < row.rows.rows; ++r)
    std::copy_n(rows.row(first_patch + r), rows.columns, row.rows.row(r));
  if (beside.table != nullptr) {
    row.cells = take_rows(*beside.table, std::array{item});
    return row;
  }
  row.cells.rows = 1;
  for (std::int64_t c = 0; c < rows.columns && !options.image; ++c) {
    const auto column = static_cast<std::size_t>(c);
    const bool has_offset = options.encoder && column < options.encoder->offsets().size();
    const double value = rows.row(first_patch)[c] + (has_offset ? options.encoder->offsets()[column] : 0.0);
    row.cells.columns.push_back(
        {.name = detector.column_names()[column], .is_text = false, .numbers = {value}, .texts = {}});
  }
  return row;
}

void Report::Impl::add(MatrixView<const float> rows, const ReportRows& beside) {
  check(rows, beside);
  const std::vector<float> scores = scores_of_images(detector.score(rows), beside.grids);
  std::int64_t patch = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto item = static_cast<std::int64_t>(i);
    const std::int64_t first_patch = patch;
    patch += beside.grids.empty() ? 1 : beside.grids[i].count();
    if (beside.table != nullptr && beside.table->unreadable.contains(item)) {
      ++unreadable;
      continue;
    }
    if (!options.image) columns.add(rows.row(first_patch));
    if (std::isnan(scores[i])) {
      ++without_value;
      continue;
    }
    const float score = std::min(scores[i], std::numeric_limits<float>::max() / 2);  // there is a threshold above it
    scored.score.push_back(score);
    scored.label.push_back(beside.labels.empty() ? std::int8_t{-1} : beside.labels[i]);
    if (!top.takes(score)) continue;
    TopRow row = top_row(item, rows, first_patch, beside);
    row.score = score;
    top.add(std::move(row));
  }
  added += static_cast<std::int64_t>(scores.size());
  has_patches |= !beside.grids.empty();
}

void Report::Impl::put_facts(OrderedJson& page) const {
  page["version"] = CUGAD_VERSION;
  page["title"] = shown_text(options.title);
  page["method"] = get_option(detector.options(), "method");
  page["rows"] = added;
  page["unreadable"] = unreadable;
  page["without_value"] = without_value;
  page["patches"] = has_patches;
  page["reference_rows"] = detector.reference_rows();
  if (options.image) page["image"] = image_shape_text(*options.image);
  std::vector<std::string> notes;
  for (const std::string& note : detector.notes()) notes.push_back(shown_text(note, 500));
  put_list(page["notes"], notes);
  OrderedJson& sources = page["sources"] = OrderedJson::array();
  for (const auto& [name, text] : options.sources) {
    OrderedJson& entry = sources.emplace_back(OrderedJson::object());
    entry["name"] = shown_text(name);
    entry["text"] = shown_text(text, 4000);
  }
}

std::string Report::Impl::html() {
  if (added == 0) throw Error(ErrorCode::invalid_argument, "a report needs rows, and none was added");
  OrderedJson page = OrderedJson::object();
  const TakenApart parts(page);
  put_facts(page);
  put_scores(page, detector, scored, threshold, !has_patches);
  if (!options.image) {
    columns.put(page["columns"]);
    page["columns_left_out"] = columns.left_out();
  }
  put_top_anomalies(page, detector, options, threshold, top.sorted(), columns);
  put_training(page["training"], detector.telemetry(), options.history);
  put_options(page["options"] = OrderedJson::object(), detector);
  return page_of(options.title, page);
}

Report::Report(Detector detector, ReportOptions options)
    : impl_(std::make_unique<Impl>(std::move(detector), std::move(options))) {}
Report::~Report() = default;

void Report::add(MatrixView<const float> rows, const ReportRows& beside) {
  const FloatingPointEnvironment environment;
  impl_->add(rows, beside);
}

std::int64_t Report::rows() const { return impl_->added; }

std::string Report::html() {
  const FloatingPointEnvironment environment;
  return impl_->html();
}

void Report::write(const std::string& path) {
  const std::string page = html();
  write_file_atomically(path, [&](const auto& append) { append(page); });
}

}  // namespace cugad
