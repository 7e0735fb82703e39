#include "host/scores/latent_searcher.hpp"
#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// The loss of the latent search (Schlegl 2017): (1 - lambda) residual + lambda discrimination.
class SearchRule final : public ScoringRule {
 public:
  explicit SearchRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }
  void draw() override { searcher_.draw(trained()); }
  void take_memory(std::int64_t rows) override { searcher_.take_memory(trained(), rows); }

  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    if (trained().needs_discriminator() && trained().has_joint_discriminator()) trained().encode(rows);
    searcher_.search(trained(), rows, with_residuals);
    RawScores raw;
    raw.residual = trained().loss(rows.rows);
    if (trained().needs_discriminator()) raw.logit = trained().judge(trained().fill_missing(rows));
    return raw;
  }
  AbsentForm absent_form() const override {
    const bool is_judged = trained().networks().has(Role::discriminator) && !trained().has_joint_discriminator();
    return sum_over_columns(is_judged ? 1.0f - options().lambda : 1.0f);
  }
  std::string search_path(std::int64_t rows) const override { return searcher_.path(trained(), rows); }

 private:
  LatentSearcher searcher_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_search_rule(ScoringNetworks& networks) {
  return std::make_unique<SearchRule>(networks);
}

}  // namespace cugad
