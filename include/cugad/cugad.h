#ifndef CUGAD_CUGAD_H
#define CUGAD_CUGAD_H

/*
 * The C interface of cugad: anomaly detectors that are fitted on normal rows and score any rows. Higher scores are more
 * anomalous. cugad/detector.hpp documents options, scores and methods; docs/embedding.md is the guide.
 *
 * Every function that can fail returns CUGAD_OK or a negative cugad_status; cugad_last_error() then returns what was
 * given, what was expected and where. The library throws no exception to the caller, never exits and never prints. A
 * failed call leaves the handles passed to it unchanged, sets the handle or text that it should have returned to NULL,
 * and may leave arrays half written.
 *
 * Matrices are row-major float32: element (r, c) is x[r * row_stride + c], row_stride >= columns, counted in elements.
 * NaN is a missing cell. x may be NULL if rows == 0. The x that a function reads, and the scores of
 * cugad_detector_score, may each be host memory, pinned host memory or memory of the detector's device; all other
 * arrays are host memory. Rows in another order or in float64 are passed as a cugad_matrix.
 *
 * Order: the work of a handle with a stream runs after the work issued on that stream before the call, and work issued
 * there after the call sees its results. Without a stream, a call runs after the work issued on CUDA's legacy default
 * stream (handle 0), and returns when its results are complete; while another thread captures a blocking stream, CUDA
 * forbids that order, and a call on memory of the device is CUGAD_ERROR_UNSUPPORTED (a fit of rows there in any case).
 *
 * Threads: one thread at a time may use a handle (cugad_detector_cancel excepted), different threads may use different
 * handles at once. Handles from cugad_detector_share count as different, and so do detectors on one device; several
 * threads may create detectors of one device at once.
 *
 * Texts are UTF-8. A `const char*` that a function returns belongs to the handle: it is valid until the next call of
 * the same function on that handle, or until the handle is destroyed.
 */

#include <stddef.h>
#include <stdint.h>

#include "cugad/export.h"

#define CUGAD_VERSION_MAJOR 0
#define CUGAD_VERSION_MINOR 1
#define CUGAD_VERSION_PATCH 0
/* Incremented by changes that can break a caller compiled with an older header. */
#define CUGAD_ABI_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t cugad_status;
enum {
  CUGAD_OK = 0,
  CUGAD_ERROR_INVALID_ARGUMENT = -1, /* an argument violates the contract */
  CUGAD_ERROR_INPUT_OUTPUT = -2,     /* a file could not be opened, read or written */
  CUGAD_ERROR_FORMAT = -3,           /* a file was read, but it is damaged or of the wrong kind */
  CUGAD_ERROR_UNSUPPORTED = -4,      /* valid, but not supported by this device or version */
  CUGAD_ERROR_DEVICE = -5,           /* the device or its runtime reported a failure */
  CUGAD_ERROR_OUT_OF_MEMORY = -6,    /* an allocation failed */
  CUGAD_ERROR_CANCELLED = -7,        /* the caller cancelled the call */
  CUGAD_ERROR_INTERNAL = -8          /* a fault of the library */
};

typedef struct cugad_device cugad_device;
typedef struct cugad_detector cugad_detector;

/* Types of the elements of a cugad_matrix. */
enum { CUGAD_FLOAT32 = 1, CUGAD_FLOAT64 = 2 };

/* A matrix of any order and type: element (r, c) is data[r * row_stride + c * column_stride]. Strides count elements
 * and are at least 1; no two elements may overlap. Row-major: row_stride >= columns, column_stride 1. Column-major:
 * row_stride 1, column_stride >= rows. The stride of a single row, or of a single column, does not matter. All but
 * row-major float32 is host memory, and is copied. A finite float64 that float32 cannot hold is
 * CUGAD_ERROR_INVALID_ARGUMENT; others are rounded. Set struct_size to sizeof(cugad_matrix). */
