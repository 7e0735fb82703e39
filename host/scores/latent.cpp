#include "host/scores/scoring_rule.hpp"

namespace cugad {
namespace {

/// The distance of E(x) and E'(G(E(x))), E' the second encoder where there is one (Akcay 2018).
class LatentRule final : public ScoringRule {
 public:
  explicit LatentRule(ScoringNetworks& networks) : ScoringRule(networks) {}
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void take_memory(std::int64_t rows) override {
    total_ = networks().working().stack("scores", networks().population(), rows, 1);
    again_ = networks().carve("activations of the second encoder", networks().networks()[second()], rows);
  }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override {
    const std::int64_t count = rows.rows;
    networks().reconstruct(rows, with_residuals);
    networks().networks()[second()].forward(context(), networks().weights(second()),
                                            {.x = networks().reconstruction(count), .z = {}},
                                            again_.slice_rows(0, count));
    const StackView<float> total = total_.slice_rows(0, count);
    networks().take_distance(networks().latents(count),
                             again_.result().slice_rows(0, count).slice_columns(0, networks().networks().latent),
                             options().residual, total);
    RawScores raw;
    raw.residual = total;
    if (networks().needs_discriminator()) raw.logit = networks().judge(networks().fill_missing(rows));
    return raw;
  }

 private:
  Role second() const { return networks().networks().has(Role::second_encoder) ? Role::second_encoder : Role::encoder; }

  StackView<float> total_;
  Network::Buffers again_;
};

}  // namespace

std::unique_ptr<ScoringRule> make_latent_rule(ScoringNetworks& networks) {
  return std::make_unique<LatentRule>(networks);
}

}  // namespace cugad
