#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "host/model_file/safetensors.hpp"

namespace cugad::test {

/// A fleet file as version 2 had it: the groups as lists in the metadata.
inline safetensors::File as_version_2(safetensors::File file) {
  const auto take = [&](const char* name) { return file.tensors.extract(name).mapped(); };
  const safetensors::Tensor names = take("groups.names"), ends = take("groups.ends"), rows = take("groups.rows");
  nlohmann::json groups = nlohmann::json::array(), of_rows = groups, own = groups;
  std::size_t begin = 0;
  for (std::size_t g = 0; g < ends.f64.size(); ++g) {
    const auto end = static_cast<std::size_t>(ends.f64[g]);
    groups.push_back(std::string(names.u8.begin() + static_cast<std::ptrdiff_t>(begin),
                                 names.u8.begin() + static_cast<std::ptrdiff_t>(end)));
    of_rows.push_back(static_cast<std::int64_t>(rows.f64[g]));
    own.push_back(1);
    begin = end;
  }
  if (const auto without = file.tensors.extract("groups.without_model")) {
    for (const double group : without.mapped().f64) own[static_cast<std::size_t>(group)] = 0;
  }
  file.metadata["groups"] = groups.dump();
  file.metadata["group_rows"] = of_rows.dump();
  file.metadata["group_has_model"] = own.dump();
  file.metadata["format_version"] = "2";
  return file;
}

}  // namespace cugad::test
