#include "host/training/checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/model_file/mapped_memory.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr const char* format_name = "cugad checkpoint 1";

/// A 64-bit hash of the training rows (FNV-1a over 4-byte words): detects other data, without a cryptographic promise.
std::string fingerprint(const TrainingRows& rows, Context& context) {
  const MatrixView<const float> data = rows.rows;
  std::uint64_t hash = 1469598103934665603ull;
  const auto add = [&](std::uint32_t word) { hash = (hash ^ word) * 1099511628211ull; };
  constexpr std::int64_t chunk = 65536;
  for (std::int64_t first = 0; first < data.rows; first += chunk) {
    const MatrixView<const float> part(data.row(first), std::min(chunk, data.rows - first), data.columns,
                                       data.row_stride);
    if (context.backend().is_host_memory())
      expect_reading(part.data, sizeof(float) * static_cast<std::size_t>(part.rows * part.row_stride));
    for (const float value : download_rows(context, part)) add(std::bit_cast<std::uint32_t>(value));
  }
  for (const auto& range : {rows.first, rows.count, rows.left_out_first, rows.left_out_count}) {
    if (!range) continue;
    for (const std::int32_t value : download(context, range.data, range.models)) add(static_cast<std::uint32_t>(value));
  }
  if (rows.seeds) {
    for (const std::uint64_t seed : download(context, rows.seeds.data, rows.seeds.models)) {
      add(static_cast<std::uint32_t>(seed));
      add(static_cast<std::uint32_t>(seed >> 32));
    }
  }
  return std::to_string(hash);
}

safetensors::Tensor tensor_of(const StackView<float>& view, Context& context) {
  safetensors::Tensor tensor;
  tensor.shape = {view.models, view.columns};
  tensor.f32 = download(context, view.data, view.models * view.columns);
  return tensor;
}

/// Options that must agree. The length of the run may differ, unless it is where a second phase begins.
std::string fixed_options(const MethodDefinition& definition, DetectorOptions options) {
  if (definition.steps(options) == options.steps) options.steps = 0;
  options.epochs = 0;
  return options_to_json(options);
}

}  // namespace

void keep_aside(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return;
  const std::filesystem::path whole = path;
  std::filesystem::path aside;
  int number = 1;
  do {
    aside = whole;
    aside.replace_filename(whole.stem().string() + "." + std::to_string(number++) + whole.extension().string());
  } while (std::filesystem::exists(std::filesystem::symlink_status(aside, error)));
  std::filesystem::rename(whole, aside, error);
  if (!error) return;
  throw Error(ErrorCode::input_output, "cannot rename '" + path + "' to '" + aside.string() + "': " + error.message());
}

bool is_regular_checkpoint(const FitControl& control) {
  return control.checkpoint_every < std::numeric_limits<std::int64_t>::max();
}

void keep_unasked(const FitControl& control, const std::function<void()>& save) {
  try {
    save();
  } catch (const Error& error) {
    if (control.on_message) control.on_message(std::string("no checkpoint is kept: ") + error.what());
  }
}

std::string Checkpoint::path() const { return (std::filesystem::path(directory_) / file_name).string(); }

void Checkpoint::save(const GanTraining& training) {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    throw Error(ErrorCode::input_output,
                "cannot create the checkpoint directory '" + directory_ + "': " + error.message());
  }
  Context context = training.device_.make_context();
  safetensors::File file;
  for (const Role role : all_roles) {
    if (!training.networks_.has(role)) continue;
    const std::string network = name_of(role);
    const NetworkState& state = training.good_states_[role];
    file.tensors[network + ".parameter"] = tensor_of(state.parameter, context);
    file.tensors[network + ".first_moment"] = tensor_of(state.first_moment, context);
    file.tensors[network + ".second_moment"] = tensor_of(state.second_moment, context);
    if (state.average) file.tensors[network + ".average"] = tensor_of(state.average, context);
    if (state.history) file.tensors[network + ".history"] = tensor_of(state.history, context);
  }
  safetensors::Tensor health;
  health.shape = {static_cast<std::int64_t>(training.health_.size()), 6};
  for (const ModelHealth& h : training.health_) {
    for (float value : {h.rate_scale, h.spread, h.best_criterion, static_cast<float>(h.checks_without_gain),
                        static_cast<float>(h.restorations), h.resting ? 1.0f : 0.0f}) {
      health.f32.push_back(value);
    }
  }
  file.tensors["health"] = health;
  // A resting model reports no more, but its last telemetry is part of the model file.
  safetensors::Tensor telemetry;
  telemetry.shape = {static_cast<std::int64_t>(training.telemetry_.size()), 6};
  for (const ModelTelemetry& t : training.telemetry_) {
    telemetry.f32.insert(telemetry.f32.end(), {t.discriminator_loss, t.generator_loss, t.real_probability,
                                               t.fake_probability, t.discriminator_gradient, t.generator_gradient});
  }
  file.tensors["telemetry"] = telemetry;
  file.metadata["format"] = format_name;
  file.metadata["step"] = std::to_string(training.step_);
  file.metadata["options"] = fixed_options(training.definition_, training.options_);
  file.metadata["precision"] = name_of(training.device_.precision());
  if (rows_.empty()) rows_ = fingerprint(training.rows_, context);
  file.metadata["rows"] = rows_;
  if (!is_ours_) keep_aside(path());
  safetensors::write(path(), file);
  is_ours_ = true;
}

