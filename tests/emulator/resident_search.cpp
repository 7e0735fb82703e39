#include "kernels/latent_search/resident_search.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "emulator_control.hpp"
#include "host/backend/backend.hpp"
#include "kernels/latent_search/resident_launch.cuh"

/// The resident search: in float32 against the CPU's search, in bfloat16 against a float64 search that rounds at the
/// same places, its layout in shared memory, and the rule of what it serves.
namespace cugad {
namespace {

using cuda::Bfloat16Element;
using cuda::Float32Element;
using cuda::ResidentMatrix;
using cuda::ResidentNetworks;
using Small = ResidentNetworks<16, 32, 64, 32, 64, 32, 16>;
using Values = std::vector<float>;

struct Options {
  std::vector<std::int32_t> generator = {13, 30, 60, 27}, discriminator = {27, 50, 31, 15, 1};
  std::int64_t models = 1, rows = 20;
  std::int32_t restarts = 1, steps = 5;
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double missing = 0.0;
  float prior = 0.0f, latent = 0.0f, clip = 0.0f;
  unsigned seed = 1;
};

/// A search in host memory, and what it found.
struct Search {
  explicit Search(const Options& o) : options(o) {
    std::mt19937 engine(o.seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (std::int64_t m = 0; m < o.models; ++m) {
      for (const auto* widths : {&o.generator, &o.discriminator}) {
        Values& network = widths == &o.generator ? generator : discriminator;
        for (std::size_t l = 1; l < widths->size(); ++l) {
          const float deviation = std::sqrt(2.0f / static_cast<float>((*widths)[l - 1]));
          for (int i = 0; i < (*widths)[l - 1] * (*widths)[l]; ++i) network.push_back(normal(engine) * deviation);
          for (int i = 0; i < (*widths)[l]; ++i) network.push_back(0.3f * normal(engine));
        }
      }
    }
    for (std::int64_t i = 0; i < o.models * o.rows * columns(); ++i)
      x.push_back(uniform(engine) < o.missing ? std::nanf("") : normal(engine));
    for (std::int64_t i = 0; i < o.models * o.rows * o.restarts * latent(); ++i) z.push_back(normal(engine));
  }
  std::int64_t latent() const { return options.generator.front(); }
  std::int64_t columns() const { return options.generator.back(); }

  Options options;
  Values generator, discriminator, x, z;
  Values loss, residual, discrimination, best_z, feature_residual, reconstruction;
};

NetworkView view_of(const float* data, const std::vector<std::int32_t>& widths, Activation hidden) {
  NetworkView view;
  view.layers = static_cast<std::int32_t>(widths.size()) - 1;
  std::int64_t size = 0;
  for (int l = 0; l < view.layers; ++l) {
    LayerView& layer = view.layer[l];
    layer.in = widths[static_cast<std::size_t>(l)];
    layer.out = widths[static_cast<std::size_t>(l) + 1];
    layer.weight = data + size;
    layer.bias = layer.weight + layer.in * layer.out;
    size += (layer.in + 1) * layer.out;
    layer.activation = l + 1 < view.layers ? hidden : Activation::identity;
    layer.slope = 0.1f;
  }
  for (int l = 0; l < view.layers; ++l) view.layer[l].model_stride = size;
  return view;
}

/// Host memory seen by a device.
class Mirror {
 public:
  explicit Mirror(Backend& backend) : backend_(backend) {}
  ~Mirror() {
    for (const auto& [memory, values] : copies_) backend_.release(memory);
  }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;
  float* upload(Values& values) {
    auto* memory = static_cast<float*>(backend_.allocate(values.size() * sizeof(float)));
    backend_.copy(memory, values.data(), values.size() * sizeof(float), nullptr);
    backend_.synchronize(nullptr);  // a context's stream does not wait for the default one
    copies_.emplace_back(memory, &values);
    return memory;
  }
  void download() {
    backend_.synchronize(nullptr);
    for (const auto& [memory, values] : copies_)
      backend_.copy(values->data(), memory, values->size() * sizeof(float), nullptr);
    backend_.synchronize(nullptr);
  }

