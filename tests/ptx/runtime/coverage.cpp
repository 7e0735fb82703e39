#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "tests/ptx/runtime/kernels.hpp"

/// Which instructions no lane has run: a line for each kernel, and under it a line for each of them.
namespace ptx {

namespace {

void write_coverage() {
  const std::string folder = std::getenv("CUGAD_PTX_COVERAGE");
  const std::string path = folder + "/" + std::to_string(getpid()) + ".txt";
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    return;
  }
  std::set<Image*> images;
  for (const auto& [host, kernel] : kernels()) images.insert(kernel.image);
  for (Image* image : images) {
    const Module& module = image->parsed();
    std::set<const char*> ran, counted;  // by their text: of a function that is called there are several copies
    for (const auto& [name, f] : module.functions) {
      for (std::size_t n = 0; n < f.code.size(); ++n) {
        if (f.executed[n] != 0) ran.insert(f.code[n].text.data());
      }
    }
    for (const auto& [name, f] : module.functions) {
      std::vector<const Instruction*> own;
      for (const Instruction& i : f.code) {
        if (!i.text.empty() && counted.insert(i.text.data()).second) own.push_back(&i);
      }
      std::fprintf(file, "kernel %s %zu\n", name.c_str(), own.size());
      for (std::size_t n = 0; n < own.size(); ++n) {
        const Instruction& i = *own[n];
        if (ran.contains(i.text.data())) continue;
        const auto source = module.files.find(i.file);
        std::fprintf(file, "%zu %s:%u %.*s\n", n, source == module.files.end() ? "?" : source->second.c_str(), i.line,
                     static_cast<int>(i.text.size()), i.text.data());
      }
    }
  }
  std::fclose(file);
}

}  // namespace

void cover() {
  if (std::getenv("CUGAD_PTX_COVERAGE") == nullptr) return;
  for (auto& [host, kernel] : kernels()) kernel.image->parsed();  // all that a program never launches, too
  std::atexit(&write_coverage);
}

}  // namespace ptx
