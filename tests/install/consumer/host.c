/* A program that has the shared library itself and loads a plugin: host PLUGIN. */
#include <cugad/cugad.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char** arguments) {
  int (*score)(void) = NULL;
  void* const plugin = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  void* const found = plugin == NULL ? NULL : dlsym(plugin, "plugin_score");
  if (cugad_abi_version() != CUGAD_ABI_VERSION || found == NULL) return 1;
  memcpy(&score, &found, sizeof score);
  return score();
}
