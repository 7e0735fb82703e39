#include <algorithm>
#include <limits>
#include <numeric>

#include "host/backend/transfer.hpp"
#include "host/onnx/scores.hpp"
#include "host/scores/cell_columns.hpp"
#include "host/scores/scoring_masks.hpp"
#include "kernels/masks/gaussian_cell.hpp"
#include "kernels/masks/rank.hpp"

namespace cugad::onnx {

LikelihoodNodes::Cells LikelihoodNodes::cells() const {
  const std::vector<std::int32_t>& group = model.networks().group;
  Cells found;
  for (std::int64_t c = 0; c < columns(); c = found.end.back()) {
    found.first.push_back(c);
    found.end.push_back(end_of_cell(group, c));
  }
  return found;
}

/// Visible cells, 0 in hidden ones, and the conditions.
Value LikelihoodNodes::shown(const Value& hidden, std::int64_t masks) const {
  const std::int64_t width = model.networks().row_columns();
  const Value visible = graph.zero_if(hidden, graph.slice(known, 2, 0, columns()));
  if (width == columns()) return visible;
  const Value condition = graph.add("Expand", {graph.slice(known, 2, columns(), width), graph.integers({masks, 1, 1})});
  const std::vector<Value> both = {visible, condition};
  return graph.concat(both, 2);
}

Value LikelihoodNodes::masked(const Value& hidden, std::int64_t masks) const {
  const std::vector<Value> both = {shown(hidden, masks), graph.cast(hidden, Type::float32)};
  return graph.concat(both, 2);
}

/// The negative log-likelihood of these columns of numbers, as cell_likelihood: [models, masks, batch, columns].
Value LikelihoodNodes::numbers(const Value& statistics, const Shape& of_columns) const {
  Shape spreads = of_columns;
  for (std::int64_t& column : spreads) column += columns();
  const Value mean = graph.gather(statistics, 3, of_columns);
  const Value log_variance = graph.add(
      "Clip",
      {graph.gather(statistics, 3, spreads), graph.scalar(smallest_log_variance), graph.scalar(largest_log_variance)});
  const Value off = graph.add("Sub", {mean, graph.gather(known, 2, of_columns)});
  const Value precision = graph.add("Exp", {graph.add("Neg", {log_variance})});
  const Value square = graph.add("Mul", {graph.add("Mul", {off, off}), precision});
  return graph.add("Mul", {graph.add("Add", {square, log_variance}), graph.scalar(0.5f)});
}

/// -log of the probability of a category's value, as category_likelihood: [models, masks, batch, 1].
Value LikelihoodNodes::category(const Value& statistics, std::int64_t begin, std::int64_t end) const {
  const Value logits = graph.slice(statistics, 3, begin, end);
  const Value x = graph.slice(known, 2, begin, end);
  const Value total = graph.reduce("ReduceLogSumExp", logits, 3);
  // The first of the largest columns above 0; a value without a column counts as the least likely one.
  const Value has_value = graph.add("Greater", {graph.reduce("ReduceMax", x, 2), graph.scalar(0.0f)});
  Shape numbers(static_cast<std::size_t>(end - begin));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  const Value value = graph.add("ArgMax", {x}, {{"axis", std::int64_t{2}}, {"keepdims", std::int64_t{1}}});
  const Value is_value = graph.add("Equal", {value, graph.constant(numbers, {1, 1, end - begin})});
  const Value of_value = graph.reduce("ReduceSum", graph.where(is_value, logits, graph.scalar(0.0f)), 3);
  const Value judged = graph.where(has_value, of_value, graph.reduce("ReduceMin", logits, 3));
  return graph.add("Sub", {total, judged});
}

/// Of each cell, the mean over models and those masks that hide it, less D's logit: [batch, cells].
Value LikelihoodNodes::values(const Cells& cells) const {
  std::vector<std::int32_t> group = model.networks().group;
  if (group.empty()) {
    group.resize(static_cast<std::size_t>(columns()));
    std::iota(group.begin(), group.end(), 0);
  }
  const std::vector<std::vector<float>> masks = scoring_masks(group, model.options().seed);
  const auto count = static_cast<std::int64_t>(masks.size());
  std::vector<bool> pattern;
  for (const std::vector<float>& mask : masks) pattern.insert(pattern.end(), mask.begin(), mask.end());
  const Value missing_cell = graph.slice(missing, 2, 0, columns());
  const Value hidden = graph.add("Or", {graph.constant(pattern, {count, 1, columns()}), missing_cell});
  const std::int64_t inputs = model.networks().generator().inputs();
  // All masks in one pass: each has a batch of rows of its own.
  const Stack stacked = {graph.reshape(masked(hidden, count), {1, -1, inputs}), 1, inputs};
  const Stack given = generator.pass(stacked).result;
  const Value statistics = graph.reshape(given.value, {0, count, -1, given.columns});

  Shape numeric;
  std::vector<Value> of_cells;
  std::vector<std::size_t> order;  // numbers, then categories
  for (std::size_t cell = 0; cell < cells.first.size(); ++cell) {
    if (cells.is_category(cell)) continue;
    numeric.push_back(cells.first[cell]);
    order.push_back(cell);
  }
  if (!numeric.empty()) of_cells.push_back(numbers(statistics, numeric));
  for (std::size_t cell = 0; cell < cells.first.size(); ++cell) {
    if (!cells.is_category(cell)) continue;
    of_cells.push_back(category(statistics, cells.first[cell], cells.end[cell]));
    order.push_back(cell);
  }
  const auto width = static_cast<std::int64_t>(order.size());
  std::vector<bool> hides;
  std::vector<float> share(order.size());
  for (const std::vector<float>& mask : masks) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      hides.push_back(mask[static_cast<std::size_t>(cells.first[order[i]])] != 0.0f);
      share[i] += hides.back() ? 1.0f : 0.0f;
    }
  }
  for (float& one : share) one = 1.0f / one;
  Value value = graph.where(graph.constant(hides, {count, 1, width}), graph.concat(of_cells, 3), graph.scalar(0.0f));
  value = graph.add("Squeeze", {graph.reduce("ReduceSum", value, 1), graph.integers({1})});
  value = graph.add("Mul", {value, graph.constant(share, {1, 1, width})});
  Shape place(order.size());  // of each cell among the ordered ones
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::int64_t>(i);
  if (!std::is_sorted(place.begin(), place.end())) value = graph.gather(value, 2, place);
  if (discriminator != nullptr) {
    const std::int64_t row_columns = model.networks().row_columns();
    const Value logits = discriminator->pass({shown(missing_cell, 1), 1, row_columns}).result.value;
    std::vector<float> shares(static_cast<std::size_t>(columns() * width));  // the mean of a category's columns
    for (std::size_t cell = 0; cell < cells.first.size(); ++cell) {
      const float of_column = 1.0f / static_cast<float>(cells.end[cell] - cells.first[cell]);
      for (std::int64_t c = cells.first[cell]; c < cells.end[cell]; ++c) {
        shares[static_cast<std::size_t>(c * width) + cell] = -model.options().discriminator_weight * of_column;
      }
    }
    value = graph.add("Add", {value, graph.add("MatMul", {logits, graph.constant(shares, {columns(), width})})});
  }
  const Value mean = mean_over_models(graph, graph.cast(value, Type::float64));
  return graph.cast(graph.add("Squeeze", {mean, graph.integers({0})}), Type::float32);
}

