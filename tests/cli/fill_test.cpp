#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "cli/command.hpp"

/// Missing cells filled and drawn by the command.
namespace cugad::cli_test {
namespace {

/// Rows of an integer, a number of two decimals that follows from it, a text that follows from it, and a name.
class Filling : public CommandTest {
 protected:
  static std::string row(int r, const std::function<std::string(int, std::string)>& cell) {
    const int load = r * 7 % 20;
    char cost[20];
    std::snprintf(cost, sizeof cost, "%d.%02d", 10 * load + r % 3, r * 37 % 100);
    const std::vector<std::string> cells = {std::to_string(load), cost, load < 10 ? "idle" : "very \"busy\", now",
                                            "row " + std::to_string(r) + "x"};
    std::string line;
    for (int c = 0; c < 4; ++c) line += (c > 0 ? "," : "") + cell(c, cells[static_cast<std::size_t>(c)]);
    return line + "\n";
  }
  static std::string quoted(const std::string& cell) {
    if (cell.find('"') == std::string::npos) return cell;
    return "\"very \"\"busy\"\", now\"";
  }
  static std::string header() { return "load,cost,state,name\n"; }
  static std::vector<std::string> training(const std::string& input, const std::string& output,
                                           const std::string& method = "gain", const std::string& population = "1") {
    return {"train",
            input,
            "--output",
            output,
            "--method",
            method,
            "--population",
            population,
            "--steps",
            "600",
            "--generator-hidden",
            "16",
            "--discriminator-hidden",
            "16",
            "--generator-learning-rate",
            "2e-3",
            "--quiet"};
  }
  void train(const std::string& method = "gain", const std::string& population = "1") const {
    std::string text = header();
    for (int r = 0; r < 200; ++r) text += row(r, [](int, const std::string& cell) { return quoted(cell); });
    write_file(at("train.csv"), text);
    std::vector<std::string> arguments = training(at("train.csv"), at("m"), method, population);
    arguments.insert(arguments.end(), {"--exclude", "name"});
    run_well(arguments);
  }
  std::string file(const std::string& name, const std::string& text) const {
    write_file(at(name), text);
    return at(name);
  }
  std::vector<std::string> fill(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"fill", input, "--model", at("m")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lines_of(run_well(arguments));
  }
};

/// Blanks, quotes, other ways of writing a number, and columns that are no features stay as they are.
TEST_F(Filling, LeavesAllButMissingCellsAsTheyAre) {
  train();
  const auto lines = fill(file("new.csv",
                               "load,cost,state,name\n"
                               "  3 , 3.0e1,\"idle\",\"a, b\"\n"
                               "+4, ?,idle,\n"
                               "NA ,150.10, ,c\n"
                               "15,\"\",  unknown  ,\n"
                               ",,,\n"));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0], "load,cost,state,name");
  EXPECT_EQ(lines[1], "  3 , 3.0e1,\"idle\",\"a, b\"");
  const auto between = [](const std::string& text, double low, double high) {
    const double number = std::stod(text);
    return low <= number && number <= high;
  };
  EXPECT_TRUE(lines[2].starts_with("+4, ") && lines[2].ends_with(",idle,")) << lines[2];
  EXPECT_TRUE(between(lines[2].substr(4), 10, 75)) << lines[2];
  EXPECT_EQ(lines[2].find(',', 4) - lines[2].find('.'), 3u) << lines[2];  // two decimals
  EXPECT_TRUE(lines[3].ends_with(" ,150.10, \"very \"\"busy\"\", now\",c")) << lines[3];
  EXPECT_TRUE(between(lines[3], 11, 18) && lines[3].find('.') > lines[3].find(',')) << lines[3];  // an integer
  EXPECT_TRUE(lines[4].starts_with("15,") && lines[4].ends_with(",  unknown  ,")) << lines[4];
  EXPECT_EQ(std::count(lines[5].begin(), lines[5].end(), ','), lines[5].find("busy") < 99 ? 4 : 3) << lines[5];
}

TEST_F(Filling, AddsBandsAndUnroundedNumbers) {
  train();
  const std::string input = file("new.csv", "load,cost,state,name\n3,,idle,a\n,150.10,idle,b\n");
  const auto lines = fill(input, {"--bands", "0.8", "--no-round"});
  EXPECT_EQ(lines[0], "load,cost,state,name,load_low,load_high,cost_low,cost_high");
  double cost = 0, low = 0, high = 0;
  ASSERT_EQ(std::sscanf(lines[1].c_str(), "3,%lf,idle,a,,,%lf,%lf", &cost, &low, &high), 3) << lines[1];
  EXPECT_TRUE(low < cost && cost < high) << lines[1];
  double load = 0;
  ASSERT_EQ(std::sscanf(lines[2].c_str(), "%lf,150.10,idle,b,%lf,%lf,,", &load, &low, &high), 3) << lines[2];
  EXPECT_TRUE(low < load && load < high) << lines[2];
  EXPECT_NE(load, static_cast<int>(load));
}

