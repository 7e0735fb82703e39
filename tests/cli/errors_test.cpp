#include <filesystem>

#include "cli/command.hpp"

/// Whatever is wrong: one line on standard error, nothing on standard output, the right exit code, no half-made file.
namespace cugad::cli_test {
namespace {

struct Wrong {
  std::vector<std::string> arguments;
  int code;
  std::string part;
};

class Errors : public CommandTest {
 protected:
  void expect(const std::vector<Wrong>& cases) const {
    for (const Wrong& wrong : cases) {
      std::string shown;
      for (const std::string& argument : wrong.arguments) shown += argument + " ";
      const Outcome outcome = run(wrong.arguments);
      EXPECT_EQ(outcome.code, wrong.code) << shown << "\n" << outcome.err;
      EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", wrong.part)) << shown << "\n"
                                                                          << outcome.err << "expected: " << wrong.part;
      EXPECT_EQ(outcome.out, "") << shown;
    }
  }
  Wrong wrong_training(const std::vector<std::string>& more, int code, const std::string& part) const {
    return {train(at("m.safetensors"), more), code, part};
  }
  /// A file of that text; returns its path.
  std::string file(const std::string& name, const std::string& text) const {
    write_file(at(name), text);
    return at(name);
  }
  Wrong wrong_table(const std::string& name, const std::string& text, const std::string& part) const {
    return {{"train", file(name, text), "--output", at("m"), "--steps", "5"}, 1, part};
  }
};

TEST_F(Errors, WrongUsage) {
  expect({{{}, 2, "cugad --help"},
          {{"fly"}, 2, "fly"},
          {{"scoer", table}, 2, "did you mean 'score'?"},
          {{"train"}, 2, "input"},
          {{"train", table}, 2, "--output is required"},
          {{"train", table, "--output", ""}, 2, "--output is empty"},
          {{"train", table, table, "--output", at("m")}, 2, "unexpected argument"},
          {{"score", table}, 2, "--model is required"},
          {{"evaluate", table}, 2, "--model is required"},
          {{"sample", "--model", model}, 2, "--count is required"},
          {{"synthesize", "poetry", "--rows", "5", "--output", at("x.csv")}, 2, "telemetry"},
          {{"synthesize", "telemetry", "--output", at("x.csv")}, 2, "--rows is required"},
          {{"reproduce", "cifar"}, 2, "kdd99-anogan"},
          {{"reproduce", "kdd99-anogan"}, 2, "--data is required"}});
}

TEST_F(Errors, WrongTrainingFlags) {
  expect({wrong_training({"--lerning-rate", "1"}, 2, "did you mean '--learning-rate'?"),
          wrong_training({"--batch"}, 2, "--batch needs a value"),
          wrong_training({"--batch", "8", "--batch", "9"}, 2, "--batch is given 2 times"),
          wrong_training({"--array", "X"}, 2, "npz"),
          wrong_training({"--include", "service", "--exclude", "service"}, 2, "both --include and --exclude"),
          wrong_training({"--group-by", "label"}, 2, "both --label-column and --group-by"),
          wrong_training({"--batch", "many"}, 2, "many"),
          wrong_training({"--batch", "0"}, 2, "batch"),
          wrong_training({"--beta1", "nan"}, 2, "beta1"),
          wrong_training({"--generator-loss", "sharp"}, 2, "minimax"),
          wrong_training({"--method", "magic"}, 2, "anogan"),
          wrong_training({"--hidden", "64,,64"}, 2, "hidden"),
          wrong_training({"--center", "perhaps"}, 2, "perhaps"),
          wrong_training({"--preset", "kdd99"}, 2, "unknown preset"),
          wrong_training({"--epochs", "3"}, 2, "either --steps or --epochs"),
          wrong_training({"--device", "toaster"}, 2, "toaster"),
          wrong_training({"--device", "cpu:"}, 2, "cpu:avx2"),
          wrong_training({"--device", "cuda:0"}, 1, "cuda:0"),
          wrong_training({"--precision", "fp7"}, 2, "fp7"),
          wrong_training({"--precision", "tf32"}, 1, "tf32"),
          wrong_training({"--threads", "0"}, 2, "--threads"),
          wrong_training({"--group-by", "machne"}, 1, "machine"),
          wrong_training({"--log1p", "nowhere"}, 1, "nowhere"),
          wrong_training({"--categorical", "servise"}, 1, "service"),
          wrong_training({"--exclude", "servise"}, 1, "service"),
          wrong_training({"--resume"}, 2, "--checkpoint"),
          wrong_training({"--config", at("none.toml")}, 1, "none.toml"),
          wrong_training({"--config", at(".")}, 1, "directory"),
          wrong_training({"--log", at("no/log")}, 1, "no/log"),
          wrong_training({"--checkpoint", table}, 1, table)});
  EXPECT_FALSE(std::filesystem::exists(at("m.safetensors")));
}

TEST_F(Errors, WrongLabels) {
  const auto training = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", table, "--output", at("m"), "--steps", "5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  expect({{training({"--normal", "normal"}), 2, "--label-column"},
          {training({"--label-column", "lable", "--normal", "normal"}), 1, "'label'"},
          {training({"--label-column", "99"}), 1, "99"},
          {training({"--label-column", "label", "--normal", "fine"}), 1, "'normal'"}});
  const auto evaluation = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", table, "--model", model};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  expect({{evaluation({"--label-column", "service"}), 2, "either --anomaly or --normal"},
          {evaluation({"--anomaly", "overload", "--normal", "normal"}), 2, "either --anomaly or --normal"},
          {evaluation({"--anomaly", "typhoon"}), 1, "'normal'"},
          {evaluation({"--normal", "typhoon"}), 1, "both kinds"},
          {evaluation({"--normal", "normal", "--label-column", "lable"}), 1, "'label'"},
          {evaluation({"--normal", "normal", "--top-percent", "200"}), 2, "--top-percent"},
          {evaluation({"--normal", "normal", "--top-percent", "few"}), 2, "few"},
          {evaluation({"--threshold", "high"}), 2, "high"},
          {evaluation({"--threshold", "1", "--top-percent", "1"}), 2, "exclude"}});
}

