#include "host/detector/fitting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/image_shape.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/dominated_columns.hpp"
#include "host/detector/folds.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/trim.hpp"
#include "host/methods/methods.hpp"
#include "host/options/image_options.hpp"
#include "host/text/cell.hpp"
#include "kernels/rows/content_hash.hpp"

namespace cugad {
namespace {

/// Training rows that are scored for calibration: enough for a 0.1 % quantile, few enough for a latent search, or for a
/// pass per column.
constexpr std::int64_t calibration_rows_bank = 20000, calibration_rows_costly = most_table_rows;
constexpr int usual_folds = 5;
constexpr std::int64_t usual_reference_rows = 20000;
/// Lane of RandomPurpose::calibration.
constexpr std::uint32_t trimmed_lane = 3;
/// Above it a minibatch, and a bank of the usual size, show too little of the rare kinds of rows.
constexpr std::int64_t many_distinct_rows = 30000;

bool judges_cells(const DetectorOptions& options) {
  const std::vector<Method> methods = methods_of(options);
  return std::any_of(methods.begin(), methods.end(), [](Method m) { return definition_of(m).judges_cells; });
}

/// Ranges of rows that follow each other.
using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// The folds that some model of the population leaves out; all rows if there is one fold.
Ranges left_out_by_a_model(const Folds& folds, const DetectorOptions& options) {
  std::vector<bool> is_left_out(static_cast<std::size_t>(folds.count()), folds.count() == 1);
  for (std::int64_t m = 0; m < options.population; ++m) is_left_out[folds.of_model(m, options.fold)] = true;
  Ranges ranges;
  for (std::int64_t k = 0; k < folds.count(); ++k) {
    if (is_left_out[k]) ranges.emplace_back(folds.begin[k], folds.begin[k + 1]);
  }
  return ranges;
}

std::int64_t rows_in(const Ranges& ranges) {
  std::int64_t rows = 0;
  for (const auto& [begin, end] : ranges) rows += end - begin;
  return rows;
}

/// The row with that number among those of the ranges.
std::int64_t row_in(const Ranges& ranges, std::int64_t number) {
  auto range = ranges.begin();
  while (number >= range->second - range->first) {
    number -= range->second - range->first;
    ++range;
  }
  return range->first + number;
}

/// Transforms rows, a chunk at a time: calls visit(first, chunk).
template <class Visit>
void for_each_transformed(Context& context, const FeatureTransform& transform, MatrixView<const float> rows,
                          const Visit& visit) {
  constexpr std::int64_t cells = 1 << 20;
  Matrix chunk(std::min(rows.rows, std::max<std::int64_t>(1, cells / rows.columns)), rows.columns);
  for (std::int64_t first = 0; first < rows.rows; first += chunk.rows) {
    const std::int64_t count = std::min(chunk.rows, rows.rows - first);
    const MatrixView<float> part(chunk.data.data(), count, chunk.columns);
    transform.apply(context, {rows.row(first), count, rows.columns, rows.row_stride}, part);
    visit(first, MatrixView<const float>(part));
  }
}

Folds folds_of_transformed(Context& context, const FeatureTransform& transform, MatrixView<const float> rows,
                           std::int64_t wanted, const std::string& row_directory) {
  LargeArray<std::uint32_t> hashes(static_cast<std::size_t>(rows.rows), row_directory);
  if (wanted > 1) {
    for_each_transformed(context, transform, rows, [&](std::int64_t first, MatrixView<const float> chunk) {
      for (std::int64_t r = 0; r < chunk.rows; ++r)
        hashes.data()[first + r] = content_hash(chunk.row(r), chunk.columns);
    });
  }
  return make_folds({hashes.data(), static_cast<std::size_t>(rows.rows)}, wanted);
}

/// Writes the transformed rows into `to`, fold after fold. Returns where the rows at those places of `to` come from.
std::vector<std::int64_t> sort_by_fold(Context& context, const FeatureTransform& transform,
                                       MatrixView<const float> rows, const Folds& folds,
                                       const std::vector<std::int64_t>& places, StoredRows& to) {
  std::unordered_map<std::int64_t, std::int64_t> row_at;
  for (const std::int64_t place : places) row_at[place] = -1;
  std::vector<std::int64_t> next(folds.begin.begin(), folds.begin.end() - 1);
  for_each_transformed(context, transform, rows, [&](std::int64_t first, MatrixView<const float> chunk) {
    for (std::int64_t r = 0; r < chunk.rows; ++r) {
      const std::int64_t place = next[folds.of_row[first + r]]++;
      std::copy_n(chunk.row(r), chunk.columns, to.row(place));
      const auto asked = row_at.find(place);
      if (asked != row_at.end()) asked->second = first + r;
    }
  });
  std::vector<std::int64_t> positions;
  for (const std::int64_t place : places) positions.push_back(row_at[place]);
  return positions;
}

/// How many rows differ, `most` if that many or more do.
std::int64_t count_distinct(MatrixView<const float> rows, std::int64_t most) {
  std::unordered_set<std::string_view> seen;
  for (std::int64_t r = 0; r < rows.rows && std::ssize(seen) < most; ++r) {
    seen.emplace(reinterpret_cast<const char*>(rows.row(r)), sizeof(float) * static_cast<std::size_t>(rows.columns));
  }
  return std::ssize(seen);
}

bool has_missing_cell(MatrixView<const float> rows) {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (std::any_of(rows.row(r), rows.row(r) + rows.columns, [](float cell) { return std::isnan(cell); })) return true;
  }
  return false;
}

/// Throws Error{unsupported} for an option that needs the rows in memory.
void check_in_memory(const char* option, const std::string& row_directory) {
  if (row_directory.empty()) return;
  throw Error(
      ErrorCode::unsupported,
      fmt::format("option '{}' compares all rows with each other in memory, but they are kept in files of '{}': "
                  "leave the option out, or train in memory",
                  option, row_directory));
}

/// Where each fold begins among rows whose positions, ascending, are given.
std::vector<std::int64_t> folds_of_rows(const std::vector<std::int64_t>& positions,
                                        const std::vector<std::int64_t>& fold_begin) {
  if (fold_begin.size() == 2) return {0, static_cast<std::int64_t>(positions.size())};
  std::vector<std::int64_t> begin;
  for (const std::int64_t first : fold_begin) {
    begin.push_back(std::lower_bound(positions.begin(), positions.end(), first) - positions.begin());
  }
  return begin;
}

/// Of the rows at other positions than `kept` the share that calibrates of those: `calibrating` rows.
Matrix sample_of_others(Context& context, MatrixView<const float> rows, const std::vector<std::int64_t>& kept,
                        std::int64_t calibrating, std::uint64_t seed) {
  std::vector<std::int64_t> others;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (!std::binary_search(kept.begin(), kept.end(), r)) others.push_back(r);
  }
  const double share = static_cast<double>(calibrating) / static_cast<double>(kept.size());
  const auto most = std::llround(share * static_cast<double>(others.size()));
  std::vector<std::int64_t> sample =
      sample_of(context, static_cast<std::int64_t>(others.size()), most, seed, trimmed_lane);
  for (std::int64_t& row : sample) row = others[row];
  return take_rows(rows, sample);
}

}  // namespace

