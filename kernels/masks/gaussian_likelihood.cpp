#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/masks/category.hpp"
#include "kernels/masks/gaussian_cell.hpp"
#include "kernels/masks/row_weight.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 64;  ///< columns

/// One row of all that the op reads and writes.
struct Row {
  const float *statistics, *x, *mask;
  const std::int32_t* group;
  std::int64_t columns;

  bool counts(std::int64_t c) const { return mask[c] != 0.0f && x[c] == x[c]; }
  CellLikelihood likelihood(std::int64_t c) const {
    return cell_likelihood(statistics[c], statistics[columns + c], x[c]);
  }
  CategoryCell category(std::int64_t first, std::int64_t end) const {
    return {statistics + first, x + first, end - first};
  }
  /// Calls single(column) for columns that are cells, and category(first, end) for those that share one.
  template <class Single, class Category>
  void over_cells(const Single& single, const Category& of_category) const {
    for (std::int64_t c = 0; group == nullptr && c < columns; ++c) single(c);
    for (std::int64_t c = 0, end = 0; group != nullptr && c < columns; c = end) {
      end = group_end(group, c, columns);
      if (end == c + 1) {
        single(c);
      } else {
        of_category(c, end);
      }
    }
  }
};

Row row_of(const GaussianLikelihood& args, std::int64_t model, std::int64_t r) {
  return {args.statistics.model(model).row(r), args.x.model(model).row(r), args.mask.model(model).row(r),
          args.group ? args.group.model(model).data : nullptr, args.mask.columns};
}

std::int64_t hidden_cells(const Row& row) {
  std::int64_t count = 0;
  row.over_cells([&](std::int64_t c) { count += row.counts(c) ? 1 : 0; },
                 [&](std::int64_t c, std::int64_t) { count += row.counts(c) ? 1 : 0; });
  return count;
}

void differentiate_row(const GaussianLikelihood& args, const Row& row, std::int64_t model, std::int64_t r) {
  const std::int64_t k = row.columns;
  const float scale = row_weight(args.weight, args.mask.rows, hidden_cells(row));
  float* gradient = args.dstatistics.model(model).row(r);
  const float *dimputed = nullptr, *noise = nullptr;
  if (args.dimputed) dimputed = args.dimputed.model(model).row(r), noise = args.noise.model(model).row(r);
  for (std::int64_t first = 0; first < k; first += chunk) {
    const std::int64_t count = std::min<std::int64_t>(chunk, k - first);
    const Row part = {row.statistics + first, row.x + first, row.mask + first, nullptr, k};
    float mean[chunk], spread[chunk];  // arrays that overlap nothing, so that the loops are vectorised
    for (std::int64_t i = 0; i < count; ++i) {
      const CellLikelihood cell = part.likelihood(i);
      mean[i] = scale * cell.mean_slope;
      spread[i] = scale * cell.spread_slope;
    }
    if (dimputed != nullptr) {
      for (std::int64_t i = 0; i < count; ++i) {
        const float further = dimputed[first + i];
        mean[i] = mean[i] + further;
        spread[i] = multiply_add(further, imputed_slope(part.statistics[k + i], noise[first + i]), spread[i]);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const bool counts = part.counts(i);
      mean[i] = counts ? mean[i] : 0.0f;
      spread[i] = counts ? spread[i] : 0.0f;
    }
    std::copy_n(mean, count, gradient + first);
    std::copy_n(spread, count, gradient + k + first);
  }
  if (row.group == nullptr) return;
  row.over_cells([](std::int64_t) {},
                 [&](std::int64_t first, std::int64_t end) {
                   if (!row.counts(first)) return;  // zeros so far
                   std::fill(gradient + k + first, gradient + k + end, 0.0f);
                   differentiate_category(row.category(first, end), scale,
                                          dimputed == nullptr ? nullptr : dimputed + first, gradient + first);
                 });
}

void rate_row(const GaussianLikelihood& args, const Row& row, std::int64_t model, std::int64_t r) {
  const float* weight = args.column_weight ? args.column_weight.model(model).data : nullptr;
  float* out = args.cell.model(model).row(r);
  const auto rate = [&](std::int64_t c, std::int64_t end, const auto& likelihood) {
    if (!args.accumulate) std::fill(out + c, out + end, 0.0f);
    if (!row.counts(c)) return;  // most cells: one mask hides few
    const float value = likelihood();
    for (; c < end; ++c) out[c] = multiply_add(weight == nullptr ? 1.0f : weight[c], value, out[c]);
  };
  row.over_cells([&](std::int64_t c) { rate(c, c + 1, [&] { return row.likelihood(c).value; }); },
                 [&](std::int64_t c, std::int64_t end) {
                   rate(c, end, [&] { return category_likelihood(row.category(c, end)); });
                 });
}

/// The loss of all rows, in ascending order.
float loss_of(const GaussianLikelihood& args, std::int64_t model) {
  const std::int64_t rows = args.mask.rows;
  double loss = 0.0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Row row = row_of(args, model, r);
    const std::int64_t count = hidden_cells(row);
    double sum = 0.0;
    row.over_cells([&](std::int64_t c) { sum += row.counts(c) ? double{row.likelihood(c).value} : 0.0; },
                   [&](std::int64_t first, std::int64_t end) {
                     sum += row.counts(first) ? double{category_likelihood(row.category(first, end))} : 0.0;
                   });
    if (count > 0) loss += sum / static_cast<double>(count);
  }
  return static_cast<float>(double{args.weight} * loss / static_cast<double>(rows));
}

void run_gaussian_likelihood(Context& context, const GaussianLikelihood& args) {
  const std::int64_t rows = args.mask.rows;
  if (rows == 0) return;
  const double work =
      static_cast<double>(args.mask.models * rows) * (10.0 + 6.0 * static_cast<double>(args.mask.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.mask.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const Row row = row_of(args, m, r);
        if (args.dstatistics) differentiate_row(args, row, m, r);
        if (args.cell) rate_row(args, row, m, r);
      }
    });
    if (args.loss) *args.loss.model(m).data = loss_of(args, m);
  }
}

}  // namespace

OpEntry<GaussianLikelihood> gaussian_likelihood_entry() {
  return {run_gaussian_likelihood, [](const Context&, const GaussianLikelihood&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
