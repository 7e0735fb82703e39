#include <gtest/gtest.h>

#include <algorithm>

#include "host/backend/backend.hpp"
#include "tests/common/device.hpp"
#include "tests/ops/latent_problem.hpp"

// Present in programs that hold the CUDA backend or its emulation.
namespace cugad::cuda {
enum class SearchPath { resident, general, layers };
[[gnu::weak]] SearchPath choose_search_path(const Context& context, const LatentSearch& args);
[[gnu::weak]] const char* name_of(SearchPath path);
}  // namespace cugad::cuda

/// The paths of the latent search on CUDA: the chosen one, the same bits on all chips, and the rounded modes.
namespace cugad::test {
namespace {

std::vector<const NamedDevice*> cuda_devices() {
  std::vector<const NamedDevice*> found;
  for (const NamedDevice& named : devices()) {
    if (!named.device.backend().is_host_memory()) found.push_back(&named);
  }
  return found;
}

Results run_on(const Problem& problem, const Device& device) {
  std::string refusal;
  Results results = execute(problem, initial_images(problem), device, 1, {{}}, &refusal);
  EXPECT_EQ(refusal, "");
  return results;
}

constexpr const char* first_policy = "forward,deferred";

/// Runs with another emulated chip ("chip=sm_86", "multiprocessors=1"), then restores the chip.
class Chip {
 public:
  explicit Chip(const std::string& policy) { set((std::string(first_policy) + "," + policy).c_str()); }
  ~Chip() { set(first_policy); }
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;

 private:
  static void set(const char* policy) {
    if (is_emulated_program()) cugad_emulator_set_policy(policy);
  }
};

std::string path_of(const Device& device, const SearchShape& shape) {
  LatentSearch args;
  Random random(1);
  const Network64 generator = random_network(random, shape.generator, shape.hidden, shape.last);
  const Network64 discriminator =
      random_network(random, shape.discriminator, Activation::leaky_relu, Activation::identity);
  args.generator = network_view(nullptr, 0, generator);
  args.discriminator = network_view(nullptr, 0, discriminator);
  args.x = {nullptr, shape.models, shape.rows, shape.generator.back()};
  args.z = {nullptr, shape.models, shape.rows * shape.restarts, shape.generator.front()};
  args.restarts = static_cast<std::int32_t>(shape.restarts);
  args.steps = static_cast<std::int32_t>(shape.steps);
  args.discrimination_kind = shape.discrimination;
  args.fixed_columns = static_cast<std::int32_t>(shape.fixed_columns);
  Context context = device.make_context();
  context.use_precision(shape.precision);
  return cuda::name_of(cuda::choose_search_path(context, args));
}

/// Tiles, panels and residency differ from chip to chip; the bits do not. The CPU's are the same if it has a fused
/// multiply-add.
TEST(search_paths, every_chip_gives_the_same_bits) {
  if (!is_emulated_program()) GTEST_SKIP() << "needs the emulator's chips";
  SearchShape kdd{.rows = 40,
                  .steps = 1,
                  .generator = {32, 64, 128, 121},
                  .discriminator = {121, 256, 128, 128, 1},
                  .missing = 0.1};
  kdd.reference = false;
  SearchShape large_batch = kdd;
  large_batch.rows = 264;
  SearchShape wide{.rows = 5,
                   .steps = 4,
                   .restarts = 2,
                   .generator = {4, 900, 901, 6},
                   .discriminator = {6, 700, 1},
                   .missing = 0.1};
  wide.reference = false;
  const std::pair<SearchShape, const char*> cases[] = {{kdd, "general"}, {large_batch, "general"}, {wide, "layers"}};
  for (const auto& [shape, path_on_sm_86] : cases) {
    SCOPED_TRACE(shape.text());
    Problem problem(hash("chips"), Layout::misaligned);
    build_search(problem, shape);
    const Results expected = run_on(problem, devices().front().device);
    for (const char* name : {"sm_90", "sm_80", "sm_86"}) {
      SCOPED_TRACE(name);
      const Chip chip(std::string("chip=") + name);
      const Device device = Device::open(device_name());
      if (std::string(name) == "sm_86") {
        EXPECT_EQ(path_of(device, shape), path_on_sm_86);
      }
      EXPECT_EQ(compare_bits(problem, expected, run_on(problem, device)), "");
    }
  }
}

/// In bfloat16 the KDD99 networks are searched with resident weights, or with streamed weights if shared memory is
/// small: by few rows, and by whole blocks of rows of two models, which one multiprocessor takes in turn.
TEST(search_paths, weights_that_stream_give_the_same_bits) {
  if (!is_emulated_program()) GTEST_SKIP() << "needs the emulator's chips";
  SearchShape kdd{.rows = 20,
                  .steps = 2,
                  .generator = {32, 64, 128, 121},
                  .discriminator = {121, 256, 128, 128, 1},
                  .missing = 0.1};
  kdd.precision = Precision::bf16;
  kdd.reference = false;
  SearchShape large_batch = kdd;
  large_batch.models = 2, large_batch.rows = 140, large_batch.steps = 1, large_batch.missing = 0.0;
  SearchShape table = kdd;
  table.generator = {32, 128, 128, 121}, table.discriminator = {121, 128, 128, 128, 1};
  const std::pair<SearchShape, bool> cases[] = {{kdd, true}, {large_batch, true}, {table, false}};
  for (const auto& [shape, resides_on_sm_86] : cases) {
    SCOPED_TRACE(shape.text());
    Problem problem(hash("streams"), Layout::misaligned);
    build_search(problem, shape);
    Results expected;
    for (const char* name : {"sm_90", "sm_80", "sm_86"}) {
      SCOPED_TRACE(name);
      const Chip chip(std::string("multiprocessors=1,chip=") + name);
      const Device device = Device::open(device_name());
      const bool resides = resides_on_sm_86 || name != std::string("sm_86");
      EXPECT_EQ(path_of(device, shape), resides ? "resident" : "general");
      if (!resides) continue;
      const Results found = run_on(problem, device);
      if (expected.empty()) expected = found;
      EXPECT_EQ(compare_bits(problem, expected, found), "");
    }
  }
}

/// How far a result lies from an expectation: median, nine tenths, all.
struct Spread {
  double median = 0.0, most = 0.0, worst = 0.0;
};
Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 9 / 10], values.back()};
}