typedef struct cugad_matrix {
  size_t struct_size;
  const void* data; /* NULL only if there are no rows */
  int32_t dtype;    /* CUGAD_FLOAT32 or CUGAD_FLOAT64; any other number is an error */
  int64_t rows, columns;
  int64_t row_stride, column_stride;
} cugad_matrix;

/* ---- The library ---- */

/* One line about the last failed call of this thread; never NULL, "" if there was none. It is valid until this thread's
 * next failed call. */
CUGAD_API const char* cugad_last_error(void);
/* "CUGAD_ERROR_FORMAT" for CUGAD_ERROR_FORMAT; "unknown status" for any other number. Never NULL. */
CUGAD_API const char* cugad_status_name(cugad_status status);
/* The library's version, "0.1.0", and its CUGAD_ABI_VERSION. */
CUGAD_API const char* cugad_version(void);
CUGAD_API int32_t cugad_abi_version(void);
/* All options as a JSON list of {"name", "kind", "choices", "help", "default"}, where "choices" lists the allowed texts
 * and is empty if any text is allowed. Integers, numbers and lists of them also have "lowest" and "highest", inclusive,
 * and some "automatic", a further value that lets the library choose. All presets as a JSON list of names. The texts
 * are valid as long as the library is loaded. */
CUGAD_API cugad_status cugad_option_list(const char** json);
CUGAD_API cugad_status cugad_preset_list(const char** json);

/* ---- Devices ---- */

/* `name` is "auto" (also NULL or ""), "cpu", "cuda" or "cuda:N". "auto" opens CUDA if a device is available, else the
 * CPU; a named device that is unavailable is CUGAD_ERROR_UNSUPPORTED with the reason. Uses all processors of the
 * process on the host; cugad_device_open_with_threads uses at most `threads` (0: all). No result depends on their
 * number. */
CUGAD_API cugad_status cugad_device_open(const char* name, cugad_device** device);
CUGAD_API cugad_status cugad_device_open_with_threads(const char* name, int32_t threads, cugad_device** device);
/* NULL is allowed. It may be closed before its detectors, which keep the device open. */
CUGAD_API void cugad_device_close(cugad_device* device);
/* "cpu" or "cuda:N", and one line about the processor or chip. */
CUGAD_API cugad_status cugad_device_name(cugad_device* device, const char** name);
CUGAD_API cugad_status cugad_device_description(cugad_device* device, const char** description);
/* Products of dense layers in "fp32" (the default), "tf32" or "bf16", for detectors created, loaded or shared later.
 * CUGAD_ERROR_UNSUPPORTED if the device does not support it: the CPU has no tf32. */
CUGAD_API cugad_status cugad_device_use_precision(cugad_device* device, const char* precision);
/* The stream (cudaStream_t; cudaStreamLegacy and cudaStreamPerThread, too) of the device and of all its detectors
 * without a stream of their own, from their next call on. NULL, the default: none. The stream must outlive its use.
 * Ignored by the CPU, whose calls return when their work is done. */
CUGAD_API cugad_status cugad_device_use_stream(cugad_device* device, void* stream);
/* Waits for the device's stream; without one, returns at once, as each call waits for its own work. */
CUGAD_API cugad_status cugad_device_synchronize(cugad_device* device);
/* Bytes of device memory that the library holds now, and the most so far, over all handles opened from this one. */
CUGAD_API cugad_status cugad_device_memory(cugad_device* device, int64_t* bytes, int64_t* peak_bytes);
/* Bounds the device memory that the library holds; 0, the default: no bound. Trainings run in parts that fit; an
 * allocation beyond the bound is CUGAD_ERROR_OUT_OF_MEMORY. CUGAD_ERROR_UNSUPPORTED on the CPU. */
