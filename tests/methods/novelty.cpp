#include "host/detector/novelty.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <nlohmann/json.hpp>

#include "cugad/fleet.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/methods.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// What is absent or new is not innocent.
namespace cugad::test {
namespace {

/// Columns "a" and "b" (numbers), "single" (always 3), and a category "user" of `users` values, all about equally
/// often.
struct UserTable {
  std::vector<std::string> names = {"a", "b", "single"};
  Matrix rows;
  std::int64_t users = 0;

  UserTable(std::int64_t count, std::int64_t users_, std::uint64_t seed) : rows(count, 3 + users_), users(users_) {
    for (std::int64_t u = 0; u < users; ++u) names.push_back("user=" + std::to_string(u));
    RandomNumbers numbers(seed);
    for (std::int64_t r = 0; r < count; ++r) {
      rows.row(r)[0] = static_cast<float>(numbers.normal());
      rows.row(r)[1] = static_cast<float>(10.0 + rows.row(r)[0] + 0.3 * numbers.normal());
      rows.row(r)[2] = 3.0f;
      rows.row(r)[3 + r % users] = 1.0f;
    }
  }
  /// The row with another user; -1: one that is not known.
  std::vector<float> with_user(std::int64_t r, std::int64_t user) const {
    std::vector<float> row(rows.row(r), rows.row(r) + rows.columns);
    std::fill(row.begin() + 3, row.end(), 0.0f);
    if (user >= 0) row[static_cast<std::size_t>(3 + user)] = 1.0f;
    return row;
  }
};

Matrix matrix_of(const std::vector<std::vector<float>>& rows) {
  Matrix matrix(static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.front().size()));
  for (std::size_t r = 0; r < rows.size(); ++r)
    std::copy(rows[r].begin(), rows[r].end(), matrix.row(static_cast<std::int64_t>(r)));
  return matrix;
}

Detector fitted_on(const UserTable& table, const DetectorOptions& options) {
  Detector detector(test_device(2), options);
  detector.fit(table.rows.view(), {.names = table.names, .binary = table.rows.columns - 3});
  return detector;
}

double nats(double probability) { return std::max(0.0, std::log(0.05 / probability)); }

TEST(Novelty, ProbabilitiesAreGoodAndTurings) {
  UserTable table(400, 4, 1);
  for (std::int64_t r = 0; r < 40; ++r) table.rows.row(r)[1] = missing;
  table.rows.row(7)[0] = missing;
  // Two users that occur once, and one row without a user.
  const auto set_user = [&](std::int64_t r, std::int64_t user) {
    const std::vector<float> row = table.with_user(r, user);
    std::copy(row.begin(), row.end(), table.rows.row(r));
  };
  for (std::int64_t r = 0; r < 400; ++r) set_user(r, r == 100 ? 2 : r == 101 ? 3 : r % 2);
  std::fill_n(table.rows.row(102) + 3, 4, missing);
  Novelty novelty;
  std::vector<std::int64_t> all(400);
  for (std::int64_t r = 0; r < 400; ++r) all[r] = r;
  novelty.fit(table.rows.view(), table.names, 3, make_folds(table.rows, 1), all);
  ASSERT_EQ(novelty.sources().size(), 8u);  // 7 columns and a category
  const auto& sources = novelty.sources();
  EXPECT_NEAR(sources[0].missing, nats(2.0 / 401), 1e-6);
  EXPECT_EQ(sources[1].missing, 0.0f);  // a tenth of the rows lacks it
  EXPECT_NEAR(sources[2].missing, nats(1.0 / 401), 1e-6);
  EXPECT_NEAR(sources[2].unseen, nats(1.0 / 401), 1e-6);
  EXPECT_EQ(sources[2].constant, 3.0f);
  EXPECT_NEAR(sources[7].missing, nats(2.0 / 401), 1e-6);
  EXPECT_NEAR(sources[7].unseen, nats(3.0 / 400), 1e-6);  // two of 399 users are seen once
  for (const std::size_t s : {3u, 4u, 5u, 6u}) {
    EXPECT_EQ(sources[s].missing, 0.0f);
    EXPECT_EQ(sources[s].unseen, 0.0f);
  }
  EXPECT_EQ(novelty.constant_columns(), std::vector<std::int64_t>{2});
}

/// A row whose user occurs in its own fold only is new to the models that left the fold out.
TEST(Novelty, CalibrationSeesWhatIsNewToTheModels) {
  UserTable table(300, 10, 2);
  for (std::int64_t r = 0; r < 300; ++r) {
    const std::vector<float> row = table.with_user(r, r == 30 ? 9 : r % 8);
    std::copy(row.begin(), row.end(), table.rows.row(r));
  }
  table.rows.row(50)[2] = 4.0f;  // the column is constant in all other folds
  const Folds folds = make_folds(table.rows, 5);
  std::vector<std::int64_t> all(300);
  for (std::int64_t r = 0; r < 300; ++r) all[r] = r;
  Novelty novelty;
  const std::vector<float> surprise = novelty.fit(table.rows.view(), table.names, 3, folds, all);
  for (std::int64_t r = 0; r < 300; ++r) EXPECT_EQ(surprise[r] > 0.0f, r == 30 || r == 50) << r;
  EXPECT_NEAR(surprise[30], nats(1.0 / 241), 0.05);
  // User 8 occurs nowhere: in this table a column that is always 0.
  EXPECT_EQ(novelty.sources()[3 + 8].kind, SourceKind::single_number);
}

/// Columns that nearly never change, many of them: what is common in sum counts little.
TEST(Novelty, CommonSurprisesCountLess) {
  RandomNumbers numbers(3);
  Matrix rows(500, 400);
  for (std::int64_t r = 0; r < 500; ++r) rows.row(r)[numbers.below(400)] = 1.0f;
  const Folds folds = make_folds(rows, 5);
  std::vector<std::string> names;
  for (int c = 0; c < 400; ++c) names.push_back(std::to_string(c));
  std::vector<std::int64_t> all(500);
  for (std::int64_t r = 0; r < 500; ++r) all[r] = r;
  Novelty novelty;
  std::vector<float> surprise = novelty.fit(rows.view(), names, 400, folds, all);
  std::sort(surprise.begin(), surprise.end());
  EXPECT_LE(surprise[474], 1.0f);
}

class NoveltyOfMethods : public testing::TestWithParam<const MethodDefinition*> {
 protected:
  DetectorOptions options() const {
    DetectorOptions options = quick_options();
    options.method = GetParam()->method;
    options.population = 5;
    options.steps = 400;
    options.hidden = options.discriminator_hidden = options.encoder_hidden = {32};
    return options;
  }
};

TEST_P(NoveltyOfMethods, UnknownCategoriesRaiseTheScore) {
  const UserTable table(400, 8, 4);
  Detector detector = fitted_on(table, options());
  const UserTable fresh(20, 8, 5);
  for (std::int64_t r = 0; r < fresh.rows.rows; ++r) {
    std::vector<std::vector<float>> rows = {fresh.with_user(r, -1)};
    for (std::int64_t user = 0; user < 8; ++user) rows.push_back(fresh.with_user(r, user));
    const std::vector<float> scores = detector.score(matrix_of(rows).view());
    EXPECT_GT(scores[0], *std::max_element(scores.begin() + 1, scores.end())) << r;
  }
  std::vector<Explanation> explanations;
  const std::vector<float> explained = detector.explain(matrix_of({fresh.with_user(0, -1)}).view(), 1, explanations);
  EXPECT_EQ(explanations[0].column[0], 3);
  EXPECT_EQ(explanations[0].finding[0], Finding::unseen);
  EXPECT_EQ(explained[0], detector.score(matrix_of({fresh.with_user(0, -1)}).view())[0]);
}

TEST_P(NoveltyOfMethods, MissingCellsAreAFindingWhereNoneWas) {
  Detector detector = fitted_on(UserTable(400, 4, 6), options());
  UserTable fresh(50, 4, 7);
  const std::vector<float> before = detector.score(fresh.rows.view());
  Matrix emptied = fresh.rows;
  for (std::int64_t r = 0; r < emptied.rows; ++r) emptied.row(r)[0] = emptied.row(r)[1] = missing;
  const std::vector<float> after = detector.score(emptied.view());
  int flagged = 0;
  for (std::size_t r = 0; r < after.size(); ++r) {
    EXPECT_GT(after[r], before[r] - 0.5f) << r;
    flagged += after[r] >= detector.threshold();
  }
  EXPECT_GE(flagged, 48);
  std::vector<Explanation> explanations;
  detector.explain(emptied.view(), 2, explanations);
  for (const Explanation& one : explanations) {
    EXPECT_TRUE(std::count(one.finding.begin(), one.finding.end(), Finding::missing) == 2);
  }
}

TEST_P(NoveltyOfMethods, RowsWithoutAnyValueHaveNoScore) {
  Detector detector = fitted_on(UserTable(200, 3, 8), options());
  Matrix rows = UserTable(3, 3, 9).rows;
  std::fill_n(rows.row(1), rows.columns, missing);
  const std::vector<float> scores = detector.score(rows.view());
  EXPECT_FALSE(std::isnan(scores[0]));
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_FALSE(std::isnan(scores[2]));
  EXPECT_TRUE(std::isnan(detector.probability(scores, Probability::rank)[1]));
}

/// Nor do they teach anything: without them the same bytes come of the same training.
TEST(Novelty, RowsWithoutAnyValueDoNotTrain) {
  const TemporaryDirectory directory;
  const Matrix rows = normal_rows(200, 30);
  std::vector<std::string> groups(200, "a"), more_groups;
  Matrix more(240, rows.columns);
  for (std::int64_t r = 0; r < more.rows; ++r) {
    if (r % 6 == 5) {
      std::fill_n(more.row(r), more.columns, missing);
    } else {
      std::copy_n(rows.row(r - r / 6), rows.columns, more.row(r));
    }
    more_groups.push_back(r % 6 == 5 ? "empty" : "a");
  }
  const DetectorOptions options = quick_options();
  fitted(options, rows).save(directory.file("one"));
  std::string messages;
  FitControl control;
  control.on_message = [&](const std::string& text) { messages += text + "\n"; };
  Detector detector(test_device(1), options);
  detector.fit(more.view(), control);
  detector.save(directory.file("other"));
  EXPECT_EQ(read_text(directory.file("other")), read_text(directory.file("one")));
  EXPECT_NE(messages.find("rows without any value are left out: 40 of 240"), std::string::npos) << messages;

  const auto save_fleet = [&](const Matrix& all, const std::vector<std::string>& names, const char* file) {
    Fleet fleet(test_device(1), options, {.minimum_rows = 20});
    fleet.fit(all.view(), names);
    fleet.save(directory.file(file));
    return read_text(directory.file(file));
  };
  EXPECT_EQ(save_fleet(rows, groups, "fleet"), save_fleet(more, more_groups, "other fleet"));

  Matrix nothing(5, 3);
  std::fill(nothing.data.begin(), nothing.data.end(), missing);
  expect_error(ErrorCode::invalid_argument, {"no row that holds a value"}, [&] { detector.fit(nothing.view()); });
}

INSTANTIATE_TEST_SUITE_P(All, NoveltyOfMethods, testing::ValuesIn(methods_of_any_table()),
                         [](const auto& info) { return std::string(info.param->name); });

/// Rows that are all alike: a missing or another value is never more normal than the rows themselves, and it is named.
TEST(Novelty, StandsOutAmongEqualRows) {
  Matrix rows(60, 2), fresh(3, 2);
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[0] = 8.34f, rows.row(r)[1] = -0.5f;
  for (std::int64_t r = 0; r < fresh.rows; ++r) std::copy_n(rows.row(0), 2, fresh.row(r));
  fresh.row(1)[0] = missing;
  fresh.row(2)[0] = 50.0f;
  DetectorOptions options = quick_options();
  options.population = 1;
  Detector detector = fitted(options, rows);
  std::vector<Explanation> explanations;
  const std::vector<float> scores = detector.explain(fresh.view(), 1, explanations);
  EXPECT_LT(scores[0], detector.threshold());
  EXPECT_GT(scores[1], scores[0] + 0.3f);
  EXPECT_GE(scores[2], detector.threshold());
  EXPECT_GT(scores[2], scores[0] + 0.3f);
  for (const int r : {1, 2}) {
    EXPECT_EQ(explanations[r].column[0], 0);
    EXPECT_EQ(explanations[r].finding[0], r == 1 ? Finding::missing : Finding::unseen);
  }
}

/// Whatever the unit of the column.
TEST(Novelty, ChangedConstantsAreFlagged) {
  for (const float unit : {1e-6f, 1.0f, 1e6f}) {
    Matrix rows = normal_rows(400, 10), fresh = normal_rows(50, 11);
    for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[2] = unit;
    for (std::int64_t r = 0; r < fresh.rows; ++r) {
      std::copy_n(fresh.row(r - r % 2), fresh.columns, fresh.row(r));
      fresh.row(r)[2] = unit * (r % 2 == 0 ? 1.0f : 1.5f);
    }
    Detector detector = fitted(quick_options(), rows);
    const std::vector<float> scores = detector.score(fresh.view());
    for (std::int64_t r = 1; r < fresh.rows; r += 2) {
      EXPECT_GE(scores[r], detector.threshold()) << unit << " row " << r;
      EXPECT_GT(scores[r], scores[r - 1] + 1.0f) << unit << " row " << r;
    }
  }
}

/// As in the ops, which could not tell them apart.
TEST(Novelty, SubnormalNumbersAreOneConstant) {
  Matrix training = normal_rows(300, 1), rows = normal_rows(4, 2);
  // By their bits: this program may count them as 0 as well.
  const auto subnormal = [](std::int64_t r) { return std::bit_cast<float>(static_cast<std::uint32_t>(1 + 997 * r)); };
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[2] = subnormal(r);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::copy_n(rows.row(0), rows.columns, rows.row(r));
    rows.row(r)[2] = std::array{0.0f, subnormal(9), 1e-30f, 1.0f}[static_cast<std::size_t>(r)];
  }
  for (const Method method : {Method::knn, Method::gain}) {
    DetectorOptions options = quick_options();
    options.method = method;
    const std::vector<float> scores = fitted(options, training).score(rows.view());
    EXPECT_EQ(scores[1], scores[0]);
    EXPECT_GT(scores[2], scores[0] + 0.5f);
    EXPECT_GE(scores[3], scores[2]);
  }
}

