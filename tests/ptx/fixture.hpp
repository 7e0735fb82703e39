#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/ptx/executor/module.hpp"

/// Small PTX texts, executed: one warp by default.
namespace ptx::test {

/// Memory that a kernel may touch: every access elsewhere is reported.
class Memory {
 public:
  static std::vector<Region>& regions() {
    static std::vector<Region> all;
    return all;
  }
  explicit Memory(std::size_t bytes) : words_(bytes / 8 + 1) { regions().push_back({address(), address() + bytes}); }
  ~Memory() {
    std::erase_if(regions(), [&](const Region& r) { return r.begin == address(); });
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(words_.data()); }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(words_.data());
  }

 private:
  std::vector<std::uint64_t> words_;
};

inline Region find_memory(std::uint64_t address) {
  for (const Region& r : Memory::regions()) {
    if (r.begin <= address && address < r.end) return r;
  }
  return {};
}

struct Shape {
  unsigned blocks = 1, threads = 32;
  std::size_t shared_bytes = 0;
  bool cooperative = false;
  unsigned cluster = 1;
  bool early = false;
};

/// A kernel with the parameters in and out (addresses); %in and %out hold them, %r0 the lane, %offset 8 bytes for each.
inline std::string kernel(const std::string& body) {
  return ".version 8.0\n.target sm_90a\n.address_size 64\n"
         ".extern .shared .align 1024 .b8 dynamic[];\n"
         ".visible .entry test(.param .u64 p_in, .param .u64 p_out)\n{\n"
         "  .reg .pred %p<8>;\n  .reg .b16 %h<16>;\n  .reg .b32 %r<96>;\n  .reg .b64 %rd<16>;\n"
         "  .reg .b64 %in, %out, %offset;\n"
         "  ld.param.u64 %in, [p_in];\n  ld.param.u64 %out, [p_out];\n"
         "  mov.u32 %r0, %tid.x;\n  mul.wide.u32 %offset, %r0, 8;\n" +
         body + "\n  ret;\n}\n";
}

/// Runs the kernel of `text`. Returns its error, or an empty text.
inline std::string run(const std::string& text, const Memory& in, const Memory& out, const Shape& shape = {}) {
  try {
    const Module module(text);
    Launch launch;
    launch.module = &module;
    launch.function = module.find("test");
    launch.grid[0] = shape.blocks;
    launch.block[0] = shape.threads;
    launch.shared_bytes = shape.shared_bytes;
    launch.cooperative = shape.cooperative;
    launch.cluster = shape.cluster;
    launch.early = shape.early;
    launch.find_allocation = &find_memory;
    const std::uint64_t parameters[2] = {in.address(), out.address()};
    launch.parameters = reinterpret_cast<const unsigned char*>(parameters);
    execute(launch);
    return {};
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// Opcodes that some test compares with their definition.
inline std::set<std::string>& tested_forms() {
  static std::set<std::string> all;
  return all;
}

}  // namespace ptx::test