CUGAD_API cugad_status cugad_device_limit_memory(cugad_device* device, int64_t max_device_bytes);
/* Allocates device memory from an allocator of the caller's (PyTorch's, RMM) from now on, instead of the library's own
 * pool; both functions NULL: from the pool again. allocate returns `bytes` bytes, aligned to 64, or NULL if out of
 * memory; `stream` (cudaStream_t) orders the first use of the memory and its release. The threads that use the device
 * call both, several at once; they must neither throw nor call the library, and must live as long as the device and
 * every handle created from it. CUGAD_ERROR_UNSUPPORTED on the CPU. */
CUGAD_API cugad_status cugad_device_use_allocator(cugad_device* device,
                                                  void* (*allocate)(size_t bytes, void* stream, void* user),
                                                  void (*free)(void* memory, size_t bytes, void* stream, void* user),
                                                  void* user);

/* ---- Detectors ---- */

/* `config_json` is NULL, "" or a flat JSON object of options ({"method": "bigan", "population": 4, "hidden": [64, 64]})
 * and "preset" (applied before the others, at any position). Without "method" and "preset" the options start from the
 * default recipe, which keeps training rows in the model unless "reference_rows" is 0; see options_from_json() in
 * cugad/detector.hpp. Strict: an unknown key (the message has the nearest known
 * one), a duplicate key, a value of the wrong type or out of range, or incompatible options are
 * CUGAD_ERROR_INVALID_ARGUMENT. */
CUGAD_API cugad_status cugad_detector_create(cugad_device* device, const char* config_json, cugad_detector** detector);
/* From a model file. A damaged or hostile file is CUGAD_ERROR_FORMAT. */
CUGAD_API cugad_status cugad_detector_load(cugad_device* device, const char* path, cugad_detector** detector);
/* From the bytes of a model file, which are copied; they may be hostile, too. */
CUGAD_API cugad_status cugad_detector_load_from_memory(cugad_device* device, const void* bytes, size_t size,
                                                       cugad_detector** detector);
/* Another scoring handle on the same model: shared weights, transform and calibration, its own working memory and
 * stream. Both may score at the same time, in different threads, and give the same bits; the model lives as long as one
 * of them does. Fitting one of them replaces the model of that handle only. CUGAD_ERROR_INVALID_ARGUMENT before fit or
 * load. */
CUGAD_API cugad_status cugad_detector_share(cugad_detector* detector, cugad_detector** other);
/* NULL is allowed. */
CUGAD_API void cugad_detector_destroy(cugad_detector* detector);
/* Writes the file atomically (temporary file, sync, rename): an existing file is replaced whole or not at all. */
CUGAD_API cugad_status cugad_detector_save(cugad_detector* detector, const char* path);
/* The bytes that cugad_detector_save writes. They belong to the handle: valid until the next call of this function on
 * it, or until it is destroyed. */
CUGAD_API cugad_status cugad_detector_save_to_memory(cugad_detector* detector, const void** bytes, size_t* size);
/* The detector's own stream, see cugad_device_use_stream; NULL: the device's again. */
CUGAD_API cugad_status cugad_detector_use_stream(cugad_detector* detector, void* stream);
/* Waits for the detector's work. */
CUGAD_API cugad_status cugad_detector_synchronize(cugad_detector* detector);

/* ---- Fitting ---- */

/* Trains on normal rows; returns after the training. Infinite cells are CUGAD_ERROR_INVALID_ARGUMENT, as is a column
 * without any value. Same options, rows and kind of device give the same bits. */
CUGAD_API cugad_status cugad_detector_fit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                          int64_t row_stride);

/* Recent training statistics of one model of the population. */
typedef struct cugad_model_telemetry {
  float discriminator_loss, generator_loss;
  float real_probability, fake_probability;
  float discriminator_gradient, generator_gradient;
  int32_t restorations; /* restorations after divergence */
  int32_t resting;      /* 1: stopped early */
} cugad_model_telemetry;

typedef struct cugad_progress {
  int64_t step, steps;
  int64_t models;
  const cugad_model_telemetry* telemetry; /* of each model, until the callback returns */
} cugad_progress;

