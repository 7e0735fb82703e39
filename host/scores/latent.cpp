#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// The distance of E(x) and E'(G(E(x))), E' the second encoder where there is one (Akcay 2018).
class LatentRule final : public ScoringRule {
 public:
  explicit LatentRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void take_memory(std::int64_t rows) override {
    total_ = trained().working().stack("scores", trained().population(), rows, 1);
    again_ = trained().carve("activations of the second encoder", trained().networks()[second()], rows);
  }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    const std::int64_t count = rows.rows;
    trained().reconstruct(rows, with_residuals);
    trained().networks()[second()].forward(context(), trained().weights(second()),
                                           {.x = trained().reconstruction(count)}, again_.slice_rows(0, count));
    const StackView<float> total = total_.slice_rows(0, count);
    trained().take_distance(trained().latents(count),
                            again_.result().slice_rows(0, count).slice_columns(0, trained().networks().latent),
                            options().residual, total);
    RawScores raw;
    raw.residual = total;
    if (trained().needs_discriminator()) raw.logit = trained().judge(trained().fill_missing(rows));
    return raw;
  }

 private:
  Role second() const { return trained().networks().has(Role::second_encoder) ? Role::second_encoder : Role::encoder; }

  StackView<float> total_;
  Network::Buffers again_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_latent_rule(ScoringNetworks& networks) {
  return std::make_unique<LatentRule>(networks);
}

}  // namespace cugad
