#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// What several baselines need of one trial, computed once for all of them.
namespace cugad::cli {

/// Units of the columns, as options of the detector's transform.
struct Units {
  Scale scale = Scale::standard;
  std::string log1p = "auto";  ///< "auto" or "none"
  auto operator<=>(const Units&) const = default;
};

/// Training and test rows in the same units, fitted on the training rows; missing cells hold the column's centre.
struct ScaledRows {
  Matrix train, test;
};

/// Distances of each row to its nearest training rows, ascending.
struct NeighbourDistances {
  std::int64_t rows = 0;
  std::int32_t neighbours = 0;
  std::vector<float> distance;  ///< [rows, neighbours]

  float at(std::int64_t row, std::int32_t neighbour) const { return distance[row * neighbours + neighbour]; }
  float mean(std::int64_t row) const;
};

/// The trial in the forms that baselines need. Each form is computed at its first use and kept; its time is charged
/// to every baseline that uses it, so that the cost of a baseline does not depend on the ones before it.
class BaselineInputs {
 public:
  static constexpr std::int32_t most_neighbours = 5;

  /// `trial` must outlive the inputs.
  BaselineInputs(const Trial& trial, int threads) : trial_(trial), threads_(threads) {}

  const Trial& trial() const { return trial_; }
  int threads() const { return threads_; }
  const ScaledRows& scaled(const Units& units = {});
  /// Of the test rows: the 5 nearest training rows, or all if there are fewer.
  const NeighbourDistances& nearest(const Units& units = {});
  /// Of the training rows: the same among the other training rows.
  const NeighbourDistances& nearest_others(const Units& units = {});

  struct Scored {
    std::vector<float> scores;
    double seconds = 0;
  };
  Scored score(const Baseline& baseline);

 private:
  template <class Value>
  struct Form {
    std::optional<Value> value;
    double seconds = 0;
    int user = 0;  ///< number of the baseline that was charged last
  };
  struct Forms {
    Form<ScaledRows> scaled;
    Form<NeighbourDistances> nearest, nearest_others;
  };

  template <class Value, class Make>
  const Value& use(Form<Value>& form, Make make) {
    if (!form.value) {
      const Stopwatch making;
      form.value = make();
      form.seconds = making.seconds();
    } else if (form.user != user_) {
      reused_seconds_ += form.seconds;
    }
    form.user = user_;
    return *form.value;
  }

  const Trial& trial_;
  int threads_;
  std::map<Units, Forms> forms_;
  int user_ = 0;
  double reused_seconds_ = 0;
};

}  // namespace cugad::cli
