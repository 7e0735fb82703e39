#include <algorithm>
#include <cmath>
#include <limits>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/stop_scoring.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/cell_columns.hpp"

/// Missing cells, filled with the mean of their distribution given the others of their row, or drawn from it.
namespace cugad {
namespace {

constexpr std::int64_t rows_at_a_time = 4096;  ///< between two looks at the flag that cancels
/// Lane of RandomPurpose::sample.
constexpr std::uint32_t conditional_lane = 1;
/// How often each drawn cell is drawn again, given all others of its row: the first draws saw few cells, as G never did
/// in training.
constexpr std::uint32_t redraws = 2;

void check_room(const char* what, std::int64_t cells, std::span<float> room) {
  if (static_cast<std::int64_t>(room.size()) == cells) return;
  throw Error(ErrorCode::invalid_argument, std::string("'") + what + "' has room for " + std::to_string(room.size()) +
                                               " numbers, expected " + std::to_string(cells));
}

/// Puts a value of a category into transformed cells: the first whose cumulative probability is above u.
void draw_category(const float* probability, std::int64_t count, double u, const std::int64_t* order,
                   const FeatureTransform& transform, float* cell) {
  double sum = 0.0;
  bool is_drawn = false;
  for (std::int64_t k = 0; k < count; ++k) {
    sum += double{probability[k]};
    const bool is_it = !is_drawn && (u < sum || k + 1 == count);
    is_drawn = is_drawn || is_it;
    cell[k] = static_cast<float>(((is_it ? 1.0 : 0.0) - transform.shift[order[k]]) * transform.scale[order[k]]);
  }
}

}  // namespace

AnomalyModel& Detector::Impl::cell_model() const {
  for (std::size_t i = 0; i < model->methods(); ++i) {
    if (!definition_of(model->member(i).options().method).judges_cells) continue;
    if (cells) return model->member(i);
    throw Error(ErrorCode::unsupported,
                "the model file has no cell_residuals (an older version wrote it): fit the model again to fill cells");
  }
  throw Error(ErrorCode::unsupported, "a model of method " + get_option(resolved, "method") +
                                          " predicts no cells, expected one with gain (--method gain, --preset "
                                          "tables)");
}

MatrixView<const float> Detector::Impl::on_host(MatrixView<const float> rows, std::vector<float>& brought) const {
  if (device.backend().is_host_memory() || !device.backend().is_device_pointer(rows.data)) return rows;
  Context context = device.make_context();
  device.backend().wait_for_default_stream(context.stream());
  brought = download_rows(context, rows);
  return {brought.data(), rows.rows, rows.columns};
}

Matrix Detector::Impl::shown(Context& on_host, MatrixView<const float> rows) const {
  Matrix transformed(rows.rows, rows.columns);
  transform.apply(on_host, rows, transformed);
  return transformed;
}

std::int64_t Detector::Impl::fill(MatrixView<const float> rows, std::span<float> filled, std::span<float> low,
                                  std::span<float> high, float coverage) {
  std::int64_t beyond = 0;
  AnomalyModel& predictor = cell_model();
  std::vector<float> brought;
  rows = on_host(rows, brought);
  Context host = Device::open("cpu", device.threads()).make_context();
  const std::int64_t columns = rows.columns, judged = columns - roles.condition;
  for (std::int64_t first = 0; first < rows.rows; first += rows_at_a_time) {
    stop_scoring_if(cancel);
    const MatrixView<const float> some(rows.row(first), std::min(rows_at_a_time, rows.rows - first), columns,
                                       rows.row_stride);
    const CellGaussians gaussians = predict_cells(predictor, predictor.weights(Role::generator), shown(host, some));
    for (std::int64_t r = 0; r < some.rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t column = roles.order[static_cast<std::size_t>(c)];
        const auto at = static_cast<std::size_t>((first + r) * columns + column);
        const float x = some.row(r)[column];
        float value = x, lowest = x, highest = x;
        if (std::isnan(x) && c < judged && is_category_column(roles.group, c)) {
          value = lowest = highest = gaussians.mean.row(r)[c];
        } else if (std::isnan(x)) {
          // A condition is given, not predicted: it gets its column's centre.
          const CellCalibration::Cell cell{c < judged ? gaussians.mean.row(r)[c] : 0.0f,
                                           c < judged ? gaussians.deviation.row(r)[c] : 0.0f, column};
          value = cells.mean(transform, cell);
          lowest = highest = value;
          if (c < judged && !(low.empty() && high.empty())) {
            const CellCalibration::Band band = cells.band(transform, cell, double{coverage});
            lowest = std::min(value, band.low);
            highest = std::max(value, band.high);
            beyond += band.is_beyond ? 1 : 0;
          }
        }
        filled[at] = value;
        if (!low.empty()) low[at] = lowest;
        if (!high.empty()) high[at] = highest;
      }
    }
  }
  return beyond;
}

std::int64_t Detector::fill(MatrixView<const float> rows, std::span<float> filled, std::span<float> low,
                            std::span<float> high, float coverage) {
  const FloatingPointEnvironment environment;
  const Impl& d = held(impl_);
  if (!d.model) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows("fill", rows, columns());
  check_room("filled", rows.rows * rows.columns, filled);
  if (!low.empty()) check_room("low", rows.rows * rows.columns, low);
  if (!high.empty()) check_room("high", rows.rows * rows.columns, high);
  if (!(coverage > 0.0f && coverage < 1.0f)) {
    throw Error(ErrorCode::invalid_argument,
                "fill: coverage is " + std::to_string(coverage) + ", expected a share between 0 and 1");
  }
  if (!d.makes_images()) return held(impl_).fill(rows, filled, low, high, coverage);
  if (!low.empty() || !high.empty())
    throw Error(ErrorCode::unsupported,
                "fill: bands are of cells that gain predicts, not of method " + get_option(d.resolved, "method"));
  inpaint(rows, filled);
  return 0;
}

