#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/command.hpp"
#include "cugad/image.hpp"

/// Folders of images as inputs of the command.
namespace cugad::cli_test {
namespace {

class Images : public CommandTest {
 protected:
  /// A grey image of a bright square, or of a bright cross, on a dark ground.
  static Image picture(int number, bool is_cross, int size = 8) {
    Image image{{size, size, 1}, std::vector<std::uint8_t>(static_cast<std::size_t>(size * size))};
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const bool in_square = 8 * x / size >= 2 && 8 * x / size < 6 && 8 * y / size >= 2 && 8 * y / size < 6;
        const bool is_bright = is_cross ? x == y || x + y == size - 1 : in_square;
        const int noise = (number * 31 + y * 7 + x * 13) % 17;
        image.values[static_cast<std::size_t>(y * size + x)] =
            static_cast<std::uint8_t>((is_bright ? 220 : 20) + noise);
      }
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
  /// photos/good (squares) and photos/broken (crosses).
  void write_photos() const {
    for (int n = 0; n < 60; ++n) write("photos/good/" + std::to_string(n) + ".png", picture(n, false));
    for (int n = 0; n < 5; ++n) write("photos/broken/" + std::to_string(n) + ".png", picture(n, true));
  }
};

TEST_F(Images, AFolderIsTrainedScoredAndEvaluated) {
  write_photos();
  const std::string summary =
      run_well({"train", at("photos"), "--normal", "good", "--method", "knn", "--output", at("m")});
  EXPECT_TRUE(has(summary, "60 of 65")) << summary;
  EXPECT_TRUE(has(summary, "64 (64 numeric)")) << summary;
  const std::vector<std::string> lines = lines_of(run_well({"score", at("photos"), "--model", at("m")}));
  ASSERT_EQ(lines.size(), 66u);
  EXPECT_EQ(lines[0], "file,score");
  EXPECT_TRUE(lines[1].starts_with("broken/0.png,")) << lines[1];
  // The labels are the folders, and the normal one is that of the training.
  const std::string measures = run_well({"evaluate", at("photos"), "--model", at("m"), "--json"});
  EXPECT_TRUE(has(measures, "\"auroc\":1.0") && has(measures, "\"anomalies\":5")) << measures;
  const std::string info = run_well({"info", "--model", at("m")});
  EXPECT_TRUE(has(info, "64: images of 8x8x1") && has(info, "rows whose column folder is good")) << info;
  const std::string reasons = run_well({"score", at("photos"), "--model", at("m"), "--explain", "1"});
  EXPECT_TRUE(has(lines_of(reasons)[1], "=") && has(lines_of(reasons)[1], " expected")) << lines_of(reasons)[1];
}

TEST_F(Images, NetworksConvolveUnlessAnotherMethodIsAskedFor) {
  write_photos();
  const auto trained = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", at("photos/good"), "--steps", "5", "--population",
                                          "1",     "--output",        at("m")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    run_well(arguments);
    EXPECT_EQ(lines_of(run_well({"score", at("photos"), "--model", at("m")})).size(), 66u);
    return run_well({"info", "--model", at("m")});
  };
  EXPECT_TRUE(has(trained({}), "conv16k4s2"));
  EXPECT_TRUE(has(trained({"--method", "gan"}), "conv16k4s2"));
  EXPECT_FALSE(has(trained({"--method", "gain"}), "conv16k4s2"));
  EXPECT_FALSE(has(trained({"--preset", "gain-tables"}), "conv16k4s2"));
}

TEST_F(Images, OtherSizesAreBroughtToThatOfTheModel) {
  write_photos();
  run_well({"train", at("photos/good"), "--image", "4x4", "--method", "knn", "--output", at("m")});
  const std::string info = run_well({"score", at("photos/good"), "--model", at("m")});
  write("more/large.png", picture(3, false, 16));
  EXPECT_EQ(lines_of(run_well({"score", at("more"), "--model", at("m")})).size(), 2u);
  // Without a shape the files have to be alike.
  write("photos/good/large.png", picture(3, false, 16));
  const Outcome outcome = run({"train", at("photos/good"), "--output", at("m")});
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "large.png: is an image of 16x16x1, expected 8x8x1"))
      << outcome.err;
}

