#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/table_learner.hpp"
#include "host/floating_point.hpp"
#include "host/table/column_cells.hpp"
#include "host/table/column_names.hpp"
#include "host/table/number_features.hpp"
#include "host/text/cell.hpp"

namespace cugad {

void LearntRows::Free::operator()(float* memory) const noexcept { std::free(memory); }

namespace {

/// Memory that grows in place where the system can move its pages (mremap): a vector would hold it twice.
class GrowingFloats {
 public:
  float* data() { return memory_.get(); }
  void resize(std::size_t size) {
    if (size > capacity_) reserve(std::max(size, capacity_ + capacity_ / 2));
  }
  /// Gives the memory away, of exactly that size.
  std::unique_ptr<float, LearntRows::Free> take(std::size_t size) {
    reserve(std::max<std::size_t>(size, 1));
    capacity_ = 0;
    return std::move(memory_);
  }

 private:
  void reserve(std::size_t size) {
    void* const moved = std::realloc(memory_.get(), size * sizeof(float));
    if (moved == nullptr) throw std::bad_alloc();
    static_cast<void>(memory_.release());
    memory_.reset(static_cast<float*>(moved));
    capacity_ = size;
  }

  std::unique_ptr<float, LearntRows::Free> memory_;
  std::size_t capacity_ = 0;
};

/// The draft of the rows: one slot for each column, a number as float or the number of a category.
struct Draft {
  GrowingFloats floats;
  std::int64_t rows = 0, slots = 0;
  bool keeps_rows = true;  ///< else it holds the rows of one chunk
  std::int64_t first = 0;  ///< row that it holds

  float* slot(std::int64_t row, std::int64_t slot) { return floats.data() + (row - first) * slots + slot; }
};

/// A category's number in the memory of a float.
void put_category(float* slot, std::int32_t category) { std::memcpy(slot, &category, sizeof category); }
std::int32_t category_in(const float* slot) {
  std::int32_t category = 0;
  std::memcpy(&category, slot, sizeof category);
  return category;
}

/// One column of the table.
class LearningColumn {
 public:
  LearningColumn(const Column& column, bool is_category, bool is_unnamed, std::int64_t slot)
      : name_(column.name), is_text_(column.is_text), is_category_(is_category), slot_(slot) {
    if (is_category_) {
      texts_.emplace(name_);
    } else {
      numbers_.emplace(name_, is_unnamed);
    }
  }

  const std::string& name() const { return name_; }
  bool is_text() const { return is_text_; }
  bool is_category() const { return is_category_; }
  std::int64_t slot() const { return slot_; }

  void add(const Column& column, std::int64_t count, Draft& draft) {
    if (!is_category_) {
      for (std::int64_t r = 0; r < count; ++r) add_number(column.numbers[r], draft.rows + r, draft);
    } else if (is_text_) {
      for (std::int64_t r = 0; r < count; ++r) {
        put_category(draft.slot(draft.rows + r, slot_), texts_->add(column.texts[r]));
      }
    } else {
      for (std::int64_t r = 0; r < count; ++r) {
        // Runs of one number are common, and writing it as text is what costs.
        const bool repeats = r > 0 && column.numbers[r] == column.numbers[r - 1];
        put_category(draft.slot(draft.rows + r, slot_), repeats ? category_in(draft.slot(draft.rows + r - 1, slot_))
                                                                : texts_->add(number_text(column.numbers[r])));
      }
    }
  }

  std::optional<ColumnFinding> finding() {
    return is_category_ ? examine_cells(name_, *texts_) : examine_cells(name_, *numbers_);
  }

  /// A column of few cells from which an encoder learns the same as from all.
  Column digest() const {
    Column column;
    column.name = name_;
    column.is_text = is_category_;
    if (is_category_) {
      for (const std::string_view text : texts_->texts()) column.texts.emplace_back(text);
    } else {
      column.numbers = features_.digest();
    }
    return column;
  }

