#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/detector.hpp"
#include "host/c_api/rows.hpp"

namespace cugad::c_api {

/// How the caller watches and steers a fit, in C++: of a detector or a fleet whose flag `cancel` is. Throws
/// Error{invalid_argument} for what cannot be.
struct FitControls {
  /// `given` may be NULL; `columns` are those of the rows.
  FitControls(const cugad_fit_controls* given, std::int64_t columns, std::atomic<bool>& cancel);
  FitControls(const FitControls&) = delete;
  FitControls& operator=(const FitControls&) = delete;

  FitControl control;
  Columns described;

 private:
  cugad_fit_controls given_;  ///< what the callbacks of `control` call
};

/// A request to cancel serves for one call.
struct CancelOnce {
  ~CancelOnce() { flag = false; }
  std::atomic<bool>& flag;
};

}  // namespace cugad::c_api
