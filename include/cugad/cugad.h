#ifndef CUGAD_CUGAD_H
#define CUGAD_CUGAD_H

/*
 * The C interface of cugad: anomaly detectors that are fitted on normal rows and score any rows. Higher scores are more
 * anomalous. What an option, a score or a method means stands in cugad/detector.hpp; docs/embedding.md is the guide.
 *
 * Every function that can fail returns CUGAD_OK or a negative cugad_status; cugad_last_error() then says what was
 * given, what was expected and where. No exception, exit or print leaves the library. A failed call leaves the handles
 * that it was given as they were, sets the handle or text that it should have given to NULL, and may leave arrays half
 * written.
 *
 * Matrices are row-major float32: element (r, c) is x[r * row_stride + c], row_stride >= columns, counted in elements.
 * NaN is a missing cell. x may be NULL where rows == 0. The x that a function reads, and the scores of
 * cugad_detector_score, may each be host memory, pinned host memory or memory of the detector's device; all other
 * arrays are host memory. Rows in another order or in float64 are given as a cugad_matrix.
 *
 * Order: work given to a handle with a stream runs after what was issued on that stream before the call, and what is
 * issued there after the call sees its results. Without a stream, a call runs after what was issued on CUDA's legacy
 * default stream (handle 0), and returns when its results are there; while another thread captures a blocking stream,
 * CUDA forbids that order, and a call on memory of the device is CUGAD_ERROR_UNSUPPORTED (a fit of rows there in any
 * case).
 *
 * Threads: one thread at a time may use a handle (cugad_detector_cancel excepted), different threads may use different
 * handles at once. Handles from cugad_detector_share count as different, and so do detectors on one device; several
 * threads may make detectors of one device at once.
 *
 * Texts are UTF-8. A `const char*` that a function gives is the handle's: it lasts until the next call of the same
 * function on that handle, or until the handle goes.
 */

#include <stddef.h>
#include <stdint.h>

#include "cugad/export.h"

#define CUGAD_VERSION_MAJOR 0
#define CUGAD_VERSION_MINOR 1
#define CUGAD_VERSION_PATCH 0
/* Raised when a caller that was compiled with an older header could break. */
#define CUGAD_ABI_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t cugad_status;
enum {
  CUGAD_OK = 0,
  CUGAD_ERROR_INVALID_ARGUMENT = -1, /* the caller gave something that the contract forbids */
  CUGAD_ERROR_INPUT_OUTPUT = -2,     /* a file could not be opened, read or written */
  CUGAD_ERROR_FORMAT = -3,           /* a file was read, but it is damaged or of the wrong kind */
  CUGAD_ERROR_UNSUPPORTED = -4,      /* valid, but this device or version cannot serve it */
  CUGAD_ERROR_DEVICE = -5,           /* the device or its runtime reported a failure */
  CUGAD_ERROR_OUT_OF_MEMORY = -6,    /* an allocation failed */
  CUGAD_ERROR_CANCELLED = -7,        /* the caller asked to stop */
  CUGAD_ERROR_INTERNAL = -8          /* a fault of the library */
};

typedef struct cugad_device cugad_device;
typedef struct cugad_detector cugad_detector;

/* Types of the elements of a cugad_matrix. */
enum { CUGAD_FLOAT32 = 1, CUGAD_FLOAT64 = 2 };

/* Rows of any order and type: element (r, c) is data[r * row_stride + c * column_stride]. Strides count elements and
 * are at least 1; no two elements may share a place. Row-major: row_stride >= columns, column_stride 1. Column-major:
 * row_stride 1, column_stride >= rows. The stride of a single row, or of a single column, does not matter. All but
 * row-major float32 is host memory, and is copied. A finite float64 that float32 cannot hold is
 * CUGAD_ERROR_INVALID_ARGUMENT; others are rounded. Set struct_size to sizeof(cugad_matrix). */
