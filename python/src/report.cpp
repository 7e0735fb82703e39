#include "report.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace cugad::python {
namespace {

using namespace nb::literals;
template <class T>
using List = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// The elements of an array; none of None. `array` keeps them.
template <class T>
std::span<const T> list_of(const nb::object& given, List<T>& array) {
  if (given.is_none()) return {};
  array = nb::cast<List<T>>(given);
  return {array.data(), array.shape(0)};
}

ModelTelemetry telemetry_of(const nb::dict& model) {
  const auto number = [&](const char* name) { return nb::cast<float>(model[name]); };
  return {.discriminator_loss = number("discriminator_loss"),
          .generator_loss = number("generator_loss"),
          .real_probability = number("real_probability"),
          .fake_probability = number("fake_probability"),
          .discriminator_gradient = number("discriminator_gradient"),
          .generator_gradient = number("generator_gradient")};
}

ReportOptions options_of(const Detector& detector, const ReportArguments& arguments) {
  ReportOptions options;
  options.title = arguments.title;
  if (!arguments.encoder.is_none()) options.encoder = nb::cast<TableEncoder>(arguments.encoder);
  const std::optional<ImageShape>& image = detector.options().image;
  if (image && !options.encoder && cells_of(*image) <= detector.columns()) options.image = image;
  if (!arguments.threshold.is_none()) options.threshold = nb::cast<float>(arguments.threshold);
  options.ids = arguments.ids;
  options.sources = arguments.sources;
  options.top = arguments.top;
  for (const nb::handle entry : arguments.history) {
    const nb::dict one = nb::cast<nb::dict>(entry);
    FitProgress& progress = options.history.emplace_back();
    progress.step = nb::cast<std::int64_t>(one["step"]);
    progress.steps = nb::cast<std::int64_t>(one["steps"]);
    for (const nb::handle model : nb::cast<nb::list>(one["models"])) {
      progress.models.push_back(telemetry_of(nb::cast<nb::dict>(model)));
    }
  }
  return options;
}

Report report_of(Detector detector, const std::atomic<bool>* cancel, const ReportArguments& arguments) {
  detector.cancel_by(cancel);
  ReportOptions options = options_of(detector, arguments);
  return Report(std::move(detector), std::move(options));
}

}  // namespace

BoundReport::BoundReport(Detector detector, const ReportArguments& arguments)
    : report_(report_of(std::move(detector), calls_.cancel_flag(), arguments)) {}

void BoundReport::add(const Rows& rows, const nb::object& labels, const nb::object& table, const nb::object& numbers) {
  List<std::int8_t> label_array;
  List<std::int64_t> number_array;
  ReportRows beside;
  beside.labels = list_of(labels, label_array);
  beside.numbers = list_of(numbers, number_array);
  if (!table.is_none()) beside.table = nb::cast<const Table*>(table);
  const auto x = view_of(rows);
  calls_.run(x.rows > few_rows, [&] { report_.add(x, beside); });
}

void BoundReport::write(const std::string& path) {
  calls_.run(true, [&] { report_.write(path); });
}

void bind_report(nb::module_& module) {
  nb::class_<BoundReport>(module, "Report", "A page about a detector and rows.")
      .def("add", &BoundReport::add, "rows"_a, "labels"_a = nb::none(), "table"_a = nb::none(),
           "numbers"_a = nb::none())
      .def("write", &BoundReport::write, "path"_a);
}

}  // namespace cugad::python
