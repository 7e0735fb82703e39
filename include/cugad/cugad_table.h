#ifndef CUGAD_CUGAD_TABLE_H
#define CUGAD_CUGAD_TABLE_H

/// @file
/// Tables in files: reading them in chunks, turning their columns into the numbers that a detector takes, and measures
/// of scores against labels. cugad/table.hpp and docs/file_formats.md document readers and encoders.
///
/// A program that stores the encoder in the model as the command does can exchange models with the command: attachments
/// (cugad_detector_attach, cugad_fleet_attach) "encoder" (cugad_encoder_to_json), "format" (cugad_reader_format), for a
/// fleet "group_column" (a column's name), and "labels", {"column": "", "normal": []} without labels. examples/table.c
/// is such a program.
///
/// Errors and the result of a failed call are those of cugad.h. Handles are on the host: no device is involved. One
/// thread at a time uses a handle. Pointers that a table or an encoder returns are valid until the handle is destroyed;
/// texts of readers and JSON texts until the next call of the same function on that handle.

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cugad_reader cugad_reader;
typedef struct cugad_table cugad_table;
typedef struct cugad_encoder cugad_encoder;

/* ---- Reading ---- */

/// Opens .csv, .csv.gz, .npy, .npz, .idx* or *-ubyte; "-" is csv on standard input. `options_json` is NULL, "" or one
/// JSON object of fields of cugad::ReadOptions: "text_columns" (a list of names), "infer_text", "format" (an object as
/// of cugad_reader_format, or some of its members), "numeric_columns", "names" (a list of lists), "by_position",
/// "adapt_separator", "mark_errors", "as_it_comes". Strict, as cugad_detector_create is.
/// CUGAD_ERROR_INPUT_OUTPUT for a file that cannot be opened, CUGAD_ERROR_FORMAT for a damaged one.
CUGAD_API cugad_status cugad_reader_open(const char* path, const char* options_json, cugad_reader** reader);
/// NULL is allowed.
CUGAD_API void cugad_reader_close(cugad_reader* reader);
/// The next rows, at most `max_rows` of them, as a new table; NULL at the end. A whole file is INT64_MAX rows.
CUGAD_API cugad_status cugad_reader_read(cugad_reader* reader, int64_t max_rows, cugad_table** table);
/// The complete format of the file as a JSON object, with the fields that the options left open, so that later files
/// can be read alike.
CUGAD_API cugad_status cugad_reader_format(cugad_reader* reader, const char** json);
/// Notes for the user about the reading so far (guesses, skipped lines), as a JSON list of lines.
CUGAD_API cugad_status cugad_reader_notes(cugad_reader* reader, const char** json);

/* ---- Tables ---- */

/// NULL is allowed.
CUGAD_API void cugad_table_destroy(cugad_table* table);
CUGAD_API cugad_status cugad_table_rows(cugad_table* table, int64_t* rows);
/// The number of the table's first row in the file's data, from 0.
CUGAD_API cugad_status cugad_table_first_row(cugad_table* table, int64_t* first_row);
CUGAD_API cugad_status cugad_table_columns(cugad_table* table, int64_t* columns);
CUGAD_API cugad_status cugad_table_column_name(cugad_table* table, int64_t column, const char** name);
/// The position of a column by its name or, if no column has that name, its position as text (negative: from the end).
/// The message of CUGAD_ERROR_INVALID_ARGUMENT has the nearest known name.
CUGAD_API cugad_status cugad_table_find(cugad_table* table, const char* name, int64_t* column);
/// The numbers of a column, one per row (NaN: missing); NULL for a column of texts.
CUGAD_API cugad_status cugad_table_numbers(cugad_table* table, int64_t column, const double** numbers);
/// The cells of any column as texts, one per row ("": missing); numbers are written as the command writes groups and
/// ids. Texts are the bytes of the file, up to a zero byte.
CUGAD_API cugad_status cugad_table_texts(cugad_table* table, int64_t column, const char* const** texts);
/// Why a row (from 0) could not be read (with the option "mark_errors"); NULL for a row that could.
CUGAD_API cugad_status cugad_table_row_error(cugad_table* table, int64_t row, const char** text);
/// flags[r] = 1 if the column's cell of row r equals one of `count` values, as text or as numbers; else 0.
CUGAD_API cugad_status cugad_table_rows_with_value(cugad_table* table, const char* column, const char* const* values,
                                                   int64_t count, uint8_t* flags);