/// Where half of the cells are missing in training, too, the score of such rows is neither lower nor higher. Encoders
/// see means in place of what is missing, here rows between the clusters, and rebuild them less well.
TEST(Novelty, ExpectedMissingnessIsNoFinding) {
  const auto with_holes = [](Matrix rows, std::uint64_t seed) {
    RandomNumbers numbers(seed);
    for (std::int64_t r = 0; r < rows.rows; r += 2) {
      for (std::int64_t c = 0; c < rows.columns; ++c) {
        if (numbers.uniform() < 0.5 && c != r % rows.columns) rows.row(r)[c] = missing;
      }
    }
    return rows;
  };
  for (const Method method : {Method::anogan, Method::fanogan, Method::ganomaly}) {
    DetectorOptions options = quick_options();
    options.method = method;
    options.population = 5;
    options.steps = 1000;
    Detector detector = fitted(options, with_holes(normal_rows(1000, 12), 13));
    const std::vector<float> scores = detector.score(with_holes(normal_rows(1000, 14), 15).view());
    std::vector<float> holes, complete;
    for (std::size_t r = 0; r < scores.size(); ++r) (r % 2 == 0 ? holes : complete).push_back(scores[r]);
    const auto median = [](std::vector<float>& values) {
      std::nth_element(values.begin(), values.begin() + 250, values.end());
      return values[250];
    };
    EXPECT_NEAR(median(holes), median(complete), method == Method::anogan ? 0.6 : 1.6) << get_option(options, "method");
    const auto flagged =
        std::count_if(scores.begin(), scores.end(), [&](float s) { return s >= detector.threshold(); });
    EXPECT_LT(flagged, 90) << get_option(options, "method");
  }
}

