#include "cugad/shards.hpp"

#include <atomic>
#include <utility>

#include "cugad/cugad_shards.h"
#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/fit_controls.hpp"
#include "host/c_api/fleet_arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/options/method_options.hpp"

/// Shards of trainings, and the files of their parts.

using namespace cugad;
using namespace cugad::c_api;

namespace {

/// A struct for results in the layout of this version; NULL: not requested.
void check_result(const cugad_part* part, const char* name) {
  if (part != nullptr) known_struct(part, name);
}

void give(const PartContents& contents, cugad_part* part) {
  if (part == nullptr) return;
  part->groups = contents.groups;
  part->models = contents.models;
}

/// What a training is given, which keeps the rows that it is not given as they are taken.
struct GivenTraining {
  GivenTraining(const Device& device, const cugad_training& given, std::atomic<bool>& cancel)
      : x(device, given.x), controls(given.controls, x.columns(), cancel) {
    if (x.rows() > 0) require_host(device, x.extent().begin, "x");
    const std::string config = given.config_json == nullptr ? "" : given.config_json;
    training.options = options_from_json(config.empty() ? "{}" : config);
    check_options(training.options);
    if (given.groups != nullptr) groups = texts_of(given.groups, x.rows(), "groups");
    if (given.groups == nullptr && given.fleet_options != nullptr) {
      throw Error(ErrorCode::invalid_argument, "fleet_options is given without groups, expected both or neither");
    }
    training.fleet_options = fleet_options_of(given.fleet_options);
    const std::vector<std::string> names = texts_of(given.attachment_names, given.attachments, "attachment_names");
    std::vector<std::string> texts = texts_of(given.attachment_texts, given.attachments, "attachment_texts");
    for (std::size_t i = 0; i < names.size(); ++i) training.attachments[names[i]] = std::move(texts[i]);
    training.rows = x.bring(device, nullptr);
    training.columns = controls.described;
    training.groups = groups;
    if (controls.control.on_message) x.report_lost_digits(controls.described.names, controls.control.on_message);
  }

  Rows x;
  FitControls controls;
  std::vector<std::string> groups;
  ShardedTraining training;
};

}  // namespace

extern "C" {

cugad_status cugad_fit_part(cugad_device* device, const cugad_training* training, int64_t number, int64_t count,
                            const char* path, cugad_part* part) {
  return guard(__func__, [&] {
    require(device, "device");
    check_result(part, "part");
    const std::string file = text_of(path, "path");
    const Shard shard = shard_from(std::to_string(number) + "/" + std::to_string(count));
    std::atomic<bool> cancel = false;
    const GivenTraining given(device->device, known_struct(training, "training"), cancel);
    give(fit_part(device->device, given.training, shard, file, given.controls.control), part);
  });
}

cugad_status cugad_is_part(const char* path, int32_t* is_part) {
  return guard(__func__, [&] {
    require(is_part, "is_part");
    *is_part = cugad::is_part(text_of(path, "path")) ? 1 : 0;
  });
}

cugad_status cugad_merge_parts(cugad_device* device, const char* const* paths, int64_t count, const char* output,
                               const cugad_fit_controls* controls, cugad_part* merged) {
  return guard(__func__, [&] {
    require(device, "device");
    check_result(merged, "merged");
    const std::string file = text_of(output, "output");
    const std::vector<std::string> parts = texts_of(paths, count, "paths");
    std::atomic<bool> cancel = false;
    const FitControls given(controls, 0, cancel);
    give(merge_parts(device->device, parts, file, given.control), merged);
  });
}

}  // extern "C"
