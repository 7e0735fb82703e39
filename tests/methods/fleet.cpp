#include "cugad/fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <tuple>

#include "host/backend/backend.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/fleet_rows.hpp"
#include "tests/methods/image_options.hpp"

/// Fleets: every group's detector is the one that its rows alone would give; small and unseen groups have the pooled
/// one.
namespace cugad::test {
namespace {

DetectorOptions resting_options() {
  DetectorOptions options = quick_options();
  options.steps = 2000;
  options.patience = 1;
  options.deduplicate = true;
  return options;
}

/// The file of a group's detector is byte for byte that of a detector fitted on its rows alone.
TEST(Fleet, GroupsEqualDetectorsOfTheirRowsAlone) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const FleetRows queries = fleet_rows(fleet_sizes, 2);
  for (const DetectorOptions& options :
       {quick_options(), resting_options(), search_options(SearchStart::bank), of_images(quick_options())}) {
    Fleet fleet = fitted_fleet(training, options, 2);
    const std::vector<float> scores = fleet.score(queries.rows.view(), queries.groups);
    const std::vector<float> thresholds = fleet.thresholds(queries.groups);
    for (const char* name : {"a", "b", "c", "d"}) {
      SCOPED_TRACE(name);
      DetectorOptions own = options;
      own.seed = fleet.seed_of(name);
      Detector alone = fitted(own, rows_of(training, name).rows);
      Detector taken = fleet.take_out(name);
      EXPECT_EQ(saved(taken, directory.file("taken")), saved(alone, directory.file("alone")));
      std::vector<float> of_group;
      for (std::size_t r = 0; r < scores.size(); ++r) {
        if (queries.groups[r] != name) continue;
        of_group.push_back(scores[r]);
        EXPECT_EQ(thresholds[r], alone.threshold());
      }
      EXPECT_TRUE(same_bits(of_group, alone.score(rows_of(queries, name).rows.view())));
    }
    DetectorOptions pooled = options;
    pooled.seed += Fleet::pooled_seed_distance;
    EXPECT_EQ(saved(fleet.pooled(), directory.file("taken")),
              saved(fitted(pooled, training.rows), directory.file("alone")));
  }
}

TEST(Fleet, EnsemblesHaveFleetsToo) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  DetectorOptions options = quick_options();
  options.ensemble = {Method::gan};
  const Fleet fleet = fitted_fleet(training, options);
  options.seed = fleet.seed_of("b");
  EXPECT_EQ(saved(fleet.take_out("b"), directory.file("taken")),
            saved(fitted(options, rows_of(training, "b").rows), directory.file("alone")));
}

/// The seeds are part of the file format: any change makes other models.
TEST(Fleet, SeedsAreHashesOfNames) {
  const FleetRows training = fleet_rows({{"a", 60}, {"machine-0007", 60}}, 1);
  DetectorOptions options = quick_options();
  options.steps = 10;
  for (const auto& [seed, of_a, of_machine] :
       {std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>{0, 727035884699921988u, 1378275139434865558u},
        {7, 2074529278006393150u, 4407945980549285790u}}) {
    options.seed = seed;
    const Fleet fleet = fitted_fleet(training, options);
    EXPECT_EQ(fleet.seed_of("a"), of_a);
    EXPECT_EQ(fleet.seed_of("machine-0007"), of_machine);
    expect_error(ErrorCode::invalid_argument, {"'b'"}, [&] { fleet.seed_of("b"); });
  }
}

/// Groups of any seeds take their steps together, on a GPU in one sequence of launches: the bits are those of each
/// alone.
TEST(Fleet, GroupsTrainTogetherAsAlone) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows({{"a", 60}, {"b", 70}}, 1);
  DetectorOptions options = quick_options();
  options.steps = 10;
  const Fleet fleet = fitted_fleet(training, options);
  EXPECT_EQ(fleet.fleet_options().group_seed, GroupSeed::name);
  for (const char* name : {"a", "b"}) {
    options.seed = fleet.seed_of(name);
    EXPECT_EQ(saved(fleet.take_out(name), directory.file("taken")),
              saved(fitted(options, rows_of(training, name).rows), directory.file("alone")));
  }
}

