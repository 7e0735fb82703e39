#include "kernels/latent_search/resident_search.hpp"

#include "emulator_control.hpp"
#include "kernels/latent_search/resident_launch.cuh"
#include "tests/emulator/rounded_search.hpp"

/// The resident search: in float32 against the CPU's search, in bfloat16 against a float64 search that rounds at the
/// same places, and the rule of which searches it serves.
namespace cugad::resident_test {
namespace {

using cuda::Bfloat16Element;
using cuda::Float32Element;
using cuda::ResidentNetworks;
using Small = ResidentNetworks<16, 32, 64, 32, 64, 32, 16>;

void run_on_cpu(Context& context, const LatentSearch& args) { cugad::run(context, args); }

double largest_difference(const Values& a, const Values& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= largest)) largest = difference;  // NaN counts
  }
  return largest;
}

void expect_close(const Search& here, const Search& cpu, const std::string& text) {
  SCOPED_TRACE(text);
  EXPECT_LE(largest_difference(here.z, cpu.z), 2e-5);
  EXPECT_LE(largest_difference(here.loss, cpu.loss), 1e-3);
  EXPECT_LE(largest_difference(here.residual, cpu.residual), 1e-3);
  EXPECT_LE(largest_difference(here.discrimination, cpu.discrimination), 1e-3);
  EXPECT_LE(largest_difference(here.best_z, cpu.best_z), 2e-5);
  EXPECT_LE(largest_difference(here.feature_residual, cpu.feature_residual), 1e-4);
  EXPECT_LE(largest_difference(here.reconstruction, cpu.reconstruction), 1e-4);
}

/// Every loss against the CPU, each with other options. Sums of products have the CPU's order, and so z agrees to the
/// bit; norms, logits and losses are summed in another order.
TEST(resident_search, float32_is_the_search_of_the_cpu) {
  int variant = 0;
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
    for (const Discrimination discrimination : {Discrimination::cross_entropy, Discrimination::feature_l1,
                                                Discrimination::feature_l2, Discrimination::feature_squared}) {
      const bool common = residual == Distance::l1 && discrimination == Discrimination::feature_l1;
      for (int repeat = 0; repeat < (common ? 4 : 1); ++repeat, ++variant) {
        Options o;
        o.residual = residual;
        o.discrimination = discrimination;
        o.rows = 17;
        if (variant % 4 == 1) o.missing = 0.3, o.rows = 5, o.models = 2;
        if (variant % 4 == 2) o.prior = 0.1f, o.latent = 0.2f, o.clip = 1.0f, o.rows = 2, o.restarts = 7;
        if (variant % 4 == 3) o.steps = 0, o.restarts = 2;
        const Search search(o);
        const Search cpu = found_on("cpu", search, run_on_cpu);
        const Search here = found_on("emulated", search, cuda::run_resident_search<Float32Element, Small>);
        const std::string text = "residual " + std::to_string(static_cast<int>(residual)) + ", discrimination " +
                                 std::to_string(static_cast<int>(discrimination)) + ", variant " +
                                 std::to_string(variant % 4);
        expect_close(here, cpu, text);
        const bool summed = residual == Distance::l2 || o.prior != 0.0f ||
                            discrimination == Discrimination::feature_l2 ||
                            discrimination == Discrimination::cross_entropy;
        if (!summed) {
          EXPECT_EQ(here.z, cpu.z) << text;
        }
      }
    }
}

/// Networks with a layer less: an identity layer takes its place, and no bit changes.
TEST(resident_search, shallow_networks_are_padded) {
  Options o;
  o.generator = {11, 64, 32};
  o.discriminator = {32, 31, 16, 1};
  o.missing = 0.1;
  const Search search(o);
  const Search cpu = found_on("cpu", search, run_on_cpu);
  const Search here = found_on("emulated", search, cuda::run_resident_search<Float32Element, Small>);
  EXPECT_EQ(here.z, cpu.z);
}

/// The KDD99 networks, after 5 steps. Against a search that rounds at the same places most z agree to float32 rounding;
/// where float32 sums fall on the other side of a rounding or of a sign, a few differ more. Against unrounded float64
/// the difference is that of the precision.
TEST(resident_search, bfloat16_rounds_where_it_says) {
  Options o;
  o.generator = {32, 64, 128, 121};
  o.discriminator = {121, 256, 128, 128, 1};
  o.rows = 64;
  const Search search(o);
  const Search found = found_on("emulated", search, cuda::resident_search);
  const Deviation same = deviation(search, found, true), exact = deviation(search, found, false);
  std::printf("rounded alike: median %.2g, 90 %% %.2g, largest %.2g; float64: median %.2g, 90 %% %.2g, largest %.2g\n",
              same.median, same.ninth, same.largest, exact.median, exact.ninth, exact.largest);
  EXPECT_LE(same.median, 1e-6);
  EXPECT_LE(same.ninth, 1e-3);
  EXPECT_LE(exact.median, 5e-3);
  EXPECT_LE(exact.largest, 0.4);  // the walk of 5 steps
}

