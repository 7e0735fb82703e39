#include "host/detector/dominated_columns.hpp"

#include <gtest/gtest.h>

#include "tests/methods/clusters.hpp"

/// A column whose scale one cell sets is noted, with its value and row; no other column is.
namespace cugad::test {
namespace {

const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};

std::vector<std::string> notes_of(const Matrix& rows, Scale scale = Scale::standard, const char* log1p = "auto") {
  DetectorOptions options;
  options.scale = scale;
  options.log1p = {log1p};
  Context context = Device::open("cpu", 1).make_context();
  FeatureTransform transform;
  transform.fit(context, rows.view(), options, names, 5, {});
  std::vector<std::int64_t> positions(static_cast<std::size_t>(rows.rows));
  std::iota(positions.begin(), positions.end(), std::int64_t{100});
  return dominated_columns(rows.view(), column_ranges(rows.view()), positions, transform, options, names, 5);
}

TEST(DominatedColumns, NameTheColumnTheValueAndTheRow) {
  for (const float absurd : {1e25f, -3e38f, 1e6f}) {
    Matrix rows = normal_rows(200, 1);
    rows.row(3)[4] = missing;
    rows.row(17)[4] = absurd;
    for (const Scale scale : {Scale::standard, Scale::minmax}) {
      const std::vector<std::string> notes = notes_of(rows, scale);
      ASSERT_EQ(notes.size(), 1u) << absurd;
      for (const char* part : {"column 'e'", "training row 117", "scale = robust"}) {
        EXPECT_NE(notes[0].find(part), std::string::npos) << notes[0];
      }
    }
    EXPECT_TRUE(notes_of(rows, Scale::robust).empty());
    EXPECT_TRUE(notes_of(rows, Scale::none).empty());
  }
}

/// Heavy tails, rare values and 0/1 columns are as they should be.
TEST(DominatedColumns, OthersAreNotNoted) {
  Matrix rows = normal_rows(500, 1);
  RandomNumbers numbers(2);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    rows.row(r)[0] = static_cast<float>(std::exp(2.0 * numbers.normal()));
    rows.row(r)[1] = r == 9 ? 1e9f : 0.0f;  // the others do not differ
    rows.row(r)[2] = 4.0f;
    rows.row(r)[5] = r == 9 ? 1.0f : 0.0f;
  }
  EXPECT_TRUE(notes_of(rows).empty());
  EXPECT_TRUE(notes_of(rows, Scale::standard, "none").empty());
}

}  // namespace
}  // namespace cugad::test
