#pragma once

#include <string>
#include <vector>

#include "host/cli/reproduce/reproduction.hpp"

/// All methods on all protocols, in one table.
namespace cugad::cli {

struct ComparedProtocol {
  std::string title;     ///< "KDD99"
  std::string key;       ///< "kdd99", for --protocols
  std::string protocol;  ///< its data and rules
};
const std::vector<ComparedProtocol>& compared_protocols();

struct Comparison {
  std::vector<std::string> titles;
  std::vector<Reproduction> reports;  ///< one per title; the settings are the methods
};
std::string as_text(const Comparison& comparison);
std::string as_markdown(const Comparison& comparison);
std::string as_json(const Comparison& comparison);

}  // namespace cugad::cli
