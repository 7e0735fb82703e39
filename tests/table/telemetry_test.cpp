#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "cugad/metrics.hpp"
#include "host/table/group_column.hpp"
#include "host/table/group_order.hpp"
#include "table_files.hpp"

/// The synthetic telemetry table.
namespace cugad {
namespace {

using TelemetryTest = TableFiles;
using Positions = std::vector<std::int64_t>;
using Flags = std::vector<std::uint8_t>;

std::uint64_t hash_of(const std::string& path) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const char letter : file_bytes(path)) hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211ull;
  return hash;
}

TEST_F(TelemetryTest, IsReproducibleAndComplete) {
  synthesize_telemetry(directory.file("a.csv"), 20000, 7);
  synthesize_telemetry(directory.file("b.csv"), 20000, 7);
  synthesize_telemetry(directory.file("c.csv"), 20000, 8);
  synthesize_telemetry(directory.file("d.csv.gz"), 20000, 7);
  const std::string bytes = file_bytes(directory.file("a.csv"));
  EXPECT_EQ(bytes, file_bytes(directory.file("b.csv")));
  EXPECT_NE(bytes, file_bytes(directory.file("c.csv")));
  EXPECT_EQ(file_bytes(directory.file("d.csv.gz")).substr(0, 2), "\x1f\x8b");

  const Table table = read_table(directory.file("d.csv.gz"));
  ASSERT_EQ(table.rows, 20000);
  EXPECT_EQ(table.columns.back().name, "label");
  std::map<std::string, int> kinds;
  for (const std::string& label : table.columns.back().texts) ++kinds[label];
  const double share = 1 - kinds["normal"] / 20000.0;
  EXPECT_NEAR(share, 0.03, 0.005);
  EXPECT_GE(kinds.size(), 5u);
  for (const std::string name : {"machine", "service", "state"}) EXPECT_TRUE(table.columns[table.find(name)].is_text);
  for (const Column& column : table.columns) {
    for (const double number : column.numbers) ASSERT_TRUE(std::isfinite(number)) << column.name;
  }
  // Heavy-tailed byte counts: the largest is far from the median.
  std::vector<double> counts = table.columns[table.find("bytes_in")].numbers;
  std::sort(counts.begin(), counts.end());
  EXPECT_GT(counts.back(), 50 * counts[counts.size() / 2]);
}

TEST_F(TelemetryTest, IsTheSameOnEveryMachine) {
  const std::string path = directory.file("a.csv");
  synthesize_telemetry(path, 2000, 42);
  EXPECT_EQ(hash_of(path), 5264356690314004521ull);
  synthesize_telemetry(path, 2000, 42, 4);
  EXPECT_EQ(hash_of(path), 9540486951899757631ull);
  synthesize_telemetry(path, 2000, 42, 40, true);
  EXPECT_EQ(hash_of(path), 15502480242173020241ull);
}

TEST_F(TelemetryTest, MachinesDiffer) {
  synthesize_telemetry(directory.file("a.csv"), 20000, 3, 5);
  const Table table = read_table(directory.file("a.csv"));
  const std::vector<std::string>& machines = table.columns[table.find("group")].texts;
  std::map<std::string, std::pair<double, int>> load;
  for (std::size_t r = 0; r < machines.size(); ++r) {
    auto& [sum, count] = load[machines[r]];
    sum += table.columns[table.find("load")].numbers[r];
    ++count;
  }
  ASSERT_EQ(load.size(), 5u);
  double least = 1, most = 0;
  for (const auto& [machine, sum_and_count] : load) {
    EXPECT_EQ(sum_and_count.second, 4000);
    least = std::min(least, sum_and_count.first / 4000);
    most = std::max(most, sum_and_count.first / 4000);
  }
  EXPECT_GT(most - least, 0.05);
}

std::map<std::string, std::int64_t> sizes_of(const std::string& path) {
  std::map<std::string, std::int64_t> sizes;
  for (const std::string& group : row_groups(read_table(path), "group")) ++sizes[group];
  return sizes;
}

