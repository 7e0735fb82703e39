#include "host/scores/cell_prediction.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "host/backend/transfer.hpp"
#include "host/scores/cell_columns.hpp"
#include "kernels/masks/gaussian_cell.hpp"

namespace cugad {
namespace {

constexpr std::int64_t rows_at_a_time = 1024;

/// Passes over the calibration rows, each of which hides another random share of the cells.
constexpr std::array<double, 4> hidden_shares = {0.1, 0.2, 0.3, 0.5};
constexpr std::int64_t fewest_passes = 4, most_passes = 16, wanted_rows = 4000;
/// Lane of RandomPurpose::calibration.
constexpr std::uint32_t hidden_cells_lane = 2;

/// The probabilities of a category's values, added to those of other models.
void add_softmax(const float* logits, std::int64_t count, double weight, std::vector<double>& probability) {
  const double largest = double{*std::max_element(logits, logits + count)};
  std::vector<double> powers(static_cast<std::size_t>(count));
  double sum = 0.0;
  for (std::int64_t k = 0; k < count; ++k) sum += powers[k] = std::exp(double{logits[k]} - largest);
  for (std::int64_t k = 0; k < count; ++k) probability[k] += weight * powers[k] / sum;
}

/// The mixture of the models' statistics, k means and k log variances for each row, for some rows from `first` on.
class Mixture {
 public:
  Mixture(const std::vector<std::vector<float>>& statistics, const std::vector<std::int32_t>& group,
          CellGaussians& cells)
      : statistics_(statistics), group_(group), cells_(cells) {}

  void add(std::int64_t rows, std::int64_t first) {
    const std::int64_t columns = cells_.mean.columns;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0, end = 0; c < columns; c = end) {
        end = end_of_cell(group_, c);
        const auto at = static_cast<std::size_t>(2 * r * columns + c);
        if (end > c + 1) {
          add_category(at, end - c, cells_.mean.row(first + r) + c, cells_.deviation.row(first + r) + c);
        } else {
          add_number(at, static_cast<std::size_t>(columns), cells_.mean.row(first + r)[c],
                     cells_.deviation.row(first + r)[c]);
        }
      }
    }
  }

 private:
  double weight() const { return 1.0 / static_cast<double>(statistics_.size()); }

  void add_number(std::size_t at, std::size_t columns, float& mean_of_all, float& deviation) const {
    double mean = 0.0, within = 0.0, between = 0.0;
    for (const std::vector<float>& one : statistics_) mean += weight() * double{one[at]};
    for (const std::vector<float>& one : statistics_) {
      const double log_variance = double{clamped_log_variance(one[at + columns])};
      within += weight() * std::exp(log_variance);
      between += weight() * (double{one[at]} - mean) * (double{one[at]} - mean);
    }
    mean_of_all = static_cast<float>(mean);
    deviation = static_cast<float>(std::sqrt(within + between));
  }

  void add_category(std::size_t at, std::int64_t count, float* mean, float* deviation) const {
    std::vector<double> probability(static_cast<std::size_t>(count));
    for (const std::vector<float>& one : statistics_) add_softmax(one.data() + at, count, weight(), probability);
    for (std::int64_t k = 0; k < count; ++k) {
      mean[k] = static_cast<float>(probability[k]);
      deviation[k] = static_cast<float>(std::sqrt(probability[k] * (1.0 - std::min(1.0, probability[k]))));
    }
  }

  const std::vector<std::vector<float>>& statistics_;
  const std::vector<std::int32_t>& group_;
  CellGaussians& cells_;
};

}  // namespace