 private:
  Backend& backend_;
  std::vector<std::pair<float*, Values*>> copies_;
};

using Run = void (*)(Context&, const LatentSearch&);

Search found_on(const char* device_name, Search search, Run run) {
  Device device = Device::open(device_name, 1);
  Context context = device.make_context();
  context.use_precision(Precision::bf16);
  const Options& o = search.options;
  const auto rows = static_cast<std::size_t>(o.models * o.rows), columns = static_cast<std::size_t>(search.columns());
  Mirror mirror(device.backend());
  LatentSearch args;
  args.generator = view_of(mirror.upload(search.generator), o.generator, Activation::relu);
  args.discriminator = view_of(mirror.upload(search.discriminator), o.discriminator, Activation::leaky_relu);
  args.x = {mirror.upload(search.x), o.models, o.rows, search.columns()};
  args.z = {mirror.upload(search.z), o.models, o.rows * o.restarts, search.latent()};
  args.restarts = o.restarts;
  args.steps = o.steps;
  args.learning_rate = {2, {0.05f, 0.02f}, {3, 0}};
  args.residual_distance = o.residual;
  args.discrimination_kind = o.discrimination;
  args.lambda = 0.3f;
  args.prior_weight = o.prior;
  args.latent_weight = o.latent;
  args.latent_clip = o.clip;
  for (auto [view, values, width] :
       {std::tuple{&args.loss, &search.loss, std::size_t{1}},
        std::tuple{&args.residual, &search.residual, std::size_t{1}},
        std::tuple{&args.discrimination, &search.discrimination, std::size_t{1}},
        std::tuple{&args.best_z, &search.best_z, static_cast<std::size_t>(search.latent())},
        std::tuple{&args.feature_residual, &search.feature_residual, columns},
        std::tuple{&args.reconstruction, &search.reconstruction, columns}}) {
    values->assign(rows * width, -1.0f);
    *view = {mirror.upload(*values), o.models, o.rows, static_cast<std::int64_t>(width)};
  }
  run(context, args);
  context.synchronize();
  mirror.download();
  return search;
}

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

// ---- bfloat16 -------------------------------------------------------------------------------------------------------

using Row = std::vector<double>;

double rounded(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return static_cast<double>(std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u));
}
Row rounded(Row values) {
  for (double& value : values) value = rounded(value);
  return values;
}

/// One query's search in float64 with every operand of a product rounded to bfloat16 (or nothing rounded at all).
class RoundedSearch {
 public:
  RoundedSearch(const Search& search, bool rounds)
      : options_(search.options),
        generator_(view_of(search.generator.data(), options_.generator, Activation::relu)),
        discriminator_(view_of(search.discriminator.data(), options_.discriminator, Activation::leaky_relu)),
        rounds_(rounds) {}

  Row operator()(const float* x, const float* start) const {
    const auto latent = static_cast<std::size_t>(options_.generator.front());
    Row z(start, start + latent), first(latent, 0.0), second(latent, 0.0);
    const Row query(x, x + options_.generator.back());
    const Row wanted = features(query).back();
    for (int step = 0; step < options_.steps; ++step) {
      const Row gradient = gradient_at(query, wanted, z);
      const double rate = step < 3 ? 0.05 : 0.02;
      for (std::size_t j = 0; j < latent; ++j) {
        first[j] = 0.9 * first[j] + 0.1 * gradient[j];
        second[j] = 0.999 * second[j] + 0.001 * gradient[j] * gradient[j];
        const double m = first[j] / (1.0 - std::pow(0.9, step + 1)), v = second[j] / (1.0 - std::pow(0.999, step + 1));
        z[j] -= rate * m / (std::sqrt(v) + 1e-8);
      }
    }
    return z;
  }