/// |difference| of z after a search in a rounded mode from a float64 search with the rounding of `reference`.
Spread deviation_of_z(const Device& device, SearchShape shape, Precision reference) {
  shape.rounded = reference;
  Problem problem(hash("rounded"), Layout::misaligned);
  const SearchTensors tensors = build_search(problem, shape);
  // The bound of z is infinite in every mode but fp32; the reference still exists.
  const Results results = run_on(problem, device);
  const Bytes& found = results[problem.index_of(*tensors.z)];
  std::vector<double> deviations;
  for (std::int64_t r = 0; r < tensors.z->rows; ++r)
    for (std::int64_t c = 0; c < tensors.z->columns; ++c) {
      const double expected = tensors.z->expected[tensors.z->position(0, r, c)];
      deviations.push_back(std::abs(tensors.z->number(found, 0, r, c) - expected));
    }
  return spread_of(std::move(deviations));
}

/// Where a backend rounds, a float64 search that rounds at the same places finds the same z but for rare operands
/// that fall to the other side of a rounding; beside an exact search the modes lie as far as their rounding.
TEST(search_paths, rounded_modes_round_operands_and_nothing_else) {
  for (const NamedDevice& named : devices()) {
    const bool is_cpu = named.device.backend().is_host_memory();
    for (const SearchRoute route : {SearchRoute::general, SearchRoute::layers}) {
      for (const Precision precision : {Precision::tf32, Precision::bf16}) {
        if (is_cpu && (route != SearchRoute::layers || precision != Precision::bf16)) continue;
        for (const Discrimination discrimination : {Discrimination::feature_l1, Discrimination::cross_entropy}) {
          SearchShape shape{.rows = 10,
                            .steps = 5,
                            .generator = {32, 64, 128, 121},
                            .discriminator = {121, 256, 128, 128, 1},
                            .discrimination = discrimination,
                            .missing = 0.05};
          shape.route = route;
          shape.precision = precision;
          SCOPED_TRACE(shape.text());
          const Spread same = deviation_of_z(named.device, shape, precision);
          const Spread exact = deviation_of_z(named.device, shape, Precision::fp32);
          std::printf(
              "|dz| after 5 steps, %s, %s: %.1e %.1e %.1e beside the same rounding, %.1e %.1e %.1e beside none\n",
              cugad::name_of(precision), route == SearchRoute::general ? "general" : "layers", same.median, same.most,
              same.worst, exact.median, exact.most, exact.worst);
          EXPECT_LE(same.median, 1e-6);
          EXPECT_LE(same.most, 1e-4);
          EXPECT_LE(exact.median, precision == Precision::bf16 ? 1e-3 : 1e-4);
          EXPECT_LE(exact.most, precision == Precision::bf16 ? 1e-2 : 1e-3);
          EXPECT_GT(exact.most, 10.0 * same.most) << "is anything rounded?";
        }
      }
    }
  }
}

/// The resident search of both classes of networks, with and without a logit, by few rows and by whole blocks of them,
/// on one multiprocessor, as more would share the rows.
TEST(search_paths, resident_search_rounds_operands_and_nothing_else) {
  for (const NamedDevice* named : cuda_devices()) {
    for (const bool is_table : {false, true}) {
      for (const Discrimination discrimination : {Discrimination::feature_l1, Discrimination::cross_entropy}) {
        SearchShape shape{.rows = 130,
                          .steps = 2,
                          .generator = {32, 64, 128, 121},
                          .discriminator = {121, 256, 128, 128, 1},
                          .discrimination = discrimination,
                          .missing = 0.05};
        if (is_table) {
          shape.generator = {32, 128, 128, 100};
          shape.discriminator = {100, 128, 128, 128, 1};
        }
        shape.precision = Precision::bf16;
        SCOPED_TRACE(shape.text());
        const Chip chip("multiprocessors=1");
        const Device device = is_emulated_program() ? Device::open(device_name()) : named->device;
        if (path_of(device, shape) != std::string("resident")) GTEST_SKIP() << "needs compute capability 9.0";
        const Spread same = deviation_of_z(device, shape, Precision::bf16);
        const Spread exact = deviation_of_z(device, shape, Precision::fp32);
        std::printf(
            "|dz| after 2 steps, resident: %.1e %.1e %.1e beside the same rounding, %.1e %.1e %.1e beside none\n",
            same.median, same.most, same.worst, exact.median, exact.most, exact.worst);
        EXPECT_LE(same.median, 1e-5);
        EXPECT_LE(same.most, 1e-3);
        EXPECT_LE(exact.median, 1e-3);
        EXPECT_LE(exact.most, 1e-2);
        EXPECT_GT(exact.most, 10.0 * same.most) << "is anything rounded?";
      }
    }
  }
}

}  // namespace
}  // namespace cugad::test