  /// Subtracts the offset from the numbers of the draft, and checks them.
  void finish_numbers(double offset, Draft& draft) {
    if (offset == 0) {
      if (too_large_) feature_value(too_large_->second, 0, name_, too_large_->first);
      return;
    }
    for (std::int64_t r = 0; r < draft.rows; ++r) {
      *draft.slot(r, slot_) = feature_value(exact_[static_cast<std::size_t>(r)], offset, name_, r);
    }
    exact_ = {};
  }

  /// For each number of a category its position among the sorted ones.
  std::vector<std::int32_t> ranks() const {
    const std::vector<std::string_view> texts = texts_->texts();
    std::vector<std::int32_t> order(texts.size()), ranks(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return texts[a] < texts[b]; });
    for (std::size_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = static_cast<std::int32_t>(rank);
    return ranks;
  }

 private:
  void add_number(double number, std::int64_t row, Draft& draft) {
    numbers_->add(number);
    const bool was_exact = features_.is_exact();
    features_.add(number);
    const auto value = static_cast<float>(number);
    *draft.slot(row, slot_) = value;
    if (std::isinf(value) && !too_large_) too_large_.emplace(row, number);
    if (features_.is_exact() || !draft.keeps_rows) return;  // the draft holds every number, or need not
    if (was_exact && features_.may_need_offset()) {
      keeps_exact_ = true;
      for (std::int64_t r = 0; r < row; ++r) exact_.push_back(static_cast<double>(*draft.slot(r, slot_)));
    }
    if (!keeps_exact_) return;
    exact_.push_back(number);
    if (features_.may_need_offset()) return;
    keeps_exact_ = false;
    exact_ = {};
  }

  std::string name_;
  bool is_text_, is_category_;
  std::int64_t slot_;
  std::optional<NumberCells> numbers_;
  std::optional<TextCells> texts_;
  NumberFeatures features_;
  bool keeps_exact_ = false;
  std::vector<double> exact_;  ///< the numbers in double precision, while the draft may lose their differences
  std::optional<std::pair<std::int64_t, double>> too_large_;  ///< the first number that is none in single precision
};

std::vector<bool> listed(std::span<const std::string> all, std::span<const std::string> names) {
  std::vector<bool> is_listed(all.size(), false);
  const ColumnIndex index(all);
  for (const std::string& name : names) is_listed[index.find(name)] = true;
  return is_listed;
}

}  // namespace

struct TableLearner::State {
  TableEncoder::Options options;
  bool named = true;
  std::vector<std::string> names;  ///< of all columns
  std::vector<bool> excluded;      ///< by the options
  std::vector<LearningColumn> columns;
  std::vector<std::size_t> places;  ///< of `columns` in the table
  Draft draft;

  void open(const Table& chunk) {
    names = column_names(chunk);
    named = chunk.named;
    const std::vector<bool> categorical = listed(names, options.categorical);
    excluded = listed(names, options.excluded);
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (excluded[c]) continue;
      columns.emplace_back(chunk.columns[c], chunk.columns[c].is_text || categorical[c],
                           named && names[c] == std::to_string(c), static_cast<std::int64_t>(columns.size()));
      places.push_back(c);
    }
    draft.slots = static_cast<std::int64_t>(columns.size());
  }

  void check(const Table& chunk) const {
    bool is_alike = column_names(chunk) == names;
    for (std::size_t k = 0; is_alike && k < columns.size(); ++k) {
      is_alike = chunk.columns[places[k]].is_text == columns[k].is_text();
    }
    if (is_alike) return;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a chunk with other columns than the first was given at row {}, expected the same {}",
                            draft.rows, names.size()));
  }

  /// A table from which an encoder learns what it would from all rows.
  Table digest() const {
    Table table;
    table.rows = draft.rows;
    table.named = named;
    std::size_t k = 0;
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (!excluded[c]) {
        table.columns.push_back(columns[k++].digest());
        continue;
      }
      table.columns.emplace_back();
      table.columns.back().name = names[c];
    }
    return table;
  }

  /// Makes features of the draft, in its own memory.
  LearntRows encode(const std::vector<bool>& left_out, const TableEncoder& encoder);
};

