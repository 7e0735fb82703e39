#include "host/table/group_column.hpp"

#include "host/table/cell.hpp"

namespace cugad {

std::vector<std::string> row_groups(const Table& table, const std::string& column) {
  const Column& source = table.columns[table.find(column)];
  if (source.is_text) return source.texts;
  std::vector<std::string> groups;
  groups.reserve(source.numbers.size());
  for (const double number : source.numbers) groups.push_back(number_text(number));
  return groups;
}

}  // namespace cugad
