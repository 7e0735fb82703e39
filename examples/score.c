/*
 * Scoring from C: create a detector from JSON, fit it, score rows, handle errors. C11, and nothing but the header.
 *
 *   score
 */
#include <cugad/cugad.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 1000, COLUMNS = 2, FRESH = 3 };

/* Every call that can fail returns CUGAD_OK or a negative number; the text contains what was given and what was
 * expected.
 */
static void check(cugad_status status) {
  if (status == CUGAD_OK) return;
  fprintf(stderr, "score: %s: %s\n", cugad_status_name(status), cugad_last_error());
  exit(1);
}

/* A number in [-1, 1] that is the same everywhere. */
static float noise(void) {
  static unsigned state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 23) - 1.0f;
}

int main(void) {
  static float normal[ROWS][COLUMNS];
  for (int r = 0; r < ROWS; ++r) {
    normal[r][0] = noise();
    normal[r][1] = 0.5f * normal[r][0] + 0.05f * noise(); /* the second column follows the first */
  }

  cugad_device* device = NULL;
  cugad_detector* detector = NULL;
  check(cugad_device_open("auto", &device));

  /* An option that is not known is an error that names the nearest one. */
  if (cugad_detector_create(device, "{\"poplation\": 2}", &detector) == CUGAD_OK) return 1;
  printf("as expected: %s\n", cugad_last_error());

  check(cugad_detector_create(device, "{\"population\": 2, \"steps\": 300, \"seed\": 7}", &detector));
  check(cugad_detector_fit(detector, &normal[0][0], ROWS, COLUMNS, COLUMNS));

  const float fresh[FRESH][COLUMNS] = {{0.2f, 0.1f}, {-0.6f, -0.3f}, {0.8f, -0.4f}}; /* the last one does not follow */
  float scores[FRESH];
  float threshold = 0;
  check(cugad_detector_score(detector, &fresh[0][0], FRESH, COLUMNS, COLUMNS, scores));
  check(cugad_detector_threshold(detector, &threshold));
  printf("cugad %s, threshold %.3f\n", cugad_version(), threshold);
  for (int r = 0; r < FRESH; ++r)
    printf("row %d: score %.3f%s\n", r, scores[r], scores[r] >= threshold ? " ANOMALY" : "");

  cugad_detector_destroy(detector);
  cugad_device_close(device); /* in either order */
  return scores[2] >= threshold ? 0 : 1;
}
