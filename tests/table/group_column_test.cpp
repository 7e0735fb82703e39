#include "host/table/group_column.hpp"

#include <gtest/gtest.h>

#include "table_files.hpp"

namespace cugad {
namespace {

using GroupColumn = TableFiles;
using Names = std::vector<std::string>;

TEST_F(GroupColumn, NamesAreTheTextOfTheFile) {
  const std::string csv = "a,user\n1,007\n2,7.0\n3,\n4,NA\n5,7\n6,\"b, c\"\n";
  EXPECT_EQ(row_groups(read("a.csv", csv, {{"user"}, true}), "user"), (Names{"007", "7.0", "", "", "7", "b, c"}));
  const Table table = read("b.csv", "a,user\n1,007\n2,7.0\n3,\n", {{"1"}, true});
  EXPECT_EQ(row_groups(table, "user"), (Names{"007", "7.0", ""}));
  EXPECT_EQ(row_groups(table, "-1"), (Names{"007", "7.0", ""}));
}

TEST_F(GroupColumn, NumbersHaveTheirShortestText) {
  const Table table = read("a.csv", "a,n\n1,007\n2,7.0\n3,\n4,0.10\n");
  EXPECT_EQ(row_groups(table, "n"), (Names{"7", "7", "", "0.1"}));
  EXPECT_EQ(row_groups(table, "a"), (Names{"1", "2", "3", "4"}));
}

TEST_F(GroupColumn, ChunksJoinToTheWhole) {
  const std::string path = directory.write("a.csv", "g,x\nu,1\nv,2\n,3\nw,4\nu,5\n");
  const auto reader = open_table(path, {{"g"}, true});
  Table chunk;
  Names joined;
  while (reader->read(chunk, 2)) {
    for (const std::string& name : row_groups(chunk, "g")) joined.push_back(name);
  }
  EXPECT_EQ(joined, (Names{"u", "v", "", "w", "u"}));
  EXPECT_EQ(joined, row_groups(read_table(path), "g"));
}

TEST_F(GroupColumn, UnknownColumnsAreRefused) {
  const Table table = read("a.csv", "user,x\nu,1\n");
  const Error error = error_of([&] { row_groups(table, "usr"); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(mentions(error, "user"));
}

}  // namespace
}  // namespace cugad
