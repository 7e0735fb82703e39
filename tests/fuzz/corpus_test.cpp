#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "tests/common/temporary_directory.hpp"
#include "tests/fuzz/targets.hpp"

/// The inputs that fuzzing began with (corpus/) and those that once failed (regressions/), without a fuzzer.
namespace cugad::fuzz {
namespace {

std::vector<std::filesystem::path> files_in(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, RunsWithoutADefect) {
  const Target target = GetParam();
  const std::string folder = std::string(CUGAD_SOURCE_DIR) + "/tests/fuzz/";
  std::vector<std::filesystem::path> files = files_in(folder + "corpus/" + target.name);
  const std::vector<std::filesystem::path> failed = files_in(folder + "regressions/" + target.name);
  files.insert(files.end(), failed.begin(), failed.end());
  int accepted = 0;
  for (const std::filesystem::path& file : files) {
    SCOPED_TRACE(file.string());
    EXPECT_NO_THROW(accepted += target.run(test::read_text(file.string())));
  }
  // A fuzzer that starts from nothing valid finds little.
  EXPECT_GE(accepted, 2) << "of " << files.size() << " files";
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(targets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cugad::fuzz
