#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <limits>

#include "binding.hpp"
#include "cugad/cugad.h"

namespace cugad::python {

namespace {

template <class AnyRows>
MatrixView<const float> matrix_of(const AnyRows& rows) {
  const auto count = static_cast<std::int64_t>(rows.shape(0)), columns = static_cast<std::int64_t>(rows.shape(1));
  if (columns > 1 && rows.stride(1) != 1) {
    throw Error(ErrorCode::invalid_argument, "the elements of a row lie " + std::to_string(rows.stride(1)) +
                                                 " elements apart, expected that they follow each other");
  }
  return {rows.data(), count, columns, count > 1 ? rows.stride(0) : columns};
}

}  // namespace

MatrixView<const float> view_of(const Rows& rows) { return matrix_of(rows); }

MatrixView<const float> view_of(const PlacedRows& rows, const std::string& device) {
  const bool is_host =
      rows.device_type() == nb::device::cpu::value || rows.device_type() == nb::device::cuda_host::value;
  const std::string number = ":" + std::to_string(rows.device_id());
  if (!is_host && !(is_on_gpu(rows) && device.ends_with(number))) {
    const std::string place =
        is_on_gpu(rows) ? "cuda" + number : "DLPack device type " + std::to_string(rows.device_type());
    throw Error(ErrorCode::invalid_argument, "X is in memory of " + place +
                                                 ", expected memory of the CPU or of the detector's device, which is " +
                                                 device + ": X.cpu() moves a tensor of PyTorch there");
  }
  return matrix_of(rows);
}

nb::bytes to_bytes(const std::vector<std::byte>& bytes) { return nb::bytes(bytes.data(), bytes.size()); }

std::span<const std::byte> span_of(const nb::bytes& bytes) {
  return {static_cast<const std::byte*>(bytes.data()), bytes.size()};
}

Probability probability_from(const std::string& name) {
  if (name == "rank") return Probability::rank;
  if (name == "gaussian") return Probability::gaussian;
  throw Error(ErrorCode::invalid_argument, "the kind of probability is '" + name + "', expected 'rank' or 'gaussian'");
}

GroupSeed group_seed_from(const std::string& name) {
  if (name == "name") return GroupSeed::name;
  if (name == "position") return GroupSeed::position;
  throw Error(ErrorCode::invalid_argument, "group_seed is '" + name + "', expected 'name' or 'position'");
}

nb::dict to_arrays(const std::vector<Explanation>& explanations, std::size_t count) {
  constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
  const std::size_t cells = explanations.size() * count;
  std::vector<std::int32_t> column(cells, -1), category(cells, -1);
  std::vector<std::int8_t> finding(cells, 0);
  const auto numbers = [&] { return std::vector<float>(cells, unknown); };
  std::vector<float> share = numbers(), residual = numbers(), low = numbers(), high = numbers(), likelihood = numbers(),
                     least = numbers(), most = numbers();
  for (std::size_t r = 0; r < explanations.size(); ++r) {
    const Explanation& row = explanations[r];
    for (std::size_t k = 0; k < std::min(count, row.column.size()); ++k) {
      const std::size_t at = r * count + k;
      column[at] = row.column[k];
      category[at] = row.expected[k].category;
      finding[at] = static_cast<std::int8_t>(row.finding[k]);
      share[at] = row.share[k];
      residual[at] = row.residual[k];
      low[at] = row.expected[k].low;
      high[at] = row.expected[k].high;
      likelihood[at] = row.expected[k].likelihood;
      least[at] = row.expected[k].least;
      most[at] = row.expected[k].most;
    }
  }
  nb::dict arrays;
  const auto put = [&](const char* name, auto& values) {
    arrays[name] = to_numpy(std::move(values), {explanations.size(), count});
  };
  put("column", column);
  put("finding", finding);
  put("share", share);
  put("residual", residual);
  put("low", low);
  put("high", high);
  put("category", category);
  put("likelihood", likelihood);
  put("least", least);
  put("most", most);
  return arrays;
}

namespace {

/// The exception of Python for an error of the library.
PyObject* exception_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::format:
      return PyExc_ValueError;
    case ErrorCode::input_output:
      return PyExc_OSError;
    case ErrorCode::unsupported:
      return PyExc_NotImplementedError;
    case ErrorCode::out_of_memory:
      return PyExc_MemoryError;
    case ErrorCode::device:
    case ErrorCode::cancelled:
      break;
  }
  return PyExc_RuntimeError;
}

std::string option_list_json() {
  const char* json = nullptr;
  if (cugad_option_list(&json) != CUGAD_OK) throw std::runtime_error(cugad_last_error());
  return json;
}

}  // namespace
}  // namespace cugad::python

NB_MODULE(_cugad, module) {
  using namespace cugad::python;
  nb::register_exception_translator(
      [](const std::exception_ptr& thrown, void*) {
        try {
          std::rethrow_exception(thrown);
        } catch (const cugad::Error& error) {
          PyErr_SetString(exception_for(error.code()), error.what());
        }
      },
      nullptr);
  module.def("version", [] { return std::string(cugad_version()); });
  module.def("option_list", &option_list_json, "The records of all options as JSON, see cugad_option_list in cugad.h.");
  module.def("presets", &cugad::presets, "Names of the presets.");
  module.def(
      "describe_device",
      [](const std::string& name, int threads) { return cugad::Device::open(name, threads).description(); },
      nb::arg("name"), nb::arg("threads") = 0, "One line about a device.");
  bind_detector(module);
  bind_fleet(module);
  bind_shards(module);
  bind_tables(module);
  bind_arrow(module);
  bind_report(module);
}
