#include "host/table/array_reader.hpp"
#include "host/table/column_names.hpp"
#include "host/table/npy_header.hpp"
#include "host/table/readers.hpp"

namespace cugad {

std::unique_ptr<TableReader> open_npy(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options) {
  const ArrayLayout layout = read_npy_header(*source, file);
  auto reader = std::make_unique<ArrayReader>(std::move(source), layout, file);
  reader->choose_columns(options);
  return reader;
}

}  // namespace cugad