void StoredRows::keep(const std::vector<bool>& is_kept) {
  std::int64_t kept = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (is_kept[static_cast<std::size_t>(r)]) std::copy_n(row(r), columns, row(kept++));
  }
  rows = kept;
}

void fill_missing_with_means(MatrixView<float> rows) {
  std::vector<double> sum(rows.columns, 0.0);
  std::vector<std::int64_t> present(rows.columns, 0);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      if (std::isnan(rows.row(r)[c])) continue;
      sum[c] += rows.row(r)[c];
      ++present[c];
    }
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      float& cell = rows.row(r)[c];
      if (std::isnan(cell))
        cell = static_cast<float>(sum[c] / static_cast<double>(std::max<std::int64_t>(1, present[c])));
    }
  }
}

void check_rows(const char* what, MatrixView<const float> rows, std::int64_t columns) {
  if (rows.rows < 0 || rows.columns != columns || (rows.rows > 1 && rows.row_stride < rows.columns) ||
      (rows.data == nullptr && rows.rows > 0)) {
    throw Error(ErrorCode::invalid_argument, std::string(what) + ": rows have " + std::to_string(rows.columns) +
                                                 " columns (stride " + std::to_string(rows.row_stride) +
                                                 "), expected " + std::to_string(columns));
  }
}

