#include "host/cli/reproduce/protocol_state.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "cugad/error.hpp"
#include "host/cli/text.hpp"
#include "host/model_file/atomic_file.hpp"

namespace cugad::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* format_name = "cugad reproduce state 1";

ordered_json as_object(const CaseSize& size) {
  return {{"train_rows", size.train_rows},
          {"rows", size.test_rows},
          {"all_rows", size.all_test_rows},
          {"anomalies", size.anomalies},
          {"features", size.features}};
}

CaseSize size_from(const ordered_json& object) {
  return {object.at("train_rows"), object.at("rows"), object.at("all_rows"), object.at("anomalies"),
          object.at("features")};
}

ordered_json as_object(const Contestant& contestant, const Measurement& result) {
  const Quality& quality = result.quality;
  ordered_json object = {{"of", contestant.key},
                         {"case", result.case_name},
                         {"seed", result.seed},
                         {"split", result.split},
                         {"precision", quality.precision},
                         {"recall", quality.recall},
                         {"f1", quality.f1},
                         {"auroc", quality.auroc},
                         {"average_precision", quality.average_precision},
                         {"train_seconds", result.train_seconds},
                         {"score_seconds", result.score_seconds}};
  if (quality.pixel_auroc > 0) {
    object["pixel_auroc"] = quality.pixel_auroc;
    object["region_overlap"] = quality.region_overlap;
  }
  return object;
}

void fill(Measurement& result, const ordered_json& object) {
  result.quality = {object.at("precision"),
                    object.at("recall"),
                    object.at("f1"),
                    object.at("auroc"),
                    object.at("average_precision"),
                    object.value("pixel_auroc", 0.0),
                    object.value("region_overlap", 0.0)};
  result.train_seconds = object.at("train_seconds");
  result.score_seconds = object.at("score_seconds");
}

/// Whether every part of the file has the form that add() writes.
void check_shape(const ordered_json& root) {
  if (root.at("format") != format_name) throw std::runtime_error("no such format");
  for (const auto& [name, protocol] : root.at("protocols").items()) {
    if (!protocol.at("conditions").is_object() || !protocol.at("settings").is_object()) {
      throw std::runtime_error("no conditions or settings in " + name);
    }
    for (const auto& [case_name, size] : protocol.at("cases").items()) size_from(size);
    for (const ordered_json& result : protocol.at("results")) {
      Measurement measurement;
      fill(measurement, result);
      measurement.case_name = result.at("case").get<std::string>() + result.at("of").get<std::string>();
      measurement.seed = result.at("seed");
      measurement.split = result.at("split");
    }
  }
}

std::string shown(const ordered_json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

ProtocolState::ProtocolState(const std::string& path)
    : path_(path), root_({{"format", format_name}, {"protocols", ordered_json::object()}}) {
  std::error_code ignored;
  if (path.empty() || !std::filesystem::exists(path, ignored)) return;
  try {
    root_ = ordered_json::parse(file_text(path));
    check_shape(root_);
  } catch (const std::exception& error) {
    if (dynamic_cast<const Error*>(&error) != nullptr) throw;
    throw Error(ErrorCode::format, fmt::format("{}: is no state of cugad reproduce: {}", path, one_line(error.what())));
  }
}

void ProtocolState::compare(const ordered_json& kept, const ordered_json& now, const std::string& what) const {
  for (const auto& [name, value] : now.items()) {
    const ordered_json before = kept.value(name, ordered_json());
    if (before == value) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} has {} {} there, {} here; use the same options or another state file", path_, what,
                            name, shown(before), shown(value)));
  }
}

void ProtocolState::enter(const std::string& protocol, const ordered_json& conditions) {
  protocol_ = protocol;
  ordered_json& all = root_["protocols"];
  if (all.contains(protocol)) return compare(all[protocol]["conditions"], conditions, protocol);
  all[protocol] = {{"conditions", conditions},
                   {"settings", ordered_json::object()},
                   {"cases", ordered_json::object()},
                   {"results", ordered_json::array()}};
}

void ProtocolState::check_options(const Contestant& setting) {
  ordered_json options = ordered_json::parse(options_to_json(setting.options));
  options.erase("seed");  // every result carries its own
  ordered_json& settings = root_["protocols"][protocol_]["settings"];
  if (settings.contains(setting.key)) {
    // Under the names that options have now.
    const DetectorOptions theirs = options_from_json(settings[setting.key].dump(), DetectorOptions{});
    ordered_json kept = ordered_json::parse(options_to_json(theirs));
    kept.erase("seed");
    compare(kept, options, protocol_ + ", " + setting.name);
  } else {
    settings[setting.key] = options;
  }
}

bool ProtocolState::find(const Contestant& contestant, Measurement& wanted) const {
  for (const ordered_json& result : root_.at("protocols").at(protocol_).at("results")) {
    if (result.at("of") != contestant.key || result.at("case") != wanted.case_name ||
        result.at("seed") != wanted.seed || result.at("split") != wanted.split) {
      continue;
    }
    fill(wanted, result);
    return true;
  }
  return false;
}

std::optional<CaseSize> ProtocolState::size(const std::string& case_name) const {
  const ordered_json& cases = root_.at("protocols").at(protocol_).at("cases");
  if (!cases.contains(case_name)) return std::nullopt;
  return size_from(cases.at(case_name));
}

void ProtocolState::add(const Contestant& contestant, const Measurement& result, const CaseSize& size) {
  if (path_.empty()) return;
  ordered_json& protocol = root_["protocols"][protocol_];
  protocol["cases"][result.case_name] = as_object(size);
  protocol["results"].push_back(as_object(contestant, result));
  write_file_atomically(path_, [&](const auto& append) { append(root_.dump(1) + '\n'); });
}

}  // namespace cugad::cli