/// A value below 0 in a column of large positive ones is farther off than 0.
TEST(Novelty, NegativeValuesUnderALogarithmAreSeen) {
  RandomNumbers numbers(16);
  Matrix rows(500, 3);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    rows.row(r)[0] = static_cast<float>(numbers.normal());
    rows.row(r)[1] = static_cast<float>(std::exp(6.0 + 1.5 * numbers.normal()));
    rows.row(r)[2] = static_cast<float>(numbers.normal());
  }
  Detector detector = fitted(quick_options(), rows);
  float last = -1e9f;
  for (const float value : {0.0f, -10.0f, -1e3f, -1e9f}) {
    const float score = detector.score(matrix_of({{0.0f, value, 0.0f}}).view())[0];
    EXPECT_GT(score, last) << value;
    last = score;
  }
  EXPECT_GT(last, detector.threshold());
}

TEST(Novelty, NoneWithoutWeight) {
  DetectorOptions options = quick_options();
  options.novelty = 0.0f;
  const UserTable table(200, 4, 17);
  Detector detector = fitted_on(table, options);
  const TemporaryDirectory directory;
  detector.save(directory.file("model"));
  EXPECT_FALSE(safetensors::read(directory.file("model")).metadata.contains("novelty"));
  std::vector<Explanation> explanations;
  detector.explain(matrix_of({table.with_user(0, -1)}).view(), 7, explanations);
  for (const Finding finding : explanations[0].finding) EXPECT_EQ(finding, Finding::residual);
}

