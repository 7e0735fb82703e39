#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <vector>

/// Runs the real `cugad` command, as a user would.
namespace cugad::cli_test {

struct Outcome {
  int code = -1;    ///< exit code; 128 + signal if a signal ended it
  std::string out;  ///< standard output
  std::string err;  ///< standard error
};

/// A running command. Its standard output and error go to files, so that nothing blocks.
class Process {
 public:
  /// `input`: a file for standard input; empty: nothing. `output`: a file for standard output; empty: collected.
  Process(const std::vector<std::string>& arguments, const std::string& folder, const std::string& input = "",
          const std::string& output = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  bool is_running();
  Outcome wait();

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  std::string out_, err_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);
std::vector<std::string> lines_of(const std::string& text);
inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
/// Whether `text` is exactly one line, begins with `start` and contains `part`.
bool is_one_line(const std::string& text, const std::string& start, const std::string& part);
/// A training that takes a moment.
std::vector<std::string> quick_training(const std::string& input, const std::string& output);

/// Every test has its own empty folder; the suite shares one table (`table`) and a model of it (`model`).
class CommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  /// A path in this test's folder.
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  Outcome run(const std::vector<std::string>& arguments, const std::string& input = "",
              const std::string& output = "") const;
  /// run() for commands that must succeed; returns standard output.
  std::string run_well(const std::vector<std::string>& arguments, const std::string& input = "") const;
  /// The flags that most trainings here share, quick on two cores; of method anogan unless `more` names another.
  static std::vector<std::string> train(const std::string& output, const std::vector<std::string>& more = {});

  static std::string table, model;

 private:
  static std::string suite_folder_;
  std::string folder_;
};

}  // namespace cugad::cli_test