 private:
  Row operand(Row values) const { return rounds_ ? rounded(std::move(values)) : values; }
  double weight(const LayerView& layer, std::size_t out, std::size_t in) const {
    const auto value = static_cast<double>(layer.weight[out * static_cast<std::size_t>(layer.in) + in]);
    return rounds_ ? rounded(value) : value;
  }
  /// Outputs of the first `layers` layers.
  std::vector<Row> forward(const NetworkView& network, int layers, Row input) const {
    std::vector<Row> outputs;
    for (int l = 0; l < layers; ++l) {
      const LayerView& layer = network.layer[l];
      input = operand(std::move(input));
      Row y(static_cast<std::size_t>(layer.out));
      for (std::size_t o = 0; o < y.size(); ++o) {
        y[o] = static_cast<double>(layer.bias[o]);
        for (std::size_t k = 0; k < input.size(); ++k) y[o] += input[k] * weight(layer, o, k);
        y[o] *= slope(layer, y[o]);
      }
      outputs.push_back(y);
      input = std::move(y);
    }
    return outputs;
  }
  static double slope(const LayerView& layer, double h) {
    return h > 0.0 || layer.activation == Activation::identity ? 1.0
           : layer.activation == Activation::relu              ? 0.0
                                                               : static_cast<double>(layer.slope);
  }
  Row backward(const NetworkView& network, const std::vector<Row>& outputs, Row gradient) const {
    for (std::size_t l = outputs.size(); l-- > 0;) {
      const LayerView& layer = network.layer[l];
      for (std::size_t o = 0; o < gradient.size(); ++o) gradient[o] *= slope(layer, outputs[l][o]);
      gradient = operand(std::move(gradient));
      Row before(static_cast<std::size_t>(layer.in), 0.0);
      for (std::size_t o = 0; o < gradient.size(); ++o)
        for (std::size_t k = 0; k < before.size(); ++k) before[k] += gradient[o] * weight(layer, o, k);
      gradient = std::move(before);
    }
    return gradient;
  }
  std::vector<Row> features(const Row& x) const { return forward(discriminator_, discriminator_.layers - 1, x); }
  Row gradient_at(const Row& x, const Row& wanted, const Row& z) const {
    const std::vector<Row> generated = forward(generator_, generator_.layers, z);
    const std::vector<Row> judged = features(generated.back());
    const auto sign = [](double value) { return static_cast<double>((value > 0.0) - (value < 0.0)); };
    Row of_features(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) of_features[i] = 0.3 * sign(judged.back()[i] - wanted[i]);
    Row gradient = backward(discriminator_, judged, of_features);
    for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += 0.7 * sign(generated.back()[i] - x[i]);
    return backward(generator_, generated, gradient);
  }