/// The bits are the same in any order of lanes.
TEST(resident_search, the_order_of_lanes_changes_nothing) {
  Options o;
  o.rows = 35;
  o.missing = 0.05;
  const Search search(o);
  const ::emulator::Policy before = ::emulator::policy();
  const Search first = found_on("emulated", search, cuda::run_resident_search<Bfloat16Element, Small>);
  for (const char* policy : {"reverse,immediate", "seed=7,deferred"}) {
    ::emulator::set_policy(::emulator::parse_policy(policy));
    const Search again = found_on("emulated", search, cuda::run_resident_search<Bfloat16Element, Small>);
    EXPECT_EQ(again.z, first.z) << policy;
    EXPECT_EQ(again.loss, first.loss) << policy;
    EXPECT_EQ(again.reconstruction, first.reconstruction) << policy;
  }
  ::emulator::set_policy(before);
}

using Kdd = ResidentNetworks<32, 64, 128, 128, 256, 128, 128>;
using Even = ResidentNetworks<16, 64, 64, 64, 128, 64, 128>;  // layers that four warps can share

/// Every bit is that of a warp alone with all weights in shared memory, for all losses and in any order of lanes.
template <class Element, class Networks, int team>
void expect_finds_the_same(const std::string& element) {
  const ::emulator::Policy before = ::emulator::policy();
  const std::pair<Distance, Discrimination> losses[] = {{Distance::l1, Discrimination::feature_l1},
                                                        {Distance::l1, Discrimination::cross_entropy},
                                                        {Distance::l2, Discrimination::feature_l2},
                                                        {Distance::squared, Discrimination::feature_l1},
                                                        {Distance::squared, Discrimination::cross_entropy}};
  int variant = 0;
  for (const auto& [residual, discrimination] : losses) {
    Options o;
    o.residual = residual;
    o.discrimination = discrimination;
    o.rows = 19;
    if (variant % 3 == 0) o.missing = 0.2, o.models = 2;
    if (variant % 3 == 2 && std::is_same_v<Element, Bfloat16Element>) o.rows = 270;  // blocks take several tiles
    if (variant % 4 == 1) o.prior = 0.1f, o.latent = 0.2f, o.clip = 1.0f, o.rows = 3, o.restarts = 7;
    if (variant % 4 == 3) o.steps = 0;
    ::emulator::set_policy(
        ::emulator::parse_policy(variant % 2 == 0 ? "reverse,immediate,multiprocessors=1" : "seed=7,deferred"));
    SCOPED_TRACE(element + ", variant " + std::to_string(variant++));
    const Search search(o);
    const Search alone = found_on("emulated", search, cuda::run_resident_search<Element, Even>);
    const Search other = found_on("emulated", search, cuda::run_resident_search<Element, Networks, team>);
    for (const auto values : {&Search::z, &Search::loss, &Search::residual, &Search::discrimination, &Search::best_z,
                              &Search::feature_residual, &Search::reconstruction})
      EXPECT_EQ(other.*values, alone.*values);
  }
  ::emulator::set_policy(before);
}
TEST(resident_search, a_team_of_warps_finds_the_same) {
  expect_finds_the_same<Float32Element, Even, 4>("float32");
  expect_finds_the_same<Bfloat16Element, Even, 4>("bfloat16");
}

TEST(resident_search, streamed_weights_find_the_same) {
  expect_finds_the_same<Bfloat16Element, Even::Streamed, 1>("bfloat16");
  expect_finds_the_same<Bfloat16Element, Even::Streamed, 4>("bfloat16, a team");
}

/// The variant whose products are those of four warps: the same roundings, other sums.
TEST(resident_search, warpgroups_find_the_same) {
  Options o;
  o.generator = {32, 64, 128, 121};
  o.discriminator = {121, 256, 128, 128, 1};
  o.rows = 40;
  const Search search(o);
  const Search found = found_on("emulated", search, cuda::run_resident_search<cuda::WarpgroupElement, Kdd>);
  const Deviation same = deviation(search, found, true);
  std::printf("rounded alike: median %.2g, 90 %% %.2g, largest %.2g\n", same.median, same.ninth, same.largest);
  EXPECT_LE(same.median, 1e-6);
  EXPECT_LE(same.ninth, 1e-3);
  const Search general = [&] {
    Search other = search;
    other.options.discrimination = Discrimination::feature_l2;
    other.options.residual = Distance::squared;
    other.options.missing = 0.1;
    return found_on("emulated", Search(other.options), cuda::run_resident_search<cuda::WarpgroupElement, Kdd>);
  }();
  for (const float loss : general.loss) EXPECT_TRUE(std::isfinite(loss));
}

