#include <filesystem>

#include "cli/command.hpp"

/// ONNX graphs: what they score is tested in python/tests/test_onnx.py, where there is a runtime for them.
namespace cugad::cli_test {
namespace {

class Export : public CommandTest {};

TEST_F(Export, WritesTheGraphOfAModel) {
  EXPECT_TRUE(has(run_well({"export", "--model", model, "--output", at("m.onnx")}), "threshold"));
  run_well({"export", "--model", model, "--output", at("again.onnx")});
  EXPECT_EQ(read_file(at("m.onnx")), read_file(at("again.onnx")));
  run_well({"export", "--model", model, "--output", at("other.onnx"), "--threshold", "2.5", "--output-prefix", "my_"});
  const std::string graph = read_file(at("other.onnx"));
  EXPECT_TRUE(has(graph, "my_is_anomaly") && has(graph, "ai.onnx.ml"));
  EXPECT_FALSE(has(read_file(at("m.onnx")), "my_"));
}

TEST_F(Export, RefusesWhatNoGraphCanHold) {
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& part) {
    arguments.insert(arguments.begin(), "export");
    arguments.insert(arguments.end(), {"--output", at("x.onnx")});
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(at("x.onnx")));
  };
  run_well(train(at("search"), {"--score", "search", "--search-steps", "2"}));
  refused({"--model", at("search")}, 1, "searches the latent space for each row");
  refused({"--model", model, "--pooled"}, 2, "it holds one model, not a fleet");
  refused({"--model", model, "--threshold", "1", "--contamination", "0.1"}, 2, "exclude each other");
  refused({"--model", at("none")}, 1, "none");
  refused({}, 2, "--model is required");
  const Outcome outcome = run({"export", "--model", model, "--output", at("no/x.onnx")});
  EXPECT_TRUE(outcome.code == 1 && is_one_line(outcome.err, "cugad: error: cannot write", "no/x.onnx")) << outcome.err;
  EXPECT_EQ(run({"export", "--model", model, "--output", model}).code, 2);
}

TEST_F(Export, TakesOneModelOfAFleet) {
  run_well({"synthesize", "telemetry", "--rows-per-group", "60", "--groups", "3", "--output", at("t.csv")});
  run_well({"train", at("t.csv"), "--output", at("fleet"), "--group-by", "group", "--label-column", "label", "--method",
            "knn"});
  EXPECT_TRUE(is_one_line(run({"export", "--model", at("fleet"), "--output", at("x")}).err,
                          "cugad: error: ", "name it by --group or --pooled"));
  EXPECT_EQ(run({"export", "--model", at("fleet"), "--group", "machine-9", "--output", at("x")}).code, 1);
  run_well({"export", "--model", at("fleet"), "--group", "machine-0001", "--output", at("one")});
  run_well({"export", "--model", at("fleet"), "--pooled", "--output", at("pooled")});
  EXPECT_NE(read_file(at("one")), read_file(at("pooled")));
}

}  // namespace
}  // namespace cugad::cli_test
