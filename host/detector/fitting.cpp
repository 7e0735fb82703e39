#include "host/detector/fitting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
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

/// The lowest and the highest value of each column, each of which has one.
Matrix column_ranges(MatrixView<const float> rows) {
  Matrix range(rows.columns, 2);
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    range.row(c)[0] = std::numeric_limits<float>::infinity();
    range.row(c)[1] = -std::numeric_limits<float>::infinity();
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      range.row(c)[0] = std::fmin(range.row(c)[0], rows.row(r)[c]);
      range.row(c)[1] = std::fmax(range.row(c)[1], rows.row(r)[c]);
    }
  }
  return range;
}

bool judges_cells(const DetectorOptions& options) {
  const std::vector<Method> methods = methods_of(options);
  return std::any_of(methods.begin(), methods.end(), [](Method m) { return definition_of(m).judges_cells; });
}

/// Positions of the rows in folds that some model of the population leaves out; all rows if there is one fold.
std::vector<std::int64_t> left_out_by_a_model(const Folds& folds, const DetectorOptions& options) {
  std::vector<bool> is_left_out(static_cast<std::size_t>(folds.count()), folds.count() == 1);
  for (std::int64_t m = 0; m < options.population; ++m) is_left_out[folds.of_model(m, options.fold)] = true;
  std::vector<std::int64_t> rows;
  for (std::int64_t k = 0; k < folds.count(); ++k) {
    for (std::int64_t r = folds.begin[k]; is_left_out[k] && r < folds.begin[k + 1]; ++r) rows.push_back(r);
  }
  return rows;
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
                      const std::function<void(const std::string&)>& on_message) {
  RowsToFit fit;
  if (!device.backend().is_host_memory() && device.backend().is_device_pointer(rows.data)) {
    Context context = device.make_context();
    device.backend().wait_for_default_stream(context.stream());
    fit.kept = download_rows(context, rows);
    rows = {fit.kept.data(), rows.rows, rows.columns};
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (!std::all_of(rows.row(r), rows.row(r) + rows.columns, [](float x) { return std::isnan(x); })) {
      fit.positions.push_back(r);
    }
  }
  const auto kept = static_cast<std::int64_t>(fit.positions.size());
  if (kept == 0) throw Error(ErrorCode::invalid_argument, "fit was given no row that holds a value");
  if (kept == rows.rows) {
    fit.positions.clear();
    fit.rows = rows;
    return fit;
  }
  std::vector<float> with_values;
  for (const std::int64_t r : fit.positions)
    with_values.insert(with_values.end(), rows.row(r), rows.row(r) + rows.columns);
  fit.kept = std::move(with_values);
  fit.rows = {fit.kept.data(), kept, rows.columns};
  if (on_message) {
    on_message(fmt::format("{} of {} rows hold no value at all and are left out", rows.rows - kept, rows.rows));
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

ReferenceRows reference_rows_of(Context& context, const Matrix& training, const DetectorOptions& resolved) {
  return choose_reference_rows(context, training, resolved.reference_rows, most_copies(resolved), resolved.seed);
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
                          const FitColumns& columns, const std::function<void(const std::string&)>& on_message) {
  PreparedRows prepared;
  const auto note = [&](const std::string& text) {
    if (on_message) on_message(text);
    prepared.notes.push_back(text);
  };
  prepared.roles = column_roles(options, columns.names, columns.categories);
  std::vector<std::int64_t> kept(static_cast<std::size_t>(rows.rows));
  std::iota(kept.begin(), kept.end(), std::int64_t{0});
  if (options.trim != 0.0f) {
    kept = rows_after_trim(context, rows, options, columns.names, columns.numeric);
    prepared.trimmed_rows = rows.rows - static_cast<std::int64_t>(kept.size());
    note(fmt::format("{} of {} training rows are left out as the most surprising ones (trim), and calibrate only",
                     prepared.trimmed_rows, rows.rows));
  }
  const MatrixView<const float> all_rows = rows;
  const Matrix learnt = prepared.trimmed_rows > 0 ? take_rows(rows, kept) : Matrix();
  if (prepared.trimmed_rows > 0) rows = learnt.view();
  prepared.transform.fit(context, rows, options, columns.names, columns.numeric, on_message);
  for (const std::string& text :
       dominated_columns(rows, kept, prepared.transform, options, columns.names, columns.numeric))
    note(text);
  prepared.transform.reorder(prepared.roles.order);
  prepared.range = column_ranges(rows);
  Matrix& all = prepared.training = Matrix(rows.rows, rows.columns);
  prepared.transform.apply(context, rows, all.view());
  // Calibration sees the rows as scoring will: with their missing cells.
  const std::vector<DetectorOptions> asked = options_of_methods(options);
  const auto is_costly = [](const DetectorOptions& one) {
    return one.score == ScoreRule::search || one.score == ScoreRule::likelihood;
  };
  const bool is_any_costly = std::any_of(asked.begin(), asked.end(), is_costly);
  const std::int64_t most = is_any_costly ? calibration_rows_costly : calibration_rows_bank;
  // Distances to training rows need no folds, but what is new among cells is learnt with them.
  const bool trains = trains_networks(options);
  const Folds folds = make_folds(all, trains ? folds_of(options) : usual_folds);
  if (folds.count() > 1) all = take_rows(all, folds.order);
  std::vector<std::int64_t> candidates(static_cast<std::size_t>(all.rows));
  std::iota(candidates.begin(), candidates.end(), std::int64_t{0});
  if (trains) candidates = left_out_by_a_model(folds, options);
  std::vector<std::int64_t> sample =
      sample_of(context, static_cast<std::int64_t>(candidates.size()), most, options.seed);
  for (std::int64_t& row : sample) row = candidates[row];
  if (folds.count() > 1) std::sort(sample.begin(), sample.end());
  if (options.novelty > 0.0f) {
    std::vector<std::int64_t> positions;
    for (const std::int64_t row : sample) positions.push_back(folds.order[row]);
    prepared.surprise = prepared.novelty.fit(rows, columns.names, columns.numeric, folds, positions);
    prepared.transform.freeze(prepared.novelty.constant_columns());
  }
  prepared.calibration = take_rows(all, sample);
  if (prepared.trimmed_rows > 0)
    prepared.trimmed = sample_of_others(context, all_rows, kept, prepared.calibration.rows, options.seed);
  prepared.calibration_begin = folds_of_rows(sample, folds.begin);
  const bool is_incomplete = std::any_of(all.data.begin(), all.data.end(), [](float cell) { return std::isnan(cell); });
  if (is_incomplete && judges_cells(options)) prepared.incomplete = all;
  fill_missing_with_means(all.view());
  prepared.training_begin = folds.begin;
  const std::vector<std::int64_t> distinct = distinct_rows(all);
  prepared.distinct_rows = static_cast<std::int64_t>(distinct.size());
  if (options.deduplicate) {
    if (on_message) on_message(std::to_string(distinct.size()) + " distinct rows of " + std::to_string(all.rows));
    all = take_rows(all, distinct);
    if (is_incomplete && judges_cells(options)) prepared.incomplete = take_rows(prepared.incomplete, distinct);
    prepared.training_begin = folds_of_rows(distinct, folds.begin);
  }
  return prepared;
}

}  // namespace cugad
