#include "host/scores/inpainting.hpp"

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"
#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

constexpr std::int64_t starts = 512;  ///< drawn latents, of which the nearest to a row starts its search
constexpr std::int64_t most_rows = 64, most_cells = 1 << 22;  ///< searched at a time

/// The weights of all values of rows of images.
Matrix weights_of(MatrixView<const float> rows, const ImageShape& shape, int window) {
  Matrix weights(rows.rows, rows.columns);
  std::vector<bool> visible(static_cast<std::size_t>(rows.columns / shape.channels));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::size_t p = 0; p < visible.size(); ++p) {
      const float* const pixel = rows.row(r) + static_cast<std::int64_t>(p) * shape.channels;
      visible[p] = std::none_of(pixel, pixel + shape.channels, [](float x) { return std::isnan(x); });
    }
    const std::vector<float> of_pixels = context_weights(visible, shape.height, shape.width, window);
    for (std::int64_t c = 0; c < rows.columns; ++c)
      weights.row(r)[c] = of_pixels[static_cast<std::size_t>(c / shape.channels)];
  }
  return weights;
}

}  // namespace

Inpainter::Inpainter(AnomalyModel& model, std::int64_t rows, const Inpainting& how)
    : model_(model),
      how_(how),
      generator_(model.networks().generator()),
      judge_(model.networks().discriminator()),
      arena_(model.context()) {
  const std::int64_t models = model.population(), columns = generator_.outputs();
  const auto take = [&](const char* name, std::int64_t of_models, std::int64_t of_rows, std::int64_t width) {
    return arena_.stack(name, of_models, of_rows, width);
  };
  query_ = take("visible pixels", 1, rows, columns);
  seen_ = take("rows with missing pixels", 1, rows, columns);
  weight_ = take("weights of pixels", 1, rows, columns);
  latent_ = take("latents", models, rows, generator_.inputs());
  descent_.take_memory(arena_, models, rows, generator_.inputs());
  generated_ = take("generated images", models, rows, columns);
  gradient_ = take("gradient of the generated images", models, rows, columns);
  prior_ = take("gradient of the prior", models, rows, columns);
  buffers_ = generator_.carve(arena_.take<float>("generator", generator_.buffer_floats(models, rows)), models, rows);
  judged_ = judge_.carve(arena_.take<float>("discriminator", judge_.buffer_floats(models, rows)), models, rows);
  pool_ = take("starts", models, starts, generator_.inputs());
  images_of_pool_ = take("images of the starts", models, starts, columns);
  nearest_ = arena_.stack<std::int32_t>("nearest starts", models, rows, 1);
  distance_ = take("distances", models, rows, 1);
  run(context(),
      FillNormal{.out = pool_, .key = {.seed = model.options().seed, .purpose = RandomPurpose::search_start}});
  model.generate(pool_, images_of_pool_);
}

void Inpainter::start(MatrixView<const float> rows) {
  known_ = Matrix(rows.rows, rows.columns);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::transform(rows.row(r), rows.row(r) + rows.columns, known_.row(r),
                   [](float x) { return std::isnan(x) ? 0.0f : x; });
  }
  weight_of_known_ = weights_of(rows, *model_.options().image, how_.window);
  copy_rows(context(), MatrixView<const float>(known_.view()), some(query_).model(0));
  copy_rows(context(), rows, some(seen_).model(0));
  copy_rows(context(), MatrixView<const float>(weight_of_known_.view()), some(weight_).model(0));
  run(context(), NearestRows{.query = shared(seen_),
                             .bank = images_of_pool_,
                             .neighbours = 1,
                             .distance = some(distance_),
                             .index = some(nearest_)});
  run(context(), GatherRows{.source = pool_, .index = some(nearest_), .out = some(latent_)});
  context().synchronize();  // the caller's rows are his again
}

Network::Buffers Inpainter::generator_buffers() const {
  Network::Buffers buffers = buffers_.slice_rows(0, known_.rows);
  buffers.trunk().output.back() = some(generated_);
  buffers.trunk().gradient.back() = some(gradient_);
  return buffers;
}

void Inpainter::forward() {
  generator_.forward(context(), model_.weights(Role::generator), {.x = some(latent_)}, generator_buffers());
  if (!has_prior()) return;
  judge_.forward(context(), model_.weights(Role::discriminator), {.x = some(generated_)},
                 judged_.slice_rows(0, known_.rows));
}

