#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// The options of a model beside those that it would have by a preset, or by its method alone. Those without effect are
/// left out.
struct ComparedOptions {
  struct Option {
    std::string name, value, usual;  ///< usual: as the base has it
    bool by_rows = false;            ///< the rows decide it
  };
  std::string preset;  ///< the base; empty: the defaults of the method
  std::vector<Option> changed, unchanged;
};

/// Beside the preset that the model is nearest to, if it is nearer than the defaults of its method. `options`: those of
/// the detector, or as they were given.
ComparedOptions compare_options(const Detector& detector, const DetectorOptions& options);

}  // namespace cugad