  const Options& options_;
  NetworkView generator_, discriminator_;
  bool rounds_;
};

struct Deviation {
  double median, ninth, largest;
};
Deviation deviation(const Search& search, const Search& found, bool rounds) {
  const RoundedSearch reference(search, rounds);
  std::vector<double> differences;
  const auto latent = static_cast<std::size_t>(search.latent()), columns = static_cast<std::size_t>(search.columns());
  for (std::size_t r = 0; r < search.x.size() / columns; ++r) {
    const Row z = reference(search.x.data() + r * columns, search.z.data() + r * latent);
    for (std::size_t j = 0; j < latent; ++j)
      differences.push_back(std::abs(z[j] - static_cast<double>(found.z[r * latent + j])));
  }
  std::sort(differences.begin(), differences.end());
  return {differences[differences.size() / 2], differences[differences.size() * 9 / 10], differences.back()};
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

/// In whichever order lanes run.
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

/// Every bit is that of a warp alone with all weights in shared memory, whatever is searched for, and in whichever
/// order lanes run.
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

/// An operand's descriptor, read by the rules of its layout, names the elements that are meant.
TEST(warpgroup_operand, names_the_elements_of_the_panels) {
  for (const device::PanelLayout layout : {device::PanelLayout{64, 32}, device::PanelLayout{128, 64},
                                           device::PanelLayout{256, 128}, device::PanelLayout{128, 256}}) {
    const auto check = [&](bool n_major, int row, int column, int columns_of_n) {
      const device::PanelOperand operand = device::panel_operand(layout, 1024, row, column);
      for (int n = 0; n < columns_of_n; ++n)
        for (int k = 0; k < 16; ++k) {
          const int place = n_major ? layout.offset(row + k, column + n) : layout.offset(row + n, column + k);
          ASSERT_EQ(device::operand_address(operand, n_major, n, k), 1024u + 2u * static_cast<unsigned>(place))
              << layout.rows << " x " << layout.columns << " at " << row << ", " << column << ": " << n << ", " << k;
        }
    };
    for (int row = 0; row < layout.rows; row += 64)
      for (int column = 0; column < layout.columns; column += 16) check(false, row, column, 64);
    for (int column = 0; column < layout.columns; column += layout.panel())
      for (int row = 0; row < layout.rows; row += 16) check(true, row, column, layout.panel());
    for (int row = 0; row < layout.rows; row += 16) check(true, row, 0, layout.columns < 128 ? layout.columns : 128);
  }
  // The fields of the 64-bit word: address, leading and stride in units of 16 bytes, swizzle 1 for 128 bytes, 2 for 64.
  EXPECT_EQ(device::panel_operand({256, 128}, 0x8000, 16, 32).descriptor(),
            (0x8840ull >> 4) | (32768ull >> 4) << 16 | (1024ull >> 4) << 32 | 1ull << 62);
  EXPECT_EQ(device::panel_operand({64, 32}, 0, 0, 0).descriptor(),
            (4096ull >> 4) << 16 | (512ull >> 4) << 32 | 2ull << 62);
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

/// A row's result knows nothing of its neighbours, of the tile that it is in, nor of other models.
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

/// Which banks one ldmatrix phase (8 rows of 16 bytes) touches: all 32, once.
template <class Matrix>
bool is_free_of_conflicts() {
  for (int row = 0; row < Matrix::out; row += 16)
    for (int column = 0; column < Matrix::in; column += 16)
      for (const bool backward : {false, true})
        for (int phase = 0; phase < 4; ++phase) {
          unsigned groups = 0;  // of four banks
          for (int i = 0; i < 8; ++i) {
            const int lane = 8 * phase + i;
            const int at =
                Matrix::block(backward ? Matrix::backward_lane(lane) : Matrix::forward_lane(lane), row, column);
            groups |= 1u << (at / 8 % 8);
          }
          if (groups != 0xffu) return false;
        }
  return true;
}
TEST(resident_search, weights_are_read_without_bank_conflicts) {
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<64, 32>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<128, 64>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<256, 128>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<128, 256>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<32, 16>>()));
}

/// The swizzled layout holds every element once, and the lanes' blocks are where it says.
TEST(resident_search, every_weight_has_its_place) {
  using Matrix = ResidentMatrix<64, 32>;
  std::vector<int> seen(Matrix::elements, 0);
  for (int row = 0; row < Matrix::out; ++row)
    for (int column = 0; column < Matrix::in; ++column)
      ++seen[static_cast<std::size_t>(Matrix::layout().offset(row, column))];
  EXPECT_EQ(seen, std::vector<int>(Matrix::elements, 1));
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(Matrix::block(Matrix::forward_lane(lane), 48, 16),
              Matrix::layout().offset(48 + lane / 16 * 8 + lane % 8, 16 + lane / 8 % 2 * 8));
    EXPECT_EQ(Matrix::block(Matrix::backward_lane(lane), 48, 16),
              Matrix::layout().offset(48 + lane / 8 % 2 * 8 + lane % 8, 16 + lane / 16 * 8));
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
  EXPECT_FALSE(fits({32, 64, 128, 121}, {121, 256, 128, 128, 1}));  // not asked for bfloat16
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
}  // namespace cugad
