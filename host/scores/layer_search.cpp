#include "host/scores/layer_search.hpp"

#include <algorithm>
#include <vector>

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
  const std::int64_t restarts = networks.options().restarts;
  room_ = std::max(rows, restarts);
  Arena& working = networks.working();
  const auto take = [&](StackView<float>& view, const char* name, std::int64_t width) {
    view = working.stack(name, models, room_, width);
  };
  generator_ = networks.carve("generator activations of searches", networks.networks().generator(), room_);
  take(row_gradient_, "gradient of the searched rows", columns);
  take(slope_, "slopes of the residual", columns);
  take(filled_, "searched rows without missing cells", columns);
  take(rebuilt_, "generated rows of searches", columns);
  descent_.take_memory(working, models, room_, networks.search_inputs());
  take(discrimination_, "distances of features", 1);
  take(loss_, "losses of searches", 1);
  if (restarts > 1) take_choices(networks);
  if (!judges(networks.options()) || networks.has_joint_discriminator()) return;
  features_ = networks.networks().discriminator().hidden();
  judge_ = networks.carve("activations of generated rows", features_, room_);
  query_ = networks.carve("activations of queries", features_, room_);
}

/// What repeats rows for their restarts, and chooses among these.
void LayerSearch::take_choices(ScoringNetworks& networks) {
  Arena& working = networks.working();
  choosing_ = std::make_shared<Context>(networks.device().make_context(networks.context().threads()));
  query_rows_ = working.stack("rows of searches", 1, room_, networks.networks().row_columns());
  row_of_search_ = working.stack<std::int32_t>("row of each search", 1, room_, 1);
  best_ = working.stack<std::int32_t>("best restarts", 1, room_, 1);
  nothing_ = working.stack("no loss", 1, 1, 1);
  std::vector<std::int32_t> numbers;
  for (std::int64_t i = 0; i < room_; ++i) {
    numbers.push_back(static_cast<std::int32_t>(i / networks.options().restarts));
  }
  Context& context = networks.context();
  context.backend().copy(row_of_search_.data, numbers.data(), sizeof(std::int32_t) * numbers.size(), context.stream());
  fill(context, nothing_, 0.0f);
  context.synchronize();
}

/// One evaluation of the loss at the latents.
struct LayerSearch::Pass {
  LayerSearch& memory;
  ScoringNetworks& networks;
  StackView<const float> query;
  StackView<float> latent;

  std::int64_t rows() const { return query.rows; }
  StackView<float> some(const StackView<float>& view) const { return view.slice_rows(0, rows()); }
  StackView<float> rebuilt() const { return some(memory.rebuilt_); }
  const Network& generator() const { return networks.networks().generator(); }
  Context& context() const { return networks.context(); }
  const DetectorOptions& options() const { return networks.options(); }
  bool is_judged() const { return judges(options()) && !networks.has_joint_discriminator(); }
  float share_of_residual() const { return is_judged() ? 1.0f - options().lambda : 1.0f; }
  Distance feature_metric() const {
    return options().discrimination == Discrimination::feature_l1 ? Distance::l1 : Distance::squared;
  }

  /// The query, whose missing cells are those of G(z).
  StackView<const float> fill_missing() const {
    const StackView<float> filled = some(memory.filled_);
    run(context(), FillMissing{.x = query, .replacement = rebuilt(), .out = filled});
    return filled;
  }
  /// G(z), and the features of G(z) and of the query. Of ALI's means and log variances the means are G(z).
  void forward() const {
    const Network::Buffers buffers = memory.generator_.slice_rows(0, rows());
    const int columns = networks.networks().columns, given = networks.networks().condition;
    generator().forward(context(), networks.weights(Role::generator), {.x = latent}, buffers);
    copy(context(), buffers.result().slice_columns(0, columns), rebuilt().slice_columns(0, columns));
    if (given > 0)
      copy(context(), latent.slice_columns(networks.networks().latent, given), rebuilt().slice_columns(columns, given));
    if (!is_judged()) return;
    const StackView<const float> judge = networks.weights(Role::discriminator);
    memory.features_.forward(context(), judge, {.x = fill_missing()}, memory.query_.slice_rows(0, rows()));
    memory.features_.forward(context(), judge, {.x = rebuilt()}, memory.judge_.slice_rows(0, rows()));
  }
  StackView<float> query_features() const { return memory.query_.slice_rows(0, rows()).result(); }
  StackView<float> features() const { return memory.judge_.slice_rows(0, rows()).result(); }

