#include "tests/ops/parity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "kernels/op_table.hpp"
#include "tests/common/device.hpp"

/// Registers the cases of all ops as gtests, and checks a case. Each keeps a hash of its results per device where all
/// devices with fused multiply-adds share the bits, as a property in the report of --gtest_output: machines of
/// different kinds are compared by it (tests/arm64/run.sh).
namespace cugad::test {
namespace {

std::uint64_t hash_of(const Results& results) {
  std::string bytes;
  for (const Bytes& image : results) bytes.append(reinterpret_cast<const char*>(image.data()), image.size());
  return hash(bytes);
}

/// Room for the counts of all devices: cases register before any device is opened.
constexpr std::size_t max_devices = 16;

class ParityTest : public testing::Test {
 public:
  ParityTest(std::size_t record, std::size_t index) : record_(record), index_(index) {}

 protected:
  OpRecord& record() const { return op_records()[record_]; }
  const Case& one() const { return record().cases[index_]; }
  std::string text() const { return record().op + "(" + one().parameters + ")"; }
  std::string rerun(const char* mode) const {
    return text() + ", rerun with --gtest_filter='" + mode + "/" + record().op + "." + one().parameters + "'";
  }

 private:
  std::size_t record_, index_;
};

/// What an emulated kernel must not depend on: the order in which lanes run, when asynchronous copies and stream work
/// happen. The first is the one whose results are compared with the reference.
constexpr const char* policies[] = {"forward,deferred",  "seed=1,deferred",  "seed=2,deferred",
                                    "forward,immediate", "seed=1,immediate", "seed=2,immediate"};
/// An emulated case slower than this is not also run in pieces: a smaller one of its op is.
constexpr double slow_seconds = 0.25;

/// The models one at a time.
std::vector<Slice> single_models(std::int64_t models) {
  std::vector<Slice> slices;
  for (std::int64_t m = 0; m < models; ++m) slices.push_back({m, 1, 0, -1});
  return slices;
}

/// Single items if there are few; else some alone, and the rest in two uneven pieces. Last first.
std::vector<Slice> pieces_of(std::int64_t items) {
  std::vector<Slice> slices;
  std::int64_t end = items;
  if (items > 64) {
    slices.push_back({0, -1, items - items / 3, items / 3});
    slices.push_back({0, -1, 20, items - items / 3 - 20});
    end = 20;
  }
  for (std::int64_t i = end - 1; i >= 0; --i) slices.push_back({0, -1, i, 1});
  return slices;
}

/// Whether a device runs the op with the code of the device before it: avx512bf16 has few ops of its own.
bool shares_code(const std::string& op, std::size_t device) {
  if (device == 0) return false;
  const OpTable &here = devices()[device].device.backend().ops(),
                &before = devices()[device - 1].device.backend().ops();
#define CUGAD_SHARES(name, Args) \
  if (op == #name) return here.name.run == before.name.run;
  CUGAD_OPS(CUGAD_SHARES)
#undef CUGAD_SHARES
  return false;
}

class Test : public ParityTest {
 public:
  using ParityTest::ParityTest;
  void TestBody() override {
    const char* mode = one().exact ? "exact" : "test";
    const std::unique_ptr<Problem> problem = make_problem(record().op, one());
    ASSERT_TRUE(problem->call) << "the case does not call its op: " << rerun(mode);
    const Results start = initial_images(*problem);
    Results first, first_fused;
    for (std::size_t d = 0; d < devices().size(); ++d) {
      const NamedDevice& named = devices()[d];
      SCOPED_TRACE(named.name + ": " + rerun(mode));
      std::string refusal;
      const bool emulated = named.name.starts_with("emulated");
      if (emulated) cugad_emulator_set_policy(policies[0]);
      const auto begin = std::chrono::steady_clock::now();
      const Results results = execute(*problem, start, named.device, 1, {{}}, &refusal);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      ASSERT_EQ(refusal, "") << "unexpectedly unsupported";
      ++record().executed[d];
      double worst = 0.0;
      ASSERT_EQ(compare(*problem, results, one().exact, &worst), "");
      if (worst > record().worst_ratio) {
        record().worst_ratio = worst;
        record().worst_case = named.name + " " + text();
      }
      if (problem->same_bits_on_all_backends && !first.empty()) {
        ASSERT_EQ(compare_bits(*problem, first, results), "") << "other bits than " << devices().front().name;
      }
      if (first.empty()) first = results;
      if (problem->same_bits_on_all_backends || problem->same_bits_where_fused) {
        RecordProperty(named.name, std::to_string(hash_of(results)));
      }
      if (problem->same_bits_where_fused && named.name != "cpu:baseline") {
        if (first_fused.empty()) first_fused = results;
        ASSERT_EQ(compare_bits(*problem, first_fused, results), "") << "other bits than another fused backend";
      }
      // The CPU beside a device under test serves only to compare bits: it has its own run.
      if (named.name == "cpu" || shares_code(record().op, d)) continue;
      if (emulated) check_policies(*problem, start, results, named.device);
      if (!emulated || seconds < slow_seconds) check_invariance(*problem, start, results, named.device, emulated);
    }
  }

 private:
  static void check_policies(const Problem& problem, const Results& start, const Results& results,
                             const Device& device) {
    std::string refusal;
    for (const char* policy : policies) {
      if (policy == policies[0]) continue;
      if (!has_emulated_lanes() && std::string(policy) != "forward,immediate") continue;  // there is one order of lanes
      cugad_emulator_set_policy(policy);
      ASSERT_EQ(compare_bits(problem, results, execute(problem, start, device, 1, {{}}, &refusal)), "")
          << "differs under the policy " << policy;
    }
    cugad_emulator_set_policy(policies[0]);
    ASSERT_EQ(refusal, "");
  }

  static void check_invariance(const Problem& problem, const Results& start, const Results& results,
                               const Device& device, bool emulated) {
    std::string refusal;
    const auto run = [&](const Results& images, int threads, const std::vector<Slice>& slices) {
      return execute(problem, images, device, threads, slices, &refusal);
    };
    if (!emulated) {  // that was repeated, on several threads, under each policy
      ASSERT_EQ(compare_bits(problem, results, run(start, 1, {{}})), "") << "differs on repetition";
      ASSERT_EQ(compare_bits(problem, results, run(start, 2, {{}})), "") << "differs with 2 threads";
    }
    if (problem.models() > 1 && problem.models_are_independent) {
      ASSERT_EQ(compare_bits(problem, results, run(start, 1, single_models(problem.models()))), "")
          << "a population differs from its models run one at a time";
    }
    if (problem.has_items() && problem.items() > 1) {
      ASSERT_EQ(compare_bits(problem, results, run(start, 1, pieces_of(problem.items()))), "")
          << "rows run alone differ from rows run in a batch";
      ASSERT_EQ(compare_bits(problem, reversed(problem, results), run(reversed(problem, start), 1, {{}})), "")
          << "rows in reversed order differ";
    }
    ASSERT_EQ(refusal, "") << "a part of the case is refused";
  }
};

class Perf : public ParityTest {
 public:
  using ParityTest::ParityTest;
  void TestBody() override {
    const std::unique_ptr<Problem> problem = make_problem(record().op, one());
    for (const NamedDevice& named : devices()) {
      // As many runs as fill about half a second.
      const double once = seconds_per_run(*problem, named.device, 1);
      const int runs = static_cast<int>(std::clamp(0.5 / once, 1.0, 20000.0));
      const double seconds = seconds_per_run(*problem, named.device, runs);
      std::printf("perf %-12s %-90s %10.1f us/run", named.name.c_str(), text().c_str(), seconds * 1e6);
      if (problem->flops > 0.0) std::printf(" %8.2f GFLOP/s", problem->flops / seconds * 1e-9);
      if (problem->bytes > 0.0) std::printf(" %8.2f GB/s", problem->bytes / seconds * 1e-9);
      std::printf("\n");
    }
  }
};

/// Prints the worst ratios and the support table; in an unfiltered run every op must have run on every backend.
class Summary : public testing::Environment {
 public:
  void TearDown() override {
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    const bool filtered = all.test_to_run_count() != all.total_test_count();
    std::printf("\n%-24s %9s  cases run per backend:", "op", "worst");
    for (const NamedDevice& named : devices()) std::printf(" %s", named.name.c_str());
    std::printf("\n");
    for (const OpRecord& record : op_records()) {
      std::printf("%-24s %9.4f ", record.op.c_str(), record.worst_ratio);
      for (std::size_t d = 0; d < devices().size(); ++d)
        std::printf(" %*lld", static_cast<int>(devices()[d].name.size()), static_cast<long long>(record.executed[d]));
      std::printf("  %s\n", record.worst_case.c_str());
      if (filtered) continue;
      for (std::size_t d = 0; d < devices().size(); ++d)
        EXPECT_GT(record.executed[d], 0) << record.op << " has not run on " << devices()[d].name;
    }
    if (filtered) std::printf("(a filtered run: zeros above mean nothing)\n");
  }
};

}  // namespace

std::vector<OpRecord>& op_records() {
  static std::vector<OpRecord> records;
  return records;
}

bool register_op(const std::string& op, std::vector<Case> cases) {
  static const testing::Environment* const summary = testing::AddGlobalTestEnvironment(new Summary);
  static_cast<void>(summary);
  const std::size_t record = op_records().size();
  // A filter reads '-' as "except".
  for (Case& one : cases) std::replace(one.parameters.begin(), one.parameters.end(), '-', '_');
  op_records().push_back({op, std::move(cases), 0.0, "", std::vector<std::int64_t>(max_devices, 0)});
  const std::vector<Case>& kept = op_records()[record].cases;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::string suite = (kept[i].exact ? "exact/" : "test/") + op;
    testing::RegisterTest(suite.c_str(), kept[i].parameters.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [record, i]() -> ParityTest* { return new Test(record, i); });
    if (kept[i].perf && std::getenv("CUGAD_PERF") != nullptr)
      testing::RegisterTest(("perf/" + op).c_str(), kept[i].parameters.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [record, i]() -> ParityTest* { return new Perf(record, i); });
  }
  return true;
}

std::unique_ptr<Problem> make_problem(const std::string& op, const Case& one) {
  auto problem = std::make_unique<Problem>(hash(op + "(" + one.parameters + ")"), one.layout);
  one.build(*problem);
  return problem;
}

std::uint64_t hash(const std::string& text) {  // FNV-1a
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

std::uint64_t Random::next() {  // splitmix64
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double Random::uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53;
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(0.0, 1.0)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(0.0, 1.0));
}

std::int64_t Random::integer(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
}

const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::contiguous:
      return "contiguous";
    case Layout::strided:
      return "strided";
    case Layout::misaligned:
      return "misaligned";
  }
  return "?";
}

const char* name_of(Activation activation) {
  switch (activation) {
    case Activation::identity:
      return "identity";
    case Activation::relu:
      return "relu";
    case Activation::leaky_relu:
      return "leaky_relu";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::tanh:
      return "tanh";
  }
  return "?";
}

const char* name_of(Distance distance) {
  switch (distance) {
    case Distance::l1:
      return "l1";
    case Distance::l2:
      return "l2";
    case Distance::squared:
      return "squared";
  }
  return "?";
}

}  // namespace cugad::test