std::int64_t check_fit_arguments(MatrixView<const float> rows, Columns& columns) {
  if (rows.rows < 1 || rows.columns < 1) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(rows.rows) + " rows and " +
                                                 std::to_string(rows.columns) +
                                                 " columns, expected at least 1 of each");
  }
  if (rows.rows > INT32_MAX) {
    throw Error(ErrorCode::invalid_argument,
                "fit was given " + std::to_string(rows.rows) + " rows, at most 2^31 - 1 are supported");
  }
  check_rows("fit", rows, rows.columns);
  if (columns.names.empty()) {
    for (std::int64_t c = 0; c < rows.columns; ++c) columns.names.push_back(std::to_string(c));
  }
  if (static_cast<std::int64_t>(columns.names.size()) != rows.columns) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(columns.names.size()) +
                                                 " column names for " + std::to_string(rows.columns) + " columns");
  }
  for (std::size_t c = 0; c < columns.names.size(); ++c) {
    if (is_utf8(columns.names[c])) continue;  // as the model file needs it
    throw Error(ErrorCode::invalid_argument, "the name of column " + std::to_string(c) + " is not valid UTF-8");
  }
  if (columns.binary < 0 || columns.binary > rows.columns) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(columns.binary) +
                                                 " 0/1 columns, but there are " + std::to_string(rows.columns) +
                                                 " columns");
  }
  return rows.columns - columns.binary;
}

void check_image_columns(const DetectorOptions& options, const Columns& columns) {
  const auto count = static_cast<std::int64_t>(columns.names.size());
  const std::int64_t given = options.condition.empty() ? 0 : column_roles(options, columns.names).condition;
  if (!options.image || (columns.binary <= given && cells_of(*options.image) == count - given)) return;
  const std::int64_t values = cells_of(*options.image);
  const std::string found = std::to_string(count) + " columns";
  throw Error(ErrorCode::invalid_argument,
              "option 'image' is '" + image_shape_text(*options.image) + "', expected rows of its " +
                  std::to_string(values) + " numbers" + (given > 0 ? " and the conditions" : "") + ", but they have " +
                  (columns.binary == 0 ? found + " (columns that are no pixels can be left out: --exclude)"
                                       : found + ", " + std::to_string(columns.binary) + " of them from categories"));
}

RowsToFit rows_to_fit(const Device& device, MatrixView<const float> rows,
                      const std::function<void(const std::string&)>& on_message, const std::string& row_directory) {
  RowsToFit fit;
  if (!device.backend().is_host_memory() && device.backend().is_device_pointer(rows.data)) {
    Context context = device.make_context();
    device.backend().wait_for_default_stream(context.stream());
    fit.kept = LargeArray<float>(download_rows(context, rows));
    rows = {fit.kept.data(), rows.rows, rows.columns};
  }
  const auto has_value = [&](std::int64_t r) {
    return !std::all_of(rows.row(r), rows.row(r) + rows.columns, [](float x) { return std::isnan(x); });
  };
  fit.rows = rows;
  std::int64_t kept = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) kept += has_value(r) ? 1 : 0;
  if (kept == 0) throw Error(ErrorCode::invalid_argument, "fit was given no row that holds a value");
  if (kept == rows.rows) return fit;
  LargeArray<float> with_values(static_cast<std::size_t>(kept * rows.columns), row_directory);
  float* next = with_values.data();
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (!has_value(r)) continue;
    next = std::copy_n(rows.row(r), rows.columns, next);
    if (row_directory.empty()) fit.positions.push_back(r);
  }
  fit.kept = std::move(with_values);
  fit.rows = {fit.kept.data(), kept, rows.columns};
  if (on_message) {
    on_message(fmt::format("rows without any value are left out: {} of {}", rows.rows - kept, rows.rows));
  }
  return fit;
}

int folds_of(const DetectorOptions& options) { return options.folds == 0 ? usual_folds : options.folds; }

