#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "host/backend/backend.hpp"
#include "tests/common/device.hpp"
#include "tests/ops/parity.hpp"

// Defined if the library has kernels for the set; null if this build leaves it out.
namespace cugad::cpu::avx2 {
[[gnu::weak]] OpTable op_table();
}
namespace cugad::cpu::avx512 {
[[gnu::weak]] OpTable op_table();
}
namespace cugad::cpu::avx512bf16 {
[[gnu::weak]] OpTable op_table();
}
namespace cugad::cpu::neon {
[[gnu::weak]] OpTable op_table();
}

/// Support mode: the table of ops and backends. An op without cases, or an op that a backend refuses, is a failure.
namespace cugad::test {
namespace {

std::vector<std::string> all_ops() {
  std::vector<std::string> names;
#define CUGAD_NAME(name, Args) names.push_back(#name);
  CUGAD_OPS(CUGAD_NAME)
#undef CUGAD_NAME
  return names;
}

TEST(support, every_op_has_cases) {
  for (const std::string& op : all_ops()) {
    std::int64_t cases = 0;
    for (const OpRecord& record : op_records()) {
      if (record.op == op) cases += static_cast<std::int64_t>(record.cases.size());
    }
    EXPECT_GT(cases, 0) << op << " has no case in tests/ops";
  }
  EXPECT_EQ(op_records().size(), all_ops().size()) << "cases for something that is no op, or registered twice";
}

/// Kernels that are in the library and that this machine can run are run: no set is left out unnoticed.
TEST(support, every_instruction_set_is_tested) {
  if (device_name() != "cpu") GTEST_SKIP() << "this run is about " << device_name();
  const auto tested = [](const std::string& name) {
    return std::any_of(devices().begin(), devices().end(), [&](const NamedDevice& d) { return d.name == name; });
  };
  EXPECT_TRUE(tested("cpu:baseline"));
  EXPECT_EQ(tested("cpu:neon"), &cpu::neon::op_table != nullptr);
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (&cpu::avx2::op_table != nullptr && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    EXPECT_TRUE(tested("cpu:avx2"));
  }
  if (&cpu::avx512::op_table != nullptr && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    EXPECT_TRUE(tested("cpu:avx512"));
    EXPECT_EQ(tested("cpu:avx512bf16"),
              &cpu::avx512bf16::op_table != nullptr && __builtin_cpu_supports("avx512bf16") != 0);
  }
#endif
}

TEST(support, every_backend_takes_every_op) {
  ASSERT_FALSE(devices().empty());
  for (const OpRecord& record : op_records()) {
    std::printf("%-24s", record.op.c_str());
    const std::unique_ptr<Problem> problem = make_problem(record.op, record.cases.front());
    for (const NamedDevice& named : devices()) {
      std::string refusal;
      execute(*problem, initial_images(*problem), named.device, 1, {{}}, &refusal);
      std::printf(" %s=%s", named.name.c_str(), refusal.empty() ? "yes" : "NO");
      EXPECT_EQ(refusal, "") << named.name << " refuses " << record.op;
    }
    std::printf("\n");
  }
}

/// The cases' names are gtest names: unique, and without the special characters of filters.
TEST(support, every_case_can_be_rerun_by_name) {
  for (const OpRecord& record : op_records()) {
    for (std::size_t i = 0; i < record.cases.size(); ++i) {
      const std::string& name = record.cases[i].parameters;
      EXPECT_EQ(name.find_first_of("*?:-"), std::string::npos) << record.op << '.' << name;
      for (std::size_t j = 0; j < i; ++j)
        EXPECT_FALSE(record.cases[j].parameters == name && record.cases[j].exact == record.cases[i].exact)
            << record.op << '.' << name << " twice";
    }
  }
}

/// Contexts allocate their scratch memory once: a second run of the same problem allocates nothing.
TEST(support, scratch_is_allocated_once) {
  for (const NamedDevice& named : devices()) {
    if (!named.device.backend().is_host_memory()) continue;
    Context context = named.device.make_context(2);
    const std::vector<float> x(50 * 20, 1.0f), weight(30 * 20, 0.5f);
    std::vector<float> y(50 * 30);
    DenseForward args;
    args.x = {x.data(), 1, 50, 20};
    args.weight = {weight.data(), 1, 30, 20};
    args.y = {y.data(), 1, 50, 30};
    run(context, args);
    const std::size_t allocations = context.scratch_allocations();
    for (int i = 0; i < 5; ++i) run(context, args);
    EXPECT_EQ(context.scratch_allocations(), allocations) << named.name;
  }
}

}  // namespace
}  // namespace cugad::test
