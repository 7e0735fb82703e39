#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/floating_point.hpp"

/// What a user of the scores has to know.
namespace cugad {

std::vector<std::string> Detector::Impl::calibration_notes() const {
  std::vector<std::string> found;
  if (!calibration) return found;
  if (calibration->folds() == 1) {
    found.emplace_back(
        "the scores are calibrated on the training rows themselves: new normal rows score higher, and more of them "
        "pass the threshold");
  }
  for (const std::string& note : {threshold_note(calibration->count(), resolved), calibration->ties_note(resolved)}) {
    if (!note.empty()) found.push_back(note);
  }
  return found;
}

std::vector<std::string> Detector::notes() const {
  const FloatingPointEnvironment environment;
  std::vector<std::string> all = held(impl_).notes;
  for (std::string& note : held(impl_).calibration_notes()) all.push_back(std::move(note));
  return all;
}

}  // namespace cugad
