#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/class_images.hpp"
#include "cli/command.hpp"

namespace cugad::cli_test {
namespace {

using nlohmann::json;

/// Adds the options of the quickest detector that is one.
void make_quick(std::vector<std::string>& arguments, const std::string& steps = "10") {
  arguments.insert(arguments.end(), {"--population", "1", "--hidden", "8", "--bank-rows", "20",
                                     "--discriminator-hidden", "8", "--steps", steps});
}

/// Folders in the shape of the protocols' data, as far as small ones are allowed; and the real ones if available.
class Reproductions : public CommandTest {
 protected:
  void make_digits() const { write_class_images(at("mnist"), "t10k", 300); }

  /// `arguments` of the digits protocol, with the quick detector, as JSON on standard output.
  std::vector<std::string> digits_run(const std::vector<std::string>& more, const std::string& steps = "10") const {
    std::vector<std::string> arguments = {"reproduce", "mnist-dense", "--data",  at("."),    "--json",
                                          "--quiet",   "--setting",   "default", "--method", "anogan"};
    make_quick(arguments, steps);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  /// The folder of the real data sets; empty where `file` is not in it.
  static std::string real_data(const std::string& file) {
    const char* given = std::getenv("CUGAD_DATA");
    const std::string data = given != nullptr ? given : CUGAD_SOURCE_DIR "/../shared/data";
    return std::filesystem::exists(data + "/" + file) ? data : "";
  }

  json run_json(const std::vector<std::string>& arguments) const { return json::parse(run_well(arguments)); }
};

TEST_F(Reproductions, DigitsAgainstTheRest) {
  make_digits();
  const json result = run_json(digits_run({"--digits", "9,0", "--seeds", "2"}));
  ASSERT_EQ(result["sets"].size(), 2u);
  EXPECT_EQ(result["sets"][0]["name"], "digit 9");
  EXPECT_EQ(result["sets"][0]["train_rows"], 216);  // 80 % of 270
  EXPECT_EQ(result["sets"][0]["rows"], 54 + 30);
  EXPECT_EQ(result["sets"][0]["anomalies"], 30);
  EXPECT_EQ(result["sets"][0]["columns"], 784);
  EXPECT_GT(result["sets"][0]["mean"]["auroc"], 0.99);  // the distance to the mean: nothing is as bright
  const auto& runs = result["settings"][0]["seeds"];
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[1]["seed"], 1000);
  EXPECT_EQ(runs[1]["split"], 1);
  const double mean = (runs[0]["auroc"].get<double>() + runs[1]["auroc"].get<double>()) / 2;
  EXPECT_DOUBLE_EQ(result["sets"][0]["cugad"]["auroc"].get<double>(), mean);
  EXPECT_EQ(result["mean"]["cugad"].size(), 2u);
}

TEST_F(Reproductions, RecommendedDigitsLeavePixelsAsTheyAre) {
  make_digits();
  std::vector<std::string> arguments = {"reproduce", "mnist-dense", "--data",  at("."), "--json",           "--quiet",
                                        "--digits",  "9",           "--seeds", "1",     "--encoder-hidden", "8"};
  make_quick(arguments);
  const json result = run_json(arguments);
  ASSERT_EQ(result["settings"].size(), 1u);
  EXPECT_EQ(result["settings"][0]["name"], "recommended");
  const json& options = result["settings"][0]["options"];
  EXPECT_EQ(options["method"], "ganomaly");
  EXPECT_EQ(options["scale"], "none");
  EXPECT_EQ(options["latent"], 32);
  EXPECT_EQ(options["steps"], 10);  // the flags hold on top of it
  EXPECT_TRUE(result["settings"][0]["seeds"][0]["auroc"].is_number());
}

TEST_F(Reproductions, RowsCutTheDigits) {
  make_digits();
  const json result = run_json(digits_run({"--digits", "1", "--seeds", "1", "--rows", "100"}));
  const json& size = result["sets"][0];
  EXPECT_LT(size["train_rows"], 80);
  EXPECT_LT(size["train_rows"].get<int>() + size["rows"].get<int>(), 101);
}

TEST_F(Reproductions, StateSpansRuns) {
  make_digits();
  const std::vector<std::string> one = digits_run({"--digits", "1", "--seeds", "1", "--state", at("state.json")});
  const std::vector<std::string> more = digits_run({"--digits", "1,2", "--seeds", "2", "--state", at("state.json")});
  const std::string first = run_well(one);
  const std::string kept = read_file(at("state.json"));
  EXPECT_EQ(run_well(one), first);  // to the bit, with the seconds of then
  EXPECT_EQ(read_file(at("state.json")), kept);
  // More seeds and digits keep the earlier results.
  const json extended = run_json(more);
  EXPECT_EQ(extended["settings"][0]["seeds"][0], json::parse(first)["settings"][0]["seeds"][0]);
  EXPECT_EQ(extended["settings"][0]["seeds"].size(), 4u);
  // Nothing is trained again.
  EXPECT_EQ(run_json(more), extended);
}

TEST_F(Reproductions, StateOfOtherOptionsIsRefused) {
  make_digits();
  const std::vector<std::string> common = {"--digits", "1", "--seeds", "1", "--state", at("state.json")};
  run_well(digits_run(common));
  const auto refused = [&](const std::vector<std::string>& change, const std::string& part) {
    std::vector<std::string> arguments = digits_run(common);
    arguments.insert(arguments.end(), change.begin(), change.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
  };
  refused({"--batch", "32"}, "batch 64 there, 32 here");
  refused({"--rows", "150"}, "rows 0 there, 150 here");
  write_file(at("state.json"), "{}");
  refused({}, "is no state");
}

TEST_F(Reproductions, CtrlCKeepsWhatIsFinished) {
  make_digits();
  const std::vector<std::string> arguments =
      digits_run({"--digits", "1,2", "--seeds", "2", "--latent", "4", "--state", at("state.json")}, "200");
  const auto finished = [&] {
    if (!std::filesystem::exists(at("state.json"))) return 0;
    const json results = json::parse(read_file(at("state.json")))["protocols"]["mnist-dense"]["results"];
    return static_cast<int>(
        std::count_if(results.begin(), results.end(), [](const json& one) { return one["of"] == "default"; }));
  };
  Process process(arguments, at("."));
  while (process.is_running() && finished() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  process.send(SIGINT);
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 130);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: ", "the same command goes on")) << outcome.err;
  EXPECT_GT(finished(), 0);
  EXPECT_LT(finished(), 4);
  const json resumed = run_json(arguments);
  std::filesystem::remove(at("state.json"));
  EXPECT_EQ(resumed["mean"]["cugad"], run_json(arguments)["mean"]["cugad"]);
  EXPECT_EQ(resumed["settings"][0]["seeds"].size(), 4u);
}

TEST_F(Reproductions, MarkdownFileOrSection) {
  make_digits();
  const std::vector<std::string> arguments = digits_run({"--digits", "1", "--seeds", "1", "--markdown", at("page.md")});
  run_well(arguments);
  const std::string whole = read_file(at("page.md"));
  EXPECT_NE(whole.find("\n|digit 1|"), std::string::npos) << whole;
  EXPECT_NE(whole.find("\n|AUROC|train rows|test rows|anomalies|columns|anogan default|kNN|raw L1 to the mean|"),
            std::string::npos)
      << whole;
  EXPECT_NE(whole.find("\n|AP|anogan default|kNN|raw L1 to the mean|"), std::string::npos) << whole;
  EXPECT_NE(whole.find("|AUROC difference|AUROC w/t/l|AUROC p|AP mean|"), std::string::npos) << whole;
  write_file(at("page.md"), "above\n<!-- begin mnist-dense -->\nold\n<!-- end mnist-dense -->\nbelow\n");
  run_well(arguments);
  const std::string page = read_file(at("page.md"));
  EXPECT_TRUE(page.starts_with("above\n<!-- begin mnist-dense -->\n")) << page;
  EXPECT_TRUE(page.ends_with("<!-- end mnist-dense -->\nbelow\n")) << page;
  EXPECT_NE(page.find("\n|digit 1|"), std::string::npos) << page;
  EXPECT_EQ(page.find("old"), std::string::npos) << page;
}

TEST_F(Reproductions, WrongFlags) {
  make_digits();
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& part) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << part;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
  };
  refused({"reproduce", "adbench", "--data", at(".")}, 1, ".npz");
  refused({"reproduce", "adbench", "--data", at("."), "--setting", "faithful"}, 2, "default");
  refused({"reproduce", "adbench", "--data", at("."), "--digits", "1"}, 2, "--digits does not apply");
  refused({"reproduce", "arrhythmia-alad", "--data", at("."), "--rows", "100"}, 2, "--rows does not apply");
  refused({"reproduce", "arrhythmia-alad", "--data", at("."), "--setting", "default"}, 1, "arrhythmia.npz");
  refused({"reproduce", "mnist-dense", "--data", at("."), "--digits", "10"}, 2, "--digits");
  refused({"reproduce", "mnist", "--data", at("."), "--classes", "x"}, 2, "--classes");
  refused({"reproduce", "mnist", "--data", at(".")}, 1, "train-images-idx3-ubyte");
  refused({"reproduce", "mnist", "--data", at("."), "--image", "14x14"}, 2, "--image does not apply");
  refused({"reproduce", "mnist", "--data", at("."), "--setting", "faithful"}, 2, "recommended, egbad, ganomaly, both");
  refused({"reproduce", "magnetic-tile", "--data", at("mnist")}, 1, "holds no PNG or JPEG");
  refused({"reproduce", "mnist-dense", "--data", at("."), "--methods", "anogan"}, 2, "comparison");
  refused({"reproduce", "comparison", "--data", at("."), "--method", "anogan"}, 2, "--methods");
  refused({"reproduce", "comparison", "--data", at("."), "--methods", "magic"}, 2, "magic");
  refused({"reproduce", "comparison", "--data", at("."), "--protocols", "magic"}, 2, "mnist-dense");
  refused(digits_run({"--state", at("no/state.json")}), 1, "does not exist");
}

TEST_F(Reproductions, ComparisonIsOneTable) {
  make_digits();
  std::vector<std::string> arguments = {"reproduce", "comparison", "--data",      at("."),       "--methods",
                                        "anogan",    "--quiet",    "--protocols", "mnist-dense", "--digits",
                                        "1,2",       "--seeds",    "1",           "--markdown",  at("table.md")};
  make_quick(arguments);
  const std::string text = run_well(arguments);
  EXPECT_NE(text.find("MNIST"), std::string::npos) << text;
  EXPECT_NE(read_file(at("table.md")).find("|method|MNIST AUROC|MNIST AP|\n|---|--:|--:|\n|anogan|"), std::string::npos)
      << read_file(at("table.md"));
}

/// Distances to the mean and the median on the released split: known from an independent implementation.
TEST_F(Reproductions, ArrhythmiaIsTheReleasedSplit) {
  const std::string data = real_data("arrhythmia/arrhythmia.npz");
  if (data.empty()) GTEST_SKIP() << "Arrhythmia is not at hand";
  std::vector<std::string> arguments = {"reproduce", "arrhythmia-anogan", "--data",   data,     "--json",  "--quiet",
                                        "--setting", "default",           "--method", "anogan", "--seeds", "1"};
  make_quick(arguments);
  const json released = run_json(arguments);
  EXPECT_EQ(released["train_rows"], 226);
  EXPECT_EQ(released["rows"], 226);
  EXPECT_EQ(released["anomalies"], 32);
  EXPECT_NEAR(released["baselines"][1]["f1"], 18.0 / 33, 1e-9);
  EXPECT_NEAR(released["baselines"][1]["auroc"], 0.849, 0.0006);
  EXPECT_NEAR(released["baselines"][2]["f1"], 17.0 / 33, 1e-9);
  EXPECT_NEAR(released["baselines"][2]["auroc"], 0.851, 0.0006);
  arguments.insert(arguments.end(), {"--normals-only", "--splits", "2"});
  const json normals = run_json(arguments);
  EXPECT_EQ(normals["train_rows"], 192);
  EXPECT_NEAR(normals["baselines"][1]["f1"], 18.0 / 33, 1e-9);
  EXPECT_NEAR(normals["baselines"][1]["auroc"], 0.854, 0.0006);
  ASSERT_EQ(normals["sets"].size(), 2u);
  EXPECT_GT(normals["deviation"]["mean"]["auroc"], 0);
}

TEST_F(Reproductions, TablesOnTheRealData) {
  const std::string data = real_data("adbench/4_breastw.npz");
  if (data.empty()) GTEST_SKIP() << "the tables are not at hand";
  std::filesystem::create_directory(at("adbench"));
  std::filesystem::copy(data + "/adbench/4_breastw.npz", at("adbench/4_breastw.npz"));
  std::vector<std::string> arguments = {"reproduce", "adbench", "--data", at("."),    "--json",
                                        "--quiet",   "--seeds", "2",      "--method", "anogan"};
  make_quick(arguments);
  const json result = run_json(arguments);
  ASSERT_EQ(result["sets"].size(), 1u);
  EXPECT_EQ(result["sets"][0]["columns"], 9);
  EXPECT_GT(result["sets"][0]["knn"]["auroc"], 0.97);
  EXPECT_TRUE(result["sets"][0]["cugad"].contains("average_precision"));
  EXPECT_EQ(result["mean"]["knn_log1p"], result["sets"][0]["knn_log1p"]);
  EXPECT_GT(result["sets"][0]["isolation_forest"]["auroc"], 0.98);
  EXPECT_GT(result["sets"][0]["mahalanobis"]["auroc"], 0.97);
  EXPECT_GT(result["sets"][0]["denoising_autoencoder"]["auroc"], 0.9);
  // Every baseline is compared with, and the sum with d1 + dm against d1 + dm.
  const json& pairs = result["pairs"];
  ASSERT_EQ(pairs.size(), 12u);
  for (const json& pair : pairs) {
    const json& figure = pair["auroc"];
    const double difference = result["mean"][pair["of"].get<std::string>()]["auroc"].get<double>() -
                              result["mean"][pair["against"].get<std::string>()]["auroc"].get<double>();
    EXPECT_NEAR(figure["difference"].get<double>(), difference, 1e-12);
    EXPECT_EQ(figure["wins"], difference > .004 ? 1 : 0);
    EXPECT_EQ(figure["ties"], std::abs(difference) <= .004 ? 1 : 0);
    EXPECT_EQ(figure["p"], 1);  // one set shows nothing
  }
  EXPECT_EQ(pairs[11]["of"], "cugad_d1_dm");
  EXPECT_EQ(pairs[11]["against"], "d1_dm");
  EXPECT_GT(result["mean_seconds"]["d1_dm"], result["mean_seconds"]["random"]);
}

/// The default is measured with the method beside it that it was before.
TEST_F(Reproductions, TheDefaultOnTables) {
  const std::string data = real_data("adbench/4_breastw.npz");
  if (data.empty()) GTEST_SKIP() << "the tables are not at hand";
  std::filesystem::create_directory(at("adbench"));
  std::filesystem::copy(data + "/adbench/4_breastw.npz", at("adbench/4_breastw.npz"));
  const json result = run_json({"reproduce", "adbench", "--data", at("."), "--json", "--quiet", "--seeds", "1",
                                "--population", "1", "--hidden", "8", "--discriminator-hidden", "8", "--steps", "10"});
  ASSERT_EQ(result["settings"].size(), 2u);
  EXPECT_EQ(result["settings"][0]["name"], "tables (default)");
  EXPECT_EQ(result["settings"][0]["options"]["method"], "knn,gain");
  EXPECT_EQ(result["settings"][1]["name"], "anogan");
  EXPECT_GT(result["mean"]["default"]["auroc"], 0.97);
  EXPECT_EQ(result["pairs"].size(), 24u);
}

/// Scores as raw sums are not in the units of d1 + dm.
TEST_F(Reproductions, RawScoresAreNotAddedToDistances) {
  const std::string data = real_data("adbench/4_breastw.npz");
  if (data.empty()) GTEST_SKIP() << "the tables are not at hand";
  std::filesystem::create_directory(at("adbench"));
  std::filesystem::copy(data + "/adbench/4_breastw.npz", at("adbench/4_breastw.npz"));
  std::vector<std::string> arguments = {"reproduce", "adbench", "--data",   at("."),  "--json",     "--quiet",
                                        "--seeds",   "1",       "--method", "anogan", "--compress", "false"};
  make_quick(arguments);
  const json result = run_json(arguments);
  EXPECT_TRUE(result["mean"].contains("d1_dm"));
  EXPECT_FALSE(result["mean"].contains("cugad_d1_dm"));
  EXPECT_EQ(result["pairs"].size(), 11u);
}

TEST_F(Reproductions, DigitsOfTheRealData) {
  const std::string data = real_data("mnist/t10k-images-idx3-ubyte.gz");
  if (data.empty()) GTEST_SKIP() << "MNIST is not at hand";
  std::vector<std::string> arguments = digits_run({"--digits", "1", "--seeds", "1", "--rows", "2000"});
  *std::find(arguments.begin(), arguments.end(), at(".")) = data;
  const json result = run_json(arguments);
  EXPECT_EQ(result["sets"][0]["columns"], 784);
  EXPECT_GT(result["sets"][0]["anomalies"], 180);
}

}  // namespace
}  // namespace cugad::cli_test
