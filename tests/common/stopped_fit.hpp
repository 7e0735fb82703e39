#pragma once

#include <atomic>
#include <string>

#include "cugad/detector.hpp"

namespace cugad::test {

/// Controls a fit that is cancelled at a step, which leaves a checkpoint in the folder, and then resumed.
struct StoppedFit {
  StoppedFit(const std::string& folder, std::int64_t step) {
    control.checkpoint_directory = folder;
    control.cancel = &cancel;
    control.on_progress = [this, step](const FitProgress& progress) { cancel = progress.step >= step; };
  }
  StoppedFit(const StoppedFit&) = delete;
  StoppedFit& operator=(const StoppedFit&) = delete;

  void resume() {
    control.cancel = nullptr;
    control.on_progress = {};
    control.resume = true;
  }

  std::atomic<bool> cancel = false;
  FitControl control;
};

}  // namespace cugad::test
