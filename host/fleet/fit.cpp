#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/held.hpp"
#include "host/detector/model_rows.hpp"
#include "host/fleet/checkpoint.hpp"
#include "host/fleet/impl.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/text/cell.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {
namespace {

/// Bounds of a concurrent training: models, and floats of their rows.
constexpr std::int64_t block_models = 256, block_cells = std::int64_t{16} << 20;
/// Weights of the models of images that train concurrently, with what the optimiser keeps: 1 GiB.
constexpr std::int64_t block_weights = std::int64_t{1} << 30;

/// Everything that a fit works on.
struct FleetRows {
  MatrixView<const float> rows;
  Columns columns;
  FitColumns fit_columns;
  std::map<std::string, std::vector<std::int64_t>> of_group;
};

/// Whether every column has a value in one of the rows.
bool is_complete(MatrixView<const float> rows, std::span<const std::int64_t> numbers) {
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    if (std::all_of(numbers.begin(), numbers.end(), [&](std::int64_t r) { return std::isnan(rows.row(r)[c]); }))
      return false;
  }
  return true;
}

std::map<std::string, std::vector<std::int64_t>> rows_of_groups(std::span<const std::string> groups) {
  std::map<std::string, std::vector<std::int64_t>> rows;
  for (std::size_t r = 0; r < groups.size(); ++r) rows[groups[r]].push_back(static_cast<std::int64_t>(r));
  for (const auto& [name, numbers] : rows) {
    if (is_utf8(name)) continue;  // as the model file needs it
    throw Error(ErrorCode::invalid_argument,
                "the group of row " + std::to_string(numbers.front()) + " is not valid UTF-8");
  }
  return rows;
}

/// All named groups, and which of them get models.
std::vector<FleetGroup> choose_groups(const FleetRows& rows, std::int64_t minimum_rows, const FitControl& control) {
  std::vector<FleetGroup> groups;
  std::int64_t own = 0, small = 0, small_rows = 0, incomplete = 0;
  for (const auto& [name, numbers] : rows.of_group) {
    if (name.empty()) continue;
    const auto count = static_cast<std::int64_t>(numbers.size());
    const bool enough = count >= minimum_rows, complete = enough && is_complete(rows.rows, numbers);
    groups.push_back({name, count, complete, 0.0f});
    own += complete;
    small += !enough;
    small_rows += enough ? 0 : count;
    incomplete += enough && !complete;
  }
  if (!control.on_message) return groups;
  const auto counted = [](std::int64_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  };
  control.on_message(counted(own, "group") + " of " + std::to_string(groups.size()) + " have models of their own");
  if (small > 0) {
    control.on_message(counted(small, "group") + " with fewer than " + std::to_string(minimum_rows) + " rows (" +
                       counted(small_rows, "row") + " in all) will be scored by the pooled model");
  }
  if (incomplete > 0) {
    control.on_message(counted(incomplete, "group") +
                       " with a column without any value will be scored by the pooled model");
  }
  if (const auto none = rows.of_group.find(""); none != rows.of_group.end()) {
    control.on_message(counted(static_cast<std::int64_t>(none->second.size()), "row") +
                       " without a group train the pooled model only");
  }
  return groups;
}

/// Groups [first, first + count) of those with models.
struct Block {
  std::int64_t first = 0, count = 0;
};