void Detector::Impl::sample(MatrixView<const float> given, std::int64_t count, std::uint64_t seed, float* rows) {
  AnomalyModel& predictor = cell_model();
  std::vector<float> brought;
  given = on_host(given, brought);
  Context host = Device::open("cpu", device.threads()).make_context();
  const std::int64_t columns = given.columns, judged = columns - roles.condition, total = given.rows * count;
  const auto words = [&](std::int64_t row, std::int64_t column, std::uint32_t pass) {
    const auto element = static_cast<std::uint64_t>(row * columns + column);
    return philox4x32_10({static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32), pass,
                          static_cast<std::uint32_t>(RandomPurpose::sample) + 256 * conditional_lane},
                         resolved.seed ^ (seed * 0x9E3779B97F4A7C15ull));
  };
  Matrix block(std::min(rows_at_a_time, total), columns);
  for (std::int64_t first = 0; first < total; first += block.rows) {
    stop_scoring_if(cancel);
    block.rows = std::min(block.rows, total - first);
    for (std::int64_t r = 0; r < block.rows; ++r) std::copy_n(given.row((first + r) / count), columns, block.row(r));
    Matrix state = shown(host, block);
    // Each row's hidden columns, in its own order.
    std::vector<std::vector<std::int64_t>> order(static_cast<std::size_t>(block.rows));
    std::size_t most = 0;
    for (std::int64_t r = 0; r < block.rows; ++r) {
      std::vector<std::int64_t>& own = order[static_cast<std::size_t>(r)];
      for (std::int64_t c = 0; c < judged; c = end_of_cell(roles.group, c)) {
        if (std::isnan(block.row(r)[roles.order[static_cast<std::size_t>(c)]])) own.push_back(c);
      }
      std::stable_sort(own.begin(), own.end(), [&](std::int64_t a, std::int64_t b) {
        return words(first + r, a, 0)[1] < words(first + r, b, 0)[1];
      });
      most = std::max(most, own.size());
    }
    for (std::uint32_t pass = 0; pass <= redraws; ++pass) {
      for (std::size_t k = 0; k < most; ++k) {
        stop_scoring_if(cancel);
        const auto next = [&](std::int64_t r) -> float* {
          const std::vector<std::int64_t>& own = order[static_cast<std::size_t>(r)];
          return k < own.size() ? &state.row(r)[own[k]] : nullptr;
        };
        for (std::int64_t r = 0; r < block.rows; ++r) {
          float* const cell = next(r);
          if (cell == nullptr) continue;
          const std::int64_t c = cell - state.row(r);
          std::fill(cell, state.row(r) + end_of_cell(roles.group, c), std::numeric_limits<float>::quiet_NaN());
        }
        const CellGaussians gaussians = predict_cells(predictor, predictor.weights(Role::generator), state);
        for (std::int64_t r = 0; r < block.rows; ++r) {
          float* cell = next(r);
          if (cell == nullptr) continue;
          const std::int64_t c = cell - state.row(r), end = end_of_cell(roles.group, c);
          const double u = (words(first + r, c, pass)[0] + 0.5) * 0x1p-32;
          if (end > c + 1) {
            draw_category(gaussians.mean.row(r) + c, end - c, u, &roles.order[static_cast<std::size_t>(c)], transform,
                          cell);
            continue;
          }
          const CellCalibration::Cell drawn{gaussians.mean.row(r)[c], gaussians.deviation.row(r)[c],
                                            roles.order[static_cast<std::size_t>(c)]};
          *cell = cells.transformed_quantile(drawn, u);
        }
      }
    }
    for (std::int64_t r = 0; r < block.rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t column = roles.order[static_cast<std::size_t>(c)];
        const float x = block.row(r)[column];
        const float value = cells.value(transform, column, c < judged ? double{state.row(r)[c]} : 0.0);
        const bool is_value = c < judged && is_category_column(roles.group, c);
        rows[(first + r) * columns + column] = !std::isnan(x) ? x : is_value ? std::round(value) : value;
      }
    }
  }
}

void Detector::sample(MatrixView<const float> given, std::int64_t count, std::uint64_t seed, std::span<float> rows) {
  const FloatingPointEnvironment environment;
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows("sample", given, columns());
  if (count < 0) throw Error(ErrorCode::invalid_argument, "sample was asked for " + std::to_string(count) + " rows");
  const std::int64_t cells = given.rows * columns();
  if (cells > 0 && count > std::numeric_limits<std::int64_t>::max() / cells) {
    throw Error(ErrorCode::invalid_argument, "sample was asked for " + std::to_string(count) + " draws of " +
                                                 std::to_string(given.rows) + " rows, which is too many");
  }
  check_room("rows", cells * count, rows);
  held(impl_).sample(given, count, seed, rows.data());
}

std::vector<float> Detector::fill(MatrixView<const float> rows) {
  std::vector<float> filled(static_cast<std::size_t>(std::max<std::int64_t>(0, rows.rows * rows.columns)));
  fill(rows, filled);
  return filled;
}

}  // namespace cugad
