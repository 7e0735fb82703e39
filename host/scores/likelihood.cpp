#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "host/backend/elementwise.hpp"
#include "host/backend/transfer.hpp"
#include "host/scores/scoring_masks.hpp"
#include "host/scores/scoring_rule.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {
namespace {

/// Up to so many columns are hidden one by one; more are dealt out to as many groups.
constexpr std::int64_t most_groups = 40;
/// Further masks hide random columns, with these shares in turn.
constexpr std::array<double, 3> random_shares = {0.15, 0.3, 0.5};
constexpr std::int64_t random_masks = 12;
/// Rows with masks that a thread passes through G at a time: its second-level cache holds their activations.
constexpr std::int64_t lane_rows = 256;

double uniform(std::uint64_t seed, std::uint32_t mask, std::int64_t column) {
  constexpr auto purpose = static_cast<std::uint32_t>(RandomPurpose::sample);
  const auto block = static_cast<std::uint32_t>(column);
  return static_cast<double>(philox4x32_10({block, 0, mask, purpose}, seed)[0]) * 0x1p-32;
}

}  // namespace

std::vector<std::vector<float>> scoring_masks(const std::vector<std::int32_t>& group, std::uint64_t seed) {
  const auto columns = static_cast<std::int64_t>(group.size());
  std::vector<std::int64_t> order;  // of the cells' first columns
  for (std::int64_t c = 0; c < columns; ++c) {
    if (group[c] == c) order.push_back(c);
  }
  const auto cells = static_cast<std::int64_t>(order.size()), groups = std::min(cells, most_groups);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return uniform(seed, random_masks, a) < uniform(seed, random_masks, b);
  });
  std::vector<std::vector<float>> masks(static_cast<std::size_t>(groups + random_masks),
                                        std::vector<float>(static_cast<std::size_t>(columns)));
  for (std::int64_t i = 0; i < cells; ++i) masks[i % groups][order[i]] = 1.0f;
  for (std::int64_t k = 0; k < random_masks; ++k) {
    for (const std::int64_t c : order) {
      const bool is_hidden = uniform(seed, static_cast<std::uint32_t>(k), c) < random_shares[k % random_shares.size()];
      masks[groups + k][c] = is_hidden ? 1.0f : 0.0f;
    }
  }
  for (std::vector<float>& mask : masks) {
    for (std::int64_t c = 0; c < columns; ++c) mask[c] = mask[group[c]];
  }
  return masks;
}

namespace {

/// How unlikely each cell is given the others: G's negative log-likelihood of the cell, averaged over masks that hide
/// it, plus what D makes of it, as a p-value among calibration rows that are new to the models (Vovk 2005); the score
/// is the mean of the columns' -log p.
class LikelihoodRule final : public ScoringRule {
 public:
  explicit LikelihoodRule(ScoringNetworks& networks) : ScoringRule(networks) {
    table_.value = networks.kept().stack("values of calibration rows", 1, columns(), most_table_rows);
    table_.count = networks.kept().stack<std::int32_t>("calibration rows with a value", 1, columns(), 1);
  }
  std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const override { return copy_of(*this, networks); }

