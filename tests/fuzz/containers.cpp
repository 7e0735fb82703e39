#include <cstring>
#include <span>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/fuzz/targets.hpp"

/// The bytes of model files: the container, then any model in it.
namespace cugad::fuzz {
namespace {

constexpr std::size_t longest_input = std::size_t{1} << 16;

template <class T>
bool same(const std::vector<T>& first, const std::vector<T>& second) {
  return first.size() == second.size() &&
         (first.empty() || std::memcmp(first.data(), second.data(), sizeof(T) * first.size()) == 0);
}

/// What was read can be written, and is then read again as it was.
void check_rewritten(const cugad::safetensors::File& file) {
  const cugad::safetensors::File again = cugad::safetensors::read(cugad::safetensors::to_bytes(file));
  require(again.metadata == file.metadata && again.tensors.size() == file.tensors.size(), "rewritten, a file differs");
  for (const auto& [name, tensor] : file.tensors) {
    const auto found = again.tensors.find(name);
    require(found != again.tensors.end() && found->second.shape == tensor.shape &&
                same(found->second.f32, tensor.f32) && same(found->second.f64, tensor.f64),
            "rewritten, a tensor differs");
  }
}

template <class Load>
bool loads(const Load& load) {
  try {
    load();
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

}  // namespace

bool safetensors(std::string_view input) {
  if (input.size() > longest_input) return false;
  const auto bytes = std::as_bytes(std::span(input));
  const std::string path = file_with("a.safetensors", input);
  const bool is_read = loads([&] { check_rewritten(cugad::safetensors::read(bytes)); });
  require(is_read == loads([&] { cugad::safetensors::read(path); }), "a file and its bytes are judged differently");
  if (!is_read) return false;
  const Device device = Device::open("cpu", 1);
  const bool is_fleet = Fleet::is_fleet(bytes);
  const bool one = loads([&] { Detector::load(device, bytes); });
  const bool many = loads([&] { Fleet::load(device, bytes); });
  require(!(one && many) && (is_fleet || !many), "a file is two kinds of model");
  return true;
}

}  // namespace cugad::fuzz
