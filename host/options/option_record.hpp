#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/detector.hpp"
#include "host/methods/methods.hpp"

namespace cugad {

/// One field of DetectorOptions: how it is read and written as text, and to which detectors it matters. Parsing, the
/// command's flags, JSON, documentation and options_without_effect() all follow from the list of these.
struct OptionRecord {
  /// `options` are resolved and of one method, `method` is its record.
  using Condition = bool (*)(const DetectorOptions& options, const MethodDefinition& method);

  OptionInfo info;
  std::function<std::string(const DetectorOptions&)> get;
  std::function<void(DetectorOptions&, const std::string&)> set;
  std::string former = {};        ///< a name of earlier versions, read wherever the name is; or empty
  Condition condition = nullptr;  ///< null: always met
  bool is_for_some = false;       ///< matters only to methods whose record names it
  bool is_technique = false;      ///< refused, not ignored, where the method does not have it
  bool is_later = false;          ///< came after checkpoints hashed the options, see options_to_hash()

  OptionRecord when(Condition met) && {
    condition = met;
    return std::move(*this);
  }
  OptionRecord once(const char* former_name) && {
    former = former_name;
    return std::move(*this);
  }
  OptionRecord for_some_methods() && {
    is_for_some = true;
    return std::move(*this);
  }
  OptionRecord technique() && {
    is_for_some = is_technique = true;
    return std::move(*this);
  }
  OptionRecord later() && {
    is_later = true;
    return std::move(*this);
  }

  bool is_called(const std::string& name) const { return name == info.name || (!name.empty() && name == former); }
  bool is_known_to(const MethodDefinition& method) const {
    return (!is_for_some && method.trains()) || method.reads(info.name);
  }
  bool matters(const DetectorOptions& options) const {
    const MethodDefinition& method = definition_of(options.method);
    return is_known_to(method) && (condition == nullptr || condition(options, method));
  }
};

/// In the order of the fields.
const std::vector<OptionRecord>& option_records();

/// Throws Error{invalid_argument}: "option 'name' is 'value', expected ...".
[[noreturn]] void refuse_option(const std::string& name, const std::string& value, const std::string& expected);

}  // namespace cugad
