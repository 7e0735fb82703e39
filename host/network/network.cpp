#include "host/network/network.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"

namespace cugad {
namespace {

constexpr int most_branch_layers = 4;
constexpr std::uint32_t branch_initial_lanes[] = {16, 32, 0}, branch_dropout_lanes[] = {0, 4, 8};

}  // namespace

Network::Network(Mlp trunk, const Techniques& techniques) {
  add_part("", std::move(trunk));
  add_techniques(techniques);
}

Network::Network(Mlp data_branch, Mlp latent_branch, Mlp trunk, const Techniques& techniques) {
  const auto has_places = [](const Mlp& branch) {
    return branch.layers() >= 1 && branch.place(branch.layers() - 1) < most_branch_layers;
  };
  if (data_branch.outputs() + latent_branch.outputs() != trunk.inputs() || !has_places(data_branch) ||
      !has_places(latent_branch)) {
    throw Error(ErrorCode::invalid_argument, "a joint network needs branches of 1 to 4 layers whose " +
                                                 std::to_string(data_branch.outputs()) + " and " +
                                                 std::to_string(latent_branch.outputs()) + " outputs are the trunk's " +
                                                 std::to_string(trunk.inputs()) + " inputs");
  }
  add_part("x", std::move(data_branch));
  add_part("z", std::move(latent_branch));
  add_part("", std::move(trunk));
  add_techniques(techniques);
}

void Network::add_part(std::string name, Mlp mlp) {
  const std::int64_t offset = plain_;
  plain_ += mlp.parameters();
  parts_.push_back({.name = std::move(name), .mlp = std::move(mlp), .offset = offset});
}

void Network::add_techniques(const Techniques& techniques) {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const bool is_last = p + 1 == parts_.size();
    const auto rows = techniques.batch_norm && is_joint() && p == 0 ? LayerTechniques::Rows::batch
                      : techniques.virtual_batch > 0 && is_last     ? LayerTechniques::Rows::reference
                                                                    : LayerTechniques::Rows::none;
    parts_[p].add(techniques, rows, is_last);
  }
  trained_ = plain_;
  for (Part& part : parts_) part.place_trained(trained_);
  kept_ = trained_;
  for (Part& part : parts_) part.place_constants(kept_);
  parameters_ = kept_;
  for (Part& part : parts_) part.place_kept(parameters_);
}

bool Network::sees_other_rows() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) {
    const auto& layers = part.techniques.layer;
    return std::any_of(layers.begin(), layers.end(), [](const LayerTechniques& layer) {
      return layer.rows != LayerTechniques::Rows::none || layer.kernels > 0;
    });
  });
}

bool Network::has_moving_statistics() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) {
    const auto& layers = part.techniques.layer;
    return std::any_of(layers.begin(), layers.end(),
                       [](const LayerTechniques& layer) { return layer.rows == LayerTechniques::Rows::batch; });
  });
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
  return flat.slice_columns(part.offset, part.mlp.parameters());
}
StackView<const float> Network::flat_of(const Part& part, StackView<const float> flat) const {
  return flat.slice_columns(part.offset, part.mlp.parameters());
}

namespace {

template <class Slice>
Network::Buffers sliced(const Network::Buffers& all, Slice&& slice) {
  Network::Buffers some;
  for (const Mlp::Buffers& buffers : all.part) some.part.push_back(slice(buffers));
  for (const PartMemory& memory : all.memory) some.memory.push_back(slice(memory));
  some.joined = slice(all.joined);
  some.joined_gradient = slice(all.joined_gradient);
  return some;
}

}  // namespace

Network::Buffers Network::Buffers::slice_rows(std::int64_t first, std::int64_t count) const {
  return sliced(*this, [&](const auto& some) { return some.slice_rows(first, count); });
}

Network::Buffers Network::Buffers::slice_models(std::int64_t first, std::int64_t count) const {
  return sliced(*this, [&](const auto& some) { return some.slice_models(first, count); });
}

std::int64_t Network::buffer_floats(std::int64_t models, std::int64_t rows) const {
  Carver carver(nullptr, models);
  std::int64_t floats = 0;
  for (const Part& part : parts_) {
    floats += part.mlp.buffer_floats(models, part.techniques.reference_rows + rows);
    part.carve(carver, rows);
  }
  if (is_joint()) carver.take(2 * rows, trunk().inputs());
  return floats + carver.taken();
}

