/* Compiled as C11; the header comes first, and twice, so that it must be self-contained. */
#include <cugad/cugad.h>

/* What follows is for the program, not for the header. */
#include <stdio.h>
#include <string.h>

#include "tests/c_api/c11.h"

enum { ROWS = 96, COLUMNS = 3 };

static float x[ROWS * COLUMNS];
static float scores[ROWS], loaded_scores[ROWS];

static void make_rows(void) {
  uint32_t state = 1;
  for (int i = 0; i < ROWS * COLUMNS; ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(state >> 8) / (float)(1 << 24);
  }
}

/* The failed call's name, or NULL. */
static const char* round_trip(const char* device_name, const char* path, cugad_device** device, cugad_detector** fitted,
                              cugad_detector** loaded) {
  const char* const config =
      "{\"method\": \"gan\", \"population\": 2, \"steps\": 20, \"batch\": 16, \"hidden\": [8],"
      " \"discriminator_hidden\": [8], \"bank_rows\": 64, \"coverage_rows\": 16}";
  make_rows();
  if (cugad_device_open(device_name, device) != CUGAD_OK) return "open";
  if (cugad_detector_create(*device, config, fitted) != CUGAD_OK) return "create";
  if (cugad_detector_fit(*fitted, x, ROWS, COLUMNS, COLUMNS) != CUGAD_OK) return "fit";
  if (cugad_detector_score(*fitted, x, ROWS, COLUMNS, COLUMNS, scores) != CUGAD_OK) return "score";
  if (cugad_detector_save(*fitted, path) != CUGAD_OK) return "save";
  if (cugad_detector_load(*device, path, loaded) != CUGAD_OK) return "load";
  if (cugad_detector_score(*loaded, x, ROWS, COLUMNS, COLUMNS, loaded_scores) != CUGAD_OK) return "score of the loaded";
  if (memcmp(scores, loaded_scores, sizeof scores) != 0) return "equal scores";
  for (int r = 1; r < ROWS; ++r) {
    if (scores[r] != scores[0]) return NULL;
  }
  return "scores that differ from row to row";
}

int cugad_c11_round_trip(const char* device_name, const char* path, char* message, size_t size) {
  cugad_device* device = NULL;
  cugad_detector* fitted = NULL;
  cugad_detector* loaded = NULL;
  const char* const failed = round_trip(device_name, path, &device, &fitted, &loaded);
  if (failed != NULL) snprintf(message, size, "no %s: %s", failed, cugad_last_error());
  cugad_detector_destroy(loaded);
  cugad_device_close(device);
  cugad_detector_destroy(fitted);
  return failed == NULL ? 0 : 1;
}

/* The preprocessor's constants and the enumerations, as a C program sees them. */
int32_t cugad_c11_version(void) {
  return CUGAD_VERSION_MAJOR * 10000 + CUGAD_VERSION_MINOR * 100 + CUGAD_VERSION_PATCH;
}
size_t cugad_c11_controls_size(void) { return sizeof(cugad_fit_controls); }