TEST_F(TelemetryTest, GroupsAreOfEqualOrLogUniformSize) {
  const std::string path = directory.file("a.csv");
  synthesize_telemetry(path, 1003, 3, 10);
  auto sizes = sizes_of(path);
  ASSERT_EQ(sizes.size(), 10u);
  EXPECT_EQ(sizes.begin()->first, "machine-0000");
  EXPECT_EQ(sizes["machine-0002"], 101);
  EXPECT_EQ(sizes["machine-0003"], 100);

  synthesize_telemetry(path, 20000, 3, 200, true);
  sizes = sizes_of(path);
  ASSERT_EQ(sizes.size(), 200u);
  std::int64_t total = 0, small = 0, large = 0, middle = 0;
  for (const auto& [group, size] : sizes) {
    total += size;
    small += size < 9;  // the groups spread over the decades: 20,000 rows of 200 groups reach to some 700
    middle += size >= 9 && size < 80;
    large += size >= 80;
  }
  EXPECT_EQ(total, 20000);
  for (const std::int64_t share : {small, middle, large}) EXPECT_NEAR(static_cast<double>(share), 67, 25);

  synthesize_telemetry(path, 7, 3, 7, true);
  EXPECT_EQ(sizes_of(path).size(), 7u);
}

TEST_F(TelemetryTest, UnevenGroupsAreMixed) {
  const std::vector<double> place = {0.1, 0.5, 0.9};
  const std::vector<std::int64_t> sizes = log_uniform_sizes(1000, place);
  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}), 1000);
  EXPECT_TRUE(sizes[0] >= 1 && sizes[0] < sizes[1] && sizes[1] < sizes[2]);
  EXPECT_EQ(log_uniform_sizes(12, {0.3}), (Positions{12}));
  EXPECT_EQ(log_uniform_sizes(3, {0.9, 0.5, 0.1}), (Positions{1, 1, 1}));
  GroupOrder order = GroupOrder::uneven(1000, place);
  Positions seen(3, 0);
  for (std::int64_t r = 0; r < 1000; ++r) {
    const auto [group, number] = order.next();
    EXPECT_EQ(number, seen[group]++);
    for (int g = 0; g < 3; ++g) EXPECT_NEAR(seen[g], static_cast<double>(sizes[g] * (r + 1)) / 1000, 2);
  }
  EXPECT_EQ(seen, sizes);
}

/// How well the largest standardised value of a row detects anomalies, with means and deviations per group or of all
/// rows.
double auroc_of_largest_deviation(const Table& table, const std::vector<std::string>& groups) {
  std::vector<float> score(static_cast<std::size_t>(table.rows), 0.0f);
  for (const Column& column : table.columns) {
    if (column.is_text) continue;
    std::map<std::string, std::array<double, 3>> sums;
    const auto value = [&](std::size_t r) { return std::log(1 + column.numbers[r]); };
    for (std::size_t r = 0; r < score.size(); ++r) {
      auto& [count, sum, squares] = sums[groups[r]];
      count += 1;
      sum += value(r);
      squares += value(r) * value(r);
    }
    for (std::size_t r = 0; r < score.size(); ++r) {
      const auto& [count, sum, squares] = sums[groups[r]];
      const double mean = sum / count, deviation = std::sqrt(std::max(1e-12, squares / count - mean * mean));
      score[r] = std::max(score[r], static_cast<float>(std::abs(value(r) - mean) / deviation));
    }
  }
  const std::vector<std::string> normal = {"normal"};
  Flags label = rows_with_value(table, "label", normal);
  for (std::uint8_t& flag : label) flag = flag == 0;
  return metrics::auroc(label, score);
}

TEST_F(TelemetryTest, GroupsNeedModelsOfTheirOwn) {
  synthesize_telemetry(directory.file("a.csv"), 20000, 42, 40);
  const Table table = read_table(directory.file("a.csv"));
  const std::vector<std::string> one(static_cast<std::size_t>(table.rows), "all");
  const double pooled = auroc_of_largest_deviation(table, one);
  const double each = auroc_of_largest_deviation(table, row_groups(table, "group"));
  RecordProperty("pooled", std::to_string(pooled));
  RecordProperty("each", std::to_string(each));
  EXPECT_GT(each, pooled + 0.08) << pooled << " " << each;
}

TEST_F(TelemetryTest, RefusesWrongSizes) {
  const std::string path = directory.file("a.csv");
  EXPECT_EQ(error_of([&] { synthesize_telemetry(path, 0, 1); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { synthesize_telemetry(path, 10, 1, 0); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { synthesize_telemetry(path, 10, 1, 11); }).code(), ErrorCode::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(error_of([&] { synthesize_telemetry(directory.file("none/a.csv"), 10, 1); }).code(),
            ErrorCode::input_output);
}

}  // namespace
}  // namespace cugad