/// Files, shared handles and fleets know the same.
TEST(Novelty, IsPartOfTheModel) {
  const TemporaryDirectory directory;
  UserTable table(200, 6, 18);
  DetectorOptions options = quick_options();
  options.ensemble = {Method::fanogan};
  Detector detector = fitted_on(table, options);
  std::vector<std::vector<float>> rows = {table.with_user(0, 1), table.with_user(1, -1), table.with_user(2, 2)};
  rows[2][0] = missing;
  const Matrix asked = matrix_of(rows);
  const std::vector<float> scores = detector.score(asked.view());
  detector.save(directory.file("model"));
  EXPECT_TRUE(same_bits(Detector::load(test_device(1), directory.file("model")).score(asked.view()), scores));
  EXPECT_TRUE(same_bits(detector.share().score(asked.view()), scores));

  using Json = nlohmann::json;
  const safetensors::File good = safetensors::read(directory.file("model"));
  const std::vector<std::function<void(Json&)>> damages = {
      [](Json& n) { n = Json::array(); },          [](Json& n) { n["first"].erase(0); },
      [](Json& n) { n["first"][1] = 0; },          [](Json& n) { n["columns"][0] = 2; },
      [](Json& n) { n["columns"][9] = 7; },        [](Json& n) { n["columns"][9] = 0; },
      [](Json& n) { n["first"][9] = -1; },         [](Json& n) { n["kind"][0] = 2; },
      [](Json& n) { n["kind"][9] = 1; },           [](Json& n) { n["missing"][0] = "x"; },
      [](Json& n) { n["constant"].push_back(1); }, [](Json& n) { n["expected_missing"].erase(0); },
  };
  for (std::size_t d = 0; d < damages.size(); ++d) {
    safetensors::File file = good;
    Json json = Json::parse(file.metadata.at("novelty"));
    damages[d](json);
    file.metadata["novelty"] = json.dump();
    safetensors::write(directory.file("damaged"), file);
    SCOPED_TRACE(d);
    expect_error(ErrorCode::format, {"damaged"}, [&] { Detector::load(test_device(1), directory.file("damaged")); });
  }
}