TEST_F(Errors, WrongTables) {
  std::string late = "a,b\n";
  for (int row = 0; row < 1500; ++row) late += "1,2\n";
  expect({{{"train", at("none.csv"), "--output", at("m")}, 1, "none.csv"},
          {{"train", std::filesystem::path(table).parent_path(), "--output", at("m")}, 1, "the folder holds no PNG"},
          wrong_table("empty.csv", "", "empty"),
          wrong_table("header.csv", "a,b\n", "rows"),
          wrong_table("ragged.csv", "a,b\n1,2\n3\n", "line 3"),
          wrong_table("infinite.csv", "a,b\n1,2\n3,inf\n", "inf"),
          wrong_table("text.csv", late + "1,x\n", "'x'"),
          wrong_table("array.npy", "\x93NUMPY nonsense", "array.npy"),
          wrong_table("array.npz", "PK\x03\x04 nonsense", "array.npz"),
          wrong_table("named.npy", "a,b\n1,2\n", "npy")});
}

TEST_F(Errors, WrongModels) {
  const std::string whole = read_file(model);
  const std::string cut = file("cut.safetensors", whole.substr(0, whole.size() / 2));
  std::string changed = whole;
  changed[whole.find("\"threshold\"") + 14] = 'x';
  const std::string damaged = file("damaged.safetensors", changed);
  for (const char* command : {"score", "evaluate"}) {
    expect(
        {{{command, table, "--model", at("none"), "--normal", "normal"}, std::string(command) == "score" ? 2 : 1, ""}});
  }
  expect({{{"score", table, "--model", at("none")}, 1, "none"},
          {{"score", table, "--model", table}, 1, "table.csv"},
          {{"score", table, "--model", cut}, 1, "cut.safetensors"},
          {{"score", table, "--model", damaged}, 1, "damaged.safetensors"},
          {{"sample", "--model", cut, "--count", "5"}, 1, "cut.safetensors"}});
}

