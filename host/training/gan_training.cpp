#include "host/training/gan_training.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include "cugad/error.hpp"
#include "host/training/checkpoint.hpp"
#include "host/training/coverage_criterion.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {
namespace {

constexpr std::int64_t unit_steps = 10;          ///< steps of one model between two looks at the schedule
constexpr std::int64_t stopping_interval = 500;  ///< a multiple of GanTraining::interval
constexpr int most_restorations = 8;
constexpr float lost_spread = 0.01f, smallest_gain = 0.01f;

NetworkStates take_states(Arena& arena, const MethodNetworks& networks, const DetectorOptions& options) {
  NetworkStates states;
  for (const Role role : all_roles) {
    if (!networks.has(role)) continue;
    const auto stack = [&] { return arena.stack(name_of(role), options.population, 1, networks[role].parameters()); };
    NetworkState& state = states[role];
    state.parameter = stack();
    state.first_moment = stack();
    state.second_moment = stack();
    const bool averaged = options.average_decay > 0.0f;
    if (options.historical_averaging > 0.0f) state.history = stack();
    if (averaged && (role != Role::discriminator || options.average_discriminator)) state.average = stack();
  }
  return states;
}

/// How many models' activations a device's memory holds beside the weights of all and what it holds already: all, or
/// equal groups in turn.
std::int64_t models_that_fit(const Device& device, const TrainingMemory& memory) {
  const std::int64_t models = memory.models;
  const std::size_t free = device.backend().available_bytes();
  const std::size_t weights = static_cast<std::size_t>(models) * memory.weights;
  const std::size_t room = (free - std::min(free, weights)) / 10 * 8;  // scratch and scoring need some too
  const auto fit = static_cast<std::int64_t>(std::max<std::size_t>(1, room / memory.activations));
  const std::int64_t groups = (models + fit - 1) / fit;
  return (models + groups - 1) / groups;
}

}  // namespace

GanTraining::GanTraining(const Device& device, const MethodDefinition& definition, const DetectorOptions& options,
                         const TrainingRows& rows, std::int64_t condition, std::vector<std::int32_t> group)
    : device_(device),
      options_(options),
      definition_(definition),
      rows_(rows),
      networks_(definition_.networks(options, rows.rows.columns, condition)),
      context_(device.make_context()),
      arena_(device.backend()),
      memory_(least_memory(networks_, options.batch, weight_copies(options))) {
  networks_.group = std::move(group);
  const int models = population();
  memory_.models = models;
  make_workers();
  states_ = take_states(arena_, networks_, options);
  good_states_ = take_states(arena_, networks_, options);
  model_scale_ = arena_.stack("rate of each model", models, 1, 1);
  reports_ = arena_.stack("telemetry", models, 1, StepTelemetry::values);
  statistics_ = arena_.stack<double>("statistics of generated rows", models, 6, networks_.columns);
  telemetry_.resize(models);
  health_.resize(models);
  spread_.resize(models);
  initialise();
  context_.synchronize();
}

GanTraining::~GanTraining() = default;

/// The first step measures the memory of each model; before it, a lower bound of that must fit.
void GanTraining::make_workers() {
  const bool together = device_.backend().runs_models_together();
  const int workers = together ? 1 : std::max(1, std::min(population(), device_.threads()));
  const std::size_t available = together ? device_.backend().available_bytes() : machine_memory();
  const std::string where = together ? device_.name() + " (free, within max_device_bytes)" : "this machine";
  memory_.at_once = workers;
  require_memory(memory_, available, where);
  const auto make = [&](std::int64_t models) {
    const int threads = std::max(1, device_.threads() / workers);
    Context context = together ? device_.make_context() : device_.make_context(threads);
    return definition_.step(std::move(context), options_, networks_, rows_, models);
  };
  std::unique_ptr<TrainingStep> first = make(1);
  memory_.activations = first->bytes();
  require_memory(memory_, available, where);
  if (together) {
    first.reset();
    memory_.at_once = models_together_ = models_that_fit(device_, memory_);
    workers_.push_back(make(models_together_));
    return;
  }
  workers_.push_back(std::move(first));
  while (std::ssize(workers_) < workers) workers_.push_back(make(1));
}

