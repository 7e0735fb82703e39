#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "binding.hpp"
#include "cugad/table_learner.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;
using Names = std::vector<std::string>;

const char* name_of(ColumnFinding::Advice advice) {
  switch (advice) {
    case ColumnFinding::Advice::leave_out:
      return "leave_out";
    case ColumnFinding::Advice::refuse:
      return "refuse";
    case ColumnFinding::Advice::note:
      break;
  }
  return "note";
}

nb::list to_list(const std::vector<ColumnFinding>& findings) {
  nb::list list;
  for (const ColumnFinding& finding : findings) {
    list.append(nb::make_tuple(finding.column, name_of(finding.advice), finding.text));
  }
  return list;
}

nb::list examine(TableLearner& learner, const Names& settled) {
  std::vector<ColumnFinding> findings;
  {
    const nb::gil_scoped_release released;
    findings = learner.examine(settled);
  }
  return to_list(findings);
}

/// Gives the memory of the rows to numpy.
Array finish(TableLearner& learner, TableEncoder& encoder, const Names& excluded) {
  LearntRows rows;
  {
    const nb::gil_scoped_release released;
    rows = learner.finish(encoder, excluded);
  }
  float* const memory = rows.data.release();
  const nb::capsule owner(memory, [](void* owned) noexcept { LearntRows::Free()(static_cast<float*>(owned)); });
  return Array(nb::ndarray<nb::numpy, float>(
      memory, {static_cast<std::size_t>(rows.rows), static_cast<std::size_t>(rows.columns)}, owner));
}

/// By a copy: encode() counts unseen values, and several threads may encode at once.
Array encode(const TableEncoder& encoder, const Table& table) {
  Matrix matrix;
  {
    TableEncoder copy = encoder;
    const nb::gil_scoped_release released;
    matrix = copy.encode(table);
  }
  return to_numpy(std::move(matrix.data),
                  {static_cast<std::size_t>(matrix.rows), static_cast<std::size_t>(matrix.columns)});
}

}  // namespace

void bind_tables(nb::module_& module) {
  nb::class_<Table>(module, "Table", "Columns of numbers and of texts.")
      .def_ro("rows", &Table::rows)
      .def_prop_ro("column_names",
                   [](const Table& table) {
                     Names names;
                     for (const Column& column : table.columns) names.push_back(column.name);
                     return names;
                   })
      .def(
          "cells",
          [](const Table& table, const std::string& name) -> nb::object {
            const Column& column = table.columns[table.find(name)];
            if (column.is_text) return nb::cast(column.texts);
            return nb::cast(to_numpy(std::vector<double>(column.numbers), {column.numbers.size()}));
          },
          "column"_a, "The texts of a column as a list, or its numbers as an array.")
      .def(
          "take", [](const Table& table, const std::vector<std::int64_t>& rows) { return take_rows(table, rows); },
          "rows"_a);
  nb::class_<TableLearner>(module, "Learner", "Learns an encoder from a table in chunks, and keeps its features only.")
      .def(
          "__init__",
          [](TableLearner* made, Names categorical, Names excluded, std::int64_t max_categories) {
            new (made) TableLearner({std::move(categorical), std::move(excluded), max_categories});
          },
          "categorical"_a, "excluded"_a, "max_categories"_a)
      .def("add", &TableLearner::add, "chunk"_a, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("rows", &TableLearner::rows)
      .def("examine", &examine, "settled"_a, "Findings as (column, advice, text).")
      .def("finish", &finish, "encoder"_a, "excluded"_a, "Fits the encoder; features [rows, features] as float32.");
  nb::class_<TableEncoder>(module, "Encoder", "Turns tables into rows of float32.")
      .def(nb::init<>())
      .def("encode", &encode, "table"_a, "Features [rows, features] as float32.")
      .def("to_json", &TableEncoder::to_json)
      .def_static("from_json", &TableEncoder::from_json, "json"_a)
      .def("__getstate__", &TableEncoder::to_json)
      .def("__setstate__",
           [](TableEncoder& made, const std::string& json) { new (&made) TableEncoder(TableEncoder::from_json(json)); })
      .def_prop_ro("feature_names", &TableEncoder::feature_names)
      .def_prop_ro("numeric_features", &TableEncoder::numeric_features)
      .def_prop_ro("offsets", &TableEncoder::offsets)
      .def_prop_ro("decimals", &TableEncoder::decimals)
      .def_prop_ro("text_columns", [](const TableEncoder& encoder) { return encoder.read_options().text_columns; })
      .def_prop_ro("numeric_columns",
                   [](const TableEncoder& encoder) { return *encoder.read_options().numeric_columns; });
}

}  // namespace cugad::python
