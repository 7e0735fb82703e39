#include <fmt/format.h>

#include "cugad/error.hpp"
#include "host/cli/input_table.hpp"
#include "host/text/cell.hpp"

namespace cugad::cli {

std::unique_ptr<TableReader> open_parquet(const std::string& path, const ReadOptions&) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: is a Parquet file, which this build does not read: convert it (python3 -c 'import pandas; "
                  "pandas.read_parquet(\"FILE\").to_csv(\"FILE.csv\", index=False)'), or build cugad where "
                  "Arrow's C++ library is installed (CUGAD_PARQUET)",
                  one_line(path, 4096)));
}

}  // namespace cugad::cli