/// As older versions numbered them, whose files and checkpoints go on.
TEST(Fleet, SeedsByPosition) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const DetectorOptions options = quick_options();
  Fleet fleet(test_device(2), options, {.group_seed = GroupSeed::position});
  fleet.fit(training.rows.view(), training.groups);
  std::uint64_t seed = options.seed;
  for (const char* name : {"a", "b", "c", "d"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(fleet.seed_of(name), seed);
    DetectorOptions own = options;
    own.seed = seed;
    seed += static_cast<std::uint64_t>(options.population);
    EXPECT_EQ(saved(fleet.take_out(name), directory.file("taken")),
              saved(fitted(own, rows_of(training, name).rows), directory.file("alone")));
  }
  fleet.save(directory.file("fleet"));
  EXPECT_EQ(safetensors::read(directory.file("fleet")).metadata.at("group_seed"), "position");
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_EQ(loaded.fleet_options().group_seed, GroupSeed::position);
  EXPECT_EQ(saved(loaded, directory.file("again")), saved(fleet, directory.file("fleet")));
  expect_error(ErrorCode::invalid_argument, {"by their position"},
               [&] { loaded.fit_new_groups(training.rows.view(), training.groups, {}); });
}

/// A group that comes later has the model that it would have had, and the others keep theirs.
TEST(Fleet, NewGroupsLeaveTheOthersAlone) {
  const TemporaryDirectory directory;
  const FleetRows all = fleet_rows(fleet_sizes, 1);
  FleetRows before;
  std::vector<std::int64_t> kept;
  for (std::size_t r = 0; r < all.groups.size(); ++r) {
    if (all.groups[r] != "b") kept.push_back(static_cast<std::int64_t>(r));
  }
  before.rows = take_rows(all.rows, kept);
  for (const std::int64_t r : kept) before.groups.push_back(all.groups[r]);
  for (const char* method : {"anogan", "knn,gan"}) {
    SCOPED_TRACE(method);
    DetectorOptions options = quick_options();
    set_option(options, "method", method);
    const Fleet whole = fitted_fleet(all, options);
    const Fleet without = fitted_fleet(before, options);
    without.save(directory.file("without"));
    for (const bool is_loaded : {false, true}) {
      Fleet grown = is_loaded ? Fleet::load(test_device(2), directory.file("without")) : fitted_fleet(before, options);
      std::int64_t steps = 0;
      FitControl control;
      control.on_progress = [&](const FitProgress& progress) { steps = progress.steps; };
      grown.fit_new_groups(all.rows.view(), all.groups, {}, control);
      EXPECT_EQ(steps, 200 * 2);  // of one group's models
      EXPECT_EQ(saved(grown.take_out("b"), directory.file("grown")),
                saved(whole.take_out("b"), directory.file("whole")));
      for (const char* name : {"a", "c", "d"}) {
        EXPECT_EQ(saved(grown.take_out(name), directory.file("grown")),
                  saved(without.take_out(name), directory.file("without-one")));
      }
      EXPECT_EQ(saved(grown.pooled(), directory.file("grown")), saved(without.pooled(), directory.file("without-one")));
      ASSERT_EQ(grown.groups().size(), 5u);
      EXPECT_EQ(grown.groups()[1].rows, 60);
      EXPECT_EQ(saved(Fleet::load(test_device(1), grown.save()), directory.file("grown")),
                saved(grown, directory.file("again")));
    }
  }
  Fleet fleet(test_device(1), quick_options());
  expect_error(ErrorCode::invalid_argument, {"not fitted"},
               [&] { fleet.fit_new_groups(all.rows.view(), all.groups, {}); });
  fleet = fitted_fleet(before, quick_options());
  expect_error(ErrorCode::invalid_argument, {"other columns", "'0'"}, [&] {
    fleet.fit_new_groups(all.rows.view(), all.groups, {.names = {"a", "b", "c", "d", "e", "f"}});
  });
  // Its file says in which precision a fleet was trained.
  const Device fp32 = Device::open("cpu", 1), bf16 = fp32.with_precision(Precision::bf16);
  for (const auto& [trained, later] : {std::pair(fp32, bf16), std::pair(bf16, fp32)}) {
    Fleet small(trained, quick_options());
    small.fit(before.rows.view(), before.groups);
    Fleet other = Fleet::load(later, small.save()), same = Fleet::load(trained, small.save());
    expect_error(ErrorCode::invalid_argument, {"precision = ", name_of(trained.precision()), "use the same"},
                 [&] { other.fit_new_groups(all.rows.view(), all.groups, {}); });
    same.fit_new_groups(all.rows.view(), all.groups, {});
    EXPECT_EQ(same.groups().size(), 5u);
  }
}

