#include <algorithm>
#include <utility>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/fit_controls.hpp"
#include "host/c_api/fleet_arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/results.hpp"
#include "host/c_api/rows.hpp"
#include "host/detector/impl.hpp"

/// Creating, loading, saving, fitting fleets, and scoring with them.

using namespace cugad;
using namespace cugad::c_api;

namespace {

/// Scores, with `count` explanations of each if that is not 0.
void score(cugad_fleet* handle, const cugad_matrix* given, const char* const* groups, std::int32_t count, float* scores,
           cugad_reason* reasons) {
  Fleet& fleet = fitted(handle);
  GroupedRows rows(handle->device, given, groups);
  const CancelOnce once{handle->cancel};
  if (scores != nullptr || count == 0) require_host_array(handle->device, scores, rows.x.rows(), "scores");
  require_apart(rows.x.extent(), scores, rows.x.rows(), "scores");
  const std::int64_t cells = product(rows.x.rows(), count, "reasons");
  require_host_array(handle->device, reasons, cells, "reasons");
  require_apart(rows.x.extent(), reasons, cells, "reasons");
  std::vector<Explanation> explanations;
  copy_to(fleet.explain(rows.x.bring(handle->device, nullptr), rows.groups, count, explanations), scores);
  if (count > 0) copy_to(explanations, count, reasons);
}

/// Calls `fit` with what a fit is given.
template <class Fit>
void fit_with(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups, const cugad_fit_controls* controls,
              const Fit& fit) {
  require(fleet, "fleet");
  GroupedRows rows(fleet->device, x, groups);
  FitControls given(controls, rows.x.columns(), fleet->cancel);
  const CancelOnce once{fleet->cancel};
  const MatrixView<const float> brought = rows.x.bring(fleet->device, nullptr);
  if (given.control.on_message) rows.x.report_lost_digits(given.described.names, given.control.on_message);
  fit(brought, rows.groups, std::move(given.described), given.control);
}

/// The scores of `count` rows and the group of each, after the checks of both.
std::vector<std::string> groups_of(cugad_fleet* fleet, const float* scores, const char* const* groups,
                                   std::int64_t count, float* results, const char* name) {
  fitted(fleet);
  require_host_array(fleet->device, scores, count, "scores");
  require_host_array(fleet->device, results, count, name);
  return texts_of(groups, count, "groups");
}

}  // namespace

