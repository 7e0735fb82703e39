#pragma once

#include <memory>
#include <string>

#include "cugad/table.hpp"
#include "host/table/byte_source.hpp"

/// One reader per kind of file. `file` is how messages call the file.
namespace cugad {

std::unique_ptr<TableReader> open_csv(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options);
std::unique_ptr<TableReader> open_npy(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options);
std::unique_ptr<TableReader> open_npz(const std::string& path, const std::string& file, const ReadOptions& options);
std::unique_ptr<TableReader> open_idx(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options);

}  // namespace cugad
