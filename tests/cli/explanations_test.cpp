#include <algorithm>
#include <cstdio>
#include <regex>

#include "cli/command.hpp"

/// What `cugad score --explain` writes.
namespace cugad::cli_test {
namespace {

/// A load, a temperature that follows it, a state that changes at load 50, and a version that never changes.
class Explanations : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    std::string text = "load,temperature,state,version\n";
    for (int r = 0; r < 600; ++r) {
      const int load = 10 + r * 37 % 80;
      text += std::to_string(load) + "," + std::to_string(20 + load / 2) + "." + std::to_string(r % 10) + "," +
              (load < 50 ? "idle" : "busy") + ",3\n";
    }
    write_file(at("t.csv"), text);
  }
  void train_with(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"train",        at("t.csv"), "--output",
                                          at("m"),        "--steps",   "1500",
                                          "--population", "2",         "--generator-learning-rate",
                                          "1e-3",         "--quiet",   "--discriminator-learning-rate",
                                          "1e-3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    run_well(arguments);
  }
  /// The reasons of rows, behind their score.
  std::vector<std::string> reasons(const std::string& rows, int count = 1) const {
    write_file(at("n.csv"), "load,temperature,state,version\n" + rows);
    std::vector<std::string> lines =
        lines_of(run_well({"score", at("n.csv"), "--model", at("m"), "--explain", std::to_string(count)}));
    lines.erase(lines.begin());
    for (std::string& line : lines) line.erase(0, line.find(',') + 1);
    return lines;
  }
  static void expect_match(const std::string& text, const char* pattern) {
    EXPECT_TRUE(std::regex_match(text, std::regex(pattern))) << text;
  }
};

TEST_F(Explanations, NameTheValueWhatWasExpectedAndTheShare) {
  for (const char* method : {"gain", "knn,gain"}) {
    train_with({"--method", method});
    const auto found = reasons("30,55.5,idle,3\n30,35.5,busy,3\n30,35.5,asleep,3\n30,35.5,idle,4\n,35.5,idle,3\n");
    ASSERT_EQ(found.size(), 5u);
    expect_match(found[0], R"(temperature=55\.5: [\d.]+ to [\d.]+ expected \(\d+ %\))");
    expect_match(found[1], R"(state=busy: idle is \d+ % likely \(\d+ %\))");
    expect_match(found[2], R"(state=asleep: not seen in training \(\d+ %\))");
    expect_match(found[3], R"(version=4: always 3 in training \(\d+ %\))");
    expect_match(found[4], R"(load: no value \(\d+ %\))");
    double low = 0, high = 0;
    ASSERT_EQ(std::sscanf(found[0].c_str(), "temperature=55.5: %lf to %lf", &low, &high), 2);
    EXPECT_GT(high, 33.0);
    EXPECT_LT(low, 38.0);
    EXPECT_LT(high - low, 15.0);
  }
}

TEST_F(Explanations, OfMethodsWithOneExpectedValueNameIt) {
  train_with({"--method", "knn"});
  const auto found = reasons("30,55.5,idle,3\n30,35.5,busy,3\n");
  expect_match(found[0], R"(temperature=55\.5: 3[3-7][\d.]* expected \(\d+ %\))");
  expect_match(found[1], R"(state=busy: idle expected \(\d+ %\))");
}

/// Columns that explain nothing have empty cells: every line has as many.
TEST_F(Explanations, LeaveCellsEmpty) {
  train_with({"--method", "knn"});
  for (const std::string& line : reasons("30,35.5,idle,3\n60,50.1,,3\n", 4)) {
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 3) << line;
    EXPECT_FALSE(has(line, "version")) << line;
    EXPECT_TRUE(line.ends_with(",")) << line;
  }
}

/// A table without names has positions for them.
TEST_F(Explanations, OfArraysNamePositions) {
  std::string text;
  for (int r = 0; r < 300; ++r) text += std::to_string(r % 50) + "," + std::to_string(2 * (r % 50) + r % 3) + "\n";
  write_file(at("t.csv"), text);
  train_with({"--method", "knn"});
  write_file(at("n.csv"), "20,90\n");
  const auto lines = lines_of(run_well({"score", at("n.csv"), "--model", at("m"), "--explain", "1", "--header", "no"}));
  EXPECT_TRUE(has(lines[1], ",1=90: 4") || has(lines[1], ",0=20: 4")) << lines[1];
}

}  // namespace
}  // namespace cugad::cli_test