/// Factors that depend on the number of rows are 1.
void Inpainter::backward() {
  DifferenceLoss difference;
  difference.a = shared(query_);
  difference.b = some(generated_);
  difference.cell_weight = shared(weight_);
  difference.weight = static_cast<float>(known_.rows * known_.columns);
  difference.db = some(gradient_);
  run(context(), difference);
  if (has_prior()) {
    const Network::Buffers judged = judged_.slice_rows(0, known_.rows);
    SigmoidCrossEntropy real;
    real.logit = judged.result();
    real.target = 1.0f;
    real.weight = static_cast<float>(known_.rows);
    real.dlogit = judged.result_gradient();
    run(context(), real);
    judge_.backward(context(), model_.weights(Role::discriminator), {.x = some(generated_)}, judged, {},
                    {.x = some(prior_)}, {});
    run(context(), AddRows{.x = some(prior_), .scale = how_.prior, .y = some(gradient_)});
  }
  generator_.backward(context(), model_.weights(Role::generator), {.x = some(latent_)}, generator_buffers(), {},
                      {.x = descent_.gradient(known_.rows)}, {});
}

void Inpainter::search(const std::atomic<bool>* cancel) {
  const auto evaluate = [&] {
    if (cancel != nullptr && cancel->load()) throw Error(ErrorCode::cancelled, "inpainting was stopped");
    forward();
    backward();
  };
  descent_.run(
      context(), some(latent_), how_.steps, [&](int) { return how_.rate; }, evaluate);
  forward();
}

void Inpainter::choose(MatrixView<float> images) {
  std::vector<double> least(static_cast<std::size_t>(known_.rows));
  for (std::int64_t m = 0; m < model_.population(); ++m) {
    const std::vector<float> image = download_rows(context(), some(generated_).model(m));
    std::vector<float> logit;
    if (has_prior()) logit = download_rows(context(), judged_.slice_rows(0, known_.rows).result().model(m));
    for (std::int64_t r = 0; r < known_.rows; ++r) {
      const float* const values = image.data() + r * images.columns;
      double loss = 0.0;
      for (std::int64_t c = 0; c < images.columns; ++c)
        loss += double{weight_of_known_.row(r)[c]} * std::abs(double{known_.row(r)[c]} - double{values[c]});
      if (has_prior()) {
        const double l = logit[static_cast<std::size_t>(r)];
        loss += double{how_.prior} * (std::max(-l, 0.0) + std::log1p(std::exp(-std::abs(l))));
      }
      double& best = least[static_cast<std::size_t>(r)];
      if (m > 0 && !(loss < best)) continue;
      best = loss;
      std::copy_n(values, images.columns, images.row(r));
    }
  }
}

std::vector<float> context_weights(const std::vector<bool>& visible, std::int64_t height, std::int64_t width,
                                   int window) {
  // Sums of missing pixels over rectangles from the first pixel on.
  std::vector<std::int64_t> sums(static_cast<std::size_t>((height + 1) * (width + 1)), 0);
  const auto sum = [&](std::int64_t y, std::int64_t x) -> std::int64_t& {
    return sums[static_cast<std::size_t>(y * (width + 1) + x)];
  };
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t missing = visible[static_cast<std::size_t>(y * width + x)] ? 0 : 1;
      sum(y + 1, x + 1) = missing + sum(y, x + 1) + sum(y + 1, x) - sum(y, x);
    }
  }
  const std::int64_t reach = window / 2;
  std::vector<float> weights(visible.size(), 0.0f);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      if (!visible[static_cast<std::size_t>(y * width + x)]) continue;
      const std::int64_t top = std::max<std::int64_t>(0, y - reach), bottom = std::min(height, y + reach + 1);
      const std::int64_t left = std::max<std::int64_t>(0, x - reach), right = std::min(width, x + reach + 1);
      const std::int64_t missing = sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left);
      weights[static_cast<std::size_t>(y * width + x)] =
          static_cast<float>(static_cast<double>(missing) / static_cast<double>((bottom - top) * (right - left)));
    }
  }
  return weights;
}

Matrix inpainted(AnomalyModel& model, MatrixView<const float> rows, const Inpainting& how,
                 const std::atomic<bool>* cancel) {
  Matrix images(rows.rows, rows.columns);
  if (rows.rows == 0) return images;
  const std::int64_t chunk = std::clamp<std::int64_t>(most_cells / rows.columns, 1, std::min(most_rows, rows.rows));
  Inpainter inpainter(model, chunk, how);
  for (std::int64_t first = 0; first < rows.rows; first += chunk) {
    const std::int64_t count = std::min(chunk, rows.rows - first);
    inpainter.start({rows.row(first), count, rows.columns, rows.row_stride});
    inpainter.search(cancel);
    inpainter.choose({images.row(first), count, images.columns, images.columns});
  }
  return images;
}

}  // namespace cugad