bool Checkpoint::load(GanTraining& training) {
  if (!std::filesystem::exists(path())) return false;
  const safetensors::File file = safetensors::read(path());
  const auto damaged = [&](const std::string& what) {
    return Error(ErrorCode::format, path() + ": " + one_line(what, 1000));
  };
  const auto metadata = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw damaged("no '" + std::string(key) + "' in its metadata");
    return found->second;
  };
  if (metadata("format") != format_name) {
    throw damaged("format is '" + metadata("format") + "', expected '" + format_name + "'");
  }
  Context context = training.device_.make_context();
  if (metadata("options") != fixed_options(training.definition_, training.options_)) {
    DetectorOptions theirs;
    try {
      theirs = options_from_json(metadata("options"), DetectorOptions{});
    } catch (const Error& error) {
      throw damaged("its options: " + std::string(error.what()));
    }
    for (const OptionInfo& option : option_list()) {
      const std::string there = get_option(theirs, option.name), here = get_option(training.options_, option.name);
      if (there == here || option.name == "epochs" || (option.name == "steps" && there == "0")) continue;
      throw Error(ErrorCode::invalid_argument, path() + ": made with " + option.name + " = " + one_line(there, 200) +
                                                   ", now it is " + here +
                                                   "; use the same options or another directory");
    }
  }
  // Files of older versions do not have it.
  const auto precision = file.metadata.find("precision");
  if (precision != file.metadata.end() && precision->second != name_of(training.device_.precision())) {
    throw Error(ErrorCode::invalid_argument, path() + ": made with precision = " + one_line(precision->second, 200) +
                                                 ", now it is " + name_of(training.device_.precision()) +
                                                 "; use the same or another directory");
  }
  if (metadata("rows") != fingerprint(training.rows_, context)) {
    throw Error(ErrorCode::invalid_argument, path() + ": made from other training rows than those given now");
  }
  const std::string step_text = metadata("step");
  std::int64_t step = -1;
  const auto [end, failure] = std::from_chars(step_text.data(), step_text.data() + step_text.size(), step);
  if (failure != std::errc() || end != step_text.data() + step_text.size() || step < 0) {
    throw damaged("step '" + step_text + "' is no step number");
  }
  if (step > training.steps()) {
    throw Error(ErrorCode::invalid_argument, path() + ": it is at step " + step_text + ", past the " +
                                                 std::to_string(training.steps()) +
                                                 " requested steps; give more steps or another directory");
  }
  const auto values = [&](const std::string& name, std::int64_t models, std::int64_t columns) -> const float* {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.shape != std::vector<std::int64_t>{models, columns} ||
        found->second.f32.empty()) {
      throw damaged("tensor '" + name + "' is missing or has another shape");
    }
    return found->second.f32.data();
  };
  const auto restore = [&](const std::string& name, const StackView<float>& view, const StackView<float>& good) {
    if (!view) return;
    const float* value = values(name, view.models, view.columns);
    const std::int64_t count = view.models * view.columns;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(value[i])) throw damaged("tensor '" + name + "' has a value that is not finite");
    }
    for (const StackView<float>& target : {view, good}) {
      context.backend().copy(target.data, value, sizeof(float) * static_cast<std::size_t>(count), context.stream());
    }
  };
  const auto restore_network = [&](const std::string& name, const NetworkState& state, const NetworkState& good) {
    restore(name + ".parameter", state.parameter, good.parameter);
    restore(name + ".first_moment", state.first_moment, good.first_moment);
    restore(name + ".second_moment", state.second_moment, good.second_moment);
    restore(name + ".average", state.average, good.average);
    restore(name + ".history", state.history, good.history);
  };
  for (const Role role : all_roles) {
    if (training.networks_.has(role))
      restore_network(name_of(role), training.states_[role], training.good_states_[role]);
  }
  const auto models = static_cast<std::int64_t>(training.health_.size());
  const float* health = values("health", models, 6);
  const float* telemetry = values("telemetry", models, 6);
  for (std::int64_t m = 0; m < models; ++m, health += 6, telemetry += 6) {
    const auto is_count = [](float value) { return value >= 0.0f && value <= 1e6f; };  // false for NaN
    if (!(health[0] > 0.0f && health[0] <= 1.0f) || !std::isfinite(health[1]) || !std::isfinite(health[2]) ||
        !is_count(health[3]) || !is_count(health[4])) {
      throw damaged("tensor 'health' has a value that is out of range");
    }
    training.health_[m] = {
        health[0], health[1], health[2], static_cast<int>(health[3]), static_cast<int>(health[4]), health[5] != 0.0f};
    training.telemetry_[m] = {telemetry[0],
                              telemetry[1],
                              telemetry[2],
                              telemetry[3],
                              telemetry[4],
                              telemetry[5],
                              training.health_[m].restorations,
                              training.health_[m].resting};
    training.write_scale(m);
  }
  training.step_ = step;
  is_ours_ = true;
  context.synchronize();
  return true;
}

}  // namespace cugad
