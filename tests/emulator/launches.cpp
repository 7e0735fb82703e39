#include <gtest/gtest.h>

#include "emulator_control.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "kernels/joined/views.hpp"
#include "tests/common/methods.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/training/small_training.hpp"

/// The number of kernels of a recorded training step, and their agreement with the ops one by one.
namespace cugad::test {
namespace {

class Launches : public emulator_test::Emulated {
 protected:
  void SetUp() override { use("forward,deferred,multiprocessors=132"); }  // as many as the chip that matters has
};

/// A step of models that a training has initialised.
struct BoundStep {
  BoundStep(const DetectorOptions& options, const Matrix& rows)
      : training(make_training(options, rows, test_device())),
        upload(test_device().make_context()),
        resident(upload, rows.view()),
        step(definition_of(options.method)
                 .step(test_device().make_context(), options, training->networks(), resident.view(),
                       options.population)),
        arena(step->context().backend()) {
    const auto scale = arena.stack("scale", options.population, 1, 1);
    const std::vector<float> ones(static_cast<std::size_t>(options.population), 1.0f);
    step->context().backend().copy(scale.data, ones.data(), sizeof(float) * ones.size(), step->context().stream());
    const auto reports = arena.stack("reports", options.population, 1, StepTelemetry::values);
    step->bind({.seed = options.seed}, training->states(), scale, StepTelemetry::from(reports));
  }
  std::shared_ptr<GanTraining> training;
  Context upload;
  ResidentRows resident;
  std::unique_ptr<TrainingStep> step;
  Arena arena;
};

struct Counted {
  std::uint64_t kernels, early, single;
};

/// Of step t alone; `single`: one by one, as ops outside a recording are issued.
Counted counted(TrainingStep& step, std::int64_t t) {
  Counted count = {};
  emulator::clear_calls();
  step.advance(t, t + 1, false);
  step.context().synchronize();
  count.kernels = emulator::calls()["kernel"];
  count.early = emulator::calls()["early kernel"];
  emulator::clear_calls();
  step.step(t, false);
  step.context().synchronize();
  count.single = emulator::calls()["kernel"] + 1;  // the counter is advanced in a recording alone
  return count;
}

DetectorOptions usual_options(Method method) {
  DetectorOptions options;
  options.method = method;
  options.population = 1;
  options.batch = 50;
  options.latent = 7;
  options.learning_rate = 5e-4f;
  options.decay_steps = 8000;
  options.coverage = 1.0f;
  options.coverage_rows = 256;
  definition_of(method).settle(options);
  return options;
}

/// The launches of a step, and of one with the R1 penalty where there is one.
TEST_F(Launches, OfADefaultStep) {
  struct Case {
    const char* name;
    DetectorOptions options;
    std::uint64_t plain, penalised;
  };
  const auto with = [](Method method, GeneratorLoss loss) {
    DetectorOptions options = usual_options(method);
    options.generator_loss = loss;
    return options;
  };
  const Case cases[] = {
      {"gan, non-saturating", usual_options(Method::gan), 13, 15},
      {"gan, minimax", with(Method::gan, GeneratorLoss::minimax), 13, 15},
      {"gan, feature matching", with(Method::gan, GeneratorLoss::feature_matching), 15, 17},
      {"gan, Wasserstein", with(Method::gan, GeneratorLoss::wasserstein), 19, 19},
      {"anogan", usual_options(Method::anogan), 13, 15},
      {"bigan", usual_options(Method::bigan), 30, 32},
      {"ali", usual_options(Method::ali), 40, 42},
      {"egbad", usual_options(Method::egbad), 30, 32},
      {"ganomaly", usual_options(Method::ganomaly), 23, 25},
      {"alad", usual_options(Method::alad), 50, 52},
      {"fanogan", usual_options(Method::fanogan), 22, 24},
  };
  const Matrix rows = training_rows(300, 14);
  for (const Case& c : cases) {
    BoundStep bound(c.options, rows);
    const Counted penalised = counted(*bound.step, 0), plain = counted(*bound.step, 1);
    std::printf("| %s | %d | %d | %d | %d | %d |\n", c.name, static_cast<int>(plain.single),
                static_cast<int>(plain.kernels), static_cast<int>(plain.early), static_cast<int>(penalised.single),
                static_cast<int>(penalised.kernels));
    EXPECT_LE(plain.kernels, c.plain) << c.name;
    EXPECT_LE(penalised.kernels, c.penalised) << c.name;
  }
}

std::vector<float> bits_of(const BoundStep& bound, int models) {
  std::vector<float> all;
  for (int m = 0; m < models; ++m) {
    const std::vector<float> one = state_of(*bound.training, m);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

/// Joined ops give the same bits as one by one, in any order of lanes.
TEST_F(Launches, JoinedOpsLeaveTheBitsOfSingleOnes) {
  const Matrix rows = training_rows();
  const auto compare = [&](const char* name, const DetectorOptions& options, const char* policy,
                           const char* chip = "multiprocessors=132") {
    use(std::string(policy) + "," + chip);
    BoundStep joined(options, rows), single(options, rows);
    joined.step->advance(0, 6, false);
    joined.step->context().synchronize();
    for (std::int64_t t = 0; t < 6; ++t) single.step->step(t, false);
    single.step->context().synchronize();
    EXPECT_TRUE(same_bits(bits_of(joined, options.population), bits_of(single, options.population)))
        << name << ", " << policy;
  };
  for (const MethodDefinition* method : methods_of_any_table()) {
    if (!method->trains()) continue;
    DetectorOptions options = small_options();
    options.method = method->method;
    options.population = 2;
    options.encoder_hidden = options.data_branch = options.latent_branch = options.cycle_hidden = {8};
    options.decay_steps = 400;
    options.generator_dropout = 0.1f;
    method->settle(options);
    compare(method->name, options, "forward,deferred");
  }
  DetectorOptions options = small_options();
  options.population = 2;
  options.hidden = {130, 7};
  options.discriminator_hidden = {9, 131, 6};
  for (const char* policy : {"reverse,deferred", "seed=3,immediate", "seed=4,deferred"})
    compare("gan", options, policy);
  for (const GeneratorLoss loss :
       {GeneratorLoss::minimax, GeneratorLoss::feature_matching, GeneratorLoss::wasserstein}) {
    options.generator_loss = loss;
    options.r1 = loss == GeneratorLoss::wasserstein ? 0.0f : 0.3f;
    compare("gan with another loss", options, "reverse,deferred");
  }
  // On a small chip there are weight gradients enough for larger tiles. Rows of weights are aligned, or not.
  const std::vector<Layer> hidden[] = {{16, 16, 16}, {30, 30, 30}, {31, 32},
                                       {96, 96, 96}, {97, 97, 97}, {256, 255, 256}};
  for (const std::vector<Layer>& widths : hidden) {
    DetectorOptions wide = small_options();
    wide.hidden = wide.discriminator_hidden = widths;
    wide.latent = widths[0].out % 2 == 0 ? 4 : 3;
    wide.generator_tanh = true;
    wide.generator_dropout = widths[0].out % 4 == 0 ? 0.1f : 0.0f;
    compare("gan with wide layers", wide, "forward,deferred", "multiprocessors=4");
  }
}

StackView<float> view(float* memory, std::int64_t models, std::int64_t rows, std::int64_t columns,
                      std::int64_t row_stride) {
  return {memory, models, rows, columns, 100 * row_stride, row_stride};
}

/// Which memory of two ops lies row on row.
TEST(JoinedViews, MeetRowOnRowOrNot) {
  using Kind = cuda::Meeting::Kind;
  std::vector<float> memory(10000);
  const auto meeting = [&](const StackView<float>& a, const StackView<float>& b, bool writes = true) {
    return cuda::meeting_of(cuda::access_of(a, writes), cuda::access_of(b, false));
  };
  const StackView<float> all = view(memory.data(), 2, 60, 10, 16);
  EXPECT_EQ(meeting(all, all).kind, Kind::row_wise);
  EXPECT_EQ(meeting(all, all).shift, 0);
  EXPECT_EQ(meeting(all, all, false).kind, Kind::apart) << "both read";
  EXPECT_EQ(meeting(all, all.slice_rows(20, 20)).shift, 20);
  EXPECT_EQ(meeting(all.slice_rows(20, 20), all).shift, -20);
  EXPECT_EQ(meeting(all.slice_rows(0, 20), all.slice_rows(20, 20)).kind, Kind::apart) << "other rows";
  EXPECT_EQ(meeting(all.slice_columns(0, 4), all.slice_columns(4, 6)).kind, Kind::apart) << "other columns";
  EXPECT_EQ(meeting(all.slice_columns(4, 6), all.slice_columns(0, 4)).kind, Kind::apart);
  EXPECT_EQ(meeting(all.slice_columns(0, 5), all.slice_columns(4, 6)).kind, Kind::row_wise);
  const cuda::Meeting back = meeting(all.slice_columns(4, 6).slice_rows(3, 20), all.slice_columns(0, 5));
  EXPECT_EQ(back.kind, Kind::row_wise);
  EXPECT_EQ(back.shift, -3);
  EXPECT_EQ(meeting(all, view(memory.data(), 2, 60, 10, 12)).kind, Kind::other) << "rows of another length";
  EXPECT_EQ(meeting(all, view(memory.data() + 14, 2, 60, 4, 16)).kind, Kind::row_wise) << "in the next row";
  EXPECT_EQ(meeting(all, view(memory.data() + 8, 2, 60, 10, 16)).kind, Kind::other) << "in two rows";
  EXPECT_EQ(meeting(all, all.slice_models(0, 1)).kind, Kind::other) << "other models";
  EXPECT_EQ(cuda::meeting_of(cuda::access_of(all, true), cuda::access_of(all, false, true)).kind, Kind::other);
}

}  // namespace
}  // namespace cugad::test
