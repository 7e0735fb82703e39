#include "host/report/training_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "cugad/error.hpp"
#include "host/detector/telemetry_json.hpp"

namespace cugad {
namespace {

constexpr std::size_t most_points = 200, most_models = 8;

struct Statistic {
  const char* name;
  float ModelTelemetry::*value;
};
constexpr Statistic statistics[] = {{"discriminator_loss", &ModelTelemetry::discriminator_loss},
                                    {"generator_loss", &ModelTelemetry::generator_loss},
                                    {"real_probability", &ModelTelemetry::real_probability},
                                    {"fake_probability", &ModelTelemetry::fake_probability},
                                    {"discriminator_gradient", &ModelTelemetry::discriminator_gradient},
                                    {"generator_gradient", &ModelTelemetry::generator_gradient}};

bool has_step(const OrderedJson& line, const char* key) {
  if (!line.contains(key) || !line[key].is_number_integer()) return false;
  const auto step = line[key].get<std::int64_t>();
  return step >= 0 && step <= std::numeric_limits<std::int32_t>::max();
}

/// False unless the line is one of a training log.
bool read_line(std::string_view text, FitProgress& progress) {
  OrderedJson line;
  const TakenApart parts(line);
  if (!parse_json(text, line) || !line.is_object() || !has_step(line, "step") || !has_step(line, "steps")) return false;
  if (!line.contains("models") || !line["models"].is_array()) return false;
  progress.step = line["step"].get<std::int64_t>();
  progress.steps = line["steps"].get<std::int64_t>();
  for (const OrderedJson& model : line["models"]) {
    if (!model.is_object()) return false;
    ModelTelemetry& telemetry = progress.models.emplace_back();
    for (const auto& [name, value] : statistics) {
      const bool is_number = model.contains(name) && model[name].is_number();
      telemetry.*value = is_number ? model[name].get<float>() : std::nanf("");
    }
  }
  return true;
}

/// The models of one method, which are trained together.
void put_phase(OrderedJson& place, std::vector<FitProgress>::const_iterator begin,
               std::vector<FitProgress>::const_iterator end) {
  const auto count = static_cast<std::size_t>(end - begin), stride = (count + most_points - 1) / most_points;
  const std::size_t models = std::min(begin->models.size(), most_models);
  place = OrderedJson::object();
  place["models"] = begin->models.size();
  std::vector<std::int64_t> steps;
  for (std::size_t i = 0; i < count; i += stride) steps.push_back(begin[static_cast<std::ptrdiff_t>(i)].step);
  put_list(place["steps"], steps);
  for (const auto& [name, value] : statistics) {
    OrderedJson& curves = place[name] = OrderedJson::array();
    for (std::size_t m = 0; m < models; ++m) {
      std::vector<float> curve;
      for (std::size_t i = 0; i < count; i += stride) {
        curve.push_back(begin[static_cast<std::ptrdiff_t>(i)].models[m].*value);
      }
      put_list(curves.emplace_back(nullptr), curve);
    }
  }
}

}  // namespace

std::vector<FitProgress> training_history(std::string_view lines, std::string_view file) {
  std::vector<FitProgress> history;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    if (read_line(line, history.emplace_back())) continue;
    throw Error(ErrorCode::format, fmt::format("{}: line {} is not one that cugad train --log writes", file, number));
  }
  return history;
}

void put_training(OrderedJson& place, const std::vector<ModelTelemetry>& at_end,
                  const std::vector<FitProgress>& history) {
  place = OrderedJson::object();
  parse_json(telemetry_to_json(at_end), place["end"]);
  OrderedJson& phases = place["phases"] = OrderedJson::array();
  for (auto begin = history.begin(); begin != history.end();) {
    auto end = begin + 1;
    while (end != history.end() && end->models.size() == begin->models.size() && end->step > (end - 1)->step) ++end;
    if (!begin->models.empty()) put_phase(phases.emplace_back(nullptr), begin, end);
    begin = end;
  }
}

}  // namespace cugad
