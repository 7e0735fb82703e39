#pragma once

#include <memory>
#include <string>

#include "cugad/table.hpp"

namespace cugad::cli {

/// open_table(), and Parquet files, which only builds with Arrow's C++ library read.
std::unique_ptr<TableReader> open_input(const std::string& input, const ReadOptions& options);

/// Opens a Parquet file. Throws Error{unsupported} in builds without Arrow's C++ library.
std::unique_ptr<TableReader> open_parquet(const std::string& path, const ReadOptions& options);

}  // namespace cugad::cli
