#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "cugad/table_learner.hpp"
#include "table_files.hpp"

namespace cugad {
namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

Column numbers(const std::string& name, std::int64_t rows, const std::function<double(std::int64_t)>& number) {
  Column column;
  column.name = name;
  for (std::int64_t r = 0; r < rows; ++r) column.numbers.push_back(number(r));
  return column;
}

Column texts(const std::string& name, std::int64_t rows, const std::function<std::string(std::int64_t)>& text) {
  Column column;
  column.name = name;
  column.is_text = true;
  for (std::int64_t r = 0; r < rows; ++r) column.texts.push_back(text(r));
  return column;
}

/// Columns of every kind that an encoder or a finding treats in its own way.
Table columns_of_all_kinds(std::int64_t rows, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const auto below = [&](std::uint32_t end) { return static_cast<double>(random() % end); };
  std::vector<std::int64_t> shuffled(static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows; ++r) shuffled[static_cast<std::size_t>(r)] = r;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  Table table;
  table.rows = rows;
  table.columns = {
      numbers("plain", rows, [&](auto) { return normal(random); }),
      numbers("holes", rows, [&](auto r) { return r % 7 == 3 ? missing : std::round(normal(random) * 100) / 100; }),
      numbers("nothing", rows, [](auto) { return missing; }),
      numbers("offset", rows, [&](auto) { return 1.7e9 + std::round(normal(random) * 1000) / 1000; }),
      numbers("late", rows, [&](auto r) { return r < rows / 2 ? 4e6 : 4e6 + below(4) / 8; }),
      numbers("wide later", rows, [&](auto r) { return r == rows - 1 ? -5e5 : 1e6 + below(100) / 3; }),
      numbers("row", rows, [](auto r) { return static_cast<double>(r + 1); }),
      numbers("rises", rows, [](auto r) { return static_cast<double>(r * r); }),
      numbers("numbered", rows, [&](auto r) { return static_cast<double>(shuffled[static_cast<std::size_t>(r)]); }),
      numbers("customer_id", rows,
              [&](auto r) { return static_cast<double>(shuffled[static_cast<std::size_t>(r)] * 3); }),
      numbers("count", rows, [&](auto) { return below(5); }),
      numbers("label", rows, [&](auto) { return below(2); }),
      numbers("code", rows, [&](auto r) { return r % 11 == 0 ? missing : below(4) / 4; }),
      numbers("day", rows, [&](auto r) { return static_cast<double>(20240101 + r % 28); }),
      numbers("ts", rows, [&](auto) { return 1.7e9 + below(1000000); }),
      numbers("steps", rows, [](auto r) { return 0.1 * static_cast<double>(r); }),
      texts("service", rows, [&](auto r) { return r % 13 == 5 ? std::string() : "s" + std::to_string(random() % 3); }),
      texts("name", rows, [&](auto r) { return "n" + std::to_string(r); }),
      texts("when", rows, [&](auto r) { return "2024-01-" + std::to_string(10 + r % 20); }),
      texts("grade", rows, [&](auto r) { return r % 20 == 7 ? std::string("3+") : std::to_string(random() % 3); }),
      texts("empty", rows, [](auto) { return std::string(); }),
  };
  return table;
}

Table rows_of(const Table& table, std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> positions;
  for (std::int64_t r = first; r < first + count; ++r) positions.push_back(r);
  Table chunk = take_rows(table, positions);
  chunk.first_row = first;
  return chunk;
}

bool are_alike(const std::vector<ColumnFinding>& a, const std::vector<ColumnFinding>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ColumnFinding& x, const ColumnFinding& y) {
    return x.column == y.column && x.advice == y.advice && x.text == y.text;
  });
}