  void draw() override {
    std::vector<std::int32_t> group = trained().networks().group;
    if (!group.empty()) {
      group_ = trained().kept().stack<std::int32_t>("categories", 1, 1, columns());
      upload(group, group_.data);
    } else {
      group.resize(static_cast<std::size_t>(columns()));
      std::iota(group.begin(), group.end(), 0);
    }
    const std::vector<std::vector<float>> masks = scoring_masks(group, options().seed);
    patterns_ = trained().kept().stack("masks", 1, static_cast<std::int64_t>(masks.size()) + 1, columns());
    column_weight_ = trained().kept().stack("weight of one mask", 1, 1, columns());
    std::vector<float> weight(static_cast<std::size_t>(columns()));
    for (const std::vector<float>& mask : masks) {
      for (std::size_t c = 0; c < mask.size(); ++c) weight[c] += mask[c];
    }
    for (float& one : weight) one = 1.0f / one;
    for (std::size_t k = 0; k < masks.size(); ++k) upload(masks[k], patterns_.model(0).row(k));
    upload(weight, column_weight_.data);
    context().synchronize();
  }
  void take_memory(std::int64_t rows) override {
    const Network& generator = trained().networks().generator();
    const std::int64_t shown = std::max(rows, masks());
    masked_ = trained().working().stack("visible cells and masks", 1, shown, generator.inputs());
    value_ = trained().working().stack("values of cells", trained().population(), rows, columns());
    rank_ = trained().working().stack("ranks of cells", 1, rows, columns());
    score_ = trained().working().stack("mean ranks", 1, rows, 1);
    generator_buffers_ = trained().carve("activations of the generator", generator, shown);
    lanes_ = std::make_shared<std::vector<Lane>>();
    const std::int64_t most = std::min<std::int64_t>(worthwhile_threads(rows), rows / lane_rows + 1);
    for (std::int64_t i = 0; i < most && most > 1; ++i) {
      const std::int64_t own = std::max(lane_rows, masks());
      lanes_->push_back({trained().device().make_context(1),
                         trained().working().stack("visible cells and masks of a thread", 1, own, generator.inputs()),
                         trained().carve("activations of a thread's generator", generator, own)});
    }
  }

  RawScores raw_scores(MatrixView<const float> rows, bool) override {
    ColumnRanks ranks = ranks_of(rows, find_values(rows, {}));
    ranks.rank = rank_.slice_rows(0, rows.rows);
    ranks.score = score_.slice_rows(0, rows.rows);
    run(context(), ranks);
    return {.residual = of_all_models(ranks.score), .logit = {}};
  }
  void explain(MatrixView<const float> rows) override {
    ::cugad::copy(context(), of_all_models(rank_.slice_rows(0, rows.rows)),
                  trained().feature_residual(rows.rows).slice_columns(0, columns()));
  }

  bool learn(MatrixView<const float> rows, std::span<const HeldOutRows> parts, std::int64_t chunk,
             StackView<float> scores) override {
    Arena arena(context());
    const StackView<float> values = arena.stack("values of the calibration rows", 1, rows.rows, columns());
    for (const HeldOutRows& part : parts) {
      for (std::int64_t first = part.begin; first < part.end; first += chunk) {
        const std::int64_t count = std::min(chunk, part.end - first);
        const MatrixView<const float> some(rows.row(first), count, rows.columns, rows.row_stride);
        ColumnRanks means = ranks_of(some, find_values(some, part.models));
        means.mean = values.slice_rows(first, count);
        run(context(), means);
      }
    }
    keep(download(context(), values.data, rows.rows * columns()), download_rows(context(), rows));
    ColumnRanks ranks = ranks_of(rows, values);
    ranks.leave_one_out = true;
    ranks.score = scores;
    run(context(), ranks);
    context().synchronize();  // before the values go
    return true;
  }
  ColumnTable column_table() const override { return table_; }

 private:
  std::int64_t columns() const { return trained().networks().columns; }
  template <class T>
  void upload(const std::vector<T>& values, T* target) {
    context().backend().copy(target, values.data(), sizeof(T) * values.size(), context().stream());
  }
  /// One matrix for every model.
  StackView<const float> of_all_models(StackView<const float> one) const {
    return shared_by(trained().population(), one.model(0));
  }

  /// What a pass of G works with. Threads have one each, with a context of one thread, and pass blocks of rows that
  /// stay in their caches.
  struct Lane {
    Context context;
    StackView<float> masked;
    Network::Buffers buffers;
  };

