#include "cugad/shards.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "host/fleet/keys.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/options/option_record.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/methods/fleet_rows.hpp"

/// Trainings that several processes divide: the parts of all shards make the very file of one process.
namespace cugad::test {
namespace {

using Edit = std::function<void(safetensors::File&)>;

FleetRows twenty_groups() {
  std::vector<std::pair<std::string, std::int64_t>> sizes;
  for (int g = 0; g < 20; ++g) sizes.emplace_back("machine-" + std::to_string(g), g % 7 == 3 ? 9 : 50 + g);
  return fleet_rows(sizes, 1);
}

DetectorOptions few_steps() {
  DetectorOptions options = quick_options();
  options.steps = 20;
  return options;
}

/// A training, its file by one process, and its parts.
class Shards : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return directory_.file(name); }
  std::string one_process(const ShardedTraining& training, const std::string& name) const {
    if (training.groups.empty()) {
      Detector detector(test_device(1), training.options);
      for (const auto& [key, text] : training.attachments) detector.attach(key, text);
      detector.fit(training.rows, training.columns);
      return saved(detector, at(name));
    }
    Fleet fleet(test_device(1), training.options, training.fleet_options);
    for (const auto& [key, text] : training.attachments) fleet.attach(key, text);
    fleet.fit(training.rows, training.groups, training.columns);
    return saved(fleet, at(name));
  }
  /// The paths of the parts, the last shard first.
  std::vector<std::string> parts(const ShardedTraining& training, std::int64_t count, const std::string& name) const {
    std::vector<std::string> paths;
    for (std::int64_t number = count; number >= 1; --number) {
      paths.push_back(at(name + "-" + std::to_string(number) + "-of-" + std::to_string(count)));
      fit_part(test_device(1 + static_cast<int>(number % 2)), training, {number, count}, paths.back());
    }
    return paths;
  }
  std::string merged(const std::vector<std::string>& paths) const {
    merge_parts(test_device(2), paths, at("merged"));
    return read_text(at("merged"));
  }
  void expect_as_one(const ShardedTraining& training) const {
    const std::string bytes = one_process(training, "whole");
    for (const std::int64_t count : {1, 2, 3, 4}) {
      SCOPED_TRACE(count);
      EXPECT_EQ(merged(parts(training, count, "part")), bytes);
    }
  }
  const TemporaryDirectory directory_;
};

TEST_F(Shards, OfAFleetMakeTheFileOfOneProcess) {
  const FleetRows rows = twenty_groups();
  for (const char* method : {"anogan", "knn,gan", "knn"}) {
    for (const GroupSeed seed : {GroupSeed::name, GroupSeed::position}) {
      SCOPED_TRACE(method);
      ShardedTraining training{.options = few_steps(), .rows = rows.rows.view(), .groups = rows.groups};
      set_option(training.options, "method", method);
      training.fleet_options = {.pooled_rows = 300, .group_seed = seed};
      training.attachments = {{"encoder", "{}"}};
      expect_as_one(training);
    }
  }
}

TEST_F(Shards, OfAPopulationMakeTheFileOfOneProcess) {
  Matrix rows = normal_rows(300, 1);
  for (std::int64_t r = 3; r < rows.rows; r += 17) rows.row(r)[r % 6] = missing;
  for (const char* method : {"anogan", "fanogan", "gain", "knn,gain", "anogan,gan"}) {
    SCOPED_TRACE(method);
    ShardedTraining training{.options = few_steps(), .rows = rows.view()};
    set_option(training.options, "method", method);
    set_option(training.options, "seed", "18446744073709549000");
    set_option(training.options, "encoder_steps", "20");
    training.options.population = 5;
    training.options.fold = 2;
    training.columns = {.names = {"a", "b", "c", "d", "e", "f"}};
    training.attachments = {{"labels", "none"}};
    expect_as_one(training);
  }
}

TEST_F(Shards, OfOtherSeedsAreRefused) {
  const FleetRows rows = twenty_groups();
  ShardedTraining training{.options = few_steps(), .rows = rows.rows.view(), .groups = rows.groups};
  const std::vector<std::string> named = parts(training, 2, "named");
  training.fleet_options.group_seed = GroupSeed::position;
  expect_error(ErrorCode::invalid_argument, {"other training rows"}, [&] {
    merge_parts(test_device(1), std::vector{named[0], parts(training, 2, "numbered")[1]}, at("none"));
  });
}

