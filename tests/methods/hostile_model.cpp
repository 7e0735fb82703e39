#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "host/backend/backend.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/text/nearest_name.hpp"
#include "tests/common/fleet_of_version_2.hpp"
#include "tests/methods/fleet_rows.hpp"

/// Model files made to harm: valid containers whose metadata would take stack, memory or time.
namespace cugad::test {
namespace {

using safetensors::File;

File file_of(const DetectorOptions& options) {
  const TemporaryDirectory directory;
  fitted(options, normal_rows(60, 1)).save(directory.file("model"));
  return safetensors::read(directory.file("model"));
}

DetectorOptions brief_options() {
  DetectorOptions options = quick_options();
  options.steps = 10;
  return options;
}

void set_option_in(File& file, const std::string& name, const nlohmann::json& value) {
  auto options = nlohmann::json::parse(file.metadata.at("options"));
  options[name] = value;
  file.metadata["options"] = options.dump();
}

template <class Model>
void expect_refused(const File& file, const std::vector<std::string>& parts) {
  const TemporaryDirectory directory;
  safetensors::write(directory.file("model"), file);
  try {
    Model::load(test_device(1), directory.file("model"));
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ErrorCode::format) << message;
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 2000u);
  }
}

/// Copying and printing a JSON value calls itself for every level: a million of them would exhaust the stack.
TEST(HostileModel, DeepNestingIsRefused) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const File good = file_of(brief_options());
  for (const char* key : {"columns", "transform", "score_statistics", "telemetry", "threshold", "score_calibration",
                          "options", "format_version", "notes"}) {
    SCOPED_TRACE(key);
    File file = good;
    file.metadata[key] = deep;
    expect_refused<Detector>(file, {});
    file.metadata[key] = "{\"hidden\": [" + deep + "], \"residual\": " + deep + ", \"shift\": " + deep + "}";
    expect_refused<Detector>(file, {});
  }
  const TemporaryDirectory directory;
  fitted_fleet(fleet_rows(fleet_sizes, 1), brief_options()).save(directory.file("fleet"));
  const File fleet = as_version_2(safetensors::read(directory.file("fleet")));
  for (const char* key : {"groups", "group_rows", "group_has_model", "minimum_rows", "pooled.options", "group.options",
                          "group.transform", "group.telemetry"}) {
    SCOPED_TRACE(key);
    File file = fleet;
    file.metadata[key] = deep;
    expect_refused<Fleet>(file, {});
    file.metadata[key] = "{\"a\": " + deep + "}";
    expect_refused<Fleet>(file, {});
  }
}

