#ifndef CUGAD_CUGAD_REPORT_H
#define CUGAD_CUGAD_REPORT_H

/// @file
/// A page about a detector and the rows that it scores: one HTML file that needs no network. docs/report.md shows one,
/// cugad/report.hpp documents it.
///
/// Errors and the result of a failed call are those of cugad.h. Rows are host memory.

#include "cugad/cugad.h"
#include "cugad/cugad_table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cugad_report cugad_report;

/// Set struct_size to sizeof(cugad_report_options), and all other members to 0 or NULL, the default, or to more.
typedef struct cugad_report_options {
  size_t struct_size;
  const char* title;       ///< what is scored; NULL: "rows"
  cugad_encoder* encoder;  ///< that makes the rows of tables; NULL: each column is a number. It is copied
  const float* threshold;  ///< in place of the detector's own
  const char* const* ids;  ///< columns of the tables that name a row
  int64_t id_count;
  const char* history;         ///< the lines that `cugad train --log` writes, for the curves of the training
  const char* const* sources;  ///< lines on where the page comes from: the name and the text of each by turns
  int64_t source_count;        ///< of names and texts together, an even number
  int32_t top;                 ///< so many of the most anomalous rows are listed, up to 200; 0: 25
} cugad_report_options;

/// `options` may be NULL. The detector is shared, not copied (cugad_detector_share), and may be destroyed before the
/// report. Rows of a detector with the option image are images. CUGAD_ERROR_UNSUPPORTED in a build without Chart.js.
CUGAD_API cugad_status cugad_report_create(cugad_detector* detector, const cugad_report_options* options,
                                           cugad_report** report);
/// Scores further rows. `labels` (one per row: 1 an anomaly, 0 normal, -1 unknown) and `table` (the same rows as they
/// were read) may be NULL.
CUGAD_API cugad_status cugad_report_add(cugad_report* report, const float* x, int64_t rows, int64_t columns,
                                        int64_t row_stride, const int8_t* labels, cugad_table* table);
/// Writes the page atomically. CUGAD_ERROR_INVALID_ARGUMENT if no row was added.
CUGAD_API cugad_status cugad_report_write(cugad_report* report, const char* path);
/// NULL is allowed.
CUGAD_API void cugad_report_destroy(cugad_report* report);

#ifdef __cplusplus
}
#endif

#endif
