#include "tests/fuzz/edited_file.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/text/cell.hpp"

namespace cugad::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t most_values = std::int64_t{1} << 16;

std::string_view next_part(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

template <class T>
std::vector<T> numbers(std::string_view text) {
  std::vector<T> values;
  while (!text.empty()) {
    const std::string_view part = next_part(text, ',');
    T value{};
    std::from_chars(part.data(), part.data() + part.size(), value);
    values.push_back(value);
  }
  return values;
}

void set_json(safetensors::File& file, const std::string& key, std::string_view pointer, std::string_view value) {
  const auto found = file.metadata.find(key);
  // An index of many digits would fill the list up to there with nulls.
  if (found == file.metadata.end() || pointer.size() > 200 || pointer.find("000") != std::string_view::npos) return;
  for (std::size_t i = 3; i < pointer.size(); ++i) {
    if (std::all_of(pointer.begin() + i - 3, pointer.begin() + i + 1, [](char c) { return c >= '0' && c <= '9'; }))
      return;
  }
  Json changed = Json::parse(found->second, nullptr, false);
  const Json part = Json::parse(value, nullptr, false);
  if (changed.is_discarded() || part.is_discarded()) return;
  try {
    changed[Json::json_pointer(std::string(pointer))] = part;
  } catch (const Json::exception&) {
    return;
  }
  found->second = changed.dump();
}

template <class T>
void set_tensor(safetensors::File& file, const std::string& name, std::string_view shape_text,
                std::vector<T> safetensors::Tensor::*kind, std::string_view values_text) {
  safetensors::Tensor tensor;
  tensor.shape = numbers<std::int64_t>(shape_text);
  std::int64_t count = 1;
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || extent > most_values) return;
    count *= extent;
    if (count > most_values) return;
  }
  std::vector<T> values = numbers<T>(values_text);
  if (values.empty()) values.push_back(0);
  (tensor.*kind).resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < (tensor.*kind).size(); ++i) (tensor.*kind)[i] = values[i % values.size()];
  file.tensors[name] = std::move(tensor);
}

}  // namespace

safetensors::File edited(safetensors::File file, std::string_view script) {
  while (!script.empty()) {
    std::string_view line = next_part(script, '\n');
    if (!is_utf8(line)) continue;
    const std::string_view what = next_part(line, ' ');
    const std::string name(next_part(line, ' '));
    if (what == "text") {
      file.metadata[name] = line;
    } else if (what == "json") {
      const std::string_view pointer = next_part(line, ' ');
      set_json(file, name, pointer, line);
    } else if (what == "drop") {
      file.metadata.erase(name);
      file.tensors.erase(name);
    } else if (what.starts_with("tensor")) {
      const std::string_view shape = next_part(line, ' ');
      if (what == "tensor") set_tensor(file, name, shape, &safetensors::Tensor::f32, line);
      if (what == "tensor64") set_tensor(file, name, shape, &safetensors::Tensor::f64, line);
      if (what == "tensor8") set_tensor(file, name, shape, &safetensors::Tensor::u8, line);
    }
  }
  return file;
}

}  // namespace cugad::fuzz