/// A category that other groups of a fleet have is new to a group that never had it.
TEST(Novelty, FleetsKnowEachGroupsOwn) {
  UserTable table(400, 6, 19);
  std::vector<std::string> groups;
  for (std::int64_t r = 0; r < 400; ++r) {
    const bool first = r < 200;
    groups.push_back(first ? "a" : "b");
    const std::vector<float> row = table.with_user(r, first ? r % 3 : 3 + r % 3);
    std::copy(row.begin(), row.end(), table.rows.row(r));
  }
  Fleet fleet(test_device(2), quick_options());
  fleet.fit(table.rows.view(), groups, {.names = table.names, .binary = table.rows.columns - 3});
  const std::vector<std::string> asked = {"a", "a", "b"};
  const Matrix rows = matrix_of({table.with_user(0, 1), table.with_user(0, 4), table.with_user(0, 4)});
  std::vector<Explanation> explanations;
  const std::vector<float> scores = fleet.explain(rows.view(), asked, 1, explanations);
  EXPECT_LT(scores[0], fleet.thresholds(asked)[0]);
  EXPECT_GT(scores[1], scores[0] + 1.0f);
  EXPECT_EQ(explanations[1].finding[0], Finding::unseen);
  EXPECT_EQ(explanations[1].column[0], 3 + 4);
  EXPECT_EQ(explanations[2].finding[0], Finding::residual);
}

}  // namespace
}  // namespace cugad::test
