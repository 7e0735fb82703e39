// A program in C++17 that includes the C interface alone: linking cugad must not make it C++20.
#include <cugad/cugad.h>

static_assert(__cplusplus == 201703L, "the standard that the program asked for");

int main() { return cugad_abi_version() == CUGAD_ABI_VERSION ? 0 : 1; }
