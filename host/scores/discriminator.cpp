#include "host/backend/elementwise.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// A row is as anomalous as the discriminator finds it unreal (Goodfellow 2014): -log D(x).
class DiscriminatorRule final : public ScoringRule {
 public:
  explicit DiscriminatorRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void take_memory(std::int64_t rows) override {
    total_ = trained().working().stack("scores", trained().population(), rows, 1);
    if (trained().rebuilds()) return;
    // There is nothing to fill missing cells from: they count as 0, the training mean of a centred column.
    fill(context(), trained().reconstruction(rows), 0.0f);
    context().synchronize();  // scoring may be on another stream
  }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    if (trained().rebuilds()) trained().reconstruct(rows, with_residuals);
    const StackView<const float> logit = trained().judge(trained().fill_missing(rows));
    const StackView<float> total = total_.slice_rows(0, rows.rows);
    trained().take_loss(logit, total);
    RawScores raw;
    raw.residual = total;
    if (trained().needs_discriminator()) raw.logit = logit;
    return raw;
  }
  /// D gives no residual per column: where there is no reconstruction either, it is the distance to the column's
  /// centre.
  void explain(MatrixView<const float> rows) override {
    if (trained().rebuilds()) return;
    fill(context(), trained().reconstruction(rows.rows), 0.0f);
    trained().compare_with_reconstruction(rows);
  }

 private:
  StackView<float> total_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_discriminator_rule(ScoringNetworks& networks) {
  return std::make_unique<DiscriminatorRule>(networks);
}

}  // namespace cugad
