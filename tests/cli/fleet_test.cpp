#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"

/// One model per group: train --group-by, and the commands that take its file.
namespace cugad::cli_test {
namespace {

class Fleets : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    run_well({"synthesize", "telemetry", "--rows-per-group", "120", "--groups", "5", "--output", at("t.csv")});
    run_well(train_fleet(at("fleet")));
  }
  std::vector<std::string> train_fleet(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train",
                                          at("t.csv"),
                                          "--output",
                                          output,
                                          "--group-by",
                                          "group",
                                          "--label-column",
                                          "label",
                                          "--normal",
                                          "normal",
                                          "--method",
                                          "anogan",
                                          "--steps",
                                          "100",
                                          "--population",
                                          "2",
                                          "--hidden",
                                          "16",
                                          "--discriminator-hidden",
                                          "16",
                                          "--bank-rows",
                                          "100"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_F(Fleets, EveryRowIsScoredByTheModelOfItsGroup) {
  const auto scores = lines_of(
      run_well({"score", at("t.csv"), "--model", at("fleet"), "--label", "--probability", "rank", "--confidence"}));
  ASSERT_EQ(scores.size(), 601u);
  EXPECT_EQ(scores[0], "score,label,probability,confidence");
  run_well({"extract", "--model", at("fleet"), "--group", "machine-0003", "--output", at("one")});
  const auto alone = lines_of(
      run_well({"score", at("t.csv"), "--model", at("one"), "--label", "--probability", "rank", "--confidence"}));
  const auto table = lines_of(read_file(at("t.csv")));
  int rows = 0;
  for (std::size_t r = 1; r < scores.size(); ++r) {
    if (table[r].find("machine-0003") == std::string::npos) continue;
    EXPECT_EQ(scores[r], alone[r]);
    ++rows;
  }
  EXPECT_EQ(rows, 120);
  run_well({"score", at("t.csv"), "--model", at("fleet"), "--output", at("s.csv"), "--explain", "2"});
  EXPECT_EQ(lines_of(read_file(at("s.csv")))[0], "row,score,anomaly,reason_1,reason_2");
}

TEST_F(Fleets, OtherCommandsUnderstandThem) {
  const auto result = nlohmann::json::parse(
      run_well({"evaluate", at("t.csv"), "--model", at("fleet"), "--normal", "normal", "--json"}));
  EXPECT_EQ(result.at("rows"), 600);
  EXPECT_TRUE(result.at("threshold").is_null());
  EXPECT_GT(result.at("flagged"), 0);
  const auto wider = nlohmann::json::parse(
      run_well({"evaluate", at("t.csv"), "--model", at("fleet"), "--json", "--contamination", "0.4"}));
  EXPECT_GT(wider.at("flagged"), result.at("flagged"));
  const std::string text = run_well({"info", "--model", at("fleet")});
  for (const char* part :
       {"5 with models of their own", "by column group", "machine-0004", " of the pooled model; each"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_FALSE(has(text.substr(0, text.find("options at their defaults")), "seed")) << text;
  const auto info = nlohmann::json::parse(run_well({"info", "--json", "--model", at("fleet")}))["model"];
  EXPECT_EQ(info["fleet"]["column"], "group");
  ASSERT_EQ(info["fleet"]["groups"].size(), 5u);
  EXPECT_EQ(info["fleet"]["groups"][4]["group"], "machine-0004");
  EXPECT_EQ(info["fleet"]["groups"][4]["model"], "own");
  EXPECT_FALSE(info.contains("telemetry"));
  EXPECT_TRUE(is_one_line(run({"sample", "--model", at("fleet"), "--count", "3"}).err, "cugad: ", "extract"));
  EXPECT_TRUE(is_one_line(run({"extract", "--model", at("fleet"), "--group", "machine-9", "--output", at("x")}).err,
                          "cugad: ", "machine-9"));
  EXPECT_TRUE(is_one_line(run({"extract", "--model", model, "--group", "a", "--output", at("x")}).err,
                          "cugad: ", "not a fleet"));
  EXPECT_EQ(run({"extract", "--model", at("fleet"), "--output", at("x")}).code, 2);
}

TEST_F(Fleets, UnseenAndSmallGroupsAreCounted) {
  const Outcome trained = run(train_fleet(at("small"), {"--fleet-minimum-rows", "1000"}));
  EXPECT_EQ(trained.code, 0);
  EXPECT_NE(trained.err.find("0 groups of 5 have models of their own"), std::string::npos) << trained.err;
  const Outcome small = run({"score", at("t.csv"), "--model", at("small")});
  EXPECT_NE(small.err.find("the pooled model scored 600 of 600 rows; 600 of groups without a model"), std::string::npos)
      << small.err;
  run_well({"synthesize", "telemetry", "--rows-per-group", "100", "--groups", "7", "--output", at("more.csv")});
  const Outcome more = run({"score", at("more.csv"), "--model", at("fleet")});
  EXPECT_NE(more.err.find("the pooled model scored 200 of 700 rows"), std::string::npos) << more.err;
  EXPECT_NE(more.err.find("'machine-0006'"), std::string::npos) << more.err;
  EXPECT_EQ(run({"score", at("t.csv"), "--model", at("fleet")}).err, "");
  // The shared table has no such column.
  EXPECT_TRUE(is_one_line(run({"score", table, "--model", at("fleet")}).err, "cugad: ", "group"));
}

TEST_F(Fleets, TheFleetIsNotOverwrittenByAModelOfIt) {
  const std::string before = read_file(at("fleet"));
  EXPECT_EQ(run({"extract", "--model", at("fleet"), "--pooled", "--output", at("fleet")}).code, 2);
  EXPECT_EQ(read_file(at("fleet")), before);
}

TEST_F(Fleets, FlagsThatDoNotGoTogether) {
  EXPECT_EQ(run(train_fleet(at("x"), {"--fleet-minimum-rows", "0"})).code, 2);
  std::vector<std::string> epochs = train_fleet(at("x"), {"--epochs", "2"});
  EXPECT_EQ(run(epochs).code, 2);
  EXPECT_EQ(run(train(at("x"), {"--fleet-minimum-rows", "7"})).code, 2);
}

TEST_F(Fleets, TheSameBytesAgainAndWithAnotherNumberOfThreads) {
  run_well(train_fleet(at("again"), {"--threads", "1", "--checkpoint", at("c")}));
  EXPECT_EQ(read_file(at("again")), read_file(at("fleet")));
  EXPECT_TRUE(std::filesystem::exists(at("c/pooled.safetensors")));
  EXPECT_FALSE(std::filesystem::exists(at("fleet.checkpoint")));
  run_well(train_fleet(at("resumed"), {"--checkpoint", at("c"), "--resume"}));
  EXPECT_EQ(read_file(at("resumed")), read_file(at("fleet")));
}

}  // namespace
}  // namespace cugad::cli_test
