#ifndef CUGAD_CUGAD_SHARDS_H
#define CUGAD_CUGAD_SHARDS_H

/// @file
/// Training on several machines: each process trains one shard of the models and writes a part, and
/// cugad_merge_parts makes of all parts the very file that one process would have written. cugad/shards.hpp documents
/// shards; docs/scale.md is the guide. Scores need nothing of the kind: a row's does not depend on the rows beside it,
/// so that each process scores its own rows with the whole model.
///
/// Errors, texts and threads are those of cugad.h; arrays are memory of the host.

#include "cugad/cugad.h"
#include "cugad/cugad_fleet.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What is trained: the same for every shard, each of which is given all rows. Set struct_size to
/// sizeof(cugad_training), the required members, and all others to 0 or NULL.
typedef struct cugad_training {
  size_t struct_size;
  const char* config_json;                   ///< as of cugad_detector_create
  const cugad_matrix* x;                     ///< all rows: required
  const char* const* groups;                 ///< of each row, as of cugad_fleet_fit; NULL: one detector
  const cugad_fleet_options* fleet_options;  ///< with groups; NULL: the defaults
  const cugad_fit_controls* controls;        ///< names of columns, progress and checkpoints; NULL: none
  const char* const* attachment_names;       ///< `attachments` texts that the model file holds, as of
  const char* const* attachment_texts;       ///< cugad_detector_attach, and their names
  int64_t attachments;
} cugad_training;

/// What a part, or a merged file, holds. Set struct_size to sizeof(cugad_part) before.
typedef struct cugad_part {
  size_t struct_size;
  int64_t groups;  ///< with models; 0 of one detector
  int64_t models;  ///< trained ones, the pooled ones among them
} cugad_part;

/// Trains shard `number` of `count`, from 1, and writes the part to `path`, atomically. Of a fleet a shard has the
/// groups whose names hash to it, and the first one the pooled model; of a detector it has a range of the population,
/// and the first one keeps the training rows. on_progress of the controls can cancel it. `part` may be NULL.
/// CUGAD_ERROR_INVALID_ARGUMENT where there are fewer models than shards.
CUGAD_API cugad_status cugad_fit_part(cugad_device* device, const cugad_training* training, int64_t number,
                                      int64_t count, const char* path, cugad_part* part);
/// 1 if a safetensors file is a part, 0 for another one, an error for anything else.
CUGAD_API cugad_status cugad_is_part(const char* path, int32_t* is_part);
/// Writes the file that one process would have written, from the `count` parts of all shards of a training in any
/// order. CUGAD_ERROR_INVALID_ARGUMENT if a shard is missing or there twice, or parts are of different trainings;
/// CUGAD_ERROR_FORMAT for a file that is no part. Of the controls, which may be NULL, the callbacks are used. `merged`
/// may be NULL.
CUGAD_API cugad_status cugad_merge_parts(cugad_device* device, const char* const* paths, int64_t count,
                                         const char* output, const cugad_fit_controls* controls, cugad_part* merged);

#ifdef __cplusplus
}
#endif

#endif
