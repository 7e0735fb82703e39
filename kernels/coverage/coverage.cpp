#include <algorithm>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/interleaved_sum.hpp"
#include "kernels/cpu/simd.hpp"

/// Generated rows are packed into panels, transposed: element (column, lane) of a panel, one generated row per lane. A
/// tile of real rows then runs down the columns of each panel with its distances in registers.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int panel_rows = panel_vectors * width;
constexpr int tile_rows = 4;

std::int64_t panel_count(const Coverage& args) { return (args.generated.rows + panel_rows - 1) / panel_rows; }

std::size_t coverage_workspace(const Context&, const Coverage& args) {
  return sizeof(float) * static_cast<std::size_t>(panel_count(args) * panel_rows * args.generated.columns);
}

/// Lanes without a row hold infinity: they are never nearest.
void pack(const MatrixView<const float>& generated, std::int64_t panels, float* packed) {
  const std::int64_t columns = generated.columns;
  std::fill_n(packed, panels * panel_rows * columns, std::numeric_limits<float>::infinity());
  for (std::int64_t j = 0; j < generated.rows; ++j) {
    const float* row = generated.row(j);
    float* lane = packed + j / panel_rows * panel_rows * columns + j % panel_rows;
    for (std::int64_t c = 0; c < columns; ++c) lane[c * panel_rows] = row[c];
  }
}

/// The nearest generated row of a real row, per lane: the distance and the number of its vector.
struct Nearest {
  Vec distance = set(std::numeric_limits<float>::infinity()), vector = set(0.0f);

  /// Lanes see their vectors in ascending order, so a tie stays with the smaller row; here too.
  std::int64_t row() const {
    float distances[width], vectors[width];
    store(distances, distance);
    store(vectors, vector);
    float best = std::numeric_limits<float>::infinity();
    std::int64_t nearest = 0;
    for (int lane = 0; lane < width; ++lane) {
      const std::int64_t row = static_cast<std::int64_t>(vectors[lane]) * width + lane;
      if (distances[lane] < best || (distances[lane] == best && row < nearest)) {
        best = distances[lane];
        nearest = row;
      }
    }
    return nearest;
  }
};

void search_panel(const float* const (&x)[tile_rows], std::int64_t columns, const float* panel, std::int64_t number,
                  Nearest (&nearest)[tile_rows]) {
  Vec sum[tile_rows][panel_vectors];
  for (auto& row : sum) {
    for (Vec& s : row) s = set(0.0f);
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    Vec generated[panel_vectors];
    for (int v = 0; v < panel_vectors; ++v) generated[v] = load(panel + c * panel_rows + v * width);
    for (int r = 0; r < tile_rows; ++r) {
      const Vec value = set(x[r][c]);
      for (int v = 0; v < panel_vectors; ++v) {
        const Vec difference = value - generated[v];
        sum[r][v] = fused(difference, difference, sum[r][v]);
      }
    }
  }
  for (int r = 0; r < tile_rows; ++r) {
    for (int v = 0; v < panel_vectors; ++v) {
      const Vec vector = set(static_cast<float>(number * panel_vectors + v));
      nearest[r].vector = select_less(sum[r][v], nearest[r].distance, vector, nearest[r].vector);
      nearest[r].distance = minimum(sum[r][v], nearest[r].distance);
    }
  }
}

/// gradient += scale * (generated - real), and the squares of the differences.
void pull(const float* real, const float* generated, std::int64_t columns, float scale, float* gradient,
          InterleavedSquares& squares) {
  for (std::int64_t first = 0; first < columns; first += 16) {
    const std::int64_t count = std::min<std::int64_t>(16, columns - first);
    float difference[16] = {};
    for (std::int64_t c = 0; c < count; ++c) difference[c] = generated[first + c] - real[first + c];
    for (std::int64_t c = 0; c < count; ++c) {
      gradient[first + c] = fused(scale, difference[c], gradient[first + c]);
    }
    squares.add(difference);
  }
}

void run_model(const Coverage& args, std::int64_t model, float* packed) {
  const MatrixView<const float> generated = args.generated.model(model), real = args.real.model(model);
  const MatrixView<float> gradient = args.dgenerated.model(model);
  const std::int64_t panels = panel_count(args), columns = real.columns;
  const double cells = static_cast<double>(real.rows) * static_cast<double>(columns);
  const auto scale = static_cast<float>(2.0 * static_cast<double>(args.weight) / cells);
  InterleavedSquares squares;
  pack(generated, panels, packed);
  for (std::int64_t first = 0; first < real.rows; first += tile_rows) {
    const float* x[tile_rows];
    for (int r = 0; r < tile_rows; ++r) x[r] = real.row(std::min(first + r, real.rows - 1));
    Nearest nearest[tile_rows];
    for (std::int64_t p = 0; p < panels; ++p) search_panel(x, columns, packed + p * panel_rows * columns, p, nearest);
    for (int r = 0; r < tile_rows && first + r < real.rows; ++r) {
      const std::int64_t j = nearest[r].row();
      pull(x[r], generated.row(j), columns, scale, gradient.row(j), squares);
    }
  }
  if (args.loss) {
    *args.loss.model(model).data = static_cast<float>(static_cast<double>(args.weight) * squares.total() / cells);
  }
}

void run_coverage(Context& context, const Coverage& args) {
  if (args.real.models == 0 || args.real.rows == 0 || args.real.columns == 0) return;
  auto* packed = static_cast<float*>(context.scratch(coverage_workspace(context, args)));
  for (std::int64_t m = 0; m < args.real.models; ++m) run_model(args, m, packed);
}

}  // namespace

OpEntry<Coverage> coverage_entry() { return {run_coverage, coverage_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
