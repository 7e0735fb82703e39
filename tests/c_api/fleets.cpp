#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cugad/cugad_fleet.h"
#include "cugad/fleet.hpp"
#include "host/backend/backend.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Fleets from C: the same as in C++, to the last bit.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 3, count = 200;

struct ReleaseFleet {
  void operator()(cugad_fleet* fleet) const { cugad_fleet_destroy(fleet); }
};
using FleetHandle = std::unique_ptr<cugad_fleet, ReleaseFleet>;

cugad_matrix matrix_of(const Matrix& rows) {
  return {sizeof(cugad_matrix), rows.data.data(), CUGAD_FLOAT32, rows.rows, rows.columns, rows.columns, 1};
}

class CFleet : public testing::Test {
 protected:
  void SetUp() override {
    for (std::int64_t r = 0; r < count; ++r) {
      names_.push_back(r % 20 == 0 ? "few" : r % 3 == 0 ? "" : r % 2 == 0 ? "even" : "odd");
    }
    for (const std::string& name : names_) groups_.push_back(name.c_str());
    cugad_fleet_options options = {sizeof options, 20, 0};
    cugad_fleet* fleet = nullptr;
    ASSERT_OK(cugad_fleet_create(device_.get(), config_.c_str(), &options, &fleet));
    fleet_.reset(fleet);
  }

  void fit() {
    const char* const names[] = {"a", "b", "c"};
    cugad_fit_controls controls = {};
    controls.struct_size = sizeof controls;
    controls.column_names = names;
    ASSERT_OK(cugad_fleet_fit(fleet_.get(), &x_, groups_.data(), &controls));
  }

  std::vector<float> scores_of(cugad_fleet* fleet) const {
    std::vector<float> scores(count);
    EXPECT_OK(cugad_fleet_score(fleet, &x_, groups_.data(), scores.data()));
    return scores;
  }

  /// The same in C++.
  Fleet by_cpp() const {
    Fleet fleet(test_device(), options_from_json(config_), {.minimum_rows = 20});
    fleet.fit(rows_, names_, {.names = {"a", "b", "c"}});
    return fleet;
  }

  const std::string config_ = small_config("gan");
  const Matrix rows_ = random_rows(count, columns, 1);
  const cugad_matrix x_ = matrix_of(rows_);
  std::vector<std::string> names_;
  std::vector<const char*> groups_;
  DeviceHandle device_ = open_device();
  FleetHandle fleet_;
};

TEST_F(CFleet, IsThatOfCpp) {
  fit();
  Fleet expected = by_cpp();
  EXPECT_TRUE(same_bits(scores_of(fleet_.get()), expected.score(rows_, names_)));
  const void* bytes = nullptr;
  std::size_t size = 0;
  ASSERT_OK(cugad_fleet_save_to_memory(fleet_.get(), &bytes, &size));
  const std::vector<std::byte> saved = expected.save();
  EXPECT_EQ(std::string(static_cast<const char*>(bytes), size),
            std::string(reinterpret_cast<const char*>(saved.data()), saved.size()));

  std::vector<float> scores(count), results(count);
  std::vector<cugad_reason> reasons(count * 2);
  ASSERT_OK(cugad_fleet_explain(fleet_.get(), &x_, groups_.data(), 2, scores.data(), reasons.data()));
  std::vector<Explanation> explanations;
  EXPECT_TRUE(same_bits(expected.explain(rows_, names_, 2, explanations), scores));
  for (std::size_t r = 0; r < count; ++r) {
    EXPECT_EQ(reasons[2 * r + 1].column, explanations[r].column[1]);
    EXPECT_EQ(reasons[2 * r].share, explanations[r].share[0]);
  }
  std::vector<float> parts(count), expected_parts;
  ASSERT_OK(cugad_fleet_score_methods(fleet_.get(), &x_, groups_.data(), results.data(), parts.data()));
  EXPECT_TRUE(same_bits(expected.score_methods(rows_, names_, expected_parts), results));
  EXPECT_TRUE(same_bits(expected_parts, parts));
  ASSERT_OK(cugad_fleet_score_methods(fleet_.get(), &x_, groups_.data(), nullptr, parts.data()));
  ASSERT_OK(cugad_fleet_thresholds(fleet_.get(), groups_.data(), count, results.data()));
  EXPECT_TRUE(same_bits(results, expected.thresholds(names_)));
  ASSERT_OK(cugad_fleet_probability(fleet_.get(), scores.data(), groups_.data(), count, CUGAD_PROBABILITY_GAUSSIAN,
                                    results.data()));
  EXPECT_TRUE(same_bits(results, expected.probability(scores, names_, Probability::gaussian)));
  ASSERT_OK(cugad_fleet_confidence(fleet_.get(), scores.data(), groups_.data(), count, results.data()));
  EXPECT_TRUE(same_bits(results, expected.confidence(scores, names_)));
}

