#pragma once

#include <atomic>

#include "cugad/error.hpp"

namespace cugad {

/// Throws Error{cancelled} if the caller's flag (null: none) is set.
inline void stop_scoring_if(const std::atomic<bool>* cancel) {
  if (cancel != nullptr && cancel->load()) throw Error(ErrorCode::cancelled, "scoring was stopped");
}

}  // namespace cugad