/* Progress, cancellation and checkpoints of a fit. Set struct_size to sizeof(cugad_fit_controls), the required members,
 * and all others to 0 or NULL: cugad_fit_controls controls = {sizeof controls}. Callbacks run on the thread that called
 * fit; they must not use the detector, cugad_detector_cancel excepted, and should not throw C++ exceptions: one cancels
 * the fit. */
typedef struct cugad_fit_controls {
  size_t struct_size;
  /* Every 100 steps and at the end. A result other than 0 cancels the fit. */
  int (*on_progress)(const cugad_progress* progress, void* user);
  /* One line: a model was restored, a column is constant, ... Without on_progress, also the step, every 100 steps and
   * at the end: cugad_detector_cancel, called here, cancels the fit. */
  void (*on_message)(const char* message, void* user);
  void* user;                       /* passed to both */
  const char* checkpoint_directory; /* NULL: no checkpoints; a cancelled fit saves one, too */
  int64_t checkpoint_every;         /* steps; 0: 100; INT64_MAX: only when cancelled */
  int32_t resume;                   /* 1: resume from the directory's checkpoint, if there is one */
  int32_t binary_columns;           /* number of 0/1 columns, which come last: centred, neither scaled nor logged */
  const char* const* column_names;  /* `columns` names; NULL: "0", "1", ... */
  /* For rows larger than memory, as of a mapped file: what a detector makes of them lies in files of this directory,
   * which are mapped and go with the fit. NULL: in memory. Not for the option trim, nor on a GPU without the memory for
   * the rows: CUGAD_ERROR_UNSUPPORTED. Fleets keep theirs in memory. */
  const char* row_directory;
} cugad_fit_controls;

/* cugad_detector_fit with controls, which may be NULL. */
CUGAD_API cugad_status cugad_detector_fit_with(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                               int64_t row_stride, const cugad_fit_controls* controls);
/* As cugad_detector_fit_with, on rows of any order and type. on_message names columns of float64 whose values differ so
 * little, relative to their size, that float32 merges most of them. */
CUGAD_API cugad_status cugad_detector_fit_matrix(cugad_detector* detector, const cugad_matrix* x,
                                                 const cugad_fit_controls* controls);
/* Cancels the fit or scoring that is running, or else the next one, from any thread, from a callback of the fit, or
 * from a signal handler. The call returns CUGAD_ERROR_CANCELLED: a fit at its next step, after it has saved its
 * checkpoint (if it has a directory), scoring at its next chunk of rows (some thousands). After the last of them it has
 * no effect on that call. */
CUGAD_API cugad_status cugad_detector_cancel(cugad_detector* detector);

/* ---- Scoring ---- */

/* One score per row. A row's score does not depend on the rows beside it. scores must not overlap x. With a stream, and
 * with x and scores both in device memory, it neither allocates nor waits after a first call has allocated the buffers.
 * */
CUGAD_API cugad_status cugad_detector_score(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                            int64_t row_stride, float* scores);
/* As cugad_detector_score, but asynchronous: `event` (cudaEvent_t, or NULL) is recorded after the scores, on the
 * handle's stream, or else on the detector's own, which orders the calls; cugad_detector_synchronize waits for them,
 * too. scores is pinned host memory or memory of the device. x in pinned host memory or memory of the device is read
 * until then; other rows are copied before the call returns, which waits for earlier rows if they are more than two
 * chunks. On the CPU the scores are complete on return, and event must be NULL. */
CUGAD_API cugad_status cugad_detector_submit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                             int64_t row_stride, float* scores, void* event);
/* Scores together with their parts: those of each method of an ensemble, in the order of the option "method", and for
 * the method knn its distances. method_scores is rows x parts; cugad_detector_methods counts them, and
 * cugad_detector_describe names them ("parts"). scores may be NULL. */
