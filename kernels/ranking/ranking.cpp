#include <algorithm>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/ranking/ranking_key.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// A sum over the places of the ranking in the shape of the device's: tiles of 256 places; in each, a tree over every
/// 32 places, then these eight in order; tiles go round 32 chains, and a tree adds those.
class PlaceSum {
 public:
  /// Places ascend.
  void add(std::int64_t place, double term) {
    for (; place / tile_places > tile_; ++tile_) close_tile();
    term_[place % tile_places] = term;
  }
  double total() {
    close_tile();
    return tree(chain_);
  }

 private:
  static constexpr int lanes = 32, tile_places = 256;

  static double tree(double* values) {
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) values[i] += values[i + half];
    }
    return values[0];
  }
  void close_tile() {
    double sum = tree(term_);
    for (int first = lanes; first < tile_places; first += lanes) sum += tree(term_ + first);
    chain_[tile_ % lanes] += sum;
    std::fill_n(term_, tile_places, 0.0);
  }
  std::int64_t tile_ = 0;
  double term_[tile_places] = {}, chain_[lanes] = {};
};

/// Walks down the scores, one group of ties after the other.
void measure(const std::uint64_t* keys, std::int64_t n, double* out) {
  const std::int64_t anomalies = std::count_if(keys, keys + n, [](std::uint64_t key) { return (key & 1) != 0; });
  const std::int64_t normals = n - anomalies;
  // Twice the count of pairs won, so that half a point for a tie stays a whole number.
  std::int64_t doubled_wins = 0, found = 0, normals_below = normals;
  PlaceSum precisions;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t found_before = found;
    const std::int64_t start = i;
    for (; i < n && keys[i] >> 1 == keys[start] >> 1; ++i) found += static_cast<std::int64_t>(keys[i] & 1);
    const std::int64_t group = found - found_before, group_normals = i - start - group;
    normals_below -= group_normals;
    doubled_wins += group * (2 * normals_below + group_normals);
    precisions.add(i - 1, static_cast<double>(group) * (static_cast<double>(found) / static_cast<double>(i)));
  }
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  out[0] = anomalies == 0 || normals == 0 ? undefined
                                          : static_cast<double>(doubled_wins) /
                                                (2.0 * static_cast<double>(anomalies) * static_cast<double>(normals));
  out[1] = anomalies == 0 ? undefined : precisions.total() / static_cast<double>(anomalies);
}

int threads_for(const Context& context, const RankingMetrics& args) {
  const std::int64_t units = args.score.models * args.score.rows;
  const double work = 40.0 * static_cast<double>(units) * static_cast<double>(args.score.columns);
  const int threads = worthwhile_threads(context.threads(), work);
  return static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(threads, units)));
}

/// The keys of one row for each thread.
std::size_t ranking_workspace(const Context& context, const RankingMetrics& args) {
  return sizeof(std::uint64_t) * static_cast<std::size_t>(threads_for(context, args)) *
         static_cast<std::size_t>(args.score.columns);
}

void run_ranking(Context& context, const RankingMetrics& args) {
  const std::int64_t rows = args.score.rows, n = args.score.columns, units = args.score.models * rows;
  if (units == 0) return;
  auto* scratch = static_cast<std::uint64_t*>(context.scratch(ranking_workspace(context, args)));
  parallel_ranges(threads_for(context, args), units, [&](int thread, std::int64_t begin, std::int64_t end) {
    std::uint64_t* keys = scratch + thread * n;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const float* score = args.score.model(unit / rows).row(unit % rows);
      const std::uint8_t* label = args.label.model(unit / rows).row(unit % rows);
      for (std::int64_t i = 0; i < n; ++i) keys[i] = ranking_key(score[i], label[i] != 0);
      std::sort(keys, keys + n);
      measure(keys, n, args.out.model(unit / rows).row(unit % rows));
    }
  });
}

}  // namespace

OpEntry<RankingMetrics> ranking_metrics_entry() { return {run_ranking, ranking_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