/// Neither the order of the rows nor the groups beside a row decide whether the pooled model sees it.
TEST(Fleet, PooledRowsAreChosenByTheirContents) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  std::vector<std::int64_t> reversed;
  for (std::int64_t r = training.rows.rows - 1; r >= 0; --r) reversed.push_back(r);
  FleetRows other{take_rows(training.rows, reversed), {training.groups.rbegin(), training.groups.rend()}};
  const auto pooled_of = [&](const FleetRows& rows, std::int64_t most) {
    Fleet fleet(test_device(1), quick_options(), {.pooled_rows = most, .group_seed = GroupSeed::name});
    fleet.fit(rows.rows.view(), rows.groups);
    return saved(fleet.pooled(), directory.file("pooled"));
  };
  const std::string bytes = pooled_of(training, 200);
  EXPECT_EQ(pooled_of(other, 200), bytes);
  EXPECT_NE(pooled_of(training, 199), bytes);
}

/// Many distinct rows decide some options of the pooled model, which no group has as many of.
TEST(Fleet, ThePooledModelMayHaveManyMoreRows) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows({{"a", 15600}, {"b", 15600}}, 1);
  DetectorOptions options = quick_options();
  options.learning_rate = 0.0f;
  options.coverage = -1.0f;
  options.coverage_rows = options.bank_rows = 0;
  options.steps = 2;
  options.population = 1;
  Fleet fleet = fitted_fleet(training, options, 2);
  EXPECT_EQ(fleet.pooled().options().learning_rate, 1e-3f);
  EXPECT_EQ(fleet.take_out("a").options().learning_rate, 5e-4f);
  EXPECT_EQ(fleet.options().learning_rate, 5e-4f);
  fleet.save(directory.file("fleet"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_EQ(options_to_json(loaded.options()), options_to_json(fleet.options()));
  EXPECT_EQ(saved(loaded, directory.file("again")), saved(fleet, directory.file("fleet")));
}

/// Groups keep different numbers of training rows.
TEST(Fleet, GroupsKeepReferenceRowsOfTheirOwn) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1), queries = fleet_rows(fleet_sizes, 2);
  DetectorOptions options = quick_options();
  for (const char* method : {"knn", "knn,gan"}) {
    SCOPED_TRACE(method);
    set_option(options, "method", method);
    options.reference_rows = 200;
    Fleet fleet = fitted_fleet(training, options, 2);
    EXPECT_EQ(saved(fleet, directory.file("two")), saved(fitted_fleet(training, options, 1), directory.file("one")));
    Fleet loaded = Fleet::load(test_device(1), directory.file("two"));
    EXPECT_EQ(saved(loaded, directory.file("again")), saved(fleet, directory.file("two")));
    std::vector<float> parts;
    const std::vector<float> scores = loaded.score_methods(queries.rows.view(), queries.groups, parts);
    EXPECT_TRUE(same_bits(scores, fleet.score(queries.rows.view(), queries.groups)));
    const std::size_t each = fleet.parts().size();
    for (const char* name : {"a", "b", "c", "d"}) {
      SCOPED_TRACE(name);
      DetectorOptions own = options;
      own.seed = fleet.seed_of(name);
      Detector alone = fitted(own, rows_of(training, name).rows), taken = loaded.take_out(name);
      EXPECT_EQ(saved(taken, directory.file("taken")), saved(alone, directory.file("alone")));
      EXPECT_EQ(taken.reference_rows(), std::min<std::int64_t>(200, rows_of(training, name).rows.rows));
      std::vector<float> of_alone, of_group;
      alone.score_methods(rows_of(queries, name).rows.view(), of_alone);
      for (std::size_t r = 0; r < queries.groups.size(); ++r) {
        if (queries.groups[r] == name) of_group.insert(of_group.end(), &parts[r * each], &parts[r * each] + each);
      }
      EXPECT_TRUE(same_bits(of_group, of_alone));
    }
  }
}

