#include <algorithm>

#include "tests/ptx/executor/lexer.hpp"
#include "tests/ptx/fixture.hpp"
#include "tests/ptx/runtime/kernels.hpp"

/// What the kernels of this program are made of.
namespace ptx::test {
namespace {

std::string opcode_of(const Instruction& i) {
  bool is_guard = false;
  for (const Token& word : tokenize(i.text)) {
    if (!is_guard && !word.is("@")) return std::string(word.text);
    is_guard = word.is("@") || word.is("!");
  }
  return "ret";  // the end of a kernel, which has no text
}
/// Opcodes without a value to compare, or covered by the tests of other forms.
std::string without_hints(std::string form) {
  for (const char* hint : {".nc", ".L1::no_allocate", ".L2::128B", ".relaxed", ".gpu", ".uni"}) {
    const std::size_t at = form.find(hint);
    if (at != std::string::npos) form.erase(at, std::string(hint).size());
  }
  return form;
}

/// After all tests: they have compared every form that kernels use with its definition.
class EveryFormHasATest : public testing::Environment {
  void TearDown() override {
    if (testing::GTEST_FLAG(filter) != "*") return;
    std::set<std::string> missing;
    for (const auto& [host, kernel] : kernels()) {
      for (const auto& [name, function] : kernel.image->parsed().functions) {
        for (const Instruction& i : function.code) {
          const std::string form = opcode_of(i);
          if (!tested_forms().contains(form) && !tested_forms().contains(without_hints(form))) missing.insert(form);
        }
      }
    }
    EXPECT_FALSE(kernels().empty());
    std::string list;
    for (const std::string& form : missing) list += " " + form;
    EXPECT_EQ(list, "") << "forms of which tests/ptx has no test";
  }
};
[[maybe_unused]] const auto* const registered = testing::AddGlobalTestEnvironment(new EveryFormHasATest);

}  // namespace
}  // namespace ptx::test
