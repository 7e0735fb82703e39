#include "cugad/report.hpp"

#include <memory>

#include "cugad/cugad_report.h"
#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/rows.hpp"
#include "host/c_api/table_handles.hpp"
#include "host/report/training_history.hpp"

/// Reports.

using namespace cugad;
using namespace cugad::c_api;

struct cugad_report {
  cugad_report(Device device_, Detector detector, ReportOptions options)
      : device(std::move(device_)), columns(detector.columns()), report(std::move(detector), std::move(options)) {}

  Device device;
  std::int64_t columns;
  Report report;
};

namespace {

ReportOptions options_of(const Detector& detector, const cugad_report_options* given) {
  ReportOptions options;
  const std::optional<ImageShape>& image = detector.options().image;
  if (image && cells_of(*image) <= detector.columns()) options.image = image;
  if (given == nullptr) return options;
  const cugad_report_options known = known_struct(given, "options");
  if (known.title != nullptr) options.title = known.title;
  if (known.encoder != nullptr) options.encoder = known.encoder->encoder;
  if (known.threshold != nullptr) options.threshold = *known.threshold;
  options.ids = texts_of(known.ids, known.id_count, "ids");
  if (known.history != nullptr) options.history = training_history(known.history, "history");
  const std::vector<std::string> sources = texts_of(known.sources, known.source_count, "sources");
  if (sources.size() % 2 != 0) {
    throw Error(ErrorCode::invalid_argument,
                "sources has " + std::to_string(sources.size()) + " texts, expected a name and a text by turns");
  }
  for (std::size_t i = 0; i < sources.size(); i += 2) options.sources.emplace_back(sources[i], sources[i + 1]);
  if (known.top != 0) options.top = known.top;
  return options;
}

}  // namespace

extern "C" {

cugad_status cugad_report_create(cugad_detector* detector, const cugad_report_options* options, cugad_report** report) {
  return guard(__func__, [&] {
    cugad_report*& place = started(report, "report");
    Detector& model = fitted(detector);
    place = new cugad_report(detector->device, model.share(), options_of(model, options));
  });
}

cugad_status cugad_report_add(cugad_report* report, const float* x, int64_t rows, int64_t columns, int64_t row_stride,
                              const int8_t* labels, cugad_table* table) {
  return guard(__func__, [&] {
    require(report, "report");
    const MatrixView<const float> view(x, rows, columns, row_stride);
    require_matrix(report->device, view);
    require_host(report->device, x, "x");
    if (columns != report->columns) {
      throw Error(
          ErrorCode::invalid_argument,
          "x has " + std::to_string(columns) + " columns, expected the detector's " + std::to_string(report->columns));
    }
    ReportRows beside;
    if (labels != nullptr) {
      require_host_array(report->device, labels, rows, "labels");
      beside.labels = {labels, static_cast<std::size_t>(rows)};
    }
    if (table != nullptr) beside.table = &table->table;
    report->report.add(view, beside);
  });
}

cugad_status cugad_report_write(cugad_report* report, const char* path) {
  return guard(__func__, [&] {
    require(report, "report");
    report->report.write(text_of(path, "path"));
  });
}

void cugad_report_destroy(cugad_report* report) { delete report; }

}  // extern "C"
