#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "cugad/error.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/training/small_training.hpp"

/// Checkpoints: a stopped and resumed training equals one that was never stopped; what does not fit is refused.
namespace cugad::test {
namespace {

DetectorOptions two_models() {
  DetectorOptions options = small_options();
  options.population = 2;
  return options;
}

FitControl in_directory(const TemporaryDirectory& directory, bool resume) {
  FitControl control;
  control.checkpoint_directory = directory.file("checkpoints/deep");
  control.resume = resume;
  return control;
}

std::string file_in(const TemporaryDirectory& directory) {
  return directory.file("checkpoints/deep/checkpoint.safetensors");
}

/// Trains until the cancel flag is raised at the given step; expects Error{cancelled}.
void stop_at(const DetectorOptions& options, const Matrix& rows, const TemporaryDirectory& directory, std::int64_t step,
             bool resume = false) {
  std::atomic<bool> cancel = false;
  FitControl control = in_directory(directory, resume);
  control.cancel = &cancel;
  control.checkpoint_every = 1000000;  // only the one of the cancellation
  control.on_progress = [&](const FitProgress& progress) { cancel = progress.step >= step; };
  try {
    trained(options, rows, 2, control);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
    EXPECT_NE(std::string(error.what()).find("stopped after step " + std::to_string(step)), std::string::npos)
        << error.what();
  }
}

void expect_refused(ErrorCode code, const std::string& part, const DetectorOptions& options, const Matrix& rows,
                    const TemporaryDirectory& directory) {
  try {
    trained(options, rows, 1, in_directory(directory, true));
    FAIL() << "was taken, expected a complaint about " << part;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find(file_in(directory)), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(Checkpoint, StoppedAndResumedEqualsUninterrupted) {
  const Matrix rows = training_rows();
  const auto whole = trained(two_models(), rows);
  const TemporaryDirectory directory;
  stop_at(two_models(), rows, directory, 100);
  stop_at(two_models(), rows, directory, 300, true);
  std::vector<std::string> messages;
  FitControl control = in_directory(directory, true);
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  const auto resumed = trained(two_models(), rows, 2, control);
  EXPECT_EQ(resumed->step(), 400);
  EXPECT_EQ(messages, (std::vector<std::string>{"resumed from step 300"}));
  for (int m = 0; m < 2; ++m) expect_same_model(*whole, m, *resumed, m);
}

/// The cancel flag may rise in the middle of an interval, in which models are at different steps.
TEST(Checkpoint, StoppedInTheMiddleOfAnIntervalEqualsUninterrupted) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  std::atomic<bool> cancel = true;
  FitControl control = in_directory(directory, false);
  control.cancel = &cancel;
  EXPECT_THROW(trained(two_models(), rows, 2, control), Error);
  ASSERT_TRUE(std::filesystem::exists(file_in(directory)));
  const auto resumed = trained(two_models(), rows, 2, in_directory(directory, true));
  const auto whole = trained(two_models(), rows);
  for (int m = 0; m < 2; ++m) expect_same_model(*whole, m, *resumed, m);
}

/// What kill -9 leaves: the checkpoint of a shorter run, continued to more steps. 250 is no boundary of the longer run.
TEST(Checkpoint, AFinishedRunCanBeLengthened) {
  const Matrix rows = training_rows();
  const auto whole = trained(two_models(), rows);
  for (const std::int64_t first : {100, 200, 250}) {
    SCOPED_TRACE(first);
    const TemporaryDirectory directory;
    DetectorOptions shorter = two_models();
    shorter.steps = first;
    trained(shorter, rows, 1, in_directory(directory, false));
    const auto resumed = trained(two_models(), rows, 1, in_directory(directory, true));
    for (int m = 0; m < 2; ++m) expect_same_model(*whole, m, *resumed, m);
  }
}

/// Also when there is nothing left to do: the telemetry is part of the model file.
TEST(Checkpoint, AFinishedRunCanBeResumed) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  const auto whole = trained(two_models(), rows, 1, in_directory(directory, false));
  const auto resumed = trained(two_models(), rows, 1, in_directory(directory, true));
  for (int m = 0; m < 2; ++m) expect_same_model(*whole, m, *resumed, m);
}

/// The guard halved a model's learning rate, then the run is stopped: it must go on with the smaller rate.
TEST(Checkpoint, ARestoredModelKeepsItsSmallerRate) {
  const Matrix rows = training_rows();
  const auto run = [&](FitControl control, std::int64_t cancel_at) {
    auto training = make_training(two_models(), rows);
    std::atomic<bool> cancel = false;
    control.cancel = &cancel;
    control.on_progress = [&](const FitProgress& progress) {
      if (progress.step == 100)
        change_parameters(*training, 1, [](std::vector<float>& parameter) { parameter[0] = HUGE_VALF; });
      cancel = progress.step == cancel_at;
    };
    if (cancel_at < 0) {
      training->run(control);
    } else {
      EXPECT_THROW(training->run(control), Error);
    }
    return training;
  };
  const auto whole = run({}, -1);
  ASSERT_EQ(whole->health()[1].rate_scale, 0.5f);
  const TemporaryDirectory directory;
  run(in_directory(directory, false), 300);
  const auto resumed = run(in_directory(directory, true), -1);
  for (int m = 0; m < 2; ++m) expect_same_model(*whole, m, *resumed, m);
}

/// A model rests, then the run is stopped.
TEST(Checkpoint, RestingModelsStayWhatTheyAre) {
  const Matrix rows = training_rows();
  DetectorOptions options = two_models();
  options.steps = 5000;
  options.decay_steps = 6000;
  options.patience = 1;
  options.population = 3;
  std::int64_t first_rest = 0;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) {
    for (const ModelTelemetry& told : progress.models)
      if (told.resting && first_rest == 0) first_rest = progress.step;
  };
  const auto whole = trained(options, rows, 1, control);
  ASSERT_GT(first_rest, 0) << "choose other options: nobody rested";
  ASSERT_LT(first_rest, whole->step()) << "choose other options: all rested at once";
  const TemporaryDirectory directory;
  stop_at(options, rows, directory, first_rest);
  const auto resumed = trained(options, rows, 2, in_directory(directory, true));
  EXPECT_EQ(resumed->step(), whole->step());
  for (int m = 0; m < 3; ++m) {
    expect_same_model(*whole, m, *resumed, m);
    EXPECT_EQ(whole->health()[static_cast<std::size_t>(m)].best_criterion,
              resumed->health()[static_cast<std::size_t>(m)].best_criterion);
  }
}

TEST(Checkpoint, IsWrittenAsOftenAsAsked) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  FitControl control = in_directory(directory, false);
  control.checkpoint_every = 101;  // rounded up to 200
  std::vector<std::string> steps;
  control.on_progress = [&](const FitProgress&) {
    const bool there = std::filesystem::exists(file_in(directory));
    steps.push_back(there ? safetensors::read(file_in(directory)).metadata.at("step") : "none");
  };
  trained(two_models(), rows, 1, control);
  EXPECT_EQ(steps, (std::vector<std::string>{"none", "none", "200", "200"}));
  EXPECT_EQ(safetensors::read(file_in(directory)).metadata.at("step"), "400");
}

