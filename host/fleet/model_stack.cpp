#include "host/fleet/model_stack.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "host/fleet/stacked_names.hpp"

namespace cugad {
namespace {

/// Takes the numbers out of a JSON value, leaving zeros of their kind; null is a number that is not finite.
void take_numbers(Json& json, std::vector<double>& numbers, int depth = 0) {
  if (json.is_structured()) {
    if (depth == deepest_metadata) throw Error(ErrorCode::unsupported, "metadata is nested too deeply");
    for (Json& part : json) take_numbers(part, numbers, depth + 1);
  } else if (json.is_number() || json.is_null()) {
    const bool is_integer = json.is_number_integer();
    numbers.push_back(json.is_null() ? std::nan("") : json.get<double>());
    json = is_integer ? Json(0) : Json(0.0);
  }
}

/// Kept unchanged: numbers in them do not differ.
bool is_text(const std::string& key) { return key == "format_version" || key == "seed" || key == "options"; }

/// A tensor of all detectors behind each other, taken apart by the numbers of their rows; empty if they do not fit.
std::vector<safetensors::Tensor> take_apart(const safetensors::Tensor& all, const std::vector<double>& rows) {
  const std::int64_t total = all.shape[0];
  if (first_rows(rows, total).empty()) return {};
  const auto width = static_cast<std::ptrdiff_t>(all.f32.size()) / total;
  std::vector<safetensors::Tensor> parts;
  auto next = all.f32.begin();
  for (const double count : rows) {
    safetensors::Tensor& one = parts.emplace_back();
    one.shape = all.shape;
    one.shape[0] = static_cast<std::int64_t>(count);
    one.f32.assign(next, next + width * one.shape[0]);
    next += width * one.shape[0];
  }
  return parts;
}

bool is_finite(const safetensors::Tensor& tensor) {
  return std::all_of(tensor.f32.begin(), tensor.f32.end(), [](float value) { return std::isfinite(value); });
}

/// Puts slice `from_index` of `from_count` in `from` as slice `index` of `count` in `all`.
template <class T>
void put_slice(std::vector<T>& all, const std::vector<T>& from, std::int64_t index, std::int64_t count,
               std::int64_t from_index = 0, std::int64_t from_count = 1) {
  const auto size = static_cast<std::ptrdiff_t>(from.size()) / from_count;
  all.resize(static_cast<std::size_t>(size * count));
  std::copy_n(from.begin() + from_index * size, size, all.begin() + index * size);
}

std::string without_seed(const std::string& options) {
  Json json;
  const TakenApart parts(json);
  if (!parse_json(options, json)) return options;
  if (json.is_object()) json["seed"] = 0;
  return json.dump();
}

}  // namespace

safetensors::Tensor& ModelStack::joined_place(const std::string& name, std::int64_t index) {
  std::vector<safetensors::Tensor>& all = joined_[name];
  all.resize(static_cast<std::size_t>(count_));
  return all[static_cast<std::size_t>(index)];
}

safetensors::Tensor& ModelStack::place(const std::string& name, std::vector<std::int64_t> shape) {
  safetensors::Tensor& all = file_.tensors[prefix + name];
  shape.insert(shape.begin(), count_);
  if (!all.shape.empty() && all.shape != shape) {
    throw Error(ErrorCode::unsupported, "the models of the groups differ in the shape of tensor '" + name + "'");
  }
  all.shape = std::move(shape);
  return all;
}

void ModelStack::put_text(const std::string& name, const std::string& text) {
  const auto [found, is_new] = file_.metadata.emplace(prefix + name, text);
  if (is_new || found->second == text) return;
  throw Error(ErrorCode::unsupported, "the models of the groups differ in '" + name + "'");
}

void ModelStack::check_same(const ModelStack& other) const {
  const auto differs = [](const auto& all, const auto& own) { return all.size() != own.size(); };
  if (differs(file_.tensors, other.file_.tensors) || differs(file_.metadata, other.file_.metadata) ||
      joined_.size() + joined_in_file_.size() != other.joined_.size() + other.joined_in_file_.size()) {
    throw Error(ErrorCode::unsupported, "the models of the groups differ: some have tensors or texts that others lack");
  }
}

void ModelStack::put(std::int64_t index, const ModelStack& from, std::int64_t from_index, const std::string& path) {
  if (!file_.metadata.empty()) check_same(from);
  if (from.source_) return put_from_file(index, from, from_index, path);
  const std::size_t start = std::string(prefix).size();
  for (const auto& [name, tensor] : from.file_.tensors) {
    safetensors::Tensor& all = place(name.substr(start), {tensor.shape.begin() + 1, tensor.shape.end()});
    put_slice(all.f32, tensor.f32, index, count_, from_index, from.count_);
    put_slice(all.f64, tensor.f64, index, count_, from_index, from.count_);
  }
  for (const auto& [name, parts] : from.joined_) {
    joined_place(name, index) = parts[static_cast<std::size_t>(from_index)];
  }
  for (const auto& [name, text] : from.file_.metadata) put_text(name.substr(start), text);
  check_same(from);
}

void ModelStack::put_from_file(std::int64_t index, const ModelStack& from, std::int64_t from_index,
                               const std::string& path) {
  const Model one = from.model(from_index, path);
  for (const auto& [name, tensor] : one.file.tensors) {
    if (!is_finite(tensor)) {
      throw Error(ErrorCode::format, path + ": tensor '" + name + "' has a value that is not finite");
    }
    if (is_joined(name)) {
      joined_place(name, index) = tensor;
    } else {
      put_slice(place(name, tensor.shape).f32, tensor.f32, index, count_);
    }
  }
  for (const auto& [key, numbers] : one.numbers.values_) {
    put_slice(place(numbers_prefix + key, {static_cast<std::int64_t>(numbers.size())}).f64, numbers, index, count_);
  }
  for (const auto& [name, text] : from.file_.metadata) put_text(name.substr(std::string(prefix).size()), text);
  check_same(from);
}

void ModelStack::put(std::int64_t index, const safetensors::File& model) {
  for (const auto& [name, tensor] : model.tensors) {
    if (is_joined(name)) {
      joined_place(name, index) = tensor;
    } else {
      put_slice(place(name, tensor.shape).f32, tensor.f32, index, count_);
    }
  }
  for (const auto& [key, text] : model.metadata) {
    std::string kept = text;
    std::vector<double> numbers;
    if (key == "seed") continue;
    if (key == "options") {
      kept = without_seed(text);
    } else if (!is_text(key)) {
      Json json;
      const TakenApart parts(json);
      if (parse_json(text, json) && !json.is_string()) {
        take_numbers(json, numbers);
        kept = json.dump();
      }
    }
    put_text(key, kept);
    if (numbers.empty()) continue;
    const auto size = static_cast<std::int64_t>(numbers.size());
    put_slice(place(numbers_prefix + key, {size}).f64, numbers, index, count_);
  }
}

std::vector<std::string> ModelStack::joined_names() const {
  std::vector<std::string> names;
  for (const auto& [name, parts] : joined_) names.push_back(name);
  for (const auto& [name, parts] : joined_in_file_) names.push_back(name);
  return names;
}

ModelStack ModelStack::in_memory(const std::function<std::string(std::int64_t)>& path_of) const {
  ModelStack all(count_);
  for (std::int64_t i = 0; i < count_; ++i) all.put(i, *this, i, path_of(i));
  return all;
}

void ModelStack::replace(const std::string& key, std::vector<double> numbers, const std::string& options) {
  file_.tensors.at(prefix + (numbers_prefix + key)).f64 = std::move(numbers);
  file_.metadata.at(std::string(prefix) + "options") = without_seed(options);
}

safetensors::File ModelStack::file(const std::function<std::string(std::int64_t)>& path_of) const {
  if (source_) return in_memory(path_of).file(path_of);
  safetensors::File file = file_;
  for (const auto& [name, parts] : joined_) {
    safetensors::Tensor &all = file.tensors[prefix + name], &rows = file.tensors[prefix + (numbers_prefix + name)];
    all.shape = parts.front().shape;
    all.shape[0] = 0;
    rows.shape = {count_, 1};
    for (const safetensors::Tensor& one : parts) {
      all.shape[0] += one.shape[0];
      all.f32.insert(all.f32.end(), one.f32.begin(), one.f32.end());
      rows.f64.push_back(static_cast<double>(one.shape[0]));
    }
  }
  return file;
}

ModelStack ModelStack::take(safetensors::File& file, const std::string& path, std::int64_t count) {
  ModelStack stack(count);
  const auto is_ours = [](const auto& entry) { return entry.first.starts_with(prefix); };
  std::map<std::string, safetensors::Tensor> joined;
  for (auto at = file.tensors.begin(); at != file.tensors.end();) {
    const auto next = std::next(at);
    if (is_ours(*at)) (is_joined(at->first) ? joined : stack.file_.tensors).insert(file.tensors.extract(at));
    at = next;
  }
  for (auto at = file.metadata.begin(); at != file.metadata.end();) {
    const auto next = std::next(at);
    if (is_ours(*at)) stack.file_.metadata.insert(file.metadata.extract(at));
    at = next;
  }
  for (const auto& [name, tensor] : stack.file_.tensors) {
    const bool is_numbers = name.starts_with(std::string(prefix) + numbers_prefix);
    const bool right_kind = tensor.u8.empty() && (is_numbers ? tensor.f32.empty() : tensor.f64.empty());
    if (count < 1 || tensor.shape.empty() || tensor.shape[0] != count || !right_kind) {
      throw Error(ErrorCode::format,
                  path + ": tensor '" + name + "' is not one of " + std::to_string(count) + " models of groups");
    }
    if (!is_finite(tensor)) {
      throw Error(ErrorCode::format, path + ": tensor '" + name + "' has a value that is not finite");
    }
  }
  for (auto at = joined.begin(); at != joined.end(); ++at) {
    const std::string name = at->first.substr(std::string(prefix).size());
    const auto rows = stack.file_.tensors.extract(std::string(prefix) + numbers_prefix + name);
    const bool is_whole = !at->second.shape.empty() && !at->second.f32.empty() && !rows.empty() &&
                          static_cast<std::int64_t>(rows.mapped().f64.size()) == count && is_finite(at->second);
    stack.joined_[name] = is_whole ? take_apart(at->second, rows.mapped().f64) : std::vector<safetensors::Tensor>();
    if (!stack.joined_[name].empty()) continue;
    throw Error(ErrorCode::format, path + ": tensor '" + at->first + "' is not one of " + std::to_string(count) +
                                       " models of groups with as many rows as it says");
  }
  return stack;
}

}  // namespace cugad
