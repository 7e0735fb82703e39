#include <cmath>
#include <nlohmann/json.hpp>

#include "cugad/cugad_image.h"
#include "cugad/detector.hpp"
#include "cugad/image.hpp"
#include "cugad/metrics.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Images from C: the same as in C++.
namespace cugad::test {
namespace {

constexpr const char* shape = "2x3x1";
constexpr std::int64_t cells = 6;

struct ReleaseImages {
  void operator()(cugad_image_reader* reader) const { cugad_image_reader_close(reader); }
  void operator()(cugad_table* table) const { cugad_table_destroy(table); }
};
using ReaderHandle = std::unique_ptr<cugad_image_reader, ReleaseImages>;
using TableHandle = std::unique_ptr<cugad_table, ReleaseImages>;

class CImage : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      std::vector<float> row(cells);
      for (std::size_t c = 0; c < row.size(); ++c) row[c] = static_cast<float>(40 * i + 10 * static_cast<int>(c));
      ASSERT_OK(cugad_image_write(path(i).c_str(), row.data(), shape, 255.0f));
      rows_.push_back(row);
    }
  }
  std::string path(int i) const { return directory_.file(std::to_string(i) + ".png"); }
  ReaderHandle open(const char* options = nullptr) const {
    cugad_image_reader* reader = nullptr;
    EXPECT_OK(cugad_image_reader_open(directory_.path().c_str(), options, &reader));
    return ReaderHandle(reader);
  }

  TemporaryDirectory directory_;
  std::vector<std::vector<float>> rows_;
};

TEST_F(CImage, OfAFolderAreRows) {
  const ReaderHandle reader = open();
  const char *text = nullptr, *format = nullptr;
  std::int64_t images = 0, columns = 0;
  ASSERT_OK(cugad_image_reader_images(reader.get(), &images));
  EXPECT_EQ(images, 3);
  ASSERT_OK(cugad_image_reader_shape(reader.get(), &text, &columns));
  EXPECT_STREQ(text, shape);
  EXPECT_EQ(columns, cells);
  TableFormat expected;
  expected.image = ImageShape{2, 3, 1};
  ASSERT_OK(cugad_image_reader_format(reader.get(), &format));
  EXPECT_EQ(format, expected.to_json());
  ASSERT_OK(cugad_image_reader_notes(reader.get(), &text));
  EXPECT_EQ(nlohmann::json::parse(text), nlohmann::json::array());
  std::size_t read = 0;
  while (true) {
    cugad_table* table = nullptr;
    const float* x = nullptr;
    ASSERT_OK(cugad_image_reader_read(reader.get(), 2, &table, &x));
    if (table == nullptr) break;
    const TableHandle owner(table);
    std::int64_t rows = 0;
    ASSERT_OK(cugad_table_rows(table, &rows));
    const char* const* names = nullptr;
    ASSERT_OK(cugad_table_texts(table, 0, &names));
    for (std::int64_t r = 0; r < rows; ++r, ++read) {
      EXPECT_EQ(names[r], std::to_string(read) + ".png");
      EXPECT_EQ(std::vector<float>(x + r * cells, x + (r + 1) * cells), rows_.at(read));
    }
  }
  EXPECT_EQ(read, rows_.size());
}

TEST_F(CImage, OptionsChooseAndResize) {
  const ReaderHandle reader = open(R"({"shape": "1x1", "files": "2.*"})");
  cugad_table* table = nullptr;
  const float* x = nullptr;
  ASSERT_OK(cugad_image_reader_read(reader.get(), 10, &table, &x));
  const TableHandle owner(table);
  std::int64_t rows = 0;
  ASSERT_OK(cugad_table_rows(table, &rows));
  EXPECT_EQ(rows, 1);
  float value = 0;
  ASSERT_OK(cugad_image_read(path(2).c_str(), "1x1x1", &value));
  EXPECT_EQ(*x, value);
  image_to_row(read_image(path(2)), {1, 1, 1}, {&value, 1});
  EXPECT_EQ(*x, value);
}

TEST_F(CImage, HeatmapIsThatOfCpp) {
  std::vector<float> residuals = {0, 1, 2, 3, 4, 5};
  const std::string written = directory_.file("map.png");
  ASSERT_OK(cugad_heatmap_write(written.c_str(), rows_[0].data(), residuals.data(), shape, 4.0f));
  const ImageShape size{2, 3, 1};
  const std::vector<std::byte> png = encode_png(heatmap(rows_[0], size, pixel_map(residuals, size), 4.0f));
  EXPECT_EQ(read_text(written), std::string(reinterpret_cast<const char*>(png.data()), png.size()));
}

