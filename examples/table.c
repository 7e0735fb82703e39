/*
 * From a table to scores, all in C: what `cugad train`, `evaluate` and `score` do.
 *
 *   table ROWS.csv MODEL.safetensors SCORES.csv [GROUP_COLUMN]
 *
 * ROWS.csv is made if it is not there. Trains on the rows whose column "label" is "normal", in the light of the column
 * "service" (a condition), or with GROUP_COLUMN one detector per group. Then every row is scored in chunks of bounded
 * memory, with the column that speaks most against it, and the scores are measured against the labels. The command can
 * use the model: cugad score ROWS.csv --model MODEL.safetensors.
 */
#include <cugad/cugad.h>
#include <cugad/cugad_fleet.h>
#include <cugad/cugad_table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1000, GROUPS = 4, ROWS = 4000, STEPS = 200 };

static void check(cugad_status status) {
  if (status == CUGAD_OK) return;
  fprintf(stderr, "table: %s: %s\n", cugad_status_name(status), cugad_last_error());
  exit(1);
}

static void* allocate(int64_t count, size_t bytes) {
  void* const memory = calloc(count > 0 ? (size_t)count : 1, bytes);
  if (memory == NULL) {
    fprintf(stderr, "table: out of memory\n");
    exit(1);
  }
  return memory;
}

/* The detector, or with groups the fleet; the other is NULL. */
typedef struct model {
  cugad_device* device;
  cugad_detector* detector;
  cugad_fleet* fleet;
  cugad_encoder* encoder;
  const char* group_column;
} model;

static int64_t rows_of(cugad_table* table) {
  int64_t rows = 0;
  check(cugad_table_rows(table, &rows));
  return rows;
}

static const char* const* texts_of(cugad_table* table, const char* column) {
  int64_t number = 0;
  const char* const* texts = NULL;
  check(cugad_table_find(table, column, &number));
  check(cugad_table_texts(table, number, &texts));
  return texts;
}

/* The rows of a table as the detector takes them: to be freed. */
static cugad_matrix encoded(cugad_encoder* encoder, cugad_table* table) {
  cugad_matrix x = {sizeof x, NULL, CUGAD_FLOAT32, 0, 0, 0, 1};
  check(cugad_encoder_features(encoder, &x.columns, NULL));
  x.rows = rows_of(table);
  x.row_stride = x.columns;
  float* const data = allocate(x.rows * x.columns, sizeof *data);
  check(cugad_encoder_encode(encoder, table, data, x.row_stride));
  x.data = data;
  return x;
}

/* The rows whose label is "normal". */
static cugad_table* normal_rows(cugad_table* table) {
  const char* const normal[] = {"normal"};
  const int64_t rows = rows_of(table);
  uint8_t* const is_normal = allocate(rows, sizeof *is_normal);
  int64_t* const kept = allocate(rows, sizeof *kept);
  int64_t count = 0;
  cugad_table* taken = NULL;
  check(cugad_table_rows_with_value(table, "label", normal, 1, is_normal));
  for (int64_t r = 0; r < rows; ++r) {
    if (is_normal[r]) kept[count++] = r;
  }
  check(cugad_table_take_rows(table, kept, count, &taken));
  free(kept);
  free(is_normal);
  return taken;
}

/* Called every 100 steps; another answer than 0 would stop the training. */
static int on_progress(const cugad_progress* progress, void* user) {
  (void)user;
  printf("step %lld of %lld, loss of D %.3f\n", (long long)progress->step, (long long)progress->steps,
         progress->telemetry[0].discriminator_loss);
  return 0;
}

/* Stores the data for later files, under the names of the command. */
static void attach(const model* model, const char* name, const char* text) {
  if (model->fleet != NULL) {
    check(cugad_fleet_attach(model->fleet, name, text));
  } else {
    check(cugad_detector_attach(model->detector, name, text));
  }
}

