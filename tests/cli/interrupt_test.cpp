#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "cli/command.hpp"

/// Training that is killed or stopped, and other commands that are.
namespace cugad::cli_test {
namespace {

bool wait_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < limit) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

class Interrupts : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    for (const int number : {SIGINT, SIGHUP})
      signal(number, SIG_DFL);  // a shell ignores them for jobs in the background
  }
  std::vector<std::string> long_training(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = train(output, {"--quiet", "--log", output + ".jsonl"});
    for (std::size_t index = 0; index + 1 < arguments.size(); ++index) {
      if (arguments[index] == "--steps") arguments[index + 1] = "4000";
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  /// The model of a training that nothing stopped.
  std::string whole_model() const {
    run_well(long_training(at("whole.safetensors")));
    return read_file(at("whole.safetensors"));
  }
  /// Waits until the log shows some intervals of 100 steps.
  static bool has_begun(const std::string& output) {
    return wait_until([&] {
      return std::filesystem::exists(output + ".jsonl") && lines_of(read_file(output + ".jsonl")).size() >= 3;
    });
  }
};

TEST_F(Interrupts, KilledTrainingResumesToTheSameBits) {
  const std::string output = at("m.safetensors");
  Process process(long_training(output, {"--checkpoint", at("checkpoints")}), at("."));
  ASSERT_TRUE(has_begun(output));
  process.send(SIGKILL);
  ASSERT_EQ(process.wait().code, 128 + SIGKILL) << "it ended before it could be killed";
  ASSERT_FALSE(std::filesystem::exists(output));
  run_well(long_training(output, {"--checkpoint", at("checkpoints"), "--resume"}));
  EXPECT_EQ(read_file(output), whole_model());
}

TEST_F(Interrupts, MoreStepsContinueAFinishedTraining) {
  run_well(train(at("short.safetensors"), {"--checkpoint", at("checkpoints")}));
  run_well(long_training(at("m.safetensors"), {"--checkpoint", at("checkpoints"), "--resume"}));
  EXPECT_EQ(read_file(at("m.safetensors")), whole_model());
}

TEST_F(Interrupts, AFinishedTrainingSaysItsSteps) {
  const auto steps_line = [](const std::string& summary) {
    for (const std::string& line : lines_of(summary)) {
      if (line.starts_with("steps ")) return line;
    }
    return std::string();
  };
  const std::string first = run_well(train(at("m.safetensors"), {"--checkpoint", at("checkpoints")}));
  EXPECT_NE(steps_line(first).find("200"), std::string::npos) << first;
  const std::string again = run_well(train(at("m.safetensors"), {"--checkpoint", at("checkpoints"), "--resume"}));
  EXPECT_EQ(steps_line(again), steps_line(first));
}

TEST_F(Interrupts, CtrlCLeavesACheckpointThatResumes) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
    const std::string output = at("m" + std::to_string(signal));
    Process process(long_training(output), at("."));
    ASSERT_TRUE(has_begun(output));
    process.send(signal);
    const Outcome outcome = process.wait();
    EXPECT_EQ(outcome.code, 130) << outcome.err;
    EXPECT_TRUE(is_one_line(lines_of(outcome.err).back() + "\n", "cugad: ", "--resume")) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    ASSERT_FALSE(std::filesystem::exists(output));
    ASSERT_TRUE(std::filesystem::exists(output + ".checkpoint"));
    run_well(long_training(output, {"--resume"}));
    EXPECT_EQ(read_file(output), whole_model());
    EXPECT_FALSE(std::filesystem::exists(output + ".checkpoint"));
  }
}

TEST_F(Interrupts, WhatAKilledTrainingLeftGoesOnceItIsDone) {
  const std::string output = at("m");
  Process process(long_training(output), at("."));
  ASSERT_TRUE(has_begun(output));
  process.send(SIGINT);
  ASSERT_EQ(process.wait().code, 130);
  write_file(output + ".checkpoint/.cugad-0-1-2.tmp", "left");
  run_well(long_training(output, {"--resume"}));
  EXPECT_FALSE(std::filesystem::exists(output + ".checkpoint"));
}

