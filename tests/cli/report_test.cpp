#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cugad/image.hpp"

/// `cugad report`.
namespace cugad::cli_test {
namespace {

using nlohmann::json;

class Reports : public CommandTest {
 protected:
  std::vector<std::string> report(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"report", input, "--model", model, "--output", at("page.html"), "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static json data_of(const std::string& page) {
    const std::string begin = "id=\"data\">";
    const std::size_t start = page.find(begin) + begin.size();
    return json::parse(page.substr(start, page.find("</script>", start) - start));
  }
  json page() const { return data_of(read_file(at("page.html"))); }
  void refuses(const std::vector<std::string>& arguments, int code, const std::string& part) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(at("page.html"))) << part;
  }
};

TEST_F(Reports, HaveTheNumbersOfScoreAndEvaluate) {
  run_well(report(table));
  const json data = page();
  const json measures = json::parse(run_well({"evaluate", table, "--model", model, "--json"}));
  // evaluate sums on the device, in another order.
  EXPECT_DOUBLE_EQ(data["labels"]["auroc"], measures["auroc"]);
  EXPECT_DOUBLE_EQ(data["labels"]["average_precision"], measures["average_precision"]);
  EXPECT_EQ(data["labels"]["anomalies"], measures["anomalies"]);
  const json& steps = data["steps"];
  const auto at_threshold = std::find(steps["threshold"].begin(), steps["threshold"].end(), data["threshold"]);
  ASSERT_NE(at_threshold, steps["threshold"].end());
  EXPECT_EQ(steps["flagged"][static_cast<std::size_t>(at_threshold - steps["threshold"].begin())], measures["flagged"]);
  const auto scores = lines_of(run_well({"score", table, "--model", model, "--explain", "1"}));
  for (const json& row : data["top"]) {
    const std::string& line = scores[row["row"].get<std::size_t>() + 1];
    EXPECT_EQ(std::stof(line), row["score"].get<float>());
    if (row["reasons"].empty()) continue;
    const json& reason = row["reasons"][0];
    const std::string value = reason["value"];
    const std::string text = reason["column"].get<std::string>() + (value.empty() ? "" : "=" + value) + ": " +
                             reason["expected"].get<std::string>();
    EXPECT_TRUE(has(line, text)) << line << "\n" << text;
  }
  // As `sha256sum` has it, which every system of these tests brings.
  const std::string sum = at("sum");
  ASSERT_EQ(std::system(("sha256sum '" + model + "' > '" + sum + "'").c_str()), 0);
  EXPECT_EQ(data["sources"][1]["text"].get<std::string>().substr(0, 64), read_file(sum).substr(0, 64));
}

TEST_F(Reports, CanBeMadeAgainByTheirOwnCommand) {
  run_well(report(table, {"--top", "5", "--id", "service"}));
  const std::string first = read_file(at("page.html")), command = page()["sources"][0]["text"];
  ASSERT_TRUE(command.starts_with("cugad ")) << command;
  std::filesystem::remove(at("page.html"));
  ASSERT_EQ(std::system((CUGAD_COMMAND + command.substr(5) + " > /dev/null").c_str()), 0) << command;
  EXPECT_TRUE(read_file(at("page.html")) == first);
}

TEST_F(Reports, TakeAnotherThresholdAndTheLabelsThatAreNamed) {
  run_well(report(table, {"--threshold", "2.5", "--label-column", "service", "--anomaly", "cache"}));
  EXPECT_EQ(page()["threshold"], 2.5);
  EXPECT_GT(page()["labels"]["anomalies"], 0);
  run_well(report(table, {"--false-alarm-rate", "0.01"}));
  const json data = page();
  const auto measures =
      json::parse(run_well({"evaluate", table, "--model", model, "--json", "--false-alarm-rate", "0.01"}));
  EXPECT_EQ(data["threshold"], measures["threshold"]);
}

