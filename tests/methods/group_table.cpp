#include "host/fleet/group_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace cugad::test {
namespace {

/// Names that begin alike, of several lengths, with bytes above 127; `own`: bit g of group g.
std::vector<FleetGroup> groups_with(unsigned own) {
  std::vector<FleetGroup> groups;
  for (const char* name : {"a", "ab", "abc", "b", "b\xC3\xA4", "\xC3\xA4", "\xC3\xA4z"}) {
    const std::size_t g = groups.size();
    groups.push_back({.name = name, .rows = static_cast<std::int64_t>(10 * g + 1), .own_model = ((own >> g) & 1) != 0});
  }
  return groups;
}

/// For every choice of groups with models the numbers are those of counting.
TEST(GroupTable, FindsGroupsAndNumbersModels) {
  for (unsigned own = 0; own < 128; ++own) {
    SCOPED_TRACE(own);
    const std::vector<FleetGroup> groups = groups_with(own);
    const GroupTable table(groups);
    ASSERT_EQ(table.count(), 7);
    std::int64_t models = 0;
    for (std::int64_t g = 0; g < table.count(); ++g) {
      const FleetGroup& group = groups[static_cast<std::size_t>(g)];
      EXPECT_EQ(table.name(g), group.name);
      EXPECT_EQ(table.rows(g), group.rows);
      EXPECT_EQ(table.find(group.name), g);
      EXPECT_EQ(table.model_of(g), group.own_model ? models : GroupTable::none);
      if (!group.own_model) continue;
      EXPECT_EQ(table.group_of(models++), g);
    }
    EXPECT_EQ(table.models(), models);
    for (const char* other : {"", "A", "aa", "abcd", "bb", "\xC3", "\xC3\xA4zz", "\xFF"})
      EXPECT_EQ(table.find(other), GroupTable::none) << other;
  }
  EXPECT_EQ(GroupTable().find("a"), GroupTable::none);
}

TEST(GroupTable, IsReadAsItWasWritten) {
  for (const unsigned own : {0u, 5u, 127u}) {
    safetensors::File file;
    GroupTable(groups_with(own)).add_to(file);
    file = safetensors::read(safetensors::to_bytes(file));
    const GroupTable table = GroupTable::take(file, "file");
    EXPECT_TRUE(file.tensors.empty());
    ASSERT_EQ(table.count(), 7);
    EXPECT_EQ(table.name(5), "\xC3\xA4");
    EXPECT_EQ(table.rows(6), 61);
    EXPECT_EQ(table.models(), own == 0 ? 0 : own == 5 ? 2 : 7);
  }
}

}  // namespace
}  // namespace cugad::test
