#include "host/methods/gain.hpp"
#include "tests/training/twinned_step.hpp"

/// The gradients of GAIN's step with every term of the loss and dropout against central differences in float64.
namespace cugad::test {
namespace {

using Step = TwinnedStep<GainStep>;

constexpr std::uint32_t generator_lane = 0, discriminator_lane = 64, judge_lane = 128;

DetectorOptions gain_options() {
  DetectorOptions options = small_options();
  options.method = Method::gain;
  options.dropout = 0.25f;
  options.generator_dropout = 0.2f;
  options.label_smoothing = 0.1f;
  options.adversarial = 0.7f;
  return options;
}

double cross_entropy(double logit, double target) { return softplus(logit) - target * logit; }

/// Columns 2 to 4 are a category.
const std::vector<std::int32_t> category = {0, 1, 2, 2, 2};

/// Rows with a category whose value depends on the numbers, and with missing cells.
Matrix rows_with_category() {
  Matrix rows = training_rows(40);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const bool is_missing = r % 7 == 5;
    for (std::int64_t c = 2; c < 5; ++c) {
      const bool is_value = c - 2 == (r % 2 == 0 ? 0 : 1 + r % 3 / 2);
      rows.row(r)[c] = is_missing ? std::nanf("") : (is_value ? 1.0f : 0.0f) - 0.3f;
    }
    if (r % 6 == 1) rows.row(r)[r % 2] = std::nanf("");
  }
  return rows;
}

/// One row of a batch: what is hidden, what is there, and the first column of each cell.
struct Cells {
  std::vector<bool> hidden, there;
  std::vector<std::int64_t> begins;
  Cells(const Step& s, std::int64_t r, bool is_grouped) {
    for (const double cell : row_of(s.step.mask(), r)) hidden.push_back(cell != 0.0);
    for (const double cell : row_of(s.step.given(), r)) there.push_back(!std::isnan(cell));
    for (std::int64_t c = 0; c < 5; ++c) {
      if (!is_grouped || category[static_cast<std::size_t>(c)] == c) begins.push_back(c);
    }
  }
  bool counts(std::int64_t c) const {
    return hidden[static_cast<std::size_t>(c)] && there[static_cast<std::size_t>(c)];
  }
};

double discriminator_loss(const Step& s, const std::vector<double>& flat, std::int64_t t) {
  const RandomKey key = s.dropout(discriminator_lane, t);
  const std::int64_t batch = s.options.batch;
  const double real_target = 1.0 - s.options.label_smoothing;
  double sum = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const auto of_real = s.trace(Role::discriminator, flat, row_of(s.step.real(), r), &key, r).output.back();
    const auto of_imputed =
        s.trace(Role::discriminator, flat, row_of(s.step.imputed(), r), &key, batch + r).output.back();
    const Cells cells(s, r, false);
    const auto count = static_cast<double>(std::count(cells.there.begin(), cells.there.end(), true));
    for (std::size_t c = 0; c < cells.there.size(); ++c) {
      if (!cells.there[c]) continue;
      const double of_draw = cross_entropy(of_imputed[c], cells.hidden[c] ? 0.0 : real_target);
      sum += (0.5 * cross_entropy(of_real[c], real_target) + of_draw) / count;
    }
  }
  return sum / static_cast<double>(batch);
}

/// -log of the probability of the category's value.
double of_category(const std::vector<double>& statistics, const std::vector<double>& x) {
  double total = 0.0, value = 0.0;
  for (std::size_t c = 2; c < 5; ++c) {
    total += std::exp(statistics[c]);
    if (x[c] > 0.0) value = statistics[c];
  }
  return std::log(total) - value;
}

