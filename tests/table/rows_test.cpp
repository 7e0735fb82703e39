#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "host/text/nearest_name.hpp"
#include "table_files.hpp"

namespace cugad {
namespace {

using RowsTest = TableFiles;
using Positions = std::vector<std::int64_t>;
using Flags = std::vector<std::uint8_t>;

TEST_F(RowsTest, RowsWithValue) {
  const Table table = read("a.csv", "n,t\n1,ok\n2.50,1.0\n,NA\n1e0,bad\n");
  const auto found = [&](const std::string& column, std::vector<std::string> values) {
    return rows_with_value(table, column, values);
  };
  EXPECT_EQ(found("n", {"1"}), (Flags{1, 0, 0, 1}));
  EXPECT_EQ(found("n", {"2.5", "7"}), (Flags{0, 1, 0, 0}));
  EXPECT_EQ(found("n", {"1.000", "2.5"}), (Flags{1, 1, 0, 1}));
  EXPECT_EQ(found("n", {"ok"}), (Flags{0, 0, 0, 0}));
  EXPECT_EQ(found("n", {"NA"}), (Flags{0, 0, 1, 0}));
  EXPECT_EQ(found("t", {"ok", "bad"}), (Flags{1, 0, 0, 1}));
  EXPECT_EQ(found("t", {"1"}), (Flags{0, 1, 0, 0}));
  EXPECT_EQ(found("-1", {""}), (Flags{0, 0, 1, 0}));
  EXPECT_EQ(found("t", {}), (Flags{0, 0, 0, 0}));
  EXPECT_EQ(error_of([&] { found("m", {"1"}); }).code(), ErrorCode::invalid_argument);
}

TEST_F(RowsTest, KeptAndTakenRows) {
  EXPECT_EQ(kept_rows(Flags{0, 1, 1, 0, 2}), (Positions{1, 2, 4}));
  EXPECT_TRUE(kept_rows({}).empty());
  Matrix matrix(3, 2);
  std::iota(matrix.data.begin(), matrix.data.end(), 0.f);
  EXPECT_EQ(take_rows(matrix, Positions{2, 0, 2}).data, (std::vector<float>{4, 5, 0, 1, 4, 5}));
  EXPECT_EQ(take_rows(matrix, Positions{}).rows, 0);
  EXPECT_EQ(take_rows(matrix, Positions{}).columns, 2);
  EXPECT_EQ(error_of([&] { take_rows(matrix, Positions{3}); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { take_rows(matrix, Positions{-1}); }).code(), ErrorCode::invalid_argument);
  const Table taken = take_rows(read("a.csv", "n,t\n1,x\n2,y\n3,z\n"), Positions{2, 1});
  EXPECT_EQ(taken.rows, 2);
  EXPECT_EQ(taken.columns[0].numbers, (std::vector<double>{3, 2}));
  EXPECT_EQ(taken.columns[1].texts, (std::vector<std::string>{"z", "y"}));
}

TEST(DistinctRows, BitForBit) {
  Matrix matrix(6, 2);
  matrix.data = {1, 2, 0.f, 2, 1, 2, -0.f, 2, NAN, 1, NAN, 1};
  EXPECT_EQ(distinct_rows(matrix), (Positions{0, 1, 3, 4}));
  EXPECT_TRUE(distinct_rows(Matrix(0, 3)).empty());
  EXPECT_EQ(distinct_rows(Matrix(5, 3)), (Positions{0}));
}

TEST(DistinctRows, AgreesWithASetOfRows) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 generator(seed);
    Matrix matrix(500, 1 + seed % 4);
    for (float& value : matrix.data) value = static_cast<float>(generator() % 5);
    std::set<std::vector<float>> seen;
    Positions expected;
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      if (seen.emplace(matrix.row(r), matrix.row(r) + matrix.columns).second) expected.push_back(r);
    }
    EXPECT_EQ(distinct_rows(matrix), expected) << "seed " << seed;
  }
}

TEST(NumpyPermutation, CheckVectors) {
  EXPECT_EQ(numpy_permutation(42, 10), (Positions{8, 1, 5, 0, 7, 2, 9, 4, 3, 6}));
  Positions order = numpy_permutation(42, 494021);
  EXPECT_EQ(Positions(order.begin(), order.begin() + 10),
            (Positions{317921, 171422, 312181, 87346, 57449, 296193, 71649, 493765, 340586, 410705}));
  const Positions arrhythmia = numpy_permutation(42, 452);
  EXPECT_EQ(Positions(arrhythmia.begin(), arrhythmia.begin() + 5), (Positions{299, 39, 336, 332, 153}));
  EXPECT_EQ(Positions(arrhythmia.begin() + 226, arrhythmia.begin() + 231), (Positions{239, 97, 277, 68, 23}));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], static_cast<std::int64_t>(i));
}

TEST(NumpyPermutation, SmallAndWrongSizes) {
  EXPECT_TRUE(numpy_permutation(1, 0).empty());
  EXPECT_EQ(numpy_permutation(1, 1), (Positions{0}));
  EXPECT_EQ(error_of([] { numpy_permutation(1, -1); }).code(), ErrorCode::invalid_argument);
}

TEST(NearestName, PrefersTheFewestEdits) {
  const std::vector<std::string> known = {"load", "bytes_in", "bytes_out", "service"};
  EXPECT_EQ(nearest_name("servcie", known), "service");
  EXPECT_EQ(nearest_name("bytes_ou", known), "bytes_out");
  EXPECT_EQ(nearest_name("bytesin", known), "bytes_in");
  EXPECT_EQ(nearest_name("serv", known), "service");
  EXPECT_EQ(nearest_name("service", known), "service");
  EXPECT_EQ(nearest_name("x", {}), "");
  // Names that share next to nothing would only puzzle.
  for (const char* far : {"", "a", "xyz", "out", "contamination", "bytes_per_second"}) {
    EXPECT_EQ(nearest_name(far, known), "") << far;
  }
  EXPECT_EQ(did_you_mean("laod", known), ", did you mean 'load'?");
  EXPECT_EQ(did_you_mean("temperature", known), "");
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
}

}  // namespace
}  // namespace cugad
