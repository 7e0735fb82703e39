#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"

/// What `cugad train` does if neither a method nor a preset is named, and which flags go with that.
namespace cugad::cli_test {
namespace {

class Defaults : public CommandTest {
 protected:
  /// A quick training without a method.
  std::vector<std::string> quick(const std::vector<std::string>& more, const std::string& input = table) const {
    std::vector<std::string> arguments = {"train",
                                          input,
                                          "--output",
                                          at("m"),
                                          "--label-column",
                                          "label",
                                          "--normal",
                                          "normal",
                                          "--steps",
                                          "20",
                                          "--population",
                                          "2",
                                          "--hidden",
                                          "16",
                                          "--discriminator-hidden",
                                          "16"};
    if (input == table) arguments.insert(arguments.end(), {"--exclude", "machine"});  // a constant, which is noted
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  nlohmann::json info() const {
    return nlohmann::json::parse(run_well({"info", "--json", "--model", at("m")}))["model"];
  }
  void expect_error(const std::vector<std::string>& more, const std::vector<std::string>& parts) const {
    const Outcome outcome = run(quick(more));
    EXPECT_EQ(outcome.code, 2);
    for (const std::string& part : parts) {
      EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err << "expected: " << part;
    }
  }
  static int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t from = text.find(part); from != std::string::npos; from = text.find(part, from + 1)) ++found;
    return found;
  }
};

TEST_F(Defaults, StandInTheHelp) {
  for (const auto& arguments : {std::vector<std::string>{"train", "--help"}, {"info", "--options"}}) {
    EXPECT_TRUE(has(run_well(arguments),
                    "Without --method and --preset: preset tables (method knn,gain, 1500 steps); "
                    "the"));
  }
}

TEST_F(Defaults, IsTheRecipeForTables) {
  const Outcome outcome = run(quick({}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "knn,gain (default: preset tables)\n")) << outcome.out;
  EXPECT_EQ(count(outcome.err, "training rows (reference_rows"), 1) << outcome.err;
  const std::string bytes = read_file(at("m"));
  const Outcome quiet = run(quick({"--quiet", "--preset", "tables"}));
  EXPECT_TRUE(is_one_line(quiet.err, "cugad: note: the model keeps ", "training rows (reference_rows")) << quiet.err;
  EXPECT_TRUE(has(quiet.out, "knn,gain\n")) << quiet.out;
  EXPECT_EQ(read_file(at("m")), bytes);
  EXPECT_GT(info()["reference_rows"], 2000);
}

TEST_F(Defaults, WithoutReferenceRowsNoneAreKept) {
  EXPECT_TRUE(has(run_well(quick({"--reference-rows", "0"})), "(default: preset tables-without-rows)\n"));
  EXPECT_EQ(info()["reference_rows"], 0);
  EXPECT_FALSE(has(read_file(at("m")), "reference.rows"));
  expect_error({"--reference-rows", "0", "--preset", "tables"}, {"keeps no training rows", "leave --preset out"});
  expect_error({"--reference-rows", "0", "--method", "gan,knn"}, {"method knn"});
}

TEST_F(Defaults, ConditionsAndTargetsHaveTheirOwn) {
  run_well(quick({"--condition", "state"}));
  EXPECT_EQ(info()["options"]["method"], "gain");
  run_well(quick({"--target", "temperature"}));
  EXPECT_EQ(info()["options"]["method"], "translation");
}

/// Whoever names an option that the recipe does not read thinks of a method that does.
TEST_F(Defaults, FlagsOfOtherMethodsAreRefused) {
  expect_error({"--latent", "8"}, {"option 'latent' does not apply to the default (preset tables, method knn,gain)",
                                   "--method anogan, gan, bigan"});
  expect_error({"--bank-rows", "100"}, {"--method anogan\n"});
  expect_error({"--kappa", "2"}, {"--method fanogan\n"});
  expect_error({"--score", "search"}, {"has no score 'search'", "no method is given (--method)"});
  // Another flag disables it, whatever the method.
  const Outcome idle = run(quick({"--contamination", "0.1", "--false-alarm-rate", "0.1"}));
  EXPECT_EQ(idle.code, 0);
  EXPECT_TRUE(has(idle.err, "--contamination has no effect")) << idle.err;
}

TEST_F(Defaults, APresetOfAnotherMethodIsRefused) {
  expect_error({"--preset", "tables", "--method", "anogan"}, {"method is 'anogan'", "settings of method 'knn,gain'"});
  run_well(quick({"--preset", "tables", "--method", "knn,gain"}));
}

/// The rows decide some options; that is not listed as if a user had set them, nor what has no effect.
TEST_F(Defaults, InfoListsWhatMatters) {
  run_well(quick({"--neighbours", "7"}));
  const std::string text = run_well({"info", "--model", at("m")});
  const std::string set = text.substr(0, text.find("options at their defaults"));
  EXPECT_TRUE(has(text, "reference rows ")) << text;
  EXPECT_TRUE(has(set, "options that differ from preset tables:\n")) << set;
  EXPECT_TRUE(has(set, "\n  neighbours ")) << set;
  EXPECT_TRUE(has(text, "(chosen by the rows)")) << text;
  for (const char* idle : {"\n  latent ", "\n  bank_rows ", "\n  coverage "}) EXPECT_FALSE(has(text, idle)) << idle;
  for (const char* chosen : {"\n  reference_rows ", "\n  folds "}) {
    EXPECT_TRUE(has(text, chosen)) << text;
  }
  EXPECT_FALSE(has(set, "\n  reference_rows ")) << set;
}

TEST_F(Defaults, FleetsHaveItToo) {
  run_well({"synthesize", "telemetry", "--rows-per-group", "120", "--groups", "3", "--output", at("t.csv")});
  const Outcome outcome = run(quick({"--group-by", "group"}, at("t.csv")));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(count(outcome.err, "training rows (reference_rows"), 1) << outcome.err;
  const auto scores = lines_of(run_well({"score", at("t.csv"), "--model", at("m"), "--parts"}));
  ASSERT_EQ(scores.size(), 361u);
  EXPECT_EQ(scores[0], "score,score_knn_nearest,score_knn_mean,score_gain");
  run_well({"extract", "--model", at("m"), "--group", "machine-0001", "--output", at("one")});
  const auto alone = lines_of(run_well({"score", at("t.csv"), "--model", at("one"), "--parts"}));
  const auto rows = lines_of(read_file(at("t.csv")));
  int found = 0;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    if (!has(rows[r], "machine-0001")) continue;
    EXPECT_EQ(scores[r], alone[r]);
    ++found;
  }
  EXPECT_EQ(found, 120);
}

}  // namespace
}  // namespace cugad::cli_test
