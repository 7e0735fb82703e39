#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.hpp"

/// Tables from practice: inferred formats, columns left out, and columns that need a choice.
namespace cugad::cli_test {
namespace {

class Tables : public CommandTest {
 protected:
  /// A training that takes a moment.
  std::vector<std::string> quick(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = quick_training(input, at("m"));
    arguments.insert(arguments.end(), {"--contamination", "0.2"});  // 12 rows calibrate: a smaller share gets a note
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string file(const std::string& name, const std::string& text) const {
    write_file(at(name), text);
    return at(name);
  }
  /// A header and 60 rows, made by a function of the row's number.
  std::string rows(const std::string& name, const std::string& header,
                   const std::function<std::string(int)>& row) const {
    std::string text = header + "\n";
    for (int r = 0; r < 60; ++r) text += row(r) + "\n";
    return file(name, text);
  }
  static std::string a(int r) { return std::to_string(17 + r * 7 % 11) + ".5"; }
  static std::string b(int r) { return std::to_string(1000 + r * 13 % 17); }
  std::vector<std::string> score(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"score", input, "--model", at("m")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lines_of(run_well(arguments));
  }
  std::string plain() const {
    return rows("plain.csv", "a,b", [](int r) { return a(r) + "," + b(r); });
  }
};

/// The same numbers, written in other ways, give the same model and scores.
TEST_F(Tables, OtherWaysOfWritingGiveTheSameScores) {
  run_well(quick(plain()));
  const auto expected = score(file("new.csv", "a,b\n20.5,1003\n90.5,5000\n"));
  const auto comma = [](std::string text) { return text.replace(text.find('.'), 1, ","); };
  struct Case {
    std::string name;
    std::string training, scoring;
  };
  const std::vector<Case> cases = {
      {"decimal commas", rows("t1.csv", "a;b", [&](int r) { return comma(a(r)) + ";" + b(r); }),
       file("n1.csv", "a;b\n20,5;1003\n90,5;5000\n")},
      {"blanks", rows("t2.dat", "a b", [](int r) { return a(r) + "   " + b(r); }),
       file("n2.dat", "a b\n20.5 1003\n90.5 5000\n")},
      {"bars", rows("t3.csv", "a|b", [](int r) { return a(r) + "|" + b(r); }),
       file("n3.csv", "a|b\n20.5|1003\n90.5|5000\n")},
      {"units and thousands", rows("t4.csv", "a;b", [](int r) { return a(r) + " %;$" + b(r).insert(1, ","); }),
       file("n4.csv", "a;b\n20.5 %;$1,003\n90.5 %;$5,000\n")},
      {"comments", rows("t5.csv", "# made\n#\na,b", [](int r) { return a(r) + "," + b(r); }),
       file("n5.csv", "a,b\n20.5,1003\n# later\n90.5,5000\n")},
      {"spreadsheet", rows("t6.csv", "sep=;\na;b", [](int r) { return a(r) + ";" + b(r); }),
       file("n6.csv", "sep=;\na;b\n20.5;1003\n90.5;5000\n")},
      {"title", rows("t7.csv", "station\n\na,b", [](int r) { return a(r) + "," + b(r); }),
       file("n7.csv", "station 2\na,b\n20.5,1003\n90.5,5000\n")},
      {"another separator than in training", plain(), file("n8.csv", "b;a\n1003;20.5\n5000;90.5\n")},
  };
  for (const Case& one : cases) {
    const Outcome outcome = run(quick(one.training));
    EXPECT_EQ(outcome.code, 0) << one.name << outcome.err;
    EXPECT_TRUE(has(outcome.out, "2 (2 numeric)")) << one.name << outcome.out;
    EXPECT_EQ(score(one.scoring), expected) << one.name;
  }
}

TEST_F(Tables, WhatIsKnownFromTrainingIsNotGuessedAnew) {
  run_well(quick(rows("t.csv", "2019,2020", [](int r) { return a(r) + "," + b(r); }), {"--header", "yes"}));
  EXPECT_EQ(score(file("n.csv", "2019,2020\n20,1003\n")).size(), 2u);
  const Outcome other = run({"score", file("n.csv", "20,1003\n21,1004\n"), "--model", at("m")});
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(is_one_line(other.err, "cugad: error: ", "expected '2019', ...; --header no")) << other.err;
  EXPECT_EQ(score(at("n.csv"), {"--header", "no"}).size(), 3u);
  // A word for missing cells, too.
  run_well(
      quick(rows("t.csv", "a,b", [](int r) { return (r == 7 ? "ERR" : a(r)) + "," + b(r); }), {"--missing", "ERR"}));
  EXPECT_EQ(score(file("n.csv", "a,b\nERR,1003\n")).size(), 2u);
}

TEST_F(Tables, NamesAndPositionsDoNotMix) {
  run_well(quick(rows("t.csv", "a,b", [](int r) { return a(r) + "," + b(r); })));
  const auto expected = score(file("n.csv", "a,b\n20.5,1003\n"));
  EXPECT_EQ(score(file("n.csv", "b,x,a\n1003,7,20.5\n")), expected);
  EXPECT_EQ(score(file("n.csv", "20.5,1003\n"), {"--header", "no"}), expected);
  EXPECT_EQ(run({"score", file("n.csv", "20.5,1003,7\n"), "--model", at("m"), "--header", "no"}).code, 1);
  EXPECT_EQ(run({"score", file("n.csv", "0,1\n20.5,1003\n"), "--model", at("m")}).code, 1);
  // A model of a table without names takes columns by position, with a note.
  run_well(quick(rows("t.csv", "21.5,1002", [](int r) { return a(r) + "," + b(r); })));
  const Outcome named = run({"score", file("n.csv", "b,a\n20.5,1003\n"), "--model", at("m"), "--header", "yes"});
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_TRUE(has(named.err, "by position only")) << named.err;
  const Outcome wider = run({"score", file("n.csv", "b,a,c\n20.5,1003,1\n"), "--model", at("m"), "--header", "yes"});
  EXPECT_EQ(wider.code, 1);
  EXPECT_TRUE(has(wider.err, "has 3 columns")) << wider.err;
}

TEST_F(Tables, ColumnsThatAreNoFeaturesAreLeftOut) {
  const std::string input = rows("t.csv", ",session,when,empty,a,b", [](int r) {
    return std::to_string(r) + ",s" + std::to_string(r * 7919) + ",2024-01-" + std::to_string(10 + r % 20) + ",," +
           a(r) + "," + b(r);
  });
  const Outcome outcome = run(quick(input));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "2 (2 numeric)")) << outcome.out;
  const auto lines = lines_of(outcome.err);
  ASSERT_EQ(lines.size(), 4u) << outcome.err;
  EXPECT_TRUE(has(lines[0], "column '0' is left out: its numbers count the rows (--include 0")) << lines[0];
  EXPECT_TRUE(has(lines[1], "--exclude session")) << lines[1];
  EXPECT_TRUE(has(lines[2], "dates or times")) << lines[2];
  EXPECT_TRUE(has(lines[3], "column 'empty' is left out: it holds no value")) << lines[3];
  // Scoring needs none of them.
  EXPECT_EQ(score(file("n.csv", "a,b\n20.5,1003\n")).size(), 2u);
  const Outcome chosen = run(quick(input, {"--include", "0", "--exclude", "session,when,empty"}));
  EXPECT_EQ(chosen.err, "");
  EXPECT_TRUE(has(chosen.out, "3 (3 numeric)")) << chosen.out;
}

TEST_F(Tables, WhatCannotBeGuessedIsAskedAbout) {
  const auto refused = [&](const std::string& input, const std::string& part) {
    const Outcome outcome = run(quick(input));
    EXPECT_EQ(outcome.code, 1) << outcome.out;
    EXPECT_TRUE(has(outcome.err, part)) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(at("m"))) << input;
  };
  refused(rows("t1.csv", "a,b", [](int r) { return (r % 20 == 7 ? "off" : a(r)) + "," + b(r); }), "--missing 'off'");
  refused(rows("t2.csv", "a;b", [](int r) { return a(r).insert(0, "1,").substr(0, 4) + "5;" + b(r); }), "--decimal");
  refused(rows("t3.svm", "1 1:20 2:30", [](int r) { return "1 1:" + a(r) + " 2:" + b(r) + "." + std::to_string(r); }),
          "--separator");
  const Outcome note =
      run(quick(rows("t4.csv", "a,b,label", [](int r) { return a(r) + "," + b(r) + (r % 9 == 3 ? ",bad" : ",ok"); })));
  EXPECT_EQ(note.code, 0);
  EXPECT_TRUE(is_one_line(note.err, "cugad: note: ", "column 'label' is used as a feature; --label-column label"))
      << note.err;
  const Outcome many = run(quick(at("t4.csv"), {"--max-categories", "1"}));
  EXPECT_EQ(many.code, 1);
  EXPECT_TRUE(has(many.err, "--max-categories")) << many.err;
}