typedef struct cugad_matrix {
  size_t struct_size;
  const void* data; /* NULL only where there are no rows */
  int32_t dtype;    /* CUGAD_FLOAT32 or CUGAD_FLOAT64; any other number is an error */
  int64_t rows, columns;
  int64_t row_stride, column_stride;
} cugad_matrix;

/* ---- The library ---- */

/* One line about the last failed call of this thread; never NULL, "" while there was none. It lasts until this thread's
 * next failed call. */
CUGAD_API const char* cugad_last_error(void);
/* "CUGAD_ERROR_FORMAT" for CUGAD_ERROR_FORMAT; "unknown status" for a number that is none. Never NULL. */
CUGAD_API const char* cugad_status_name(cugad_status status);
/* The library's version, "0.1.0", and its CUGAD_ABI_VERSION. */
CUGAD_API const char* cugad_version(void);
CUGAD_API int32_t cugad_abi_version(void);
/* All options as a JSON list of {"name", "kind", "choices", "help", "default"}, where "choices" lists the texts that
 * may be given and is empty where others may. Integers, numbers and lists of them have "lowest" and "highest", too,
 * which are allowed themselves, and some "automatic", a value beside them that lets the library choose. All presets as
 * a JSON list of names. The texts last as long as the library is loaded. */
CUGAD_API cugad_status cugad_option_list(const char** json);
CUGAD_API cugad_status cugad_preset_list(const char** json);

/* ---- Devices ---- */

/* `name` is "auto" (also NULL or ""), "cpu", "cuda" or "cuda:N". "auto" takes CUDA if a device answers, else the CPU; a
 * named device that is not there is CUGAD_ERROR_UNSUPPORTED with the reason. Uses all processors of the process on the
 * host; cugad_device_open_with_threads uses at most `threads` (0: all). No result depends on their number. */
CUGAD_API cugad_status cugad_device_open(const char* name, cugad_device** device);
CUGAD_API cugad_status cugad_device_open_with_threads(const char* name, int32_t threads, cugad_device** device);
/* NULL is allowed. Detectors of the device keep what they need of it: it may be closed before them. */
CUGAD_API void cugad_device_close(cugad_device* device);
/* "cpu" or "cuda:N", and one line about the processor or chip. */
CUGAD_API cugad_status cugad_device_name(cugad_device* device, const char** name);
CUGAD_API cugad_status cugad_device_description(cugad_device* device, const char** description);
/* Products of dense layers in "fp32" (the default), "tf32" or "bf16", for detectors created, loaded or shared later.
 * CUGAD_ERROR_UNSUPPORTED where the device cannot. */
CUGAD_API cugad_status cugad_device_use_precision(cugad_device* device, const char* precision);
/* The stream (cudaStream_t; cudaStreamLegacy and cudaStreamPerThread, too) of the device and of all its detectors that
 * have none of their own, from their next call on. NULL, as at the beginning: none. The stream must outlive its use.
 * Ignored by the CPU, whose calls return when their work is done. */
CUGAD_API cugad_status cugad_device_use_stream(cugad_device* device, void* stream);
/* Waits for the device's stream; without one, for nothing: then calls have waited for themselves. */
CUGAD_API cugad_status cugad_device_synchronize(cugad_device* device);
/* Bytes of device memory that the library holds now, and the most so far, over all handles opened from this one. */
CUGAD_API cugad_status cugad_device_memory(cugad_device* device, int64_t* bytes, int64_t* peak_bytes);
/* The library holds at most so many bytes of device memory; 0, as at the beginning: as many as there are. Trainings
 * work in parts that fit; what does not fit is CUGAD_ERROR_OUT_OF_MEMORY. CUGAD_ERROR_UNSUPPORTED on the CPU. */
CUGAD_API cugad_status cugad_device_limit_memory(cugad_device* device, int64_t max_device_bytes);
/* Takes device memory from an allocator of the caller's (PyTorch's, RMM) from now on, in place of the library's own
 * pool; both functions NULL: from the pool again. allocate gives `bytes` bytes, aligned to 64, or NULL where there are
 * none; `stream` (cudaStream_t) is the one in whose order memory is used first, and given back last. Both are called by
 * the threads that use the device, several at once; they must neither throw nor call the library, and must live as long
 * as the device and all that was made of it. CUGAD_ERROR_UNSUPPORTED on the CPU. */
