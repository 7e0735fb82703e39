#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrow_column.hpp"
#include "binding.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;

/// Reads an Arrow stream in chunks of any size.
class ArrowReader {
 public:
  explicit ArrowReader(const nb::capsule& capsule) : stream_(stream_of(capsule)) {
    check(stream_->get_schema(stream_.get(), schema_.get()));
    if (std::string_view(schema_->format) != "+s") {
      throw Error(ErrorCode::invalid_argument, "the Arrow stream has no columns, expected a table");
    }
    for (std::int64_t c = 0; c < schema_->n_children; ++c) {
      const ArrowSchema& column = *schema_->children[c];
      names_.emplace_back(column.name == nullptr ? "" : column.name);
    }
    kept_.resize(names_.size(), true);
  }

  const std::vector<std::string>& names() const { return names_; }
  /// Reads these columns only.
  void keep(const std::vector<std::string>& names) {
    for (std::size_t c = 0; c < names_.size(); ++c) {
      kept_[c] = std::find(names.begin(), names.end(), names_[c]) != names.end();
    }
  }

  /// At most `max_rows` rows; fewer only at the end.
  Table read(std::int64_t max_rows) {
    const std::vector<std::size_t> columns = open_columns();
    Table table;
    table.first_row = rows_read_;
    for (const std::size_t c : columns) {
      Column column;
      column.name = names_[c];
      column.is_text = columns_[c]->is_text();
      table.columns.push_back(std::move(column));
    }
    while (table.rows < max_rows && (begin_ < batch_->length || next_batch())) {
      const std::int64_t count = std::min(max_rows - table.rows, batch_->length - begin_);
      for (std::size_t k = 0; k < columns.size(); ++k) append(columns[k], count, table.columns[k]);
      begin_ += count;
      table.rows += count;
    }
    rows_read_ += table.rows;
    return table;
  }

 private:
  static ArrowArrayStream& stream_of(const nb::capsule& capsule) {
    auto* const stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
    if (stream == nullptr) throw nb::python_error();
    if (stream->release == nullptr) {
      throw Error(ErrorCode::invalid_argument, "the Arrow stream was read before, expected a fresh one");
    }
    return *stream;
  }

  void check(int status) {
    if (status == 0) return;
    const char* const text = stream_->get_last_error(stream_.get());
    throw Error(ErrorCode::input_output, std::string("the Arrow stream failed: ") +
                                             (text == nullptr ? "errno " + std::to_string(status) : std::string(text)));
  }

  /// Opens the kept columns, whose kinds must be known.
  std::vector<std::size_t> open_columns() {
    columns_.resize(names_.size());
    std::vector<std::size_t> opened;
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (!kept_[c]) continue;
      if (!columns_[c]) columns_[c] = ArrowColumn::open(*schema_->children[c]);
      opened.push_back(c);
    }
    return opened;
  }

  bool next_batch() {
    begin_ = 0;
    do {
      batch_.reset();
      check(stream_->get_next(stream_.get(), batch_.get()));
      if (batch_.is_released()) return false;  // the end, which stays: its length is 0
      if (batch_->n_children != schema_->n_children) {
        throw Error(ErrorCode::format, "the Arrow stream has a batch of " + std::to_string(batch_->n_children) +
                                           " columns, expected " + std::to_string(schema_->n_children));
      }
    } while (batch_->length == 0);
    return true;
  }

  void append(std::size_t c, std::int64_t count, Column& column) const {
    const ArrowArray& array = *batch_->children[c];
    columns_[c]->append(array, batch_->offset + begin_, count, column);
  }

  Owned<ArrowArrayStream> stream_;
  Owned<ArrowSchema> schema_;
  Owned<ArrowArray> batch_;
  std::vector<std::string> names_;
  std::vector<bool> kept_;
  std::vector<std::unique_ptr<ArrowColumn>> columns_;
  std::int64_t begin_ = 0, rows_read_ = 0;
};

}  // namespace

void bind_arrow(nb::module_& module) {
  nb::class_<ArrowReader>(module, "ArrowReader", "Reads an object's __arrow_c_stream__() in chunks.")
      .def(nb::init<const nb::capsule&>(), "stream"_a)
      .def_prop_ro("names", &ArrowReader::names)
      .def("keep", &ArrowReader::keep, "names"_a)
      // The producer may run Python on threads of its own.
      .def("read", &ArrowReader::read, "max_rows"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace cugad::python
