#include "tests/training/small_training.hpp"

/// SO-GAAL: what its second phase moves, and that it is resumed.
namespace cugad::test {
namespace {

DetectorOptions sogaal_options() {
  DetectorOptions options = small_options();
  options.method = Method::sogaal;
  options.steps = 150;
  return options;
}

/// G is that of the GAN whose rates decay as slowly; D goes on, twice as long.
TEST(Sogaal, TheSecondPhaseMovesTheDiscriminatorAlone) {
  const Matrix rows = training_rows();
  DetectorOptions options = sogaal_options();
  const auto whole = trained(options, rows);
  EXPECT_EQ(whole->step(), 450);
  options.method = Method::gan;
  options.decay_steps *= 3;
  const auto gan = trained(options, rows);
  EXPECT_TRUE(same_bits(network_of(*whole, Role::generator), network_of(*gan, Role::generator)));
  EXPECT_FALSE(same_bits(network_of(*whole, Role::discriminator), network_of(*gan, Role::discriminator)));
  EXPECT_EQ(whole->telemetry()[0].generator_gradient, 0.0f);
  EXPECT_GT(whole->telemetry()[0].discriminator_gradient, 0.0f);
}

TEST(Sogaal, IsResumedInEitherPhase) { expect_resumable(sogaal_options(), training_rows(), {100, 200}); }

}  // namespace
}  // namespace cugad::test
