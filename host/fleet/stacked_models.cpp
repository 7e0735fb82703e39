#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "host/fleet/model_stack.hpp"
#include "host/fleet/stacked_names.hpp"
#include "host/model_file/checksum.hpp"

/// Taking single models out of a stack, which is in memory or in a file.
namespace cugad {
namespace {

/// Fills `to` with a value that take_numbers() took the numbers from, and puts them back; false if they do not fit.
bool put_numbers(const Json& from, Json& to, const double*& next, const double* end, int depth = 0) {
  if (from.is_structured() && depth == deepest_metadata) return false;
  if (from.is_array()) {
    to = Json::array();
    to.get_ref<Json::array_t&>().reserve(from.size());
    for (const Json& part : from) {
      if (!put_numbers(part, to.emplace_back(nullptr), next, end, depth + 1)) return false;
    }
  } else if (from.is_object()) {
    to = Json::object();
    for (const auto& [key, part] : from.items()) {
      if (!put_numbers(part, to[key], next, end, depth + 1)) return false;
    }
  } else if (!from.is_number()) {
    to = from;
  } else {
    if (next == end) return false;
    const double value = *next++;
    constexpr double largest = 9007199254740992.0;  // 2^53: integers up to there are exact
    if (!from.is_number_integer()) {
      to = std::isfinite(value) ? Json(value) : Json(nullptr);
    } else if (std::abs(value) <= largest && value == std::trunc(value)) {
      to = static_cast<std::int64_t>(value);
    } else {
      return false;
    }
  }
  return true;
}

std::size_t count_numbers(const Json& json) {
  if (!json.is_structured()) return json.is_number() ? 1 : 0;
  std::size_t count = 0;
  for (const Json& part : json) count += count_numbers(part);
  return count;
}

template <class T>
std::vector<T> slice(const std::vector<T>& all, std::int64_t index, std::int64_t count) {
  const auto size = static_cast<std::ptrdiff_t>(all.size()) / count;
  return {all.begin() + index * size, all.begin() + (index + 1) * size};
}

bool is_numbers(const std::string& name) { return name.starts_with(std::string(ModelStack::prefix) + numbers_prefix); }

[[noreturn]] void refuse_numbers(const std::string& path, const std::string& key) {
  throw Error(ErrorCode::format, path + ": tensor '" + std::string(ModelStack::prefix) + numbers_prefix + key +
                                     "' does not fit the metadata '" + ModelStack::prefix + key + "'");
}

}  // namespace

/// The first row of each of several tensors behind each other, and the end of the last; empty if `total` rows do not
/// divide so.
std::vector<std::int64_t> first_rows(const std::vector<double>& rows, std::int64_t total) {
  std::vector<std::int64_t> first = {0};
  for (const double count : rows) {
    if (!(count >= 1 && count <= static_cast<double>(total - first.back())) || count != std::trunc(count)) return {};
    first.push_back(first.back() + static_cast<std::int64_t>(count));
  }
  if (first.back() != total) first.clear();
  return first;
}

safetensors::Tensor ModelStack::part_of(const std::string& name, std::int64_t index, bool with_values) const {
  const safetensors::Tensor& all = file_.tensors.at(name);
  safetensors::Tensor one{.shape = {all.shape.begin() + 1, all.shape.end()}, .f32 = {}, .f64 = {}};
  if (!with_values) return one;
  if (!source_) {
    one.f32 = slice(all.f32, index, count_);
    one.f64 = slice(all.f64, index, count_);
    return one;
  }
  const safetensors::Entry& entry = source_->tensors().at(name);
  const std::uint64_t size = (entry.end - entry.begin) / entry.element_bytes / static_cast<std::uint64_t>(count_);
  const std::uint64_t first = size * static_cast<std::uint64_t>(index);
  if (entry.element_bytes == sizeof(float))
    one.f32 = source_->read_values<float>(entry, first, size);
  else
    one.f64 = source_->read_values<double>(entry, first, size);
  return one;
}

safetensors::Tensor ModelStack::joined_part_of(const std::string& name, std::int64_t index, bool with_values) const {
  const auto number = static_cast<std::size_t>(index);
  if (!source_) return joined_.at(name)[number];
  const Joined& joined = joined_in_file_.at(name);
  const std::int64_t begin = joined.begin[number], rows = joined.begin[number + 1] - begin;
  safetensors::Tensor one{.shape = joined.entry.shape, .f32 = {}, .f64 = {}};
  const auto width = (joined.entry.end - joined.entry.begin) / sizeof(float) / static_cast<std::uint64_t>(one.shape[0]);
  one.shape[0] = rows;
  if (with_values)
    one.f32 = source_->read_values<float>(joined.entry, width * static_cast<std::uint64_t>(begin),
                                          width * static_cast<std::uint64_t>(rows));
  return one;
}

void ModelStack::parse_texts(const std::string& path) {
  forms_.clear();
  const std::string start = prefix;
  for (const auto& [name, tensor] : file_.tensors) {
    if (!is_numbers(name)) continue;
    const std::string key = name.substr(start.size() + std::string(numbers_prefix).size());
    const auto text = file_.metadata.find(start + key);
    if (text == file_.metadata.end()) continue;
    Json& json = forms_[key].json;
    std::int64_t each = 1;
    for (auto extent = tensor.shape.begin() + 1; extent != tensor.shape.end(); ++extent) each *= *extent;
    if (!parse_json(text->second, json) || static_cast<std::int64_t>(count_numbers(json)) != each) {
      refuse_numbers(path, key);
    }
  }
}

bool ModelStack::Numbers::json(const std::string& key, Json& value) const {
  const auto form = stack_->forms_.find(key);
  if (form == stack_->forms_.end()) return false;
  const std::vector<double>& numbers = values_.at(key);
  const double* next = numbers.data();
  const double* const end = next + numbers.size();
  if (!put_numbers(form->second.json, value, next, end) || next != end) refuse_numbers(path_, key);
  return true;
}

std::vector<double> ModelStack::Numbers::of(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::vector<double>() : found->second;
}

ModelStack::Model ModelStack::model(std::int64_t index, const std::string& path, bool with_values) const {
  Model model;
  model.numbers.stack_ = this;
  model.numbers.path_ = path;
  const std::size_t start = std::string(prefix).size(), numbers_start = start + std::string(numbers_prefix).size();
  safetensors::Checksum of_numbers, of_values;
  for (const auto& [name, tensor] : file_.tensors) {
    const bool holds_numbers = is_numbers(name);
    safetensors::Tensor one = part_of(name, index, with_values || holds_numbers);
    if (holds_numbers) {
      of_numbers.add(one.f64);
      model.numbers.values_.emplace(name.substr(numbers_start), std::move(one.f64));
    } else {
      of_values.add(one.f32);
      model.file.tensors.emplace(name.substr(start), std::move(one));
    }
  }
  for (const std::string& name : joined_names()) {
    safetensors::Tensor& one = model.file.tensors[name] = joined_part_of(name, index, with_values);
    of_numbers.add(std::vector<double>{static_cast<double>(one.shape[0])});
    of_values.add(one.f32);
  }
  check_sum(index, 0, of_numbers.value(), path);
  if (with_values) check_sum(index, 1, of_values.value(), path);
  for (const auto& [name, text] : file_.metadata) model.file.metadata.emplace(name.substr(start), text);
  return model;
}

void ModelStack::check_sum(std::int64_t index, int which, std::uint32_t sum, const std::string& path) const {
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // a fuzzer would find nothing behind it
  if (!sums_) return;
  const auto at = static_cast<std::uint64_t>(2 * index + which);
  if (source_->read_values<double>(*sums_, at, 1).front() == static_cast<double>(sum)) return;
  throw Error(ErrorCode::format, path + ": the file is damaged: the checksum of the group's " +
                                     (which == 0 ? "numbers" : "tensors") + " is not that of its contents");
#endif
}

std::vector<double> ModelStack::numbers_of(const std::string& key, std::int64_t first, std::int64_t count,
                                           const std::string& path) const {
  const std::string name = prefix + (numbers_prefix + key);
  const auto found = file_.tensors.find(name);
  if (found == file_.tensors.end() || found->second.shape != std::vector<std::int64_t>{count_, 1}) {
    throw Error(ErrorCode::format, path + ": tensor '" + name + "' is missing or has not one number for each group");
  }
  const auto begin = found->second.f64.begin();
  if (!source_) return {begin + first, begin + first + count};
  return source_->read_values<double>(source_->tensors().at(name), static_cast<std::uint64_t>(first),
                                      static_cast<std::uint64_t>(count));
}

safetensors::Tensor ModelStack::checksums() const {
  safetensors::Tensor sums{.shape = {count_, 2}, .f32 = {}, .f64 = {}};
  for (std::int64_t i = 0; i < count_; ++i) {
    safetensors::Checksum of_numbers, of_values;
    for (const auto& [name, tensor] : file_.tensors) {
      const safetensors::Tensor one = part_of(name, i, true);
      is_numbers(name) ? of_numbers.add(one.f64) : of_values.add(one.f32);
    }
    for (const std::string& name : joined_names()) {
      const safetensors::Tensor one = joined_part_of(name, i, true);
      of_numbers.add(std::vector<double>{static_cast<double>(one.shape[0])});
      of_values.add(one.f32);
    }
    sums.f64.insert(sums.f64.end(), {static_cast<double>(of_numbers.value()), static_cast<double>(of_values.value())});
  }
  return sums;
}

ModelStack ModelStack::of(std::shared_ptr<const safetensors::OpenFile> file, const std::string& path,
                          std::int64_t count) {
  ModelStack stack(count);
  stack.source_ = std::move(file);
  const std::string start = prefix;
  for (const auto& [key, text] : stack.source_->metadata()) {
    if (key.starts_with(start)) stack.file_.metadata.emplace(key, text);
  }
  for (const auto& [name, entry] : stack.source_->tensors()) {
    if (!name.starts_with(start)) continue;
    if (is_joined(name)) {
      stack.joined_in_file_[name.substr(start.size())].entry = entry;
      continue;
    }
    const std::uint64_t expected_bytes = is_numbers(name) ? sizeof(double) : sizeof(float);
    const bool right_kind = entry.begin == entry.end || entry.element_bytes == expected_bytes;
    if (stack.count_ < 1 || entry.shape.empty() || entry.shape[0] != stack.count_ || !right_kind) {
      throw Error(ErrorCode::format,
                  path + ": tensor '" + name + "' is not one of " + std::to_string(stack.count_) + " models of groups");
    }
    stack.file_.tensors[name].shape = entry.shape;
  }
  for (auto& [name, joined] : stack.joined_in_file_) {
    const auto rows = stack.file_.tensors.extract(start + numbers_prefix + name);
    if (rows && !joined.entry.shape.empty() && joined.entry.element_bytes == sizeof(float)) {
      const safetensors::Tensor numbers = stack.source_->read(stack.source_->tensors().at(rows.key()));
      if (static_cast<std::int64_t>(numbers.f64.size()) == stack.count_)
        joined.begin = first_rows(numbers.f64, joined.entry.shape[0]);
    }
    if (!joined.begin.empty()) continue;
    throw Error(ErrorCode::format, path + ": tensor '" + start + name + "' is not one of " +
                                       std::to_string(stack.count_) + " models of groups with as many rows as it says");
  }
  const auto sums = stack.source_->tensors().find(checksums_name);
  if (sums == stack.source_->tensors().end()) return stack;
  if (sums->second.shape != std::vector<std::int64_t>{stack.count_, 2} ||
      sums->second.element_bytes != sizeof(double)) {
    throw Error(ErrorCode::format, path + ": tensor '" + checksums_name + "' has not two numbers for each group");
  }
  stack.sums_ = sums->second;
  return stack;
}

}  // namespace cugad
