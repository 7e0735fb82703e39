#include <algorithm>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/table_handles.hpp"
#include "host/c_api/table_options.hpp"
#include "host/table/group_column.hpp"
#include "host/text/json.hpp"

/// Readers and the tables that they give.

using namespace cugad;
using namespace cugad::c_api;

namespace {

std::size_t column_of(const cugad_table& table, std::int64_t column) {
  return index_of(column, table.table.columns.size(), "column");
}

const cugad_table::Texts& texts_of_column(cugad_table& table, std::size_t number) {
  const auto found = table.texts.find(number);
  if (found != table.texts.end()) return found->second;
  const Column& column = table.table.columns[number];
  cugad_table::Texts texts;
  if (!column.is_text) texts.written = number_texts(column);
  for (const std::string& text : column.is_text ? column.texts : texts.written) texts.pointers.push_back(text.c_str());
  return table.texts.emplace(number, std::move(texts)).first->second;
}

std::string findings_to_json(const std::vector<ColumnFinding>& findings) {
  OrderedJson list = OrderedJson::array();
  const TakenApart parts(list);
  for (const ColumnFinding& finding : findings) {
    OrderedJson& entry = list.emplace_back(OrderedJson::object());
    entry["column"] = finding.column;
    entry["advice"] = finding.advice == ColumnFinding::Advice::leave_out ? "leave_out"
                      : finding.advice == ColumnFinding::Advice::refuse  ? "refuse"
                                                                         : "note";
    entry["text"] = finding.text;
  }
  return list.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

extern "C" {

cugad_status cugad_reader_open(const char* path, const char* options_json, cugad_reader** reader) {
  return guard(__func__, [&] {
    started(reader, "reader");
    *reader = new cugad_reader{open_table(text_of(path, "path"), read_options_from_json(options_json)), {}, {}};
  });
}

void cugad_reader_close(cugad_reader* reader) { delete reader; }

cugad_status cugad_reader_read(cugad_reader* reader, int64_t max_rows, cugad_table** table) {
  return guard(__func__, [&] {
    started(table, "table");
    require(reader, "reader");
    auto read = std::make_unique<cugad_table>();
    if (reader->reader->read(read->table, max_rows)) *table = read.release();
  });
}

cugad_status cugad_reader_format(cugad_reader* reader, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(reader, "reader");
    reader->format = reader->reader->format().to_json();
    *json = reader->format.c_str();
  });
}

cugad_status cugad_reader_notes(cugad_reader* reader, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(reader, "reader");
    reader->notes = list_of_lines(reader->reader->notes());
    *json = reader->notes.c_str();
  });
}

void cugad_table_destroy(cugad_table* table) { delete table; }

cugad_status cugad_table_rows(cugad_table* table, int64_t* rows) {
  return answer(__func__, [&] {
    require(rows, "rows");
    require(table, "table");
    *rows = table->table.rows;
  });
}

cugad_status cugad_table_first_row(cugad_table* table, int64_t* first_row) {
  return answer(__func__, [&] {
    require(first_row, "first_row");
    require(table, "table");
    *first_row = table->table.first_row;
  });
}

cugad_status cugad_table_columns(cugad_table* table, int64_t* columns) {
  return answer(__func__, [&] {
    require(columns, "columns");
    require(table, "table");
    *columns = static_cast<std::int64_t>(table->table.columns.size());
  });
}

cugad_status cugad_table_column_name(cugad_table* table, int64_t column, const char** name) {
  return answer(__func__, [&] {
    started(name, "name");
    require(table, "table");
    *name = table->table.columns[column_of(*table, column)].name.c_str();
  });
}

cugad_status cugad_table_find(cugad_table* table, const char* name, int64_t* column) {
  return guard(__func__, [&] {
    require(column, "column");
    require(table, "table");
    *column = static_cast<std::int64_t>(table->table.find(text_of(name, "name")));
  });
}

cugad_status cugad_table_numbers(cugad_table* table, int64_t column, const double** numbers) {
  return answer(__func__, [&] {
    started(numbers, "numbers");
    require(table, "table");
    const Column& found = table->table.columns[column_of(*table, column)];
    if (!found.is_text) *numbers = found.numbers.data();
  });
}

cugad_status cugad_table_texts(cugad_table* table, int64_t column, const char* const** texts) {
  return guard(__func__, [&] {
    started(texts, "texts");
    require(table, "table");
    *texts = texts_of_column(*table, column_of(*table, column)).pointers.data();
  });
}

cugad_status cugad_table_row_error(cugad_table* table, int64_t row, const char** text) {
  return answer(__func__, [&] {
    started(text, "text");
    require(table, "table");
    index_of(row, static_cast<std::size_t>(table->table.rows), "row");
    const auto found = table->table.unreadable.find(row);
    if (found != table->table.unreadable.end()) *text = found->second.c_str();
  });
}

cugad_status cugad_table_rows_with_value(cugad_table* table, const char* column, const char* const* values,
                                         int64_t count, uint8_t* flags) {
  return guard(__func__, [&] {
    require(table, "table");
    require_extent(flags, table->table.rows, 1, "flags");
    const std::vector<std::string> wanted = texts_of(values, count, "values");
    const auto found = rows_with_value(table->table, text_of(column, "column"), wanted);
    std::copy(found.begin(), found.end(), flags);
  });
}

cugad_status cugad_table_take_rows(cugad_table* table, const int64_t* rows, int64_t count, cugad_table** other) {
  return guard(__func__, [&] {
    started(other, "other");
    require(table, "table");
    require_extent(rows, count, sizeof *rows, "rows");
    const std::span<const std::int64_t> wanted(rows, static_cast<std::size_t>(count));
    for (const std::int64_t row : wanted) index_of(row, static_cast<std::size_t>(table->table.rows), "a row");
    auto taken = std::make_unique<cugad_table>();
    taken->table = take_rows(table->table, wanted);
    *other = taken.release();
  });
}

cugad_status cugad_table_examine(cugad_table* table, const char* const* settled, int64_t count, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(table, "table");
    table->findings = findings_to_json(examine_columns(table->table, texts_of(settled, count, "settled")));
    *json = table->findings.c_str();
  });
}

cugad_status cugad_synthesize_telemetry(const char* path, int64_t rows, uint64_t seed, int64_t groups, int32_t uneven) {
  return guard(__func__, [&] { synthesize_telemetry(text_of(path, "path"), rows, seed, groups, uneven != 0); });
}

}  // extern "C"
