#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "cugad/fleet.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/folds.hpp"
#include "host/detector/model_rows.hpp"
#include "host/methods/methods.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/training/gan_training.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Each model leaves out a fold of the training rows, and is calibrated on it.
namespace cugad::test {
namespace {

/// Independent normal columns: a small table is easily learnt by heart.
Matrix noise_rows(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(numbers.normal());
  return matrix;
}

std::vector<std::int64_t> fold_of_rows(const Folds& folds) { return {folds.of_row.begin(), folds.of_row.end()}; }

TEST(Folds, PartTheRowsEvenly) {
  for (const std::int64_t count : {2, 3, 5}) {
    for (const std::int64_t rows : {5, 17, 100, 1003}) {
      const Folds folds = make_folds(noise_rows(rows, 3, static_cast<std::uint64_t>(rows)), count);
      ASSERT_EQ(folds.count(), count);
      const std::vector<std::int64_t> order = folds.order();
      std::vector<std::int64_t> all = order;
      std::sort(all.begin(), all.end());
      for (std::int64_t r = 0; r < rows; ++r) EXPECT_EQ(all[r], r);
      for (std::int64_t k = 0; k < count; ++k) {
        EXPECT_NEAR(static_cast<double>(folds.size(k)), static_cast<double>(rows) / static_cast<double>(count), 1.0);
        EXPECT_TRUE(std::is_sorted(order.begin() + folds.begin[k], order.begin() + folds.begin[k + 1]));
      }
    }
  }
}

TEST(Folds, EqualRowsShareOne) {
  Matrix rows = noise_rows(90, 4, 3);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::copy_n(rows.row(r % 30), rows.columns, rows.row(r));
    if (r % 30 == 7) rows.row(r)[2] = r < 45 ? 0.0f : -0.0f;
    if (r % 30 == 8) rows.row(r)[2] = missing;
  }
  const std::vector<std::int64_t> fold = fold_of_rows(make_folds(rows, 5));
  for (std::int64_t r = 30; r < rows.rows; ++r) EXPECT_EQ(fold[r], fold[r % 30]) << r;
}

/// The fold of a row follows from the contents of the table, whatever the order of its rows.
TEST(Folds, DoNotDependOnTheOrder) {
  const Matrix rows = noise_rows(200, 3, 4);
  std::vector<std::int64_t> shuffled(200);
  for (std::int64_t r = 0; r < 200; ++r) shuffled[r] = (r * 77 + 13) % 200;
  const std::vector<std::int64_t> fold = fold_of_rows(make_folds(rows, 5));
  const std::vector<std::int64_t> other = fold_of_rows(make_folds(take_rows(rows, shuffled), 5));
  for (std::int64_t r = 0; r < 200; ++r) EXPECT_EQ(other[r], fold[shuffled[r]]);
}

TEST(Folds, AreNoMoreThanDistinctRows) {
  const auto folds_of_copies = [](std::int64_t distinct) {
    Matrix rows = noise_rows(40, 2, 5);
    for (std::int64_t r = distinct; r < 40; ++r) std::copy_n(rows.row(r % distinct), 2, rows.row(r));
    return make_folds(rows, 5);
  };
  EXPECT_EQ(folds_of_copies(1).count(), 1);
  EXPECT_EQ(folds_of_copies(3).count(), 3);
  EXPECT_EQ(folds_of_copies(5).count(), 5);
  EXPECT_EQ(make_folds(noise_rows(1, 2, 6), 5).count(), 1);
  const Folds none = make_folds(noise_rows(9, 2, 6), 1);
  const std::vector<std::int64_t> order = none.order();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

/// A population is its models trained alone, each with its seed and its fold.
TEST(CrossFitting, PopulationIsItsModelsTrainedAlone) {
  const TemporaryDirectory directory;
  const Matrix rows = normal_rows(203, 1);
  DetectorOptions options = quick_options();
  options.population = 4;
  options.folds = 3;
  options.fold = 2;
  fitted(options, rows).save(directory.file("all"));
  const safetensors::File all = safetensors::read(directory.file("all"));
  for (int m = 0; m < options.population; ++m) {
    DetectorOptions alone = options;
    alone.population = 1;
    alone.seed = options.seed + static_cast<std::uint64_t>(m);
    alone.fold = (options.fold + m) % options.folds;
    fitted(alone, rows).save(directory.file("one"));
    for (const auto& [name, tensor] : safetensors::read(directory.file("one")).tensors) {
      const std::vector<float>& together = all.tensors.at(name).f32;
      const std::vector<float> own(together.begin() + m * static_cast<std::ptrdiff_t>(tensor.f32.size()),
                                   together.begin() + (m + 1) * static_cast<std::ptrdiff_t>(tensor.f32.size()));
      EXPECT_TRUE(same_bits(own, tensor.f32)) << name << " of model " << m;
    }
  }
}

/// A model knows nothing of the rows that it leaves out: other rows in their place train the same weights.
TEST(CrossFitting, LeftOutRowsDoNotTrain) {
  const Device device = test_device(1);
  Context context = device.make_context();
  DetectorOptions options = quick_options();
  options.decay_steps = 4000;
  options.steps = 600;  // past a check of label-free stopping, which looks at rows too
  const auto weights = [&](std::int64_t changed_row) {
    Matrix rows = normal_rows(120, 7);
    rows.row(changed_row)[0] += 1.0f;
    Arena arena(device.backend());
    const ResidentRows resident(context, std::as_const(rows).view());
    ModelRows models;
    models.add(0, {0, 40, 80, 120}, 2, 1, options.seed);  // model 0 leaves out rows 40 to 79, model 1 the last 40
    GanTraining training(device, definition_of(options.method), options, models.of(resident.view(), context, arena));
    training.run({});
    std::vector<std::vector<float>> found;
    for (std::int64_t m = 0; m < 2; ++m) {
      const StackView<const float> all = training.states()[Role::generator].scoring();
      found.push_back(download(context, all.model(m).data, all.columns));
    }
    return found;
  };
  const auto first = weights(0), middle = weights(60), last = weights(119);
  EXPECT_TRUE(same_bits(middle[0], weights(79)[0]));
  EXPECT_TRUE(same_bits(last[1], weights(80)[1]));
  EXPECT_FALSE(same_bits(first[0], middle[0]));
  EXPECT_FALSE(same_bits(first[1], last[1]));
}

struct Share {
  double flagged = 0, error = 0;
};
/// The share of new normal rows above the threshold over some small tables, and its standard error.
template <class Fit>
Share share_of_fresh_rows_flagged(std::int64_t rows, Fit&& fit) {
  constexpr int tables = 6;
  std::vector<double> shares;
  for (int table = 0; table < tables; ++table) {
    const Matrix training = noise_rows(rows, 12, static_cast<std::uint64_t>(1 + 2 * table));
    const Matrix fresh = noise_rows(400, 12, static_cast<std::uint64_t>(2 + 2 * table));
    const auto [scores, threshold] = fit(training, fresh);
    const auto flagged = std::count_if(scores.begin(), scores.end(), [t = threshold](float s) { return s >= t; });
    shares.push_back(static_cast<double>(flagged) / 400);
  }
  Share share;
  for (const double one : shares) share.flagged += one / tables;
  // Of one table: its own rows and the calibrating ones.
  share.error = std::sqrt(0.05 * 0.95 * (1.0 / 400 + 1.0 / static_cast<double>(rows)) / tables);
  return share;
}

DetectorOptions overfitting_options() {
  DetectorOptions options = quick_options();
  options.population = 5;
  options.hidden = options.discriminator_hidden = {48};
  options.steps = 800;
  options.bank_rows = 500;
  options.patience = 0;
  return options;
}

TEST(CrossFitting, SmallTablesLearntByHeartKeepTheirPromise) {
  for (const Method method : {Method::anogan, Method::gan, Method::ganomaly}) {
    DetectorOptions options = overfitting_options();
    options.method = method;
    const auto measured = [&](int folds) {
      options.folds = folds;
      return share_of_fresh_rows_flagged(60, [&](const Matrix& training, const Matrix& fresh) {
        Detector detector = fitted(options, training);
        return std::pair(detector.score(fresh.view()), detector.threshold());
      });
    };
    const Share honest = measured(0);
    EXPECT_NEAR(honest.flagged, 0.05, 0.02 + 4 * honest.error) << get_option(options, "method");
    EXPECT_GT(measured(1).flagged, 0.15) << get_option(options, "method")
                                         << ": not learnt by heart, so nothing is shown";
  }
}

/// A population of 1 is calibrated on the fold that it leaves out.
TEST(CrossFitting, OneModelKeepsItsPromise) {
  DetectorOptions options = overfitting_options();
  options.population = 1;
  const Share share = share_of_fresh_rows_flagged(200, [&](const Matrix& training, const Matrix& fresh) {
    Detector detector = fitted(options, training);
    return std::pair(detector.score(fresh.view()), detector.threshold());
  });
  EXPECT_NEAR(share.flagged, 0.05, 0.02 + 4 * std::sqrt(5.0) * share.error);
}

TEST(CrossFitting, ProbabilitiesOfFreshRowsAreUniform) {
  std::vector<double> ranks;
  for (std::uint64_t table = 0; table < 4; ++table) {
    Detector detector = fitted(overfitting_options(), noise_rows(100, 12, 100 + table));
    const std::vector<float> scores = detector.score(noise_rows(300, 12, 200 + table).view());
    for (const float rank : detector.probability(scores, Probability::rank)) ranks.push_back(rank);
  }
  std::sort(ranks.begin(), ranks.end());
  double distance = 0;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    distance = std::max(distance, std::abs(ranks[r] - static_cast<double>(r) / static_cast<double>(ranks.size())));
  }
  // 99.9 % of two samples' distances (Kolmogorov and Smirnov), 400 calibrating rows and 1,200 fresh ones, are below
  // .113.
  EXPECT_LT(distance, 0.113 + 0.03);
}

/// A table that holds each row twice is no larger than one that holds it once.
TEST(CrossFitting, DuplicatedRowsDoNotStandForNewOnes) {
  const Share share = share_of_fresh_rows_flagged(60, [&](const Matrix& training, const Matrix& fresh) {
    Matrix twice(120, training.columns);
    for (std::int64_t r = 0; r < 120; ++r) std::copy_n(training.row(r / 2), training.columns, twice.row(r));
    Detector detector = fitted(overfitting_options(), twice);
    return std::pair(detector.score(fresh.view()), detector.threshold());
  });
  EXPECT_NEAR(share.flagged, 0.05, 0.02 + 4 * share.error);
}

/// One row, or copies of one: no model can leave it out, and none of it is flagged.
TEST(CrossFitting, TrainingRowsOfOneKindAreNotFlagged) {
  for (const std::int64_t rows : {1, 2, 200}) {
    DetectorOptions options = quick_options();
    options.population = 5;
    Matrix same(rows, 3);
    for (std::int64_t r = 0; r < rows; ++r) same.row(r)[0] = same.row(r)[1] = same.row(r)[2] = 4.0f;
    Detector detector = fitted(options, same);
    for (const float score : detector.score(same.view())) EXPECT_LT(score, detector.threshold()) << rows;
  }
}

/// The models of a fleet's groups are calibrated like detectors of the groups' rows.
TEST(CrossFitting, FleetKeepsItsPromise) {
  DetectorOptions options = overfitting_options();
  options.population = 2;
  options.folds = 2;
  const Share share = share_of_fresh_rows_flagged(100, [&](const Matrix& training, const Matrix& fresh) {
    std::vector<std::string> groups, fresh_groups;
    Matrix both(200, training.columns);
    for (std::int64_t r = 0; r < 200; ++r) {
      groups.push_back(r < 100 ? "a" : "b");
      for (std::int64_t c = 0; c < training.columns; ++c) {
        both.row(r)[c] = r < 100 ? training.row(r)[c] : 10.0f + training.row(r - 100)[c];
      }
    }
    for (std::int64_t r = 0; r < fresh.rows; ++r) fresh_groups.push_back("a");
    Fleet fleet(test_device(2), options, {.minimum_rows = 50, .pooled_rows = 100});
    fleet.fit(both.view(), groups);
    return std::pair(fleet.score(fresh.view(), fresh_groups), fleet.thresholds(fresh_groups).front());
  });
  EXPECT_NEAR(share.flagged, 0.05, 0.02 + 4 * share.error);
}

}  // namespace
}  // namespace cugad::test
