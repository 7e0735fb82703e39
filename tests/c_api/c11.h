#ifndef CUGAD_TESTS_C11_H
#define CUGAD_TESTS_C11_H

/* What the C11 part of this room offers to its C++ part. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fits, scores, saves, loads and scores again. 0, or 1 with what failed in `message`. */
int cugad_c11_round_trip(const char* device_name, const char* path, char* message, size_t size);
int32_t cugad_c11_version(void);
size_t cugad_c11_controls_size(void);

#ifdef __cplusplus
}
#endif

#endif
