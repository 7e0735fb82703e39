#include <algorithm>

#include "host/scores/latent_searcher.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// The distance to the `neighbours`-th nearest of `bank_rows` generated rows.
class BankRule final : public ScoringRule {
 public:
  explicit BankRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }
  void draw() override { searcher_.draw(trained()); }
  void take_memory(std::int64_t rows) override { searcher_.take_memory(trained(), rows); }

  RawScores raw_scores(MatrixView<const float> rows, bool) override {
    const std::int64_t k = std::min<std::int64_t>(options().neighbours, options().bank_rows);
    const std::int64_t models = trained().population(), count = rows.rows;
    if (trained().needs_discriminator() && trained().has_joint_discriminator()) trained().encode(rows);
    const LatentSearcher::Nearest nearest = searcher_.find_nearest(trained(), rows, k);
    RawScores raw;
    raw.residual = {nearest.distance.data + k - 1, models, count, 1, count * k, k};
    if (!trained().needs_discriminator()) return raw;
    run(context(), GatherRows{.source = searcher_.bank(trained()),
                              .index = {nearest.index.data, models, count, 1, count * k, k},
                              .out = trained().reconstruction(count)});
    raw.logit = trained().judge(trained().fill_missing(rows));
    return raw;
  }
  AbsentForm absent_form() const override { return {.weight = 1.0f, .squared = true, .root = true}; }
  /// The distance to the bank is no residual per column: a search gives one, or the nearest row if there is no search.
  void explain(MatrixView<const float> rows) override {
    if (trained().runs_by_layers()) return searcher_.compare_with_nearest(trained(), rows);
    searcher_.search(trained(), rows, true);
  }
  void find_column_residuals(MatrixView<const float> rows) override { searcher_.compare_with_nearest(trained(), rows); }

 private:
  LatentSearcher searcher_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_bank_rule(ScoringNetworks& networks) { return std::make_unique<BankRule>(networks); }

}  // namespace cugad
