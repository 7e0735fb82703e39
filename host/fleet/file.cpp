#include <cmath>
#include <iterator>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/held.hpp"
#include "host/detector/model_reader.hpp"
#include "host/fleet/impl.hpp"
#include "host/floating_point.hpp"

namespace cugad {
namespace {

constexpr const char* format_name = "cugad fleet";
constexpr int format_version = 2, version_by_position = 1;  // older readers would take the wrong seeds
constexpr const char* pooled_prefix = "pooled.";
constexpr const char* attachment_prefix = "attachment.";
constexpr std::int64_t most_groups = std::int64_t{1} << 24;

template <class Map>
void add_prefixed(Map& to, const std::string& prefix, const Map& from) {
  for (const auto& [name, value] : from) to[prefix + name] = value;
}

/// Moves the entries whose names start with the prefix out of `from`.
template <class Map>
Map take_prefixed(Map& from, const std::string& prefix) {
  Map taken;
  for (auto at = from.begin(); at != from.end();) {
    const auto next = std::next(at);
    if (at->first.starts_with(prefix)) {
      auto node = from.extract(at);
      node.key() = node.key().substr(prefix.size());
      taken.insert(std::move(node));
    }
    at = next;
  }
  return taken;
}

std::vector<FleetGroup> read_groups(const Reader& reader) {
  Json names;
  const TakenApart names_parts(names);
  reader.json("groups", names);
  if (!names.is_array() || static_cast<std::int64_t>(names.size()) > most_groups) {
    reader.refuse("'groups' is no list of at most " + std::to_string(most_groups) + " names");
  }
  const auto count = static_cast<std::int64_t>(names.size());
  Json kept = Json::object();
  const TakenApart kept_parts(kept);
  reader.json("group_rows", kept["rows"]);
  reader.json("group_has_model", kept["own"]);
  const auto rows = reader.numbers<std::int64_t>(kept, "rows", count);
  const auto own = reader.numbers<std::uint8_t>(kept, "own", count);
  std::vector<FleetGroup> groups;
  for (std::size_t g = 0; g < names.size(); ++g) {
    if (!names[g].is_string() || names[g].get_ref<const std::string&>().empty()) {
      reader.refuse("'groups' has an entry that is no name");
    }
    groups.push_back({names[g].get<std::string>(), rows[g], own[g] != 0, 0.0f});
    if (g > 0 && !(groups[g - 1].name < groups[g].name)) reader.refuse("'groups' is not sorted");
    if (rows[g] < 1 || own[g] > 1) reader.refuse("'group_rows' or 'group_has_model' has an entry out of range");
  }
  return groups;
}

/// Options but for the seed and those that many distinct rows decide: the pooled model may have them where a group has
/// not.
std::string common_options(DetectorOptions options) {
  options.seed = 0;
  options.learning_rate = options.coverage = 0.0f;
  options.coverage_rows = options.bank_rows = 0;
  return options_to_json(options);
}

bool says_fleet(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second == format_name;
}

}  // namespace

safetensors::File Fleet::Impl::to_file() const {
  safetensors::File file = stack->file([&](std::int64_t model) { return path_of(model); });
  add_prefixed(file.tensors, pooled_prefix, pooled.tensors);
  add_prefixed(file.metadata, pooled_prefix, pooled.metadata);
  Json group_names = Json::array(), rows = Json::array(), own = Json::array();
  const TakenApart name_parts(group_names), row_parts(rows), own_parts(own);
  for (const FleetGroup& group : groups) {
    group_names.push_back(group.name);
    rows.push_back(group.rows);
    own.push_back(group.own_model ? 1 : 0);
  }
  auto& metadata = file.metadata;
  metadata["format"] = format_name;
  const bool is_by_name = fleet_options.group_seed == GroupSeed::name;
  metadata["format_version"] = std::to_string(is_by_name ? format_version : version_by_position);
  if (is_by_name) metadata["group_seed"] = "name";
  metadata["library_version"] = CUGAD_VERSION;
  metadata["seed"] = std::to_string(options.seed);
  metadata["groups"] = group_names.dump();
  metadata["group_rows"] = rows.dump();
  metadata["group_has_model"] = own.dump();
  metadata["minimum_rows"] = std::to_string(fleet_options.minimum_rows);
  metadata["pooled_rows"] = std::to_string(fleet_options.pooled_rows);
  for (const auto& [name, text] : attachments) metadata[attachment_prefix + name] = text;
  return file;
}

void Fleet::Impl::take_groups(safetensors::File& file, const std::string& file_path) {
  path = file_path;
  const Reader reader(file, path);
  const auto whole = [&](const char* key, std::int64_t least) {
    Json value;
    const TakenApart value_parts(value);
    reader.json(key, value);
    const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= least;
    if (!fits) reader.refuse("'" + std::string(key) + "' is no integer of at least " + std::to_string(least));
    return value.get<std::int64_t>();
  };
  fleet_options.minimum_rows = whole("minimum_rows", 1);
  fleet_options.pooled_rows = whole("pooled_rows", 1);
  const bool is_by_position = reader.text("format_version") == std::to_string(version_by_position);
  fleet_options.group_seed = is_by_position ? GroupSeed::position : GroupSeed::name;
  if (!is_by_position && reader.text("group_seed") != "name") {
    reader.refuse("'group_seed' is '" + reader.text("group_seed") + "', expected 'name'");
  }
  groups = read_groups(reader);
  attachments = take_prefixed(file.metadata, attachment_prefix);
  pooled.tensors = take_prefixed(file.tensors, pooled_prefix);
  pooled.metadata = take_prefixed(file.metadata, pooled_prefix);
}

safetensors::File Fleet::Impl::to_save() const {
  require_fitted();
  safetensors::File file = to_file();
  if (stack->count() > 0) file.tensors[ModelStack::checksums_name] = stack->checksums();
  return file;
}

void Fleet::Impl::from_file(std::shared_ptr<const safetensors::OpenFile> opened, const std::string& file_path) {
  safetensors::File file;
  file.metadata = opened->metadata();
  for (const auto& [name, entry] : opened->tensors()) {
    if (name.starts_with(pooled_prefix)) file.tensors[name] = opened->read(entry);
  }
  const Reader reader(file, file_path);
  if (reader.text("format") != format_name) {
    reader.refuse("format is '" + reader.text("format") + "', expected '" + format_name + "'");
  }
  reader.check_version(format_version);
  Json seed;
  const TakenApart seed_parts(seed);
  reader.json("seed", seed);
  if (!seed.is_number_unsigned()) reader.refuse("'seed' is no integer");
  take_groups(file, file_path);
  Detector::Impl settings(device, {});
  settings.read_settings(pooled, path);
  options = settings.options;
  options.seed = seed.get<std::uint64_t>();
  stack = std::make_unique<ModelStack>(ModelStack::of(std::move(opened), path, seeds_of(groups)));
  read_settings(path);
  options = resolved;
  // The shapes of all tensors: those of the other groups are the same.
  make(pooled_model);
  if (stack->count() > 0) make(0);
}

void Fleet::Impl::read_settings(const std::string& file_path) {
  Detector::Impl settings(device, {});
  settings.read_settings(pooled, file_path);
  pooled_threshold = settings.threshold;
  names = settings.names;
  resolved = settings.resolved;
  group_number.clear();
  model_number.clear();
  group_of_model.clear();
  for (FleetGroup& group : groups) {
    const auto number = static_cast<std::int64_t>(group_number.size());
    group_number.emplace(group.name, number);
    model_number.push_back(group.own_model ? static_cast<std::int64_t>(group_of_model.size()) : pooled_model);
    if (group.own_model) group_of_model.push_back(number);
    group.threshold = pooled_threshold;
  }
  structure.reset();
  if (!group_of_model.empty()) {
    stack->parse_texts(file_path);
    structure = std::make_unique<Detector::Impl>(device, DetectorOptions{});
    const ModelStack::Model first = stack->model(0, path_of(0), false);
    structure->read_structure(Reader(first.file, file_path, &first.numbers), first.file);
    categories = first.numbers.of(categories_key);
    if (structure->names != names || common_options(structure->resolved) != common_options(resolved)) {
      throw Error(ErrorCode::format,
                  file_path + ": the models of the groups have other columns or options than the pooled model");
    }
    resolved = structure->resolved;  // all groups share their options
    const std::vector<double> thresholds = stack->numbers_of("threshold", file_path);
    for (std::size_t m = 0; m < thresholds.size(); ++m) {
      FleetGroup& group = groups[static_cast<std::size_t>(group_of_model[m])];
      group.threshold = static_cast<float>(thresholds[m]);
      if (std::isfinite(group.threshold)) continue;
      throw Error(ErrorCode::format, path_of(static_cast<std::int64_t>(m)) + ": 'threshold' is no finite number");
    }
  }
  resolved.seed = options.seed;
}

void Fleet::Impl::rethreshold(float contamination, float false_alarm_rate) {
  require_fitted();
  const auto change = [&](safetensors::File& file) {
    Detector::Impl settings(device, {});
    settings.read_settings(file, path);
    settings.rethreshold(contamination, false_alarm_rate);
    file.metadata["threshold"] = Json(settings.threshold).dump();
    file.metadata["options"] = options_to_json(settings.resolved);
  };
  safetensors::File changed_pooled = pooled;
  change(changed_pooled);
  auto changed = std::make_unique<ModelStack>(stack->seeds());
  for (std::int64_t i = 0; i < stack->count(); ++i) {
    safetensors::File file = stack->get(i, path);
    change(file);
    changed->put(i, file);
  }
  pooled = std::move(changed_pooled);
  stack = std::move(changed);
  scorers.clear();
  ready_pooled.reset();
  read_settings(path);
}

void Fleet::set_contamination(float contamination) {
  const FloatingPointEnvironment environment;
  held(impl_).rethreshold(contamination, 0.0f);
}
void Fleet::set_false_alarm_rate(float rate) {
  const FloatingPointEnvironment environment;
  if (rate == 0.0f) throw Error(ErrorCode::invalid_argument, "false_alarm_rate is 0, expected more than that");
  held(impl_).rethreshold(0.0f, rate);
}

void Fleet::save(const std::string& path) const {
  const FloatingPointEnvironment environment;
  safetensors::write(path, held(impl_).to_save(), ModelStack::prefix);
}

std::vector<std::byte> Fleet::save() const {
  const FloatingPointEnvironment environment;
  return safetensors::to_bytes(held(impl_).to_save(), ModelStack::prefix);
}

Fleet Fleet::load(const Device& device, const std::string& path) {
  const FloatingPointEnvironment environment;
  Fleet fleet(device, DetectorOptions{});
  fleet.impl_->from_file(std::make_shared<safetensors::OpenFile>(path), path);
  return fleet;
}

Fleet Fleet::load(const Device& device, std::span<const std::byte> bytes) {
  const FloatingPointEnvironment environment;
  Fleet fleet(device, DetectorOptions{});
  fleet.impl_->from_file(std::make_shared<safetensors::OpenFile>(bytes), safetensors::in_memory);
  return fleet;
}

bool Fleet::is_fleet(const std::string& path) { return says_fleet(safetensors::read_metadata(path)); }
bool Fleet::is_fleet(std::span<const std::byte> bytes) { return says_fleet(safetensors::read_metadata(bytes)); }

}  // namespace cugad