/// A worker that is stopped goes on from its checkpoint.
TEST_F(Shards, AStoppedShardGoesOn) {
  const FleetRows rows = twenty_groups();
  const Matrix plain = normal_rows(300, 1);
  for (const bool is_fleet : {true, false}) {
    SCOPED_TRACE(is_fleet);
    ShardedTraining training{.options = quick_options(), .rows = is_fleet ? rows.rows.view() : plain.view()};
    if (is_fleet) training.groups = rows.groups;
    const std::string bytes = one_process(training, "whole");
    std::vector<std::string> paths = parts(training, 2, is_fleet ? "fleet" : "population");
    std::filesystem::remove(paths.front());
    StoppedFit stop(at(is_fleet ? "checkpoint" : "other-checkpoint"), 100);
    EXPECT_THROW(fit_part(test_device(2), training, {2, 2}, paths.front(), stop.control), Error);
    EXPECT_FALSE(std::filesystem::exists(paths.front()));
    expect_error(ErrorCode::invalid_argument, {"of 2 shards 2/2 is missing"},
                 [&] { merge_parts(test_device(1), std::span(paths).subspan(1), at("merged")); });
    stop.resume();
    std::int64_t first_step = 0;
    stop.control.on_progress = [&](const FitProgress& progress) {
      if (first_step == 0) first_step = progress.step;
    };
    fit_part(test_device(1), training, {2, 2}, paths.front(), stop.control);
    EXPECT_GT(first_step, 100);
    EXPECT_EQ(merged(paths), bytes);
  }
}

TEST_F(Shards, MergeNamesWhatDoesNotBelongTogether) {
  const FleetRows rows = twenty_groups();
  ShardedTraining training{.options = few_steps(), .rows = rows.rows.view(), .groups = rows.groups};
  set_option(training.options, "method", "knn");
  const std::vector<std::string> good = parts(training, 3, "good");
  const auto refused = [&](const std::vector<std::string>& paths, const std::vector<std::string>& texts,
                           ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, texts, [&] { merge_parts(test_device(1), paths, at("none")); });
    EXPECT_FALSE(std::filesystem::exists(at("none")));
  };
  refused({}, {"no part"});
  refused({good[0]}, {"of 3 shards 1/3, 2/3 are missing"});
  refused({good[0], good[1], good[1], good[2]}, {good[1] + " and " + good[1], "both shard 2/3"});
  refused({good[0], parts(training, 2, "good")[0]}, {"shard 2/2", "shard 3/3"});
  ShardedTraining other = training;
  other.options.reference_rows = 30;
  refused({good[0], good[1], parts(other, 3, "options")[2]}, {"reference_rows = 30", "different trainings"});
  Matrix changed = rows.rows;
  changed.row(17)[2] += 1.0f;
  other = training;
  other.rows = changed.view();
  refused({good[0], good[1], parts(other, 3, "rows")[2]}, {"other training rows"});
  other = training;
  other.attachments = {{"labels", "x"}};
  refused({good[0], good[1], parts(other, 3, "labels")[2]}, {"other training rows, columns, labels"});

  one_process(training, "whole");
  refused({good[0], good[1], at("whole")}, {"whole", "no part of a training"}, ErrorCode::format);
  EXPECT_TRUE(is_part(good[0]));
  EXPECT_FALSE(is_part(at("whole")));
  EXPECT_TRUE(is_part_of(good[0], test_device(2), training, {3, 3}));
  EXPECT_FALSE(is_part_of(good[0], test_device(1), training, {2, 3}));
  EXPECT_FALSE(is_part_of(good[0], test_device(1), training, {3, 4}));
  EXPECT_FALSE(is_part_of(good[0], test_device(1), other, {3, 3}));
  EXPECT_FALSE(is_part_of(at("whole"), test_device(1), training, {3, 3}));
  expect_error(ErrorCode::format, {"cugad part"}, [&] { Fleet::load(test_device(1), good[0]); });
  const safetensors::File file = safetensors::read(good[2]);
  const std::vector<std::pair<std::string, Edit>> damages = {
      {"version 0.0", [](auto& f) { f.metadata["part.library_version"] = "0.0"; }},
      {"format version is '1'", [](auto& f) { f.metadata["part.format_version"] = "1"; }},
      {"'4/3'", [](auto& f) { f.metadata["part.shard"] = "4/3"; }},
      {"no 'part.data'", [](auto& f) { f.metadata.erase("part.data"); }},
      {"another shard",
       [](auto& f) {
         f.tensors["groups.names"] = {{9}, {}, {}, {'m', 'a', 'c', 'h', 'i', 'n', 'e', '-', '1'}};
         f.tensors["groups.ends"] = f.tensors["groups.rows"] = {{1}, {}, {9}};
         f.tensors["groups.without_model"] = {{1}, {}, {0}};
       }},
      {"models of", [](auto& f) { f.tensors.erase("group.numbers.score_calibration"); }},
      {"models of", [](auto& f) { f.tensors.erase("group.reference.copies"); }},
  };
  for (const auto& [text, edit] : damages) {
    SCOPED_TRACE(text);
    safetensors::File damaged = file;
    edit(damaged);
    safetensors::write(at("damaged"), damaged);
    try {
      merge_parts(test_device(1), std::vector<std::string>{good[0], good[1], at("damaged")}, at("none"));
      ADD_FAILURE() << "merged";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(at("none")));
  }
}

