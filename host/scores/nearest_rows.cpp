#include <algorithm>
#include <utility>

#include "host/backend/elementwise.hpp"
#include "host/backend/transfer.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// Distances to the nearest reference rows.
class NearestRowsRule final : public ScoringRule {
 public:
  explicit NearestRowsRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void draw() override {
    const Matrix rows = trained().reference_rows().with_copies();
    const StackView<float> kept = trained().kept().stack("reference rows", 1, rows.rows, rows.columns);
    context().backend().copy(kept.data, rows.data.data(), sizeof(float) * rows.data.size(), context().stream());
    context().synchronize();
    bank_ = kept.model(0);
  }
  void take_memory(std::int64_t rows) override {
    distance_ = trained().working().stack("distances", 1, rows, neighbours() + 1).data;
    index_ = trained().working().stack<std::int32_t>("nearest reference rows", 1, rows, neighbours() + 1).data;
    scores_ = trained().working().stack("scores", trained().population(), rows, 1);
  }

  RawScores raw_scores(MatrixView<const float> rows, bool) override {
    const std::int64_t count = rows.rows, k = neighbours();
    const StackView<const float> distance = find_nearest(rows).distance;
    RawScores raw;
    if (options().score == ScoreRule::kth_nearest) {
      raw.residual = distance.slice_columns(k - 1, 1);
      return raw;
    }
    const StackView<float> scores = scores_.slice_rows(0, count), mean = scores.slice_models(scores.models - 1, 1);
    if (has_parts()) ::cugad::copy(context(), distance.slice_columns(0, 1), scores.slice_models(0, 1));
    fill(context(), mean, 0.0f);
    for (std::int64_t i = 0; i < k; ++i) {
      run(context(), AddRows{.x = distance.slice_columns(i, 1), .scale = 1.0f / static_cast<float>(k), .y = mean});
    }
    raw.residual = scores;
    return raw;
  }
  bool has_parts() const override { return options().score == ScoreRule::nearest_and_mean; }
  AbsentForm absent_form() const override { return {.weight = 1.0f, .squared = true, .root = true}; }

  /// What a row differs by from the nearest reference row.
  void explain(MatrixView<const float> rows) override {
    const std::int64_t models = trained().population(), count = rows.rows;
    run(context(), GatherRows{.source = shared_by(models, bank_),
                              .index = shared_by(models, find_nearest(rows).index.slice_columns(0, 1).model(0)),
                              .out = trained().reconstruction(count)});
    trained().compare_with_reconstruction(rows);
  }

  bool leave_rows_out(bool leaves_out) override {
    leaves_out_ = leaves_out;
    return true;
  }

 private:
  struct Nearest {
    StackView<const float> distance;
    StackView<const std::int32_t> index;
  };
  /// At most as many as there are.
  std::int64_t neighbours() const { return std::min<std::int64_t>(options().neighbours, bank_.rows); }

  /// The nearest reference rows, nearest first.
  Nearest find_nearest(MatrixView<const float> rows) {
    const std::int64_t k = neighbours();
    const std::int64_t found =
        leaves_out_ ? std::min<std::int64_t>({k + 1, bank_.rows, NearestRows::max_neighbours}) : k;
    run(context(), NearestRows{.query = shared_by(1, rows),
                               .bank = shared_by(1, bank_),
                               .neighbours = static_cast<std::int32_t>(found),
                               .distance = {distance_, 1, rows.rows, found},
                               .index = {index_, 1, rows.rows, found}});
    if (leaves_out_) skip_itself(rows.rows, found, k);
    return {{distance_, 1, rows.rows, k}, {index_, 1, rows.rows, k}};
  }

  /// Skips the nearest of `found` neighbours if it is the row itself, at distance 0, and keeps k. The last counts
  /// twice if there are no more.
  void skip_itself(std::int64_t rows, std::int64_t found, std::int64_t k) {
    std::vector<float> distance = download<float>(context(), distance_, rows * found);
    std::vector<std::int32_t> index = download<std::int32_t>(context(), index_, rows * found);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t skipped = distance[r * found] == 0.0f ? 1 : 0;
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t from = r * found + std::min(i + skipped, found - 1);
        distance[r * k + i] = distance[from];
        index[r * k + i] = index[from];
      }
    }
    const auto count = static_cast<std::size_t>(rows * k);
    context().backend().copy(distance_, distance.data(), sizeof(float) * count, context().stream());
    context().backend().copy(index_, index.data(), sizeof(std::int32_t) * count, context().stream());
    context().synchronize();
  }

  bool leaves_out_ = false;
  MatrixView<const float> bank_;
  // Of as many rows as are scored at a time.
  float* distance_ = nullptr;
  std::int32_t* index_ = nullptr;
  StackView<float> scores_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_nearest_rows_rule(ScoringNetworks& networks) {
  return std::make_unique<NearestRowsRule>(networks);
}

}  // namespace cugad