LearntRows TableLearner::State::encode(const std::vector<bool>& left_out, const TableEncoder& encoder) {
  std::vector<std::int64_t> numeric;
  struct Categorical {
    std::int64_t slot;
    std::vector<std::int32_t> ranks;
  };
  std::vector<Categorical> categorical;
  for (std::size_t k = 0; k < columns.size(); ++k) {
    if (left_out[places[k]]) continue;
    if (columns[k].is_category()) {
      categorical.push_back({columns[k].slot(), columns[k].ranks()});
    } else {
      columns[k].finish_numbers(encoder.offsets()[numeric.size()], draft);
      numeric.push_back(columns[k].slot());
    }
  }
  const auto width = static_cast<std::int64_t>(encoder.feature_names().size());
  const bool is_wider = width > draft.slots;
  if (is_wider) draft.floats.resize(static_cast<std::size_t>(draft.rows * width));
  std::vector<float> row(static_cast<std::size_t>(draft.slots));
  // Wider rows are written from the last one on, narrower ones from the first: no row that is still to be read is
  // written over.
  for (std::int64_t k = 0; k < draft.rows; ++k) {
    const std::int64_t r = is_wider ? draft.rows - 1 - k : k;
    std::memcpy(row.data(), draft.slot(r, 0), row.size() * sizeof(float));
    float* feature = draft.floats.data() + r * width;
    for (const std::int64_t slot : numeric) *feature++ = row[static_cast<std::size_t>(slot)];
    for (const Categorical& column : categorical) {
      const std::int32_t category = category_in(&row[static_cast<std::size_t>(column.slot)]);
      const float absent = category == TextCells::missing ? std::numeric_limits<float>::quiet_NaN() : 0;
      std::fill_n(feature, column.ranks.size(), absent);
      if (category != TextCells::missing) feature[column.ranks[static_cast<std::size_t>(category)]] = 1;
      feature += column.ranks.size();
    }
  }
  LearntRows made;
  made.rows = draft.rows;
  made.columns = width;
  made.data = draft.floats.take(static_cast<std::size_t>(draft.rows * width));
  return made;
}

TableLearner::TableLearner(TableEncoder::Options options) : TableLearner(std::move(options), true) {}

TableLearner::TableLearner(TableEncoder::Options options, bool keeps_rows) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->draft.keeps_rows = keeps_rows;
}

TableLearner::~TableLearner() = default;

std::int64_t TableLearner::rows() const { return state_->draft.rows; }

void TableLearner::add(const Table& chunk) {
  const FloatingPointEnvironment environment;
  State& state = *state_;
  if (state.names.empty()) {
    state.open(chunk);
  } else {
    state.check(chunk);
  }
  Draft& draft = state.draft;
  if (!draft.keeps_rows) draft.first = draft.rows;
  draft.floats.resize(static_cast<std::size_t>((draft.rows + chunk.rows - draft.first) * draft.slots));
  for (std::size_t k = 0; k < state.columns.size(); ++k) {
    state.columns[k].add(chunk.columns[state.places[k]], chunk.rows, draft);
  }
  draft.rows += chunk.rows;
}

std::vector<ColumnFinding> TableLearner::examine(std::span<const std::string> settled) {
  const FloatingPointEnvironment environment;
  State& state = *state_;
  std::vector<bool> is_settled = listed(state.names, settled);
  const std::vector<bool> categorical = listed(state.names, state.options.categorical);
  std::vector<ColumnFinding> findings;
  for (std::size_t k = 0; state.draft.rows > 0 && k < state.columns.size(); ++k) {
    if (is_settled[state.places[k]] || categorical[state.places[k]]) continue;
    if (auto finding = state.columns[k].finding()) findings.push_back(std::move(*finding));
  }
  return findings;
}

LearntRows TableLearner::finish(TableEncoder& encoder, std::span<const std::string> excluded) {
  const FloatingPointEnvironment environment;
  State& state = *state_;
  TableEncoder::Options options = state.options;
  options.excluded.insert(options.excluded.end(), excluded.begin(), excluded.end());
  TableEncoder fitted;
  fitted.fit(state.digest(), options);
  LearntRows rows;
  if (state.draft.keeps_rows) rows = state.encode(listed(state.names, options.excluded), fitted);
  encoder = std::move(fitted);
  state_ = std::make_unique<State>();
  return rows;
}

}  // namespace cugad
