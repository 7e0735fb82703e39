#include "host/fleet/group_fit.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/model_rows.hpp"
#include "host/fleet/pooled_sample.hpp"
#include "host/methods/methods.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {
namespace {

/// Bounds of a concurrent training: models, and floats of their rows.
constexpr std::int64_t block_models = 256, block_cells = std::int64_t{16} << 20;
/// Weights of the models of images that train concurrently, with what the optimiser keeps: 1 GiB.
constexpr std::int64_t block_weights = std::int64_t{1} << 30;

std::string fingerprint_of(const FleetRows& rows, const DetectorOptions& options, const FitControl& control,
                           const GroupsToFit& own, const FleetOptions& fleet_options, Precision precision) {
  Fingerprint fingerprint;
  if (control.checkpoint_directory.empty()) return "";
  fingerprint.add(options_to_hash(options));
  fingerprint.add(rows.rows);
  fingerprint.add(static_cast<std::uint64_t>(rows.fit_columns.numeric));
  fingerprint.add(static_cast<std::uint64_t>(fleet_options.pooled_rows));
  for (const std::string& name : rows.columns.names) fingerprint.add(name);
  // Older versions have checkpoints by position.
  if (fleet_options.group_seed == GroupSeed::name) fingerprint.add("name");
  if (precision != Precision::fp32) fingerprint.add(name_of(precision));
  for (const std::string& group : own.names) {
    fingerprint.add(group);
    for (const std::int64_t row : rows.of_group.at(group)) fingerprint.add(static_cast<std::uint64_t>(row));
  }
  return fingerprint.text();
}

/// The rows of a block's models.
struct BlockRows {
  Matrix rows, incomplete;  ///< as in PreparedRows
  ModelRows models;
};

BlockRows join(const std::vector<PreparedRows>& prepared, const DetectorOptions& options,
               std::span<const std::uint64_t> seeds) {
  BlockRows block;
  std::int64_t total = 0;
  for (const PreparedRows& one : prepared) total += one.training.rows;
  block.rows = Matrix(total, prepared.front().training.columns);
  const bool is_incomplete =
      std::any_of(prepared.begin(), prepared.end(), [](const PreparedRows& one) { return one.incomplete.rows > 0; });
  if (is_incomplete) block.incomplete = block.rows;
  std::int64_t next = 0;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    const PreparedRows& one = prepared[i];
    std::copy_n(one.training.row(0), one.training.rows * one.training.columns, block.rows.row(next));
    if (is_incomplete) {
      const StoredRows& own = one.incomplete.rows > 0 ? one.incomplete : one.training;
      std::copy_n(own.row(0), own.rows * own.columns, block.incomplete.row(next));
    }
    block.models.add(next, one.training_begin, options.population, options.fold, seeds[i]);
    next += one.training.rows;
  }
  return block;
}

}  // namespace

Fleet::Impl::Fit::Fit(Fleet::Impl& fleet, const FitControl& control, FleetRows rows, GroupsToFit own, bool has_pooled)
    : options_(fleet.options),
      fleet_options_(fleet.fleet_options),
      control_(control),
      rows_(std::move(rows)),
      own_(std::move(own)),
      detectors_(groups() + (has_pooled ? 1 : 0)),
      parts_(control, fingerprint_of(rows_, options_, control, own_, fleet_options_, fleet.device.precision())),
      devices_(fleet.device) {
  for (const DetectorOptions& one : options_of_methods(options_)) steps_ += definition_of(one.method).steps(one);
}

/// Watches a part of the fit with `models` models.
FitControl Fleet::Impl::Fit::control_of(const std::string& part, std::int64_t models) {
  FitControl control = control_;
  control.checkpoint_directory = parts_.running(part);
  control.on_message = {};  // thousands of models would report too much
  if (!control_.on_progress && devices_.count() == 1) return control;
  control.on_progress = [this, part, models](const FitProgress& progress) {
    if (devices_.failed()) throw Error(ErrorCode::cancelled, "another device's training failed");
    const std::lock_guard lock(mutex_);
    of_parts_[part] = progress.step * models;
    std::int64_t done = 0;
    for (const auto& [name, steps] : of_parts_) done += steps;
    if (control_.on_progress) {
      control_.on_progress(
          {.step = done, .steps = steps_ * options_.population * detectors_, .models = progress.models});
    }
  };
  return control;
}

void Fleet::Impl::Fit::done(const std::string& part, std::int64_t models) { of_parts_[part] = steps_ * models; }

