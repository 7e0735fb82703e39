#include "host/backend/arena.hpp"
#include "host/backend/transfer.hpp"
#include "tests/common/device.hpp"
#include "tests/emulator/fixture.hpp"

/// The ops of kernels/masks in a recorded step of a population.
namespace cugad::test {
namespace {

class RecordedMasks : public emulator_test::Emulated {};

constexpr std::int64_t models = 3, rows = 40, columns = 37, conditions = 2, width = columns + conditions;

/// A step that hides cells, draws and judges them, and what it leaves behind.
class Step {
 public:
  explicit Step(const Device& device) : context(device.make_context()), arena_(context) {
    x_ = uniform("x", width, 0);
    statistics_ = uniform("statistics", 2 * columns, 1);
    noise_ = uniform("noise", columns, 2);
  }

  void issue() {
    const auto mask = masked_.slice_columns(width, columns);
    MaskColumns hide;
    hide.x = x_;
    hide.key = {.seed = 4, .purpose = RandomPurpose::dropout, .step_counter = counter_.data};
    hide.out = masked_;
    run(context, hide);
    GaussianImputation draw;
    draw.statistics = statistics_;
    draw.x = x_;
    draw.mask = mask;
    draw.noise = noise_;
    draw.out = drawn_;
    run(context, draw);
    CellCrossEntropy judge;
    judge.logit = drawn_.slice_columns(0, columns);
    judge.mask = mask;
    judge.dlogit = judged_;
    judge.loss = means_.slice_columns(0, 1);
    judge.mean_probability = means_.slice_columns(1, 1);
    run(context, judge);
    GaussianLikelihood rate;
    rate.statistics = statistics_;
    rate.x = x_.slice_columns(0, columns);
    rate.mask = mask;
    rate.dstatistics = gradient_;
    rate.loss = means_.slice_columns(2, 1);
    rate.dimputed = judged_;
    rate.noise = noise_;
    run(context, rate);
    run(context,
        AdvanceStep{
            .step_counter = counter_.data, .rate_scale = rate_scale_.data, .final_rate = 1.0, .decay_steps = 1});
  }

  /// All numbers that the last step wrote.
  std::vector<float> results() {
    std::vector<float> all;
    for (const StackView<float>& written : {masked_, drawn_, judged_, gradient_, means_}) {
      const auto values = download(context, written.data, written.models * written.model_stride);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  Context context;

 private:
  StackView<float> uniform(const char* name, std::int64_t count, std::uint32_t lane) {
    const StackView<float> values = arena_.stack(name, models, rows, count);
    run(context, FillUniform{.out = values, .key = {.seed = 7, .lane = lane}, .low = -2.0f, .high = 2.0f});
    return values;
  }

  Arena arena_;
  StackView<float> x_, statistics_, noise_;
  StackView<float> masked_ = arena_.stack("masked", models, rows, width + columns);
  StackView<float> drawn_ = arena_.stack("drawn", models, rows, width);
  StackView<float> judged_ = arena_.stack("judged", models, rows, columns);
  StackView<float> gradient_ = arena_.stack("gradient", models, rows, 2 * columns);
  StackView<float> means_ = arena_.stack("means", models, 1, 3);
  StackView<std::uint32_t> counter_ = arena_.stack<std::uint32_t>("step counter", 1, 1, 1);
  StackView<float> rate_scale_ = arena_.stack("rate scale", 1, 1, 1);
};

/// Every replay draws the masks of its own step, read from device memory, and all kernels are launched early.
TEST_F(RecordedMasks, HaveTheNumbersOfOpsOneByOne) {
  Step expected(Device::open("cpu", 1)), step(test_device());
  Backend& backend = step.context.backend();
  step.context.plan([&] { step.issue(); });
  {
    const KernelLoading loading(backend);
    step.issue();
  }
  backend.begin_recording(step.context.stream());
  backend.join(step.context, [&] { step.issue(); });
  const auto recording = backend.end_recording(step.context.stream());
  std::vector<float> before;
  for (int i = 0; i < 3; ++i) {
    emulator::clear_calls();
    recording->launch(step.context.stream());
    expected.issue();
    const std::vector<float> results = step.results();
    EXPECT_EQ(results, expected.results()) << "step " << i;
    EXPECT_NE(results, before) << "step " << i;
    before = results;
    EXPECT_EQ(emulator::calls()["early kernel"], 7u) << "two losses have a kernel that adds their chunks";
    EXPECT_EQ(emulator::calls()["kernel"], 7u);
  }
  EXPECT_EQ(emulator::report(), "");
}

}  // namespace
}  // namespace cugad::test
