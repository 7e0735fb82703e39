#pragma once

#include <cstdint>
#include <vector>

#include "host/backend/arena.hpp"
#include "host/training/training_step.hpp"

namespace cugad {

/// Which rows of one matrix each model of a population trains on.
class ModelRows {
 public:
  /// Adds the models of a detector whose rows begin at `first`, fold after fold: `fold_begin` holds where each fold
  /// begins among them, and their end. Model m leaves out fold (first_fold + m) mod folds; a single fold is left out by
  /// none. `seed`: that of the first of them, whose number the others add theirs to.
  void add(std::int64_t first, const std::vector<std::int64_t>& fold_begin, int population, int first_fold,
           std::uint64_t seed) {
    const std::int64_t folds = static_cast<std::int64_t>(fold_begin.size()) - 1;
    for (std::int64_t m = 0; m < population; ++m) {
      const std::int64_t fold = (first_fold + m) % folds;
      const std::int64_t left_out = folds > 1 ? fold_begin[fold + 1] - fold_begin[fold] : 0;
      first_.push_back(static_cast<std::int32_t>(first));
      count_.push_back(static_cast<std::int32_t>(fold_begin.back() - left_out));
      left_out_first_.push_back(static_cast<std::int32_t>(first + fold_begin[fold]));
      left_out_count_.push_back(static_cast<std::int32_t>(left_out));
      seeds_.push_back(seed + static_cast<std::uint64_t>(m));
    }
  }
  std::int64_t models() const { return static_cast<std::int64_t>(first_.size()); }
  /// The rows with these ranges in the arena's memory. Waits.
  TrainingRows of(MatrixView<const float> rows, Context& context, Arena& arena) const {
    const auto upload = [&]<class T>(const char* name, const std::vector<T>& values) {
      const auto view = arena.stack<T>(name, models(), 1, 1);
      context.backend().copy(view.data, values.data(), sizeof(T) * values.size(), context.stream());
      return view;
    };
    TrainingRows training(rows);
    training.first = upload("first row of each model", first_);
    training.count = upload("rows of each model", count_);
    training.left_out_first = upload("first row that each model leaves out", left_out_first_);
    training.left_out_count = upload("rows that each model leaves out", left_out_count_);
    training.seeds = upload("seed of each model", seeds_);
    context.synchronize();
    return training;
  }

 private:
  std::vector<std::int32_t> first_, count_, left_out_first_, left_out_count_;
  std::vector<std::uint64_t> seeds_;
};

}  // namespace cugad
