#ifndef CUGAD_CUGAD_FLEET_H
#define CUGAD_CUGAD_FLEET_H

/// @file
/// Fleets: one detector per group of rows (a machine, a user, a sensor), trained together, and a pooled one for all
/// other rows. cugad/fleet.hpp documents fleets; docs/fleets.md is the guide.
///
/// Errors, texts, threads and the result of a failed call are those of cugad.h. All arrays of a fleet are memory of the
/// host. Rows are a cugad_matrix, of any order and type; groups[r] is the group of row r: UTF-8, never NULL, "" for a
/// row without a group. Calls return when their results are complete.

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cugad_fleet cugad_fleet;

/// Which groups get their own model. Set struct_size to sizeof(cugad_fleet_options), the required members, and all
/// others to 0, the default.
typedef struct cugad_fleet_options {
  size_t struct_size;
  int64_t minimum_rows;  ///< groups with fewer training rows are scored by the pooled model; 0: 50
  int64_t pooled_rows;   ///< maximum of training rows of the pooled model; 0: 100,000
} cugad_fleet_options;

/// One group of the training rows.
typedef struct cugad_fleet_group {
  size_t struct_size;
  const char* name;   ///< belongs to the fleet: valid until its next fit, or until it is destroyed
  int64_t rows;       ///< for training
  int32_t own_model;  ///< 1: it has its own model
  float threshold;    ///< of its own model, or of the pooled one
} cugad_fleet_group;

/* ---- Fleets ---- */

/// `config_json` as of cugad_detector_create; `options` may be NULL.
CUGAD_API cugad_status cugad_fleet_create(cugad_device* device, const char* config_json,
                                          const cugad_fleet_options* options, cugad_fleet** fleet);
/// As cugad_detector_load, of a file that holds a fleet.
CUGAD_API cugad_status cugad_fleet_load(cugad_device* device, const char* path, cugad_fleet** fleet);
/// As cugad_detector_load_from_memory.
CUGAD_API cugad_status cugad_fleet_load_from_memory(cugad_device* device, const void* bytes, size_t size,
                                                    cugad_fleet** fleet);
/// 1 if the model file holds a fleet, 0 for another safetensors file, an error for anything else.
CUGAD_API cugad_status cugad_fleet_is_in_file(const char* path, int32_t* is_fleet);
CUGAD_API cugad_status cugad_fleet_is_in_memory(const void* bytes, size_t size, int32_t* is_fleet);
/// NULL is allowed.
CUGAD_API void cugad_fleet_destroy(cugad_fleet* fleet);
/// As cugad_detector_save and cugad_detector_save_to_memory.
CUGAD_API cugad_status cugad_fleet_save(cugad_fleet* fleet, const char* path);
CUGAD_API cugad_status cugad_fleet_save_to_memory(cugad_fleet* fleet, const void** bytes, size_t* size);

/* ---- Fitting and scoring ---- */

/// As cugad_detector_fit_matrix; rows without a group train the pooled model only. Progress counts the steps of all
/// models. With a checkpoint directory finished models are stored there, and resuming trains the others.
CUGAD_API cugad_status cugad_fleet_fit(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                       const cugad_fit_controls* controls);
/// Trains models for the groups of the rows that the fleet has none of, and keeps all others as they are; see
/// Fleet::fit_new_groups.
CUGAD_API cugad_status cugad_fleet_fit_new_groups(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                                  const cugad_fit_controls* controls);
/// As cugad_detector_cancel.
CUGAD_API cugad_status cugad_fleet_cancel(cugad_fleet* fleet);
/// One score per row, each by the model of its group and on that model's scale.
CUGAD_API cugad_status cugad_fleet_score(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                         float* scores);
/// As cugad_detector_score_methods_matrix: method_scores is rows x parts, and "parts" of cugad_fleet_describe names
/// them.
CUGAD_API cugad_status cugad_fleet_score_methods(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                                 float* scores, float* method_scores);
/// As cugad_detector_explain_matrix.
CUGAD_API cugad_status cugad_fleet_explain(cugad_fleet* fleet, const cugad_matrix* x, const char* const* groups,
                                           int32_t count, float* scores, cugad_reason* reasons);
/// For each of `count` rows the threshold of the model that scores it: the row is anomalous from this score on.
CUGAD_API cugad_status cugad_fleet_thresholds(cugad_fleet* fleet, const char* const* groups, int64_t count,
                                              float* thresholds);
/// As cugad_detector_probability and cugad_detector_confidence, by the model of each score's group.
CUGAD_API cugad_status cugad_fleet_probability(cugad_fleet* fleet, const float* scores, const char* const* groups,
                                               int64_t count, int32_t kind, float* probabilities);
CUGAD_API cugad_status cugad_fleet_confidence(cugad_fleet* fleet, const float* scores, const char* const* groups,
                                              int64_t count, float* confidences);

/* ---- What a fleet is ---- */

/// 1 after fit or load, else 0.
CUGAD_API cugad_status cugad_fleet_is_fitted(cugad_fleet* fleet, int32_t* fitted);
/// Groups of the training rows; 0 before fit or load.
CUGAD_API cugad_status cugad_fleet_groups(cugad_fleet* fleet, int64_t* groups);
/// Group `index`, from 0 in the order of their names. Set group->struct_size to sizeof(cugad_fleet_group) before.
CUGAD_API cugad_status cugad_fleet_group_at(cugad_fleet* fleet, int64_t index, cugad_fleet_group* group);
/// A new detector: that of one group, as if it had been fitted alone, or with NULL the pooled one. Its telemetry and
/// names are those of the model. CUGAD_ERROR_INVALID_ARGUMENT for a group without its own model.
CUGAD_API cugad_status cugad_fleet_take_out(cugad_fleet* fleet, const char* group, cugad_detector** detector);
/// As cugad_detector_set_contamination and cugad_detector_set_false_alarm_rate, for all models.
CUGAD_API cugad_status cugad_fleet_set_contamination(cugad_fleet* fleet, float contamination);
CUGAD_API cugad_status cugad_fleet_set_false_alarm_rate(cugad_fleet* fleet, float rate);
/// As cugad_detector_calibration, of the model that scores the group; NULL: of the pooled one.
CUGAD_API cugad_status cugad_fleet_calibration(cugad_fleet* fleet, const char* group, int64_t* rows, int64_t* folds);
/// As cugad_detector_columns and cugad_detector_column_name.
CUGAD_API cugad_status cugad_fleet_columns(cugad_fleet* fleet, int64_t* columns);
CUGAD_API cugad_status cugad_fleet_column_name(cugad_fleet* fleet, int64_t column, const char** name);
/// One JSON object: "fitted", "method", "population", "device", "precision", "options" (those of the groups, with the
/// fleet's seed), "options_without_effect", "columns" (names), "parts" (names of the parts of the score), and "scored",
/// which counts since fit or load: "rows", "small" (of groups without their own model), "unseen" (of groups that are
/// not in the training rows, or without a group) and "examples" of unseen groups.
CUGAD_API cugad_status cugad_fleet_describe(cugad_fleet* fleet, const char** json);
/// As cugad_detector_attach and cugad_detector_attachment; the texts are copied to detectors that are taken out.
CUGAD_API cugad_status cugad_fleet_attach(cugad_fleet* fleet, const char* name, const char* text);
CUGAD_API cugad_status cugad_fleet_attachment(cugad_fleet* fleet, const char* name, const char** text);

#ifdef __cplusplus
}
#endif

#endif