static void train(model* model, const char* rows_path, const char* model_path) {
  char text[512];
  cugad_reader* reader = NULL;
  cugad_table* all = NULL;
  const char *format = NULL, *encoder = NULL, *findings = NULL;
  const char* const settled[] = {"label", "service"};
  const char* const group = model->group_column;
  check(cugad_reader_open(rows_path, "{\"text_columns\": [\"label\"]}", &reader));
  check(cugad_reader_read(reader, INT64_MAX, &all));
  cugad_table* const normal = normal_rows(all);
  cugad_table_destroy(all);
  check(cugad_table_examine(normal, settled, 2, &findings));
  printf("columns to look at: %s\n", findings);

  snprintf(text, sizeof text, "{\"excluded\": [\"label\"%s%s%s]}", group ? ", \"" : "", group ? group : "",
           group ? "\"" : "");
  check(cugad_encoder_fit(normal, text, &model->encoder));
  const cugad_matrix x = encoded(model->encoder, normal);

  cugad_fit_controls controls;
  int64_t binary = 0;
  memset(&controls, 0, sizeof controls);
  controls.struct_size = sizeof controls;
  controls.on_progress = on_progress;
  check(cugad_encoder_features(model->encoder, NULL, &binary));
  check(cugad_encoder_feature_names(model->encoder, &controls.column_names));
  controls.binary_columns = (int32_t)binary;
  if (group != NULL) {
    snprintf(text, sizeof text, "{\"population\": 2, \"steps\": %d}", STEPS);
    check(cugad_fleet_create(model->device, text, NULL, &model->fleet));
    check(cugad_fleet_fit(model->fleet, &x, texts_of(normal, group), &controls));
    attach(model, "group_column", group);
  } else {
    snprintf(text, sizeof text,
             "{\"method\": \"bigan\", \"population\": 2, \"steps\": %d, \"condition\": [\"service\"]}", STEPS);
    check(cugad_detector_create(model->device, text, &model->detector));
    check(cugad_detector_fit_matrix(model->detector, &x, &controls));
  }
  check(cugad_encoder_to_json(model->encoder, &encoder));
  check(cugad_reader_format(reader, &format));
  attach(model, "encoder", encoder);
  attach(model, "format", format);
  attach(model, "labels", "{\"column\": \"label\", \"normal\": [\"normal\"]}");
  check(group != NULL ? cugad_fleet_save(model->fleet, model_path) : cugad_detector_save(model->detector, model_path));

  free((void*)x.data);
  cugad_table_destroy(normal);
  cugad_reader_close(reader);
}

/* Scores, the best reason of each, and thresholds. */
static void score(const model* model, cugad_table* table, float* scores, cugad_reason* reasons, float* thresholds) {
  const cugad_matrix x = encoded(model->encoder, table);
  if (model->fleet != NULL) {
    const char* const* const groups = texts_of(table, model->group_column);
    check(cugad_fleet_explain(model->fleet, &x, groups, 1, scores, reasons));
    check(cugad_fleet_thresholds(model->fleet, groups, x.rows, thresholds));
  } else {
    float threshold = 0;
    check(cugad_detector_explain_matrix(model->detector, &x, 1, scores, reasons));
    check(cugad_detector_threshold(model->detector, &threshold));
    for (int64_t r = 0; r < x.rows; ++r) thresholds[r] = threshold;
  }
  free((void*)x.data);
}

/* The measures take one threshold for all rows: that of a fleet's models is 0 once it is subtracted. */
static void evaluate(const uint8_t* labels, const float* margins, int64_t rows) {
  double auroc = 0, average_precision = 0;
  cugad_decision decision = {sizeof decision, 0, 0, 0, 0, 0, 0};
  check(cugad_auroc(labels, margins, rows, &auroc));
  check(cugad_average_precision(labels, margins, rows, &average_precision));
  check(cugad_decide(labels, margins, rows, 0.0, &decision));
  printf("%lld rows: auroc %.4f, average precision %.4f, flagged %lld, precision %.3f, recall %.3f\n", (long long)rows,
         auroc, average_precision, (long long)decision.flagged, decision.precision, decision.recall);
}

