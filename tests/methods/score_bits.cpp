#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <optional>

#include "cugad/fleet.hpp"
#include "host/methods/methods.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/methods/image_options.hpp"

/// Hashes of the models and scores of every method with every score rule, kept in tests/methods/data/score_bits.csv: a
/// change of the code that should change no bit changes none. They hold for all machines of an instruction set, and for
/// AVX2 and AVX-512 alike, and are asked of NEON: the rows are made by exact arithmetic, products are not contracted,
/// and kernels use elementary functions of the library's own. Those of the C library serve in double, before a rounding
/// to float.
///
/// After a change that is meant to change bits, write the file anew:
///   methods_test --gtest_also_run_disabled_tests --gtest_filter='WrittenScoreBits.*'
namespace cugad::test {
namespace {

const std::string path = std::string(CUGAD_SOURCE_DIR) + "/tests/methods/data/score_bits.csv";

class Hash {
 public:
  void add(const void* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      hash_ = (hash_ ^ static_cast<const unsigned char*>(bytes)[i]) * 1099511628211ull;
  }
  void add(const std::vector<float>& values) { add(values.data(), sizeof(float) * values.size()); }
  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016" PRIx64, hash_);
    return digits;
  }

 private:
  std::uint64_t hash_ = 14695981039346656037ull;
};

/// The tensors of a model file: its metadata names every option, and changes with each new one. Those of doubles show
/// in the scores.
std::string hash_of_model(const std::vector<std::byte>& bytes) {
  Hash hash;
  for (const auto& [name, tensor] : safetensors::read(bytes).tensors) {
    hash.add(name.data(), name.size());
    hash.add(tensor.f32);
  }
  return hash.text();
}

/// Six columns that depend on each other, the last of them a small integer; `changed` of ten rows break that. Some
/// cells are missing.
Matrix exact_rows(std::int64_t rows, std::uint64_t seed, int changed) {
  RandomNumbers numbers(seed);
  const auto step = [&](int limit) { return static_cast<float>(numbers.below(2 * limit + 1) - limit) / 64.0f; };
  Matrix matrix(rows, 6);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* const row = matrix.row(r);
    const auto kind = static_cast<float>(numbers.below(3));
    row[0] = step(128);
    row[1] = 2.0f * row[0] + step(16);
    row[2] = kind - row[0] + step(16);
    row[3] = 100.0f * (step(64) + kind);
    row[4] = row[3] - 50.0f * row[0] + step(64);
    row[5] = kind;
    if (numbers.below(10) < changed) row[numbers.below(5)] += 8.0f;
    if (numbers.below(8) == 0) row[numbers.below(5)] = missing;
  }
  return matrix;
}

struct Case {
  std::string name;
  DetectorOptions options;
};

DetectorOptions tiny_options(Method method) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.steps = 40;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {12};
  options.data_branch = options.latent_branch = options.cycle_hidden = options.latent_cycle_hidden = {8};
  options.bank_rows = 80;
  options.search_steps = 4;
  if (definition_of(method).reads("target")) options.target = {"b", "e"};
  if (!definition_of(method).trains()) options.reference_rows = 60;
  if (method == Method::ganomaly) options.search_from = SearchStart::encoder;  // it has no prior
  return options;
}

void take_small_images(DetectorOptions& options) {
  take_images(options);
  if (!definition_of(options.method).judges_pairs) return;
  options.discriminator_hidden = {8};
  options.r1 = 0.0f;
  set_option(options, "data_branch", "conv5k3s1bn");
  set_option(options, "cycle_hidden", "conv5k3s2ln");
}

