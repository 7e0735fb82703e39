#include "cugad/arrow.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "binding.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;

ArrowArrayStream& stream_of(const nb::capsule& capsule) {
  auto* const stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  return *stream;
}

Table read(ArrowReader& reader, std::int64_t max_rows) {
  Table table;
  reader.read(table, max_rows);
  return table;
}

}  // namespace

void bind_arrow(nb::module_& module) {
  nb::class_<ArrowReader>(module, "ArrowReader", "Reads an object's __arrow_c_stream__() in chunks.")
      .def(
          "__init__", [](ArrowReader* made, const nb::capsule& stream) { new (made) ArrowReader(stream_of(stream)); },
          "stream"_a)
      .def_prop_ro("names", &ArrowReader::column_names)
      .def("keep", &ArrowReader::keep, "names"_a)
      // The producer may run Python on threads of its own.
      .def("read", &read, "max_rows"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace cugad::python