/// The rows of all groups but one, then all of them.
TEST_F(CFleet, TrainsNewGroupsAlone) {
  const char* const names[] = {"a", "b", "c"};
  cugad_fit_controls controls = {};
  controls.struct_size = sizeof controls;
  controls.column_names = names;
  EXPECT_EQ(cugad_fleet_fit_new_groups(fleet_.get(), &x_, groups_.data(), &controls), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("not fitted"), std::string::npos) << cugad_last_error();
  std::vector<std::string> before = names_;
  std::replace(before.begin(), before.end(), std::string("odd"), std::string());
  std::vector<const char*> given;
  for (const std::string& name : before) given.push_back(name.c_str());
  ASSERT_OK(cugad_fleet_fit(fleet_.get(), &x_, given.data(), &controls));
  ASSERT_OK(cugad_fleet_fit_new_groups(fleet_.get(), &x_, groups_.data(), &controls));
  Fleet expected(test_device(), options_from_json(config_), {.minimum_rows = 20});
  expected.fit(rows_, before, {.names = {"a", "b", "c"}});
  expected.fit_new_groups(rows_, names_, {.names = {"a", "b", "c"}});
  EXPECT_TRUE(same_bits(scores_of(fleet_.get()), expected.score(rows_, names_)));
  EXPECT_EQ(expected.groups().size(), 3u);
}

