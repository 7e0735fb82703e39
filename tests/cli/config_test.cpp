#include "cli/command.hpp"

/// Where settings come from: defaults < preset < TOML file < flags.
namespace cugad::cli_test {
namespace {

class Config : public CommandTest {
 protected:
  /// Trains with a TOML file and flags, and returns the model's value of an option.
  std::string trained_value(const std::string& toml, const std::vector<std::string>& flags, const std::string& option) {
    write_file(at("settings.toml"), toml);
    std::vector<std::string> arguments = {
        "train", table, "--output", at("m.safetensors"), "--config", at("settings.toml"), "--quiet"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    if (!has(toml, "preset")) arguments.insert(arguments.end(), {"--method", "anogan"});
    run_well(arguments);
    for (const std::string& line : lines_of(run_well({"info", "--model", at("m.safetensors")}))) {
      if (line.find("  " + option + " ") != 0) continue;
      const std::string value = line.substr(line.find_first_not_of(' ', option.size() + 2));
      return value.substr(0, value.find(" (default"));
    }
    return "(not found)";
  }
  const std::string small =
      "steps = 20\nlabel_column = 'label'\nnormal = ['normal']\nbank_rows = 50\nhidden = [16]\npopulation = 1\n"
      "discriminator_hidden = 16\n";
};

TEST_F(Config, FileIsTaken) { EXPECT_EQ(trained_value(small + "beta1 = 0.25\n", {}, "beta1"), "0.25"); }
TEST_F(Config, ListsAreTaken) {
  EXPECT_EQ(trained_value(small + "log1p = ['load', 'memory']\n", {}, "log1p"), "load,memory");
  const std::string two = small.substr(0, small.find("normal = ")) + "normal = ['a, b', 'normal']\n" +
                          small.substr(small.find("bank_rows"));
  EXPECT_EQ(trained_value(two, {}, "population"), "1");
}
TEST_F(Config, BooleansAreTaken) {
  EXPECT_EQ(trained_value(small + "deduplicate = true\n", {}, "deduplicate"), "true");
}

/// Names that options had in earlier versions.
TEST_F(Config, FormerNamesAreTaken) {
  EXPECT_EQ(trained_value(small, {}, "generator_hidden"), "16");
  EXPECT_EQ(trained_value(small, {"--generator-hidden", "9"}, "generator_hidden"), "9");
  EXPECT_EQ(trained_value(small + "negatives = 0.25\n", {"--fence", "0.125"}, "negatives"), "0.125");
  EXPECT_EQ(trained_value(small, {"--no-center", "--scale", "none"}, "centre"), "false");
}

TEST_F(Config, FlagOverridesFile) {
  EXPECT_EQ(trained_value(small + "beta1 = 0.25\n", {"--beta1", "0.75"}, "beta1"), "0.75");
  EXPECT_EQ(trained_value(small + "compress = true\n", {"--no-compress"}, "compress"), "false");
  EXPECT_EQ(trained_value(small, {"--compress", "false"}, "compress"), "false");
}

TEST_F(Config, FlagAsTheDefaultStillOverridesFile) {
  EXPECT_EQ(trained_value(small + "beta1 = 0.25\n", {"--beta1", "0.5"}, "beta1"), "0.5");
}

TEST_F(Config, FileOverridesPreset) {
  const std::string preset = small + "preset = 'kdd99-anogan-recommended'\nsearch_steps = 1\n";
  EXPECT_EQ(trained_value(preset, {}, "deduplicate"), "true");
  EXPECT_EQ(trained_value(preset + "deduplicate = false\n", {}, "deduplicate"), "false");
  EXPECT_EQ(trained_value(preset + "deduplicate = false\n", {"--deduplicate"}, "deduplicate"), "true");
}

TEST_F(Config, StepsOverrideThePresetsEpochs) {
  EXPECT_EQ(trained_value(
                small + "preset = 'kdd99-anogan-faithful'\nsearch_steps = 1\nsearch_rate = [0.1]\nsearch_until = []\n",
                {}, "steps"),
            "20");
}

TEST_F(Config, FlagForStepsOverridesTheFilesEpochs) {
  EXPECT_EQ(trained_value(small.substr(small.find('\n')) + "epochs = 1\n", {"--steps", "30"}, "steps"), "30");
}

TEST_F(Config, WrongFilesAreRefused) {
  const struct {
    const char* toml;
    const char* part;
  } cases[] = {{"lerning_rate = 1\n", "settings.toml:1: unknown key 'lerning_rate', did you mean 'learning_rate'?"},
               {"'' = 1\n", "settings.toml:1: unknown key ''"},
               {"seed = 1\n\nbatch = {}\n", "settings.toml:3: batch must be"},
               {"[training]\nsteps = 3\n", "training must be"},
               {"steps = = 3\n", "settings.toml:1: "},
               {"steps = 'many'\n", "many"},
               {"quiet = 'perhaps'\n", "quiet must be true or false"},
               {"config = 'other.toml'\n", "unknown key 'config'"},
               {"hidden = 3\ngenerator_hidden = 3\n", ": generator_hidden is given twice"},
               {"steps = 3\nepochs = 2\n", "either --steps or --epochs"}};
  for (const auto& wrong : cases) {
    write_file(at("settings.toml"), wrong.toml);
    const Outcome outcome = run({"train", table, "--output", at("m"), "--config", at("settings.toml")});
    EXPECT_EQ(outcome.code, 2) << wrong.toml;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", wrong.part)) << wrong.toml << outcome.err;
  }
}

/// A device or a pipe that never ends must not fill the memory.
TEST_F(Config, EndlessFilesAreRefused) {
  write_file(at("settings.toml"), std::string(std::size_t{17} << 20, '#'));
  const Outcome outcome = run({"train", table, "--output", at("m"), "--config", at("settings.toml")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "longer than 16 MiB")) << outcome.err;
}

TEST_F(Config, EmptyFileIsFine) {
  write_file(at("settings.toml"), "");
  EXPECT_EQ(run(train(at("m"), {"--config", at("settings.toml"), "--quiet"})).code, 0);
}

/// The parser calls itself for every part of a dotted key.
TEST_F(Config, KeysOfManyPartsAreRefused) {
  std::string parts = "a", spaced = "a", in_quotes = "\"a\"";
  for (int part = 0; part < 60'000; ++part) {
    parts += ".a";
    spaced += " . a";
    in_quotes += ".'a.b'";
  }
  for (const std::string& toml :
       {parts + " = 1", "[" + parts + "]", "[[" + parts + "]]", spaced + " = 1", in_quotes + " = 1",
        "hidden = {" + parts + " = 1}", "a = [\"\"\"b\"\"\"\", {" + parts + " = 1}]", "a = '''b''''\n" + parts + " = 1",
        "a = \"\\\"\" # \"\n" + parts + " = 1"}) {
    write_file(at("c.toml"), toml);
    const Outcome outcome = run(train(at("m"), {"--config", at("c.toml")}));
    EXPECT_EQ(outcome.code, 2) << toml.substr(0, 40);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: " + at("c.toml") + ":", "flat keys")) << outcome.err;
  }
}

TEST_F(Config, DotsOfNumbersAndTextsAreNoKeys) {
  EXPECT_EQ(trained_value(small +
                              "score = 'search'\nsearch_steps = 2\nsearch_until = [10, 20]\nsearch_rate = [0.1, 0.01, "
                              "# 1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6\n" +
                              " 0.001]\nlog = '" + at("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v") + "'\n",
                          {}, "search_rate"),
            "0.1,0.01,0.001");
}

TEST_F(Config, KeysThatAreWrongAreNamed) {
  const auto message = [&](const std::string& toml) {
    write_file(at("c.toml"), toml);
    const Outcome outcome = run(train(at("m"), {"--config", at("c.toml")}));
    EXPECT_EQ(outcome.code, 2);
    return outcome.err;
  };
  EXPECT_TRUE(is_one_line(message("config = 'other.toml'"), "cugad: error: ", "cannot name another"));
  EXPECT_TRUE(is_one_line(message("poplation = 2"), "cugad: error: ", "did you mean 'population'?"));
  EXPECT_EQ(message("zzz = 2").find("did you mean"), std::string::npos);
  EXPECT_TRUE(is_one_line(message("learning_rate = 0.1\nlearning-rate = 0.2"), "cugad: error: ", "given twice"));
}

}  // namespace
}  // namespace cugad::cli_test