DetectorOptions resolve(DetectorOptions options, std::int64_t rows, std::int64_t columns, std::int64_t distinct_rows) {
  options.folds = folds_of(options);
  const bool is_large = distinct_rows > many_distinct_rows;
  if (options.learning_rate == 0.0f) options.learning_rate = is_large ? 1e-3f : 5e-4f;
  if (options.coverage < 0.0f) options.coverage = is_large ? 30.0f : 1.0f;
  if (options.coverage_rows == 0) options.coverage_rows = is_large ? 1024 : 256;
  if (options.bank_rows == 0) options.bank_rows = is_large ? 12000 : 3000;
  choose_image_layers(options);
  if (options.latent == 0) options.latent = std::max(2, static_cast<int>((columns + 1) / 2));
  const std::vector<Method> methods = methods_of(options);
  options.ensemble.assign(methods.begin() + 1, methods.end());
  if (keeps_training_rows(options) && options.reference_rows <= 0) options.reference_rows = usual_reference_rows;
  if (options.ensemble.empty()) options = options_of_methods(options).front();
  if (options.epochs > 0) {
    rows -= options.folds > 1 ? rows / options.folds : 0;  // those that a model leaves out
    options.steps = options.epochs * std::max<std::int64_t>(1, rows / options.batch);
  }
  // A decay that does not depend on shorter runs lets a stopped run be continued to the same bits.
  if (options.decay_steps == 0) options.decay_steps = std::max<std::int64_t>(options.steps, 4000);
  return options;
}

FitControl part_of(const FitControl& control, const DetectorOptions& options, std::int64_t steps_before,
                   const std::vector<DetectorOptions>& all) {
  FitControl part = control;
  std::int64_t steps = 0;
  for (const DetectorOptions& one : all) steps += definition_of(one.method).steps(one);
  if (control.on_progress) {
    part.on_progress = [&control, steps_before, steps](const FitProgress& progress) {
      control.on_progress({.step = steps_before + progress.step, .steps = steps, .models = progress.models});
    };
  }
  const std::string name = definition_of(options.method).name;
  if (control.on_message) {
    part.on_message = [&control, name](const std::string& text) { control.on_message(name + ": " + text); };
  }
  if (!control.checkpoint_directory.empty()) part.checkpoint_directory += "/" + name;
  return part;
}

ReferenceRows reference_rows_of(Context& context, MatrixView<const float> training, const DetectorOptions& resolved,
                                const std::string& row_directory) {
  return choose_reference_rows(context, training, resolved.reference_rows, most_copies(resolved), resolved.seed,
                               row_directory);
}

std::string training_rows_note(std::int64_t rows) {
  const std::string kept = rows == 0 ? "the models keep" : fmt::format("the model keeps {}", rows);
  return kept + " training rows (reference_rows; 0 keeps none): whoever has the file can read them";
}

std::vector<std::int64_t> sample_of(Context& context, std::int64_t rows, std::int64_t most, std::uint64_t seed,
                                    std::uint32_t lane) {
  std::vector<std::int32_t> index(std::min(most, rows));
  run(context, SampleRows{.index = {index.data(), 1, static_cast<std::int64_t>(index.size()), 1},
                          .source_rows = static_cast<std::int32_t>(rows),
                          .first_row = {},
                          .row_count = {},
                          .key = {.seed = seed, .purpose = RandomPurpose::calibration, .lane = lane}});
  return {index.begin(), index.end()};
}

FitColumns fit_columns(MatrixView<const float> rows, const DetectorOptions& options,
                       const std::vector<std::string>& names, std::int64_t numeric_columns) {
  FitColumns columns{.names = names, .numeric = numeric_columns, .categories = {}};
  if (judges_cells(options)) columns.categories = find_categories(rows, names, numeric_columns);
  return columns;
}