TEST_F(CFleet, SaysWhatItIs) {
  std::int32_t fitted = 1;
  std::int64_t groups = 1;
  ASSERT_OK(cugad_fleet_is_fitted(fleet_.get(), &fitted));
  ASSERT_OK(cugad_fleet_groups(fleet_.get(), &groups));
  EXPECT_EQ(fitted, 0);
  EXPECT_EQ(groups, 0);
  fit();
  scores_of(fleet_.get());
  ASSERT_OK(cugad_fleet_is_fitted(fleet_.get(), &fitted));
  EXPECT_EQ(fitted, 1);
  const Fleet expected = by_cpp();
  ASSERT_OK(cugad_fleet_groups(fleet_.get(), &groups));
  ASSERT_EQ(groups, static_cast<std::int64_t>(expected.groups().size()));
  for (std::int64_t g = 0; g < groups; ++g) {
    cugad_fleet_group group = {};
    group.struct_size = sizeof group;
    ASSERT_OK(cugad_fleet_group_at(fleet_.get(), g, &group));
    const FleetGroup& same = expected.groups()[static_cast<std::size_t>(g)];
    EXPECT_EQ(group.name, same.name);
    EXPECT_EQ(group.rows, same.rows);
    EXPECT_EQ(group.own_model != 0, same.own_model);
    EXPECT_EQ(group.threshold, same.threshold);
  }
  std::int64_t rows = 0, folds = 0, found = 0;
  ASSERT_OK(cugad_fleet_calibration(fleet_.get(), "odd", &rows, &folds));
  EXPECT_EQ(rows, expected.calibration("odd").rows);
  EXPECT_EQ(folds, expected.calibration("odd").folds);
  ASSERT_OK(cugad_fleet_calibration(fleet_.get(), nullptr, &rows, nullptr));
  EXPECT_EQ(rows, expected.pooled().calibration().rows);
  ASSERT_OK(cugad_fleet_columns(fleet_.get(), &found));
  EXPECT_EQ(found, columns);
  const char* text = nullptr;
  ASSERT_OK(cugad_fleet_column_name(fleet_.get(), 2, &text));
  EXPECT_STREQ(text, "c");
  ASSERT_OK(cugad_fleet_attach(fleet_.get(), "note", "kept"));
  ASSERT_OK(cugad_fleet_describe(fleet_.get(), &text));
  const auto description = nlohmann::json::parse(text);
  EXPECT_EQ(description.at("method"), "gan");
  EXPECT_EQ(description.at("columns").size(), 3u);
  EXPECT_EQ(description.at("parts"), (nlohmann::json{"gan"}));
  EXPECT_EQ(description.at("scored").at("rows"), count);
  EXPECT_FALSE(description.at("options_without_effect").empty());

  cugad_detector* taken = nullptr;
  ASSERT_OK(cugad_fleet_take_out(fleet_.get(), "odd", &taken));
  const DetectorHandle odd(taken);
  EXPECT_TRUE(same_bits(score(odd.get(), rows_), expected.take_out("odd").score(rows_)));
  ASSERT_OK(cugad_detector_attachment(odd.get(), "note", &text));
  EXPECT_STREQ(text, "kept");
  ASSERT_OK(cugad_detector_telemetry(odd.get(), &text));
  EXPECT_EQ(nlohmann::json::parse(text).size(), 2u);
  ASSERT_OK(cugad_fleet_take_out(fleet_.get(), nullptr, &taken));
  const DetectorHandle pooled(taken);
  EXPECT_TRUE(same_bits(score(pooled.get(), rows_), expected.pooled().score(rows_)));
  EXPECT_EQ(cugad_fleet_take_out(fleet_.get(), "few", &taken), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(taken, nullptr);
}

TEST_F(CFleet, IsSavedAndLoaded) {
  fit();
  const TemporaryDirectory directory;
  const std::string path = directory.file("fleet");
  ASSERT_OK(cugad_fleet_set_contamination(fleet_.get(), 0.2f));
  ASSERT_OK(cugad_fleet_save(fleet_.get(), path.c_str()));
  const void* bytes = nullptr;
  std::size_t size = 0;
  ASSERT_OK(cugad_fleet_save_to_memory(fleet_.get(), &bytes, &size));
  EXPECT_EQ(std::string(static_cast<const char*>(bytes), size), read_text(path));
  std::int32_t is_fleet = 0;
  ASSERT_OK(cugad_fleet_is_in_file(path.c_str(), &is_fleet));
  EXPECT_EQ(is_fleet, 1);
  is_fleet = 0;
  ASSERT_OK(cugad_fleet_is_in_memory(bytes, size, &is_fleet));
  EXPECT_EQ(is_fleet, 1);
  cugad_fleet *of_file = nullptr, *of_memory = nullptr;
  ASSERT_OK(cugad_fleet_load(device_.get(), path.c_str(), &of_file));
  const FleetHandle first(of_file);
  ASSERT_OK(cugad_fleet_load_from_memory(device_.get(), bytes, size, &of_memory));
  const FleetHandle second(of_memory);
  const std::vector<float> expected = scores_of(fleet_.get());
  EXPECT_TRUE(same_bits(scores_of(of_file), expected));
  EXPECT_TRUE(same_bits(scores_of(of_memory), expected));
  EXPECT_EQ(cugad_fleet_load_from_memory(device_.get(), bytes, size - 1, &of_memory), CUGAD_ERROR_FORMAT);
  EXPECT_EQ(of_memory, nullptr);
  cugad_detector* detector = nullptr;
  EXPECT_EQ(cugad_detector_load_from_memory(device_.get(), bytes, size, &detector), CUGAD_ERROR_FORMAT);
}

/// A request to cancel ends the call under way, or the next one, and no other.
TEST_F(CFleet, Cancels) {
  ASSERT_OK(cugad_fleet_cancel(fleet_.get()));
  EXPECT_EQ(cugad_fleet_fit(fleet_.get(), &x_, groups_.data(), nullptr), CUGAD_ERROR_CANCELLED);
  fit();
  const std::vector<float> expected = scores_of(fleet_.get());
  std::vector<float> scores(count);
  ASSERT_OK(cugad_fleet_cancel(fleet_.get()));
  EXPECT_EQ(cugad_fleet_score(fleet_.get(), &x_, groups_.data(), scores.data()), CUGAD_ERROR_CANCELLED);
  EXPECT_TRUE(same_bits(scores_of(fleet_.get()), expected));
}

TEST_F(CFleet, RefusesWrongCalls) {
  std::vector<float> scores(count);
  const auto expect = [](cugad_status status, const char* part) {
    EXPECT_EQ(status, CUGAD_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  expect(cugad_fleet_score(fleet_.get(), &x_, groups_.data(), scores.data()), "not fitted");
  expect(cugad_fleet_take_out(fleet_.get(), nullptr, nullptr), "detector is NULL");
  expect(cugad_fleet_fit(nullptr, &x_, groups_.data(), nullptr), "fleet is NULL");
  expect(cugad_fleet_fit(fleet_.get(), nullptr, groups_.data(), nullptr), "x is NULL");
  expect(cugad_fleet_fit(fleet_.get(), &x_, nullptr, nullptr), "groups is NULL");
  std::vector<const char*> holed = groups_;
  holed[7] = nullptr;
  expect(cugad_fleet_fit(fleet_.get(), &x_, holed.data(), nullptr), "groups[7] is NULL");
  fit();
  expect(cugad_fleet_score(fleet_.get(), &x_, groups_.data(), nullptr), "scores is NULL");
  expect(cugad_fleet_explain(fleet_.get(), &x_, groups_.data(), 0, scores.data(), nullptr), "count is 0");
  expect(cugad_fleet_explain(fleet_.get(), &x_, groups_.data(), 1, scores.data(), nullptr), "reasons");
  expect(cugad_fleet_probability(fleet_.get(), scores.data(), groups_.data(), count, 7, scores.data()), "kind is 7");
  expect(cugad_fleet_save_to_memory(fleet_.get(), nullptr, nullptr), "bytes is NULL");
  cugad_fleet_group group = {};
  expect(cugad_fleet_group_at(fleet_.get(), 0, &group), "struct_size 0");
  group.struct_size = sizeof group;
  expect(cugad_fleet_group_at(fleet_.get(), 9, &group), "index is 9");
  cugad_fleet* made = nullptr;
  cugad_fleet_options options = {sizeof options, -1, 0};
  expect(cugad_fleet_create(device_.get(), "{\"poplation\": 2}", nullptr, &made), "population");
  expect(cugad_fleet_create(device_.get(), nullptr, &options, &made), "minimum_rows");
}

}  // namespace
}  // namespace cugad::test
