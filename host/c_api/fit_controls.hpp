#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/detector.hpp"
#include "host/c_api/rows.hpp"

namespace cugad::c_api {

/// The caller's controls of a fit as FitControl, for a detector or a fleet with the flag `cancel`. Throws
/// Error{invalid_argument} for invalid controls.
struct FitControls {
  /// `given` may be NULL; `columns` are those of the rows.
  FitControls(const cugad_fit_controls* given, std::int64_t columns, std::atomic<bool>& cancel);
  FitControls(const FitControls&) = delete;
  FitControls& operator=(const FitControls&) = delete;

  FitControl control;
  Columns described;

 private:
  cugad_fit_controls given_;  ///< called by the callbacks of `control`
};

/// A request to cancel serves for one call.
struct CancelOnce {
  ~CancelOnce() { flag = false; }
  std::atomic<bool>& flag;
};

}  // namespace cugad::c_api