PreparedRows prepare_rows(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
                          const FitColumns& columns, const std::function<void(const std::string&)>& on_message,
                          const std::string& row_directory) {
  PreparedRows prepared;
  const auto note = [&](const std::string& text) {
    if (on_message) on_message(text);
    prepared.notes.push_back(text);
  };
  prepared.roles = column_roles(options, columns.names, columns.categories);
  std::vector<std::int64_t> kept;  // all if it is empty
  if (options.trim != 0.0f) {
    check_in_memory("trim", row_directory);
    kept = rows_after_trim(context, rows, options, columns.names, columns.numeric);
    prepared.trimmed_rows = rows.rows - static_cast<std::int64_t>(kept.size());
    note(fmt::format("{} of {} training rows are left out as the most surprising ones (trim), and calibrate only",
                     prepared.trimmed_rows, rows.rows));
  }
  const MatrixView<const float> all_rows = rows;
  const Matrix learnt = prepared.trimmed_rows > 0 ? take_rows(rows, kept) : Matrix();
  if (prepared.trimmed_rows > 0) rows = learnt.view();
  StoredRows& all = prepared.training = StoredRows(rows.rows, rows.columns, row_directory);
  prepared.transform.fit(context, rows, options, columns.names, columns.numeric, on_message, all.view());
  ColumnRanges ranges = column_ranges(rows);
  for (const std::string& text :
       dominated_columns(rows, ranges, kept, prepared.transform, options, columns.names, columns.numeric))
    note(text);
  prepared.range = std::move(ranges.range);
  prepared.transform.reorder(prepared.roles.order);
  // Calibration sees the rows as scoring will: with their missing cells.
  const std::vector<DetectorOptions> asked = options_of_methods(options);
  const auto is_costly = [](const DetectorOptions& one) {
    return one.score == ScoreRule::search || one.score == ScoreRule::likelihood;
  };
  const bool is_any_costly = std::any_of(asked.begin(), asked.end(), is_costly);
  const std::int64_t most = is_any_costly ? calibration_rows_costly : calibration_rows_bank;
  // Distances to training rows need no folds, but what is new among cells is learnt with them.
  const bool trains = trains_networks(options);
  const Folds folds =
      folds_of_transformed(context, prepared.transform, rows, trains ? folds_of(options) : usual_folds, row_directory);
  const Ranges candidates = trains ? left_out_by_a_model(folds, options) : Ranges{{0, rows.rows}};
  std::vector<std::int64_t> sample = sample_of(context, rows_in(candidates), most, options.seed);
  for (std::int64_t& row : sample) row = row_in(candidates, row);
  if (folds.count() > 1) std::sort(sample.begin(), sample.end());
  const std::vector<std::int64_t> positions =
      sort_by_fold(context, prepared.transform, rows, folds, sample, prepared.training);
  if (options.novelty > 0.0f) {
    prepared.surprise = prepared.novelty.fit(rows, columns.names, columns.numeric, folds, positions);
    prepared.transform.freeze(prepared.novelty.constant_columns());
  }
  prepared.calibration = take_rows(std::as_const(all).view(), sample);
  if (prepared.trimmed_rows > 0)
    prepared.trimmed = sample_of_others(context, all_rows, kept, prepared.calibration.rows, options.seed);
  prepared.calibration_begin = folds_of_rows(sample, folds.begin);
  const bool is_incomplete = has_missing_cell(all.view());
  if (is_incomplete && judges_cells(options)) {
    prepared.incomplete = StoredRows(all.rows, all.columns, row_directory);
    std::copy_n(all.row(0), all.rows * all.columns, prepared.incomplete.row(0));
  }
  if (is_incomplete) fill_missing_with_means(all.view());
  prepared.training_begin = folds.begin;
  if (options.deduplicate) {
    const std::vector<bool> is_first = first_of_equal(std::as_const(all).view(), row_directory);
    const std::int64_t before = all.rows;
    for (std::size_t k = 1; k < folds.begin.size(); ++k) {
      prepared.training_begin[k] = prepared.training_begin[k - 1] + std::count(is_first.begin() + folds.begin[k - 1],
                                                                               is_first.begin() + folds.begin[k], true);
    }
    all.keep(is_first);
    if (prepared.incomplete.rows > 0) prepared.incomplete.keep(is_first);
    if (on_message) on_message(std::to_string(all.rows) + " distinct rows of " + std::to_string(before));
  }
  prepared.distinct_rows = count_distinct(std::as_const(all).view(), many_distinct_rows + 1);
  return prepared;
}

}  // namespace cugad