Network::Buffers Network::carve(float* memory, std::int64_t models, std::int64_t rows) const {
  Buffers buffers;
  for (const Part& part : parts_) {
    const std::int64_t before = part.techniques.reference_rows;
    buffers.part.push_back(part.mlp.carve(memory, models, before + rows).slice_rows(before, rows));
    memory += part.mlp.buffer_floats(models, before + rows);
  }
  Carver carver(memory, models);
  if (is_joint()) {
    buffers.joined = carver.take(rows, trunk().inputs());
    buffers.joined_gradient = carver.take(rows, trunk().inputs());
    // The branches' last layers write straight into the trunk's input.
    std::int64_t from = 0;
    for (int branch : {0, 1}) {
      const std::int64_t count = parts_[branch].mlp.outputs();
      buffers.part[branch].output.back() = buffers.joined.slice_columns(from, count);
      buffers.part[branch].gradient.back() = buffers.joined_gradient.slice_columns(from, count);
      from += count;
    }
  }
  for (const Part& part : parts_) buffers.memory.push_back(part.carve(carver, rows));
  return buffers;
}

void Network::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    RandomKey mine = key;
    if (is_joint()) mine.lane += branch_initial_lanes[p];
    parts_[p].initialise(context, flat, mine);
  }
}

LayerPass Network::pass(Context& context, std::size_t p, StackView<const float> flat, const Input& in,
                        const Buffers& buffers) const {
  const Part& part = parts_[p];
  const StackView<const float> x = p == 0 ? in.x : p == 1 ? in.z : buffers.joined;
  return {context, part.mlp, part.techniques, part.offset, flat, x, buffers.part[p], buffers.memory[p]};
}

void Network::forward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                      const RandomKey* dropout) const {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    RandomKey mine = dropout == nullptr ? RandomKey{} : *dropout;
    if (is_joint()) mine.lane += branch_dropout_lanes[p];
    pass(context, p, flat, in, buffers).forward(dropout == nullptr ? nullptr : &mine);
  }
}

void Network::backward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                       StackView<float> flat_gradient, const InputGradient& gradient,
                       Mlp::BackwardOptions options) const {
  const auto back = [&](std::size_t p, StackView<float> dx) {
    pass(context, p, flat, in, buffers).backward(flat_gradient, dx, options);
  };
  if (is_joint()) {
    back(2, buffers.joined_gradient);
    options.skipped = 0;
  }
  if (!is_joint() || flat_gradient || gradient.x) back(0, gradient.x);
  if (is_joint() && (flat_gradient || gradient.z)) back(1, gradient.z);
  if (!flat_gradient) return;
  for (std::size_t p = 0; p < parts_.size(); ++p) parts_[p].write_kept(context, buffers.memory[p], flat_gradient);
}

void Network::add_gradient_penalty(Context& context, StackView<const float> flat, const Input& in,
                                   const Buffers& buffers, const InputGradient& input_gradient, const Buffers& tangent,
                                   const Penalty& penalty, StackView<float> flat_gradient) const {
  if (penalty.target > 0.0f && is_joint()) {
    throw Error(ErrorCode::unsupported, "a gradient penalty with a target takes networks without branches");
  }
  if (sees_other_rows()) {
    throw Error(ErrorCode::unsupported,
                "a gradient penalty takes no normalisation over rows, no minibatch discrimination");
  }
  // g, the backward data pass from 1. It leaves the layers' backward signals in the gradients.
  fill(context, buffers.result_gradient(), 1.0f);
  backward(context, flat, {}, buffers, {}, input_gradient, {.dropout = penalty.dropout});
  float scale = penalty.scale;
  if (penalty.target > 0.0f) {
    // The direction is the penalty's derivative with respect to g, in g's place.
    const StackView<float> g = input_gradient.x;
    GradientPenalty args;
    args.gradient = g;
    args.target = penalty.target;
    args.weight = penalty.scale * static_cast<float>(g.rows);
    args.tangent = g;
    run(context, args);
    scale = 1.0f;
  }
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const bool is_branch = p + 1 < parts_.size();
    const StackView<const float> direction = p == 0 ? input_gradient.x : p == 1 ? input_gradient.z : tangent.joined;
    pass(context, p, flat, {}, buffers)
        .add_tangent_products(direction, tangent.part[p], scale, penalty.dropout, flat_gradient, is_branch);
  }
  const auto curve = [&](std::size_t p, bool from_output, StackView<float> dx) {
    pass(context, p, flat, in, buffers)
        .add_curvature(tangent.part[p], scale, penalty.dropout, flat_gradient, from_output, dx);
  };
  if (!is_joint()) return curve(0, false, {});
  const bool is_curved = pass(context, 2, flat, in, buffers).is_curved();
  curve(2, false, is_curved ? tangent.joined_gradient : StackView<float>());
  for (const std::size_t branch : {0, 1}) curve(branch, is_curved, {});
}

}  // namespace cugad