CUGAD_API cugad_status cugad_device_use_allocator(cugad_device* device,
                                                  void* (*allocate)(size_t bytes, void* stream, void* user),
                                                  void (*free)(void* memory, size_t bytes, void* stream, void* user),
                                                  void* user);

/* ---- Detectors ---- */

/* `config_json` is NULL, "" or a flat JSON object of options ({"method": "bigan", "population": 4, "hidden": [64, 64]})
 * and "preset" (applied before the others, wherever it stands). Strict: an unknown key (the message names the nearest
 * known one), a key given twice, a value of the wrong type or out of range, or options that do not go together are
 * CUGAD_ERROR_INVALID_ARGUMENT. */
CUGAD_API cugad_status cugad_detector_create(cugad_device* device, const char* config_json, cugad_detector** detector);
/* From a model file. A damaged or hostile file is CUGAD_ERROR_FORMAT. */
CUGAD_API cugad_status cugad_detector_load(cugad_device* device, const char* path, cugad_detector** detector);
/* From the bytes of a model file, which are copied; they may be hostile, too. */
CUGAD_API cugad_status cugad_detector_load_from_memory(cugad_device* device, const void* bytes, size_t size,
                                                       cugad_detector** detector);
/* Another scoring handle on the same model: one copy of weights, transform and calibration, with working memory and a
 * stream of its own. Both may score at the same time, in different threads, and give the same bits; the model lives as
 * long as one of them does. Fitting one of them gives that handle a model of its own and leaves the others as they are.
 * CUGAD_ERROR_INVALID_ARGUMENT before fit or load. */
CUGAD_API cugad_status cugad_detector_share(cugad_detector* detector, cugad_detector** other);
/* NULL is allowed. */
CUGAD_API void cugad_detector_destroy(cugad_detector* detector);
/* Written aside, synced and renamed: an existing file is replaced whole or not at all. */
CUGAD_API cugad_status cugad_detector_save(cugad_detector* detector, const char* path);
/* The bytes that cugad_detector_save writes. They are the handle's: until the next call of this function on it, or
 * until it goes. */
CUGAD_API cugad_status cugad_detector_save_to_memory(cugad_detector* detector, const void** bytes, size_t* size);
/* A stream of the detector's own, see cugad_device_use_stream; NULL: the device's again. */
CUGAD_API cugad_status cugad_detector_use_stream(cugad_detector* detector, void* stream);
/* Waits for the work that the detector was given. */
CUGAD_API cugad_status cugad_detector_synchronize(cugad_detector* detector);

/* ---- Fitting ---- */

/* Trains on normal rows; returns when the detector is ready. Infinite cells are CUGAD_ERROR_INVALID_ARGUMENT, as is a
 * column without any value. Same options, rows and kind of device give the same bits. */
CUGAD_API cugad_status cugad_detector_fit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                          int64_t row_stride);

/* What one model of the population did lately. */
typedef struct cugad_model_telemetry {
  float discriminator_loss, generator_loss;
  float real_probability, fake_probability;
  float discriminator_gradient, generator_gradient;
  int32_t restorations; /* how often it was put back after it had diverged */
  int32_t resting;      /* 1: stopped early */
} cugad_model_telemetry;

typedef struct cugad_progress {
  int64_t step, steps;
  int64_t models;
  const cugad_model_telemetry* telemetry; /* of each model, until the callback returns */
} cugad_progress;

/* How a fit is watched and steered. Set struct_size to sizeof(cugad_fit_controls) and the rest to 0 or NULL, then what
 * is wanted: cugad_fit_controls controls = {sizeof controls}. Callbacks run on the thread that called fit; they must
 * not use the detector, cugad_detector_cancel excepted, and should not throw C++ exceptions: one cancels the fit. */
