#include "cugad/shards.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/held.hpp"
#include "host/detector/model_reader.hpp"
#include "host/fleet/impl.hpp"
#include "host/fleet/keys.hpp"
#include "host/fleet/part_file.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr int telemetry_values = 8;
constexpr const char* rows_tensor = "rows";

/// Models [first, first + count) of a population.
struct ModelRange {
  std::int64_t first = 0, count = 0;
};

ModelRange range_of(const Shard& shard, std::int64_t models) {
  const std::int64_t first = models * (shard.number - 1) / shard.count;
  return {first, models * shard.number / shard.count - first};
}

/// Models that a detector trains for each of its methods with networks.
std::int64_t models_of_training(const DetectorOptions& options) {
  return trains_networks(options) ? options.population : 0;
}

std::size_t trained_methods(const DetectorOptions& options) {
  const std::vector<Method> methods = methods_of(options);
  return static_cast<std::size_t>(
      std::count_if(methods.begin(), methods.end(), [](Method one) { return definition_of(one).trains(); }));
}

std::string tensor_name(std::size_t method, const std::string& what) { return std::to_string(method) + "." + what; }

void add_models(safetensors::File& file, const TrainedModels& trained) {
  for (std::size_t i = 0; i < trained.methods.size(); ++i) {
    const TrainedModels::OfMethod& method = trained.methods[i];
    const auto models = static_cast<std::int64_t>(method.telemetry.size());
    for (const auto& [role, values] : method.weights) {
      file.tensors[tensor_name(i, name_of(role))] = {
          .shape = {models, static_cast<std::int64_t>(values.size()) / models}, .f32 = values, .f64 = {}};
    }
    safetensors::Tensor& told = file.tensors[tensor_name(i, "telemetry")];
    told.shape = {models, telemetry_values};
    for (const ModelTelemetry& t : method.telemetry) {
      told.f32.insert(told.f32.end(), {t.discriminator_loss, t.generator_loss, t.real_probability, t.fake_probability,
                                       t.discriminator_gradient, t.generator_gradient,
                                       static_cast<float>(t.restorations), t.resting ? 1.0f : 0.0f});
    }
  }
}

/// So many models of a part, of each method that trains.
TrainedModels models_of(const PartFile& part, std::int64_t models, std::size_t methods) {
  TrainedModels trained;
  trained.methods.resize(methods);
  const auto tensor = [&](const std::string& name, const std::vector<std::int64_t>& shape) -> const auto& {
    const auto found = part.file.tensors.find(name);
    if (found == part.file.tensors.end() || found->second.f32.empty() || found->second.shape.size() != 2 ||
        found->second.shape[0] != shape[0] || (shape[1] > 0 && found->second.shape[1] != shape[1])) {
      part.refuse("tensor '" + name + "' is missing or not that of " + std::to_string(models) + " models");
    }
    return found->second.f32;
  };
  for (std::size_t i = 0; i < trained.methods.size(); ++i) {
    TrainedModels::OfMethod& method = trained.methods[i];
    for (const Role role : all_roles) {
      const std::string name = tensor_name(i, name_of(role));
      if (!part.file.tensors.contains(name)) continue;  // set_weights() says which are needed
      const std::vector<float>& values = tensor(name, {models, 0});
      if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
        part.refuse("tensor '" + name + "' has a value that is not finite");
      }
      method.weights[role] = values;
    }
    const std::vector<float>& told = tensor(tensor_name(i, "telemetry"), {models, telemetry_values});
    for (std::int64_t m = 0; m < models; ++m) {
      const float* t = told.data() + m * telemetry_values;
      const int restorations = t[6] >= 0.0f && t[6] <= 1e6f ? static_cast<int>(t[6]) : 0;
      method.telemetry.push_back({t[0], t[1], t[2], t[3], t[4], t[5], restorations, t[7] == 1.0f});
    }
  }
  return trained;
}

void add_rows(safetensors::File& file, MatrixView<const float> rows) {
  safetensors::Tensor& tensor = file.tensors[rows_tensor];
  tensor.shape = {rows.rows, rows.columns};
  for (std::int64_t r = 0; r < rows.rows; ++r)
    tensor.f32.insert(tensor.f32.end(), rows.row(r), rows.row(r) + rows.columns);
}