std::vector<Case> make_cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, Method method, const std::function<void(DetectorOptions&)>& change) {
    cases.push_back({name, tiny_options(method)});
    change(cases.back().options);
  };
  for (const MethodDefinition* method : all_methods()) {
    for (const ScoreRule score : method->scores) {
      add("", method->method, [&](DetectorOptions& o) { o.score = score; });
      cases.back().name = std::string(method->name) + " " + get_option(cases.back().options, "score");
    }
    if (method->takes_images && !method->reads("target"))
      add(std::string(method->name) + " on images", method->method, take_small_images);
    if (!method->reads("target") && method->trains())
      add(std::string(method->name) + " with a condition", method->method,
          [](DetectorOptions& o) { o.condition = {"f"}; });
  }
  add("three models", Method::anogan, [](DetectorOptions& o) { o.population = 3; });
  add("anogan on images by search", Method::anogan, [](DetectorOptions& o) {
    take_images(o);
    o.score = ScoreRule::search;
    o.restarts = 3;
  });
  add("folds", Method::gan, [](DetectorOptions& o) { o.folds = 2; });
  add("ensemble", Method::gan, [](DetectorOptions& o) { set_option(o, "method", "ganomaly,gan"); });
  add("default", Method::gan, [](DetectorOptions& o) {
    const DetectorOptions tiny = o;
    o = default_options();
    o.population = 2;
    o.steps = 40;
    o.batch = tiny.batch;
    o.hidden = o.discriminator_hidden = tiny.hidden;
  });
  return cases;
}

using Hashes = std::map<std::string, std::string>;  ///< by case: model, scores

Hashes hashes_on(const Device& device) {
  Hashes hashes;
  const Matrix training = exact_rows(240, 1, 0), rows = exact_rows(40, 2, 4);
  const Columns columns{.names = {"a", "b", "c", "d", "e", "f"}};
  const auto keep = [&](const std::string& name, const std::vector<std::byte>& model,
                        const std::vector<float>& scores) {
    Hash hash;
    hash.add(scores);
    hashes[name] = hash_of_model(model) + "," + hash.text();
  };
  for (const Case& tested : make_cases()) {
    SCOPED_TRACE(tested.name);
    Detector detector(device, tested.options);
    detector.fit(training.view(), columns);
    std::vector<float> scores = detector.score(rows.view());
    scores.push_back(detector.threshold());
    keep(tested.name, detector.save(), scores);
  }
  DetectorOptions of_images = tiny_options(Method::gan);
  take_images(of_images);
  Detector painter(device, of_images);
  painter.fit(training.view(), columns);
  std::vector<float> filled(rows.data.size());
  painter.inpaint(rows.view(), filled, {.steps = 20});
  keep("inpainted", painter.save(), filled);
  std::vector<std::string> groups;
  for (std::int64_t r = 0; r < training.rows; ++r) groups.push_back(r % 8 == 0 ? "few" : r % 2 == 0 ? "even" : "odd");
  std::vector<std::string> scored = groups;
  scored.resize(static_cast<std::size_t>(rows.rows));
  for (const auto& [name, seed] :
       {std::pair("fleet", GroupSeed::position), std::pair("fleet_by_name", GroupSeed::name)}) {
    Fleet fleet(device, tiny_options(Method::anogan), {.minimum_rows = 60, .group_seed = seed});
    fleet.fit(training.view(), groups, columns);
    keep(name, fleet.save(), fleet.score(rows.view(), scored));
  }
  return hashes;
}

TEST(WrittenScoreBits, DISABLED_Write) {
  std::ofstream file(path);
  for (const auto& [name, hashes] : hashes_on(Device::open("cpu:avx2", 1))) file << name << "," << hashes << "\n";
}

/// The sets with fused multiply-adds, which keep one order of sums.
class ScoreBits : public testing::TestWithParam<const char*> {};

TEST_P(ScoreBits, AreThoseOfBefore) {
  std::optional<Device> device;
  try {
    device = Device::open(GetParam(), 1);
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  const Hashes now = hashes_on(*device);
  std::ifstream file(path);
  std::size_t kept = 0;
  for (std::string line; std::getline(file, line); ++kept) {
    const std::string name = line.substr(0, line.find(','));
    ASSERT_TRUE(now.contains(name)) << name;
    EXPECT_EQ(name + "," + now.at(name), line) << "case, hash of the model, hash of the scores";
  }
  EXPECT_EQ(kept, now.size()) << "cases that the file lacks";
}

INSTANTIATE_TEST_SUITE_P(Devices, ScoreBits,
                         testing::Values("cpu:avx2", "cpu:avx512", "cpu:avx512bf16", "cpu:neon", "cpu:sve256",
                                         "cpu:sve512"),
                         [](const auto& info) { return std::string(info.param).substr(4); });

}  // namespace
}  // namespace cugad::test