CUGAD_API cugad_status cugad_detector_score_methods(cugad_detector* detector, const float* x, int64_t rows,
                                                    int64_t columns, int64_t row_stride, float* scores,
                                                    float* method_scores);
/* Scores together with the residual of each cell: how far it is from what the model expects, in the units of the
 * method. residuals is rows x columns; of rows that are images it is their heatmap. scores may be NULL. */
CUGAD_API cugad_status cugad_detector_score_cells(cugad_detector* detector, const float* x, int64_t rows,
                                                  int64_t columns, int64_t row_stride, float* scores, float* residuals);
enum {
  CUGAD_FINDING_RESIDUAL = 0, /* the cell differs from what the others of its row let expect */
  CUGAD_FINDING_MISSING = 1,  /* it has no value, against expectation */
  CUGAD_FINDING_UNSEEN = 2    /* a category, or a value of a constant column, that is not in the training rows */
};
/* Why one column adds to the score of a row. Unknown numbers are NaN. */
typedef struct cugad_reason {
  int32_t column;  /* of a category the 0/1 column of the row's value; -1: there is no further reason */
  int32_t finding; /* CUGAD_FINDING_... */
  float share;     /* how much the score falls with the expected value alone; shares of all columns sum to 1 or are 0 */
  float residual;  /* in the units of the method */
  float low, high; /* where 90 % of the column's values are expected, or both the one value that is */
  int32_t category;  /* of a category the 0/1 column of the most likely value, else -1 */
  float likelihood;  /* of that value, in [0, 1] */
  float least, most; /* the range of the training rows */
} cugad_reason;
/* Scores together with the `count` columns of each row that explain its score best, largest share first: reasons is
 * rows x count. cugad::Explanation in cugad/detector.hpp says what the numbers are. scores may be NULL. */
CUGAD_API cugad_status cugad_detector_explain(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                              int64_t row_stride, int32_t count, float* scores, cugad_reason* reasons);
/* The calls above on rows of any order and type. */
CUGAD_API cugad_status cugad_detector_score_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores);
CUGAD_API cugad_status cugad_detector_score_methods_matrix(cugad_detector* detector, const cugad_matrix* x,
                                                           float* scores, float* method_scores);
CUGAD_API cugad_status cugad_detector_score_cells_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores,
                                                         float* residuals);
CUGAD_API cugad_status cugad_detector_explain_matrix(cugad_detector* detector, const cugad_matrix* x, int32_t count,
                                                     float* scores, cugad_reason* reasons);
/* Writes synthetic rows in the units of the training data. Same model and seed, same rows. CUGAD_ERROR_UNSUPPORTED for
 * a method without a prior, and for a conditional model. */
CUGAD_API cugad_status cugad_detector_sample(cugad_detector* detector, uint64_t seed, float* x, int64_t rows,
                                             int64_t columns, int64_t row_stride);
/* The same of a conditional model: `conditions` values of its condition columns, in the order of the columns and in the
 * units of the rows (NaN: the column's centre), which all rows repeat. */
CUGAD_API cugad_status cugad_detector_sample_conditional(cugad_detector* detector, uint64_t seed,
                                                         const float* condition, int64_t conditions, float* x,
                                                         int64_t rows, int64_t columns, int64_t row_stride);
/* The rows with their missing cells (NaN) filled by what the others of their row say, for a detector with the method
 * gain: filled is rows x columns floats of host memory. low and high, each NULL or as large: the ends of bands that
 * hold the true value in a share `coverage`, in (0, 1), of all cells. Of a detector of images with gan or anogan the
 * missing pixels are inpainted (Detector::inpaint), of translation targets are predicted: without bands, low and high
 * are NULL. CUGAD_ERROR_UNSUPPORTED for other methods. */
CUGAD_API cugad_status cugad_detector_fill(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                           int64_t row_stride, float coverage, float* filled, float* low, float* high);
/* `count` draws of each row, whose missing cells are drawn given its other cells; likewise. Draw k of row i is row
 * i * count + k of samples, rows x count x columns floats of host memory. Same model, rows and seed, same draws. */
