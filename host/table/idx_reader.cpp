#include <fmt/format.h>

#include <map>

#include "cugad/error.hpp"
#include "host/table/array_reader.hpp"
#include "host/table/column_names.hpp"
#include "host/table/readers.hpp"

namespace cugad {
namespace {

/// The header of an idx stream (the format of MNIST): two zero bytes, the type, the number of dimensions, then the
/// dimensions as big-endian 32-bit numbers.
ArrayLayout read_idx_header(ByteSource& source, const std::string& file) {
  const auto read = [&](unsigned char* target) {
    if (read_fully(source, reinterpret_cast<char*>(target), 4) == 4) return;
    throw Error(ErrorCode::format, fmt::format("{}: ends inside its idx header", file));
  };
  const std::map<int, std::pair<ElementKind, std::int64_t>> types = {
      {0x08, {ElementKind::unsigned_integer, 1}}, {0x09, {ElementKind::signed_integer, 1}},
      {0x0B, {ElementKind::signed_integer, 2}},   {0x0C, {ElementKind::signed_integer, 4}},
      {0x0D, {ElementKind::floating, 4}},         {0x0E, {ElementKind::floating, 8}}};
  unsigned char bytes[4];
  read(bytes);
  const auto type = types.find(bytes[2]);
  if (bytes[0] != 0 || bytes[1] != 0 || type == types.end()) {
    throw Error(ErrorCode::format,
                fmt::format("{}: begins with bytes {:02x} {:02x} {:02x}, expected an idx header: 00 00 "
                            "and a type 08, 09, 0b, 0c, 0d or 0e",
                            file, bytes[0], bytes[1], bytes[2]));
  }
  const int dimensions = bytes[3];
  if (dimensions == 0) throw Error(ErrorCode::format, fmt::format("{}: has no dimensions, expected at least 1", file));

  ArrayLayout layout;
  std::tie(layout.kind, layout.element_size) = type->second;
  layout.big_endian = true;
  std::vector<std::int64_t> sizes;
  for (int d = 0; d < dimensions; ++d) {
    read(bytes);
    sizes.push_back(std::int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
  }
  layout.set_shape(sizes, file);
  layout.data_position = 4 + 4 * static_cast<std::uint64_t>(dimensions);
  return layout;
}

}  // namespace

std::unique_ptr<TableReader> open_idx(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options) {
  const ArrayLayout layout = read_idx_header(*source, file);
  auto reader = std::make_unique<ArrayReader>(std::move(source), layout, file);
  reader->choose_columns(options);
  return reader;
}

}  // namespace cugad
