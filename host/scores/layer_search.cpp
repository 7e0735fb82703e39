#include "host/scores/layer_search.hpp"

#include <algorithm>

#include "host/backend/elementwise.hpp"

namespace cugad {
namespace {

/// Up to here numbers of cells are floats.
constexpr std::int64_t most_cells = 1 << 24;

/// d of the sum of |a - b| or (a - b)^2 by b. The op's factor is weight / cells: 1, whatever the number of rows.
void slopes(Context& context, StackView<const float> a, StackView<const float> b, Distance metric,
            StackView<float> slope) {
  const std::int64_t block = std::max<std::int64_t>(1, most_cells / a.columns);
  for (std::int64_t first = 0; first < a.rows; first += block) {
    const std::int64_t count = std::min(block, a.rows - first);
    DifferenceLoss difference;
    difference.a = a.slice_rows(first, count);
    difference.b = b.slice_rows(first, count);
    difference.metric = metric;
    difference.weight = static_cast<float>(count * a.columns);
    difference.db = slope.slice_rows(first, count);
    run(context, difference);
  }
}

bool judges(const DetectorOptions& options) {
  return options.lambda > 0.0f && options.discrimination != Discrimination::none;
}

float rate_at(const DetectorOptions& options, int step) {
  const auto piece = std::upper_bound(options.search_until.begin(), options.search_until.end(), step);
  return options.search_rate[static_cast<std::size_t>(piece - options.search_until.begin())];
}

}  // namespace

void LayerSearch::take_memory(ScoringNetworks& networks, std::int64_t rows) {
  const std::int64_t models = networks.population(), columns = networks.networks().row_columns();
  const auto take = [&](StackView<float>& view, const char* name, std::int64_t width) {
    view = networks.working().stack(name, models, rows, width);
  };
  generator_ = networks.carve("generator activations of searches", networks.networks().generator(), rows);
  take(row_gradient_, "gradient of the searched rows", columns);
  take(slope_, "slopes of the residual", columns);
  take(latent_gradient_, "gradient of the latents", networks.search_inputs());
  take(first_moment_, "first moment of the latents", networks.search_inputs());
  take(second_moment_, "second moment of the latents", networks.search_inputs());
  take(discrimination_, "distances of features", 1);
  if (!judges(networks.options()) || networks.has_joint_discriminator()) return;
  features_ = networks.networks().discriminator().hidden();
  judge_ = networks.carve("activations of generated rows", features_, rows);
  query_ = networks.carve("activations of queries", features_, rows);
}

/// One evaluation of the loss at the latents.
struct LayerSearch::Pass {
  LayerSearch& memory;
  ScoringNetworks& networks;
  StackView<const float> query;
  StackView<float> latent;

  std::int64_t rows() const { return query.rows; }
  Context& context() const { return networks.context(); }
  const DetectorOptions& options() const { return networks.options(); }
  bool is_judged() const { return judges(options()) && !networks.has_joint_discriminator(); }
  float share_of_residual() const { return is_judged() ? 1.0f - options().lambda : 1.0f; }
  Distance feature_metric() const {
    return options().discrimination == Discrimination::feature_l1 ? Distance::l1 : Distance::squared;
  }

  /// G(z), and the features of G(z) and of the query, whose missing cells are those of G(z).
  void forward() const {
    Network::Buffers generator = memory.generator_.slice_rows(0, rows());
    const int columns = networks.networks().columns;
    generator.trunk().output.back() = networks.reconstruction(rows()).slice_columns(0, columns);
    networks.networks().generator().forward(context(), networks.weights(Role::generator), {.x = latent}, generator);
    if (!is_judged()) return;
    const StackView<const float> judge = networks.weights(Role::discriminator);
    const StackView<const float> filled = networks.fill_missing(query.model(0));
    memory.features_.forward(context(), judge, {.x = filled}, memory.query_.slice_rows(0, rows()));
    memory.features_.forward(context(), judge, {.x = networks.reconstruction(rows())},
                             memory.judge_.slice_rows(0, rows()));
  }
  StackView<float> query_features() const { return memory.query_.slice_rows(0, rows()).result(); }
  StackView<float> features() const { return memory.judge_.slice_rows(0, rows()).result(); }