  void add(StackView<const float> x, float scale, StackView<float> y) const {
    run(context(), AddRows{.x = x, .scale = scale, .y = y});
  }
  /// Of the loss by z. A missing cell has no residual.
  void backward() const {
    const StackView<float> gradient = some(memory.row_gradient_), slope = some(memory.slope_),
                           of_latent = memory.descent_.gradient(rows());
    fill(context(), gradient, 0.0f);
    slopes(context(), fill_missing(), rebuilt(), options().residual, slope);
    add(slope, share_of_residual(), gradient);
    if (is_judged()) {
      const Network::Buffers judge = memory.judge_.slice_rows(0, rows());
      slopes(context(), query_features(), features(), feature_metric(), judge.result_gradient());
      memory.features_.backward(context(), networks.weights(Role::discriminator), {.x = rebuilt()}, judge, {},
                                {.x = slope}, {});
      add(slope, options().lambda, gradient);
    }
    const Network::Buffers buffers = memory.generator_.slice_rows(0, rows());
    const int columns = networks.networks().columns;
    if (buffers.result().columns > columns) fill(context(), buffers.result_gradient(), 0.0f);
    copy(context(), gradient.slice_columns(0, columns), buffers.result_gradient().slice_columns(0, columns));
    generator().backward(context(), networks.weights(Role::generator), {.x = latent}, buffers, {}, {.x = of_latent},
                         {});
    if (options().latent_weight > 0.0f) add(latent, 2.0f * options().latent_weight, of_latent);
    // Conditions stay as they are.
    if (const int given = networks.networks().condition; given > 0)
      fill(context(), of_latent.slice_columns(networks.networks().latent, given), 0.0f);
  }
  /// The loss of each search.
  void take_loss() const {
    const StackView<float> loss = some(memory.loss_), part = some(memory.discrimination_),
                           total = some(memory.slope_).slice_columns(0, 1);
    networks.take_distance(query, rebuilt(), options().residual, loss);
    if (!is_judged() && options().latent_weight <= 0.0f) return;
    fill(context(), total, 0.0f);
    add(loss, share_of_residual(), total);
    if (is_judged()) {
      networks.take_distance(query_features(), features(), feature_metric(), part);
      add(part, options().lambda, total);
    }
    if (options().latent_weight > 0.0f) {
      const StackView<float> none = memory.descent_.gradient(rows());
      fill(context(), none, 0.0f);
      networks.take_distance(latent, none, Distance::squared, part);
      add(part, options().latent_weight, total);
    }
    copy(context(), total, loss);
  }
};

void LayerSearch::search(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent) {
  const std::int64_t restarts = networks.options().restarts, block = room_ / restarts;
  for (std::int64_t first = 0; first < rows.rows; first += block) {
    const std::int64_t count = std::min(block, rows.rows - first);
    const MatrixView<const float> some(rows.row(first), count, rows.columns, rows.row_stride);
    search_some(networks, some, latent.slice_rows(first * restarts, count * restarts));
    choose(networks, {first, count, rows.rows});
  }
}

void LayerSearch::search_some(ScoringNetworks& networks, MatrixView<const float> rows, StackView<float> latent) {
  Context& context = networks.context();
  StackView<const float> query = shared_by(networks.population(), rows);
  if (networks.options().restarts > 1) {
    const StackView<float> repeated = query_rows_.slice_rows(0, latent.rows);
    run(context,
        GatherRows{.source = shared_by(1, rows), .index = row_of_search_.slice_rows(0, latent.rows), .out = repeated});
    query = shared_by(networks.population(), MatrixView<const float>(repeated.model(0)));
  }
  const Pass pass{*this, networks, query, latent};
  const auto evaluate = [&] {
    pass.forward();
    pass.backward();
  };
  const auto rate = [&](int step) { return rate_at(networks.options(), step); };
  descent_.run(context, latent, networks.options().search_steps, rate, evaluate);
  pass.forward();
  pass.take_loss();
}

/// The results of some rows, each that of its best restart.
void LayerSearch::choose(ScoringNetworks& networks, const Span& rows) {
  Context& context = networks.context();
  const std::int64_t restarts = networks.options().restarts, count = rows.count;
  const StackView<float> rebuilt = networks.reconstruction(rows.all).slice_rows(rows.first, count);
  const StackView<float> loss = networks.loss(rows.all).slice_rows(rows.first, count);
  if (restarts == 1) {
    copy(context, rebuilt_.slice_rows(0, count), rebuilt);
    return copy(context, loss_.slice_rows(0, count), loss);
  }
  choosing_->use_stream(context.stream());
  for (std::int64_t m = 0; m < networks.population(); ++m) {
    // Here each row is a model of the ops, its restarts are the rows.
    const auto by_row = [&](const StackView<float>& searches) {
      const std::int64_t width = searches.columns;
      return StackView<const float>(searches.model(m).data, count, restarts, width, restarts * width, width);
    };
    const auto of_row = [&](const StackView<float>& view) {
      return StackView<float>(view.model(m).data, count, 1, view.columns, view.row_stride, view.columns);
    };
    const StackView<std::int32_t> best(best_.data, count, 1, 1);
    run(*choosing_, NearestRows{.query = {nothing_.data, count, 1, 1, 0, 1},
                                .bank = by_row(loss_),
                                .neighbours = 1,
                                .metric = Distance::l1,
                                .distance = of_row(loss),
                                .index = best});
    run(context, GatherRows{.source = by_row(rebuilt_), .index = best, .out = of_row(rebuilt)});
  }
}

}  // namespace cugad