typedef struct cugad_fit_controls {
  size_t struct_size;
  /* Every 100 steps and at the end. A result other than 0 cancels the fit. */
  int (*on_progress)(const cugad_progress* progress, void* user);
  /* One line: a model was restored, a column is constant, ... Where there is no on_progress, also the step, every 100
   * steps and at the end: cugad_detector_cancel, called here, cancels the fit. */
  void (*on_message)(const char* message, void* user);
  void* user;                       /* given to both */
  const char* checkpoint_directory; /* NULL: no checkpoints; a cancelled fit saves one, too */
  int64_t checkpoint_every;         /* steps; 0: 100; INT64_MAX: only when cancelled */
  int32_t resume;                   /* 1: go on from the directory's checkpoint, if there is one */
  int32_t binary_columns;           /* so many last columns are 0/1: centred, neither scaled nor logged */
  const char* const* column_names;  /* `columns` names; NULL: "0", "1", ... */
} cugad_fit_controls;

/* cugad_detector_fit with controls, which may be NULL. */
CUGAD_API cugad_status cugad_detector_fit_with(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                               int64_t row_stride, const cugad_fit_controls* controls);
/* As cugad_detector_fit_with, on rows of any order and type. on_message names columns of float64 whose values lie so
 * far from 0 and so close together that float32 makes few of them. */
CUGAD_API cugad_status cugad_detector_fit_matrix(cugad_detector* detector, const cugad_matrix* x,
                                                 const cugad_fit_controls* controls);
/* From any thread, from a callback of the fit, or from a signal handler: the fit or scoring that is running, or else
 * the next one, returns CUGAD_ERROR_CANCELLED: a fit at its next step, after it has saved its checkpoint (if it was
 * given a directory), scoring at its next chunk of rows (some thousands). After the last of them it comes too late. */
CUGAD_API cugad_status cugad_detector_cancel(cugad_detector* detector);

/* ---- Scoring ---- */

/* One score per row. A row's score does not depend on the rows beside it. scores must not overlap x. With a stream, and
 * with x and scores both in device memory, it neither allocates nor waits once a first call has made the buffers. */
CUGAD_API cugad_status cugad_detector_score(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                            int64_t row_stride, float* scores);
/* As cugad_detector_score, but returns while the scores are still to come: `event` (cudaEvent_t, or NULL) is recorded
 * behind them, on the handle's stream, or else on one of the detector's own, in whose order calls run;
 * cugad_detector_synchronize waits for them, too. scores is pinned host memory or memory of the device. x in pinned
 * host memory or memory of the device is read until then; other rows are copied before the call returns, which waits
 * for earlier rows where they are more than two chunks. On the CPU the scores are there on return, and event must be
 * NULL. */
CUGAD_API cugad_status cugad_detector_submit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                             int64_t row_stride, float* scores, void* event);
/* Scores together with their parts: those of each method of an ensemble, in the order of the option "method", and for
 * the method knn its distances. method_scores is rows x parts; cugad_detector_methods counts them, and
 * cugad_detector_describe names them ("parts"). scores may be NULL. */
CUGAD_API cugad_status cugad_detector_score_methods(cugad_detector* detector, const float* x, int64_t rows,
                                                    int64_t columns, int64_t row_stride, float* scores,
                                                    float* method_scores);
/* Scores together with the `count` columns of each row that explain it worst, largest residual first: column_indices
 * and residuals are rows x count. For a cell without a value, or with one that training did not have, the residual is
 * what the score rises by for it. Behind the last of `columns` columns stand -1 and 0. scores may be NULL. */
CUGAD_API cugad_status cugad_detector_explain(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                              int64_t row_stride, int32_t count, float* scores, int32_t* column_indices,
                                              float* residuals);
/* The three calls above on rows of any order and type. */
CUGAD_API cugad_status cugad_detector_score_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores);
CUGAD_API cugad_status cugad_detector_score_methods_matrix(cugad_detector* detector, const cugad_matrix* x,
                                                           float* scores, float* method_scores);
CUGAD_API cugad_status cugad_detector_explain_matrix(cugad_detector* detector, const cugad_matrix* x, int32_t count,
                                                     float* scores, int32_t* column_indices, float* residuals);