/// Without `resume`, what is there belongs to somebody else.
TEST(Checkpoint, ThatOfAnotherTrainingIsKeptAside) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  DetectorOptions other = two_models();
  other.seed = 77;
  stop_at(other, rows, directory, 100);
  const std::string kept = read_text(file_in(directory));
  stop_at(two_models(), rows, directory, 200);
  stop_at(two_models(), rows, directory, 300);
  EXPECT_EQ(read_text(directory.file("checkpoints/deep/checkpoint.1.safetensors")), kept);
  EXPECT_EQ(safetensors::read(directory.file("checkpoints/deep/checkpoint.2.safetensors")).metadata.at("step"), "200");
  const auto resumed = trained(two_models(), rows, 1, in_directory(directory, true));
  expect_same_model(*trained(two_models(), rows), 0, *resumed, 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.file("checkpoints/deep")), {}), 3);
}

/// Nothing optional may cost a fit; what would lose one is an error.
TEST(Checkpoint, OnlyOneThatIsNeededCanFail) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  write_text(directory.file("checkpoints"), "a file where a directory should be");
  FitControl control = in_directory(directory, false);
  control.checkpoint_every = std::numeric_limits<std::int64_t>::max();
  std::string told;
  control.on_message = [&](const std::string& text) { told += text; };
  expect_same_model(*trained(two_models(), rows), 0, *trained(two_models(), rows, 1, control), 0);
  EXPECT_NE(told.find("no checkpoint is kept: cannot create"), std::string::npos) << told;
  const std::atomic<bool> cancel = true;
  control.cancel = &cancel;
  const auto failure = [&]() -> std::string {
    try {
      trained(two_models(), rows, 1, control);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::input_output);
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(failure().find("cannot create the checkpoint directory"), 0u);
  EXPECT_NE(failure().find("stopped after step 0, which is not saved"), std::string::npos);
  control.cancel = nullptr;
  control.checkpoint_every = 100;
  EXPECT_EQ(failure().find("cannot create the checkpoint directory"), 0u);
}

TEST(Checkpoint, WithoutOneResumeStartsFromTheBeginning) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  const auto resumed = trained(two_models(), rows, 1, in_directory(directory, true));
  expect_same_model(*trained(two_models(), rows), 0, *resumed, 0);
}

void train_100_steps(const Matrix& rows, const TemporaryDirectory& directory) {
  DetectorOptions options = two_models();
  options.steps = 100;
  trained(options, rows, 1, in_directory(directory, false));
}

