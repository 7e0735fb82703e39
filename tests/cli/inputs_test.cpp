#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.hpp"

/// Tables of other kinds than csv with a header, and the protocol on real data if it is available.
namespace cugad::cli_test {
namespace {

class Inputs : public CommandTest {
 protected:
  static std::vector<std::string> quick(const std::string& input, const std::string& output) {
    return quick_training(input, output);
  }
};

std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

/// Points on a noisy circle; every 20th row lies off it.
struct Circle {
  std::vector<float> points;
  std::vector<std::int64_t> labels;
};
Circle circle(int rows) {
  Circle made;
  for (int row = 0; row < rows; ++row) {
    const bool anomaly = row % 20 == 19;
    const double angle = 0.37 * row, radius = anomaly ? 2.5 : 1 + 0.05 * std::sin(5.1 * row);
    made.points.push_back(static_cast<float>(radius * std::cos(angle)));
    made.points.push_back(static_cast<float>(radius * std::sin(angle)));
    made.labels.push_back(anomaly ? 1 : 0);
  }
  return made;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void write_npz(const std::string& path, const std::string& x, const std::string& y) {
  int error = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, content] : {std::pair{"X.npy", &x}, std::pair{"y.npy", &y}}) {
    zip_source_t* source = zip_source_buffer(archive, content->data(), content->size(), 0);
    ASSERT_GE(zip_file_add(archive, name, source, ZIP_FL_OVERWRITE), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

TEST_F(Inputs, TheLabelsOfAnNpzAreNoFeature) {
  const Circle data = circle(400);
  const std::string x = npy("<f4", "(400, 2)", bytes_of(data.points));
  write_file(at("x.npy"), x);
  // The content decides, not the name: here the label would otherwise become a feature.
  for (const char* name : {"data.npz", "data"}) {
    write_npz(at(name), x, npy("<i8", "(400,)", bytes_of(data.labels)));
    auto arguments = quick(at(name), at("m"));
    arguments.insert(arguments.end(), {"--normal", "0"});
    const std::string out = run_well(arguments);
    EXPECT_NE(out.find("380 of 400"), std::string::npos) << out;
    EXPECT_NE(out.find("2 (2 numeric)"), std::string::npos) << out;
    const auto result =
        nlohmann::json::parse(run_well({"evaluate", at(name), "--model", at("m"), "--anomaly", "1", "--json"}));
    EXPECT_EQ(result["anomalies"], 20);
    EXPECT_GT(result["auroc"], 0.9);
    EXPECT_EQ(run_well({"score", at(name), "--model", at("m")}), run_well({"score", at("x.npy"), "--model", at("m")}));
  }
}

TEST_F(Inputs, CsvWithoutHeaderIsAddressedByPosition) {
  const std::string text = read_file(table);
  write_file(at("plain.csv"), text.substr(text.find('\n') + 1));
  auto arguments = quick(at("plain.csv"), at("m"));
  arguments.insert(arguments.end(), {"--label-column", "-1", "--normal", "normal"});
  run_well(arguments);
  EXPECT_EQ(lines_of(run_well({"score", at("plain.csv"), "--model", at("m")})).size(), 3001u);
  // A table with a header, its columns taken by position.
  EXPECT_EQ(run_well({"score", table, "--model", at("m"), "--header", "yes"}),
            run_well({"score", at("plain.csv"), "--model", at("m")}));
  const Outcome unexpected = run({"score", table, "--model", at("m")});
  EXPECT_TRUE(is_one_line(unexpected.err, "cugad: error: ", "--header yes")) << unexpected.err;
  run_well({"evaluate", at("plain.csv"), "--model", at("m"), "--label-column", "11", "--normal", "normal"});
}

TEST_F(Inputs, NumbersCanBeCategories) {
  write_file(at("t.csv"), "port,load\n80,1\n443,2\n80,3\n22,4\n80,2.5\n443,1.5\n");
  auto arguments = quick(at("t.csv"), at("m"));
  arguments.insert(arguments.end(), {"--categorical", "port"});
  EXPECT_NE(run_well(arguments).find("4 (1 numeric)"), std::string::npos);
  const auto lines = lines_of(run_well({"sample", "--model", at("m"), "--count", "20"}));
  EXPECT_EQ(lines[0], "load,port");
  for (std::size_t line = 1; line < lines.size(); ++line) {
    const std::string port = lines[line].substr(lines[line].find(',') + 1);
    EXPECT_TRUE(port == "80" || port == "443" || port == "22") << lines[line];
  }
}

TEST_F(Inputs, OneRowAndMissingCellsAreAnswered) {
  write_file(at("one.csv"), "a,b\n1,2\n");
  run_well(quick(at("one.csv"), at("m")));
  write_file(at("missing.csv"), "a,b\n,2\n1,NA\n,\n");
  EXPECT_EQ(lines_of(run_well({"score", at("missing.csv"), "--model", at("m")})).size(), 4u);
}

/// A pipe can be read only once.
TEST_F(Inputs, PipesGiveWhatFilesGive) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"score"}, {"evaluate", "--normal", "normal"}}) {
    const auto command = [&](const std::string& input) {
      std::vector<std::string> whole = {arguments[0], input, "--model", model};
      whole.insert(whole.end(), arguments.begin() + 1, arguments.end());
      return whole;
    };
    const std::string pipe = at("pipe-" + arguments[0]);
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] { write_file(pipe, read_file(table)); });
    const Outcome outcome = run(command(pipe));
    close(open(pipe.c_str(), O_RDONLY | O_NONBLOCK));  // unblocks the writer if no reader has come
    writer.join();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, run_well(command(table)));
  }
}

