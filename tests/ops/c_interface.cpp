#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "host/backend/backend.hpp"
#include "host/c_api/op_arguments.hpp"
#include "tests/ops/parity.hpp"

/// Every op through the C interface: the cases of the parity test again, whose bits must be those of run().
namespace cugad::test {

/// Before an op: cases choose the precision of their context. (The CPU's ops take tf32 for fp32.)
bool take_over_precision(Call& call) {
  Precision precision = call.context.precision();
  if (precision == Precision::tf32 && call.context.backend().is_host_memory()) precision = Precision::fp32;
  return cugad_device_use_precision(call.c_device, name_of(precision)) == CUGAD_OK;
}

#define CUGAD_DEFINE_THROUGH_C(name, Args)                                                    \
  void through_c(Call& call, const Args& args) {                                              \
    cugad_##name##_args given = {};                                                           \
    c_api::assign(given, args);                                                               \
    if (!take_over_precision(call) ||                                                         \
        cugad_##name##_workspace(call.c_device, &given, &call.workspace_bytes) != CUGAD_OK || \
        cugad_##name(call.c_device, &given) != CUGAD_OK) {                                    \
      call.refusal = cugad_last_error();                                                      \
    }                                                                                         \
  }
CUGAD_OPS(CUGAD_DEFINE_THROUGH_C)
#undef CUGAD_DEFINE_THROUGH_C

namespace {

constexpr std::size_t most_cases = 12;  // of an op, from all over its list

class EveryOp : public testing::TestWithParam<std::string> {};

TEST_P(EveryOp, ThroughCGivesTheBitsOfRun) {
  std::size_t compared = 0;
  for (const NamedDevice& named : devices()) {
    cugad_device* device = nullptr;
    ASSERT_EQ(cugad_device_open_with_threads(named.name.c_str(), 2, &device), CUGAD_OK) << cugad_last_error();
    for (const OpRecord& record : op_records()) {
      if (record.op != GetParam()) continue;
      const std::size_t step = std::max<std::size_t>(1, record.cases.size() / most_cases);
      for (std::size_t i = 0; i < record.cases.size(); i += step) {
        const std::unique_ptr<Problem> problem = make_problem(record.op, record.cases[i]);
        const Results images = initial_images(*problem);
        std::string refusal, c_refusal;
        const Results expected = execute(*problem, images, named.device, 2, {{}}, &refusal);
        const Results found = execute(*problem, images, named.device, 2, {{}}, &c_refusal, device);
        EXPECT_EQ(c_refusal, "") << named.name << ' ' << record.cases[i].parameters;
        EXPECT_EQ(compare_bits(*problem, expected, found), "") << named.name << ' ' << record.cases[i].parameters;
        ++compared;
      }
    }
    cugad_device_close(device);
  }
  EXPECT_GT(compared, 0u) << GetParam() << " has no case";
}

#define CUGAD_NAME(name, Args) #name,
INSTANTIATE_TEST_SUITE_P(c_interface, EveryOp, testing::ValuesIn(std::vector<std::string>{CUGAD_OPS(CUGAD_NAME)}),
                         [](const testing::TestParamInfo<std::string>& info) { return info.param; });
#undef CUGAD_NAME

/// The defaults in C are those of C++, for every op.
TEST(c_interface, init_gives_the_defaults){
#define CUGAD_COMPARE_DEFAULTS(name, Args)                                                        \
  {                                                                                               \
    cugad_##name##_args expected = {}, found = {};                                                \
    c_api::assign(expected, Args{});                                                              \
    ASSERT_EQ(cugad_##name##_init(&found, sizeof found), CUGAD_OK) << cugad_last_error();         \
    EXPECT_EQ(found.struct_size, sizeof found) << #name;                                          \
    EXPECT_EQ(std::memcmp(&found, &expected, sizeof found), 0) << #name;                          \
    found.struct_size = 0;                                                                        \
    EXPECT_EQ(cugad_##name##_init(&found, 0), CUGAD_ERROR_INVALID_ARGUMENT) << #name;             \
    EXPECT_EQ(cugad_##name##_init(nullptr, sizeof found), CUGAD_ERROR_INVALID_ARGUMENT) << #name; \
  }
    CUGAD_OPS(CUGAD_COMPARE_DEFAULTS)
#undef CUGAD_COMPARE_DEFAULTS
}

/// The arguments that every op refuses.
TEST(c_interface, every_op_refuses_bad_calls) {
  for (const NamedDevice& named : devices()) {
    cugad_device* device = nullptr;
    ASSERT_EQ(cugad_device_open(named.name.c_str(), &device), CUGAD_OK) << cugad_last_error();
    std::size_t bytes = 7;
#define CUGAD_REFUSE(name, Args)                                                                                   \
  {                                                                                                                \
    cugad_##name##_args args = {};                                                                                 \
    ASSERT_EQ(cugad_##name##_init(&args, sizeof args), CUGAD_OK);                                                  \
    EXPECT_EQ(cugad_##name(nullptr, &args), CUGAD_ERROR_INVALID_ARGUMENT) << #name;                                \
    EXPECT_EQ(std::string(cugad_last_error()), "cugad_" #name ": device is NULL");                                 \
    EXPECT_EQ(cugad_##name(device, nullptr), CUGAD_ERROR_INVALID_ARGUMENT) << #name;                               \
    EXPECT_EQ(std::string(cugad_last_error()), "cugad_" #name ": args is NULL");                                   \
    EXPECT_EQ(cugad_##name##_workspace(device, &args, nullptr), CUGAD_ERROR_INVALID_ARGUMENT) << #name;            \
    for (const std::size_t size : {std::size_t{0}, sizeof args - 1, sizeof args + 8}) {                            \
      args.struct_size = size;                                                                                     \
      EXPECT_EQ(cugad_##name(device, &args), CUGAD_ERROR_INVALID_ARGUMENT) << #name;                               \
      EXPECT_NE(std::string(cugad_last_error()).find("struct_size is " + std::to_string(size)), std::string::npos) \
          << cugad_last_error();                                                                                   \
      EXPECT_EQ(cugad_##name##_workspace(device, &args, &bytes), CUGAD_ERROR_INVALID_ARGUMENT) << #name;           \
      EXPECT_EQ(bytes, 0u);                                                                                        \
    }                                                                                                              \
  }
    CUGAD_OPS(CUGAD_REFUSE)
#undef CUGAD_REFUSE
    cugad_device_close(device);
  }
}

}  // namespace
}  // namespace cugad::test