TEST_F(Tables, WrongTableFlags) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--separator", "ab"},
                                                {"--separator", "x"},
                                                {"--decimal", ";"},
                                                {"--header", "maybe"},
                                                {"--decimal", ",", "--separator", ","},
                                                {"--max-categories", "0"}}) {
    const Outcome outcome = run(quick(plain(), flags));
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", flags[flags.size() - 2])) << outcome.err;
  }
  const Outcome policy = run({"score", table, "--model", model, "--on-error", "skip"});
  EXPECT_EQ(policy.code, 2) << policy.err;
}

TEST_F(Tables, RowsThatCannotBeReadDoNotStopTheScoring) {
  run_well(quick(plain()));
  const std::string input = file("n.csv", "b,id,a\n1003,x,20.5\n1003,y,ERR\n1003,z\n1004,\"w, v\",21.5\n");
  const auto lines = score(input, {"--on-error", "mark", "--label", "--id", "id"});
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "id,score,label,error");
  EXPECT_TRUE(has(lines[1], "x,")) << lines[1];
  EXPECT_TRUE(has(lines[2], ",,,\"") && has(lines[2], "line 3, column 'a': found 'ERR'")) << lines[2];
  EXPECT_TRUE(has(lines[3], "line 4: found 2 cells")) << lines[3];
  EXPECT_TRUE(has(lines[4], "\"w, v\",")) << lines[4];
  EXPECT_EQ(lines[4].back(), ',');
  const Outcome marked = run({"score", input, "--model", at("m"), "--on-error", "mark", "--output", at("s.npy")});
  EXPECT_TRUE(is_one_line(marked.err, "cugad: warning: ", "rows that could not be read and have no score: 2"))
      << marked.err;
  // Otherwise the scores before the row are kept.
  const Outcome ended = run({"score", input, "--model", at("m"), "--output", at("s.csv")});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(is_one_line(ended.err, "cugad: error: ", "--on-error mark")) << ended.err;
  EXPECT_EQ(lines_of(read_file(at("s.csv"))).size(), 2u);
  EXPECT_EQ(run({"score", input, "--model", at("m"), "--id", "idd"}).code, 1);
}

