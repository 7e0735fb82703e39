#ifndef CUGAD_EXPORT_H
#define CUGAD_EXPORT_H

/* CUGAD_API marks what the shared library exports: every other symbol of it is hidden. For C and C++. */
#if defined(__GNUC__)
#define CUGAD_API __attribute__((visibility("default")))
#else
#define CUGAD_API
#endif

#endif
