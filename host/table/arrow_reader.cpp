#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "cugad/arrow.hpp"
#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/table/arrow_column.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// One of Arrow's structs, released with its owner.
template <class T>
class Owned {
 public:
  Owned() = default;
  ~Owned() { reset(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  T* get() { return &value_; }
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }
  bool is_released() const { return value_.release == nullptr; }
  void take(T& other) {
    reset();
    value_ = std::exchange(other, {});
  }
  void reset() {
    if (value_.release != nullptr) value_.release(&value_);
    value_ = {};
  }

 private:
  T value_ = {};
};

/// One column of the stream and the form in which it is read.
struct Reading {
  bool kept = true, as_text = false;
  std::unique_ptr<ArrowColumn> column;

  bool is_text() const { return as_text || column->is_text(); }
};

}  // namespace

struct ArrowReader::State {
  Owned<ArrowArrayStream> stream;
  Owned<ArrowSchema> schema;
  Owned<ArrowArray> batch;
  std::string place;  ///< begins messages
  std::vector<std::string> names;
  std::vector<Reading> readings;
  bool marks_errors = false;
  std::int64_t begin = 0, rows_read = 0;

  [[noreturn]] void fail(ErrorCode code, const std::string& what) const { throw Error(code, place + what); }

  void check(int status) {
    if (status == 0) return;
    const char* const text = stream->get_last_error(stream.get());
    fail(ErrorCode::input_output, fmt::format("the Arrow stream failed: {}",
                                              text == nullptr ? fmt::format("errno {}", status) : std::string(text)));
  }

  void choose_texts(const ReadOptions& options) {
    if (!options.numeric_columns) {
      const std::vector<bool> is_text = listed_as_text(names, options, place.empty() ? "the Arrow stream" : place);
      for (std::size_t c = 0; c < names.size(); ++c) readings[c].as_text = is_text[c];
      return;
    }
    const ColumnIndex numeric(*options.numeric_columns);
    for (std::size_t c = 0; c < names.size(); ++c) readings[c].as_text = !numeric.exact(names[c]);
  }

  bool next_batch() {
    begin = 0;
    do {
      batch.reset();
      check(stream->get_next(stream.get(), batch.get()));
      if (batch.is_released()) return false;  // the end, which stays: its length is 0
      if (batch->n_children != schema->n_children) {
        fail(ErrorCode::format, fmt::format("the Arrow stream has a batch of {} columns, expected {}",
                                            batch->n_children, schema->n_children));
      }
    } while (batch->length == 0);
    return true;
  }

  void append(std::size_t c, std::int64_t count, Column& column, Table& chunk) {
    const Reading& reading = readings[c];
    const ArrowArray& array = *batch->children[c];
    const std::int64_t first = batch->offset + begin;
    if (reading.column->is_text()) return reading.column->append(array, first, count, column);
    const std::size_t before = column.numbers.size();
    reading.column->append(array, first, count, column);
    for (std::size_t r = before; r < column.numbers.size(); ++r) {
      double& number = column.numbers[r];
      if (std::isinf(number) || (marks_errors && std::abs(number) > std::numeric_limits<float>::max())) {
        const auto row = chunk.rows + static_cast<std::int64_t>(r - before);
        const std::string reason =
            fmt::format("{}row {}, column '{}': found {}, expected finite numbers", place, chunk.first_row + row,
                        one_line(column.name), std::isinf(number) ? "an infinite number" : number_text(number));
        if (!marks_errors) throw Error(ErrorCode::format, reason);
        chunk.unreadable.emplace(row, reason);
        number = std::numeric_limits<double>::quiet_NaN();
      }
      if (reading.as_text) column.texts.push_back(number_text(number));
    }
    if (reading.as_text) column.numbers.clear();
  }
};

ArrowReader::ArrowReader(ArrowArrayStream& stream, const ReadOptions& options, std::string file)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.place = file.empty() ? "" : file + ": ";
  if (stream.release == nullptr) {
    state.fail(ErrorCode::invalid_argument, "the Arrow stream was read before, expected a fresh one");
  }
  state.stream.take(stream);
  state.check(state.stream->get_schema(state.stream.get(), state.schema.get()));
  if (std::string_view(state.schema->format) != "+s") {
    state.fail(ErrorCode::invalid_argument, "the Arrow stream has no columns, expected a table");
  }
  for (std::int64_t c = 0; c < state.schema->n_children; ++c) {
    const ArrowSchema& column = *state.schema->children[c];
    state.names.emplace_back(column.name == nullptr ? "" : column.name);
  }
  state.readings.resize(state.names.size());
  state.marks_errors = options.mark_errors;
  state.choose_texts(options);
}

ArrowReader::~ArrowReader() = default;

const std::vector<std::string>& ArrowReader::column_names() const { return state_->names; }

void ArrowReader::keep(const std::vector<std::string>& names) {
  for (std::size_t c = 0; c < state_->names.size(); ++c) {
    state_->readings[c].kept = std::find(names.begin(), names.end(), state_->names[c]) != names.end();
  }
}

bool ArrowReader::read(Table& chunk, std::int64_t max_rows) {
  const FloatingPointEnvironment environment;
  check_chunk_size(max_rows);
  State& state = *state_;
  std::vector<std::size_t> columns;
  std::vector<std::string> names;
  std::vector<bool> is_text;
  for (std::size_t c = 0; c < state.names.size(); ++c) {
    Reading& reading = state.readings[c];
    if (!reading.kept) continue;
    if (!reading.column) reading.column = ArrowColumn::open(*state.schema->children[c]);
    columns.push_back(c);
    names.push_back(state.names[c]);
    is_text.push_back(reading.is_text());
  }
  prepare_columns(chunk, names, is_text);
  chunk.named = true;
  chunk.first_row = state.rows_read;
  while (chunk.rows < max_rows && (state.begin < state.batch->length || state.next_batch())) {
    const std::int64_t count = std::min(max_rows - chunk.rows, state.batch->length - state.begin);
    for (std::size_t k = 0; k < columns.size(); ++k) state.append(columns[k], count, chunk.columns[k], chunk);
    state.begin += count;
    chunk.rows += count;
  }
  for (const auto& [row, reason] : chunk.unreadable) clear_row(chunk, row);
  state.rows_read += chunk.rows;
  return chunk.rows > 0;
}

}  // namespace cugad