static void score_file(const model* model, const char* rows_path, const char* scores_path) {
  char* const text = allocate(1 << 16, 1);
  const char *read_options = NULL, *format = NULL;
  const char* const normal[] = {"normal"};
  const char* const* features = NULL;
  check(cugad_encoder_feature_names(model->encoder, &features));
  check(cugad_encoder_read_options(model->encoder, &read_options));
  if (model->fleet != NULL) {
    check(cugad_fleet_attachment(model->fleet, "format", &format));
  } else {
    check(cugad_detector_attachment(model->detector, "format", &format));
  }
  /* The file is read as that of the training was: the format joins the options of the encoder. */
  if (snprintf(text, 1 << 16, "{\"format\": %s, %s", format, read_options + 1) >= 1 << 16) exit(1);
  cugad_reader* reader = NULL;
  check(cugad_reader_open(rows_path, text, &reader));
  FILE* const output = fopen(scores_path, "w");
  if (output == NULL) {
    perror(scores_path);
    exit(1);
  }
  fprintf(output, "row,score,anomaly,reason\n");
  uint8_t* labels = NULL;
  float* margins = NULL;
  int64_t all = 0;
  for (cugad_table* chunk = NULL;; cugad_table_destroy(chunk)) {
    check(cugad_reader_read(reader, CHUNK, &chunk));
    if (chunk == NULL) break;
    const int64_t rows = rows_of(chunk);
    float scores[CHUNK], thresholds[CHUNK];
    cugad_reason reasons[CHUNK];
    uint8_t is_normal[CHUNK];
    score(model, chunk, scores, reasons, thresholds);
    check(cugad_table_rows_with_value(chunk, "label", normal, 1, is_normal));
    labels = realloc(labels, (size_t)(all + rows) * sizeof *labels);
    margins = realloc(margins, (size_t)(all + rows) * sizeof *margins);
    if (labels == NULL || margins == NULL) exit(1);
    for (int64_t r = 0; r < rows; ++r, ++all) {
      labels[all] = !is_normal[r];
      margins[all] = scores[r] - thresholds[r];
      fprintf(output, "%lld,%.9g,%d,%s\n", (long long)all, scores[r], scores[r] >= thresholds[r],
              features[reasons[r].column]);
    }
  }
  if (fclose(output) != 0) {
    perror(scores_path);
    exit(1);
  }
  evaluate(labels, margins, all);
  free(margins);
  free(labels);
  free(text);
  cugad_reader_close(reader);
}

int main(int count, char** arguments) {
  if (count < 4 || count > 5) {
    fprintf(stderr, "table ROWS.csv MODEL.safetensors SCORES.csv [GROUP_COLUMN]\n");
    return 2;
  }
  model model = {NULL, NULL, NULL, NULL, count > 4 ? arguments[4] : NULL};
  FILE* const there = fopen(arguments[1], "r");
  if (there != NULL) {
    fclose(there);
  } else {
    check(cugad_synthesize_telemetry(arguments[1], ROWS, 1, model.group_column != NULL ? GROUPS : 1, 0));
  }
  check(cugad_device_open("auto", &model.device));
  train(&model, arguments[1], arguments[2]);
  score_file(&model, arguments[1], arguments[3]);

  const char* json = NULL;
  if (model.fleet != NULL) {
    int64_t groups = 0;
    check(cugad_fleet_groups(model.fleet, &groups));
    for (int64_t g = 0; g < groups; ++g) {
      cugad_fleet_group group = {sizeof group, NULL, 0, 0, 0};
      check(cugad_fleet_group_at(model.fleet, g, &group));
      printf("%s: %lld rows, threshold %.3f\n", group.name, (long long)group.rows, group.threshold);
    }
  } else {
    check(cugad_detector_telemetry(model.detector, &json));
    printf("at the end of the training: %s\n", json);
  }
  cugad_encoder_destroy(model.encoder);
  cugad_fleet_destroy(model.fleet);
  cugad_detector_destroy(model.detector);
  cugad_device_close(model.device);
  return 0;
}