/// `likelihood` receives the part that the step reports.
double generator_loss(const Step& s, const std::vector<double>& flat, const std::vector<double>& judge, std::int64_t t,
                      double* likelihood = nullptr, bool is_grouped = false) {
  const RandomKey key = s.dropout(generator_lane, t), judge_key = s.dropout(judge_lane, t);
  const std::int64_t batch = s.options.batch;
  double unlikely = 0.0, fooled = 0.0;
  for (std::int64_t r = 0; r < batch; ++r) {
    const std::vector<double> statistics =
        s.trace(Role::generator, flat, row_of(s.step.masked(), r), &key, r).output.back();
    const std::vector<double> x = row_of(s.step.real(), r), noise = row_of(s.step.noise(), r);
    const Cells cells(s, r, is_grouped);
    const auto columns = static_cast<std::int64_t>(x.size());
    std::int64_t count = 0, drawn = 0;
    for (const std::int64_t c : cells.begins) count += cells.counts(c) ? 1 : 0;
    for (std::int64_t c = 0; c < columns; ++c) drawn += cells.counts(c) ? 1 : 0;
    std::vector<double> imputed = x;
    for (const std::int64_t c : cells.begins) {
      if (!cells.counts(c)) continue;
      const auto i = static_cast<std::size_t>(c);
      if (is_grouped && c == 2) {
        unlikely += of_category(statistics, x) / static_cast<double>(count);
        double total = 0.0;
        for (std::size_t j = 2; j < 5; ++j) total += std::exp(statistics[j]);
        for (std::size_t j = 2; j < 5; ++j)
          imputed[j] = std::exp(statistics[j]) / total + x[j] - (x[j] > 0.0 ? 1.0 : 0.0);
        continue;
      }
      const double mean = statistics[i], v = std::clamp(statistics[x.size() + i], -7.0, 5.0);
      unlikely += 0.5 * ((mean - x[i]) * (mean - x[i]) * std::exp(-v) + v) / static_cast<double>(count);
      imputed[i] = mean + std::exp(0.5 * v) * noise[i];
    }
    if (s.options.adversarial == 0.0f) continue;
    const auto logit = s.trace(Role::discriminator, judge, imputed, &judge_key, r).output.back();
    for (std::int64_t c = 0; c < columns; ++c) {
      if (cells.counts(c))
        fooled += cross_entropy(logit[static_cast<std::size_t>(c)], 1.0) / static_cast<double>(drawn);
    }
  }
  if (likelihood != nullptr) *likelihood = unlikely / static_cast<double>(batch);
  return (unlikely + s.options.adversarial * fooled) / static_cast<double>(batch);
}

TEST(GainGradient, OfBothNetworks) {
  for (const std::int64_t t : {0, 3}) {
    SCOPED_TRACE("step " + std::to_string(t));
    Step s(gain_options());
    const std::vector<double> generator = s.parameters(Role::generator), before = s.parameters(Role::discriminator);
    s.step.sample(t);
    s.step.impute(t);
    s.step.update_discriminator(t, true);
    const auto loss_of_judge = [&](const std::vector<double>& flat) { return discriminator_loss(s, flat, t); };
    expect_near_all(dense(s.step.discriminator_gradient()), central_differences(before, loss_of_judge), 1e-5,
                    "discriminator");
    EXPECT_NEAR(s.reports[0] + s.reports[1], discriminator_loss(s, before, t), 1e-5);
    const std::vector<double> judge = s.parameters(Role::discriminator);
    s.step.update_generator(t, true);
    const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, t); };
    expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
    double likelihood = 0.0;
    generator_loss(s, generator, judge, t, &likelihood);
    EXPECT_NEAR(s.reports[2], likelihood, 1e-5 * (1.0 + std::abs(likelihood)));
  }
}

/// With the weight 0 the discriminator changes nothing about the generator.
TEST(GainGradient, WithoutTheAdversarialTerm) {
  DetectorOptions options = gain_options();
  options.adversarial = 0.0f;
  Step s(options);
  const std::vector<double> generator = s.parameters(Role::generator), judge = s.parameters(Role::discriminator);
  s.step.sample(0);
  s.step.impute(0);
  s.step.update_generator(0, false);
  const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, 0); };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
}