/// As `nohup` does it, and a shell to the jobs of a script.
TEST_F(Interrupts, ABusErrorEndsWithALine) {
  const std::string output = at("m.safetensors");
  Process process(long_training(output, {"--out-of-core", at("rows")}), at("."));
  ASSERT_TRUE(has_begun(output));
  process.send(SIGBUS);  // as of a page of a mapped file that was cut short
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(has(outcome.err, "--out-of-core") && has(outcome.err, "made shorter")) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST_F(Interrupts, ASignalThatWasIgnoredStaysSo) {
  for (const int number : {SIGINT, SIGHUP}) {
    const std::string output = at("m" + std::to_string(number));
    const auto earlier = signal(number, SIG_IGN);
    Process process(long_training(output), at("."));
    signal(number, earlier);
    ASSERT_TRUE(has_begun(output));
    process.send(number);
    EXPECT_EQ(process.wait().code, 0);
    EXPECT_TRUE(std::filesystem::exists(output));
  }
}

/// A terminal that closes sends SIGHUP more than once, a limit of processor time SIGXCPU every second.
TEST_F(Interrupts, RepeatedHangUpsStillLeaveACheckpoint) {
  for (const int number : {SIGHUP, SIGXCPU}) {
    const std::string output = at("m" + std::to_string(number));
    Process process(long_training(output), at("."));
    ASSERT_TRUE(has_begun(output));
    for (int times = 0; times < 3; ++times) process.send(number);
    EXPECT_EQ(process.wait().code, 130);
    EXPECT_TRUE(std::filesystem::exists(output + ".checkpoint/checkpoint.safetensors"));
  }
}

TEST_F(Interrupts, ASecondCtrlCLeavesNoTemporaryFile) {
  const std::string rows = read_file(table);
  std::string many = rows;
  for (int times = 0; times < 20; ++times) many += rows.substr(rows.find('\n') + 1);
  write_file(at("many.csv"), many);
  std::filesystem::create_directory(at("results"));
  Process process({"score", at("many.csv"), "--model", model, "--output", at("results/s.csv"), "--threads", "1"},
                  at("."));
  ASSERT_TRUE(wait_until([&] { return !std::filesystem::is_empty(at("results")); }));
  process.send(SIGINT);
  process.send(SIGINT);
  EXPECT_EQ(process.wait().code, 130);
  EXPECT_TRUE(std::filesystem::is_empty(at("results")));
}

/// While it reads, before there is anything to finish.
TEST_F(Interrupts, CtrlCAlwaysLeavesALine) {
  const std::string pipe = at("never.csv");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int writer = open(pipe.c_str(), O_RDWR);
  ASSERT_GE(writer, 0);
  Process process({"train", pipe, "--output", at("m")}, at("."));
  ASSERT_EQ(write(writer, "a,b\n", 4), 4);
  ASSERT_TRUE(wait_until([&] {
    int unread = 1;
    return ioctl(writer, FIONREAD, &unread) == 0 && unread == 0;
  }));
  process.send(SIGINT);
  const Outcome outcome = process.wait();
  close(writer);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_EQ(outcome.err, "cugad: stopped\n");
}

TEST_F(Interrupts, CheckpointOfOtherOptionsIsRefused) {
  run_well(train(at("m"), {"--checkpoint", at("checkpoints")}));
  const Outcome outcome = run(train(at("m"), {"--checkpoint", at("checkpoints"), "--resume", "--batch", "32"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("cugad: error: "), std::string::npos) << outcome.err;
}

TEST_F(Interrupts, CtrlCEndsAScoringThatWaitsForItsInput) {
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--output", at("s.csv")}}) {
    std::vector<std::string> arguments = {"score", "-", "--model", model};
    arguments.insert(arguments.end(), more.begin(), more.end());
    // Open for both directions: the command waits for a table that never comes.
    const int pipe = open(at("pipe").c_str(), O_RDWR | O_CLOEXEC);
    Process process(arguments, at("."), at("pipe"));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ASSERT_TRUE(process.is_running());
    process.send(SIGINT);
    const Outcome outcome = process.wait();
    close(pipe);
    EXPECT_EQ(outcome.code, 130) << outcome.err;
    EXPECT_EQ(outcome.err.find("error"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(at("s.csv")));
  }
  for (const auto& entry : std::filesystem::directory_iterator(at("."))) {
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

TEST_F(Interrupts, AReaderThatLeavesIsNoCrash) {
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  const int reader = open(at("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Process process({"sample", "--model", model, "--count", "100000"}, at("."), "", at("pipe"));
  char buffer[64];
  ASSERT_TRUE(wait_until([&] { return read(reader, buffer, sizeof buffer) > 0; }));
  close(reader);
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "closed by its reader")) << outcome.err;
}

}  // namespace
}  // namespace cugad::cli_test
