#include "host/network/network.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"

namespace cugad {
namespace {

constexpr std::uint32_t branch_initial_lanes[] = {16, 32, 0}, branch_dropout_lanes[] = {0, 4, 8};
constexpr std::uint32_t minibatch_initial_lane = 48;

std::int64_t joined_stride(const std::vector<Network::Part>& parts) { return (parts[2].mlp.inputs() + 15) / 16 * 16; }

}  // namespace

Network::Network(Mlp trunk, const Techniques& techniques) {
  add_part("", std::move(trunk));
  add_techniques(techniques);
}

Network::Network(Mlp data_branch, Mlp latent_branch, Mlp trunk, const Techniques& techniques) {
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
  add_techniques(techniques);
}

void Network::add_part(std::string name, Mlp mlp) {
  const std::int64_t offset = parameters_;
  parameters_ += mlp.parameters();
  parts_.push_back({std::move(name), std::move(mlp), offset});
}

void Network::add_techniques(const Techniques& techniques) {
  trained_ = kept_ = parameters_;
  if (techniques.minibatch_kernels > 0 && trunk().layers() > 1) {
    minibatch_ = MinibatchLayer(trunk().layer_inputs(trunk().layers() - 1), outputs(), techniques);
  }
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const bool last = p + 1 == parts_.size();
    const auto rows = techniques.batch_norm && is_joint() && p == 0 ? PartTechniques::Rows::batch
                      : techniques.virtual_batch > 0 && last        ? PartTechniques::Rows::reference
                                                                    : PartTechniques::Rows::none;
    techniques_.emplace_back(parts_[p].mlp, parts_[p].offset, last, rows, techniques);
  }
  if (std::none_of(techniques_.begin(), techniques_.end(), [](const PartTechniques& part) { return part.active(); })) {
    techniques_.clear();
  }
  for (PartTechniques& part : techniques_) part.place_trained(trained_);
  if (minibatch_) minibatch_.place_trained(trained_);
  kept_ = trained_;
  for (PartTechniques& part : techniques_) part.place_constants(kept_);
  parameters_ = kept_;
  for (PartTechniques& part : techniques_) part.place_kept(parameters_);
  if (minibatch_) minibatch_.place_kept(parameters_);
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
  for (const PartTechniques::Memory& kept : memory) some.memory.push_back(kept.slice_rows(first, count));
  some.minibatch = minibatch.slice_rows(first, count);
  return some;
}

Network::Buffers Network::Buffers::slice_models(std::int64_t first, std::int64_t count) const {
  Buffers some;
  for (const Mlp::Buffers& buffers : part) some.part.push_back(buffers.slice_models(first, count));
  if (joined) {
    some.joined = joined.slice_models(first, count);
    some.joined_gradient = joined_gradient.slice_models(first, count);
  }
  for (const PartTechniques::Memory& kept : memory) some.memory.push_back(kept.slice_models(first, count));
  some.minibatch = minibatch.slice_models(first, count);
  return some;
}

std::int64_t Network::buffer_floats(std::int64_t models, std::int64_t rows) const {
  std::int64_t floats = is_joint() ? 2 * models * rows * joined_stride(parts_) : 0;
  Carver carver(nullptr, models);
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const std::int64_t extra = techniques_.empty() ? 0 : techniques_[p].extra_rows();
    floats += parts_[p].mlp.buffer_floats(models, extra + rows);
    if (!techniques_.empty()) techniques_[p].carve(carver, rows);
  }
  if (minibatch_) minibatch_.carve(carver, rows);
  return floats + carver.taken();
}

Network::Buffers Network::carve(float* memory, std::int64_t models, std::int64_t rows) const {
  Buffers buffers;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const std::int64_t extra = techniques_.empty() ? 0 : techniques_[p].extra_rows();
    buffers.part.push_back(parts_[p].mlp.carve(memory, models, extra + rows).slice_rows(extra, rows));
    memory += parts_[p].mlp.buffer_floats(models, extra + rows);
  }
  if (is_joint()) {
    const std::int64_t stride = joined_stride(parts_), width = parts_[2].mlp.inputs();
    buffers.joined = {memory, models, rows, width, rows * stride, stride};
    memory += models * rows * stride;
    buffers.joined_gradient = {memory, models, rows, width, rows * stride, stride};
    memory += models * rows * stride;
    // The branches' last layers write straight into the trunk's input.
    std::int64_t from = 0;
    for (int branch : {0, 1}) {
      const std::int64_t count = parts_[branch].mlp.outputs();
      buffers.part[branch].output.back() = buffers.joined.slice_columns(from, count);
      buffers.part[branch].gradient.back() = buffers.joined_gradient.slice_columns(from, count);
      from += count;
    }
  }
  Carver carver(memory, models);
  for (const PartTechniques& part : techniques_) buffers.memory.push_back(part.carve(carver, rows));
  if (minibatch_) buffers.minibatch = minibatch_.carve(carver, rows);
  return buffers;
}

void Network::initialise(Context& context, StackView<float> flat, RandomKey key) const {
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    RandomKey mine = key;
    if (is_joint()) mine.lane += branch_initial_lanes[p];
    parts_[p].mlp.initialise(context, flat_of(parts_[p], flat), mine);
    if (!techniques_.empty()) techniques_[p].initialise(context, flat, mine);
  }
  key.lane += minibatch_initial_lane;
  if (minibatch_) minibatch_.initialise(context, flat, key);
}