/// The separator, the decimal comma and the unit of the file.
TEST_F(Filling, WritesNumbersAsTheirColumnDoes) {
  std::string text = "a;b\n";
  for (int r = 0; r < 100; ++r) {
    text += "$" + std::to_string(r % 10) + "," + std::to_string(r % 7) + ";" + std::to_string(r % 10) + " kg\n";
  }
  run_well(training(file("t.csv", text), at("m")));
  const auto lines = fill(file("new.csv", "a;b\n;5 kg\n$3,1;\n"));
  EXPECT_TRUE(lines[1].starts_with("$") && lines[1].ends_with(";5 kg")) << lines[1];
  EXPECT_EQ(lines[1].find(';') - lines[1].find(','), 2u) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("$3,1;") && lines[2].ends_with(" kg")) << lines[2];
}

/// A file with commas for a model of points; a column of integers, which shows no sign, among commas.
TEST_F(Filling, WritesTheDecimalSignOfTheFile) {
  train();
  const auto lines = fill(file("new.csv", "load;cost;state\n3;;idle\n;150,1;idle\n"),
                          {"--decimal", ",", "--separator", "semicolon", "--no-round", "--bands", "0.8"});
  ASSERT_EQ(lines.size(), 3u);
  for (const std::string& line : lines) EXPECT_FALSE(has(line, ".")) << line;
  EXPECT_GE(std::count(lines[2].begin(), lines[2].end(), ','), 2) << lines[2];

  std::string text = "a;b\n";
  for (int r = 0; r < 100; ++r) text += std::to_string(r % 10) + ",5;" + std::to_string(r * 7 % 10) + " %\n";
  run_well(training(file("t.csv", text), at("m")));
  const auto commas = fill(file("new.csv", "a;b\n3,5;\n"), {"--no-round"});
  EXPECT_TRUE(commas[1].starts_with("3,5;") && has(commas[1].substr(4), ",") && !has(commas[1], ".")) << commas[1];
}

/// A band of a prediction that the training rows' range clips is no single point, and a note counts it.
TEST_F(Filling, TellsWhatBandsDoNotPromise) {
  std::string text = "a,b\n";
  for (int r = 0; r < 200; ++r) text += std::to_string(r % 50) + "," + std::to_string(r % 50 * 10 + r % 3) + "\n";
  run_well(training(file("t.csv", text), at("m")));
  const std::vector<std::string> bands = {"fill", file("new.csv", "a,b\n300,\n20,\n"), "--model", at("m"), "--bands",
                                          "0.5"};
  const Outcome beyond = run(bands);
  const auto lines = lines_of(beyond.out);
  ASSERT_EQ(lines.size(), 3u) << beyond.err;
  int value = 0, low = 0, high = 0;
  ASSERT_EQ(std::sscanf(lines[1].c_str(), "300,%d,,,%d,%d", &value, &low, &high), 3) << lines[1];
  EXPECT_TRUE(value == 492 && low == 492 && high > 492) << lines[1];
  ASSERT_EQ(std::sscanf(lines[2].c_str(), "20,%d,,,%d,%d", &value, &low, &high), 3) << lines[2];
  EXPECT_TRUE(low <= value && value <= high && low < high) << lines[2];
  EXPECT_TRUE(has(beyond.err, "bands of 1 cells reach beyond the training rows' range")) << beyond.err;
  EXPECT_FALSE(has(beyond.err, "no promise with fewer")) << beyond.err;

  run_well(training(file("t.csv", "a,b\n1,2\n2,4\n3,7\n4,8\n5,10\n6,12\n"), at("m")));
  EXPECT_TRUE(has(run(bands).err, " rows: its bands are no promise with fewer than 10")) << run(bands).err;
}

/// Cells that are not predicted: conditions, and columns that are no features.
TEST_F(Filling, TellsWhichCellsItDoesNotPredict) {
  train();
  EXPECT_TRUE(has(run({"fill", file("new.csv", header() + "3,,idle,\n3,,idle,a\n"), "--model", at("m")}).err,
                  "missing cells in columns that the model does not have: 1, in 'name'"));
  std::vector<std::string> arguments = training(at("train.csv"), at("m"));
  arguments.insert(arguments.end(), {"--exclude", "name", "--condition", "load,state"});
  run_well(arguments);
  const std::string input = file("new.csv", "load,cost,state\n,30.10,idle\n,,idle\n3,,\n");
  const Outcome filled = run({"fill", input, "--model", at("m"), "--bands", "0.8"});
  const auto lines = lines_of(filled.out);
  ASSERT_EQ(lines.size(), 4u) << filled.err;
  EXPECT_TRUE(lines[1].ends_with(",30.10,idle,,,,")) << lines[1];
  EXPECT_FALSE(lines[1].starts_with(",")) << lines[1];
  EXPECT_TRUE(lines[3].starts_with("3,") && has(lines[3], ",,,,")) << lines[3];
  for (const std::string& err :
       {filled.err, run({"sample", "--given", input, "--model", at("m"), "--count", "3"}).err}) {
    EXPECT_TRUE(has(err, "column 'load' is a condition, which is not predicted: 2 rows take its centre")) << err;
    EXPECT_TRUE(has(err, "column 'state' is a condition, which is not predicted: 1 rows stay without it")) << err;
  }
}

