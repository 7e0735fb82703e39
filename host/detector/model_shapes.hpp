#pragma once

#include <cstdint>
#include <string>

#include "host/detector/model_reader.hpp"
#include "host/methods/methods.hpp"

namespace cugad {

/// "generator", or "discriminator.x" for a branch.
std::string tensor_prefix(Role role, const Network::Part& part);

/// Throws Error{format} unless the tensors of a method, whose names begin with `prefix`, have the shapes that the
/// options promise, so that no memory is taken for less. The second: of the training rows that the model keeps.
void check_shapes(const Reader& reader, const std::string& prefix, const DetectorOptions& options, std::int64_t columns,
                  std::int64_t condition);
void check_reference_rows(const Reader& reader, const std::string& prefix, const DetectorOptions& options,
                          std::int64_t columns);

}  // namespace cugad