std::string fingerprint_of(const FleetRows& rows, const DetectorOptions& options, const FitControl& control,
                           const std::vector<std::string>& own, std::int64_t pooled_rows) {
  Fingerprint fingerprint;
  if (control.checkpoint_directory.empty()) return "";
  fingerprint.add(options_to_hash(options));
  fingerprint.add(rows.rows);
  fingerprint.add(static_cast<std::uint64_t>(rows.fit_columns.numeric));
  fingerprint.add(static_cast<std::uint64_t>(pooled_rows));
  for (const std::string& name : rows.columns.names) fingerprint.add(name);
  for (const std::string& group : own) {
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

BlockRows join(const std::vector<PreparedRows>& prepared, const DetectorOptions& options) {
  BlockRows block;
  std::int64_t total = 0;
  for (const PreparedRows& one : prepared) total += one.training.rows;
  block.rows = Matrix(total, prepared.front().training.columns);
  const bool is_incomplete =
      std::any_of(prepared.begin(), prepared.end(), [](const PreparedRows& one) { return one.incomplete.rows > 0; });
  if (is_incomplete) block.incomplete = block.rows;
  std::int64_t next = 0;
  for (const PreparedRows& one : prepared) {
    std::copy(one.training.data.begin(), one.training.data.end(), block.rows.row(next));
    if (is_incomplete) {
      const Matrix& own = one.incomplete.rows > 0 ? one.incomplete : one.training;
      std::copy(own.data.begin(), own.data.end(), block.incomplete.row(next));
    }
    block.models.add(next, one.training_begin, options.population, options.fold);
    next += one.training.rows;
  }
  return block;
}

}  // namespace

/// One fit: the pooled model, then block after block.
class Fleet::Impl::Fit {
 public:
  Fit(Fleet::Impl& fleet, const FitControl& control, FleetRows rows, std::vector<std::string> own);
  safetensors::File fit_pooled();
  std::unique_ptr<ModelStack> fit_groups();

 private:
  DetectorOptions options_of(std::int64_t group) const {
    DetectorOptions options = options_;
    options.seed += static_cast<std::uint64_t>(group * options.population);
    return options;
  }
  std::span<const std::int64_t> rows_of(std::int64_t group) const {
    return rows_.of_group.at(own_[static_cast<std::size_t>(group)]);
  }
  ModelStack stack_of(Block block) const {
    return {block.count, options_of(block.first).seed, static_cast<std::uint64_t>(options_.population)};
  }
  std::int64_t models_of_block() const;
  std::vector<Block> blocks() const;
  ModelStack fit_block(Block block, const FitControl& control);
  std::vector<PreparedRows> prepare(Block block);
  FitControl control_of(const std::string& part, std::int64_t models) const;
  void done(std::int64_t models) { steps_before_ += steps_ * models; }
  void report(const std::string& text) const {
    if (control_.on_message) control_.on_message(text);
  }

  Device device_;
  DetectorOptions options_;
  std::int64_t pooled_rows_;
  const FitControl& control_;
  FleetRows rows_;
  std::vector<std::string> own_;  ///< names of the groups with models
  Parts parts_;
  std::int64_t steps_ = 0;         ///< of one model
  std::int64_t steps_before_ = 0;  ///< of all models that are finished
  std::int64_t restored_ = 0;      ///< models that diverged on the way
  std::int64_t trimmed_ = 0;       ///< training rows of groups that option trim leaves out
  std::int64_t unpromised_ = 0;    ///< groups with too few rows for the requested threshold
  Context context_;
};

Fleet::Impl::Fit::Fit(Fleet::Impl& fleet, const FitControl& control, FleetRows rows, std::vector<std::string> own)
    : device_(fleet.device),
      options_(fleet.options),
      pooled_rows_(fleet.fleet_options.pooled_rows),
      control_(control),
      rows_(std::move(rows)),
      own_(std::move(own)),
      parts_(control, fingerprint_of(rows_, options_, control, own_, pooled_rows_)),
      context_(Device::open("cpu", device_.threads()).make_context()) {
  for (const DetectorOptions& one : options_of_methods(options_)) steps_ += definition_of(one.method).steps(one);
}

/// Watches a part of the fit with `models` models.
FitControl Fleet::Impl::Fit::control_of(const std::string& part, std::int64_t models) const {
  FitControl control = control_;
  control.checkpoint_directory = parts_.running(part);
  control.on_message = {};  // thousands of models would report too much
  if (!control_.on_progress) return control;
  const std::int64_t before = steps_before_;
  const std::int64_t all = steps_ * options_.population * (1 + static_cast<std::int64_t>(own_.size()));
  control.on_progress = [this, models, before, all](const FitProgress& progress) {
    control_.on_progress({.step = before + progress.step * models, .steps = all, .models = progress.models});
  };
  return control;
}

safetensors::File Fleet::Impl::Fit::fit_pooled() {
  const std::string part = "pooled";
  std::optional<safetensors::File> file = parts_.load(part);
  if (!file) {
    Detector detector(device_, options_);
    detector.impl_->options.seed += Fleet::pooled_seed_distance;
    Matrix sample;
    MatrixView<const float> rows = rows_.rows;
    if (rows.rows > pooled_rows_) {
      sample =
          take_rows(rows, sample_of(context_, rows.rows, pooled_rows_, options_.seed + Fleet::pooled_seed_distance));
      rows = std::as_const(sample).view();
    }
    detector.fit(rows, rows_.columns, control_of(part, options_.population));
    file = detector.impl_->to_file();
    parts_.save(part, *file);
  }
  done(options_.population);
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

std::vector<Block> Fleet::Impl::Fit::blocks() const {
  const std::int64_t most_models = models_of_block();
  std::vector<Block> blocks;
  std::int64_t cells = 0;
  for (std::int64_t g = 0; g < static_cast<std::int64_t>(own_.size()); ++g) {
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

std::unique_ptr<ModelStack> Fleet::Impl::Fit::fit_groups() {
  auto all = std::make_unique<ModelStack>(stack_of({0, static_cast<std::int64_t>(own_.size())}));
  const std::vector<Block> all_blocks = blocks();
  for (std::size_t b = 0; b < all_blocks.size(); ++b) {
    const Block block = all_blocks[b];
    const std::string part = "block-" + std::to_string(b);
    std::optional<safetensors::File> file = parts_.load(part);
    ModelStack stack = stack_of(block);
    if (file) {
      stack = ModelStack::take(*file, control_.checkpoint_directory + "/" + part, block.count,
                               options_of(block.first).seed, static_cast<std::uint64_t>(options_.population));
    } else {
      stack = fit_block(block, control_of(part, block.count * options_.population));
      if (!control_.checkpoint_directory.empty()) parts_.save(part, stack.file());
    }
    for (std::int64_t i = 0; i < block.count; ++i) {
      all->put(block.first + i, stack.get(i, control_.checkpoint_directory + "/" + part));
    }
    done(block.count * options_.population);
  }
  if (restored_ > 0) {
    report(std::to_string(restored_) + " of " + std::to_string(all->count() * options_.population) +
           " models diverged or collapsed on the way and went back to their last good state");
  }
  if (trimmed_ > 0) {
    report(
        std::to_string(trimmed_) +
        " training rows of the groups are left out as the most surprising ones of theirs (trim), and calibrate only");
  }
  if (unpromised_ > 0) {
    report(std::to_string(unpromised_) + " of " + std::to_string(all->count()) +
           " groups have too few rows for the requested threshold: theirs is put beyond the largest score of rows that "
           "are new to their models");
  }
  return all;
}

std::vector<PreparedRows> Fleet::Impl::Fit::prepare(Block block) {
  std::vector<PreparedRows> prepared(static_cast<std::size_t>(block.count));
  cpu::parallel_ranges(device_.threads(), block.count, [&](int, std::int64_t begin, std::int64_t end) {
    Context context = Device::open("cpu", 1).make_context();
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t g = block.first + i;
      try {
        const Matrix own = take_rows(rows_.rows, rows_of(g));
        prepared[static_cast<std::size_t>(i)] = prepare_rows(context, own.view(), options_of(g), rows_.fit_columns, {});
      } catch (const Error& error) {
        throw Error(error.code(), "group '" + own_[static_cast<std::size_t>(g)] + "': " + error.what());
      }
    }
  });
  return prepared;
}

/// All groups of a block as one population, then each group's detector of its models.
ModelStack Fleet::Impl::Fit::fit_block(Block block, const FitControl& control) {
  std::vector<PreparedRows> prepared = prepare(block);
  const BlockRows joined = join(prepared, options_);
  const std::int64_t condition = prepared.front().roles.condition, judged = joined.rows.columns - condition;
  DetectorOptions together = resolve(options_of(block.first), joined.rows.rows, judged);
  together.population = static_cast<int>(joined.models.models());
  const std::vector<DetectorOptions> of_methods = options_of_methods(together);
  std::vector<ReferenceRows> references(prepared.size());
  for (std::int64_t i = 0; i < block.count && keeps_training_rows(together); ++i) {
    const DetectorOptions resolved = resolve(options_of(block.first + i), 0, judged);
    references[i] = reference_rows_of(context_, prepared[i].training, resolved);
  }
  for (PreparedRows& one : prepared) {
    trimmed_ += one.trimmed_rows;
    one.training = one.incomplete = {};
  }
  Context context = device_.make_context();
  const ResidentRows resident(context, joined.rows.view());
  Arena arena(device_.backend());
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
        members[i].push_back(make_model(device_.with_threads(1), own, joined.rows.columns, condition, group));
        members[i].back()->set_reference_rows(std::move(references[i]));
      }
      continue;
    }
    TrainingRows own_rows = rows;
    if (method.judges_cells && joined.incomplete.rows > 0) own_rows.rows = incomplete.view();
    GanTraining training(device_, method, options, own_rows, condition, group);
    training.run(of_methods.size() == 1 ? control : part_of(control, options, steps_before, of_methods));
    steps_before += training.steps();
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t first = i * options_.population;
      DetectorOptions own = options;
      own.population = options_.population;
      own.seed = options_of(block.first + i).seed;
      members[i].push_back(make_model(device_.with_threads(1), own, joined.rows.columns, condition, group));
      members[i].back()->take_weights(training, first);
      const auto statistics = training.telemetry().begin() + first;
      telemetry[i].insert(telemetry[i].end(), statistics, statistics + options_.population);
    }
  }
  ModelStack stack = stack_of(block);
  std::mutex mutex;
  cpu::parallel_ranges(models_at_a_time(device_), block.count, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Detector::Impl detector(device_.with_threads(1), options_of(block.first + i));
      DetectorOptions resolved = resolve(detector.options, 0, judged);
      detector.chunk_limit = chunk_rows;
      detector.finish(resolved, std::move(members[i]), std::move(prepared[i]));
      detector.telemetry = std::move(telemetry[i]);
      detector.names = rows_.columns.names;
      const safetensors::File file = detector.to_file();
      const std::lock_guard lock(mutex);
      for (const ModelTelemetry& model : detector.telemetry) restored_ += model.restorations > 0;
      unpromised_ += !threshold_note(detector.calibration->count(), resolved).empty();
      stack.put(i, file);
    }
  });
  return stack;
}