/// A new table of the given rows (from 0), in that order.
CUGAD_API cugad_status cugad_table_take_rows(cugad_table* table, const int64_t* rows, int64_t count,
                                             cugad_table** other);
/// Finds columns that are probably not features in their present form (row numbers, ids, dates, no values): a JSON list
/// of {"column", "advice" ("leave_out", "refuse" or "note"), "text"}. `settled`: `count` names of columns whose kind or
/// exclusion was chosen already.
CUGAD_API cugad_status cugad_table_examine(cugad_table* table, const char* const* settled, int64_t count,
                                           const char** json);

/* ---- Encoding ---- */

/// Learns columns and categories from a table. `options_json` is NULL, "" or one JSON object: "categorical" and
/// "excluded" (lists of names), "max_categories" (1000). Text columns are always categorical; the label and the group
/// are not features: exclude them.
CUGAD_API cugad_status cugad_encoder_fit(cugad_table* table, const char* options_json, cugad_encoder** encoder);
/// From the text of cugad_encoder_to_json; CUGAD_ERROR_FORMAT for any other.
CUGAD_API cugad_status cugad_encoder_from_json(const char* json, cugad_encoder** encoder);
/// NULL is allowed.
CUGAD_API void cugad_encoder_destroy(cugad_encoder* encoder);
CUGAD_API cugad_status cugad_encoder_to_json(cugad_encoder* encoder, const char** json);
/// The number of features, and of the 0/1 ones among them, which come last: binary_columns of cugad_fit_controls.
/// Either may be NULL.
CUGAD_API cugad_status cugad_encoder_features(cugad_encoder* encoder, int64_t* features, int64_t* binary);
/// Their names: column_names of cugad_fit_controls.
CUGAD_API cugad_status cugad_encoder_feature_names(cugad_encoder* encoder, const char* const** names);
/// The options of cugad_reader_open for a file to be encoded. The caller adds "format".
CUGAD_API cugad_status cugad_encoder_read_options(cugad_encoder* encoder, const char** json);
/// Writes the features of all rows of a table: row r from x + r * row_stride on, row_stride >= features.
CUGAD_API cugad_status cugad_encoder_encode(cugad_encoder* encoder, cugad_table* table, float* x, int64_t row_stride);
/// Counts of unseen values per categorical column, over all calls of encode: a JSON object of column names and counts.
CUGAD_API cugad_status cugad_encoder_unseen(cugad_encoder* encoder, const char** json);

/* ---- Measures ---- */

/// The decision "score >= threshold" against labels; a ratio with an empty denominator is 0.
typedef struct cugad_decision {
  size_t struct_size;
  double threshold;
  int64_t flagged, true_positives;
  double precision, recall, f1;
} cugad_decision;

/// `labels`: `count` of them, not 0 for an anomaly. CUGAD_ERROR_INVALID_ARGUMENT if a score is NaN or a required class
/// has no row. Area under the ROC curve, ties counting one half.
CUGAD_API cugad_status cugad_auroc(const uint8_t* labels, const float* scores, int64_t count, double* auroc);
CUGAD_API cugad_status cugad_average_precision(const uint8_t* labels, const float* scores, int64_t count,
                                               double* average_precision);
/// Set decision->struct_size to sizeof(cugad_decision) before.
CUGAD_API cugad_status cugad_decide(const uint8_t* labels, const float* scores, int64_t count, double threshold,
                                    cugad_decision* decision);
/// cugad_decide at the (100 - percent)-th percentile of the scores.
CUGAD_API cugad_status cugad_decide_top_percent(const uint8_t* labels, const float* scores, int64_t count,
                                                double percent, cugad_decision* decision);

/// Writes the labelled table for demonstrations, telemetry of machines: see cugad::synthesize_telemetry in
/// cugad/table.hpp. With more than 1 group a column "group"; `uneven` is 0 or 1. Same arguments, same file.
CUGAD_API cugad_status cugad_synthesize_telemetry(const char* path, int64_t rows, uint64_t seed, int64_t groups,
                                                  int32_t uneven);

#ifdef __cplusplus
}
#endif

#endif