  std::int64_t masks() const { return patterns_.rows - 1; }
  bool device_runs_models_together() const { return trained().device().backend().runs_models_together(); }
  /// Threads for so many rows: of a GPU one, which issues its launches.
  int worthwhile_threads(std::int64_t rows) const {
    if (device_runs_models_together()) return 1;
    const auto passes = static_cast<double>(rows * masks() * trained().population());
    const auto terms = static_cast<double>(trained().networks().generator().parameters());
    return cpu::worthwhile_threads_of_products(context().threads(), 2.0 * passes * terms);
  }
  /// Every `masks`-th row from row k on: those with mask k of rows that each occur once per mask.
  template <class T>
  static StackView<T> with_mask(std::int64_t k, std::int64_t masks, StackView<T> all) {
    return {all.data + k * all.row_stride, all.models, all.rows / masks, all.columns, all.model_stride,
            masks * all.row_stride};
  }

  /// Per cell and each of these models: the mean negative log-likelihood over the masks that hide the cell, less D's
  /// logit.
  StackView<const float> find_values(MatrixView<const float> rows, const SomeModels& of_models) {
    const std::int64_t width = trained().networks().row_columns();
    const std::int64_t models = of_models.count(trained().population());
    const StackView<float> value = value_.slice_rows(0, rows.rows).slice_models(0, models);
    const auto pass = [&](Context& context, StackView<float> masked, const Network::Buffers& buffers,
                          std::int64_t begin, std::int64_t end) {
      // Few rows with all their masks, which resemble each other; of a GPU, where each op is a launch, all rows.
      const std::int64_t room = masked.rows / std::max<std::int64_t>(1, end - begin);
      const std::int64_t together =
          device_runs_models_together() ? std::clamp<std::int64_t>(room, 1, masks()) : masks();
      for (const std::int64_t most = masked.rows / together; begin < end; begin += most) {
        const std::int64_t count = std::min(most, end - begin);
        for (std::int64_t k = 0; k < masks(); k += together) {
          const std::int64_t own = std::min(together, masks() - k);
          add_likelihoods(context, k, own, masked.slice_rows(0, count * own), buffers,
                          {rows.row(begin), count, rows.columns, rows.row_stride}, of_models,
                          value.slice_rows(begin, count));
        }
      }
    };
    const int threads = std::min(worthwhile_threads(rows.rows), static_cast<int>(lanes_->size()));
    if (threads > 1) {
      for (Lane& lane : *lanes_) {
        if (!context().has_frozen_weights() || lane.context.has_frozen_weights()) continue;
        lane.context.share_kept(context());
        lane.context.freeze_weights();
      }
      cpu::parallel_ranges(threads, rows.rows, [&](int t, std::int64_t begin, std::int64_t end) {
        Lane& lane = (*lanes_)[static_cast<std::size_t>(t)];
        pass(lane.context, lane.masked, lane.buffers, begin, end);
      });
    } else {
      pass(context(), masked_, generator_buffers_, 0, rows.rows);
    }
    if (trained().needs_discriminator()) {
      const StackView<float> masked = masked_.slice_rows(0, rows.rows);
      // Hides no column, so that missing cells alone count as 0, the mean of a centred column.
      hide(context(), rows, masks(), masked);
      const StackView<const float> shown = of_models.of(of_all_models(masked));
      run(context(), AddRows{.x = trained().judge(shown.slice_columns(0, width), of_models),
                             .scale = -options().discriminator_weight,
                             .y = value});
    }
    return value;
  }

  void hide(Context& context, MatrixView<const float> rows, std::int64_t pattern, StackView<float> out) const {
    run(context,
        MaskColumns{.x = shared_by(1, rows), .pattern = patterns_.slice_rows(pattern, 1), .key = {}, .out = out});
  }

