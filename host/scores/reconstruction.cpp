#include "host/backend/elementwise.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// The residual of x and G(E(x)), and what D makes of the two (Zenati 2018): its features, or its loss.
class ReconstructionRule final : public ScoringRule {
 public:
  explicit ReconstructionRule(ScoringNetworks& networks)
      : ScoringRule(networks), share_of_residual_(1.0f - options().lambda), share_of_discrimination_(options().lambda) {
    if (!definition_of(options().method).scores_means) return;
    const auto mean_of = [](int count) { return 1.0f / static_cast<float>(count); };
    const Mlp& judge = networks.networks().discriminator().trunk();
    share_of_residual_ = mean_of(networks.networks().columns);
    share_of_discrimination_ = options().kappa * mean_of(judge.layer_inputs(judge.layers() - 1));
  }
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void take_memory(std::int64_t rows) override {
    const std::int64_t models = trained().population();
    total_ = trained().working().stack("scores", models, rows, 1);
    pair_distance_ = trained().working().stack("distances of pairs", models, rows, 1);
    if (!discriminates()) return;
    const Network& judge = trained().networks().discriminator();
    features_ = judge.hidden();
    pair_buffers_ = trained().carve("activations of pairs", judge, rows);
    if (compares_features()) query_buffers_ = trained().carve("activations of queries", judge, rows);
  }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    const std::int64_t count = rows.rows;
    trained().reconstruct(rows, with_residuals);
    RawScores raw;
    raw.residual = trained().loss(count);
    if (!discriminates() && !trained().needs_discriminator()) return raw;
    const StackView<const float> filled = trained().fill_missing(rows);
    if (discriminates()) {
      const StackView<float> total = total_.slice_rows(0, count);
      const StackView<const float> discrimination = discriminate(filled);
      fill(context(), total, 0.0f);
      run(context(), AddRows{.x = raw.residual, .scale = share_of_residual_, .y = total});
      run(context(), AddRows{.x = discrimination, .scale = share_of_discrimination_, .y = total});
      raw.residual = total;
    }
    if (!trained().needs_discriminator()) return raw;
    // The rule's own pass of D over (x, E(x)) serves the discriminator's share of the score, too.
    raw.logit = judges_query() ? (compares_features() ? query_buffers_ : pair_buffers_).slice_rows(0, count).result()
                               : trained().judge(filled);
    return raw;
  }
  AbsentForm absent_form() const override { return sum_over_columns(discriminates() ? share_of_residual_ : 1.0f); }
  bool scores_in_column_scales() const override { return static_cast<bool>(trained().column_scale()); }

 private:
  bool discriminates() const {
    return share_of_discrimination_ > 0.0f && options().discrimination != Discrimination::none;
  }
  bool compares_features() const { return discriminates() && options().discrimination >= Discrimination::feature_l1; }
  bool judges_query() const {
    return compares_features() || (discriminates() && options().judged_pair == JudgedPair::query);
  }
  /// The discrimination part of the score, per row: features or logit of the pair (x', z), or of (x, z).
  StackView<const float> discriminate(StackView<const float> filled) {
    const Network& judge = trained().networks().discriminator();
    const std::int64_t rows = filled.rows;
    const StackView<const float> weights = trained().weights(Role::discriminator), z = trained().latents(rows),
                                 rebuilt = trained().reconstruction(rows);
    const StackView<float> out = pair_distance_.slice_rows(0, rows);
    const Network::Buffers pair = pair_buffers_.slice_rows(0, rows);
    if (!compares_features()) {
      judge.forward(context(), weights, {.x = judges_query() ? filled : rebuilt, .z = z}, pair);
      trained().take_loss(pair.result(), out);
      return out;
    }
    const Network::Buffers query = query_buffers_.slice_rows(0, rows);
    (trained().needs_discriminator() ? judge : features_).forward(context(), weights, {.x = filled, .z = z}, query);
    features_.forward(context(), weights, {.x = rebuilt, .z = z}, pair);
    const Distance metric = options().discrimination == Discrimination::feature_l1   ? Distance::l1
                            : options().discrimination == Discrimination::feature_l2 ? Distance::l2
                                                                                     : Distance::squared;
    trained().take_distance(query.features(), pair.features(), metric, out);
    return out;
  }

  float share_of_residual_, share_of_discrimination_;
  Network features_;  ///< D up to what is compared
  StackView<float> total_, pair_distance_;
  Network::Buffers query_buffers_, pair_buffers_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_reconstruction_rule(ScoringNetworks& networks) {
  return std::make_unique<ReconstructionRule>(networks);
}

}  // namespace cugad
