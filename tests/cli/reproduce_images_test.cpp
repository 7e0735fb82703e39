#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/class_images.hpp"
#include "cli/command.hpp"
#include "cugad/image.hpp"

/// The protocols on images, with made-up ones.
namespace cugad::cli_test {
namespace {

using nlohmann::json;

class ImageProtocols : public CommandTest {
 protected:
  /// `protocol` with networks that hardly learn, but train in no time.
  json report(const std::string& protocol, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"reproduce",
                                          protocol,
                                          "--data",
                                          at("."),
                                          "--json",
                                          "--quiet",
                                          "--population",
                                          "1",
                                          "--steps",
                                          "5",
                                          "--generator-hidden",
                                          "8",
                                          "--encoder-hidden",
                                          "8",
                                          "--discriminator-hidden",
                                          "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json::parse(run_well(arguments));
  }

  void write(const std::string& name, const Image& image) const {
    const std::filesystem::path path(at(name));
    std::filesystem::create_directories(path.parent_path());
    const std::vector<std::byte> bytes = encode_png(image);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  /// Grey tiles, the last three with a bright spot of 4 x 4 pixels, and the masks of the spots. What is called jpg is a
  /// png: files are known by their contents.
  void write_tiles() const {
    for (int n = 0; n < 20; ++n) {
      Image tile{{16, 20, 1}, {}}, mask{{16, 20, 1}, {}};
      for (int p = 0; p < 16 * 20; ++p) {
        const int y = p / 20, x = p % 20;
        const bool in_spot = n >= 17 && y >= n - 15 && y < n - 11 && x >= 8 && x < 12;
        tile.values.push_back(static_cast<std::uint8_t>(in_spot ? 250 : 100 + (n * 31 + p * 7) % 23));
        mask.values.push_back(in_spot ? 255 : 0);
      }
      const std::string stem =
          std::string("magnetic_tile/") + (n < 17 ? "MT_Free" : "MT_Break") + "/Imgs/t" + std::to_string(n);
      write(stem + ".jpg", tile);
      write(stem + ".png", mask);
    }
  }
};

TEST_F(ImageProtocols, ClassesAreNormalAndAnomalousInTurn) {
  write_class_images(at("mnist"), "train", 200);
  write_class_images(at("mnist"), "t10k", 100);
  const std::vector<std::string> flags = {"--classes", "9,0", "--seeds", "2", "--state", at("state.json")};
  const json both = report("mnist", flags);
  ASSERT_EQ(both["protocols"].size(), 2u);
  const json &normal = both["protocols"][0], &anomalous = both["protocols"][1];
  EXPECT_EQ(normal["protocol"], "mnist-one-class-normal");
  ASSERT_EQ(normal["sets"].size(), 2u);
  EXPECT_EQ(normal["sets"][0]["name"], "9");
  EXPECT_EQ(normal["sets"][0]["train_rows"], 20);
  EXPECT_EQ(normal["sets"][0]["rows"], 100);
  EXPECT_EQ(normal["sets"][0]["anomalies"], 90);
  EXPECT_EQ(normal["published"][1]["name"], "OCGAN");
  for (const char* baseline : {"knn", "pca", "mean"}) EXPECT_EQ(normal["mean"][baseline]["auroc"], 1.0) << baseline;
  EXPECT_EQ(anomalous["protocol"], "mnist-one-class-anomalous");
  EXPECT_EQ(anomalous["sets"][0]["train_rows"], 216);  // 80 % of 270
  EXPECT_EQ(anomalous["sets"][0]["rows"], 54 + 30);
  EXPECT_EQ(anomalous["sets"][0]["anomalies"], 30);
  EXPECT_EQ(anomalous["settings"][0]["seeds"][1]["split"], 1);
  const json& options = normal["settings"][0]["options"];
  EXPECT_EQ(options["image"], "28x28x1");
  EXPECT_EQ(options["scale"], "range");
  // Nothing is trained again; one of the two, and fewer images, go alone.
  EXPECT_EQ(report("mnist", flags), both);
  EXPECT_EQ(report("mnist-one-class-normal", flags)["sets"], normal["sets"]);
  const json cut = report("mnist-one-class-normal", {"--classes", "1", "--seeds", "1", "--rows", "100"});
  EXPECT_LT(cut["sets"][0]["train_rows"], 20);
}

TEST_F(ImageProtocols, FashionHasFilesAndNamesOfItsOwn) {
  write_class_images(at("fashion-mnist"), "train", 60);
  write_class_images(at("fashion-mnist"), "t10k", 40);
  const json result =
      report("fashion-mnist-one-class-normal", {"--classes", "8", "--seeds", "1", "--markdown", at("page.md")});
  EXPECT_EQ(result["sets"][0]["name"], "8 bag");
  EXPECT_TRUE(has(read_file(at("page.md")), "\n|8 bag|6|40|36|784|")) << read_file(at("page.md"));
}

/// Layers and losses of the papers' code, on rows of 28 x 28 pixels.
TEST_F(ImageProtocols, TheSettingsOfPapersTrain) {
  write_class_images(at("mnist"), "train", 300);
  write_class_images(at("mnist"), "t10k", 20);
  const std::string text =
      run_well({"reproduce", "mnist-one-class-normal", "--data", at("."), "--quiet", "--json", "--setting",
                "egbad,ganomaly", "--classes", "1", "--seeds", "1", "--steps", "1", "--batch", "4"});
  const json settings = json::parse(text)["settings"];
  ASSERT_EQ(settings.size(), 2u);
  EXPECT_EQ(settings[0]["options"]["generator_hidden"], json({"1024bn", "6272bn", "up64k4s2bn"}));
  EXPECT_EQ(settings[1]["options"]["method"], "ganomaly");
  for (const json& setting : settings) EXPECT_TRUE(setting["seeds"][0]["auroc"].is_number());
}

TEST_F(ImageProtocols, TilesAreMeasuredByTheirPixels) {
  write_tiles();
  const std::vector<std::string> flags = {"--image", "8x10", "--seeds", "2", "--state", at("state.json")};
  const json result = report("magnetic-tile", flags);
  ASSERT_EQ(result["sets"].size(), 1u);
  const json& set = result["sets"][0];
  EXPECT_EQ(set["train_rows"], 8);
  EXPECT_EQ(set["rows"], 9 + 3);
  EXPECT_EQ(set["anomalies"], 3);
  EXPECT_EQ(set["columns"], 80);
  for (const char* baseline : {"knn", "pca", "mean"}) {
    EXPECT_EQ(set[baseline]["auroc"], 1.0) << baseline;
    EXPECT_GT(set[baseline]["pixel_auroc"], 0.99) << baseline;
    EXPECT_GT(set[baseline]["region_overlap"], 0.97) << baseline;
  }
  EXPECT_GT(set["cugad"]["pixel_auroc"], 0.0);
  EXPECT_EQ(report("magnetic-tile", flags), result);
  std::filesystem::remove(at("magnetic_tile/MT_Break/Imgs/t18.png"));
  const Outcome outcome = run({"reproduce", "magnetic-tile", "--data", at("."), "--quiet"});
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "t18.png")) << outcome.err;
}

}  // namespace
}  // namespace cugad::cli_test
