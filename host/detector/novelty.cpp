#include "host/detector/novelty.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/column_roles.hpp"

namespace cugad {
namespace {

/// Events that are at least so likely are none.
constexpr double usual_share = 0.05;

/// The surprise of an event that `seen` of `rows` training rows showed, in nats.
float nats(std::int64_t seen, std::int64_t rows) {
  const double probability = static_cast<double>(seen + 1) / static_cast<double>(rows + 1);
  return static_cast<float>(std::max(0.0, std::log(usual_share / probability)));
}

/// Counts of one source over all training rows but those that are left out.
struct Counts {
  std::int64_t rows = 0, missing = 0;
  std::int64_t once = 0;  ///< categories that occur once
  float least = std::numeric_limits<float>::infinity(), most = -std::numeric_limits<float>::infinity();

  bool is_single() const { return least == most; }
  float of_missing() const { return nats(missing, rows); }
  float of_unseen() const { return nats(once, rows - missing); }
};

/// One source in all rows: which of its values they have. Rows are added, then it is finished.
class SourceCounts {
 public:
  SourceCounts(const Novelty::Source& source, std::int64_t folds)
      : source_(source), folds_(folds), of_fold_(static_cast<std::size_t>(folds)) {
    if (is_category()) of_value_.resize(static_cast<std::size_t>(source.columns * folds));
  }
  void add(const float* row, std::int64_t fold) {
    Counts& counts = of_fold_[fold];
    ++counts.rows;
    if (source_.state(row) == CellState::missing) {
      ++counts.missing;
    } else if (is_category()) {
      ++of_value_[value_of(row) * folds_ + fold];
    } else {
      counts.least = std::min(counts.least, number_of(row));
      counts.most = std::max(counts.most, number_of(row));
    }
  }
  void finish() {
    for (const Counts& one : of_fold_) {
      all_.rows += one.rows;
      all_.missing += one.missing;
      all_.least = std::min(all_.least, one.least);
      all_.most = std::max(all_.most, one.most);
    }
    for (std::int32_t v = 0; is_category() && v < source_.columns; ++v) all_.once += total(v) == 1;
  }

  const Counts& all() const { return all_; }
  /// Rows with that value of a category.
  std::int64_t total(std::int32_t value) const {
    const auto begin = of_value_.begin() + value * folds_;
    return std::accumulate(begin, begin + folds_, std::int64_t{0});
  }
  /// The surprise of a row for models that know no row of its fold; in a single fold, for one that knows all but it.
  float surprise(const float* cell, std::int64_t fold) const {
    const Counts& others = without(fold);
    if (source_.state(cell) == CellState::missing) {
      return folds_ > 1 ? others.of_missing() : nats(all_.missing - 1, all_.rows - 1);
    }
    if (is_category()) {
      const std::int32_t value = value_of(cell);
      const std::int64_t known = total(value) - (folds_ > 1 ? of_value_[value * folds_ + fold] : 1);
      return known == 0 ? others.of_unseen() : 0.0f;
    }
    const bool differs = others.is_single() && number_of(cell) != others.least;
    return folds_ > 1 && differs ? others.of_unseen() : 0.0f;
  }

 private:
  bool is_category() const { return source_.kind == SourceKind::category; }
  /// Subnormal numbers count as 0, as in all ops.
  float number_of(const float* cell) const {
    const float x = cell[source_.first];
    return std::abs(x) < std::numeric_limits<float>::min() ? 0.0f : x;
  }
  std::int32_t value_of(const float* cell) const {
    return static_cast<std::int32_t>(std::find(cell + source_.first, cell + source_.first + source_.columns, 1.0f) -
                                     (cell + source_.first));
  }
  /// Counts of all folds but one, made once for each.
  const Counts& without(std::int64_t fold) const {
    if (folds_ == 1) return all_;
    if (without_.empty()) {
      for (std::int64_t k = 0; k < folds_; ++k) without_.push_back(make_without(k));
    }
    return without_[fold];
  }
  Counts make_without(std::int64_t fold) const {
    Counts others;
    for (std::int64_t k = 0; k < folds_; ++k) {
      if (k == fold) continue;
      others.rows += of_fold_[k].rows;
      others.missing += of_fold_[k].missing;
      others.least = std::min(others.least, of_fold_[k].least);
      others.most = std::max(others.most, of_fold_[k].most);
    }
    for (std::int32_t v = 0; is_category() && v < source_.columns; ++v) {
      others.once += total(v) - of_value_[v * folds_ + fold] == 1;
    }
    return others;
  }