TEST_F(Inputs, DoubtfulColumnsAreNamed) {
  std::string text = "amount,time,id\n";
  for (int row = 0; row < 300; ++row) {
    text += (row % 100 == 99 ? std::string("unknown") : std::to_string(row % 7)) + "," +
            std::to_string(1700000000 + row) + ",a" + std::to_string(row % 3) + "\n";
  }
  write_file(at("t.csv"), text);
  const Outcome outcome = run(quick(at("t.csv"), at("m")));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const auto lines = lines_of(outcome.err);
  ASSERT_EQ(lines.size(), 3u) << outcome.err;
  EXPECT_NE(lines[2].find("share the largest value"), std::string::npos) << "24 kinds of rows: " << lines[2];
  EXPECT_NE(lines[0].find("column 'amount' is taken as categories"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("297 of its cells are numbers, 3 are not: 'unknown'"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("column 'time' is left out"), std::string::npos) << lines[1];
  std::vector<std::string> settled = quick(at("t.csv"), at("m"));
  settled.insert(settled.end(), {"--categorical", "amount", "--exclude", "time"});
  EXPECT_FALSE(run(settled).err.find("column '") != std::string::npos);
}

TEST_F(Inputs, HeaderAloneGivesNoScores) {
  const std::string text = read_file(table);
  write_file(at("header.csv"), text.substr(0, text.find('\n') + 1));
  const Outcome outcome = run({"score", at("header.csv"), "--model", model});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "score\n");
}

TEST_F(Inputs, ReproduceRunsOnTheRealData) {
  const char* given = std::getenv("CUGAD_DATA");
  const std::string data = given != nullptr ? given : CUGAD_SOURCE_DIR "/../shared/data";
  if (!std::filesystem::exists(data + "/kdd99/kddcup.data_10_percent.gz")) GTEST_SKIP() << "KDD99 is not at hand";
  const auto result = nlohmann::json::parse(
      run_well({"reproduce", "kdd99-anogan", "--data", data, "--rows", "2000", "--seeds", "2", "--steps", "20",
                "--search-steps", "2", "--bank-rows", "50", "--json", "--quiet"}));
  EXPECT_EQ(result["train_rows"], 198361);
  EXPECT_EQ(result["all_rows"], 247011);
  EXPECT_EQ(result["rows"], 2000);
  EXPECT_EQ(result["features"], 121);
  ASSERT_EQ(result["settings"].size(), 2u);
  EXPECT_EQ(result["settings"][0]["name"], "faithful");
  EXPECT_EQ(result["settings"][1]["seeds"][1]["seed"], 1000);
  EXPECT_TRUE(result["settings"][1]["mean"].contains("f1"));
  EXPECT_EQ(result["baselines"].size(), 6u);
  EXPECT_NEAR(result["baselines"][1]["auroc"], 0.9879, 0.01);  // minus the column count, on all test rows
  EXPECT_GT(result["baselines"][3]["auroc"], 0.99);
  EXPECT_EQ(result["published"].size(), 11u);
}

}  // namespace
}  // namespace cugad::cli_test