void GanTraining::initialise() {
  RandomKey key = rows_.key_of(0, options_.seed);
  key.purpose = RandomPurpose::initial_weights;
  for (const Role role : all_roles) {
    key.lane = 64 * static_cast<std::uint32_t>(role);
    const NetworkState& state = states_[role];
    if (!networks_.has(role)) continue;
    networks_[role].initialise(context_, state.parameter, key);
    if (!state.average) continue;
    context_.backend().copy(state.average.data, state.parameter.data,
                            sizeof(float) * static_cast<std::size_t>(population() * state.parameter.columns),
                            context_.stream());
  }
  for (std::int64_t m = 0; m < population(); ++m) write_scale(m);
  copy_models(states_, good_states_, 0, population());
}

void GanTraining::write_scale(std::int64_t model) {
  const float scale = health_[model].resting ? 0.0f : health_[model].rate_scale;
  context_.backend().copy(model_scale_.data + model, &scale, sizeof scale, context_.stream());
}

void GanTraining::copy_models(const NetworkStates& from, const NetworkStates& to, std::int64_t first,
                              std::int64_t count) {
  for (const Role role : all_roles) {
    const auto sources = from[role].views(), targets = to[role].views();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (!sources[i]) continue;
      context_.backend().copy(targets[i].model(first).data, sources[i].model(first).data,
                              sizeof(float) * static_cast<std::size_t>(count * sources[i].columns), context_.stream());
    }
  }
}

void GanTraining::bind(TrainingStep& step, std::int64_t first, std::int64_t count) {
  step.bind(rows_.key_of(first, options_.seed), states_.slice(first, count), model_scale_.slice_models(first, count),
            StepTelemetry::from(reports_.slice_models(first, count)), first);
}

/// What `step` reported of its models, which are `count` from `first`. Waits for it.
void GanTraining::read_telemetry(TrainingStep& step, std::int64_t first, std::int64_t count) {
  Context& context = step.context();
  const StackView<double> statistics = statistics_.slice_models(first, count);
  cugad::run(context, ColumnStatistics{.x = step.generated(), .out = statistics});
  std::vector<float> reports(count * StepTelemetry::values);
  std::vector<double> deviation(count * statistics_.columns);
  context.backend().copy(reports.data(), reports_.model(first).data, sizeof(float) * reports.size(), context.stream());
  context.backend().copy_rows(deviation.data(), sizeof(double) * static_cast<std::size_t>(statistics_.columns),
                              statistics.model(0).row(2),
                              sizeof(double) * static_cast<std::size_t>(statistics.model_stride),
                              sizeof(double) * static_cast<std::size_t>(statistics_.columns),
                              static_cast<std::size_t>(count), context.stream());
  context.synchronize();
  for (std::int64_t i = 0; i < count; ++i) {
    const float* report = reports.data() + i * StepTelemetry::values;
    ModelTelemetry& told = telemetry_[first + i];
    if (health_[first + i].resting) continue;
    told.discriminator_loss = report[0] + report[1];
    told.generator_loss = report[2];
    told.real_probability = report[3];
    told.fake_probability = report[4];
    told.discriminator_gradient = std::sqrt(report[5]);
    told.generator_gradient = std::sqrt(report[6]);
    double sum = 0.0;
    for (std::int64_t c = 0; c < statistics_.columns; ++c) sum += deviation[i * statistics_.columns + c];
    spread_[first + i] = static_cast<float>(sum / static_cast<double>(statistics_.columns));
  }
}

/// Brings every model that is not resting from step_ to `to`. False when cancelled on the way.
bool GanTraining::advance(std::int64_t to, const FitControl& control) {
  context_.synchronize();  // the guard and the criterion have written before other streams continue
  return device_.backend().runs_models_together() ? advance_together(to, control) : advance_on_threads(to, control);
}