TEST_F(Images, DamagedImagesEndTheReadingOrAreMarked) {
  write_photos();
  run_well({"train", at("photos/good"), "--method", "knn", "--output", at("m")});
  write("mixed/a.png", picture(0, false));
  write("mixed/c.png", picture(1, false));
  write_file(at("mixed/b.png"), "no image");
  const Outcome failed = run({"score", at("mixed"), "--model", at("m")});
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(lines_of(failed.out).size(), 2u);
  EXPECT_TRUE(is_one_line(failed.err, "cugad: error: ", "b.png: is no PNG or JPEG image")) << failed.err;
  const std::vector<std::string> lines =
      lines_of(run_well({"score", at("mixed"), "--model", at("m"), "--on-error", "mark"}));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[2].starts_with("b.png,,")) << lines[2];
  // Nor is there a number in an array, whatever the method.
  run_well({"train", at("photos/good"), "--steps", "5", "--population", "1", "--output", at("m")});
  const Outcome array =
      run({"score", at("mixed"), "--model", at("m"), "--on-error", "mark", "--output", at("scores.npy")});
  EXPECT_FALSE(has(array.err, "no value")) << array.err;
  const std::string npy = read_file(at("scores.npy"));
  float scores[3];
  std::memcpy(scores, npy.data() + npy.size() - sizeof scores, sizeof scores);
  EXPECT_TRUE(std::isfinite(scores[0]) && std::isnan(scores[1]) && std::isfinite(scores[2]));
}

