#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/command.hpp"
#include "cugad/detector.hpp"
#include "cugad/image.hpp"

/// Images that are larger than the network, of several sizes, in patches.
namespace cugad::cli_test {
namespace {

class PatchedImages : public CommandTest {
 protected:
  /// A grey image of noise, with a bright spot of 4 x 4 pixels if it is odd.
  static Image picture(int number, int height, int width, bool is_odd) {
    Image image{{height, width, 1}, {}};
    for (int p = 0; p < height * width; ++p) {
      const bool in_spot = is_odd && p / width >= 9 && p / width < 13 && p % width >= 10 && p % width < 14;
      image.values.push_back(static_cast<std::uint8_t>(in_spot ? 240 : 90 + (number * 31 + p * 7) % 23));
    }
    return image;
  }
  void write(const std::string& name, const Image& image) const {
    const std::filesystem::path path(at(name));
    std::filesystem::create_directories(path.parent_path());
    const std::vector<std::byte> bytes = encode_png(image);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  /// photos/good and photos/odd, of three sizes; the masks of the odd ones.
  void write_photos() const {
    for (int n = 0; n < 9; ++n) write("photos/good/" + std::to_string(n) + ".png", picture(n, 16 + n % 3, 20, false));
    for (int n = 0; n < 3; ++n) {
      const Image image = picture(n, 18 + n, 22, true);
      Image mask = image;
      for (std::uint8_t& value : mask.values) value = value == 240 ? 255 : 0;
      write("photos/odd/" + std::to_string(n) + ".png", image);
      write("masks/odd/" + std::to_string(n) + ".png", mask);
    }
  }
  std::vector<std::string> train(const std::string& input, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train",          at(input), "--image",  "8x8",
                                          "--patch-stride", "4",       "--output", at("m")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_F(PatchedImages, AreTrainedScoredAndEvaluatedWhole) {
  write_photos();
  const std::string summary = run_well(train("photos/good", {"--method", "knn", "--scale", "none"}));
  // 3 x 4 patches of images with 16 lines, 4 x 4 of others.
  EXPECT_TRUE(has(summary, std::to_string(3 * 12 + 6 * 16) + " of ")) << summary;
  // 5 % of images are .3 % of the patches where each image has at most 16.
  EXPECT_TRUE(has(summary, "up to 16 of an image")) << summary;
  EXPECT_EQ(Detector::load(Device::open("cpu"), at("m")).options().contamination, 0.05f / 16);
  EXPECT_TRUE(has(run_well({"info", "--model", at("m")}), "images of 8x8x1, patches 4 pixels apart"));
  const std::string scores = run_well({"score", at("photos"), "--model", at("m"), "--heatmaps", at("maps")});
  const std::vector<std::string> lines = lines_of(scores);
  ASSERT_EQ(lines.size(), 13u);
  EXPECT_TRUE(lines[1].starts_with("good/0.png,")) << lines[1];
  // Maps and overlays have the sizes of their images.
  EXPECT_TRUE(has(read_file(at("maps/odd/2.npy")), "(20, 22)"));
  EXPECT_EQ(read_image(at("maps/good/0.png")).shape.width % 20, 0);
  const std::string measures =
      run_well({"evaluate", at("photos"), "--normal", "good", "--model", at("m"), "--masks", at("masks"), "--json"});
  EXPECT_TRUE(has(measures, "\"auroc\":1.0") && has(measures, "\"rows\":12")) << measures;
  const double pixels = std::stod(measures.substr(measures.find("pixel_auroc") + 13));
  EXPECT_GT(pixels, 0.97) << measures;
}

/// An image alone has the score that it has beside others, and that of the model's rows: the largest of its patches.
TEST_F(PatchedImages, ScoresAreTheLargestOfTheirPatches) {
  write_photos();
  run_well(train("photos/good", {"--steps", "10", "--population", "1"}));
  const std::vector<std::string> together = lines_of(run_well({"score", at("photos"), "--model", at("m")}));
  write("alone/odd/1.png", picture(1, 19, 22, true));
  EXPECT_EQ(lines_of(run_well({"score", at("alone"), "--model", at("m")}))[1], together[11]);
  const Image image = picture(1, 19, 22, true);
  const PatchGrid grid = patch_grid(image.shape, {8, 8, 1}, 4);
  const std::vector<float> values(image.values.begin(), image.values.end());
  Matrix patches(grid.count(), 64);
  cut_patches(values, grid, patches.view());
  std::string csv;
  for (std::int64_t r = 0; r < patches.rows; ++r) {
    for (std::int64_t c = 0; c < 64; ++c)
      csv += std::to_string(static_cast<int>(patches.row(r)[c])) + (c < 63 ? "," : "\n");
  }
  write_file(at("patches.csv"), csv);
  double largest = -1e30;
  const std::vector<std::string> scores =
      lines_of(run_well({"score", at("patches.csv"), "--model", at("m"), "--header", "no"}));
  ASSERT_EQ(scores.size(), static_cast<std::size_t>(patches.rows) + 1);
  for (std::size_t i = 1; i < scores.size(); ++i) largest = std::max(largest, std::stod(scores[i]));
  EXPECT_EQ("odd/1.png," + std::string(together[11].substr(together[11].find(',') + 1)), together[11]);
  EXPECT_DOUBLE_EQ(std::stod(together[11].substr(together[11].find(',') + 1)), largest);
}

TEST_F(PatchedImages, FleetsAndBrokenFiles) {
  write_photos();
  write("photos/new/small.png", picture(0, 7, 30, false));
  write_file(at("photos/new/text.png"), "no image");
  std::filesystem::create_directories(at("training"));
  for (const char* kind : {"good", "odd"})
    std::filesystem::copy(at("photos") + "/" + kind, at("training") + "/" + kind,
                          std::filesystem::copy_options::recursive);
  run_well(train("training", {"--group-by", "folder", "--fleet-minimum-rows", "10", "--method", "knn"}));
  const Outcome failed = run({"score", at("photos"), "--model", at("m")});
  EXPECT_EQ(failed.code, 1);
  EXPECT_TRUE(has(failed.err, "small.png: is an image of 7x30x1, expected at least the 8x8x1 of a patch"))
      << failed.err;
  EXPECT_EQ(lines_of(failed.out).size(), 10u);
  const Outcome outcome = run({"score", at("photos"), "--model", at("m"), "--on-error", "mark"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 15u);
  EXPECT_TRUE(lines[10].starts_with("new/small.png,,")) << lines[10];
  EXPECT_TRUE(lines[11].starts_with("new/text.png,,")) << lines[11];
  EXPECT_FALSE(has(lines[12], ",,")) << lines[12];
}

/// A mask may be smaller or larger than its image, but must lie on it.
TEST_F(PatchedImages, MasksHaveTheProportionsOfTheirImages) {
  write_photos();
  run_well(train("photos/good", {"--method", "knn"}));
  const std::vector<std::string> evaluation = {"evaluate", at("photos"), "--normal", "good",
                                               "--model",  at("m"),      "--masks",  at("masks")};
  write("masks/odd/1.png", picture(1, 38, 44, true));
  EXPECT_EQ(run(evaluation).code, 0);
  write("masks/odd/1.png", picture(1, 22, 19, true));
  EXPECT_TRUE(is_one_line(run(evaluation).err, "cugad: error: ", "odd/1.png: is a mask of 22 x 19 pixels"));
}

TEST_F(PatchedImages, WrongFlags) {
  write_photos();
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome outcome = run(arguments);
    EXPECT_NE(outcome.code, 0);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
  };
  refused({"train", at("photos"), "--patch-stride", "4", "--output", at("m")}, "--patch-stride needs --image");
  refused({"train", at("photos"), "--image", "8x8", "--patch-stride", "9", "--output", at("m")}, "from 1 to 8");
  refused({"train", table, "--image", "8x8", "--patch-stride", "4", "--output", at("m")}, "for folders of images");
  refused({"train", at("photos"), "--image", "64x64", "--patch-stride", "4", "--output", at("m")}, "16x20x1");
  const auto refused_in_training = [&](const std::vector<std::string>& more) {
    refused(train("photos", more), "--patch-stride: images that are cut into patches take no --condition");
  };
  refused_in_training({"--condition", "folder"});
  refused_in_training({"--method", "translation"});
  run_well(train("photos/good", {"--method", "gan", "--steps", "2"}));
  refused({"inpaint", at("photos"), "--model", at("m"), "--mask", at("masks/odd/1.png"), "--output", at("x")},
          "trained without --patch-stride");
  run_well(train("photos/good", {"--method", "knn"}));
  refused({"score", at("photos"), "--model", at("m"), "--explain", "1"}, "--explain is for whole images");
}

}  // namespace
}  // namespace cugad::cli_test
