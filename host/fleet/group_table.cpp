#include "host/fleet/group_table.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr double largest_integer = 9007199254740992.0;  // 2^53: float64 holds all up to there

/// Whether the values are integers, each above the one before it, the first at least `least` and the last at most
/// `most`.
bool is_ascending(const std::vector<double>& values, double least, double most) {
  for (const double value : values) {
    if (!(value >= least && value <= most) || value != std::trunc(value)) return false;
    least = value + 1;
  }
  return true;
}

}  // namespace

GroupTable::GroupTable(const std::vector<FleetGroup>& groups) {
  for (const FleetGroup& group : groups) {
    if (!group.own_model) without_model_.push_back(static_cast<double>(ends_.size()));
    names_.insert(names_.end(), group.name.begin(), group.name.end());
    ends_.push_back(static_cast<double>(names_.size()));
    rows_.push_back(static_cast<double>(group.rows));
  }
}

GroupTable GroupTable::take(safetensors::File& file, const std::string& path) {
  const auto refuse = [&](const std::string& name, const std::string& what) {
    throw Error(ErrorCode::format, path + ": tensor '" + prefix + name + "' " + what);
  };
  const auto values = [&](const std::string& name) {
    const auto found = file.tensors.extract(prefix + name);
    if (!found || found.mapped().shape.size() != 1) refuse(name, "is missing or no list");
    return std::move(found.mapped());
  };
  GroupTable table;
  table.names_ = values("names").u8;
  table.ends_ = values("ends").f64;
  table.rows_ = values("rows").f64;
  if (file.tensors.contains(prefix + std::string("without_model"))) table.without_model_ = values("without_model").f64;
  const auto bytes = static_cast<double>(table.names_.size()), count = static_cast<double>(table.ends_.size());
  if (!is_ascending(table.ends_, 1, bytes) || (count > 0 ? table.ends_.back() : 0) != bytes) {
    refuse("ends", "does not divide the bytes of '" + std::string(prefix) + "names' into names");
  }
  if (table.rows_.size() != table.ends_.size()) refuse("rows", "has not one number for each group");
  if (!std::all_of(table.rows_.begin(), table.rows_.end(),
                   [](double rows) { return rows >= 1 && rows <= largest_integer && rows == std::trunc(rows); })) {
    refuse("rows", "has an entry that is no number of rows");
  }
  if (!is_ascending(table.without_model_, 0, count - 1)) refuse("without_model", "is no ascending list of groups");
  std::string_view before;
  for (std::int64_t g = 0; g < table.count(); ++g) {
    const std::string_view name = table.name(g);
    if (g > 0 && !(before < name))
      refuse("names", "is not sorted: " + std::to_string(g) + " is not behind the name before");
    if (!is_utf8(name)) refuse("names", "has a name that is not UTF-8: " + std::to_string(g));
    before = name;
  }
  return table;
}

void GroupTable::add_to(safetensors::File& file) const {
  const auto add = [&](const char* name, std::size_t count) -> safetensors::Tensor& {
    safetensors::Tensor& tensor = file.tensors[prefix + std::string(name)];
    tensor.shape = {static_cast<std::int64_t>(count)};
    return tensor;
  };
  add("names", names_.size()).u8 = names_;
  add("ends", ends_.size()).f64 = ends_;
  add("rows", rows_.size()).f64 = rows_;
  if (!without_model_.empty()) add("without_model", without_model_.size()).f64 = without_model_;
}

std::string_view GroupTable::name(std::int64_t group) const {
  const auto number = static_cast<std::size_t>(group);
  const auto begin = number == 0 ? 0 : static_cast<std::size_t>(ends_[number - 1]);
  return {reinterpret_cast<const char*>(names_.data()) + begin, static_cast<std::size_t>(ends_[number]) - begin};
}

std::int64_t GroupTable::find(std::string_view name) const {
  std::int64_t first = 0, last = count();
  while (first < last) {
    const std::int64_t middle = first + (last - first) / 2;
    this->name(middle) < name ? first = middle + 1 : last = middle;
  }
  return first < count() && this->name(first) == name ? first : none;
}

std::int64_t GroupTable::model_of(std::int64_t group) const {
  const auto next = std::lower_bound(without_model_.begin(), without_model_.end(), static_cast<double>(group));
  if (next != without_model_.end() && *next == static_cast<double>(group)) return none;
  return group - (next - without_model_.begin());
}

std::int64_t GroupTable::group_of(std::int64_t model) const {
  // Before the i-th group without a model there are as many models as its number less i.
  std::int64_t first = 0, last = std::ssize(without_model_);
  while (first < last) {
    const std::int64_t middle = first + (last - first) / 2;
    const auto models = static_cast<std::int64_t>(without_model_[static_cast<std::size_t>(middle)]) - middle;
    models <= model ? first = middle + 1 : last = middle;
  }
  return model + first;
}

}  // namespace cugad
