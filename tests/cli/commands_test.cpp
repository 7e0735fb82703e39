#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"

namespace cugad::cli_test {
namespace {

using Commands = CommandTest;

TEST_F(Commands, TrainSummarisesAndLogs) {
  const std::string out = run_well(train(at("m.safetensors"), {"--log", at("log.jsonl")}));
  for (const char* name : {"rows", "features", "models", "steps", "seconds", "threshold", "model"}) {
    EXPECT_NE(out.find(name), std::string::npos) << out;
  }
  const auto lines = lines_of(read_file(at("log.jsonl")));
  ASSERT_EQ(lines.size(), 2u);  // every 100 steps
  const auto last = nlohmann::json::parse(lines.back());
  EXPECT_EQ(last.at("step"), 200);
  EXPECT_EQ(last.at("steps"), 200);
  EXPECT_GT(last.at("seconds"), 0);
  ASSERT_EQ(last.at("models").size(), 2u);
  EXPECT_TRUE(last.at("models")[1].contains("discriminator_loss"));
  EXPECT_FALSE(std::filesystem::exists(at("m.safetensors.checkpoint")));
}

/// One machine is one value: the command reports it, even without other notes.
TEST_F(Commands, TrainIsQuietWhenAsked) {
  EXPECT_EQ(run(train(at("m.safetensors"), {"--quiet", "--exclude", "machine"})).err, "");
  EXPECT_TRUE(is_one_line(run(train(at("m.safetensors"), {"--quiet"})).err, "cugad: note: ", "constant"));
}

/// Except on what matters afterwards, too.
TEST_F(Commands, QuietTrainingsSayWhatTheModelKeepsAndCannotPromise) {
  const std::string err = run(train(at("k.safetensors"), {"--quiet", "--exclude", "machine", "--method", "knn",
                                                          "--false-alarm-rate", "0.00001"}))
                              .err;
  EXPECT_TRUE(has(err, "training rows (reference_rows")) << err;
  EXPECT_TRUE(has(err, "cannot be promised")) << err;
  EXPECT_TRUE(has(run(train(at("f"), {"--quiet", "--exclude", "machine", "--folds", "1"})).err,
                  "calibrated on the training rows themselves"));
}

/// What was left out of the training, and what one value did to its column, is in the model file.
TEST_F(Commands, NotesOfTheTrainingStayWithTheModel) {
  std::string text = "a,b\n";
  for (int r = 0; r < 200; ++r) {
    text += std::to_string(r % 17) + "," + (r == 20 ? "1e25" : std::to_string(-(r % 13))) + "\n";
  }
  write_file(at("absurd.csv"), text);
  const auto noted = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", at("absurd.csv"), "--method", "knn", "--output", at("n")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const std::string err = run(arguments).err;
    const std::string info = run_well({"info", "--model", at("n")});
    for (const auto& note :
         nlohmann::json::parse(run_well({"info", "--model", at("n"), "--json"})).at("model").at("notes")) {
      EXPECT_TRUE(has(err, note.get<std::string>())) << err;
      EXPECT_TRUE(has(info, note.get<std::string>())) << info;
    }
    return info;
  };
  EXPECT_TRUE(has(noted({"--quiet"}), "column 'b' has the value 1e+25 in training row 20"));
  const std::string trimmed = noted({"--trim", "0.01"});
  EXPECT_TRUE(has(trimmed, " of 200 training rows are left out")) << trimmed;
  EXPECT_FALSE(has(trimmed, "1e+25")) << trimmed;
}

TEST_F(Commands, RatesThatCannotBePromisedAreNoted) {
  for (const char* flag : {"--contamination", "--false-alarm-rate"}) {
    const Outcome low = run({"score", table, "--model", model, flag, "0.00001"});
    EXPECT_EQ(low.code, 0);
    EXPECT_TRUE(has(low.err, "cannot be promised")) << low.err;
    EXPECT_FALSE(has(run({"score", table, "--model", model, flag, "0.1"}).err, "cannot be promised"));
  }
}

TEST_F(Commands, GeneratorsThatEndInTanhAreWarnedOfWiderColumns) {
  const auto warned = [&](const std::vector<std::string>& more) {
    std::vector<std::string> flags = {"--quiet", "--generator-tanh"};
    flags.insert(flags.end(), more.begin(), more.end());
    return has(run(train(at("m.safetensors"), flags)).err, "generates values from -1 to 1 only");
  };
  EXPECT_TRUE(warned({}));
  EXPECT_FALSE(warned({"--scale", "minmax"}));
  EXPECT_FALSE(warned({"--method", "gain"})) << "it ignores the flag";
}

/// What will not be trained needs no advice.
TEST_F(Commands, RefusedOptionsComeBeforeWarnings) {
  const Outcome outcome = run(train(at("refused"), {"--method", "ganomaly", "--generator-dropout", "0.1"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: method 'ganomaly' has no generator_dropout", "fanogan"))
      << outcome.err;
}

TEST_F(Commands, OptionsWithoutEffectAreNamed) {
  const Outcome idle =
      run(train(at("m.safetensors"), {"--quiet", "--cycle-hidden", "8", "--batch", "16", "--exclude", "machine"}));
  EXPECT_EQ(idle.code, 0);
  EXPECT_TRUE(is_one_line(idle.err, "cugad: warning: --cycle-hidden has no effect", "method anogan")) << idle.err;
  const std::vector<std::pair<std::vector<std::string>, std::string>> reasons = {
      {{"--contamination", "0.1", "--false-alarm-rate", "0.02"},
       "--contamination has no effect with method anogan beside --false-alarm-rate 0.02"},
      {{"--restarts", "4"}, "--restarts has no effect with method anogan without --score search"},
      {{"--kappa", "2"}, "--kappa has no effect with method anogan without --method fanogan"},
      {{"--minibatch-dimensions", "2"},
       "--minibatch-dimensions has no effect with method anogan without --minibatch-kernels"},
      {{"--coverage-rows", "50", "--coverage", "0"},
       "--coverage-rows has no effect with method anogan beside --coverage 0"}};
  for (const auto& [flags, reason] : reasons) {
    const Outcome outcome = run(train(at("m"), flags));
    EXPECT_NE(outcome.err.find("cugad: warning: " + reason + "\n"), std::string::npos) << outcome.err;
  }
}

TEST_F(Commands, TwoRunsGiveTheSameBytes) {
  run_well(train(at("a.safetensors"), {"--threads", "1"}));
  run_well(train(at("b.safetensors"), {"--threads", "2"}));
  EXPECT_EQ(read_file(at("a.safetensors")), read_file(at("b.safetensors")));
  EXPECT_EQ(read_file(at("a.safetensors")), read_file(model));
  EXPECT_EQ(run_well({"score", table, "--model", at("a.safetensors"), "--threads", "1"}),
            run_well({"score", table, "--model", at("b.safetensors"), "--threads", "2"}));
}

TEST_F(Commands, AnotherSeedGivesAnotherModel) {
  run_well(train(at("a.safetensors"), {"--seed", "7"}));
  EXPECT_NE(read_file(at("a.safetensors")), read_file(model));
}

TEST_F(Commands, ScoresGoToStandardOutputOrAFile) {
  const auto scores = lines_of(run_well({"score", table, "--model", model}));
  ASSERT_EQ(scores.size(), 3001u);
  EXPECT_EQ(scores[0], "score");
  EXPECT_EQ(run_well({"score", table, "--model", model, "--output", at("s.csv"), "--explain", "2"}), "");
  const auto lines = lines_of(read_file(at("s.csv")));
  ASSERT_EQ(lines.size(), 3001u);
  EXPECT_EQ(lines[0], "row,score,anomaly,reason_1,reason_2");
  EXPECT_EQ(lines[1].substr(0, 2), "0,");
  EXPECT_EQ(lines[1].substr(2, scores[1].size()), scores[1]);
  EXPECT_NE(lines[1].find('='), std::string::npos);
  // The last column of a line without reasons is the decision at the model's threshold.
  run_well({"score", table, "--model", model, "--output", at("plain.csv")});
  std::map<char, int> decisions;
  for (const std::string& line : lines_of(read_file(at("plain.csv")))) ++decisions[line.back()];
  EXPECT_GT(decisions['1'], 30);
  EXPECT_GT(decisions['0'], 2000);
}

TEST_F(Commands, ScoresComeWithLabelProbabilityAndConfidence) {
  const auto plain = lines_of(run_well({"score", table, "--model", model}));
  for (const std::string kind : {"rank", "gaussian"}) {
    const auto lines =
        lines_of(run_well({"score", table, "--model", model, "--label", "--confidence", "--probability", kind}));
    ASSERT_EQ(lines.size(), plain.size());
    EXPECT_EQ(lines[0], "score,label,probability,confidence");
    for (std::size_t row = 1; row < lines.size(); ++row) {
      float score = 0, probability = -1, confidence = -1;
      int label = -1;
      ASSERT_EQ(std::sscanf(lines[row].c_str(), "%f,%d,%f,%f", &score, &label, &probability, &confidence), 4);
      EXPECT_EQ(lines[row].substr(0, plain[row].size() + 1), plain[row] + ",");
      EXPECT_TRUE(label == 0 || label == 1);
      EXPECT_TRUE(probability >= 0 && probability <= 1 && confidence >= 0 && confidence <= 1) << lines[row];
    }
  }
  EXPECT_EQ(lines_of(run_well({"score", table, "--model", model, "--confidence"}))[0], "score,confidence");
  run_well({"score", table, "--model", model, "--probability", "rank", "--explain", "1", "--output", at("s.csv")});
  EXPECT_EQ(lines_of(read_file(at("s.csv")))[0], "row,score,anomaly,probability,reason_1");
}

TEST_F(Commands, EnsemblesGiveTheScoreOfEachMethod) {
  run_well(train(at("e.safetensors"), {"--method", "gan,egbad"}));
  const auto lines = lines_of(run_well({"score", table, "--model", at("e.safetensors"), "--per-method"}));
  ASSERT_EQ(lines.size(), 3001u);
  EXPECT_EQ(lines[0], "score,score_gan,score_egbad");
  EXPECT_EQ(std::count(lines[1].begin(), lines[1].end(), ','), 2);
  // The score of a method is that of a detector of this method alone.
  run_well(train(at("g.safetensors"), {"--method", "gan"}));
  const auto alone = lines_of(run_well({"score", table, "--model", at("g.safetensors")}));
  for (const std::size_t row : {1u, 2u, 3000u}) {
    const std::size_t first = lines[row].find(',') + 1;
    EXPECT_EQ(lines[row].substr(first, lines[row].rfind(',') - first), alone[row]);
  }
}

TEST_F(Commands, DistancesToTrainingRowsArePartsOfAScore) {
  const Outcome outcome = run(train(at("k.safetensors"), {"--reference-rows", "auto"}));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("training rows (reference_rows; 0 keeps none): whoever has the file can read them"),
            std::string::npos)
      << outcome.err;
  const auto lines = lines_of(run_well({"score", table, "--model", at("k.safetensors"), "--parts"}));
  ASSERT_EQ(lines.size(), 3001u);
  EXPECT_EQ(lines[0], "score,score_anogan,score_knn_nearest,score_knn_mean");
  EXPECT_EQ(std::count(lines[1].begin(), lines[1].end(), ','), 3);
  // Nothing is trained: there is no checkpoint, and none is needed.
  run_well(train(at("n.safetensors"), {"--method", "knn", "--checkpoint", at("checkpoint"), "--resume"}));
  EXPECT_EQ(lines_of(run_well({"score", table, "--model", at("n.safetensors"), "--parts"}))[0],
            "score,score_knn_nearest,score_knn_mean");
  run_well({"info", "--model", at("n.safetensors")});
  run_well({"info", "--model", at("n.safetensors"), "--json"});
}

TEST_F(Commands, NpyHoldsTheSameScores) {
  run_well({"score", table, "--model", model, "--output", at("s.npy")});
  const std::string bytes = read_file(at("s.npy"));
  ASSERT_EQ(bytes.substr(0, 6), "\x93NUMPY");
  const std::size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ(header % 64, 0u);
  EXPECT_NE(bytes.find("'shape': (3000,)"), std::string::npos);
  ASSERT_EQ(bytes.size(), header + 3000 * sizeof(float));
  const auto lines = lines_of(run_well({"score", table, "--model", model}));
  for (std::size_t row = 0; row < 3000; ++row) {
    float value = 0;
    std::memcpy(&value, bytes.data() + header + row * sizeof value, sizeof value);
    ASSERT_EQ(value, std::stof(lines[row + 1])) << "row " << row;
  }
}

TEST_F(Commands, StandardInputScoresAsTheFileDoes) {
  EXPECT_EQ(run_well({"score", "-", "--model", model}, table), run_well({"score", table, "--model", model}));
}

TEST_F(Commands, AFileNamedAsTheStandardInputIsNotRead) {
  write_file(at("-"), "a file of that name");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(at("."));
  run_well(quick_training("-", at("piped")), table);
  std::filesystem::current_path(before);
  run_well(quick_training(table, at("whole")));
  EXPECT_TRUE(read_file(at("piped")) == read_file(at("whole")));
}

TEST_F(Commands, ScoringNeedsNoLabelAndIgnoresIt) {
  std::string unlabelled;
  for (const std::string& line : lines_of(read_file(table))) unlabelled += line.substr(0, line.rfind(',')) + "\n";
  write_file(at("unlabelled.csv"), unlabelled);
  EXPECT_EQ(run_well({"score", at("unlabelled.csv"), "--model", model}), run_well({"score", table, "--model", model}));
}

TEST_F(Commands, UnseenCategoriesAreCountedOnce) {
  std::string text = read_file(table);
  for (int replaced = 0; replaced < 5; ++replaced) text.replace(text.find(",web,"), 5, ",wob,");
  write_file(at("unseen.csv"), text);
  const Outcome outcome = run({"score", at("unseen.csv"), "--model", model});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(lines_of(outcome.out).size(), 3001u);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: warning: ", "did not have: service (5)")) << outcome.err;
}

TEST_F(Commands, EvaluateHasTheKeysAndAgreesWithItself) {
  const std::vector<std::string> common = {"evaluate", table, "--model", model, "--label-column", "label", "--json"};
  auto by_normal = common, by_anomaly = common, by_share = common;
  by_normal.insert(by_normal.end(), {"--normal", "normal"});
  by_anomaly.insert(by_anomaly.end(), {"--anomaly",
                                       "overload,fan_failure,exfiltration,silent_failure,slow_storage,sensor_mismatch,"
                                       "wrong_state"});
  by_share.insert(by_share.end(), {"--normal", "normal", "--top-percent", "10"});
  const std::string out = run_well(by_normal);
  EXPECT_EQ(out, run_well(by_anomaly));
  const auto result = nlohmann::json::parse(out);
  for (const char* key :
       {"auroc", "average_precision", "precision", "recall", "f1", "threshold", "rows", "anomalies"}) {
    EXPECT_TRUE(result.contains(key)) << key;
  }
  EXPECT_EQ(result["rows"], 3000);
  EXPECT_GT(result["anomalies"], 50);
  EXPECT_GT(result["auroc"], 0.8);
  const auto top = nlohmann::json::parse(run_well(by_share));
  EXPECT_GE(top["flagged"], 300);
  EXPECT_LT(top["flagged"], 310);
  EXPECT_EQ(top["auroc"], result["auroc"]);
  // As text: one line per figure. The label column is that of the training.
  const std::string known = run_well({"evaluate", table, "--model", model, "--normal", "normal"});
  EXPECT_EQ(lines_of(known).size(), result.size());
  // So are the labels of normal rows.
  EXPECT_EQ(run_well({"evaluate", table, "--model", model}), known);
}

TEST_F(Commands, AnotherThresholdDecides) {
  const auto scores = lines_of(run_well({"score", table, "--model", model}));
  std::vector<double> sorted;
  for (std::size_t row = 1; row < scores.size(); ++row) sorted.push_back(std::stod(scores[row]));
  std::sort(sorted.begin(), sorted.end());
  const std::string threshold = std::to_string((sorted[1000] + sorted[1001]) / 2);
  const auto expected =
      std::count_if(sorted.begin(), sorted.end(), [&](double s) { return s >= std::stod(threshold); });
  std::int64_t labels = 0;
  for (const std::string& line :
       lines_of(run_well({"score", table, "--model", model, "--label", "--threshold", threshold}))) {
    labels += line.ends_with(",1");
  }
  EXPECT_EQ(labels, expected);
  const auto result =
      nlohmann::json::parse(run_well({"evaluate", table, "--model", model, "--json", "--threshold", threshold}));
  EXPECT_EQ(result.at("flagged"), expected);
  EXPECT_NEAR(result.at("threshold").get<double>(), std::stod(threshold), 1e-6);
}

TEST_F(Commands, AnotherRateDecides) {
  const auto flagged = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command = {"evaluate", table, "--model", model, "--json"};
    command.insert(command.end(), more.begin(), more.end());
    return nlohmann::json::parse(run_well(command)).at("flagged").get<int>();
  };
  const int usual = flagged({});
  EXPECT_EQ(flagged({"--contamination", "0.05"}), usual);
  EXPECT_GT(flagged({"--contamination", "0.3"}), usual + 300);
  EXPECT_LT(flagged({"--false-alarm-rate", "0.002"}), usual);
  int labels = 0;
  for (const std::string& line :
       lines_of(run_well({"score", table, "--model", model, "--label", "--contamination", "0.3"}))) {
    labels += line.ends_with(",1");
  }
  EXPECT_EQ(labels, flagged({"--contamination", "0.3"}));
  for (const char* flag : {"--contamination", "--false-alarm-rate"}) {
    EXPECT_TRUE(is_one_line(run({"score", table, "--model", model, "--label", flag, "0.7"}).err, "cugad: ", flag));
    EXPECT_TRUE(is_one_line(run({"score", table, "--model", model, "--threshold", "1", flag, "0.1"}).err,
                            "cugad: ", "exclude"));
    EXPECT_TRUE(is_one_line(run({"score", table, "--model", model, "--output", at("s.npy"), flag, "0.1"}).err,
                            "cugad: ", flag));
  }
}

/// Models of older versions, and those of --folds 1, cause a warning at a decision.
TEST_F(Commands, CalibrationOnTrainingRowsIsTold) {
  const Outcome trained = run(train(at("m.safetensors"), {"--folds", "1"}));
  EXPECT_NE(trained.err.find("training rows themselves"), std::string::npos) << trained.err;
  EXPECT_EQ(run({"score", table, "--model", at("m.safetensors")}).err, "");
  EXPECT_TRUE(
      is_one_line(run({"score", table, "--model", at("m.safetensors"), "--label"}).err, "cugad: note: ", "--folds 5"));
  EXPECT_TRUE(is_one_line(run({"evaluate", table, "--model", at("m.safetensors")}).err, "cugad: note: ", "--folds 5"));
}

TEST_F(Commands, ExcludedColumnsAreNoFeatures) {
  const std::string out = run_well(train(at("m.safetensors"), {"--exclude", "machine,service,0"}));
  EXPECT_EQ(run_well({"info", "--model", at("m.safetensors")}).find("machine"), std::string::npos);
  // Their cells may hold anything, in the training and later.
  std::string odd = read_file(table);
  const std::size_t last = odd.rfind('\n', odd.size() - 2) + 1;
  odd.replace(last, odd.find(',', last) - last, "no number");
  write_file(at("odd.csv"), odd);
  EXPECT_EQ(run_well({"score", at("odd.csv"), "--model", at("m.safetensors")}),
            run_well({"score", table, "--model", at("m.safetensors")}));
}

TEST_F(Commands, SampledRowsAreATableOfTheModel) {
  run_well({"sample", "--model", model, "--count", "500", "--output", at("synthetic.csv")});
  const auto lines = lines_of(read_file(at("synthetic.csv")));
  ASSERT_EQ(lines.size(), 501u);
  EXPECT_EQ(lines[0],
            "load,memory,temperature,fan_speed,bytes_in,bytes_out,latency_ms,error_rate,machine,service,state");
  EXPECT_EQ(lines_of(run_well({"score", at("synthetic.csv"), "--model", model})).size(), 501u);
  EXPECT_EQ(run_well({"sample", "--model", model, "--count", "500"}), read_file(at("synthetic.csv")));
  EXPECT_NE(run_well({"sample", "--model", model, "--count", "500", "--seed", "9"}), read_file(at("synthetic.csv")));
}

TEST_F(Commands, HelpNamesEveryFlag) {
  const std::string help = run_well({"train", "--help"});
  EXPECT_NE(help.find("--discriminator-learning-rate"), std::string::npos);
  EXPECT_NE(help.find("--label-column"), std::string::npos);
  EXPECT_NE(help.find("--group-by"), std::string::npos);
  EXPECT_NE(run_well({"--help"}).find("evaluate"), std::string::npos);
  EXPECT_EQ(run_well({"--version"}).substr(0, 6), "cugad ");
}

TEST_F(Commands, SynthesizeIsReproducible) {
  for (const char* name : {"a.csv", "b.csv"}) {
    run_well({"synthesize", "telemetry", "--rows", "500", "--groups", "5", "--seed", "3", "--output", at(name)});
  }
  EXPECT_EQ(read_file(at("a.csv")), read_file(at("b.csv")));
  run_well(
      {"synthesize", "telemetry", "--rows-per-group", "100", "--groups", "5", "--seed", "3", "--output", at("b.csv")});
  EXPECT_EQ(read_file(at("a.csv")), read_file(at("b.csv")));
  run_well({"synthesize", "telemetry", "--rows", "500", "--groups", "5", "--seed", "3", "--uneven", "--output",
            at("b.csv")});
  EXPECT_NE(read_file(at("a.csv")), read_file(at("b.csv")));
  EXPECT_EQ(lines_of(read_file(at("b.csv"))).size(), 501u);
}

TEST_F(Commands, TrainsOnAllRowsWithoutNormalAndSaysSo) {
  const Outcome outcome =
      run({"train", table, "--output", at("m.safetensors"), "--label-column", "-1", "--steps", "20", "--method",
           "anogan", "--bank-rows", "50", "--hidden", "16", "--discriminator-hidden", "16"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("3,000 of 3,000"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("note: trains on all 3,000 rows"), std::string::npos) << outcome.err;
  EXPECT_EQ(run_well({"info", "--model", at("m.safetensors")}).find("label="), std::string::npos);
}

/// Names that a file gives must not steer the terminal that they are shown on.
TEST_F(Commands, ControlCharactersOfNamesAreEscaped) {
  const std::string escape = "\x1b]0;x\x07\x1b[2J", high = "\xc2\x9b[2J";
  // A file that begins with such characters is no table.
  std::string rows = std::string(70, 'a') + escape + ",b" + high + ",g" + escape + ",label" + escape + "\n";
  for (int row = 0; row < 60; ++row) {
    rows += std::to_string(row) + "," + std::to_string(row * row % 7) + ",u" + escape + ",ok" + escape + "\n";
  }
  write_file(at("t.csv"), rows);
  const std::vector<std::string> small = {"--method", "anogan", "--population", "1", "--steps", "20",
                                          "--hidden", "8",      "--bank-rows",  "20"};
  const std::vector<std::string> single = {"train", at("t.csv"), "--output",    at("m"),       "--label-column",
                                           "-1",    "--normal",  "ok" + escape, "--condition", "b" + high};
  const std::vector<std::string> fleet = {
      "train", at("t.csv"), "--output", at("m"), "--exclude", "-1", "--group-by", "2", "--fleet-minimum-rows", "70"};
  for (std::vector<std::string> arguments : {single, fleet}) {
    arguments.insert(arguments.end(), small.begin(), small.end());
    const Outcome trained = run(arguments);
    EXPECT_EQ(trained.code, 0) << trained.err;
    const Outcome scored = run({"score", at("t.csv"), "--model", at("m"), "--output", at("s.csv")});
    const std::string shown =
        trained.out + trained.err + run_well({"info", "--model", at("m")}) + scored.out + scored.err;
    EXPECT_NE(shown.find("\\x1b[2J"), std::string::npos) << shown;
    EXPECT_NE(shown.find("\\xc2\\x9b[2J"), std::string::npos) << shown;
    EXPECT_EQ(shown.find('\x1b'), std::string::npos) << shown;
    EXPECT_EQ(shown.find("\xc2\x9b"), std::string::npos) << shown;
  }
}

}  // namespace
}  // namespace cugad::cli_test
