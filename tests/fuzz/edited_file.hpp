#pragma once

#include <string_view>

#include "host/model_file/safetensors.hpp"

namespace cugad::fuzz {

/// A good file changed line by line, so that a small input reaches the code behind a valid container:
///
///     text KEY ANY TEXT           the metadata KEY becomes the text
///     json KEY POINTER JSON       one value in metadata that is JSON, by its JSON pointer
///     drop NAME                   the metadata and the tensor of that name go
///     tensor NAME 2,16,3 0.5,1    a float32 tensor of that shape, its values repeated; tensor64: of float64, tensor8:
///                                 of bytes
///
/// Other lines are ignored. The result is a possible file: text is UTF-8, tensors have as many values as their shapes
/// require.
safetensors::File edited(safetensors::File file, std::string_view script);

}  // namespace cugad::fuzz