TEST(Fleet, SmallAndUnseenGroupsAreScoredByThePooledModel) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  Fleet fleet(test_device(1), quick_options());
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& text) { messages.push_back(text); };
  fleet.fit(training.rows.view(), training.groups, control);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0], "4 groups of 5 have models of their own");
  EXPECT_EQ(messages[1], "1 group with fewer than 50 rows (9 rows in all) will be scored by the pooled model");
  EXPECT_EQ(messages[2], "20 rows without a group train the pooled model only");
  ASSERT_EQ(fleet.groups().size(), 5u);
  EXPECT_EQ(fleet.groups()[4].name, "small");
  EXPECT_EQ(fleet.groups()[4].rows, 9);
  EXPECT_FALSE(fleet.groups()[4].own_model);

  const Matrix queries = normal_rows(8, 5);
  const std::vector<std::string> groups = {"small", "new", "a", "new", "newer", "small", "", "b"};
  const std::vector<float> scores = fleet.score(queries.view(), groups);
  const std::vector<float> expected = fleet.pooled().score(queries.view());
  for (const int r : {0, 1, 3, 4, 5, 6}) EXPECT_EQ(scores[r], expected[r]) << r;
  EXPECT_NE(scores[2], expected[2]);
  EXPECT_EQ(fleet.thresholds(groups)[0], fleet.pooled().threshold());
  EXPECT_EQ(fleet.scored().rows, 8);
  EXPECT_EQ(fleet.scored().small, 2);
  EXPECT_EQ(fleet.scored().unseen, 4);
  EXPECT_EQ(fleet.scored().examples, (std::vector<std::string>{"new", "newer", ""}));
  expect_error(ErrorCode::invalid_argument, {"'small'", "too few rows"}, [&] { fleet.take_out("small"); });
  expect_error(ErrorCode::invalid_argument, {"'new'", "no such group"}, [&] { fleet.take_out("new"); });
}

/// A column that a group never has: the group has no model, the fit goes on.
TEST(Fleet, GroupsWithAnEmptyColumnHaveThePooledModel) {
  FleetRows training = fleet_rows(fleet_sizes, 1);
  for (std::size_t r = 0; r < training.groups.size(); ++r) {
    if (training.groups[r] == "c") training.rows.row(static_cast<std::int64_t>(r))[2] = missing;
  }
  const Fleet fleet = fitted_fleet(training);
  EXPECT_FALSE(fleet.groups()[2].own_model);
  EXPECT_TRUE(fleet.groups()[3].own_model);
}

TEST(Fleet, ScoresDoNotDependOnTheOtherRows) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const FleetRows queries = fleet_rows(fleet_sizes, 2);
  Fleet fleet = fitted_fleet(training);
  const std::vector<float> scores = fleet.score(queries.rows.view(), queries.groups);
  std::vector<Explanation> explanations;
  EXPECT_TRUE(same_bits(fleet.explain(queries.rows.view(), queries.groups, 2, explanations), scores));
  ASSERT_EQ(explanations.size(), scores.size());
  EXPECT_EQ(explanations.back().column.size(), 2u);
  for (const std::int64_t step : {1, 7, 100}) {
    for (std::int64_t first = 0; first < queries.rows.rows; first += step == 1 ? 97 : step) {
      const std::int64_t count = std::min(step, queries.rows.rows - first);
      const std::vector<float> part = fleet.score(
          {queries.rows.row(first), count, 6},
          std::span(queries.groups).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
      for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(part[i], scores[static_cast<std::size_t>(first + i)]);
    }
  }
}

TEST(Fleet, ScoresDoNotDependOnTheThreads) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const FleetRows queries = fleet_rows(fleet_sizes, 2);
  Fleet one = fitted_fleet(training);
  const std::vector<float> scores = one.score(queries.rows.view(), queries.groups);
  for (const int threads : {2, 3, 16}) {
    SCOPED_TRACE(threads);
    Fleet many = fitted_fleet(training, quick_options(), threads);
    EXPECT_EQ(saved(many, directory.file("many")), saved(one, directory.file("one")));
    for (int again = 0; again < 2; ++again) {
      EXPECT_TRUE(same_bits(many.score(queries.rows.view(), queries.groups), scores));
    }
    // Few rows, whose models may be ready or not, or are the pooled one alone.
    Fleet fresh = fitted_fleet(training, quick_options(), threads);
    for (std::int64_t first = 0; first + 3 <= queries.rows.rows; first += 3) {
      const std::vector<float> part = fresh.score(
          {queries.rows.row(first), 3, 6}, std::span(queries.groups).subspan(static_cast<std::size_t>(first), 3));
      for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(part[i], scores[static_cast<std::size_t>(first + i)]);
    }
  }
}

