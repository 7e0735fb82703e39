#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "cli/command.hpp"

/// What `cugad train` does to files beside its model: nothing of its work is lost, nothing of others is touched.
namespace cugad::cli_test {
namespace {

namespace fs = std::filesystem;

class TrainingFiles : public CommandTest {
 protected:
  /// Starts a training that never ends by itself, and waits for its first 100 steps.
  std::unique_ptr<Process> endless(const std::string& output, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--quiet", "--patience", "0", "--log", at("log")});
    std::vector<std::string> arguments = train(output, more);
    *std::next(std::find(arguments.begin(), arguments.end(), "--steps")) = "100000000";
    fs::remove(at("log"));
    auto process = std::make_unique<Process>(arguments, at("."));
    while (process->is_running() && (!fs::exists(at("log")) || read_file(at("log")).find('\n') == std::string::npos)) {
    }
    return process;
  }
  Outcome stopped(const std::string& output, const std::vector<std::string>& more = {}) const {
    const auto process = endless(output, more);
    process->send(SIGTERM);
    return process->wait();
  }
  std::string kept(const std::string& name) const { return read_file(at("m.checkpoint/" + name)); }
};

TEST_F(TrainingFiles, OnlyWhatTheRunWroteIsRemoved) {
  fs::create_directory(at("m.checkpoint"));
  write_file(at("m.checkpoint/notes.txt"), "precious");
  run_well(train(at("m")));
  EXPECT_EQ(kept("notes.txt"), "precious");
  EXPECT_EQ(stopped(at("m")).code, 130);
  const std::string first = kept("checkpoint.safetensors");
  // Another training, without --resume, leaves the other's checkpoint alone, done or stopped.
  const Outcome done = run(train(at("m"), {"--seed", "2"}));
  EXPECT_EQ(done.code, 0);
  EXPECT_NE(done.err.find("m.checkpoint holds the checkpoint of a training that was stopped"), std::string::npos);
  EXPECT_EQ(kept("checkpoint.safetensors"), first);
  const Outcome second = stopped(at("m"), {"--seed", "3"});
  EXPECT_EQ(second.code, 130);
  EXPECT_NE(second.err.find("--checkpoint " + at("m.checkpoint.1") + " --resume"), std::string::npos) << second.err;
  EXPECT_TRUE(fs::exists(at("m.checkpoint.1/checkpoint.safetensors")));
  EXPECT_EQ(kept("checkpoint.safetensors"), first);
  EXPECT_EQ(kept("notes.txt"), "precious");
}

TEST_F(TrainingFiles, AFleetAndAnEnsembleRemoveTheirsAlone) {
  const std::vector<std::string> fleet = {"--group-by", "service", "--fleet-minimum-rows", "100"};
  for (const std::vector<std::string>& more : {fleet, {"--method", "anogan,egbad"}}) {
    for (const char* folder : {"m.checkpoint/pooled", "m.checkpoint/egbad"}) {
      fs::create_directories(at(folder));
      write_file(at(folder) + "/notes.txt", "precious");
    }
    run_well(train(at("m"), more));
    EXPECT_EQ(kept("pooled/notes.txt") + kept("egbad/notes.txt"), "preciousprecious");
    for (const auto& entry : fs::recursive_directory_iterator(at("m.checkpoint"))) {
      EXPECT_NE(entry.path().extension(), ".safetensors") << entry.path();
    }
  }
}

TEST_F(TrainingFiles, AFolderThatHoldsACheckpointNeedsResume) {
  run_well(train(at("m"), {"--checkpoint", at("kept")}));
  const std::string before = read_file(at("kept/checkpoint.safetensors"));
  const Outcome outcome = run(train(at("m"), {"--checkpoint", at("kept")}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: --checkpoint ", "--resume")) << outcome.err;
  EXPECT_EQ(read_file(at("kept/checkpoint.safetensors")), before);
}

TEST_F(TrainingFiles, ADamagedCheckpointSaysWhatToDo) {
  EXPECT_EQ(stopped(at("m")).code, 130);
  const std::string path = at("m.checkpoint/checkpoint.safetensors"), whole = read_file(path);
  write_file(path, whole.substr(0, whole.size() / 2));
  const Outcome outcome = run(train(at("m"), {"--resume"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find(path), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("once this file is removed"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_file(path).size(), whole.size() / 2);
}

TEST_F(TrainingFiles, ACheckpointOfMpiNeedsMpi) {
  fs::create_directory(at("m.checkpoint"));
  write_file(at("m.checkpoint/shard-1-of-4.safetensors"), "");
  const Outcome outcome = run(train(at("m"), {"--resume"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: --resume: ", "with --distributed mpi")) << outcome.err;
}

TEST_F(TrainingFiles, AFolderThatAnotherTrainingUsesIsRefused) {
  for (const std::vector<std::string>& more : {{}, std::vector<std::string>{"--checkpoint", at("kept")}}) {
    const auto first = endless(at("m"), more);
    std::vector<std::string> other = more;
    other.insert(other.end(), {"--seed", "2"});
    if (!more.empty()) other.insert(other.end(), {"--shard", "1/1"});
    for (const bool is_resumed : {false, true}) {
      if (is_resumed) other.push_back("--resume");
      const Outcome second = run(train(at("m"), other));
      EXPECT_EQ(second.code, 2);
      EXPECT_TRUE(is_one_line(second.err, "cugad: error: ", "another training uses it")) << second.err;
      EXPECT_TRUE(has(second.err, more.empty() ? at("m.checkpoint") + ":" : "--checkpoint " + at("kept")))
          << second.err;
    }
    first->send(SIGTERM);
    EXPECT_EQ(first->wait().code, 130);
    std::vector<std::string> again = more;
    again.push_back("--resume");
    const Outcome resumed = stopped(at("m"), again);
    EXPECT_EQ(resumed.code, 130) << resumed.err;
  }
}

TEST_F(TrainingFiles, AFolderWithoutACheckpointGoes) {
  EXPECT_EQ(run(train(at("m"), {"--exclude", "no such"})).code, 1);
  EXPECT_FALSE(fs::exists(at("m.checkpoint")));
  EXPECT_EQ(run(train(at("m"), {"--resume"})).code, 2);
  EXPECT_FALSE(fs::exists(at("m.checkpoint")));
  // Stopped before the first step: it waits for its table.
  ASSERT_EQ(mkfifo(at("t.csv").c_str(), 0600), 0);
  std::vector<std::string> arguments = train(at("m"));
  *std::find(arguments.begin(), arguments.end(), table) = at("t.csv");
  Process process(arguments, at("."));
  while (process.is_running() && !fs::exists(at("m.checkpoint"))) {
  }
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().code, 130);
  EXPECT_FALSE(fs::exists(at("m.checkpoint")));
}

TEST_F(TrainingFiles, NoFileMayBeTheCheckpoint) {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--log", at("m.checkpoint")},
                                             {"--log", at("m.checkpoint/checkpoint.safetensors")},
                                             {"--log", at("c/egbad/checkpoint.safetensors"), "--checkpoint", at("c")},
                                             {"--checkpoint", at("m")},
                                             {"--output", at("c/../c/pooled.safetensors"), "--checkpoint", at("c")}}) {
    fs::create_directory(at("c"));
    std::vector<std::string> arguments = train(at("m"), more);
    if (more.front() == "--output") arguments.erase(arguments.begin() + 2, arguments.begin() + 4);
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << more[1];
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: --", "the checkpoint in")) << outcome.err;
  }
  fs::create_directory(at("run"));
  run_well(train(at("run/m"), {"--checkpoint", at("run"), "--log", at("run/log")}));
}

/// A default checkpoint that cannot be written does no harm until the training is stopped.
TEST_F(TrainingFiles, WithoutAPlaceForACheckpointTheModelIsWritten) {
  write_file(at("m.checkpoint"), "");
  const std::string longest = at(std::string(250, 'n'));
  for (const std::string& output : {at("m"), longest}) {
    const Outcome outcome = run(train(output, {"--quiet", "--exclude", "machine"}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: warning: ", "--checkpoint")) << outcome.err;
    EXPECT_TRUE(fs::exists(output));
  }
  const Outcome lost = stopped(at("m"));
  EXPECT_EQ(lost.code, 1);
  const std::vector<std::string> lines = lines_of(lost.err);
  ASSERT_EQ(lines.size(), 3u) << lost.err;  // with a note of a constant feature
  EXPECT_TRUE(lines[2].starts_with("cugad: error: cannot create the checkpoint directory")) << lost.err;
}

/// Found out before the first step: the log would have a line after 100.
TEST_F(TrainingFiles, WhatCannotBeWrittenIsRefusedBeforeTheFirstStep) {
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  fs::create_symlink("nowhere", at("dangling"));
  fs::create_directories(at("taken/checkpoint.safetensors"));
  const auto refused = [&](const std::string& output, const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> arguments = more;
    if (std::find(more.begin(), more.end(), "--log") == more.end()) {
      arguments.insert(arguments.end(), {"--log", at("log")});
    }
    const Outcome outcome = run(train(output, arguments));
    EXPECT_EQ(outcome.code, 1) << part;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", part)) << outcome.err;
    EXPECT_TRUE(!fs::exists(at("log")) || read_file(at("log")).empty());
  };
  refused(at("pipe"), {}, "expected a regular file");
  refused(at("dangling"), {}, "symbolic link");
  refused("/dev/full", {}, "expected a regular file");
  refused(at("."), {}, "names a directory");
  refused(at("m"), {"--checkpoint", at("pipe")}, "cannot create the checkpoint directory");
  refused(at("m"), {"--checkpoint", at("taken")}, "names a directory");
  refused(at("m"), {"--log", "/dev/full"}, "No space left on device");
}

TEST_F(TrainingFiles, ALabelThatNoModelFileCanHoldIsRefusedBeforeTheFirstStep) {
  write_file(at("latin.csv"), "x,label\n1,gr\xfcn\n2,gr\xfcn\n3,rot\n");
  const Outcome outcome = run({"train", at("latin.csv"), "--label-column", "label", "--normal", "gr\xfcn", "--steps",
                               "100", "--output", at("m"), "--log", at("log")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: ", "convert the file first")) << outcome.err;
  EXPECT_FALSE(fs::exists(at("log")));
}

TEST_F(TrainingFiles, ALateFailureSaysWhereTheCheckpointIs) {
  fs::create_directory(at("results"));
  ASSERT_EQ(mkfifo(at("log").c_str(), 0600), 0);
  std::vector<std::string> arguments =
      train(at("results/m"), {"--quiet", "--exclude", "machine", "--checkpoint", at("kept"), "--log", at("log")});
  *std::next(std::find(arguments.begin(), arguments.end(), "--steps")) = "4000";
  Process process(arguments, at("."));
  std::ifstream log(at("log"));  // waits for the training, which has looked at its folder by then
  fs::remove_all(at("results"));
  for (std::string line; std::getline(log, line);) {
  }
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: cannot write ", "the checkpoint is in " + at("kept")))
      << outcome.err;
}

/// A reader of the log that leaves, or a disk that fills up, ends the training as a signal does.
TEST_F(TrainingFiles, ALogThatFailsLeavesACheckpoint) {
  ASSERT_EQ(mkfifo(at("log").c_str(), 0600), 0);
  std::vector<std::string> arguments =
      train(at("m"), {"--quiet", "--exclude", "machine", "--patience", "0", "--log", at("log")});
  *std::next(std::find(arguments.begin(), arguments.end(), "--steps")) = "100000000";
  Process process(arguments, at("."));
  std::ifstream(at("log")).get();
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: " + at("log") + ": Broken pipe", "--resume")) << outcome.err;
  EXPECT_TRUE(fs::exists(at("m.checkpoint/checkpoint.safetensors")));
}

}  // namespace
}  // namespace cugad::cli_test
