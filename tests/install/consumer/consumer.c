/* A program in C11: the header twice, then one fit and one refusal through the installed library. */
#include <cugad/cugad.h>
#include <stdio.h>
#include <string.h>

#include "cugad/cugad.h"

int main(void) {
  cugad_device* device = NULL;
  cugad_detector* detector = NULL;
  float x[100][2], scores[100];
  for (int r = 0; r < 100; ++r) {
    x[r][0] = (float)(r % 10);
    x[r][1] = (float)(r / 10);
  }
  if (cugad_abi_version() != CUGAD_ABI_VERSION) return 1;
  if (cugad_device_open("cpu", &device) != CUGAD_OK) return 2;
  if (cugad_device_open("abacus", &device) == CUGAD_OK || strstr(cugad_last_error(), "abacus") == NULL) return 3;
  if (cugad_device_open("cpu", &device) != CUGAD_OK) return 4;
  if (cugad_detector_create(device, "{\"steps\": 20, \"population\": 1}", &detector) != CUGAD_OK) return 5;
  if (cugad_detector_fit(detector, &x[0][0], 100, 2, 2) != CUGAD_OK) return 6;
  if (cugad_detector_score(detector, &x[0][0], 100, 2, 2, scores) != CUGAD_OK) return 7;
  cugad_detector_destroy(detector);
  cugad_device_close(device);
  printf("C: cugad %s scored, first score %g\n", cugad_version(), scores[0]);
  return 0;
}
