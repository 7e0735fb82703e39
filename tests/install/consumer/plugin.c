/* A plugin that scores, with its own copy of the library if it is linked with the static one. */
#include <cugad/cugad.h>

int plugin_score(void);
int plugin_score(void) {
  cugad_device* device = NULL;
  cugad_detector* detector = NULL;
  static float x[100][2], scores[100];
  for (int r = 0; r < 100; ++r) {
    x[r][0] = (float)(r % 10);
    x[r][1] = (float)(r / 10);
  }
  const int failed = cugad_device_open("cpu", &device) != CUGAD_OK ||
                     cugad_detector_create(device, "{\"steps\": 20, \"population\": 1}", &detector) != CUGAD_OK ||
                     cugad_detector_fit(detector, &x[0][0], 100, 2, 2) != CUGAD_OK ||
                     cugad_detector_score(detector, &x[0][0], 100, 2, 2, scores) != CUGAD_OK;
  cugad_detector_destroy(detector);
  cugad_device_close(device);
  return failed;
}