TEST_F(Reports, HostileTextsStayTexts) {
  const std::string bad = "</script><script>x=alert(1)</script>";
  std::string text = "\"" + bad + "\",\"<b>\"\"n\"\"</b>\",kind\n";
  for (int r = 0; r < 200; ++r)
    text += (r % 2 == 0 ? bad : "<!--") + "," + std::to_string(r % 17) + ",k" + std::to_string(r % 3) + "\n";
  write_file(at("t.csv"), text);
  run_well({"train", at("t.csv"), "--method", "knn", "--output", at("m"), "--quiet"});
  write_file(at("n.csv"),
             text.substr(0, text.find('\n') + 1) + "a\xff\xe2\x80\xae,99999,\"it's, &\"\n" + bad + ",3,k1\n");
  std::vector<std::string> arguments = report(at("n.csv"), {"--id", bad});
  arguments[3] = at("m");
  run_well(arguments);
  const std::string html = read_file(at("page.html"));
  EXPECT_FALSE(has(html, "<script>x=alert"));
  EXPECT_FALSE(has(html, "<!--"));
  EXPECT_FALSE(has(html, "\u202e"));
  const json data = page();
  EXPECT_EQ(data["id_columns"][0], bad);
  EXPECT_EQ(data["top"][0]["ids"][0], "a\\xff\\u202e");
  for (const json& reason : data["top"][0]["reasons"])
    EXPECT_TRUE(reason["column"] == bad || reason["column"] == "<b>\"n\"</b>" || reason["column"] == "kind") << reason;
  std::vector<std::string> names;
  for (const json& column : data["columns"]) names.push_back(column["name"]);
  EXPECT_NE(std::find(names.begin(), names.end(), "<b>\"n\"</b>"), names.end());
}

TEST_F(Reports, DrawTheCurvesOfALog) {
  run_well(train(at("m"), {"--log", at("log")}));
  run_well(report(table, {"--log", at("log")}));
  const json phases = page()["training"]["phases"];
  ASSERT_EQ(phases.size(), 1u);
  const json last = json::parse(lines_of(read_file(at("log"))).back());
  EXPECT_EQ(phases[0]["steps"].back(), last["step"]);
  EXPECT_EQ(phases[0]["generator_loss"][0].back(), last["models"][0]["generator_loss"]);
  write_file(at("log"), read_file(at("log")) + "{\"step\": -1}\n");
  std::filesystem::remove(at("page.html"));
  refuses(report(table, {"--log", at("log")}), 1, "is not one that cugad train --log writes");
  run_well(report(table));
  EXPECT_TRUE(page()["training"]["phases"].empty());
  EXPECT_FALSE(page()["training"]["end"].empty());
}

TEST_F(Reports, BadInputGivesOneLineAndNoFile) {
  write_file(at("empty.csv"), "");
  write_file(at("header.csv"), lines_of(read_file(table))[0] + "\n");
  write_file(at("other.csv"), "a,b\n1,2\n");
  refuses(report(at("empty.csv")), 1, "empty.csv");
  refuses(report(at("header.csv")), 1, "holds no row, a report needs at least one");
  refuses(report(at("other.csv")), 1, "other.csv");
  refuses(report(table, {"--label-column", "labl", "--normal", "normal"}), 1, "label");
  refuses(report(table, {"--label-column", "service"}), 2, "give either --anomaly or --normal");
  refuses(report(table, {"--top", "0"}), 2, "--top");
  refuses(report(table, {"--group", "a"}), 2, "--group is for fleets");
  refuses({"report", table, "--model", model}, 2, "--output is required");
  refuses({"report", table, "--model", model, "--output", at("page.csv")}, 2, "must end in .html");
  refuses({"report", table, "--model", model, "--output", at("missing/page.html")}, 1, "does not exist");
}

TEST_F(Reports, AFailureLeavesTheFileThatWasThere) {
  write_file(at("page.html"), "before");
  write_file(at("n.csv"), read_file(table) + "1,2,3\n");
  EXPECT_EQ(run(report(at("n.csv"))).code, 1);
  EXPECT_EQ(read_file(at("page.html")), "before");
  run_well(report(at("n.csv"), {"--on-error", "mark"}));
  EXPECT_EQ(page()["unreadable"], 1);
}

