#include "host/network/network.hpp"

#include <utility>

#include "cugad/error.hpp"

namespace cugad {
namespace {

constexpr std::uint32_t branch_initial_lanes[] = {16, 32, 0}, branch_dropout_lanes[] = {0, 4, 8};

std::int64_t joined_stride(const std::vector<Network::Part>& parts) { return (parts[2].mlp.inputs() + 15) / 16 * 16; }

}  // namespace

Network::Network(Mlp trunk) { add_part("", std::move(trunk)); }

Network::Network(Mlp data_branch, Mlp latent_branch, Mlp trunk) {
  if (data_branch.outputs() + latent_branch.outputs() != trunk.inputs() || data_branch.layers() < 1 ||
      latent_branch.layers() < 1 || data_branch.layers() > 4 || latent_branch.layers() > 4) {
    throw Error(ErrorCode::invalid_argument, "a joint network needs branches of 1 to 4 layers whose " +
                                                 std::to_string(data_branch.outputs()) + " and " +
                                                 std::to_string(latent_branch.outputs()) + " outputs are the trunk's " +
                                                 std::to_string(trunk.inputs()) + " inputs");
  }
  add_part("x", std::move(data_branch));
  add_part("z", std::move(latent_branch));
  add_part("", std::move(trunk));
}

void Network::add_part(std::string name, Mlp mlp) {
  const std::int64_t offset = parameters_;
  parameters_ += mlp.parameters();
  parts_.push_back({std::move(name), std::move(mlp), offset});
}

bool Network::has_dropout() const {
  for (const Part& part : parts_) {
    for (int l = 0; l < part.mlp.layers(); ++l) {
      if (part.mlp.layer(l).dropout > 0.0f) return true;
    }
  }
  return false;
}

StackView<float> Network::flat_of(const Part& part, StackView<float> flat) const {
  return flat ? flat.slice_columns(part.offset, part.mlp.parameters()) : flat;
}
StackView<const float> Network::flat_of(const Part& part, StackView<const float> flat) const {
  return flat.slice_columns(part.offset, part.mlp.parameters());
}

Network::Buffers Network::Buffers::slice_rows(std::int64_t first, std::int64_t count) const {
  Buffers some;
  for (const Mlp::Buffers& buffers : part) some.part.push_back(buffers.slice_rows(first, count));
  if (joined) {
    some.joined = joined.slice_rows(first, count);
    some.joined_gradient = joined_gradient.slice_rows(first, count);
  }
  return some;
}

Network::Buffers Network::Buffers::slice_models(std::int64_t first, std::int64_t count) const {
  Buffers some;
  for (const Mlp::Buffers& buffers : part) some.part.push_back(buffers.slice_models(first, count));
  if (joined) {
    some.joined = joined.slice_models(first, count);
    some.joined_gradient = joined_gradient.slice_models(first, count);
  }
  return some;
}

std::int64_t Network::buffer_floats(std::int64_t models, std::int64_t rows) const {
  std::int64_t floats = is_joint() ? 2 * models * rows * joined_stride(parts_) : 0;
  for (const Part& part : parts_) floats += part.mlp.buffer_floats(models, rows);
  return floats;
}

Network::Buffers Network::carve(float* memory, std::int64_t models, std::int64_t rows) const {
  Buffers buffers;
  for (const Part& part : parts_) {
    buffers.part.push_back(part.mlp.carve(memory, models, rows));
    memory += part.mlp.buffer_floats(models, rows);
  }
  if (!is_joint()) return buffers;
  const std::int64_t stride = joined_stride(parts_), width = parts_[2].mlp.inputs(), first = parts_[0].mlp.outputs();
  buffers.joined = {memory, models, rows, width, rows * stride, stride};
  buffers.joined_gradient = {memory + models * rows * stride, models, rows, width, rows * stride, stride};
  // The branches' last layers write straight into the trunk's input.
  for (int branch : {0, 1}) {
    const std::int64_t from = branch == 0 ? 0 : first, count = parts_[branch].mlp.outputs();
    buffers.part[branch].output.back() = buffers.joined.slice_columns(from, count);
    buffers.part[branch].gradient.back() = buffers.joined_gradient.slice_columns(from, count);
  }
  return buffers;
}

void Network::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    RandomKey mine = key;
    if (is_joint()) mine.lane += branch_initial_lanes[p];
    parts_[p].mlp.initialise(context, flat_of(parts_[p], flat), mine);
  }
}

void Network::forward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                      const RandomKey* dropout) const {
  const auto run_part = [&](std::size_t p, StackView<const float> x) {
    RandomKey mine;
    if (dropout != nullptr) {
      mine = *dropout;
      if (is_joint()) mine.lane += branch_dropout_lanes[p];
    }
    parts_[p].mlp.forward(context, flat_of(parts_[p], flat), x, buffers.part[p], dropout == nullptr ? nullptr : &mine);
  };
  if (!is_joint()) return run_part(0, in.x);
  run_part(0, in.x);
  run_part(1, in.z);
  run_part(2, buffers.joined);
}

void Network::backward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                       StackView<float> flat_gradient, const InputGradient& gradient,
                       Mlp::BackwardOptions options) const {
  const auto run_part = [&](std::size_t p, StackView<const float> x, StackView<float> dx) {
    parts_[p].mlp.backward(context, flat_of(parts_[p], flat), x, buffers.part[p], flat_of(parts_[p], flat_gradient), dx,
                           options);
  };
  if (!is_joint()) return run_part(0, in.x, gradient.x);
  run_part(2, buffers.joined, buffers.joined_gradient);
  options.skipped = 0;
  if (flat_gradient || gradient.x) run_part(0, in.x, gradient.x);
  if (flat_gradient || gradient.z) run_part(1, in.z, gradient.z);
}

void Network::add_gradient_penalty(Context& context, StackView<const float> flat, const Buffers& buffers,
                                   const InputGradient& input_gradient, const Buffers& tangent, const Penalty& penalty,
                                   StackView<float> flat_gradient) const {
  if (penalty.target > 0.0f && is_joint()) {
    throw Error(ErrorCode::unsupported, "a gradient penalty with a target takes networks without branches");
  }
  // g, the backward data pass from 1. It leaves the layers' backward signals in the gradients.
  run(context, FillUniform{.out = buffers.result_gradient(), .key = {}, .low = 1.0f, .high = 1.0f});
  backward(context, flat, {}, buffers, {}, input_gradient, {.dropout = penalty.dropout, .accumulate = false});
  const auto push = [&](std::size_t p, StackView<const float> direction, float scale, bool to_output) {
    parts_[p].mlp.add_tangent_products(context, flat_of(parts_[p], flat), buffers.part[p], direction, tangent.part[p],
                                       scale, penalty.dropout, flat_of(parts_[p], flat_gradient), to_output);
  };
  if (is_joint()) {
    push(0, input_gradient.x, penalty.scale, true);
    push(1, input_gradient.z, penalty.scale, true);
    push(2, tangent.joined, penalty.scale, false);
  } else {
    push(0, input_gradient.x, penalty.scale, false);
  }
}

}  // namespace cugad
