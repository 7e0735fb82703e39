#include <filesystem>

#include "cugad/error.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/training/checkpoint.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/fuzz/edited_file.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/training/small_training.hpp"

/// Checkpoints of trainings: one that is accepted can be trained on and written again.
namespace cugad::fuzz {
namespace {

DetectorOptions tiny_options() {
  DetectorOptions options;
  options.population = 2;
  options.latent = 2;
  options.hidden = options.discriminator_hidden = {4};
  options.steps = 4;
  options.batch = 8;
  options.coverage_rows = 8;
  return options;
}

/// A training at its start, with a checkpoint to be changed.
struct Base {
  Base() : rows(test::training_rows(20, 3)) {
    FitControl control;
    control.checkpoint_directory = directory.path();
    test::trained(tiny_options(), rows, 1, control);
    file = cugad::safetensors::read(path());
  }
  std::string path() const { return directory.file("checkpoint.safetensors"); }

  test::TemporaryDirectory directory;
  Matrix rows;
  cugad::safetensors::File file;
};

}  // namespace

bool checkpoint(std::string_view input) {
  static const Base base;
  const auto training = test::make_training(tiny_options(), base.rows);
  Checkpoint kept(base.directory.path());
  try {
    cugad::safetensors::write(base.path(), edited(base.file, input));
    require(kept.load(*training), "a checkpoint is not seen");
    FitControl control;
    training->run(control);
    kept.save(*training);
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

}  // namespace cugad::fuzz