void Fleet::fit(MatrixView<const float> rows, std::span<const std::string> groups, Columns columns,
                const FitControl& control) {
  const FloatingPointEnvironment environment;
  Impl& d = held(impl_);
  const std::int64_t numeric_columns = check_fit_arguments(rows, columns);
  check_options(d.options);
  check_image_columns(d.options, columns);
  if (!trains_networks(d.options)) d.options.population = 1;
  if (static_cast<std::int64_t>(groups.size()) != rows.rows) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(groups.size()) + " groups for " +
                                                 std::to_string(rows.rows) + " rows, expected one of each row");
  }
  if (d.options.epochs > 0) {
    throw Error(ErrorCode::invalid_argument, "epochs is " + std::to_string(d.options.epochs) +
                                                 ": groups of different sizes are trained together, give steps");
  }
  if (d.fleet_options.minimum_rows < 1 || d.fleet_options.pooled_rows < 1) {
    throw Error(ErrorCode::invalid_argument, "minimum_rows and pooled_rows of a fleet must be at least 1");
  }
  const RowsToFit to_fit = rows_to_fit(d.device, rows, control.on_message);
  std::vector<std::string> groups_to_fit;
  for (const std::int64_t r : to_fit.positions) groups_to_fit.push_back(groups[static_cast<std::size_t>(r)]);
  if (!groups_to_fit.empty()) groups = groups_to_fit;
  FleetRows all{.rows = to_fit.rows,
                .columns = columns,
                .fit_columns = fit_columns(to_fit.rows, d.options, columns.names, numeric_columns),
                .of_group = {}};
  all.of_group = rows_of_groups(groups);
  std::vector<FleetGroup> known = choose_groups(all, d.fleet_options.minimum_rows, control);
  if (keeps_training_rows(d.options) && control.on_message) control.on_message(training_rows_note());
  std::vector<std::string> own, names;
  for (const FleetGroup& group : known) {
    names.push_back(group.name);
    if (group.own_model) own.push_back(group.name);
  }
  check_texts(columns.names, names, d.attachments);
  Impl::Fit fit(d, control, std::move(all), std::move(own));
  try {
    safetensors::File pooled = fit.fit_pooled();
    std::unique_ptr<ModelStack> stack = fit.fit_groups();
    d.scorers.clear();
    d.ready_pooled.reset();
    d.pooled = std::move(pooled);
    d.stack = std::move(stack);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled || control.checkpoint_directory.empty()) throw;
    throw Error(ErrorCode::cancelled,
                "training of the fleet was stopped; its checkpoints are in " + control.checkpoint_directory);
  }
  d.groups = std::move(known);
  d.scored = {};
  d.read_settings(d.path);
}

}  // namespace cugad