safetensors::File Fleet::Impl::Fit::fit_pooled(const Device& device) {
  const std::string part = "pooled";
  std::optional<safetensors::File> file = parts_.load(part);
  if (!file) {
    Detector detector(device, options_);
    detector.impl_->options.seed += Fleet::pooled_seed_distance;
    Matrix sample;
    MatrixView<const float> rows = rows_.rows;
    if (rows.rows > fleet_options_.pooled_rows) {
      const std::int64_t most = fleet_options_.pooled_rows;
      const std::uint64_t seed = detector.impl_->options.seed;
      Context context = Device::open("cpu", device.threads()).make_context();
      sample =
          take_rows(rows, fleet_options_.group_seed == GroupSeed::name ? sample_by_content(rows, most, seed)
                                                                       : sample_of(context, rows.rows, most, seed));
      rows = std::as_const(sample).view();
    }
    detector.fit(rows, rows_.columns, control_of(part, options_.population));
    file = detector.impl_->to_file();
    const std::lock_guard lock(mutex_);
    parts_.save(part, *file);
  }
  const std::lock_guard lock(mutex_);
  done(part, options_.population);
  return std::move(*file);
}

/// Fewer models with large networks, which convolutions of images have. No model depends on those beside it.
std::int64_t Fleet::Impl::Fit::models_of_block() const {
  if (!options_.image) return block_models;
  std::int64_t largest = 1;
  for (const DetectorOptions& one : options_of_methods(resolve(options_, 1, rows_.rows.columns, 1))) {
    const MethodDefinition& method = definition_of(one.method);
    if (!method.trains()) continue;
    const std::size_t weights =
        least_memory(method.networks(one, rows_.rows.columns, 0), 0, weight_copies(one)).weights;
    largest = std::max(largest, static_cast<std::int64_t>(weights));
  }
  return std::min(block_models, std::max<std::int64_t>(1, block_weights / largest));
}

std::vector<Fleet::Impl::Fit::Block> Fleet::Impl::Fit::blocks() const {
  // Every device gets a block, if there are as many groups.
  const std::int64_t share = (groups() * options_.population + devices_.count() - 1) / devices_.count();
  const std::int64_t most_models = std::min(models_of_block(), share);
  std::vector<Block> blocks;
  std::int64_t cells = 0;
  for (std::int64_t g = 0; g < groups(); ++g) {
    const std::int64_t more = static_cast<std::int64_t>(rows_of(g).size()) * rows_.rows.columns;
    if (blocks.empty() || (blocks.back().count + 1) * options_.population > most_models || cells + more > block_cells) {
      blocks.push_back({.first = g, .count = 0});
      cells = 0;
    }
    ++blocks.back().count;
    cells += more;
  }
  return blocks;
}

/// Where the number of devices decides on the blocks, their groups name them: another number goes on from those alike.
std::string Fleet::Impl::Fit::name_of_block(Block block, std::int64_t number) const {
  return "block-" + (devices_.count() == 1 ? std::to_string(number)
                                           : std::to_string(block.first) + "-" + std::to_string(block.count));
}

Fleet::Impl::Fit::Fitted Fleet::Impl::Fit::run() {
  Fitted fitted{.pooled = {}, .groups = std::make_unique<ModelStack>(groups())};
  const std::vector<Block> all_blocks = blocks();
  const std::int64_t pooled = detectors_ - groups();  // it comes first, if there is one
  devices_.run(pooled + std::ssize(all_blocks), [&](const Device& device, std::int64_t i) {
    if (i < pooled) {
      fitted.pooled = fit_pooled(device);
      return;
    }
    const Block block = all_blocks[static_cast<std::size_t>(i - pooled)];
    const std::string part = name_of_block(block, i - pooled);
    std::optional<safetensors::File> file = parts_.load(part);
    ModelStack stack(block.count);
    if (file) {
      stack = ModelStack::take(*file, control_.checkpoint_directory + "/" + part, block.count);
    } else {
      stack = fit_block(device, block, control_of(part, block.count * options_.population));
    }
    const std::lock_guard lock(mutex_);
    if (!file && !control_.checkpoint_directory.empty()) {
      parts_.save(part, stack.file([&](std::int64_t) { return part; }));
    }
    for (std::int64_t g = 0; g < block.count; ++g) fitted.groups->put(block.first + g, stack, g, part);
    done(part, block.count * options_.population);
  });
  report_counts(fitted.groups->count());
  return fitted;
}

void Fleet::Impl::Fit::report_counts(std::int64_t models) const {
  if (restored_ > 0) {
    report(std::to_string(restored_) + " of " + std::to_string(models * options_.population) +
           " models diverged or collapsed on the way and went back to their last good state");
  }
  if (trimmed_ > 0) {
    report(
        std::to_string(trimmed_) +
        " training rows of the groups are left out as the most surprising ones of theirs (trim), and calibrate only");
  }
  if (unpromised_ > 0) {
    report(std::to_string(unpromised_) + " of " + std::to_string(models) +
           " groups have too few rows for the requested threshold: theirs is put beyond the largest score of rows that "
           "are new to their models");
  }
}