/// Objects are searched key by key: 80,000 of them would take a minute, those of a header of 100 MB days.
TEST(HostileModel, ManyKeysAreRefused) {
  nlohmann::json many = nlohmann::json::object();
  for (int key = 0; key < 200'000; ++key) many[std::to_string(key)] = 1;
  const File good = file_of(brief_options());
  for (const char* key : {"columns", "transform", "score_statistics", "telemetry", "novelty", "score_calibration",
                          "options", "format_version"}) {
    SCOPED_TRACE(key);
    File file = good;
    file.metadata[key] = many.dump();
    expect_refused<Detector>(file, {});
    file.metadata[key] = "{\"residual\": [" + many.dump() + "]}";
    expect_refused<Detector>(file, {});
  }
}

/// What lies in brackets inside a text is no nesting.
TEST(HostileModel, BracketsInNamesAreNoNesting) {
  const TemporaryDirectory directory;
  Detector detector(test_device(1), brief_options());
  const std::string brackets = "\"" + std::string(100, '[') + "\\";
  detector.fit(normal_rows(60, 1).view(), {.names = {"a", brackets, "c", "d", "e", "f"}});
  detector.save(directory.file("model"));
  EXPECT_EQ(Detector::load(test_device(1), directory.file("model")).column_names()[1], brackets);
}

/// The bank is drawn when a model is loaded, in the size that the file names.
TEST(HostileModel, ABankOutOfProportionIsRefused) {
  DetectorOptions options = brief_options();
  options.population = 32;
  options.hidden = options.discriminator_hidden = {4};
  options.discrimination = Discrimination::none;
  File file = file_of(options);
  set_option_in(file, "bank_rows", 1 << 20);
  expect_refused<Detector>(file, {"bank_rows", "at most 233016"});
  set_option_in(file, "score", "search");
  expect_refused<Detector>(file, {"bank_rows"});
  // Nor can such a model be made.
  options.bank_rows = 1 << 20;
  expect_error(ErrorCode::invalid_argument, {"bank_rows", "at most 233016"},
               [&] { fitted(options, normal_rows(60, 1)); });
  // Without a bank the option has no effect.
  options.score = ScoreRule::discriminator;
  options.method = Method::gan;
  File without = file_of(options);
  const TemporaryDirectory directory;
  safetensors::write(directory.file("model"), without);
  EXPECT_TRUE(Detector::load(test_device(1), directory.file("model")).fitted());
}

/// Networks that carry conditions grow with the square of their number.
TEST(HostileModel, MoreConditionsThanNetworksCanCarryAreRefused) {
  DetectorOptions options = brief_options();
  options.method = Method::gan;
  options.hidden = options.discriminator_hidden = {1, 1};
  options.steps = 1;
  options.condition = {"c"};
  std::vector<std::string> names = {"a"};
  while (names.size() < 20'000) names.push_back("c=" + std::to_string(names.size()));
  const Matrix rows = normal_rows(20, 1, 20'000);
  Detector detector(test_device(1), options);
  expect_error(ErrorCode::invalid_argument, {"condition", "19999 columns"},
               [&] { detector.fit(rows.view(), {.names = names}); });
}

/// 16 KB of weights with 64 restarts of 4,096 latents each: a chunk of 16,384 rows would take 17 GB.
TEST(HostileModel, WorkingMemoryIsBounded) {
  const TemporaryDirectory directory;
  DetectorOptions options = search_options(SearchStart::normal);
  options.population = 1;
  options.steps = 1;
  options.latent = 4096;
  options.hidden = {1};
  options.search_steps = 1;
  options.search_rate = {0.01f};
  options.search_until = {};
  options.restarts = 1;
  const Matrix rows = normal_rows(5, 2);
  File file = file_of(options);
  set_option_in(file, "restarts", 64);
  safetensors::write(directory.file("model"), file);
  EXPECT_LT(std::filesystem::file_size(directory.file("model")), 80'000u);
  const Device device = test_device(1);
  const std::size_t before = device.memory().bytes;
  Detector loaded = Detector::load(device, directory.file("model"));
  // A device takes larger chunks.
  const std::size_t most = device.backend().runs_models_together() ? std::size_t{5} << 30 : std::size_t{1} << 30;
  EXPECT_LT(device.memory().bytes - before, most);
  for (const float score : loaded.score(rows.view())) EXPECT_TRUE(std::isfinite(score));
}

TEST(HostileModel, MessagesAreOneShortLine) {
  const std::string longer(200'000, 'x');
  for (const std::string& text : {std::string("a\nb"), longer}) {
    File file = file_of(brief_options());
    const File good = file;
    file.metadata["format"] = text;
    expect_refused<Detector>(file, {"format is"});
    file = good;
    set_option_in(file, text, 1);
    expect_refused<Detector>(file, {"unknown option"});
    file = good;
    set_option_in(file, "score", text);
    expect_refused<Detector>(file, {"'score'"});
    file = good;
    set_option_in(file, "score", "search");
    set_option_in(file, "condition", nlohmann::json::array({text}));
    expect_refused<Detector>(file, {"condition names the column"});
  }
}

/// The distance of two names takes the product of their lengths.
TEST(HostileModel, TheNearestOfLongNamesTakesNoTime) {
  const std::vector<std::string> known = {std::string(300'000, 'a'), std::string(299'999, 'b') + "c", "short"};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(nearest_name(std::string(300'000, 'b'), known), known[1]);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(nearest_name("shart", known), "short");
}

}  // namespace
}  // namespace cugad::test
