#include "cli/command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace cugad::cli_test {
namespace {

void redirect(const std::string& path, int flags, int descriptor) {
  const int opened = open(path.c_str(), flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) _exit(126);
  close(opened);
}

std::string make_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "cugad-cli-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return name;
}

std::vector<std::string> with(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const std::string& folder, const std::string& input,
                 const std::string& output) {
  static std::atomic<int> counter{0};
  const int number = counter++;
  out_ = output.empty() ? folder + "/.out" + std::to_string(number) : output;
  err_ = folder + "/.err" + std::to_string(number);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  redirect(input.empty() ? "/dev/null" : input, O_RDONLY, STDIN_FILENO);
  redirect(out_, O_WRONLY | O_CREAT, STDOUT_FILENO);
  redirect(err_, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  std::vector<char*> values = {const_cast<char*>(CUGAD_COMMAND)};
  for (const std::string& argument : arguments) values.push_back(const_cast<char*>(argument.c_str()));
  values.push_back(nullptr);
  alarm(240);  // a command that hangs fails its test rather than the whole run
  execv(CUGAD_COMMAND, values.data());
  _exit(127);
}

Process::~Process() {
  if (ended_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::send(int signal) const { kill(pid_, signal); }

bool Process::is_running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

Outcome Process::wait() {
  if (!ended_) waitpid(pid_, &status_, 0);
  ended_ = true;
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  const bool regular = std::filesystem::is_regular_file(out_);
  return {code, regular ? read_file(out_) : "", read_file(err_)};
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> quick_training(const std::string& input, const std::string& output) {
  return {"train",
          input,
          "--output",
          output,
          "--method",
          "anogan",
          "--steps",
          "100",
          "--bank-rows",
          "100",
          "--hidden",
          "16",
          "--discriminator-hidden",
          "16",
          "--population",
          "1",
          "--quiet"};
}

bool is_one_line(const std::string& text, const std::string& start, const std::string& part) {
  return text.starts_with(start) && text.find(part) != std::string::npos && text.find('\n') == text.size() - 1;
}

std::string CommandTest::table, CommandTest::model, CommandTest::suite_folder_;

void CommandTest::SetUpTestSuite() {
  suite_folder_ = make_folder();
  table = suite_folder_ + "/table.csv";
  model = suite_folder_ + "/model.safetensors";
  const std::vector<std::string> synthesis = {"synthesize", "telemetry", "--rows",   "3000",
                                              "--seed",     "1",         "--output", table};
  ASSERT_EQ(Process(synthesis, suite_folder_).wait().code, 0);
  ASSERT_EQ(Process(train(model), suite_folder_).wait().code, 0);
}

void CommandTest::TearDownTestSuite() { std::filesystem::remove_all(suite_folder_); }
void CommandTest::SetUp() { folder_ = make_folder(); }
void CommandTest::TearDown() { std::filesystem::remove_all(folder_); }

Outcome CommandTest::run(const std::vector<std::string>& arguments, const std::string& input,
                         const std::string& output) const {
  return Process(arguments, folder_, input, output).wait();
}

std::string CommandTest::run_well(const std::vector<std::string>& arguments, const std::string& input) const {
  const Outcome outcome = run(arguments, input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.out;
}

std::vector<std::string> CommandTest::train(const std::string& output, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"train",    table,    "--output",    output, "--label-column",         "label",
                                        "--normal", "normal", "--steps",     "200",  "--population",           "2",
                                        "--hidden", "32",     "--bank-rows", "200",  "--discriminator-hidden", "32"};
  const auto names_it = [](const std::string& flag) { return flag == "--method" || flag == "--preset"; };
  if (std::none_of(more.begin(), more.end(), names_it)) arguments = with(arguments, {"--method", "anogan"});
  return with(arguments, more);
}

}  // namespace cugad::cli_test
