#pragma once

#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"

namespace cugad {

/// What a detector holds, for those who write it down in another form.
struct DetectorContents {
  using Impl = Detector::Impl;
  /// Throws Error{invalid_argument} for a detector that was moved from.
  static const Impl& of(const Detector& detector) { return held(detector.impl_); }
};

}  // namespace cugad
