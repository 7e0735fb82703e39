#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"

/// `cugad info`, of the build and of models.
namespace cugad::cli_test {
namespace {

using Info = CommandTest;

TEST_F(Info, NamesOpsAndOptions) {
  const std::string build = run_well({"info", "--ops"});
  EXPECT_NE(build.find("version"), std::string::npos);
  EXPECT_NE(build.find("instruction set"), std::string::npos);
  EXPECT_NE(build.find("latent_search"), std::string::npos);
  const std::string text = run_well({"info", "--model", model, "--device", "cpu"});
  for (const char* part : {"anogan", "threshold", "service=web", "column label is normal", "restorations"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  // Chosen options come before defaults.
  EXPECT_LT(text.find("population"), text.find("options at their defaults"));
  EXPECT_GT(text.find("average_decay"), text.find("options at their defaults"));
}

TEST_F(Info, TellsWhatTheCalibrationRestsOn) {
  const std::string whole = at("whole.safetensors");
  run_well({"train", table, "--output", whole, "--label-column", "label", "--normal", "normal", "--population", "1",
            "--method", "anogan", "--steps", "100", "--folds", "1"});
  const std::string text = run_well({"info", "--model", whole});
  EXPECT_NE(text.find(" training rows: new normal rows pass the threshold more often"), std::string::npos) << text;
  const auto of_whole = nlohmann::json::parse(run_well({"info", "--json", "--model", whole}))["model"]["calibration"];
  EXPECT_EQ(of_whole["folds"], 1);
  run_well({"train", table, "--output", whole, "--label-column", "label", "--normal", "normal", "--population", "1",
            "--method", "anogan", "--steps", "100", "--folds", "4"});
  const auto model_info = nlohmann::json::parse(run_well({"info", "--json", "--model", whole}))["model"]["calibration"];
  EXPECT_EQ(model_info["folds"], 4);
  EXPECT_LT(model_info["rows"], of_whole["rows"]) << "a fold of the training rows";
  EXPECT_NE(run_well({"info", "--model", whole}).find(" rows of 4 folds, each scored by models that had not seen it\n"),
            std::string::npos);
}

TEST_F(Info, TellsTheSameAsJson) {
  const nlohmann::json build = nlohmann::json::parse(run_well({"info", "--json", "--device", "cpu"}));
  EXPECT_EQ(build["device"], "cpu");
  EXPECT_EQ(build["precision"], "fp32");
  EXPECT_EQ(nlohmann::json::parse(run_well({"info", "--json", "--device", "cpu", "--precision", "bf16"}))["precision"],
            "bf16");
  EXPECT_FALSE(build.contains("model"));
  const auto model_info =
      nlohmann::json::parse(run_well({"info", "--json", "--model", model, "--device", "cpu"}))["model"];
  EXPECT_EQ(model_info["bytes"], std::filesystem::file_size(model));
  EXPECT_EQ(model_info["columns"].size(), 16u);
  EXPECT_EQ(model_info["columns"][0], "load");
  EXPECT_EQ(model_info["trained_on"]["label_column"], "label");
  EXPECT_EQ(model_info["trained_on"]["normal"], nlohmann::json::array({"normal"}));
  EXPECT_EQ(model_info["telemetry"].size(), model_info["options"]["population"].get<std::size_t>());
  EXPECT_TRUE(model_info["telemetry"][0]["discriminator_loss"].is_number());
  EXPECT_TRUE(model_info["telemetry"][0]["resting"].is_boolean());
  const std::string text = run_well({"info", "--model", model, "--device", "cpu"});
  const std::size_t at_threshold = text.find("threshold ");
  ASSERT_NE(at_threshold, std::string::npos);
  EXPECT_EQ(model_info["threshold"].get<float>(), std::stof(text.substr(at_threshold + 10)));
  for (const char* table : {"--ops", "--options"}) {
    const Outcome outcome = run({"info", "--json", table});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "--json")) << outcome.err;
  }
}

TEST_F(Info, IsTheErrorAloneOfABrokenModel) {
  write_file(at("broken"), "no model");
  const Outcome outcome = run({"info", "--model", at("broken")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace cugad::cli_test