TEST(Checkpoint, RefusesOtherOptionsByName) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  train_100_steps(rows, directory);
  DetectorOptions other = two_models();
  other.beta1 = 0.75f;
  expect_refused(ErrorCode::invalid_argument, "made with beta1 = 0.5, now it is 0.75", other, rows, directory);
  other = two_models();
  other.population = 3;
  expect_refused(ErrorCode::invalid_argument, "made with population = 2, now it is 3", other, rows, directory);
  other = two_models();
  other.hidden = {8, 9};
  expect_refused(ErrorCode::invalid_argument, "made with generator_hidden = 8,8, now it is 8,9", other, rows,
                 directory);
}

TEST(Checkpoint, RefusesFewerStepsThanItHas) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  trained(two_models(), rows, 1, in_directory(directory, false));
  DetectorOptions shorter = two_models();
  shorter.steps = 300;
  expect_refused(ErrorCode::invalid_argument, "step 400", shorter, rows, directory);
}

TEST(Checkpoint, RefusesOtherRows) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  train_100_steps(rows, directory);
  Matrix other = rows;
  other.row(299)[4] += 1.0f;
  expect_refused(ErrorCode::invalid_argument, "made from other training rows", two_models(), other, directory);
  expect_refused(ErrorCode::invalid_argument, "made from other training rows", two_models(), training_rows(299),
                 directory);
}

/// Files of older versions, which do not record it, are taken.
TEST(Checkpoint, RefusesAnotherPrecision) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  train_100_steps(rows, directory);
  safetensors::File file = safetensors::read(file_in(directory));
  file.metadata["precision"] = "bf16";
  safetensors::write(file_in(directory), file);
  expect_refused(ErrorCode::invalid_argument, "made with precision = bf16, now it is fp32", two_models(), rows,
                 directory);
  file.metadata.erase("precision");
  safetensors::write(file_in(directory), file);
  expect_same_model(*trained(two_models(), rows, 1, in_directory(directory, true)), 0, *trained(two_models(), rows), 0);
}

/// Large rows in files take long to read: all checkpoints of a training have the hash that the first one took.
TEST(Checkpoint, HashesTheRowsOnce) {
  Matrix rows = training_rows();
  const TemporaryDirectory directory;
  const auto hash = [&] { return safetensors::read(file_in(directory)).metadata.at("rows"); };
  std::string first;
  FitControl control = in_directory(directory, false);
  control.checkpoint_every = 100;
  control.on_progress = [&](const FitProgress& progress) {
    if (progress.step != 200) return;
    first = hash();
    rows.row(7)[2] += 1.0f;
  };
  const auto training = make_cpu_training(two_models(), rows);
  training->run(control);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(hash(), first);
}

TEST(Checkpoint, RefusesADamagedFile) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  train_100_steps(rows, directory);
  const std::string whole = read_text(file_in(directory));
  write_text(file_in(directory), whole.substr(0, whole.size() - 5));
  expect_refused(ErrorCode::format, "", two_models(), rows, directory);
  write_text(file_in(directory), "");
  expect_refused(ErrorCode::format, "", two_models(), rows, directory);
  write_text(file_in(directory), whole);
  const safetensors::File good = safetensors::read(file_in(directory));

  using File = safetensors::File;
  const std::vector<std::pair<std::string, std::function<void(File&)>>> damages = {
      {"format", [](File& file) { file.metadata["format"] = "cugad checkpoint 99"; }},
      {"no 'format'", [](File& file) { file.metadata.erase("format"); }},
      {"no 'step'", [](File& file) { file.metadata.erase("step"); }},
      {"step 'many'", [](File& file) { file.metadata["step"] = "many"; }},
      {"step '-100'", [](File& file) { file.metadata["step"] = "-100"; }},
      {"step '100x'", [](File& file) { file.metadata["step"] = "100x"; }},
      {"no 'rows'", [](File& file) { file.metadata.erase("rows"); }},
      {"options", [](File& file) { file.metadata["options"] = "[1]"; }},
      {"options", [](File& file) { file.metadata["options"] = "{\"colour\": 1}"; }},
      {"'generator.parameter'", [](File& file) { file.tensors.erase("generator.parameter"); }},
      {"'discriminator.average'", [](File& file) { file.tensors.erase("discriminator.average"); }},
      {"'generator.first_moment'",
       [](File& file) {
         std::swap(file.tensors["generator.first_moment"].shape[0], file.tensors["generator.first_moment"].shape[1]);
       }},
      {"'discriminator.parameter'",
       [](File& file) { file.tensors["discriminator.parameter"].f32[2] = std::numeric_limits<float>::quiet_NaN(); }},
      {"'health'", [](File& file) { file.tensors.erase("health"); }},
      {"'health'", [](File& file) { file.tensors["health"].f32[3] = 1e30f; }},
      {"'telemetry'", [](File& file) { file.tensors.erase("telemetry"); }},
  };
  for (const auto& [part, damage] : damages) {
    SCOPED_TRACE(part);
    File file = good;
    damage(file);
    safetensors::write(file_in(directory), file);
    expect_refused(ErrorCode::format, part, two_models(), rows, directory);
  }
}

}  // namespace
}  // namespace cugad::test