TEST_F(Errors, WrongScoring) {
  expect({{{"score", table, "--model", model, "--output", at("s.txt")}, 2, ".csv or .npy"},
          {{"score", table, "--model", model, "--output", at("s.npy"), "--explain", "2"}, 2, "--explain"},
          {{"score", table, "--model", model, "--output", at("s.npy"), "--label"}, 2, "--label"},
          {{"score", table, "--model", model, "--output", at("s.npy"), "--probability", "rank"}, 2, "--probability"},
          {{"score", table, "--model", model, "--probability", "likely"}, 2, "rank or gaussian"},
          {{"score", table, "--model", model, "--explain", "0"}, 2, "--explain"},
          {{"score", table, "--model", model, "--explain", "1000"}, 2, "--explain"},
          {{"score", table, "--model", model, "--output", at("no/s.csv")}, 1, "no/s.csv"},
          {{"score", at("none.csv"), "--model", model}, 1, "none.csv"},
          {{"score", table, "--model", model, "--threshold", "nan"}, 2, "--threshold"},
          {{"score", table, "--model", model, "--threshold", "1", "--confidence"}, 2, "--confidence"},
          {{"sample", "--model", model, "--count", "5", "--output", at("x.npy")}, 2, "csv table"},
          {{"synthesize", "telemetry", "--rows", "5", "--output", at("x.npy")}, 2, "csv table"},
          {{"sample", "--model", model, "--count", "0"}, 2, "--count"},
          {{"sample", "--model", model, "--count", "99999999999999"}, 2, "--count"},
          {{"synthesize", "telemetry", "--rows", "0", "--output", at("x.csv")}, 2, "--rows"},
          {{"synthesize", "telemetry", "--rows", "5", "--groups", "6", "--output", at("x.csv")}, 2, "--groups"},
          {{"synthesize", "telemetry", "--rows", "5", "--rows-per-group", "6", "--output", at("x.csv")}, 2, "exclude"},
          {{"synthesize", "telemetry", "--rows", "5", "--output", at("no/x.csv")}, 1, "no/x.csv"}});
  // A table without one of the model's columns. The file of scores must not appear.
  const Outcome outcome =
      run({"score", file("other.csv", "load,memory\n1,2\n"), "--model", model, "--output", at("s.csv")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "temperature")) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(at("s.csv")));
}

TEST_F(Errors, WrongReproduction) {
  expect({{{"reproduce", "kdd99-anogan", "--data", at("none")}, 1, "kddcup.data_10_percent.gz"},
          {{"reproduce", "kdd99-anogan", "--data", table}, 1, "table.csv"},
          {{"reproduce", "kdd99-anogan", "--data", table, "--setting", "best"}, 2, "best"},
          {{"reproduce", "kdd99-anogan", "--data", table, "--rows", "some"}, 2, "some"},
          {{"reproduce", "kdd99-anogan", "--data", table, "--seeds", "0"}, 2, "--seeds"},
          {{"reproduce", "kdd99-anogan", "--data", table, "--batch", "0"}, 2, "batch"}});
}

/// A command never writes a file that it reads.
TEST_F(Errors, InputsAreNotOverwritten) {
  const std::string rows = file("rows.csv", read_file(table)), kept = file("kept.csv", read_file(model));
  std::filesystem::create_symlink(rows, at("link.csv"));
  const std::string before = read_file(rows);
  expect({{{"train", rows, "--output", rows}, 2, "would overwrite"},
          {{"train", rows, "--output", at("link.csv")}, 2, "would overwrite"},
          {{"train", rows, "--output", at("m"), "--log", rows}, 2, "--log"},
          {{"train", rows, "--output", at("m"), "--log", at("./m")}, 2, "--log"},
          {{"score", rows, "--model", model, "--output", rows}, 2, "would overwrite"},
          {{"score", rows, "--model", kept, "--output", kept}, 2, "would overwrite"},
          {{"sample", "--model", kept, "--count", "5", "--output", kept}, 2, "would overwrite"}});
  EXPECT_EQ(read_file(rows), before);
  EXPECT_EQ(read_file(kept), read_file(model));
}

TEST_F(Errors, FullAndClosedOutput) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"score", table, "--model", model}, {"info"}, {"--help"}, {"sample", "--model", model, "--count", "10"}}) {
    const Outcome outcome = run(arguments, "", "/dev/full");
    EXPECT_EQ(outcome.code, 1) << arguments[0];
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "standard output")) << outcome.err;
  }
}

}  // namespace
}  // namespace cugad::cli_test