std::vector<PreparedRows> Fleet::Impl::Fit::prepare(const Device& device, Block block) {
  std::vector<PreparedRows> prepared(static_cast<std::size_t>(block.count));
  cpu::parallel_ranges(device.threads(), block.count, [&](int, std::int64_t begin, std::int64_t end) {
    Context context = Device::open("cpu", 1).make_context();
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t g = block.first + i;
      try {
        const Matrix own = take_rows(rows_.rows, rows_of(g));
        prepared[static_cast<std::size_t>(i)] = prepare_rows(context, own.view(), options_of(g), rows_.fit_columns, {});
      } catch (const Error& error) {
        throw Error(error.code(), "group '" + own_.names[static_cast<std::size_t>(g)] + "': " + error.what());
      }
    }
  });
  return prepared;
}

/// All groups of a block as one population, then each group's detector of its models.
ModelStack Fleet::Impl::Fit::fit_block(const Device& device, Block block, const FitControl& control) {
  std::vector<PreparedRows> prepared = prepare(device, block);
  const BlockRows joined = join(prepared, options_, seeds_of(block));
  const std::int64_t condition = prepared.front().roles.condition, judged = joined.rows.columns - condition;
  DetectorOptions together = resolve(options_of(block.first), joined.rows.rows, judged);
  together.population = static_cast<int>(joined.models.models());
  const std::vector<DetectorOptions> of_methods = options_of_methods(together);
  std::vector<ReferenceRows> references(prepared.size());
  Context on_host = Device::open("cpu", device.threads()).make_context();
  for (std::int64_t i = 0; i < block.count && keeps_training_rows(together); ++i) {
    const DetectorOptions resolved = resolve(options_of(block.first + i), 0, judged);
    references[i] = reference_rows_of(on_host, std::as_const(prepared[i].training).view(), resolved);
  }
  std::int64_t trimmed = 0, restored = 0, unpromised = 0;
  for (PreparedRows& one : prepared) {
    trimmed += one.trimmed_rows;
    one.training = {};
    one.incomplete = {};
  }
  Context context = device.make_context();
  const ResidentRows resident(context, joined.rows.view());
  Arena arena(device.backend());
  const ResidentRows incomplete(context, joined.incomplete.view());
  const TrainingRows rows = joined.models.of(resident.view(), context, arena);

  const std::vector<std::int32_t> group = prepared.front().roles.group;
  std::vector<std::vector<std::unique_ptr<AnomalyModel>>> members(prepared.size());
  std::vector<std::vector<ModelTelemetry>> telemetry(prepared.size());
  std::int64_t steps_before = 0;
  for (const DetectorOptions& options : of_methods) {
    const MethodDefinition& method = definition_of(options.method);
    if (!method.trains()) {
      for (std::int64_t i = 0; i < block.count; ++i) {
        DetectorOptions own = options;
        own.seed = options_of(block.first + i).seed;
        members[i].push_back(make_model(device.with_threads(1), own, joined.rows.columns, condition, group));
        members[i].back()->set_reference_rows(std::move(references[i]));
      }
      continue;
    }
    TrainingRows own_rows = rows;
    if (method.judges_cells && joined.incomplete.rows > 0) own_rows.rows = incomplete.view();
    GanTraining training(device, method, options, own_rows, condition, group);
    training.run(of_methods.size() == 1 ? control : part_of(control, options, steps_before, of_methods));
    steps_before += training.steps();
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t first = i * options_.population;
      DetectorOptions own = options;
      own.population = options_.population;
      own.seed = options_of(block.first + i).seed;
      members[i].push_back(make_model(device.with_threads(1), own, joined.rows.columns, condition, group));
      members[i].back()->take_weights(training, first);
      const auto statistics = training.telemetry().begin() + first;
      telemetry[i].insert(telemetry[i].end(), statistics, statistics + options_.population);
    }
  }
  ModelStack stack(block.count);
  std::mutex mutex;
  cpu::parallel_ranges(models_at_a_time(device), block.count, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Detector::Impl detector(device.with_threads(1), options_of(block.first + i));
      DetectorOptions resolved = resolve(detector.options, 0, judged);
      detector.chunk_limit = chunk_rows;
      detector.finish(resolved, std::move(members[i]), std::move(prepared[i]));
      detector.telemetry = std::move(telemetry[i]);
      detector.names = rows_.columns.names;
      const safetensors::File file = detector.to_file();
      const std::lock_guard lock(mutex);
      for (const ModelTelemetry& model : detector.telemetry) restored += model.restorations > 0;
      unpromised += !threshold_note(detector.calibration->count(), resolved).empty();
      stack.put(i, file);
    }
  });
  const std::lock_guard lock(mutex_);
  trimmed_ += trimmed;
  restored_ += restored;
  unpromised_ += unpromised;
  return stack;
}

}  // namespace cugad