/// The training of the first part, which has its rows; they stay in the part.
ShardedTraining training_of(const PartFile& first, const DetectorOptions& options) {
  ShardedTraining training{.options = options, .rows = {}};
  const Reader reader(first.file, first.path);
  const auto found = first.file.tensors.find(rows_tensor);
  if (found == first.file.tensors.end() || found->second.shape.size() != 2 || found->second.f32.empty()) {
    first.refuse("it holds no training rows, which the first part has");
  }
  const safetensors::Tensor& rows = found->second;
  training.rows = {rows.f32.data(), rows.shape[0], rows.shape[1]};
  Json columns;
  const TakenApart parts(columns);
  reader.json("part.columns", columns);
  if (!columns.is_array()) first.refuse("'part.columns' is no list of names");
  for (const Json& name : columns) {
    if (!name.is_string()) first.refuse("'part.columns' has an entry that is no text");
    training.columns.names.push_back(name.get<std::string>());
  }
  Json binary;
  const TakenApart binary_parts(binary);
  reader.json("part.binary", binary);
  if (!binary.is_number_unsigned()) first.refuse("'part.binary' is no number of columns");
  training.columns.binary = binary.get<std::int64_t>();
  const std::string prefix = attachment_prefix_of_parts;
  for (const auto& [key, text] : first.file.metadata) {
    if (key.starts_with(prefix)) training.attachments[key.substr(prefix.size())] = text;
  }
  return training;
}

/// The device in the precision of the parts, by which a detector is calibrated.
Device with_precision_of(const PartFile& part, const Device& device) {
  const Precision precision = Reader(part.file, part.path).precision("part.precision");
  if (device.precision() != Precision::fp32 && device.precision() != precision) {
    part.refuse(std::string("trained with precision = ") + name_of(precision) + ", and to be merged with " +
                name_of(device.precision()));
  }
  return device.with_precision(precision);
}

PartContents fit_models(const Device& device, const ShardedTraining& training, const Shard& shard,
                        const std::string& path, const FitControl& control, const auto& train) {
  const std::int64_t population = models_of_training(training.options);
  if (population < shard.count) {
    throw Error(ErrorCode::invalid_argument,
                population == 0 ? "method '" + get_option(training.options, "method") +
                                      "' trains no networks, so that there is nothing to divide into shards"
                                : "option 'population' is " + std::to_string(population) + ": expected at most " +
                                      std::to_string(population) + " shards, not " + std::to_string(shard.count));
  }
  const ModelRange range = range_of(shard, population);
  const TrainedModels trained = train(range.first, range.count);
  safetensors::File file;
  add_models(file, trained);
  if (shard.number == 1) {
    add_rows(file, training.rows);
    if (control.on_message) {
      control.on_message(
          "the first part keeps all " + std::to_string(training.rows.rows) +
          " training rows, from which the merged model is calibrated: whoever has the file can read them");
    }
  }
  Json names;
  const TakenApart parts(names);
  put_list(names, training.columns.names);
  file.metadata["part.columns"] = names.is_null() ? "[]" : names.dump();
  file.metadata["part.binary"] = std::to_string(training.columns.binary);
  for (const auto& [name, text] : training.attachments) file.metadata[attachment_prefix_of_parts + name] = text;
  mark_as_part(file, device, training, shard);
  safetensors::write(path, file);
  return {.shard = shard, .groups = 0, .models = range.count * static_cast<std::int64_t>(trained.methods.size())};
}

}  // namespace

TrainedModels Fleet::Impl::train_models(const Device& device, const ShardedTraining& training, std::int64_t first,
                                        std::int64_t count, const FitControl& control) {
  Detector detector(device, training.options);
  detector.impl_->attachments = training.attachments;
  return detector.impl_->train(training.rows, training.columns, first, count, control);
}

safetensors::File Fleet::Impl::file_of_models(const Device& device, const ShardedTraining& training,
                                              const TrainedModels& trained, const FitControl& control) {
  Detector detector(device, training.options);
  detector.impl_->attachments = training.attachments;
  detector.impl_->fit(training.rows, training.columns, control, &trained);
  return detector.impl_->to_save();
}

