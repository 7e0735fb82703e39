#pragma once

#include <memory>

#include "cugad/error.hpp"

namespace cugad {

/// What a public object holds. Throws Error{invalid_argument} for one that was moved from, which holds nothing.
template <class Impl>
Impl& held(const std::unique_ptr<Impl>& impl) {
  if (impl) return *impl;
  throw Error(ErrorCode::invalid_argument,
              "the detector or fleet was moved from and holds nothing: use the object that it was moved to");
}

}  // namespace cugad