/// -log of each cell's p-value among the values of calibration rows, as rank_of(): [batch, cells].
Value LikelihoodNodes::ranks(const Cells& cells, const Value& means) const {
  const ScoringRule::ColumnTable table = model.column_table();
  const auto width = static_cast<std::int64_t>(cells.first.size());
  std::vector<std::vector<float>> entries;
  Shape counts;
  std::vector<float> last, spread, largest_rank;
  std::vector<bool> has_tail;
  for (const std::int64_t c : cells.first) {
    const std::int32_t count = download(model.context(), table.count.model(0).row(c), 1).front();
    entries.push_back(download(model.context(), table.value.model(0).row(c), count));
    const std::vector<float>& own = entries.back();
    counts.push_back(count);
    largest_rank.push_back(static_cast<float>(count + 1));
    last.push_back(count > 0 ? own[static_cast<std::size_t>(count) - 1] : 0.0f);
    spread.push_back(count > 0 ? last.back() - own[static_cast<std::size_t>((count - 1) / 2)] : 0.0f);
    has_tail.push_back(spread.back() > 0.0f);
    if (!has_tail.back()) spread.back() = 1.0f;
  }
  const Shape row = {1, width};
  const Value all = graph.constant(counts, row);
  // NaN, what remains of a cell too large for sums, lies farthest out.
  const Value infinity = graph.scalar(std::numeric_limits<float>::infinity());
  const Value values = graph.where(graph.is_missing(means), infinity, means);
  const Value below = graph.place_in(entries, values, false);
  const Value above = graph.add("Add", {graph.cast(graph.add("Sub", {all, below}), Type::float32), graph.scalar(1.0f)});
  const Value rank = graph.add("Log", {graph.add("Div", {graph.constant(largest_rank, row), above})});
  const Value excess = graph.add("Sub", {values, graph.constant(last, row)});
  const Value is_beyond =
      graph.add("And", {graph.add("Greater", {excess, graph.scalar(0.0f)}), graph.constant(has_tail, row)});
  const Value ratio =
      graph.where(is_beyond, graph.add("Div", {excess, graph.constant(spread, row)}), graph.scalar(0.0f));
  const Value most = graph.add("Min", {ratio, graph.scalar(largest_tail)});
  return graph.add("Add", {rank, graph.add("Log", {graph.add("Add", {most, graph.scalar(1.0f)})})});
}

Value LikelihoodNodes::score() const {
  const Cells own = cells();
  const Value rank = graph.cast(ranks(own, values(own)), Type::float64);
  const Value absent = graph.add("Squeeze", {graph.gather(missing, 2, own.first), graph.integers({0})});
  const Value sum = graph.reduce("ReduceSum", graph.where(absent, graph.scalar(0.0), rank), 1);
  const Value count = graph.reduce("ReduceSum", graph.cast(graph.add("Not", {absent}), Type::float64), 1);
  // A row without any cell is 0 / 0: NaN.
  return graph.cast(graph.add("Unsqueeze", {graph.add("Div", {sum, count}), graph.integers({0})}), Type::float32);
}

}  // namespace cugad::onnx
