#include "tests/ptx/runtime/kernels.hpp"

#include <cstring>

/// What nvcc's objects call when the program starts: each brings the fat binary with its PTX, and its kernels' names.
namespace ptx {

const Module& Image::parsed() {
  if (module == nullptr) module = std::make_unique<Module>(text);
  return *module;
}

std::map<const void*, Kernel>& kernels() {
  static auto* only = new std::map<const void*, Kernel>;  // never destroyed: kernels run until the program ends
  return *only;
}

namespace {

struct FatBinaryWrapper {
  int magic, version;
  const unsigned char* data;
  void* file;
};
struct FatBinaryHeader {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;
};

}  // namespace
}  // namespace ptx

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  const unsigned char* data = static_cast<const ptx::FatBinaryWrapper*>(wrapper)->data;
  ptx::FatBinaryHeader header;
  std::memcpy(&header, data, sizeof header);
  const std::string_view bytes(reinterpret_cast<const char*>(data), header.header_bytes + header.bytes);
  auto* image = new ptx::Image;  // the PTX is in it as text: --no-compress
  const std::size_t at = bytes.find("\n.version ");
  if (at != std::string_view::npos) image->text = std::string(bytes.substr(at + 1, bytes.find('\0', at) - at - 1));
  return reinterpret_cast<void**>(image);
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
void __cudaRegisterFunction(void** image, const char* host, char*, const char* name, int, void*, void*, void*, void*,
                            int*) {
  ptx::kernels()[host] = {reinterpret_cast<ptx::Image*>(image), name};
}
int __cudaGetKernel(const void** kernel, const void* host) {
  *kernel = host;
  return 0;
}

}  // extern "C"