  /// One pass of G over rows that each occur once per mask of [first, first + masks), the masks of a row one after the
  /// other: they differ in few cells, and so in few of the units that are 0, which the CPU's dense layers leave out.
  void add_likelihoods(Context& context, std::int64_t first, std::int64_t masks, StackView<float> masked,
                       const Network::Buffers& buffers, MatrixView<const float> rows, const SomeModels& of_models,
                       StackView<float> value) const {
    const std::int64_t models = value.models;
    const StackView<const float> shown = of_models.of(of_all_models(masked));
    const StackView<const float> mask = shown.slice_columns(trained().networks().row_columns(), columns());
    const Network::Buffers window = buffers.slice_rows(0, masked.rows).slice_models(0, models);
    for (std::int64_t k = 0; k < masks; ++k) hide(context, rows, first + k, with_mask(k, masks, masked));
    const StackView<const float> weights = trained().weights(Role::generator);
    trained().networks().generator().forward(context, of_models.of(weights), {.x = shown, .z = {}}, window);
    for (std::int64_t k = 0; k < masks; ++k) {
      run(context, GaussianLikelihood{.statistics = with_mask(k, masks, window.result()),
                                      .x = shared_by(models, rows).slice_columns(0, columns()),
                                      .mask = with_mask(k, masks, mask),
                                      .column_weight = of_models.of(of_all_models(column_weight_)),
                                      .cell = value,
                                      .accumulate = first + k > 0,
                                      .group = shared_by(models, group_.model(0))});
    }
  }

  ColumnRanks ranks_of(MatrixView<const float> rows, StackView<const float> values) const {
    return {.value = values,
            .x = shared_by(1, rows).slice_columns(0, columns()),
            .table = table_.value,
            .count = table_.count,
            .group = group_};
  }

  /// Sorts the calibration rows' values by column, those of a category at its first one. Cells without a value are NaN;
  /// a model file holds finite numbers. A column whose cells are all the same has the largest value throughout: its
  /// rank is 0 in every row.
  void keep(const std::vector<float>& values, const std::vector<float>& cells) {
    const auto width = static_cast<std::size_t>(columns());
    std::vector<float> column, table(width * static_cast<std::size_t>(most_table_rows));
    std::vector<std::int32_t> count;
    for (std::size_t c = 0; c < width; ++c) {
      column.clear();
      for (std::size_t i = c; begins_cell(c) && i < values.size(); i += width) {
        if (!std::isnan(values[i])) column.push_back(std::min(values[i], std::numeric_limits<float>::max()));
      }
      std::sort(column.begin(), column.end());
      if (is_constant(cells, c)) std::fill(column.begin(), column.end(), std::numeric_limits<float>::max());
      std::copy(column.begin(), column.end(), table.begin() + static_cast<std::ptrdiff_t>(c) * most_table_rows);
      count.push_back(static_cast<std::int32_t>(column.size()));
    }
    upload(table, table_.value.data);
    upload(count, table_.count.data);
    context().synchronize();
  }

  bool begins_cell(std::size_t c) const {
    const std::vector<std::int32_t>& group = trained().networks().group;
    return group.empty() || group[c] == static_cast<std::int32_t>(c);
  }
  /// Whether the cell at column c of the calibration rows has one value.
  bool is_constant(const std::vector<float>& cells, std::size_t c) const {
    const auto width = static_cast<std::size_t>(trained().networks().row_columns());
    float lowest = std::numeric_limits<float>::infinity(), highest = -lowest;
    for (std::size_t i = c; i < cells.size(); i += width) {
      lowest = std::fmin(lowest, cells[i]);
      highest = std::fmax(highest, cells[i]);
    }
    const bool goes_on = c + 1 < static_cast<std::size_t>(columns()) && !begins_cell(c + 1);
    return lowest >= highest && (!goes_on || is_constant(cells, c + 1));
  }

  ColumnTable table_;
  StackView<float> patterns_, column_weight_;  ///< the last pattern hides nothing
  StackView<std::int32_t> group_;              ///< null: every column is a cell of its own
  StackView<float> masked_, value_, rank_, score_;
  Network::Buffers generator_buffers_;
  std::shared_ptr<std::vector<Lane>> lanes_;  ///< none, or a thread's each
};

}  // namespace

std::unique_ptr<ScoringRule> make_likelihood_rule(ScoringNetworks& networks) {
  return std::make_unique<LikelihoodRule>(networks);
}

}  // namespace cugad
