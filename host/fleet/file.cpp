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
/// Version 1 has seeds by position, version 2 by name, and both the groups in the metadata.
constexpr int format_version = 3, version_by_position = 1, last_version_with_names_in_text = 2;
constexpr const char *seed_by_name = "name", *seed_by_position = "position";
constexpr const char* precision_key = "precision";
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

/// The groups of versions 1 and 2.
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

safetensors::File Fleet::Impl::to_file(const ModelStack& models) const {
  safetensors::File file = models.file([&](std::int64_t model) { return path_of(model); });
  add_prefixed(file.tensors, pooled_prefix, pooled.tensors);
  add_prefixed(file.metadata, pooled_prefix, pooled.metadata);
  groups.add_to(file);
  auto& metadata = file.metadata;
  metadata["format"] = format_name;
  metadata["format_version"] = std::to_string(format_version);
  metadata["group_seed"] = fleet_options.group_seed == GroupSeed::name ? seed_by_name : seed_by_position;
  metadata["library_version"] = CUGAD_VERSION;
  metadata["seed"] = std::to_string(options.seed);
  metadata["minimum_rows"] = std::to_string(fleet_options.minimum_rows);
  metadata["pooled_rows"] = std::to_string(fleet_options.pooled_rows);
  if (precision != Precision::fp32) metadata[precision_key] = name_of(precision);
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
  const std::int64_t version = whole("format_version", 1);
  const std::string seed = version == version_by_position ? seed_by_position : reader.text("group_seed");
  if (seed != seed_by_name && (seed != seed_by_position || version == last_version_with_names_in_text)) {
    reader.refuse("'group_seed' is '" + seed + "', expected '" + seed_by_name + "'");
  }
  fleet_options.group_seed = seed == seed_by_name ? GroupSeed::name : GroupSeed::position;
  precision = reader.has(precision_key) ? reader.precision(precision_key) : Precision::fp32;
  groups = version > last_version_with_names_in_text ? GroupTable::take(file, path) : GroupTable(read_groups(reader));
  attachments = take_prefixed(file.metadata, attachment_prefix);
  pooled.tensors = take_prefixed(file.tensors, pooled_prefix);
  pooled.metadata = take_prefixed(file.metadata, pooled_prefix);
}

safetensors::File Fleet::Impl::to_save() const {
  require_fitted();
  const ModelStack changed = threshold_options ? rethresholded() : ModelStack(0);
  const ModelStack& models = threshold_options ? changed : *stack;
  safetensors::File file = to_file(models);
  if (models.count() > 0) file.tensors[ModelStack::checksums_name] = models.checksums();
  return file;
}

ModelStack Fleet::Impl::rethresholded() const {
  ModelStack changed = stack->in_memory([&](std::int64_t model) { return path_of(model); });
  std::vector<double> own;
  for (std::int64_t model = 0; model < stack->count(); ++model) own.push_back(settings_of(model).threshold);
  if (!own.empty()) changed.replace("threshold", std::move(own), options_to_json(structure->resolved));
  return changed;
}

void Fleet::Impl::from_file(std::shared_ptr<const safetensors::OpenFile> opened, const std::string& file_path) {
  safetensors::File file;
  file.metadata = opened->metadata();
  for (const auto& [name, entry] : opened->tensors()) {
    const bool is_needed = name.starts_with(pooled_prefix) || name.starts_with(GroupTable::prefix);
    if (is_needed) file.tensors[name] = opened->read(entry);
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
  const std::int64_t models = groups.models();
  stack = std::make_unique<ModelStack>(ModelStack::of(std::move(opened), path, models));
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
  structure.reset();
  if (stack->count() > 0) {
    stack->parse_texts(file_path);
    structure = std::make_unique<Detector::Impl>(device, DetectorOptions{});
    const ModelStack::Model first = stack->model(0, path_of(0), false);
    structure->read_structure(Reader(first.file, file_path, &first.numbers), first.file);
    if (threshold_options) {
      structure->resolved.contamination = threshold_options->contamination;
      structure->resolved.false_alarm_rate = threshold_options->false_alarm_rate;
    }
    categories = first.numbers.of(categories_key);
    if (structure->names != names || common_options(structure->resolved) != common_options(resolved)) {
      throw Error(ErrorCode::format,
                  file_path + ": the models of the groups have other columns or options than the pooled model");
    }
    resolved = structure->resolved;  // all groups share their options
  }
  resolved.seed = options.seed;
  if (!std::exchange(listed, {}).empty()) list_groups();
}

void Fleet::Impl::rethreshold(float contamination, float false_alarm_rate) {
  require_fitted();
  Detector::Impl settings = settings_of(pooled_model);
  settings.rethreshold(contamination, false_alarm_rate);
  if (stack->count() > 0) settings_of(0).rethreshold(contamination, false_alarm_rate);  // which throws as others would
  threshold_options = settings.resolved;
  pooled.metadata["threshold"] = Json(settings.threshold).dump();
  pooled.metadata["options"] = options_to_json(settings.resolved);
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
