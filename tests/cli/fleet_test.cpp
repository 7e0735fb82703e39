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

/// Parts of 1 to 4 processes, and of one that was killed and started again: the file of one process, to the byte.
TEST_F(Fleets, PartsMakeTheFileOfOneProcess) {
  for (const int count : {1, 2, 4}) {
    std::vector<std::string> merge = {"merge"};
    for (int number = count; number >= 1; --number) {
      merge.push_back(at("part" + std::to_string(number)));
      const std::string out =
          run_well(train_fleet(merge.back(), {"--shard", std::to_string(number) + "/" + std::to_string(count)}));
      EXPECT_TRUE(has(out, "shard     ")) << out;
    }
    merge.insert(merge.end(), {"--output", at("merged")});
    run_well(merge);
    EXPECT_EQ(read_file(at("merged")), read_file(at("fleet")));
  }
  // Those of four shards are there now, without the third.
  EXPECT_TRUE(is_one_line(run({"merge", at("part1"), at("part2"), at("part4"), "--output", at("x")}).err,
                          "cugad: ", "3/4 is missing"));
  EXPECT_TRUE(is_one_line(run({"merge", at("part1"), at("part1"), "--output", at("x")}).err, "cugad: ", "both shard"));
  EXPECT_TRUE(is_one_line(run({"merge", at("fleet"), "--output", at("x")}).err, "cugad: ", "no part of a training"));
  EXPECT_EQ(run({"merge", at("part1"), "--output", at("part1")}).code, 2);
  EXPECT_TRUE(is_one_line(run({"score", at("t.csv"), "--model", at("part1")}).err, "cugad: ", "cugad merge"));
  EXPECT_FALSE(std::filesystem::exists(at("x")));
  for (const char* shard : {"5/4", "0/0", "x"}) {
    const Outcome outcome = run(train_fleet(at("x"), {"--shard", shard}));
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: ", "expected I/N")) << outcome.err;
  }
}

/// The scores of all ranges of rows follow each other as those of one process.
TEST_F(Fleets, RangesOfRowsAreScoredApart) {
  for (const bool to_file : {false, true}) {
    const auto score = [&](const std::string& name, const std::vector<std::string>& more) {
      std::vector<std::string> arguments = {"score", at("t.csv"), "--model", at("fleet"), "--label"};
      if (to_file) arguments.insert(arguments.end(), {"--output", at(name)});
      arguments.insert(arguments.end(), more.begin(), more.end());
      const std::string out = run_well(arguments);
      return to_file ? read_file(at(name)) : out;
    };
    const std::string whole = score("whole.csv", {});
    for (const int count : to_file ? std::vector<int>{1, 4} : std::vector<int>{3}) {
      std::string all;
      for (int number = 1; number <= count; ++number) {
        all += score("part.csv", {"--shard", std::to_string(number) + "/" + std::to_string(count)});
      }
      EXPECT_EQ(all, whole) << count;
    }
  }
  // More shards than rows: some have none, before and after the first row.
  const std::string table = read_file(at("t.csv"));
  write_file(at("two.csv"), table.substr(0, table.find('\n', table.find('\n', table.find('\n') + 1) + 1) + 1));
  std::string all;
  for (int number = 1; number <= 5; ++number) {
    all += run_well({"score", at("two.csv"), "--model", at("fleet"), "--shard", std::to_string(number) + "/5"});
  }
  EXPECT_EQ(all, run_well({"score", at("two.csv"), "--model", at("fleet")}));
  EXPECT_EQ(run({"score", "-", "--model", at("fleet"), "--shard", "1/2"}, at("t.csv")).code, 2);
}

/// A group that comes later: its model is the one of a training with all groups, the others stay.
TEST_F(Fleets, AGroupIsAdded) {
  run_well({"synthesize", "telemetry", "--rows-per-group", "120", "--groups", "6", "--output", at("more.csv")});
  const std::vector<std::string> flags = {"train",          at("more.csv"), "--group-by", "group",
                                          "--label-column", "label",        "--normal",   "normal",
                                          "--continue",     at("fleet"),    "--output",   at("grown")};
  const std::string out = run_well(flags);
  EXPECT_TRUE(has(out, "1 groups with models of their own")) << out;
  for (const char* group : {"machine-0000", "machine-0004"}) {
    for (const char* model : {"fleet", "grown"}) {
      run_well({"extract", "--model", at(model), "--group", group, "--output", at(std::string(model) + "-one")});
    }
    EXPECT_EQ(read_file(at("fleet-one")), read_file(at("grown-one")));
  }
  run_well({"extract", "--model", at("grown"), "--group", "machine-0005", "--output", at("new")});
  for (const auto& [more, text] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--steps", "50"}, "--steps 50"},
           {{"--shard", "1/2"}, "--shard does not go with"},
           {{"--group-seed", "position"}, "--group-seed position"},
           {{"--fleet-minimum-rows", "7"}, "--fleet-minimum-rows 7"}}) {
    std::vector<std::string> wrong = flags;
    wrong.insert(wrong.end(), more.begin(), more.end());
    const Outcome outcome = run(wrong);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: ", text)) << outcome.err;
  }
  run_well(train_fleet(at("by position"), {"--group-seed", "position"}));
  std::vector<std::string> old = flags;
  old[9] = at("by position");
  EXPECT_TRUE(has(run(old).err, "by their position"));
}

}  // namespace
}  // namespace cugad::cli_test
