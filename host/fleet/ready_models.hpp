#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <utility>

#include "cugad/detector.hpp"

namespace cugad {

/// Detectors of a fleet that are ready to score, at most so many of them; the one not used for longest goes first. For
/// one thread at a time.
class ReadyModels {
 public:
  explicit ReadyModels(std::size_t most) : most_(most) {}

  bool contains(std::int64_t model) const { return index_.contains(model); }
  /// The model, created if it is not ready; the next call may destroy it.
  Detector& get(std::int64_t model, const std::function<Detector(std::int64_t model)>& make) {
    if (const auto found = index_.find(model); found != index_.end()) {
      models_.splice(models_.begin(), models_, found->second);
      return models_.front().second;
    }
    if (!models_.empty() && models_.size() >= most_) {
      index_.erase(models_.back().first);
      models_.pop_back();
    }
    models_.emplace_front(model, make(model));
    index_[model] = models_.begin();
    return models_.front().second;
  }

 private:
  std::size_t most_;
  std::list<std::pair<std::int64_t, Detector>> models_;  ///< the last used first
  std::map<std::int64_t, std::list<std::pair<std::int64_t, Detector>>::iterator> index_;
};

}  // namespace cugad