/// The next chunk of a file is read while one is scored: rows keep their order, and an error waits for its turn.
TEST_F(Tables, FilesOfSeveralChunksAreReadAhead) {
  run_well(quick(plain()));
  constexpr std::size_t count = 20000;
  std::string text = "a,b\n";
  for (std::size_t r = 0; r < count; ++r) text += std::to_string(r % 1000) + ".25," + std::to_string(r / 17) + "\n";
  const std::string input = file("many.csv", text);
  const auto with_one_thread = score(input, {"--threads", "1"}), ahead = score(input, {"--threads", "2"});
  EXPECT_EQ(ahead.size(), count + 1);
  EXPECT_TRUE(ahead == with_one_thread);
  const Outcome ended = run({"score", file("bad.csv", text + "x,1\n2,3\n"), "--model", at("m"), "--threads", "2"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(is_one_line(ended.err, "cugad: error: ", "line 20002, column 'a': found 'x'")) << ended.err;
  EXPECT_TRUE(lines_of(ended.out) == ahead);
}

/// A reader of a stream must not wait for 8,192 rows.
TEST_F(Tables, AStreamAnswersWhenItsInputPauses) {
  run_well(quick(plain()));
  const std::string pipe = at("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  Process process({"score", pipe, "--model", at("m")}, at(""), "", at("out"));
  std::ofstream writer(pipe);
  writer << "a,b\n20.5,1003\n21.5,1004\n" << std::flush;
  const auto written = [&] { return lines_of(read_file(at("out"))).size(); };
  // The writer waits for the scores: if they were not written, the command's alarm would end the test.
  while (written() < 3 && process.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(written(), 3u);
  writer << "22.5,1005\n";
  writer.close();
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(written(), 4u);
}

TEST_F(Tables, RowsWithoutLabelAreLeftOut) {
  const std::string input = rows("t.csv", "a,b,label", [](int r) {
    return a(r) + "," + b(r) + (r % 10 == 3 ? "," : r % 10 == 5 ? ",bad" : ",ok");
  });
  const Outcome trained = run(quick(input, {"--label-column", "label", "--normal", "ok"}));
  EXPECT_TRUE(is_one_line(trained.err, "cugad: note: ", "rows without a label in column 'label' are left out: 6"))
      << trained.err;
  for (const std::vector<std::string>& labels : {std::vector<std::string>{"--normal", "ok"}, {"--anomaly", "bad"}}) {
    std::vector<std::string> arguments = {"evaluate", input, "--model", at("m"), "--json"};
    arguments.insert(arguments.end(), labels.begin(), labels.end());
    const Outcome outcome = run(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.err, "are left out: 6")) << outcome.err;
    const auto result = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(result["rows"], 54);
    EXPECT_EQ(result["anomalies"], 6);
  }
}

TEST_F(Tables, DatesInNumbersAreLeftOut) {
  const auto left_out = [&](const std::string& name, const std::function<std::string(int)>& cell) {
    const std::string input = rows("d.csv", name + ",b", [&](int r) { return cell(r) + "," + b(r); });
    return has(run(quick(input)).err, "column '" + name + "' is left out");
  };
  EXPECT_TRUE(left_out("day", [](int r) { return std::to_string(20240101 + r * 7 % 28); }));
  EXPECT_TRUE(left_out("timestamp", [](int r) { return std::to_string(1700000000 + r * 7 % 50); }));
  EXPECT_TRUE(left_out("order_number", [](int r) { return std::to_string(5000 + r * 37 % 1009); }));
  EXPECT_FALSE(left_out("bytes", [](int r) { return std::to_string(20240101 + r * 977 % 1009); }));
  EXPECT_FALSE(left_out("latency", [](int r) { return std::to_string(1700000000 + r * 7 % 50); }));
}

TEST_F(Tables, ConstantColumnsAreNamed) {
  const std::string input = rows("t.csv", "a,b,c,d", [](int r) { return a(r) + "," + b(r) + ",7,on"; });
  const Outcome outcome = run(quick(input));
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: note: ", "2 of 4 features are constant in the training rows: c, d=on"))
      << outcome.err;
}

/// Large numbers, such as seconds since 1970, keep their differences, from the table to the samples.
TEST_F(Tables, LargeNumbersAreNotRounded) {
  run_well(quick(rows("t.csv", "ticks,b", [](int r) { return std::to_string(1700000000 + r * 7 % 50) + "," + b(r); })));
  const auto lines = score(file("n.csv", "ticks,b\n1700000030,1003\n1700000900,1003\n"), {"--label"});
  EXPECT_EQ(lines[1].back(), '0') << lines[1];
  EXPECT_EQ(lines[2].back(), '1') << lines[2];
  for (const std::string& line : lines_of(run_well({"sample", "--model", at("m"), "--count", "5"}))) {
    EXPECT_TRUE(has(line, "ticks") || has(line, "17000000")) << line;
  }
}

}  // namespace
}  // namespace cugad::cli_test