TEST_F(Shards, OfOtherPrecisionsAreRefused) {
  const Matrix rows = normal_rows(60, 1);
  const Device fp32 = Device::open("cpu", 1), bf16 = fp32.with_precision(Precision::bf16);
  ShardedTraining training{.options = few_steps(), .rows = rows.view()};
  fit_part(fp32, training, {1, 2}, at("first"));
  fit_part(bf16, training, {2, 2}, at("second"));
  expect_error(ErrorCode::invalid_argument, {"precision = bf16", "with fp32", "different trainings"}, [&] {
    merge_parts(fp32, std::vector<std::string>{at("first"), at("second")}, at("none"));
  });
  EXPECT_TRUE(is_part_of(at("second"), bf16, training, {2, 2}));
  EXPECT_FALSE(is_part_of(at("second"), fp32, training, {2, 2}));
}

/// Whoever merges need not repeat it: calibration scores rows, too.
TEST_F(Shards, AreMergedInTheirOwnPrecision) {
  const Matrix rows = normal_rows(300, 1);
  const FleetRows groups = twenty_groups();
  const Device fp32 = Device::open("cpu", 1), bf16 = fp32.with_precision(Precision::bf16);
  ShardedTraining one{.options = few_steps(), .rows = rows.view()};
  one.options.population = 2;
  const ShardedTraining fleet{.options = few_steps(), .rows = groups.rows.view(), .groups = groups.groups};
  for (const ShardedTraining& training : {one, fleet}) {
    for (const int number : {1, 2}) fit_part(bf16, training, {number, 2}, at("part" + std::to_string(number)));
    const std::vector<std::string> paths = {at("part1"), at("part2")};
    fit_part(bf16, training, {1, 1}, at("alone"));
    merge_parts(bf16, std::vector<std::string>{at("alone")}, at("whole"));
    merge_parts(fp32, paths, at("merged"));
    EXPECT_EQ(read_text(at("merged")), read_text(at("whole")));
    fit_part(fp32, training, {1, 1}, at("alone"));
    expect_error(ErrorCode::format, {"precision = fp32", "merged with bf16"},
                 [&] { merge_parts(bf16, std::vector<std::string>{at("alone")}, at("none")); });
  }
  Detector detector(bf16, one.options);
  detector.fit(rows.view());
  for (const int number : {1, 2}) fit_part(bf16, one, {number, 2}, at("part" + std::to_string(number)));
  merge_parts(fp32, std::vector<std::string>{at("part1"), at("part2")}, at("merged"));
  EXPECT_EQ(read_text(at("merged")), saved(detector, at("whole")));
}

/// Merging tells of chips that need not give the same bits, and of no others.
TEST_F(Shards, OfOtherChipsAreMergedWithANote) {
  const Matrix rows = normal_rows(60, 1);
  ShardedTraining training{.options = few_steps(), .rows = rows.view()};
  const std::vector<std::string> paths = parts(training, 2, "part");
  const auto notes = [&](const std::string& first, const std::string& second) {
    for (const auto& [path, device] : {std::pair(paths[0], first), std::pair(paths[1], second)}) {
      safetensors::File file = safetensors::read(path);
      file.metadata["part.device"] = "CPU, instruction set " + device;
      safetensors::write(path, file);
    }
    std::string said;
    FitControl control;
    control.on_message = [&](const std::string& text) { said += text + '\n'; };
    merge_parts(test_device(1), paths, at("merged"), control);
    return said;
  };
  EXPECT_NE(notes("avx2", "avx512").find("need not give the same bits"), std::string::npos);
  EXPECT_EQ(notes("avx512", "avx512bf16").find("need not give"), std::string::npos);
  EXPECT_EQ(notes("avx512bf16", "avx512").find("need not give"), std::string::npos);
}

TEST_F(Shards, ArgumentsAreChecked) {
  for (const char* text : {"", "1", "0/0", "0/2", "3/2", "-1/2", "1/65537", "1/2/3", "a/b", " 1/2", "1/ 2"}) {
    expect_error(ErrorCode::invalid_argument, {"'" + std::string(text) + "'", "expected I/N"},
                 [&] { shard_from(text); });
  }
  const Shard shard = shard_from("3/65536");
  EXPECT_EQ(shard.number, 3);
  EXPECT_EQ(shard.count, 65536);
  const Matrix rows = normal_rows(60, 1);
  ShardedTraining training{.options = few_steps(), .rows = rows.view()};
  expect_error(ErrorCode::invalid_argument, {"'population' is 2", "not 3"}, [&] {
    fit_part(test_device(1), training, {1, 3}, at("part"));
  });
  set_option(training.options, "method", "knn");
  expect_error(ErrorCode::invalid_argument, {"trains no networks"}, [&] {
    fit_part(test_device(1), training, {1, 1}, at("part"));
  });
}

/// The groups of a shard follow from the names: they are part of the format.
TEST_F(Shards, HoldGroupsByAHashOfTheirNames) {
  EXPECT_TRUE(holds({1, 2}, "a"));
  EXPECT_TRUE(holds({3, 3}, "a"));
  EXPECT_TRUE(holds({1, 4}, "a"));
  EXPECT_TRUE(holds({2, 4}, "machine-0007"));
  EXPECT_FALSE(holds({1, 4}, "machine-0007"));
}

}  // namespace
}  // namespace cugad::test
