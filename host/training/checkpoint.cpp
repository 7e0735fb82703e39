#include "host/training/checkpoint.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "cugad/error.hpp"
#include "host/model_file/safetensors.hpp"

namespace cugad {
namespace {

constexpr const char* format_name = "cugad checkpoint 1";

/// A 64-bit hash of the training rows (FNV-1a over 4-byte words): tells other data, not a cryptographic promise.
std::string fingerprint(MatrixView<const float> data, Context& context) {
  std::uint64_t hash = 1469598103934665603ull;
  std::vector<std::uint32_t> row(data.columns);
  for (std::int64_t r = 0; r < data.rows; ++r) {
    context.backend().copy(row.data(), data.row(r), sizeof(float) * row.size(), context.stream());
    context.synchronize();
    for (std::uint32_t word : row) hash = (hash ^ word) * 1099511628211ull;
  }
  return std::to_string(hash);
}

safetensors::Tensor download(const StackView<float>& view, Context& context) {
  safetensors::Tensor tensor;
  tensor.shape = {view.models, view.columns};
  tensor.f32.resize(view.models * view.columns);
  context.backend().copy(tensor.f32.data(), view.data, sizeof(float) * tensor.f32.size(), context.stream());
  context.synchronize();
  return tensor;
}

/// Options that must agree; the length of the run may differ.
std::string fixed_options(DetectorOptions options) {
  options.steps = options.epochs = 0;
  return options_to_json(options);
}

}  // namespace

std::string Checkpoint::path() const { return (std::filesystem::path(directory_) / "checkpoint.safetensors").string(); }

void Checkpoint::save(const GanTraining& training) const {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    throw Error(ErrorCode::input_output,
                "cannot create the checkpoint directory '" + directory_ + "': " + error.message());
  }
  Context context = training.device_.make_context();
  safetensors::File file;
  const auto add = [&](const std::string& network, const NetworkState& state) {
    file.tensors[network + ".parameter"] = download(state.parameter, context);
    file.tensors[network + ".first_moment"] = download(state.first_moment, context);
    file.tensors[network + ".second_moment"] = download(state.second_moment, context);
    if (state.average) file.tensors[network + ".average"] = download(state.average, context);
  };
  add("generator", training.good_generator_);
  add("discriminator", training.good_discriminator_);
  safetensors::Tensor health;
  health.shape = {static_cast<std::int64_t>(training.health_.size()), 6};
  for (const ModelHealth& h : training.health_) {
    for (float value : {h.rate_scale, h.spread, h.best_criterion, static_cast<float>(h.checks_without_gain),
                        static_cast<float>(h.restorations), h.resting ? 1.0f : 0.0f}) {
      health.f32.push_back(value);
    }
  }
  file.tensors["health"] = health;
  file.metadata["format"] = format_name;
  file.metadata["step"] = std::to_string(training.step_);
  file.metadata["options"] = fixed_options(training.options_);
  file.metadata["rows"] = fingerprint(training.data_, context);
  safetensors::write(path(), file);
}

bool Checkpoint::load(GanTraining& training) const {
  if (!std::filesystem::exists(path())) return false;
  const safetensors::File file = safetensors::read(path());
  const auto metadata = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw Error(ErrorCode::format, path() + ": no '" + key + "' in its metadata");
    return found->second;
  };
  if (metadata("format") != format_name) {
    throw Error(ErrorCode::format, path() + ": format is '" + metadata("format") + "', expected '" + format_name + "'");
  }
  Context context = training.device_.make_context();
  if (metadata("options") != fixed_options(training.options_)) {
    const DetectorOptions theirs = options_from_json(metadata("options"));
    for (const OptionInfo& option : option_list()) {
      const std::string there = get_option(theirs, option.name), here = get_option(training.options_, option.name);
      if (there == here || option.name == "steps" || option.name == "epochs") continue;
      throw Error(ErrorCode::invalid_argument, path() + ": made with " + option.name + " = " + there + ", now it is " +
                                                   here + "; use the same options or another directory");
    }
  }
  if (metadata("rows") != fingerprint(training.data_, context)) {
    throw Error(ErrorCode::invalid_argument, path() + ": made from other training rows than those given now");
  }
  const auto restore = [&](const std::string& name, const StackView<float>& view) {
    if (!view) return;
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.shape != std::vector<std::int64_t>{view.models, view.columns} ||
        found->second.f32.empty()) {
      throw Error(ErrorCode::format, path() + ": tensor '" + name + "' is missing or has another shape");
    }
    context.backend().copy(view.data, found->second.f32.data(), sizeof(float) * found->second.f32.size(),
                           context.stream());
  };
  for (auto* states : {&training.generator_, &training.good_generator_}) {
    restore("generator.parameter", states->parameter);
    restore("generator.first_moment", states->first_moment);
    restore("generator.second_moment", states->second_moment);
    restore("generator.average", states->average);
  }
  for (auto* states : {&training.discriminator_, &training.good_discriminator_}) {
    restore("discriminator.parameter", states->parameter);
    restore("discriminator.first_moment", states->first_moment);
    restore("discriminator.second_moment", states->second_moment);
    restore("discriminator.average", states->average);
  }
  const auto health = file.tensors.find("health");
  if (health == file.tensors.end() || health->second.f32.size() != 6 * training.health_.size()) {
    throw Error(ErrorCode::format, path() + ": tensor 'health' is missing or has another shape");
  }
  for (std::size_t m = 0; m < training.health_.size(); ++m) {
    const float* value = health->second.f32.data() + 6 * m;
    training.health_[m] = {value[0],        value[1], value[2], static_cast<int>(value[3]), static_cast<int>(value[4]),
                           value[5] != 0.0f};
    training.telemetry_[m].restorations = training.health_[m].restorations;
    training.telemetry_[m].resting = training.health_[m].resting;
    training.write_scale(static_cast<std::int64_t>(m));
  }
  try {
    training.step_ = std::stoll(metadata("step"));
  } catch (const std::logic_error&) {
    throw Error(ErrorCode::format, path() + ": step '" + metadata("step") + "' is not a number");
  }
  context.synchronize();
  return true;
}

}  // namespace cugad