TEST_F(Images, HeatmapsAreWrittenBesideTheScores) {
  write_photos();
  run_well({"train", at("photos/good"), "--method", "knn", "--output", at("m")});
  Image odd = picture(7, false);
  odd.values[3 * 8 + 1] = 255;  // a bright pixel beside the square
  write("odd/a/odd.png", odd);
  write_file(at("odd/b.png"), "no image");
  const Outcome outcome = run({"score", at("odd"), "--model", at("m"), "--heatmaps", at("maps"), "--on-error", "mark"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string alone = run_well({"score", at("odd"), "--model", at("m"), "--on-error", "mark"});
  EXPECT_EQ(outcome.out, alone);
  const std::string map = read_file(at("maps/a/odd.npy"));
  EXPECT_TRUE(has(map, "'<f4'") && has(map, "(8, 8)"));
  ASSERT_EQ(map.size() % 64, 0u);
  std::vector<float> values(64);
  std::memcpy(values.data(), map.data() + map.size() - 256, 256);
  EXPECT_EQ(std::max_element(values.begin(), values.end()) - values.begin(), 3 * 8 + 1);
  EXPECT_EQ(read_image(at("maps/a/odd.png")).shape, (ImageShape{256, 256, 3}));
  EXPECT_FALSE(std::filesystem::exists(at("maps/b.png")));
  const Outcome inside = run({"score", at("odd"), "--model", at("m"), "--heatmaps", at("odd/maps")});
  EXPECT_TRUE(is_one_line(inside.err, "cugad: error: ", "lies in the folder of the images")) << inside.err;
  const Outcome no_images = run({"score", table, "--model", model, "--heatmaps", at("maps")});
  EXPECT_TRUE(is_one_line(no_images.err, "cugad: error: ", "--heatmaps is for images")) << no_images.err;
}

TEST_F(Images, MasksMeasureTheMaps) {
  write_photos();
  run_well({"train", at("photos/good"), "--method", "knn", "--output", at("m")});
  for (int n = 0; n < 3; ++n) {
    Image odd = picture(n, false), mask{{8, 8, 1}, std::vector<std::uint8_t>(64)};
    for (const int pixel : {1, 2, 63}) {
      odd.values[static_cast<std::size_t>(pixel)] = 255;
      mask.values[static_cast<std::size_t>(pixel)] = 255;
    }
    write("test/odd/" + std::to_string(n) + ".png", odd);
    write("masks/odd/" + std::to_string(n) + "_mask.png", mask);
    write("test/good/" + std::to_string(n) + ".png", picture(70 + n, false));
  }
  const std::vector<std::string> command = {"evaluate", at("test"), "--model",   at("m"), "--normal",
                                            "good",     "--masks",  at("masks"), "--json"};
  const std::string measures = run_well(command);
  EXPECT_TRUE(has(measures, "\"auroc\":1.0,")) << measures;
  EXPECT_TRUE(has(measures, "\"pixel_auroc\":1.0,")) << measures;
  EXPECT_TRUE(has(measures, "\"region_overlap\":1.0")) << measures;
  std::filesystem::remove(at("masks/odd/1_mask.png"));
  const Outcome outcome = run(command);
  EXPECT_TRUE(has(outcome.err, "odd/1.png: has no mask: expected ")) << outcome.err;
}

TEST_F(Images, PairsAreTranslated) {
  for (int n = 0; n < 24; ++n) {
    const std::string name = "/" + std::to_string(n) + ".png";
    write("sources" + name, picture(n, n % 2 == 0));
    write("targets" + name, picture(n, n % 2 != 0));
  }
  run_well({"train", at("sources"), "--target-images", at("targets"), "--method", "translation", "--steps", "4",
            "--output", at("m")});
  run_well({"translate", at("sources"), "--model", at("m"), "--output", at("made")});
  const Image made = read_image(at("made/23.png"));
  EXPECT_EQ(image_shape_text(made.shape), "8x8x1");
  const std::string scores = run_well({"score", at("sources"), "--target-images", at("targets"), "--model", at("m")});
  EXPECT_EQ(lines_of(scores).size(), 25u);
  write("sources/single.png", picture(1, true));
  const Outcome outcome = run({"score", at("sources"), "--target-images", at("targets"), "--model", at("m")});
  EXPECT_TRUE(has(outcome.err, "single.png: has no image of that name in")) << outcome.err;
}

TEST_F(Images, MissingPixelsAreFilled) {
  write_photos();
  Image mask = picture(0, false);
  for (std::size_t i = 0; i < mask.values.size(); ++i) mask.values[i] = i % 8 < 3 ? 255 : 0;
  write("mask.png", mask);
  run_well({"train", at("photos"), "--method", "gan", "--steps", "4", "--flip", "--shift", "1", "--output", at("m")});
  run_well(
      {"inpaint", at("photos"), "--model", at("m"), "--mask", at("mask.png"), "--steps", "3", "--output", at("whole")});
  const Image before = read_image(at("photos/good/7.png")), after = read_image(at("whole/good/7.png"));
  int changed = 0;
  for (std::size_t i = 0; i < mask.values.size(); ++i) {
    if (mask.values[i] == 0) {
      EXPECT_EQ(after.values[i], before.values[i]) << i;
    } else {
      changed += after.values[i] != before.values[i] ? 1 : 0;
    }
  }
  EXPECT_GT(changed, 12) << "of 24 masked pixels";
  const auto refuses = [&](const std::vector<std::string>& arguments, const std::string& part) {
    EXPECT_TRUE(is_one_line(run(arguments).err, "cugad: error: ", part)) << run(arguments).err;
  };
  refuses({"inpaint", at("photos"), "--model", at("m"), "--window", "4", "--output", at("x")}, "odd number");
  refuses({"inpaint", at("photos"), "--model", at("m"), "--mask", at("photos/good"), "--output", at("x")},
          "has no mask");
  write("wide.png", Image{{4, 16, 1}, std::vector<std::uint8_t>(64, 255)});
  refuses({"inpaint", at("photos"), "--model", at("m"), "--mask", at("wide.png"), "--output", at("x")},
          "wide.png: is a mask of 4 x 16 pixels");
  refuses({"inpaint", at("photos"), "--model", at("m"), "--output", at("photos/x")}, "lies in the folder");
  refuses({"translate", at("photos"), "--model", at("m"), "--output", at("x")}, "translates no images");
}

TEST_F(Images, TheirClassIsACondition) {
  write_photos();
  run_well({"train", at("photos"), "--condition", "folder", "--method", "gan", "--steps", "4", "--output", at("m")});
  EXPECT_EQ(lines_of(run_well({"score", at("photos"), "--model", at("m")})).size(), 66u);
  run_well({"sample", "--model", at("m"), "--condition", "folder=good", "--count", "2", "--output", at("drawn")});
  EXPECT_EQ(image_shape_text(read_image(at("drawn/000001.png")).shape), "8x8x1");
  const auto refuses = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome outcome = run(arguments);
    EXPECT_TRUE(outcome.code != 0 && has(outcome.err, part)) << outcome.err;
  };
  refuses({"sample", "--model", at("m"), "--count", "2"}, "--condition C=V");
  refuses({"sample", "--model", at("m"), "--count", "2", "--condition", "folder=x"}, "folder=broken, folder=good");
  refuses({"train", at("photos"), "--condition", "kind", "--output", at("n")},
          "'folder', the names of its sub-folders");
  refuses({"train", at("photos/good"), "--condition", "folder", "--output", at("n")}, "lies in no sub-folder");
}

TEST_F(Images, WrongUsesAreOneLine) {
  write_photos();
  run_well({"train", at("photos/good"), "--method", "knn", "--output", at("m")});
  const auto refuses = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome outcome = run(arguments);
    EXPECT_NE(outcome.code, 0);
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
  };
  refuses({"train", at("photos"), "--exclude", "0", "--output", at("n")}, "--exclude is for tables");
  refuses({"train", at("photos"), "--image", "big", "--output", at("n")}, "not 'big'");
  refuses({"train", at("photos"), "--files", "*.gif", "--output", at("n")},
          "no PNG or JPEG image that matches '*.gif'");
  refuses({"train", at("photos"), "--normal", "best", "--output", at("n")},
          "no row has --normal best in column 'folder'");
  refuses({"train", at("photos"), "--image", "8x8x2", "--output", at("n")}, "images of 2 channels");
  refuses({"score", table, "--files", "*.png", "--model", at("m")}, "--files is for folders");
}

}  // namespace
}  // namespace cugad::cli_test