/// Rows [first, first + count) of model m alone.
Search slice(const Search& search, std::int64_t m, std::int64_t first, std::int64_t count) {
  Search part = search;
  part.options.models = 1;
  part.options.rows = count;
  const auto cut = [&](Values& values, std::int64_t per_model, std::int64_t begin, std::int64_t length) {
    const auto at = values.begin() + m * per_model + begin;
    values = Values(at, at + length);
  };
  const Options& o = search.options;
  const std::int64_t z_width = search.latent() * o.restarts;
  cut(part.x, o.rows * search.columns(), first * search.columns(), count * search.columns());
  cut(part.z, o.rows * z_width, first * z_width, count * z_width);
  const auto weights = [&](const Values& all) { return static_cast<std::int64_t>(all.size()) / o.models; };
  cut(part.generator, weights(search.generator), 0, weights(search.generator));
  cut(part.discriminator, weights(search.discriminator), 0, weights(search.discriminator));
  return part;
}

/// A row's result does not depend on its neighbours, on its tile, nor on other models.
TEST(resident_search, rows_and_models_are_independent) {
  Options o;
  o.generator = {9, 20, 128, 40};
  o.discriminator = {40, 128, 100, 64, 1};
  o.models = 2;
  o.rows = 45;
  o.restarts = 3;
  o.missing = 0.01;
  o.prior = 0.05f;
  const Search search(o);
  const Search all = found_on("emulated", search, cuda::resident_search);
  const std::int64_t widths[] = {1, 9, 27, 40};
  for (const auto& [m, first, count] : {std::array{0L, 0L, 45L}, std::array{1L, 44L, 1L}, std::array{1L, 7L, 20L}}) {
    const Search part = found_on("emulated", slice(search, m, first, count), cuda::resident_search);
    const std::pair<const Values*, const Values*> outputs[] = {{&all.loss, &part.loss},
                                                               {&all.best_z, &part.best_z},
                                                               {&all.z, &part.z},
                                                               {&all.reconstruction, &part.reconstruction}};
    for (int i = 0; i < 4; ++i) {
      const auto at = outputs[i].first->begin() + (m * o.rows + first) * widths[i];
      EXPECT_EQ(Values(at, at + count * widths[i]), *outputs[i].second) << "output " << i << " of model " << m;
    }
  }
}

TEST(resident_search, serves_what_it_can) {
  const Device device = Device::open("emulated", 1);
  Context context = device.make_context();
  const auto fits = [&](const std::vector<std::int32_t>& generator, const std::vector<std::int32_t>& discriminator,
                        Activation hidden = Activation::relu, Discrimination kind = Discrimination::feature_l1,
                        std::int32_t fixed_columns = 0) {
    LatentSearch args;
    args.fixed_columns = fixed_columns;
    args.generator = view_of(nullptr, generator, hidden);
    args.discriminator = view_of(nullptr, discriminator, Activation::leaky_relu);
    args.discrimination_kind = kind;
    args.x = {nullptr, 1, 10, generator.back()};
    args.z = {nullptr, 1, 10, generator.front()};
    return cuda::resident_search_fits(context, args);
  };
  EXPECT_FALSE(fits({32, 64, 128, 121}, {121, 256, 128, 128, 1}));  // not in bfloat16
  context.use_precision(Precision::bf16);
  EXPECT_TRUE(fits({32, 64, 128, 121}, {121, 256, 128, 128, 1}));
  EXPECT_TRUE(fits({20, 128, 128, 40}, {40, 128, 128, 1}));
  EXPECT_TRUE(fits({20, 128, 40}, {40, 128, 128, 1}));
  EXPECT_FALSE(fits({20, 128, 128, 40}, {40, 256, 128, 128, 1}));  // no class is that wide
  EXPECT_FALSE(fits({33, 64, 128, 121}, {121, 256, 128, 128, 1}));
  EXPECT_FALSE(fits({20, 128, 128, 129}, {129, 128, 128, 1}));
  EXPECT_FALSE(fits({20, 16, 16, 16, 40}, {40, 128, 128, 1}));
  EXPECT_FALSE(fits({20, 40}, {40, 128, 128, 1}));
  EXPECT_FALSE(fits({20, 64, 40}, {40, 128, 128, 1}, Activation::tanh));
  EXPECT_FALSE(fits({20, 64, 40}, {40, 128, 128, 1}, Activation::relu, Discrimination::none));
  EXPECT_FALSE(fits({20, 64, 40}, {40, 128, 128, 1}, Activation::relu, Discrimination::feature_l1, 1));
}

}  // namespace
}  // namespace cugad::resident_test