extern "C" {

cugad_status cugad_fleet_create(cugad_device* device, const char* config_json, const cugad_fleet_options* options,
                                cugad_fleet** fleet) {
  return guard(__func__, [&] {
    started(fleet, "fleet");
    require(device, "device");
    const std::string config = config_json == nullptr ? "" : config_json;
    DetectorOptions of_models = options_from_json(config.empty() ? "{}" : config);
    check_options(of_models);  // as fit would, when more has been invested
    *fleet = new cugad_fleet(*device, Fleet(device->device, std::move(of_models), fleet_options_of(options)));
  });
}

cugad_status cugad_fleet_load(cugad_device* device, const char* path, cugad_fleet** fleet) {
  return guard(__func__, [&] {
    started(fleet, "fleet");
    require(device, "device");
    *fleet = new cugad_fleet(*device, Fleet::load(device->device, text_of(path, "path")));
  });
}

cugad_status cugad_fleet_load_from_memory(cugad_device* device, const void* bytes, size_t size, cugad_fleet** fleet) {
  return guard(__func__, [&] {
    started(fleet, "fleet");
    require(device, "device");
    *fleet = new cugad_fleet(*device, Fleet::load(device->device, bytes_of(bytes, size)));
  });
}

cugad_status cugad_fleet_is_in_file(const char* path, int32_t* is_fleet) {
  return guard(__func__, [&] {
    require(is_fleet, "is_fleet");
    *is_fleet = Fleet::is_fleet(text_of(path, "path")) ? 1 : 0;
  });
}

cugad_status cugad_fleet_is_in_memory(const void* bytes, size_t size, int32_t* is_fleet) {
  return guard(__func__, [&] {
    require(is_fleet, "is_fleet");
    *is_fleet = Fleet::is_fleet(bytes_of(bytes, size)) ? 1 : 0;
  });
}

void cugad_fleet_destroy(cugad_fleet* fleet) { delete fleet; }

cugad_status cugad_fleet_save(cugad_fleet* fleet, const char* path) {
  return guard(__func__, [&] { model_of(fleet).save(text_of(path, "path")); });
}

cugad_status cugad_fleet_save_to_memory(cugad_fleet* fleet, const void** bytes, size_t* size) {
  return guard(__func__, [&] { save_to_memory(fleet, bytes, size); });
}

cugad_status cugad_fleet_fit(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                             const cugad_fit_controls* controls) {
  return guard(__func__, [&] {
    fit_with(fleet, x, groups, controls, [&](auto&&... all) { fleet->fleet.fit(std::forward<decltype(all)>(all)...); });
  });
}

cugad_status cugad_fleet_fit_new_groups(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                        const cugad_fit_controls* controls) {
  return guard(__func__, [&] {
    fit_with(fleet, x, groups, controls,
             [&](auto&&... all) { fleet->fleet.fit_new_groups(std::forward<decltype(all)>(all)...); });
  });
}

cugad_status cugad_fleet_cancel(cugad_fleet* fleet) {
  return guard(__func__, [&] {
    require(fleet, "fleet");
    fleet->cancel = true;
  });
}

cugad_status cugad_fleet_score(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups, float* scores) {
  return guard(__func__, [&] { score(fleet, x, groups, 0, scores, nullptr); });
}

cugad_status cugad_fleet_score_methods(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                       float* scores, float* method_scores) {
  return guard(__func__, [&] {
    Fleet& model = fitted(fleet);
    GroupedRows rows(fleet->device, x, groups);
    const CancelOnce once{fleet->cancel};
    const std::int64_t cells = product(rows.x.rows(), std::ssize(model.parts()), "method_scores");
    require_host_array(fleet->device, method_scores, cells, "method_scores");
    require_apart(rows.x.extent(), method_scores, cells, "method_scores");
    if (scores != nullptr) require_host_array(fleet->device, scores, rows.x.rows(), "scores");
    require_apart(rows.x.extent(), scores, rows.x.rows(), "scores");
    std::vector<float> of_methods;
    copy_to(model.score_methods(rows.x.bring(fleet->device, nullptr), rows.groups, of_methods), scores);
    copy_to(of_methods, method_scores);
  });
}

cugad_status cugad_fleet_explain(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups, int32_t count,
                                 float* scores, cugad_reason* reasons) {
  return guard(__func__, [&] {
    if (count < 1) {
      throw Error(ErrorCode::invalid_argument, "count is " + std::to_string(count) + ", expected at least 1");
    }
    score(fleet, x, groups, count, scores, reasons);
  });
}

cugad_status cugad_fleet_thresholds(cugad_fleet* fleet, const char* const* groups, int64_t count, float* thresholds) {
  return guard(__func__, [&] {
    fitted(fleet);
    require_host_array(fleet->device, thresholds, count, "thresholds");
    copy_to(fleet->fleet.thresholds(texts_of(groups, count, "groups")), thresholds);
  });
}

cugad_status cugad_fleet_probability(cugad_fleet* fleet, const float* scores, const char* const* groups, int64_t count,
                                     int32_t kind, float* probabilities) {
  return guard(__func__, [&] {
    const std::vector<std::string> of_rows = groups_of(fleet, scores, groups, count, probabilities, "probabilities");
    const std::span<const float> given(scores, of_rows.size());
    copy_to(fleet->fleet.probability(given, of_rows, probability_kind(kind)), probabilities);
  });
}

cugad_status cugad_fleet_confidence(cugad_fleet* fleet, const float* scores, const char* const* groups, int64_t count,
                                    float* confidences) {
  return guard(__func__, [&] {
    const std::vector<std::string> of_rows = groups_of(fleet, scores, groups, count, confidences, "confidences");
    copy_to(fleet->fleet.confidence({scores, of_rows.size()}, of_rows), confidences);
  });
}

}  // extern "C"
