#include "cugad/shards.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "cugad/cugad_shards.h"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Shards from C: parts that make the file of one process in C++.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 3, count = 200;

class CShards : public testing::Test {
 protected:
  void SetUp() override {
    for (std::int64_t r = 0; r < count; ++r) names_.push_back(r % 20 == 0 ? "few" : "group " + std::to_string(r % 4));
    for (const std::string& name : names_) groups_.push_back(name.c_str());
    controls_.struct_size = sizeof controls_;
    controls_.column_names = column_names_;
    training_.struct_size = sizeof training_;
    training_.config_json = config_.c_str();
    training_.x = &x_;
    training_.controls = &controls_;
    training_.attachment_names = attachment_names_;
    training_.attachment_texts = attachment_texts_;
    training_.attachments = 2;
  }
  std::string at(const std::string& name) const { return directory_.file(name); }
  std::vector<std::string> parts(std::int64_t shards) const {
    std::vector<std::string> paths;
    for (std::int64_t number = shards; number >= 1; --number) {
      paths.push_back(at("part-" + std::to_string(number)));
      cugad_part part = {sizeof part, -1, -1};
      EXPECT_OK(cugad_fit_part(device_.get(), &training_, number, shards, paths.back().c_str(), &part));
      EXPECT_EQ(part.models, training_.groups == nullptr ? 1 : (part.groups + (number == 1)) * 2);
    }
    return paths;
  }
  std::string merged(const std::vector<std::string>& paths, cugad_part& contents) const {
    std::vector<const char*> given;
    for (const std::string& path : paths) given.push_back(path.c_str());
    EXPECT_OK(
        cugad_merge_parts(device_.get(), given.data(), std::ssize(given), at("merged").c_str(), nullptr, &contents));
    return read_text(at("merged"));
  }
  void expect_refused(const std::string& text) const {
    EXPECT_EQ(cugad_fit_part(device_.get(), &training_, 1, 2, at("none").c_str(), nullptr),
              CUGAD_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(cugad_last_error()).find(text), std::string::npos) << cugad_last_error();
    EXPECT_FALSE(std::filesystem::exists(at("none")));
  }

  const std::string config_ = small_config("gan");
  const Matrix rows_ = random_rows(count, columns, 1);
  const cugad_matrix x_ = {sizeof x_, rows_.data.data(), CUGAD_FLOAT32, count, columns, columns, 1};
  const char* const column_names_[columns] = {"a", "b", "c"};
  const char* const attachment_names_[2] = {"encoder", "note"};
  const char* const attachment_texts_[2] = {"{}", "kept"};
  std::vector<std::string> names_;
  std::vector<const char*> groups_;
  cugad_fit_controls controls_ = {};
  cugad_training training_ = {};
  DeviceHandle device_ = open_device();
  const TemporaryDirectory directory_;
};

TEST_F(CShards, OfAFleetMakeTheFileOfCpp) {
  const cugad_fleet_options options = {sizeof options, 20, 0};
  training_.groups = groups_.data();
  training_.fleet_options = &options;
  cugad_part contents = {sizeof contents, -1, -1};
  const std::string bytes = merged(parts(3), contents);
  EXPECT_EQ(contents.groups, 4);
  EXPECT_EQ(contents.models, 10);
  Fleet expected(test_device(), options_from_json(config_), {.minimum_rows = 20});
  expected.attach("encoder", "{}");
  expected.attach("note", "kept");
  expected.fit(rows_, names_, {.names = {"a", "b", "c"}});
  expected.save(at("expected"));
  EXPECT_EQ(bytes, read_text(at("expected")));
}

TEST_F(CShards, OfADetectorMakeTheFileOfCpp) {
  cugad_part contents = {sizeof contents, -1, -1};
  const std::vector<std::string> paths = parts(2);
  const std::string bytes = merged(paths, contents);
  EXPECT_EQ(contents.groups, 0);
  EXPECT_EQ(contents.models, 2);
  Detector expected(test_device(), options_from_json(config_));
  expected.attach("encoder", "{}");
  expected.attach("note", "kept");
  expected.fit(rows_, {.names = {"a", "b", "c"}});
  expected.save(at("expected"));
  EXPECT_EQ(bytes, read_text(at("expected")));
  std::int32_t is_part = -1;
  ASSERT_OK(cugad_is_part(paths[0].c_str(), &is_part));
  EXPECT_EQ(is_part, 1);
  ASSERT_OK(cugad_is_part(at("merged").c_str(), &is_part));
  EXPECT_EQ(is_part, 0);
}

TEST_F(CShards, CanBeCancelled) {
  controls_.on_progress = [](const cugad_progress*, void* user) { return ++*static_cast<int*>(user) > 0 ? 1 : 0; };
  int calls = 0;
  controls_.user = &calls;
  const std::string longer = small_config("gan", R"(, "steps": 300)");
  training_.config_json = longer.c_str();
  EXPECT_EQ(cugad_fit_part(device_.get(), &training_, 1, 1, at("none").c_str(), nullptr), CUGAD_ERROR_CANCELLED);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(std::filesystem::exists(at("none")));
}

TEST_F(CShards, ArgumentsAreChecked) {
  EXPECT_EQ(cugad_fit_part(device_.get(), &training_, 3, 2, at("none").c_str(), nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("'3/2', expected I/N"), std::string::npos) << cugad_last_error();
  EXPECT_EQ(cugad_fit_part(device_.get(), nullptr, 1, 2, at("none").c_str(), nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_fit_part(nullptr, &training_, 1, 2, at("none").c_str(), nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_fit_part(device_.get(), &training_, 1, 2, nullptr, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  cugad_part part = {};
  EXPECT_EQ(cugad_fit_part(device_.get(), &training_, 1, 2, at("none").c_str(), &part), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("part has struct_size 0"), std::string::npos) << cugad_last_error();
  const cugad_fleet_options options = {sizeof options, 20, 0};
  training_.fleet_options = &options;
  expect_refused("fleet_options is given without groups");
  training_.fleet_options = nullptr;
  training_.attachment_texts = nullptr;
  expect_refused("attachment_texts is NULL");
  training_.attachments = 0;
  training_.config_json = R"({"method": "no such"})";
  expect_refused("no such");
  training_.x = nullptr;
  expect_refused("x is NULL");
  const char* const missing[] = {"part-1"};
  EXPECT_EQ(cugad_merge_parts(device_.get(), missing, 1, at("none").c_str(), nullptr, nullptr),
            CUGAD_ERROR_INPUT_OUTPUT);
  EXPECT_EQ(cugad_merge_parts(device_.get(), nullptr, 0, at("none").c_str(), nullptr, nullptr),
            CUGAD_ERROR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace cugad::test