/// What is learnt in chunks is what is learnt from the whole table, to the bit.
TEST(LearnerTest, ChunksGiveTheBitsOfTheWholeTable) {
  for (const std::uint32_t seed : {1u, 2u, 3u, 4u}) {
    for (const std::int64_t rows : {1, 2, 9, 25, 300, 1500}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(rows) + " rows");
      const Table table = columns_of_all_kinds(rows, seed);
      const TableEncoder::Options roles{.categorical = {"code"}, .excluded = {"count"}};
      const std::vector<std::string> settled = {"code", "count", "plain"};
      TableLearner learner(roles);
      for (std::int64_t first = 0; first < rows; first += 100) {
        learner.add(rows_of(table, first, std::min<std::int64_t>(100, rows - first)));
      }
      EXPECT_EQ(learner.rows(), rows);
      const std::vector<ColumnFinding> findings = examine_columns(table, settled);
      EXPECT_TRUE(are_alike(learner.examine(settled), findings));
      TableEncoder::Options all = roles;
      std::vector<std::string> left_out;
      for (const ColumnFinding& finding : findings) {
        if (finding.advice == ColumnFinding::Advice::leave_out && seed % 2 == 0) left_out.push_back(finding.column);
      }
      all.excluded.insert(all.excluded.end(), left_out.begin(), left_out.end());
      TableEncoder expected, learnt;
      if (rows > 1000 && seed % 2 == 1) {  // a name in each row
        all.excluded.push_back("name");
        left_out.push_back("name");
      }
      expected.fit(table, all);
      const LearntRows made = learner.finish(learnt, left_out);
      EXPECT_EQ(learnt.to_json(), expected.to_json());
      const Matrix encoded = expected.encode(table);
      ASSERT_EQ(made.rows, encoded.rows);
      ASSERT_EQ(made.columns, encoded.columns);
      EXPECT_EQ(std::memcmp(made.data.get(), encoded.data.data(), encoded.data.size() * sizeof(float)), 0);
    }
  }
}

/// Without rows the encoder and the findings are the same, and the encoder makes the rows of a second reading.
TEST(LearnerTest, LearnsTheSameWithoutRows) {
  constexpr std::int64_t rows = 1000, chunk_rows = 100;
  const Table table = columns_of_all_kinds(rows, 5);
  const TableEncoder::Options roles{.categorical = {"code"}, .excluded = {"count"}};
  TableLearner keeps(roles), forgets(roles, false);
  for (std::int64_t first = 0; first < rows; first += chunk_rows) {
    keeps.add(rows_of(table, first, chunk_rows));
    forgets.add(rows_of(table, first, chunk_rows));
  }
  EXPECT_EQ(forgets.rows(), rows);
  EXPECT_TRUE(are_alike(forgets.examine({}), keeps.examine({})));
  TableEncoder kept, forgotten;
  const LearntRows all = keeps.finish(kept), none = forgets.finish(forgotten);
  EXPECT_EQ(none.rows, 0);
  EXPECT_EQ(forgotten.to_json(), kept.to_json());
  for (std::int64_t first = 0; first < rows; first += chunk_rows) {
    const Matrix part = forgotten.encode(rows_of(table, first, chunk_rows));
    EXPECT_EQ(std::memcmp(part.data.data(), all.data.get() + first * all.columns, part.data.size() * sizeof(float)), 0);
  }
}

TEST(LearnerTest, ErrorsAreThoseOfTheEncoder) {
  const Table table = columns_of_all_kinds(300, 5);
  const auto fault = [&](const TableEncoder::Options& options, const Table& given) {
    return std::string(error_of([&] {
                         TableLearner learner(options);
                         learner.add(given);
                         TableEncoder encoder;
                         learner.finish(encoder);
                       }).what());
  };
  EXPECT_NE(fault({.categorical = {}, .excluded = {"nosuch"}}, table).find("no column 'nosuch'"), std::string::npos);
  EXPECT_NE(fault({.categorical = {}, .excluded = {}, .max_categories = 2}, table).find("more than 2 categories"),
            std::string::npos);
  Table large = table;
  large.columns[0].numbers[123] = 1e300;
  EXPECT_NE(fault({.categorical = {}, .excluded = {}}, large).find("row 123, column 'plain': found 1e+300"),
            std::string::npos);
  TableLearner learner({});
  learner.add(rows_of(table, 0, 10));
  Table other = rows_of(table, 10, 10);
  other.columns.pop_back();
  mentions(error_of([&] { learner.add(other); }), "other columns than the first was given at row 10");
}

}  // namespace
}  // namespace cugad
