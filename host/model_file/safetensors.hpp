#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

/// The safetensors container: 8-byte little-endian header length, JSON header, raw tensors. The metadata of files holds
/// a "checksum" (or "checksum_outside", of a part), which writing adds and reading compares and removes.
namespace cugad::safetensors {

/// A float32 (F32), float64 (F64) or byte (U8) tensor; exactly one of the vectors is filled.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> f32;
  std::vector<double> f64;
  std::vector<std::uint8_t> u8 = {};
};

struct File {
  std::map<std::string, std::string> metadata;  ///< "__metadata__"
  std::map<std::string, Tensor> tensors;        ///< ordered by name, which makes files byte-identical
};

/// Atomic; see write_file_atomically. `left_out`: the values of tensors whose names begin so are not in the checksum,
/// so that the file can be opened without reading them (OpenFile); empty: all are.
void write(const std::string& path, const File& file, const std::string& left_out = "");
/// The bytes that write() puts into a file.
std::vector<std::byte> to_bytes(const File& file, const std::string& left_out = "");

/// Error{invalid_argument} if no file could hold this metadata: text that is not UTF-8, a header over the limit.
void check_metadata(const std::map<std::string, std::string>& metadata);

/// Checks header length, JSON, dtypes, shape products, offsets, overlaps and gaps against the file size before
/// allocating, and the checksum, if there is one, afterwards; Error{format} with path and reason for anything damaged,
/// Error{input_output} if it cannot be read.
File read(const std::string& path);
/// The same of the bytes of a file; messages call them in_memory.
File read(std::span<const std::byte> bytes);
inline constexpr const char* in_memory = "the model in memory";
/// The metadata alone, without reading the tensors.
std::map<std::string, std::string> read_metadata(const std::string& path);
std::map<std::string, std::string> read_metadata(std::span<const std::byte> bytes);

}  // namespace cugad::safetensors
