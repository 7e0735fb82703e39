#include <sys/wait.h>

#include <cstdlib>

#include "cli/command.hpp"

/// Standard input, output or error that are closed when the command starts.
namespace cugad::cli_test {
namespace {

class ClosedDescriptors : public CommandTest {
 protected:
  /// Runs the command in a shell; `line`: the text after its name. Returns the exit code.
  static int shell(const std::string& line) {
    const int status = std::system((std::string(CUGAD_COMMAND) + " " + line).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

/// The next file that opens takes the lowest number that is free.
TEST_F(ClosedDescriptors, MessagesNeverLandInAFile) {
  std::string arguments;
  for (const std::string& argument : train(at("m.safetensors"), {"--folds", "1", "--log", at("log")})) {
    arguments += argument + " ";
  }
  ASSERT_EQ(shell(arguments + "<&- >&- 2>&-"), 0);
  const std::vector<std::string> lines = lines_of(read_file(at("log")));
  EXPECT_EQ(lines.size(), 2u);
  for (const std::string& line : lines) EXPECT_TRUE(line.starts_with("{\"step\":")) << line;
}

TEST_F(ClosedDescriptors, AClosedOutputIsNoFailureOfAnyCommand) {
  const std::string scoring = "score " + table + " --model " + model;
  EXPECT_EQ(shell("info >&-"), 0);
  EXPECT_EQ(shell("--help >&-"), 0);
  EXPECT_EQ(shell(scoring + " >&-"), 0);
  EXPECT_EQ(shell(scoring + " --output " + at("s.csv") + " >&- 2>&-"), 0);
  EXPECT_EQ(lines_of(read_file(at("s.csv"))).size(), 3001u);
  EXPECT_EQ(shell("evaluate " + table + " --model " + model + " --normal normal >&-"), 0);
}

TEST_F(ClosedDescriptors, AClosedInputIsAnEmptyTable) {
  EXPECT_EQ(shell("score - --model " + model + " <&- >" + at("out") + " 2>" + at("err")), 1);
  EXPECT_TRUE(is_one_line(read_file(at("err")), "cugad: error: ", "is empty")) << read_file(at("err"));
}

}  // namespace
}  // namespace cugad::cli_test
