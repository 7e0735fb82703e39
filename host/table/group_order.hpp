#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace cugad {

/// Which group each row of a made-up table belongs to: the groups' rows mixed evenly over the file, in memory for the
/// groups alone.
class GroupOrder {
 public:
  struct Row {
    std::int64_t group = 0, number = 0;  ///< the number of the row within its group
  };

  /// Row r belongs to group r % groups.
  static GroupOrder even(std::int64_t groups);
  /// Sizes of at least 1 and log-uniform above that: their logarithms are spread evenly, many groups are small and some
  /// are very large. `place` of each group in (0, 1) decides its size.
  static GroupOrder uneven(std::int64_t rows, const std::vector<double>& place);

  Row next();

 private:
  struct Due {
    double time;
    std::int64_t group;
    bool operator>(const Due& other) const { return time > other.time || (time == other.time && group > other.group); }
  };

  std::int64_t groups_ = 1, row_ = 0;
  std::vector<std::int64_t> size_, taken_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;  ///< empty for even groups
};

/// Sizes that add up to `rows`, at least as many as there are places: floor(base^place), with the largest possible
/// base; the remaining rows go to the largest groups, one each.
std::vector<std::int64_t> log_uniform_sizes(std::int64_t rows, const std::vector<double>& place);

/// exp() from additions and multiplications alone: libraries differ in the last bit, and a made-up file must not.
double portable_exp(double x);

}  // namespace cugad