TEST_F(CImage, RegionsAreThoseOfEachImage) {
  const std::vector<std::uint8_t> masks = {0, 1, 1, 0, 1, 0, 0, 1};
  const std::vector<std::int32_t> region = {0, 1, 1, 0, 2, 0, 0, 2};
  const std::vector<float> scores = {.1f, .9f, .3f, .2f, .8f, .4f, .5f, .6f};
  double overlap = 0;
  ASSERT_OK(cugad_region_overlap(masks.data(), scores.data(), 2, 2, 2, 0.5, &overlap));
  EXPECT_EQ(overlap, metrics::region_overlap(region, scores, 0.5));
  EXPECT_GT(overlap, 0.0);
}

TEST_F(CImage, AreInpaintedAsInCpp) {
  const DeviceHandle device = open_device();
  const std::string config = small_config("gan", R"(, "image": "2x3x1", "folds": 1)");
  Matrix training = random_rows(60, cells, 1);
  const DetectorHandle by_c = create(device.get(), config);
  fit(by_c.get(), training);
  Detector by_cpp(test_device(), options_from_json(config));
  by_cpp.fit(training.view());
  Matrix given = random_rows(4, cells, 2);
  for (std::int64_t r = 0; r < given.rows; ++r) given.row(r)[r] = std::nanf("");
  const auto inpainted = [&](std::int32_t steps) {
    std::vector<float> filled(given.data.size());
    EXPECT_OK(cugad_detector_inpaint(by_c.get(), given.data.data(), given.rows, cells, cells, steps, 0.1f, 0.0f, 3,
                                     filled.data()));
    return filled;
  };
  std::vector<float> expected(given.data.size());
  by_cpp.inpaint(given.view(), expected, {.steps = 6, .rate = 0.1f, .prior = 0.0f, .window = 3});
  EXPECT_TRUE(same_bits(inpainted(6), expected));
  EXPECT_FALSE(same_bits(inpainted(0), expected));
}

TEST_F(CImage, RefusesWrongCalls) {
  const auto expect = [](cugad_status status, cugad_status expected, const std::string& part) {
    EXPECT_EQ(status, expected) << cugad_last_error();
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  constexpr cugad_status invalid = CUGAD_ERROR_INVALID_ARGUMENT;
  cugad_image_reader* reader = nullptr;
  const std::string folder = directory_.path();
  expect(cugad_image_reader_open("/no/such/folder", nullptr, &reader), CUGAD_ERROR_INPUT_OUTPUT, "/no/such/folder");
  expect(cugad_image_reader_open(folder.c_str(), R"({"shapes": "1x1"})", &reader), invalid, "'shape'");
  expect(cugad_image_reader_open(folder.c_str(), R"({"shape": "1x0"})", &reader), invalid, "1x0");
  expect(cugad_image_reader_open(folder.c_str(), R"({"files": "none"})", &reader), CUGAD_ERROR_FORMAT, folder);
  EXPECT_EQ(reader, nullptr);
  float* const row = rows_[0].data();
  expect(cugad_image_read(directory_.file("absent.png").c_str(), shape, row), CUGAD_ERROR_INPUT_OUTPUT, "absent");
  expect(cugad_image_read(path(0).c_str(), "six", row), invalid, "six");
  expect(cugad_image_read(path(0).c_str(), shape, nullptr), invalid, "row is NULL");
  expect(cugad_image_write(path(0).c_str(), row, shape, 0.0f), invalid, "white");
  expect(cugad_image_write("/no/such/folder/a.png", row, shape, 1.0f), CUGAD_ERROR_INPUT_OUTPUT, "/no/such/folder");
  expect(cugad_heatmap_write(path(0).c_str(), row, row, shape, NAN), invalid, "most");
  double overlap = 0;
  const std::uint8_t mask[] = {1, 0};
  expect(cugad_region_overlap(mask, row, 1, 2, -1, 0.3, &overlap), invalid, "elements");
  expect(cugad_region_overlap(mask, row, 1, 1, 2, 0.0, &overlap), invalid, "limit");
}

}  // namespace
}  // namespace cugad::test
