#include "tests/ops/latent_problem.hpp"

#include <limits>
#include <sstream>

#include "host/backend/backend.hpp"
#include "tests/ops/same_products.hpp"

// Present in programs that hold the CUDA backend or its emulation.
namespace cugad::cuda {
[[gnu::weak]] std::size_t search_general_workspace(const Context& context, const LatentSearch& args);
[[gnu::weak]] void search_general(Context& context, const LatentSearch& args);
[[gnu::weak]] std::size_t search_layers_workspace(const Context& context, const LatentSearch& args);
[[gnu::weak]] void search_layers(Context& context, const LatentSearch& args);
}  // namespace cugad::cuda

/// The bound of latent_search. Adam divides a gradient by its own history, so that a small gradient's rounding becomes
/// a large step, and a unit or a cell near its kink takes one side or the other: no fixed number bounds this. Instead
/// the float64 search is repeated a few times with every sum moved at random by up to 4 eps of its terms, as float32
/// sums are. A result may be six times as far from the undisturbed search as the farthest of these, plus the rounding
/// of the value itself.
namespace cugad::test {
namespace {

constexpr int disturbed_searches = 6;
constexpr double room = 6.0;

const char* name_of(Discrimination discrimination) {
  switch (discrimination) {
    case Discrimination::none:
      return "none";
    case Discrimination::cross_entropy:
      return "cross_entropy";
    case Discrimination::feature_l1:
      return "feature_l1";
    case Discrimination::feature_l2:
      return "feature_l2";
    case Discrimination::feature_squared:
      return "feature_squared";
  }
  return "?";
}

std::string text_of(const std::vector<std::int64_t>& widths) {
  std::ostringstream text;
  for (const std::int64_t width : widths) text << (text.tellp() > 0 ? "_" : "") << width;
  return text.str();
}

double largest_difference(const Row& a, const Row& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// A search and how far rounding can carry its results.
struct Bounded {
  Found found;
  double z = 0.0, loss = 0.0, residual = 0.0, discrimination = 0.0, reconstruction = 0.0;
};

Bounded bounded_search(const Network64& generator, const Network64& discriminator, const SearchSettings& settings,
                       const Row& x, const Row& start, bool exact, const Rounding& rounding, Random& random) {
  Bounded result{search(generator, discriminator, settings, x, start, rounding)};
  const Evaluation& end = result.found.at_end;
  for (int i = 0; i < disturbed_searches && !exact; ++i) {
    const Found other = search(generator, discriminator, settings, x, start, rounding.disturbed(random));
    const auto widen = [](double& bound, double deviation) { bound = std::max(bound, room * deviation); };
    widen(result.z, largest_difference(other.z, result.found.z));
    widen(result.loss, std::abs(other.at_end.loss - end.loss));
    widen(result.residual, std::abs(other.at_end.residual - end.residual));
    widen(result.discrimination, std::abs(other.at_end.discrimination - end.discrimination));
    widen(result.reconstruction, largest_difference(other.at_end.reconstruction, end.reconstruction));
  }
  if (exact) return result;
  // The rounding of one value: the least bound, for disturbed searches that happen to agree. cross_entropy is a formula
  // with an absolute error of a few eps.
  result.loss += 8.0 * eps * (1.0 + std::abs(end.loss));
  result.residual += 8.0 * eps * std::abs(end.residual);
  result.discrimination += 8.0 * eps * (1.0 + std::abs(end.discrimination));
  return result;
}

std::int64_t parameters_of(const std::vector<std::int64_t>& widths) {
  std::int64_t count = 0;
  for (std::size_t l = 1; l < widths.size(); ++l) count += (widths[l - 1] + 1) * widths[l];
  return count;
}

/// Runs the search on the requested path.
void call_by_route(Call& call, SearchRoute route, const LatentSearch& args) {
  if (route == SearchRoute::op || call.context.backend().is_host_memory()) return call(args);
  const bool general = route == SearchRoute::general;
  call.workspace_bytes =
      general ? cuda::search_general_workspace(call.context, args) : cuda::search_layers_workspace(call.context, args);
  if (args.z.models == 0 || args.z.rows == 0) return;
  return general ? cuda::search_general(call.context, args) : cuda::search_layers(call.context, args);
}

}  // namespace

std::string SearchShape::text() const {
  std::string text =
      parameters("models", models, "rows", rows, "steps", steps, "restarts", restarts, "generator", text_of(generator),
                 "discriminator", text_of(discriminator), "hidden", test::name_of(hidden), "last", test::name_of(last),
                 "residual", test::name_of(residual), "discrimination", name_of(discrimination), "missing", missing,
                 "prior", prior_weight, "latent_weight", latent_weight, "clip", latent_clip, "beta1", beta1, "pieces",
                 pieces, "shared_x", shared_x, "outputs", outputs, "layout", test::name_of(layout));
  if (fixed_columns > 0) text += ",fixed_columns=" + std::to_string(fixed_columns);
  if (route != SearchRoute::op) text += route == SearchRoute::general ? ",route=general" : ",route=layers";
  if (precision != Precision::fp32) text += std::string(",precision=") + cugad::name_of(precision);
  return text;
}

SearchTensors build_search(Problem& problem, const SearchShape& shape) {
  Random& random = problem.random;
  const auto [models, rows, restarts] = std::array{shape.models, shape.rows, shape.restarts};
  const std::int64_t latent = shape.generator.front(), columns = shape.generator.back();
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-2, 2)) : random.normal(); };
  auto& x = problem.input("x", models, rows, columns, shape.shared_x).by_item();
  x.fill([&] { return random.chance(shape.missing) ? std::numeric_limits<double>::quiet_NaN() : number(); });
  auto& z = problem.state("z", models, rows * restarts, latent).by_item(restarts).fill(number);
  auto& generator_buffer = problem.flat_input("generator", models, 1, parameters_of(shape.generator), shape.shared_x);
  auto& discriminator_buffer =
      problem.flat_input("discriminator", models, 1, parameters_of(shape.discriminator), shape.shared_x);
  auto& loss = problem.output("loss", models, rows, 1).by_item();
  auto& residual = problem.output("residual", models, rows, 1).by_item();
  auto& discrimination = problem.output("discrimination", models, rows, 1).by_item();
  auto& best_z = problem.output("best_z", models, rows, latent).by_item();
  auto& feature_residual = problem.output("feature_residual", models, rows, columns).by_item();
  auto& reconstruction = problem.output("reconstruction", models, rows, columns).by_item();

  SearchSettings settings;
  settings.residual_distance = shape.residual;
  settings.discrimination = shape.discrimination;
  settings.lambda = shape.exact ? 0.5 : static_cast<double>(0.1f);
  settings.prior_weight = static_cast<float>(shape.prior_weight);
  settings.latent_weight = static_cast<float>(shape.latent_weight);
  settings.latent_clip = static_cast<float>(shape.latent_clip);
  settings.beta1 = static_cast<float>(shape.beta1);
  settings.beta2 = static_cast<double>(0.999f);
  settings.epsilon = static_cast<double>(1e-8f);
  settings.steps = shape.steps;
  settings.fixed_columns = static_cast<std::size_t>(shape.fixed_columns);
  settings.rate.pieces = shape.pieces;
  for (int i = 0; i < shape.pieces; ++i) {
    settings.rate.rate[i] = 0.01f / static_cast<float>(i + 1);
    settings.rate.until[i] = 1 + i;
  }

  const auto stays = [&](std::int64_t c) { return shape.steps == 0 || c >= latent - shape.fixed_columns; };

  // A bound that allows any walk proves nothing: most searches of a case must be known to a tenth of their walk.
  std::int64_t searches = 0, vague = 0;
  double walk = 0.0;
  for (std::int64_t step = 0; step < shape.steps; ++step) walk += static_cast<double>(settings.rate.at(step));

  Network64 first_generator, first_discriminator;
  for (std::int64_t m = 0; m < models; ++m) {
    Network64 generator = random_network(random, shape.generator, shape.hidden, shape.last);
    Network64 discriminator = random_network(
        random, shape.discriminator, shape.exact ? Activation::relu : Activation::leaky_relu, Activation::identity);
    for (Network64* network : {&generator, &discriminator})
      for (Layer64& layer : *network) {
        const bool dead = shape.dead_generator && network == &generator;
        for (double& weight : layer.weight) weight = dead ? 0.0 : shape.exact ? random.integer(-1, 1) : weight;
        for (double& bias : layer.bias) bias = shape.exact ? random.integer(-1, 1) : bias;
      }
    if (m == 0) first_generator = generator, first_discriminator = discriminator;
    if (shape.shared_x) generator = first_generator, discriminator = first_discriminator;
    const auto store = [&](TypedTensor<float>& buffer, const Network64& network) {
      std::int64_t at = 0;
      for (const Layer64& layer : network)
        for (const std::vector<double>* values : {&layer.weight, &layer.bias})
          for (const double value : *values) buffer.set(m, 0, at++, static_cast<float>(value));
    };
    store(generator_buffer, generator);
    store(discriminator_buffer, discriminator);

    const Rounding once(nullptr, shape.rounded);
    const Rounding rounding = shape.route == SearchRoute::layers ? once.by_layers() : once;
    for (std::int64_t r = 0; r < (shape.reference ? rows : 0); ++r) {
      Row query;
      for (std::int64_t c = 0; c < columns; ++c) query.push_back(x.get(m, r, c));
      Bounded best;
      bool ambiguous = false;
      for (std::int64_t i = 0; i < restarts; ++i) {
        Row start;
        for (std::int64_t c = 0; c < latent; ++c) start.push_back(z.get(m, r * restarts + i, c));
        Bounded one = bounded_search(generator, discriminator, settings, query, start,
                                     shape.exact || shape.precision != Precision::fp32, rounding, random);
        for (std::int64_t c = 0; c < latent; ++c) {
          const double value = one.found.z[static_cast<std::size_t>(c)];
          const double rounding = shape.exact ? 0.0 : 8.0 * eps * std::abs(value);
          z.expect(m, r * restarts + i, c, value, stays(c) ? 0.0 : one.z + rounding);
        }
        ++searches;
        if (one.z > 0.1 * walk) ++vague;
        const double lead = i == 0 ? -infinity : one.found.at_end.loss - best.found.at_end.loss;
        if (i > 0 && !shape.exact && std::abs(lead) <= one.loss + best.loss) ambiguous = true;
        if (lead < 0.0) {
          if (i > 0 && -lead > one.loss + best.loss) ambiguous = false;
          best = std::move(one);
        }
      }
      const Evaluation& end = best.found.at_end;
      // Where two restarts end equally well, rounding may choose either: only the loss is compared then. (That the
      // restart with the smallest computed loss wins is tested against single searches, to the bit.)
      const double either = ambiguous ? infinity : 0.0;
      loss.expect(m, r, 0, end.loss, best.loss);
      residual.expect(m, r, 0, end.residual, best.residual + either);
      discrimination.expect(m, r, 0, end.discrimination, best.discrimination + either);
      for (std::int64_t c = 0; c < latent; ++c) {
        const double value = best.found.z[static_cast<std::size_t>(c)];
        best_z.expect(m, r, c, value,
                      either + (stays(c) ? 0.0 : best.z + (shape.exact ? 0.0 : 8.0 * eps * std::abs(value))));
      }
      for (std::int64_t c = 0; c < columns; ++c) {
        const double value = end.reconstruction[static_cast<std::size_t>(c)];
        const double bound = best.reconstruction + (shape.exact ? 0.0 : 8.0 * eps * std::abs(value)) + either;
        reconstruction.expect(m, r, c, value, bound);
        const double cell = query[static_cast<std::size_t>(c)];
        feature_residual.expect(m, r, c, std::isnan(cell) ? 0.0 : std::abs(cell - value),
                                bound + (shape.exact ? 0.0 : eps * std::abs(cell - value)));
        if (std::isnan(cell)) feature_residual.expect(m, r, c, 0.0, 0.0);
      }
    }
  }
  problem.check = [searches, vague](const Results&) -> std::string {
    std::ostringstream text;
    if (vague * 10 > searches) text << vague << " of " << searches << " searches of this case are ill-conditioned";
    return text.str();
  };
  TypedTensor<float>* const outputs[6] = {&loss,   &residual,         &discrimination,
                                          &best_z, &feature_residual, &reconstruction};
  for (int i = 0; i < 6; ++i) {
    if ((shape.outputs >> i & 1) == 0) outputs[i]->expect_unchanged();
  }
  if (shape.precision != Precision::fp32) {
    z.expect_checked_elsewhere();
    for (std::int64_t m = 0; m < models; ++m)
      for (std::int64_t r = 0; r < z.rows; ++r)
        for (std::int64_t c = latent - shape.fixed_columns; c < latent; ++c) z.expect(m, r, c, z.get(m, r, c), 0.0);
    for (TypedTensor<float>* output : outputs) output->expect_checked_elsewhere();
    problem.check = nullptr;
  }

  const auto weights = static_cast<double>(parameters_of(shape.generator) + parameters_of(shape.discriminator));
  problem.flops = 4.0 * weights * static_cast<double>(models * rows * restarts * (shape.steps + 1));
  problem.same_bits_where_fused = !shape.exact && same_products(shape.precision);
  problem.call = [&, shape, settings, first_generator, first_discriminator](Call& call) {
    call.context.use_precision(shape.precision);
    LatentSearch args;
    const StackView<float> generator = generator_buffer.view(call.slice);
    const StackView<float> discriminator = discriminator_buffer.view(call.slice);
    args.generator = network_view(generator.data, generator.model_stride, first_generator);
    args.discriminator = network_view(discriminator.data, discriminator.model_stride, first_discriminator);
    args.x = x.view(call.slice);
    args.z = z.view(call.slice);
    args.restarts = static_cast<std::int32_t>(shape.restarts);
    args.steps = static_cast<std::int32_t>(shape.steps);
    args.learning_rate = settings.rate;
    args.beta1 = static_cast<float>(shape.beta1);
    args.residual_distance = shape.residual;
    args.discrimination_kind = shape.discrimination;
    args.lambda = static_cast<float>(settings.lambda);
    args.prior_weight = static_cast<float>(shape.prior_weight);
    args.latent_weight = static_cast<float>(shape.latent_weight);
    args.latent_clip = static_cast<float>(shape.latent_clip);
    args.fixed_columns = static_cast<std::int32_t>(shape.fixed_columns);
    if (shape.outputs & 1) args.loss = loss.view(call.slice);
    if (shape.outputs & 2) args.residual = residual.view(call.slice);
    if (shape.outputs & 4) args.discrimination = discrimination.view(call.slice);
    if (shape.outputs & 8) args.best_z = best_z.view(call.slice);
    if (shape.outputs & 16) args.feature_residual = feature_residual.view(call.slice);
    if (shape.outputs & 32) args.reconstruction = reconstruction.view(call.slice);
    call_by_route(call, shape.route, args);
  };
  return {&x,
          &z,
          &generator_buffer,
          &discriminator_buffer,
          &loss,
          &residual,
          &discrimination,
          &best_z,
          &feature_residual,
          &reconstruction};
}

}  // namespace cugad::test