TEST(Fleet, ScoringStopsWhenAskedTo) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  for (const int threads : {1, 3}) {
    Fleet fleet = fitted_fleet(training, quick_options(), threads);
    std::atomic<bool> cancel{false};
    fleet.cancel_by(&cancel);
    const std::vector<float> scores = fleet.score(training.rows.view(), training.groups);
    cancel = true;
    expect_error(ErrorCode::cancelled, {"stopped"}, [&] { fleet.score(training.rows.view(), training.groups); });
    cancel = false;
    EXPECT_TRUE(same_bits(fleet.score(training.rows.view(), training.groups), scores));
    cancel = true;
    fleet.cancel_by(nullptr);
    EXPECT_TRUE(same_bits(fleet.score(training.rows.view(), training.groups), scores));
  }
}

TEST(Fleet, ProbabilitiesAreThoseOfTheGroup) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  Fleet fleet = fitted_fleet(training);
  const std::vector<float> scores = {0.1f, 0.5f, 1.0f, 2.0f};
  const std::vector<std::string> groups = {"a", "small", "c", "a"};
  const std::vector<float> probability = fleet.probability(scores, groups, Probability::rank);
  const std::vector<float> confidence = fleet.confidence(scores, groups);
  const Detector a = fleet.take_out("a"), pooled = fleet.pooled();
  EXPECT_EQ(probability[0], a.probability(std::span(scores).subspan(0, 1), Probability::rank)[0]);
  EXPECT_EQ(probability[3], a.probability(std::span(scores).subspan(3, 1), Probability::rank)[0]);
  EXPECT_EQ(probability[1], pooled.probability(std::span(scores).subspan(1, 1), Probability::rank)[0]);
  EXPECT_EQ(confidence[3], a.confidence(std::span(scores).subspan(3, 1))[0]);
}

TEST(Fleet, SeparatesWhatIsNormalElsewhere) {
  const FleetRows training = fleet_rows({{"a", 400}, {"b", 400}}, 1);
  Fleet fleet = fitted_fleet(training);
  FleetRows queries = rows_of(fleet_rows({{"a", 200}, {"b", 200}}, 2), "b");
  const auto mean = [](const std::vector<float>& scores) {
    return std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  };
  const double at_home = mean(fleet.score(queries.rows.view(), queries.groups));
  std::fill(queries.groups.begin(), queries.groups.end(), "a");
  EXPECT_GT(mean(fleet.score(queries.rows.view(), queries.groups)), at_home + 1.0);
}

TEST(Fleet, ArgumentsAreChecked) {
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  Fleet fleet(test_device(1), quick_options());
  const auto fit = [&] { fleet.fit(training.rows.view(), training.groups); };
  expect_error(ErrorCode::invalid_argument, {"not fitted"},
               [&] { fleet.score(training.rows.view(), training.groups); });
  expect_error(ErrorCode::invalid_argument, {"2 groups"},
               [&] { fleet.fit(training.rows.view(), std::span(training.groups).subspan(0, 2)); });
  expect_error(ErrorCode::invalid_argument, {"UTF-8"}, [&] {
    FleetRows bad = training;
    bad.groups[5] = "\xff";
    fleet.fit(bad.rows.view(), bad.groups);
  });
  DetectorOptions options = quick_options();
  options.epochs = 3;
  fleet = Fleet(test_device(1), options);
  expect_error(ErrorCode::invalid_argument, {"epochs"}, fit);
  fleet = Fleet(test_device(1), quick_options(), {.minimum_rows = 0});
  expect_error(ErrorCode::invalid_argument, {"minimum_rows"}, fit);
}

}  // namespace
}  // namespace cugad::test