/* Writes synthetic rows in the units of the training data. Same model and seed, same rows. CUGAD_ERROR_UNSUPPORTED for
 * a method without a prior, and for a conditional model. */
CUGAD_API cugad_status cugad_detector_sample(cugad_detector* detector, uint64_t seed, float* x, int64_t rows,
                                             int64_t columns, int64_t row_stride);

enum {
  CUGAD_PROBABILITY_RANK = 0,    /* share of the training rows' scores that are no larger */
  CUGAD_PROBABILITY_GAUSSIAN = 1 /* clip(erf((score - mean) / (deviation sqrt 2)), 0, 1) */
};
/* Scores as probabilities in [0, 1]; how sure the label at the threshold is, in [0, 1]. The result may stand in the
 * place of the scores. CUGAD_ERROR_UNSUPPORTED for a model file that kept no calibration. */
CUGAD_API cugad_status cugad_detector_probability(cugad_detector* detector, const float* scores, int64_t count,
                                                  int32_t kind, float* probabilities);
CUGAD_API cugad_status cugad_detector_confidence(cugad_detector* detector, const float* scores, int64_t count,
                                                 float* confidences);

/* ---- What a detector is ---- */

/* 1 after fit or load, else 0. */
CUGAD_API cugad_status cugad_detector_is_fitted(cugad_detector* detector, int32_t* fitted);
/* Rows are anomalous from this score on. */
CUGAD_API cugad_status cugad_detector_threshold(cugad_detector* detector, float* threshold);
/* Sets the threshold anew, without training: as a fit with this contamination, in [0, 0.5], or with this false alarm
 * rate, in (0, 0.5], would have set it. CUGAD_ERROR_UNSUPPORTED for a model file that kept no calibration. */
CUGAD_API cugad_status cugad_detector_set_contamination(cugad_detector* detector, float contamination);
CUGAD_API cugad_status cugad_detector_set_false_alarm_rate(cugad_detector* detector, float rate);
/* What threshold, probabilities and confidences rest on: the scores of `rows` rows, each by the models that left out
 * its fold, of so many folds. Where there is 1 fold they are scores of rows that all models were trained on, and new
 * normal rows pass the threshold more often than was asked. 0 rows before fit or load, and for a model file that kept
 * no calibration. Either may be NULL. */
CUGAD_API cugad_status cugad_detector_calibration(cugad_detector* detector, int64_t* rows, int64_t* folds);
/* Columns of the rows; 0 before fit or load. */
CUGAD_API cugad_status cugad_detector_columns(cugad_detector* detector, int64_t* columns);
CUGAD_API cugad_status cugad_detector_column_name(cugad_detector* detector, int64_t column, const char** name);
/* Parts of the score, see cugad_detector_score_methods: the methods of an ensemble, and one more for the method knn; 1
 * where there is one. */
CUGAD_API cugad_status cugad_detector_methods(cugad_detector* detector, int64_t* methods);
/* One JSON object: "fitted", "method", "population", "device", "precision", "options" (all of them, as used),
 * "options_without_effect" (names of those that change nothing about this detector), "columns" (names), "parts" (names
 * of those of the score) and, after fit or load, "threshold", "calibration" ("rows", "folds") and "search_path". */
CUGAD_API cugad_status cugad_detector_describe(cugad_detector* detector, const char** json);
/* What each model did at the end of its training, as a JSON list with an object for each model of each method, in the
 * order of training: the members of cugad_model_telemetry. A number that is not finite is null. */
CUGAD_API cugad_status cugad_detector_telemetry(cugad_detector* detector, const char** json);
/* Text kept in the model file under a name, both UTF-8; NULL where there is none of that name. */
CUGAD_API cugad_status cugad_detector_attach(cugad_detector* detector, const char* name, const char* text);
CUGAD_API cugad_status cugad_detector_attachment(cugad_detector* detector, const char* name, const char** text);

#ifdef __cplusplus
}
#endif

#endif