/// All models in one sequence of launches, resting ones included (their rate is 0); groups in turn if memory bounds
/// them.
bool GanTraining::advance_together(std::int64_t to, const FitControl& control) {
  TrainingStep& step = *workers_.front();
  if (control.cancel != nullptr && control.cancel->load()) return false;
  for (std::int64_t first = 0, count = 0; first < population(); first += count) {
    count = std::min<std::int64_t>(models_together_, population() - first);
    if (bound_first_ != first) bind(step, first, count);
    bound_first_ = first;
    step.advance(step_, to, true);
    read_telemetry(step, first, count);
  }
  return true;
}

/// Free workers take the model that is furthest behind, so that three models on two threads still keep both busy.
bool GanTraining::advance_on_threads(std::int64_t to, const FitControl& control) {
  std::vector<std::int64_t> done(population(), step_);
  std::vector<bool> taken(population(), false);
  std::mutex mutex;
  bool cancelled = false;
  for (int m = 0; m < population(); ++m) {
    if (health_[m].resting) done[m] = to;
  }
  const auto workers = static_cast<std::int64_t>(workers_.size());
  cpu::parallel_ranges(static_cast<int>(workers), workers, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t w = begin; w < end; ++w) {
      while (true) {
        std::int64_t model = -1, from = 0;
        {
          const std::lock_guard lock(mutex);
          if (control.cancel != nullptr && control.cancel->load()) cancelled = true;
          if (cancelled) return;
          for (int m = 0; m < population(); ++m) {
            if (!taken[m] && done[m] < to && (model < 0 || done[m] < done[model])) model = m;
          }
          if (model < 0) break;
          taken[model] = true;
          from = done[model];
        }
        const std::int64_t until = std::min(to, from + unit_steps);
        bind(*workers_[w], model, 1);
        workers_[w]->advance(from, until, until == to);
        if (until == to) read_telemetry(*workers_[w], model, 1);
        const std::lock_guard lock(mutex);
        taken[model] = false;
        done[model] = until;
      }
    }
  });
  return !cancelled;
}

void GanTraining::guard(const FitControl& control) {
  // Runs of sound models are copied at once: in a large population one copy instead of thousands.
  std::int64_t sound_from = 0;
  const auto keep_sound = [&](std::int64_t until) {
    if (until > sound_from) {
      copy_models(states_, good_states_, sound_from, until - sound_from);
    }
    sound_from = until + 1;
  };
  const bool keeps = std::any_of(networks_.networks.begin(), networks_.networks.end(),
                                 [](const Network& network) { return network.kept() < network.parameters(); });
  for (int m = 0; m < population(); ++m) {
    ModelHealth& health = health_[m];
    ModelTelemetry& told = telemetry_[m];
    if (health.resting) {
      keep_sound(m);
      // Passes over all models change the kept parameters of networks, also of models at rest.
      if (keeps) copy_models(good_states_, states_, m, 1);
      continue;
    }
    const bool finite = std::isfinite(told.discriminator_loss) && std::isfinite(told.generator_loss) &&
                        std::isfinite(told.discriminator_gradient) && std::isfinite(told.generator_gradient) &&
                        std::isfinite(spread_[m]);
    const bool collapsed = finite && health.spread > 0.0f && spread_[m] < lost_spread * health.spread;
    if (finite && !collapsed) {
      health.spread = spread_[m];
      continue;
    }
    keep_sound(m);
    copy_models(good_states_, states_, m, 1);
    health.rate_scale *= 0.5f;
    ++health.restorations;
    if (health.restorations >= most_restorations) health.resting = true;
    write_scale(m);
    told.restorations = health.restorations;
    told.resting = health.resting;
    if (control.on_message) {
      control.on_message("model " + std::to_string(m) + (collapsed ? " collapsed" : " diverged") + " before step " +
                         std::to_string(step_) + ": restored its last good state, learning rate halved to " +
                         std::to_string(health.rate_scale) + " of the start" +
                         (health.resting ? "; it rests from now on" : ""));
    }
  }
  keep_sound(population());
}