CellGaussians predict_cells(ScoringNetworks& networks, StackView<const float> generator, MatrixView<const float> rows) {
  const Network& network = networks.networks().generator();
  const std::int64_t columns = networks.networks().columns, models = generator.models;
  const std::int64_t most = std::min(rows_at_a_time, rows.rows);
  CellGaussians cells{Matrix(rows.rows, columns), Matrix(rows.rows, columns)};
  if (rows.rows == 0) return cells;
  Context& context = networks.context();
  Arena arena(context);
  const auto shown = arena.stack("rows with hidden cells", 1, most, rows.columns);
  const auto masked = arena.stack("visible cells and masks", 1, most, network.inputs());
  const auto no_pattern = arena.stack("no further hidden cell", 1, 1, columns);
  const Network::Buffers buffers =
      network.carve(arena.take<float>("activations", network.buffer_floats(models, most)), models, most);
  std::vector<std::vector<float>> statistics(static_cast<std::size_t>(models));
  Mixture mixture(statistics, networks.networks().group, cells);
  for (std::int64_t first = 0; first < rows.rows; first += most) {
    const std::int64_t count = std::min(most, rows.rows - first);
    copy_rows(context, MatrixView<const float>(rows.row(first), count, rows.columns, rows.row_stride),
              shown.slice_rows(0, count).model(0));
    run(context,
        MaskColumns{
            .x = shown.slice_rows(0, count), .pattern = no_pattern, .key = {}, .out = masked.slice_rows(0, count)});
    const Network::Buffers window = buffers.slice_rows(0, count);
    network.forward(context, generator, {.x = shared_by(models, masked.slice_rows(0, count).model(0)), .z = {}},
                    window);
    for (std::int64_t m = 0; m < models; ++m) {
      statistics[static_cast<std::size_t>(m)] = download_rows(context, window.result().model(m));
    }
    mixture.add(count, first);
  }
  return cells;
}

std::vector<std::vector<float>> hidden_cell_residuals(AnomalyModel& model, MatrixView<const float> rows,
                                                      const std::vector<std::int64_t>& fold_begin) {
  const std::int64_t columns = model.networks().columns;
  const std::int64_t passes =
      std::clamp(wanted_rows / std::max<std::int64_t>(1, rows.rows), fewest_passes, most_passes);
  const std::vector<std::int32_t>& group = model.networks().group;
  std::vector<std::vector<float>> residuals(static_cast<std::size_t>(columns));
  const auto uniform = [&](std::int64_t pass, std::int64_t row, std::int64_t column) {
    const auto cell = static_cast<std::uint64_t>(row * columns + column);
    constexpr std::uint32_t purpose = static_cast<std::uint32_t>(RandomPurpose::calibration) + 256 * hidden_cells_lane;
    return static_cast<double>(philox4x32_10({static_cast<std::uint32_t>(cell), static_cast<std::uint32_t>(cell >> 32),
                                              static_cast<std::uint32_t>(pass), purpose},
                                             model.options().seed)[0]) *
           0x1p-32;
  };
  for (const ScoringRule::HeldOutRows& part : model.held_out_rows(fold_begin)) {
    const StackView<const float> generator = part.models.of(model.weights(Role::generator));
    for (std::int64_t pass = 0; pass < passes; ++pass) {
      const double share = hidden_shares[static_cast<std::size_t>(pass) % hidden_shares.size()];
      Matrix hidden(part.end - part.begin, rows.columns);
      for (std::int64_t r = 0; r < hidden.rows; ++r) {
        std::copy_n(rows.row(part.begin + r), rows.columns, hidden.row(r));
        for (std::int64_t c = 0; c < columns; ++c) {
          if (uniform(pass, part.begin + r, group.empty() ? c : group[c]) < share)
            hidden.row(r)[c] = std::numeric_limits<float>::quiet_NaN();
        }
      }
      const CellGaussians cells = predict_cells(model, generator, hidden);
      for (std::int64_t r = 0; r < hidden.rows; ++r) {
        for (std::int64_t c = 0, end = 0; c < columns; c = end) {
          end = end_of_cell(group, c);
          if (end > c + 1) continue;
          const float x = rows.row(part.begin + r)[c];
          if (!std::isnan(hidden.row(r)[c]) || std::isnan(x)) continue;
          residuals[static_cast<std::size_t>(c)].push_back((x - cells.mean.row(r)[c]) / cells.deviation.row(r)[c]);
        }
      }
    }
  }
  for (std::vector<float>& column : residuals) std::sort(column.begin(), column.end());
  return residuals;
}

}  // namespace cugad