void Network::forward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                      const RandomKey* dropout) const {
  const auto run_part = [&](std::size_t p, StackView<const float> x) {
    RandomKey mine;
    if (dropout != nullptr) {
      mine = *dropout;
      if (is_joint()) mine.lane += branch_dropout_lanes[p];
    }
    const RandomKey* given = dropout == nullptr ? nullptr : &mine;
    if (!techniques_.empty()) {
      return techniques_[p].forward(context, flat, x, buffers.part[p], buffers.memory[p], given);
    }
    parts_[p].mlp.forward(context, flat_of(parts_[p], flat), x, buffers.part[p], given);
  };
  run_part(0, in.x);
  if (is_joint()) {
    run_part(1, in.z);
    run_part(2, buffers.joined);
  }
  if (minibatch_) minibatch_.forward(context, flat, buffers.features(), buffers.result(), buffers.minibatch);
}

void Network::backward_part(Context& context, std::size_t p, StackView<const float> flat, StackView<const float> x,
                            const Buffers& buffers, StackView<float> flat_gradient, StackView<float> dx,
                            const Mlp::BackwardOptions& options) const {
  if (!techniques_.empty()) {
    return techniques_[p].backward(context, flat, x, buffers.part[p], buffers.memory[p], flat_gradient, dx, options);
  }
  parts_[p].mlp.backward(context, flat_of(parts_[p], flat), x, buffers.part[p], flat_of(parts_[p], flat_gradient), dx,
                         options);
}

/// The last layer of a network with minibatch discrimination, whose features have two gradients.
void Network::backward_last(Context& context, StackView<const float> flat, const Buffers& buffers,
                            StackView<float> flat_gradient, const Mlp::BackwardOptions& options) const {
  minibatch_.backward(context, flat, buffers.features(), buffers.result_gradient(), buffers.minibatch, flat_gradient,
                      options.accumulate);
  const int l = trunk().layers() - 1;
  const StackView<float> gradient = flat_of(parts_.back(), flat_gradient);
  DenseBackward args;
  args.x = buffers.features();
  args.weight = trunk().weight(l, flat_of(parts_.back(), flat));
  args.y = buffers.result();
  args.dy = buffers.result_gradient();
  args.dx = buffers.features_gradient();
  if (gradient) {
    args.dweight = trunk().weight(l, gradient);
    args.dbias = trunk().bias(l, gradient);
  }
  args.accumulate = options.accumulate;
  run(context, args);
  run(context, AddRows{.x = buffers.minibatch.features_gradient, .scale = 1.0f, .y = buffers.features_gradient()});
}

void Network::backward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                       StackView<float> flat_gradient, const InputGradient& gradient,
                       Mlp::BackwardOptions options) const {
  if (minibatch_ && options.skipped == 0) {
    backward_last(context, flat, buffers, flat_gradient, options);
    options.skipped = 1;
  }
  if (is_joint()) {
    backward_part(context, 2, flat, buffers.joined, buffers, flat_gradient, buffers.joined_gradient, options);
    options.skipped = 0;
    if (flat_gradient || gradient.x) backward_part(context, 0, flat, in.x, buffers, flat_gradient, gradient.x, options);
    if (flat_gradient || gradient.z) backward_part(context, 1, flat, in.z, buffers, flat_gradient, gradient.z, options);
  } else {
    backward_part(context, 0, flat, in.x, buffers, flat_gradient, gradient.x, options);
  }
  if (!flat_gradient) return;
  for (std::size_t p = 0; p < techniques_.size(); ++p) {
    techniques_[p].hand_on(context, buffers.memory[p], flat_gradient);
  }
  if (minibatch_) minibatch_.hand_on(context, buffers.minibatch, flat_gradient);
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
  if (minibatch_) throw Error(ErrorCode::unsupported, "a gradient penalty takes no minibatch discrimination");
  float scale = penalty.scale;
  if (penalty.target > 0.0f) {
    // The direction is the penalty's derivative with respect to g, in g's place.
    const StackView<float> g = input_gradient.x;
    run(context, GradientPenalty{.gradient = g,
                                 .target = penalty.target,
                                 .weight = penalty.scale * static_cast<float>(g.rows),
                                 .tangent = g,
                                 .loss = {}});
    scale = 1.0f;
  }
  const auto push = [&](std::size_t p, StackView<const float> direction, bool to_output) {
    if (!techniques_.empty()) {
      return techniques_[p].add_tangent_products(context, flat, buffers.part[p], buffers.memory[p], direction,
                                                 tangent.part[p], scale, penalty.dropout, flat_gradient, to_output);
    }
    parts_[p].mlp.add_tangent_products(context, flat_of(parts_[p], flat), buffers.part[p], direction, tangent.part[p],
                                       scale, penalty.dropout, flat_of(parts_[p], flat_gradient), to_output);
  };
  if (is_joint()) {
    push(0, input_gradient.x, true);
    push(1, input_gradient.z, true);
    push(2, tangent.joined, false);
  } else {
    push(0, input_gradient.x, false);
  }
}

}  // namespace cugad
