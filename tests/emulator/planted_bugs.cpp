#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "cugad/error.hpp"
#include "emulator_control.hpp"
#include "kernels/device/runtime.cuh"
#include "tests/emulator/planted.hpp"

/// Every planted bug under every policy, each in a process of its own; the README's table has the checks that detect
/// it.
namespace emulator_test {
namespace {

enum Outcome { unnoticed, wrong_values, reported, refused, stopped };

/// In a child process, so that a sanitizer may end it.
Outcome outcome_of(const Bug& bug, const std::string& policy) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(100);
    emulator::reset();
    emulator::set_policy(emulator::parse_policy(policy + ",threads=1"));
    bool right = false;
    try {
      right = bug.run();
    } catch (const cugad::Error&) {
    }
    const bool failed = cudaDeviceSynchronize() != cudaSuccess;
    _exit(failed ? 12 : cudaPeekAtLastError() != cudaSuccess ? 13 : right ? 10 : 11);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return stopped;
  const int code = WEXITSTATUS(status);
  return code >= 10 && code <= 13 ? static_cast<Outcome>(code - 10) : stopped;
}

/// What the policies noticed, in the words of the table.
std::string verdict(const Bug& bug) {
  const char* const names[] = {"no", "wrong values", "reported", "error code", "stopped"};
  std::set<Outcome> seen;
  int noticed = 0, policies = 0;
  for (const char* order : {"forward", "reverse", "seed=1", "seed=2"}) {
    for (const char* copies : {"deferred", "immediate"}) {
      const Outcome outcome = outcome_of(bug, std::string(order) + "," + copies);
      ++policies;
      noticed += outcome != unnoticed;
      if (outcome != unnoticed) seen.insert(outcome);
    }
  }
  if (seen.empty()) return names[unnoticed];
  std::string text;
  for (const Outcome outcome : seen) text += (text.empty() ? "" : ", ") + std::string(names[outcome]);
  return noticed == policies ? text : text + " (" + std::to_string(noticed) + " of " + std::to_string(policies) + ")";
}

const char* const builds[] = {"plain", "ASan + UBSan", "race check"};

std::size_t this_build() { return emulator::has_race_check() ? 2 : emulator::has_address_sanitizer() ? 1 : 0; }

using Row = std::vector<std::string>;  ///< the bug, then the detections of each build

std::vector<Row> read_table(const std::string& text) {
  std::vector<Row> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("| ", 0) != 0 || line.rfind("| bug", 0) == 0) continue;
    Row row;
    for (std::size_t at = 2, end; (end = line.find(" |", at)) != std::string::npos; at = end + 3) {
      row.push_back(line.substr(at, end - at));
    }
    if (row.size() == 4) rows.push_back(row);
  }
  return rows;
}

std::string table_of(const std::vector<Row>& rows) {
  std::string text = "| bug | plain | ASan + UBSan | race check |\n|---|---|---|---|\n";
  for (const Row& row : rows) {
    for (const std::string& cell : row) text += "| " + cell + " ";
    text += "|\n";
  }
  return text;
}

const std::string begin_mark = "<!-- planted bugs: written by emulator_test -->\n", end_mark = "<!-- end -->\n";

/// CUGAD_WRITE_TABLE=1 writes this build's column into the README instead of comparing it.
TEST(PlantedBugs, AreNoticedAsTheReadmeSays) {
  const std::string path = CUGAD_SOURCE_DIR "/tests/emulator/README.md";
  std::ostringstream whole;
  whole << std::ifstream(path).rdbuf();
  const std::string text = whole.str();
  const std::size_t begin = text.find(begin_mark), end = text.find(end_mark);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos) << path;
  const std::vector<Row> before = read_table(text.substr(begin, end - begin));
  std::vector<Row> now;
  for (const Bug& bug : planted_bugs()) {
    Row row = {bug.name, "?", "?", "?"};
    for (const Row& old : before) {
      if (old[0] == bug.name) row = old;
    }
    row[1 + this_build()] = verdict(bug);
    now.push_back(row);
    EXPECT_TRUE(row[1] != "no" || row[2] != "no" || row[3] != "no") << "nothing notices: " << bug.name;
  }
  if (std::getenv("CUGAD_WRITE_TABLE") != nullptr) {
    std::ofstream(path) << text.substr(0, begin) << begin_mark << table_of(now) << text.substr(end);
    return;
  }
  // Every build must detect a bug; by which check, and how often, may depend on the compiler's optimisation.
  ASSERT_EQ(now.size(), before.size()) << "CUGAD_WRITE_TABLE=1 writes the table anew";
  for (std::size_t i = 0; i < now.size(); ++i) {
    const std::string &seen = now[i][1 + this_build()], &said = before[i][1 + this_build()];
    EXPECT_EQ(now[i][0], before[i][0]);
    EXPECT_TRUE(seen != "no" || said == "no") << now[i][0] << ", build " << builds[this_build()] << ": the table says '"
                                              << said << "', seen was '" << seen << "'";
  }
}

}  // namespace
}  // namespace emulator_test