TEST_F(Reports, LabelsOfOneKindAndNoneAreSaid) {
  run_well(report(table, {"--label-column", "label", "--anomaly", "no such value"}));
  EXPECT_TRUE(has(page()["labels"]["missing"], "labelled rows are normal"));
  std::string text;
  for (const std::string& line : lines_of(read_file(table))) text += line.substr(0, line.rfind(',')) + "\n";
  write_file(at("n.csv"), text);
  run_well(report(at("n.csv")));
  EXPECT_FALSE(page().contains("labels"));
}

TEST_F(Reports, AreAboutOneGroupOfAFleet) {
  run_well({"synthesize", "telemetry", "--rows-per-group", "120", "--groups", "3", "--output", at("t.csv")});
  run_well({"train", at("t.csv"), "--output", at("fleet"), "--group-by", "group", "--label-column", "label", "--normal",
            "normal", "--method", "knn"});
  std::vector<std::string> arguments = report(at("t.csv"), {"--group", "machine-0001"});
  arguments[3] = at("fleet");
  run_well(arguments);
  const json data = page();
  EXPECT_EQ(data["rows"], 120);
  EXPECT_EQ(data["title"], "t.csv, group machine-0001");
  const auto scores = lines_of(run_well({"score", at("t.csv"), "--model", at("fleet")}));
  const auto rows = lines_of(read_file(at("t.csv")));
  for (const json& row : data["top"]) {
    const std::size_t line = row["row"].get<std::size_t>() + 1;
    EXPECT_TRUE(has(rows[line], "machine-0001"));
    EXPECT_EQ(std::stof(scores[line]), row["score"].get<float>());
  }
  std::filesystem::remove(at("page.html"));
  arguments.back() = "machine-0009";
  refuses(arguments, 2, "has no group of that name");
  arguments.resize(arguments.size() - 2);
  refuses(arguments, 2, "holds a fleet of 3 groups, and a report is about one of them: --group machine-0000");
}

TEST_F(Reports, ShowImagesBesideTheirHeatmaps) {
  std::filesystem::create_directory(at("images"));
  for (int i = 0; i < 30; ++i) {
    Image image{{8, 8, 1}, std::vector<std::uint8_t>(64, static_cast<std::uint8_t>(i))};
    if (i == 5) std::fill_n(image.values.begin() + 20, 10, 255);
    const auto png = encode_png(image);
    write_file(at("images/" + std::to_string(i) + ".png"),
               std::string(reinterpret_cast<const char*>(png.data()), png.size()));
  }
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--image", "4x4", "--patch-stride", "2"}}) {
    std::vector<std::string> training = {"train", at("images"), "--method", "knn", "--output", at("m"), "--quiet"};
    training.insert(training.end(), more.begin(), more.end());
    run_well(training);
    std::vector<std::string> arguments = report(at("images"), {"--top", "4"});
    arguments[3] = at("m");
    run_well(arguments);
    const json data = page();
    ASSERT_EQ(data["top"].size(), 4u);
    EXPECT_EQ(data["top"][0]["ids"][0], "5.png");
    EXPECT_TRUE(data["top"][0]["image"].get<std::string>().starts_with("data:image/png;base64,iVBORw0KGgo"));
    EXPECT_TRUE(data["top"][0]["heatmap"].get<std::string>().starts_with("data:image/png;base64,iVBORw0KGgo"));
    EXPECT_EQ(data["rows"], 30);
    EXPECT_EQ(data["patches"], !more.empty());
    EXPECT_EQ(data["steps"]["expected"].empty(), !more.empty()) << "the calibration is of patches";
    const auto scores = lines_of(run_well({"score", at("images"), "--model", at("m")}));
    EXPECT_TRUE(std::any_of(scores.begin(), scores.end(), [&](const std::string& line) {
      return line.starts_with("5.png,") && std::stof(line.substr(6)) == data["top"][0]["score"].get<float>();
    }));
  }
}

}  // namespace
}  // namespace cugad::cli_test