/// The rows beside, threads, and gzip change no byte; a file, standard output and an ensemble work alike.
TEST_F(Filling, DoesNotDependOnTheRowsBesideNorOnThreads) {
  train("knn,gain", "2");
  const auto hide = [](int r) {
    return [r](int c, const std::string& cell) { return (r + c) % 3 == 0 ? "" : quoted(cell); };
  };
  std::string text = header(), reversed = header();
  for (int r = 0; r < 40; ++r) text += row(r, hide(r));
  for (int r = 39; r >= 0; --r) reversed += row(r, hide(r));
  const auto lines = fill(file("a.csv", text));
  auto backwards = fill(file("b.csv", reversed), {"--threads", "2"});
  std::reverse(backwards.begin() + 1, backwards.end());
  EXPECT_EQ(lines, backwards);
  ASSERT_EQ(std::system(("gzip -k " + at("a.csv")).c_str()), 0);
  fill(at("a.csv.gz"), {"--output", at("filled.csv")});
  EXPECT_EQ(lines_of(read_file(at("filled.csv"))), lines);
}

TEST_F(Filling, DrawsMissingCellsGivenTheOthers) {
  train();
  const std::string given = file("given.csv", header() + "3,,,a\n,170.00,\"very \"\"busy\"\", now\",b\n");
  const auto draw = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"sample", "--model", at("m"), "--given", given};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lines_of(run_well(arguments));
  };
  const auto lines = draw({"--count", "30"});
  ASSERT_EQ(lines.size(), 61u);
  EXPECT_EQ(lines[0] + "\n", header());
  std::set<std::string> distinct(lines.begin(), lines.end());
  EXPECT_GT(distinct.size(), 20u);
  for (int k = 1; k <= 30; ++k) {
    EXPECT_TRUE(lines[k].starts_with("3,") && lines[k].ends_with(",a")) << lines[k];
    EXPECT_TRUE(lines[30 + k].ends_with(",170.00,\"very \"\"busy\"\", now\",b")) << lines[30 + k];
  }
  EXPECT_EQ(draw({"--count", "30"}), lines);
  EXPECT_NE(draw({"--count", "30", "--seed", "1"}), lines);
  EXPECT_EQ(draw({}).size(), 3u);
}

TEST_F(Filling, SaysWhatIsWrong) {
  const Outcome other = run({"fill", table, "--model", model});
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(is_one_line(other.err, "cugad: error: ", "--method gain")) << other.err;
  EXPECT_TRUE(has(run({"sample", "--model", model, "--given", table}).err, "--method gain"));
  train();
  const auto error = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"fill", at("train.csv"), "--model", at("m")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    EXPECT_NE(outcome.code, 0);
    return outcome.err;
  };
  EXPECT_TRUE(has(error({"--bands", "90"}), "--bands must be a number from"));
  EXPECT_TRUE(has(error({"--output", at("x.npy")}), "csv"));
  EXPECT_TRUE(has(error({"--output", at("train.csv")}), "would overwrite"));
  write_file(at("twice.csv"), "load,cost,state,load_low\n1,,idle,2\n");
  const Outcome twice = run({"fill", at("twice.csv"), "--model", at("m"), "--bands", "0.8"});
  EXPECT_TRUE(twice.out.empty() && is_one_line(twice.err, "cugad: error: ", "'load_low'")) << twice.err;
  EXPECT_TRUE(has(run({"train", at("train.csv"), "--output", at("x"), "--trim", "abc"}).err, "-1 (auto)"));
  write_file(at("bad.csv"), "load,cost,state\n1,a lot,idle\n");
  EXPECT_TRUE(has(run({"fill", at("bad.csv"), "--model", at("m")}).err, "'a lot'"));
  EXPECT_TRUE(has(run({"sample", "--model", at("m")}).err, "--count is required"));
  const Outcome no_prior = run({"sample", "--model", at("m"), "--count", "3"});
  EXPECT_TRUE(is_one_line(no_prior.err, "cugad: error: ", "--given FILE")) << no_prior.err;
}

}  // namespace
}  // namespace cugad::cli_test