TEST(GainGradient, OfRowsWithACategoryAndMissingCells) {
  Step s(gain_options(), rows_with_category(), category);
  const std::vector<double> generator = s.parameters(Role::generator), before = s.parameters(Role::discriminator);
  s.step.sample(0);
  s.step.impute(0);
  s.step.update_discriminator(0, true);
  const auto loss_of_judge = [&](const std::vector<double>& flat) { return discriminator_loss(s, flat, 0); };
  expect_near_all(dense(s.step.discriminator_gradient()), central_differences(before, loss_of_judge), 1e-5,
                  "discriminator");
  const std::vector<double> judge = s.parameters(Role::discriminator);
  s.step.update_generator(0, false);
  const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, 0, nullptr, true); };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
}

/// Missing cells are hidden from G, 0 for D, and never drawn; with the adversarial term.
TEST(GainGradient, OfRowsWithMissingCells) {
  Step s(gain_options(), rows_with_category());
  const std::vector<double> generator = s.parameters(Role::generator);
  s.step.sample(0);
  s.step.impute(0);
  s.step.update_discriminator(0, false);
  const std::vector<double> judge = s.parameters(Role::discriminator);
  s.step.update_generator(0, false);
  const auto loss = [&](const std::vector<double>& flat) { return generator_loss(s, flat, judge, 0); };
  expect_near_all(dense(s.step.generator_gradient()), central_differences(generator, loss), 1e-5, "generator");
  int missing = 0;
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    const Cells cells(s, r, false);
    for (std::size_t c = 0; c < cells.there.size(); ++c) {
      if (cells.there[c]) continue;
      ++missing;
      EXPECT_TRUE(cells.hidden[c]);
      EXPECT_EQ(row_of(s.step.masked(), r)[c], 0.0);
      EXPECT_EQ(row_of(s.step.real(), r)[c], 0.0);
      EXPECT_EQ(row_of(s.step.imputed(), r)[c], 0.0);
    }
  }
  EXPECT_GT(missing, 0);
}

/// A category is hidden as a whole, and shows D the probabilities of its values.
TEST(GainStep, HidesCategoriesAsAWhole) {
  Step s(gain_options(), rows_with_category(), category);
  int hidden = 0;
  for (std::int64_t t = 0; t < 10; ++t) {
    s.step.sample(t);
    s.step.impute(t);
    for (std::int64_t r = 0; r < s.options.batch; ++r) {
      const Cells cells(s, r, true);
      EXPECT_TRUE(cells.hidden[2] == cells.hidden[3] && cells.hidden[2] == cells.hidden[4]);
      if (!cells.counts(2)) continue;
      double sum = 0.0;
      for (std::size_t c = 2; c < 5; ++c) sum += row_of(s.step.imputed(), r)[c] + 0.3;
      EXPECT_NEAR(sum, 1.0, 1e-5);
      ++hidden;
    }
  }
  EXPECT_GT(hidden, 0);
}

/// Every row of a step hides at least one cell, and what is visible goes through as it is.
TEST(GainStep, DrawsHiddenCellsOnly) {
  Step s(gain_options());
  s.step.sample(1);
  s.step.impute(1);
  for (std::int64_t r = 0; r < s.options.batch; ++r) {
    const std::vector<double> x = row_of(s.step.real(), r), drawn = row_of(s.step.imputed(), r);
    const std::vector<bool> hidden = Cells(s, r, false).hidden;
    EXPECT_GE(std::count(hidden.begin(), hidden.end(), true), 1);
    for (std::size_t c = 0; c < hidden.size(); ++c) EXPECT_EQ(drawn[c] != x[c], hidden[c]) << r << ", " << c;
  }
}

/// Rows of two clusters: hidden cells follow from visible ones, so that their likelihood is far above that of a
/// Gaussian per column, whose loss is near log(1.04) / 2 + 1 / 2.
TEST(GainStep, LearnsWhatColumnsHaveInCommon) {
  DetectorOptions options = gain_options();
  options.dropout = options.generator_dropout = 0.0f;
  options.hidden = {32, 32};
  options.steps = options.decay_steps = 800;
  const auto training = trained(options, training_rows());
  EXPECT_EQ(training->telemetry()[0].restorations, 0);
  EXPECT_LT(training->telemetry()[0].generator_loss, -0.2f);
}

}  // namespace
}  // namespace cugad::test