void GanTraining::check_stopping(const FitControl& control) {
  if (options_.patience <= 0 || step_ % stopping_interval != 0) return;
  if (!definition_.stops_by_coverage || networks_.condition > 0 || step_ > options_.steps) return;
  // An encoder that trains with the GAN is not done when the coverage is.
  if (networks_.has(Role::encoder) && !has_second_phase()) return;
  const std::vector<float> criterion =
      coverage_criterion(context_, networks_, states_[Role::generator].scoring(), rows_, options_.seed);
  for (int m = 0; m < population(); ++m) {
    ModelHealth& health = health_[m];
    if (health.resting) continue;
    if (health.best_criterion < 0.0f || criterion[m] < (1.0f - smallest_gain) * health.best_criterion) {
      health.best_criterion = criterion[m];
      health.checks_without_gain = 0;
    } else if (++health.checks_without_gain >= options_.patience) {
      health.resting = true;
      telemetry_[m].resting = true;
      write_scale(m);
      if (control.on_message) {
        control.on_message("model " + std::to_string(m) + " rests from step " + std::to_string(step_) +
                           ": its coverage of the training rows no longer improves");
      }
    }
  }
}

/// The second phase trains other networks: models that rest because they cover the rows take part in it.
void GanTraining::begin_second_phase(const FitControl& control) {
  for (int m = 0; m < population(); ++m) {
    ModelHealth& health = health_[m];
    if (!health.resting || health.restorations >= most_restorations) continue;
    health.resting = telemetry_[m].resting = false;
    write_scale(m);
    if (control.on_message) control.on_message("model " + std::to_string(m) + " goes on with its encoder");
  }
}

void GanTraining::run(const FitControl& control) {
  const bool keeps = !control.checkpoint_directory.empty();
  Checkpoint checkpoint(control.checkpoint_directory);
  const bool is_regular = keeps && is_regular_checkpoint(control);
  const std::int64_t latest = std::numeric_limits<std::int64_t>::max() - interval;
  const std::int64_t every =
      std::max<std::int64_t>(1, (std::min(control.checkpoint_every, latest) + interval - 1) / interval) * interval;
  const auto tell = [&] {
    if (control.on_progress) control.on_progress({.step = step_, .steps = steps(), .models = telemetry_});
  };
  if (keeps && control.resume && checkpoint.load(*this) && control.on_message) {
    control.on_message("resumed from step " + std::to_string(step_));
  }
  if (options_.image && control.on_message) control.on_message("memory: " + memory_.text());
  const std::int64_t first = step_;
  while (step_ < steps()) {
    const bool all_rest = std::all_of(health_.begin(), health_.end(), [](const ModelHealth& h) { return h.resting; });
    const bool before_second_phase = has_second_phase() && step_ < options_.steps;
    if (all_rest && !before_second_phase) break;
    std::int64_t to = std::min(steps(), (step_ / interval + 1) * interval);
    if (before_second_phase) to = all_rest ? options_.steps : std::min(to, options_.steps);
    if (!all_rest && !advance(to, control)) {
      const std::string stopped = "training was stopped after step " + std::to_string(step_);
      try {
        if (keeps) checkpoint.save(*this);
      } catch (const Error& error) {
        throw Error(error.code(), error.what() + ("; " + stopped) + ", which is not saved");
      }
      throw Error(ErrorCode::cancelled,
                  stopped + (keeps ? "; its checkpoint is in " + control.checkpoint_directory : ""));
    }
    step_ = to;
    guard(control);
    check_stopping(control);
    if (has_second_phase() && step_ == options_.steps) begin_second_phase(control);
    context_.synchronize();  // a checkpoint reads on a stream of its own
    tell();
    if (is_regular && (step_ % every == 0 || step_ == steps())) checkpoint.save(*this);
  }
  if (step_ == first) return tell();  // the checkpoint left nothing to do
  if (keeps && !is_regular) keep_unasked(control, [&] { checkpoint.save(*this); });
}

}  // namespace cugad
