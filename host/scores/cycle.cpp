#include "host/backend/elementwise.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// What ALAD's D(x, x') makes of (x, x) and (x, G(E(x))): the distance of its features, or its loss (Zenati 2018b).
class CycleRule final : public ScoringRule {
 public:
  explicit CycleRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void take_memory(std::int64_t rows) override {
    const std::int64_t models = trained().population(), columns = trained().networks().row_columns();
    total_ = trained().working().stack("scores", models, rows, 1);
    pairs_ = trained().working().stack("pairs of rows", models, rows, 2 * columns);
    // Both halves are written where the pairs want them; passes by layers need images without gaps in between.
    if (!trained().runs_by_layers())
      trained().place(pairs_.slice_columns(0, columns), pairs_.slice_columns(columns, columns));
    features_ = judge().hidden();
    pair_buffers_ = trained().carve("activations of pairs", judge(), rows);
    query_buffers_ = trained().carve("activations of queries", judge(), rows);
  }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    trained().reconstruct(rows, with_residuals);
    const StackView<const float> filled = trained().fill_missing(rows);
    RawScores raw;
    raw.residual = compare(filled);
    if (trained().needs_discriminator()) raw.logit = trained().judge(filled);
    return raw;
  }
  /// Comparing took the place of the reconstructions.
  void explain(MatrixView<const float> rows) override { trained().reconstruct(rows, true); }

 private:
  const Network& judge() const { return trained().networks()[Role::cycle_discriminator]; }
  StackView<const float> compare(StackView<const float> filled) {
    const StackView<const float> weights = trained().weights(Role::cycle_discriminator);
    const std::int64_t rows = filled.rows;
    const StackView<float> pairs = pairs_.slice_rows(0, rows);
    const auto half = [&](int side) { return pairs.slice_columns(side * filled.columns, filled.columns); };
    if (trained().runs_by_layers()) {
      cugad::copy(context(), filled, half(0));
      cugad::copy(context(), trained().reconstruction(rows), half(1));
    }
    const StackView<float> total = total_.slice_rows(0, rows);
    const Network::Buffers query = query_buffers_.slice_rows(0, rows), pair = pair_buffers_.slice_rows(0, rows);
    if (options().score == ScoreRule::cycle_logits) {
      judge().forward(context(), weights, {.x = pairs}, pair);
      trained().take_loss(pair.result(), total);
      return total;
    }
    features_.forward(context(), weights, {.x = pairs}, pair);
    cugad::copy(context(), filled, half(1));
    features_.forward(context(), weights, {.x = pairs}, query);
    trained().take_distance(query.features(), pair.features(), Distance::l1, total);
    return total;
  }

  Network features_;  ///< D(x, x') up to what is compared
  StackView<float> total_, pairs_;
  Network::Buffers query_buffers_, pair_buffers_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_cycle_rule(ScoringNetworks& networks) {
  return std::make_unique<CycleRule>(networks);
}

}  // namespace cugad
