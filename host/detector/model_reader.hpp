#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/error.hpp"
#include "cugad/network.hpp"
#include "host/backend/backend.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"

namespace cugad {

using Json = OrderedJson;

/// Metadata of a model whose numbers are not kept as text.
class ParsedMetadata {
 public:
  virtual ~ParsedMetadata() = default;
  /// False for an entry that is kept as text. `value` as for Reader::json().
  virtual bool json(const std::string& key, Json& value) const = 0;
};

/// The checked content of a model file: Error{format} with the path for anything that was not written by this library.
class Reader {
 public:
  /// `parsed` (optional) has entries of the metadata whose texts are not those of this model.
  Reader(const safetensors::File& file, const std::string& path, const ParsedMetadata* parsed = nullptr)
      : file_(file), path_(path), parsed_(parsed) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::format, path_ + ": " + one_line(what, 1000));
  }

  bool has(const std::string& key) const { return file_.metadata.contains(key); }
  const std::string& text(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) refuse("no '" + key + "' in its metadata: not a cugad model");
    return found->second;
  }
  /// `value` is null, and the caller guards it by a TakenApart.
  void json(const std::string& key, Json& value) const {
    if (parsed_ != nullptr && parsed_->json(key, value)) return;
    if (!parse_json(text(key), value)) refuse("metadata '" + key + "' is not JSON");
  }
  Precision precision(const std::string& key) const {
    try {
      return precision_from(text(key));
    } catch (const Error& error) {
      refuse(error.what());
    }
  }
  /// "format_version" from 1 to the latest.
  void check_version(int latest) const {
    Json version;
    const TakenApart version_parts(version);
    json("format_version", version);
    if (!version.is_number_integer() || version.get<std::int64_t>() < 1) {
      refuse("format_version is no positive integer");
    }
    if (version.get<std::int64_t>() <= latest) return;
    refuse("format version " + version.dump() + " is later than " + std::to_string(latest) +
           ", the latest that this version (" CUGAD_VERSION ") reads");
  }
  /// A list of `count` finite numbers.
  template <class T>
  std::vector<T> numbers(const Json& object, const char* field, std::int64_t count) const {
    const auto found = object.is_object() ? object.find(field) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_array() ||
        static_cast<std::int64_t>(found->size()) != count) {
      refuse("'" + std::string(field) + "' is no list of " + std::to_string(count) + " numbers");
    }
    std::vector<T> values;
    values.reserve(found->size());
    for (const Json& value : *found) {
      if (!value.is_number() || !std::isfinite(value.get<double>())) {
        refuse("'" + std::string(field) + "' has an entry that is no finite number");
      }
      // The largest 64-bit integer is rounded up as a double, to one that fits no more.
      constexpr double largest = static_cast<double>(std::numeric_limits<T>::max());
      constexpr bool is_rounded = std::is_integral_v<T> && sizeof(T) == 8;
      const double number = value.get<double>();
      if (number < static_cast<double>(std::numeric_limits<T>::lowest()) || number > largest ||
          (is_rounded && number == largest)) {
        refuse("'" + std::string(field) + "' has an entry that is out of range");
      }
      values.push_back(static_cast<T>(number));
    }
    return values;
  }
  void network(const std::string& name, const Mlp& network, StackView<float> flat, Context& context) const {
    for (int l = 0; l < network.layers(); ++l) {
      tensor(name + "." + std::to_string(l) + ".weight", network.weight(l, flat), network.weight_shape(l), context);
      tensor(name + "." + std::to_string(l) + ".bias", network.bias(l, flat), {network.units(l)}, context);
    }
  }
  /// The widths of a network's layers, read off its tensors before anything is allocated for it.
  void check_shape(const std::string& name, std::int64_t models, std::vector<std::int64_t> of_one) const {
    if (models > 1) of_one.insert(of_one.begin(), models);
    check_shape(name, of_one);
  }
  void check_shape(const std::string& name, const std::vector<std::int64_t>& expected) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end() || found->second.shape != expected) {
      refuse("tensor '" + name + "' is missing, or its shape does not match the options and columns");
    }
  }

  bool has_tensor(const std::string& name) const { return file_.tensors.contains(name); }
  /// How many rows of so many columns a tensor has; at least one.
  std::int64_t rows_of(const std::string& name, std::int64_t columns) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end() || found->second.shape.size() != 2 || found->second.shape[0] < 1 ||
        found->second.shape[1] != columns) {
      refuse("tensor '" + name + "' is missing or does not hold rows of " + std::to_string(columns) + " columns");
    }
    return found->second.shape[0];
  }
  /// A tensor whose shape is checked: float32 and finite.
  const safetensors::Tensor& tensor(const std::string& name) const {
    const safetensors::Tensor& found = file_.tensors.at(name);
    if (found.f32.empty()) refuse("tensor '" + name + "' is not float32");
    for (const float value : found.f32) {
      if (!std::isfinite(value)) refuse("tensor '" + name + "' has a value that is not finite");
    }
    return found;
  }

  /// [columns] per model.
  void vector(const std::string& name, const StackView<float>& view, Context& context) const {
    tensor(name, view, {view.columns}, context);
  }

  /// [rows, columns] of all models.
  void matrix(const std::string& name, const StackView<float>& view, Context& context) const {
    tensor(name, view, {view.rows, view.columns}, context);
  }

  void check_no_negative(const std::string& name) const {
    for (const float value : file_.tensors.at(name).f32) {
      if (value < 0.0f) refuse("tensor '" + name + "' has a negative value");
    }
  }

 private:
  /// `expected`: the shape of one model's.
  void tensor(const std::string& name, const StackView<float>& view, std::vector<std::int64_t> expected,
              Context& context) const {
    if (view.models > 1) expected.insert(expected.begin(), view.models);
    const auto found = file_.tensors.find(name);
    const std::int64_t size = view.rows * view.columns;
    if (found == file_.tensors.end() || found->second.shape != expected ||
        static_cast<std::int64_t>(found->second.f32.size()) != view.models * size) {
      refuse("tensor '" + name + "' is missing, is not float32, or its shape does not match the options and columns");
    }
    for (float value : found->second.f32) {
      if (!std::isfinite(value)) refuse("tensor '" + name + "' has a value that is not finite");
    }
    for (std::int64_t m = 0; m < view.models; ++m) {
      context.backend().copy(view.model(m).data, found->second.f32.data() + m * size,
                             sizeof(float) * static_cast<std::size_t>(size), context.stream());
    }
    context.synchronize();
  }

  const safetensors::File& file_;
  const std::string& path_;
  const ParsedMetadata* parsed_;
};

}  // namespace cugad