  void add(StackView<const float> x, float scale, StackView<float> y) const {
    run(context(), AddRows{.x = x, .scale = scale, .y = y});
  }
  /// Of the loss by z. A missing cell has no residual.
  void backward() const {
    const StackView<float> gradient = memory.row_gradient_.slice_rows(0, rows()),
                           slope = memory.slope_.slice_rows(0, rows()),
                           of_latent = memory.latent_gradient_.slice_rows(0, rows());
    const StackView<const float> filled = networks.fill_missing(query.model(0));
    fill(context(), gradient, 0.0f);
    slopes(context(), filled, networks.reconstruction(rows()), options().residual, slope);
    add(slope, share_of_residual(), gradient);
    if (is_judged()) {
      const Network::Buffers judge = memory.judge_.slice_rows(0, rows());
      slopes(context(), query_features(), features(), feature_metric(), judge.result_gradient());
      memory.features_.backward(context(), networks.weights(Role::discriminator),
                                {.x = networks.reconstruction(rows())}, judge, {}, {.x = slope}, {});
      add(slope, options().lambda, gradient);
    }
    Network::Buffers generator = memory.generator_.slice_rows(0, rows());
    const int columns = networks.networks().columns;
    generator.trunk().output.back() = networks.reconstruction(rows()).slice_columns(0, columns);
    generator.trunk().gradient.back() = gradient.slice_columns(0, columns);
    networks.networks().generator().backward(context(), networks.weights(Role::generator), {.x = latent}, generator, {},
                                             {.x = of_latent}, {});
    if (options().latent_weight > 0.0f) add(latent, 2.0f * options().latent_weight, of_latent);
    // Conditions stay as they are.
    if (const int given = networks.networks().condition; given > 0)
      fill(context(), of_latent.slice_columns(networks.networks().latent, given), 0.0f);
  }
  /// The loss of each row.
  void take_loss() const {
    const StackView<float> loss = networks.loss(rows()), part = memory.discrimination_.slice_rows(0, rows()),
                           total = memory.slope_.slice_rows(0, rows()).slice_columns(0, 1);
    networks.take_distance(query, networks.reconstruction(rows()), options().residual, loss);
    if (!is_judged() && options().latent_weight <= 0.0f) return;
    fill(context(), total, 0.0f);
    add(loss, share_of_residual(), total);
    if (is_judged()) {
      networks.take_distance(query_features(), features(), feature_metric(), part);
      add(part, options().lambda, total);
    }
    if (options().latent_weight > 0.0f) {
      const StackView<float> none = memory.latent_gradient_.slice_rows(0, rows());
      fill(context(), none, 0.0f);
      networks.take_distance(latent, none, Distance::squared, part);
      add(part, options().latent_weight, total);
    }
    copy(context(), total, loss);
  }
};

void LayerSearch::search(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent) {
  const Pass pass{*this, networks, shared_by(networks.population(), rows), latent};
  if (networks.networks().condition > 0) networks.give_condition(rows, latent);
  networks.repeat_condition(rows);
  const auto of_rows = [&](StackView<float> view) { return view.slice_rows(0, rows.rows); };
  fill(pass.context(), of_rows(first_moment_), 0.0f);
  fill(pass.context(), of_rows(second_moment_), 0.0f);
  const auto flat = [&](StackView<float> view) {
    return StackView<float>(view.data, view.models, 1, rows.rows * view.columns, view.model_stride,
                            rows.rows * view.columns);
  };
  for (int step = 0; step < networks.options().search_steps; ++step) {
    pass.forward();
    pass.backward();
    Adam adam;
    adam.parameter = flat(latent);
    adam.gradient = flat(latent_gradient_);
    adam.first_moment = flat(first_moment_);
    adam.second_moment = flat(second_moment_);
    adam.learning_rate = rate_at(networks.options(), step);
    adam.step = step + 1;
    run(pass.context(), adam);
  }
  pass.forward();
  pass.take_loss();
}

}  // namespace cugad
