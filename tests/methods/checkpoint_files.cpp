#include "host/detector/checkpoint_files.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/temporary_directory.hpp"

/// Which files of a directory are checkpoints, and that nothing else is touched.
namespace cugad::test {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> checkpoints = {"checkpoint.safetensors",
                                              "egbad/checkpoint.safetensors",
                                              "pooled.safetensors",
                                              "block-0.safetensors",
                                              "block-12/checkpoint.safetensors",
                                              "pooled/fanogan/checkpoint.safetensors",
                                              "shard-12-of-64.safetensors",
                                              "shard-3-of-4/block-0.safetensors",
                                              "shard-3-of-4/checkpoint.safetensors",
                                              "shard-3-of-4/pooled/gain/checkpoint.safetensors"};
const std::vector<std::string> others = {"notes.txt",
                                         "model.safetensors",
                                         "checkpoint.1.safetensors",
                                         "block-.safetensors",
                                         "block-1x.safetensors",
                                         "egbad.safetensors",
                                         "egbad/notes.txt",
                                         "mine/checkpoint.safetensors",
                                         "alad/pooled.safetensors",
                                         "shard-01-of-4.safetensors",
                                         "shard-1-of-4.txt",
                                         "shard-1-of-.safetensors",
                                         "shard-1-of-4/mine.safetensors"};

void write_in(const TemporaryDirectory& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    fs::create_directories(fs::path(directory.file(name)).parent_path());
    write_text(directory.file(name), name);
  }
}

TEST(CheckpointFiles, AreToldByTheirNames) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(checkpoint_files(directory.path()).empty());
  EXPECT_TRUE(checkpoint_files(directory.file("missing")).empty());
  write_in(directory, checkpoints);
  write_in(directory, others);
  std::vector<std::string> found;
  for (const fs::path& file : checkpoint_files(directory.path())) {
    found.push_back(file.lexically_relative(directory.path()).string());
  }
  EXPECT_TRUE(std::is_permutation(found.begin(), found.end(), checkpoints.begin(), checkpoints.end()));
  for (const std::string& name : checkpoints)
    EXPECT_TRUE(is_checkpoint(directory.path(), directory.file(name))) << name;
  for (const std::string& name : others) EXPECT_FALSE(is_checkpoint(directory.path(), directory.file(name))) << name;
  EXPECT_TRUE(is_checkpoint(directory.path(), directory.file("mine/..")));
  EXPECT_TRUE(is_checkpoint(directory.file("new"), directory.file("mine/../new/checkpoint.safetensors")));
  EXPECT_FALSE(is_checkpoint(directory.file("new"), directory.file("new.log")));
}

TEST(CheckpointFiles, OnlyTheyAreRemoved) {
  const TemporaryDirectory directory;
  write_in(directory, checkpoints);
  write_in(directory, others);
  remove_checkpoint_files(directory.path(), checkpoint_files(directory.path()));
  for (const std::string& name : checkpoints) EXPECT_FALSE(fs::exists(directory.file(name))) << name;
  for (const std::string& name : others) EXPECT_EQ(read_text(directory.file(name)), name);
  EXPECT_FALSE(fs::exists(directory.file("block-12")));
  EXPECT_FALSE(fs::exists(directory.file("pooled")));
  EXPECT_FALSE(fs::exists(directory.file("shard-3-of-4")));
}

/// Also in the folder of a part whose only file was never finished.
TEST(CheckpointFiles, WhatKilledProcessesLeftGoesWithThem) {
  const TemporaryDirectory directory;
  const std::string folder = directory.file("folder");
  for (const char* name : {"", "shard-3-of-4/", "shard-4-of-4/pooled/gain/", "mine/"}) {
    fs::create_directories(folder + "/" + name);
    write_text(folder + "/" + name + ".cugad-0-1-2.tmp", "left");
  }
  write_text(folder + "/shard-3-of-4.safetensors", "");
  EXPECT_EQ(checkpoint_files(folder).size(), 1u);
  remove_checkpoint_files(folder, checkpoint_files(folder));
  EXPECT_TRUE(fs::exists(folder + "/mine/.cugad-0-1-2.tmp"));
  fs::remove_all(folder + "/mine");
  EXPECT_TRUE(fs::is_empty(folder));
  remove_checkpoint_files(folder, {});
  EXPECT_FALSE(fs::exists(folder));
}

TEST(CheckpointFiles, ADirectoryThatBecomesEmptyGoes) {
  const TemporaryDirectory directory;
  const std::string folder = directory.file("folder"), link = directory.file("link");
  for (const bool is_linked : {false, true}) {
    fs::create_directory(folder);
    if (is_linked) fs::create_symlink("folder", link);
    const std::string path = is_linked ? link : folder;
    fs::create_directory(path + "/egbad");
    write_text(path + "/egbad/checkpoint.safetensors", "");
    write_text(path + "/checkpoint.safetensors", "");
    remove_checkpoint_files(path, checkpoint_files(path));
    EXPECT_EQ(fs::exists(folder), is_linked);
  }
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_TRUE(fs::is_empty(folder));
}

}  // namespace
}  // namespace cugad::test
