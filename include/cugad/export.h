#ifndef CUGAD_EXPORT_H
#define CUGAD_EXPORT_H

/* CUGAD_API marks the symbols that the shared library exports: all others are hidden. For C and C++. */
#if defined(__GNUC__)
#define CUGAD_API __attribute__((visibility("default")))
#else
#define CUGAD_API
#endif

#endif
