#ifndef CUGAD_TESTS_OPS_C11_H
#define CUGAD_TESTS_OPS_C11_H

#include <cugad/cugad.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ops of all kinds of arguments, called from C on a CPU device. NULL, or what failed. */
const char* cugad_c11_ops(cugad_device* device);

#ifdef __cplusplus
}
#endif

#endif
