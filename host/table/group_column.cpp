#include "host/table/group_column.hpp"

#include "host/text/cell.hpp"

namespace cugad {

std::vector<std::string> number_texts(const Column& column) {
  std::vector<std::string> texts;
  texts.reserve(column.numbers.size());
  for (const double number : column.numbers) texts.push_back(number_text(number));
  return texts;
}

std::vector<std::string> row_groups(const Table& table, const std::string& column) {
  const Column& source = table.columns[table.find(column)];
  return source.is_text ? source.texts : number_texts(source);
}

}  // namespace cugad