  Novelty::Source source_;
  std::int64_t folds_;
  Counts all_;
  std::vector<Counts> of_fold_;
  std::vector<std::int64_t> of_value_;  ///< rows with each value in each fold
  mutable std::vector<Counts> without_;
};

}  // namespace

std::vector<float> Novelty::fit(MatrixView<const float> rows, const std::vector<std::string>& names,
                                std::int64_t numeric_columns, const Folds& folds,
                                const std::vector<std::int64_t>& calibration) {
  sources_.clear();
  expected_.clear();
  for (std::int32_t c = 0; c < rows.columns; ++c) sources_.push_back({.first = c});
  in_category_.assign(static_cast<std::size_t>(rows.columns), false);
  const std::vector<Category> named = named_categories(names, numeric_columns);
  const std::vector<bool> are = are_categories(rows, named);
  std::vector<SourceCounts> counts;
  std::vector<std::size_t> places;  // of theirs in sources_
  for (std::size_t i = 0; i < named.size(); ++i) {
    sources_.push_back({.first = static_cast<std::int32_t>(named[i].first),
                        .columns = static_cast<std::int32_t>(named[i].columns),
                        .kind = SourceKind::category});
    if (!are[i]) continue;
    std::fill_n(in_category_.begin() + named[i].first, named[i].columns, true);
    places.push_back(sources_.size() - 1);
  }
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    if (!in_category_[c]) places.push_back(static_cast<std::size_t>(c));
  }
  for (const std::size_t place : places) counts.emplace_back(sources_[place], folds.count());
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (SourceCounts& one : counts) one.add(rows.row(r), folds.of_row[r]);
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i].finish();
    const Counts& all = counts[i].all();
    Source& source = sources_[places[i]];
    source.missing = all.of_missing();
    if (source.kind == SourceKind::category) {
      source.unseen = all.of_unseen();
      for (std::int32_t v = 0; v < source.columns; ++v) {
        if (counts[i].total(v) > 0) continue;
        // Known to other tables of the same encoding only, as those of a fleet's other groups.
        Source& value = sources_[source.first + v];
        value.kind = SourceKind::single_number;
        value.unseen = source.unseen;
      }
    } else if (all.is_single()) {
      source.kind = SourceKind::single_number;
      source.constant = all.least;
      source.unseen = all.of_unseen();
    }
  }
  std::vector<float> surprise(calibration.size(), 0.0f);
  for (std::size_t k = 0; k < calibration.size(); ++k) {  // each row once: it may have to come from a file
    const std::int64_t r = calibration[k];
    for (const SourceCounts& one : counts) surprise[k] += one.surprise(rows.row(r), folds.of_row[r]);
  }
  // If a twentieth of new normal rows is surprising, a surprise like theirs counts 1.
  std::vector<float> sorted = surprise;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), at, sorted.end());
  const float usual = std::max(1.0f, *at);
  for (float& one : surprise) one /= usual;
  scale_by(1.0 / static_cast<double>(usual));
  return surprise;
}

void Novelty::scale_by(double unit) {
  for (Source& source : sources_) {
    source.missing = static_cast<float>(source.missing * unit);
    source.unseen = static_cast<float>(source.unseen * unit);
  }
}

void Novelty::add_method(const std::vector<double>& column_residual, double new_value) {
  Expected expected;
  for (const Source& source : sources_) {
    const bool is_value = source.kind != SourceKind::category && in_category_[source.first];
    const bool is_category = source.kind == SourceKind::category && in_category_[source.first];
    const auto first = column_residual.begin() + source.first;
    const double of_columns = std::accumulate(first, first + source.columns, 0.0);
    // Cells of a category are missing together, and counted once.
    const bool counts = source.kind == SourceKind::category ? is_category : !is_value;
    expected.missing.push_back(static_cast<float>(counts ? of_columns : 0.0));
    expected.unseen.push_back(static_cast<float>(is_value || is_category ? new_value : 0.0));
  }
  expected_.push_back(std::move(expected));
}

std::vector<std::int64_t> Novelty::constant_columns() const {
  std::vector<std::int64_t> columns;
  for (const Source& source : sources_) {
    if (source.kind == SourceKind::single_number) columns.push_back(source.first);
  }
  return columns;
}

Novelty::Tables Novelty::upload(Context& context, Arena& arena) const {
  const auto rows = static_cast<std::int64_t>(sources_.size()), methods = static_cast<std::int64_t>(expected_.size());
  std::vector<std::int32_t> source;
  std::vector<float> constant, weight, expected;
  for (const Source& one : sources_) {
    source.insert(source.end(), {one.first, one.columns, static_cast<std::int32_t>(one.kind)});
    constant.push_back(one.constant);
    weight.insert(weight.end(), {one.missing, one.unseen});
  }
  for (const Expected& of_method : expected_) {
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      expected.insert(expected.end(), {of_method.missing[s], of_method.unseen[s]});
    }
  }
  const auto upload = [&]<class T>(const char* name, std::int64_t models, const std::vector<T>& values) {
    const auto columns = static_cast<std::int64_t>(values.size()) / (models * rows);
    const StackView<T> view = arena.stack<T>(name, models, rows, columns);
    context.backend().copy(view.data, values.data(), sizeof(T) * values.size(), context.stream());
    return StackView<const T>(view.data, methods, rows, columns, models == 1 ? 0 : view.model_stride, view.row_stride);
  };
  const Tables tables = {upload("sources of the columns", 1, source), upload("constants of the columns", 1, constant),
                         upload("surprise of the sources", 1, weight),
                         upload("residual of absent sources", methods, expected)};
  context.synchronize();
  return tables;
}

}  // namespace cugad