/// Into fleets it may look.
class ShardedFit {
 public:
  static PartContents fit(const Device& device, const ShardedTraining& training, const Shard& shard,
                          const std::string& path, const FitControl& control) {
    if (training.groups.empty()) {
      return fit_models(device, training, shard, path, control, [&](std::int64_t first, std::int64_t count) {
        return Fleet::Impl::train_models(device, training, first, count, control);
      });
    }
    Fleet::Impl fleet(device, training.options, training.fleet_options);
    fleet.attachments = training.attachments;
    fleet.fit(training.rows, training.groups, training.columns, control, shard);
    safetensors::File file = fleet.to_file(*fleet.stack);
    mark_as_part(file, device, training, shard);
    safetensors::write(path, file);
    const std::int64_t own = fleet.stack->count();
    return {.shard = shard, .groups = own, .models = (own + (shard.number == 1)) * fleet.options.population};
  }

  static PartContents merge_models(const Device& device, std::vector<PartFile> parts, const DetectorOptions& options,
                                   const std::string& output, const FitControl& control) {
    TrainedModels trained;
    const std::int64_t population = models_of_training(options);
    for (const PartFile& part : parts) {
      trained.append(models_of(part, range_of(part.shard, population).count, trained_methods(options)));
    }
    const ShardedTraining training = training_of(parts.front(), options);
    safetensors::write(output, Fleet::Impl::file_of_models(device, training, trained, control));
    return {.shard = {}, .groups = 0, .models = population * static_cast<std::int64_t>(trained.methods.size())};
  }

  static PartContents merge_groups(const Device& device, std::vector<PartFile> parts, DetectorOptions options,
                                   const std::string& output) {
    if (!trains_networks(options)) options.population = 1;
    Fleet::Impl fleet(device, options, {});
    struct Place {
      FleetGroup group;
      std::size_t part;
      std::int64_t number;  ///< among the models of the part
    };
    std::vector<Place> places;
    std::vector<std::int64_t> models(parts.size(), 0);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      Fleet::Impl one(device, options, {});
      one.take_groups(parts[p].file, parts[p].path);
      for (std::int64_t g = 0; g < one.groups.count(); ++g) {
        FleetGroup group{.name = std::string(one.groups.name(g)), .rows = one.groups.rows(g)};
        if (!holds(parts[p].shard, group.name)) {
          parts[p].refuse("group '" + one_line(group.name) + "' belongs to another shard");
        }
        const std::int64_t number = one.groups.model_of(g);
        group.own_model = number != GroupTable::none;
        models[p] += group.own_model;
        places.push_back({std::move(group), p, number});
      }
      if (p > 0) continue;
      fleet.fleet_options = one.fleet_options;
      fleet.attachments = std::move(one.attachments);
      fleet.pooled = std::move(one.pooled);
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.group.name < b.group.name; });
    std::vector<FleetGroup> groups;
    for (const Place& place : places) groups.push_back(place.group);
    fleet.groups = GroupTable(groups);
    fleet.stack = std::make_unique<ModelStack>(std::accumulate(models.begin(), models.end(), std::int64_t{0}));
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const ModelStack own = ModelStack::take(parts[p].file, parts[p].path, models[p]);
      std::int64_t next = 0;
      for (const Place& place : places) {
        if (!place.group.own_model) continue;
        if (place.part == p) fleet.stack->put(next, own, place.number, parts[p].path);
        ++next;
      }
      parts[p].file = {};  // each group is held once
    }
    safetensors::write(output, fleet.to_save(), ModelStack::prefix);
    return {.shard = {},
            .groups = fleet.stack->count(),
            .models = (fleet.stack->count() + 1) * static_cast<std::int64_t>(options.population)};
  }
};

PartContents fit_part(const Device& device, const ShardedTraining& training, const Shard& shard,
                      const std::string& path, const FitControl& control) {
  const FloatingPointEnvironment environment;
  return ShardedFit::fit(device, training, shard, path, control);
}

PartContents merge_parts(const Device& device, std::span<const std::string> paths, const std::string& output,
                         const FitControl& control) {
  const FloatingPointEnvironment environment;
  std::vector<PartFile> parts = read_parts(paths, control);
  DetectorOptions options;
  try {
    options = options_from_json(parts.front().text("part.options"), DetectorOptions{});
    check_options(options);
  } catch (const Error& error) {
    parts.front().refuse("its options: " + std::string(error.what()));
  }
  const Device as_trained = with_precision_of(parts.front(), device);
  if (parts.front().is_fleet) return ShardedFit::merge_groups(as_trained, std::move(parts), options, output);
  return ShardedFit::merge_models(as_trained, std::move(parts), options, output, control);
}

}  // namespace cugad