CUGAD_API cugad_status cugad_detector_sample_given(cugad_detector* detector, const float* x, int64_t rows,
                                                   int64_t columns, int64_t row_stride, int64_t count, uint64_t seed,
                                                   float* samples);

enum {
  CUGAD_PROBABILITY_RANK = 0,    /* share of the training rows' scores that are no larger */
  CUGAD_PROBABILITY_GAUSSIAN = 1 /* clip(erf((score - mean) / (deviation sqrt 2)), 0, 1) */
};
/* Scores as probabilities in [0, 1]; the confidence of the label at the threshold, in [0, 1]. The result may overwrite
 * the scores. CUGAD_ERROR_UNSUPPORTED for a model file without calibration. */
CUGAD_API cugad_status cugad_detector_probability(cugad_detector* detector, const float* scores, int64_t count,
                                                  int32_t kind, float* probabilities);
CUGAD_API cugad_status cugad_detector_confidence(cugad_detector* detector, const float* scores, int64_t count,
                                                 float* confidences);

/* ---- What a detector is ---- */

/* 1 after fit or load, else 0. */
CUGAD_API cugad_status cugad_detector_is_fitted(cugad_detector* detector, int32_t* fitted);
/* Rows are anomalous from this score on. */
CUGAD_API cugad_status cugad_detector_threshold(cugad_detector* detector, float* threshold);
/* Replaces the threshold, without training, by that of a fit with this contamination, in [0, 0.5], or with this false
 * alarm rate, in (0, 0.5]. CUGAD_ERROR_UNSUPPORTED for a model file without calibration. */
CUGAD_API cugad_status cugad_detector_set_contamination(cugad_detector* detector, float contamination);
CUGAD_API cugad_status cugad_detector_set_false_alarm_rate(cugad_detector* detector, float rate);
/* The basis of threshold, probabilities and confidences: the scores of `rows` rows, each by the models that held out
 * its fold, of `folds` folds. With 1 fold they are scores of training rows, and new normal rows exceed the threshold
 * more often than requested. 0 rows before fit or load, and for a model file without calibration. Either may be NULL.
 * */
CUGAD_API cugad_status cugad_detector_calibration(cugad_detector* detector, int64_t* rows, int64_t* folds);
/* Columns of the rows; 0 before fit or load. */
CUGAD_API cugad_status cugad_detector_columns(cugad_detector* detector, int64_t* columns);
CUGAD_API cugad_status cugad_detector_column_name(cugad_detector* detector, int64_t column, const char** name);
/* Parts of the score, see cugad_detector_score_methods: the methods of an ensemble, and one more for the method knn; at
 * least 1. */
CUGAD_API cugad_status cugad_detector_methods(cugad_detector* detector, int64_t* methods);
/* One JSON object: "fitted", "method", "population", "device", "precision", "options" (all of them, as used),
 * "options_without_effect" (names), "columns" (names), "parts" (names of the parts of the score) and, after fit or
 * load, "threshold", "calibration" ("rows", "folds"), "notes" (a text each, see cugad::Detector::notes) and
 * "search_path". */
CUGAD_API cugad_status cugad_detector_describe(cugad_detector* detector, const char** json);
/* The training statistics of each model at the end of its training, as a JSON list with an object for each model of
 * each method, in the order of training: the members of cugad_model_telemetry. Numbers that are not finite are null. */
CUGAD_API cugad_status cugad_detector_telemetry(cugad_detector* detector, const char** json);
/* Text stored in the model file under a name, both UTF-8; NULL if there is no text of that name. */
CUGAD_API cugad_status cugad_detector_attach(cugad_detector* detector, const char* name, const char* text);
CUGAD_API cugad_status cugad_detector_attachment(cugad_detector* detector, const char* name, const char** text);

#ifdef __cplusplus
}
#endif

#endif
