#include <sys/resource.h>

#include <cstring>
#include <filesystem>

#include "cli/command.hpp"
#include "host/model_file/checksum.hpp"

/// train --out-of-core: tables that are never held, whose rows lie in a file that is made once.
namespace cugad::cli_test {
namespace {

namespace fs = std::filesystem;

class OutOfCore : public CommandTest {
 protected:
  /// A table of more rows than are read at a time, with texts, missing cells and a row without any cell.
  void SetUp() override {
    CommandTest::SetUp();
    std::string text = "size,state,load,label,empty\n";
    std::uint64_t state = 5;
    for (int row = 0; row < rows; ++row) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const auto draw = [&](int bits) { return state >> (64 - bits); };
      if (row == 777) {
        text += ",,,good,\n";
        continue;
      }
      text += std::to_string(draw(20)) + ".5," +
              (draw(3) == 1  ? ""
               : draw(4) > 3 ? "on"
                             : "off") +
              "," + (row % 40 == 3 ? "" : std::to_string(draw(9))) + "," + (row % 500 == 7 ? "bad" : "good") + ",\n";
    }
    write_file(at("table.csv"), text);
  }
  std::vector<std::string> arguments(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"train",
                                    at("table.csv"),
                                    "--output",
                                    output,
                                    "--label-column",
                                    "label",
                                    "--normal",
                                    "good",
                                    "--method",
                                    "anogan",
                                    "--hidden",
                                    "8",
                                    "--discriminator-hidden",
                                    "8",
                                    "--population",
                                    "2",
                                    "--steps",
                                    "20",
                                    "--bank-rows",
                                    "50"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static constexpr int rows = 230000;
};

TEST_F(OutOfCore, TrainsTheSameModelWhetherTheFileIsMadeOrThere) {
  const Outcome in_memory = run(arguments(at("memory")));
  ASSERT_EQ(in_memory.code, 0) << in_memory.err;
  const Outcome made = run(arguments(at("made"), {"--out-of-core", at("rows.npy")}));
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(read_file(at("made")) == read_file(at("memory")));
  EXPECT_TRUE(has(made.err, "'empty'")) << made.err;
  EXPECT_TRUE(has(made.out, "229,540 of 230,000")) << made.out;
  const std::string rows_file = read_file(at("rows.npy"));
  EXPECT_EQ(rows_file.compare(1, 5, "NUMPY"), 0);
  EXPECT_TRUE(has(rows_file.substr(0, 128), "(229540, 4)")) << rows_file.substr(0, 128);
  const Outcome again = run(arguments(at("again"), {"--out-of-core", at("rows.npy"), "--seed", "2"}));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(has(again.err, "has the 229,540 rows of the table from an earlier training")) << again.err;
  run_well(arguments(at("seed"), {"--seed", "2"}));
  EXPECT_TRUE(read_file(at("again")) == read_file(at("seed")));
  EXPECT_TRUE(read_file(at("rows.npy")) == rows_file);
}

TEST_F(OutOfCore, ArraysAndStoppedTrainings) {
  run_well({"score", table, "--model", model, "--output", at("column.npy")});
  const auto train_array = [&](const std::string& output, const std::string& steps, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", at("column.npy"), "--output", at(output), "--steps", steps, "--method", "gan",
                               "--hidden", "8", "--discriminator-hidden", "8", "--population", "2", "--quiet"});
    return run_well(more);
  };
  train_array("memory", "300", {});
  const std::vector<std::string> kept = {"--out-of-core", at("rows"), "--checkpoint", at("kept")};
  train_array("short", "100", kept);
  std::vector<std::string> resumed = kept;
  resumed.push_back("--resume");
  train_array("long", "300", resumed);
  EXPECT_TRUE(read_file(at("long")) == read_file(at("memory")));
}

TEST_F(OutOfCore, FilesThatAreNotOfTheseRowsAreRefused) {
  const std::string file = at("rows.npy");
  run_well(arguments(at("m"), {"--out-of-core", file}));
  const std::string whole = read_file(file);
  const auto refused = [&](const std::string& what, const std::vector<std::string>& more = {}) {
    std::vector<std::string> given = {"--out-of-core", file};
    given.insert(given.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments(at("refused"), given));
    EXPECT_EQ(outcome.code, 1) << what;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error", what)) << outcome.err;
    EXPECT_TRUE(has(outcome.err, file)) << outcome.err;
    EXPECT_FALSE(fs::exists(at("refused")));
  };
  refused("other flags for rows and columns: --label-column label --normal good, now", {"--exclude", "load"});
  for (const std::size_t at_byte : {std::size_t{40}, whole.size() / 2, whole.size() - 30}) {
    std::string damaged = whole;
    damaged[at_byte] = static_cast<char>(damaged[at_byte] ^ 4);
    write_file(file, damaged);
    refused("the file is damaged: its checksum is");
  }
  write_file(file, whole.substr(0, whole.size() - 1000));
  refused("no file of rows that --out-of-core made");
  write_file(file, "something else");
  refused("no file of rows that --out-of-core made");
  EXPECT_EQ(read_file(file), "something else");
  write_file(at("empty"), "");
  for (const std::string& name : {at("empty"), std::string("-")}) {
    const Outcome outcome = run(arguments(at("refused"), {"--out-of-core", name}));
    EXPECT_EQ(outcome.code, 2) << name;
    EXPECT_TRUE(is_one_line(outcome.err, "cugad: error", "--out-of-core")) << outcome.err;
  }
  EXPECT_TRUE(has(run(arguments(at("refused"), {"--out-of-core", ""})).err, "--out-of-core is empty"));
  EXPECT_EQ(run(arguments(at("refused"), {"--out-of-core", at("inner/../refused")})).code, 2) << "the output itself";
  write_file(file, whole);
  write_file(at("table.csv"), read_file(at("table.csv")) + "1,on,2,good,\n");
  refused("its rows were made of another table");
}

/// What is wrong with the files that the fit makes names the flag that has it make them.
TEST_F(OutOfCore, AFullDiskNamesTheFlag) {
  const std::string file = at("rows.npy");
  run_well(arguments(at("m"), {"--out-of-core", file}));
  rlimit whole{};
  getrlimit(RLIMIT_FSIZE, &whole);
  rlimit little = whole;
  little.rlim_cur = 1000000;
  setrlimit(RLIMIT_FSIZE, &little);
  const Outcome outcome = run(arguments(at("refused"), {"--out-of-core", file}));
  setrlimit(RLIMIT_FSIZE, &whole);
  EXPECT_EQ(outcome.code, 1);
  const std::string last = lines_of(outcome.err).back();
  EXPECT_TRUE(has(last, "cugad: error: --out-of-core keeps files beside " + file)) << outcome.err;
  EXPECT_TRUE(has(last, "reserving 3673 KB there: File too large")) << outcome.err;
  EXPECT_FALSE(fs::exists(at("refused")));
}

TEST_F(OutOfCore, ADamagedNoteNamesTheFile) {
  const std::string file = at("rows.npy");
  run_well(arguments(at("m"), {"--out-of-core", file}));
  std::string bytes = read_file(file);
  const std::size_t note = bytes.rfind("\\\"numeric\\\"");
  ASSERT_NE(note, std::string::npos);
  bytes[note + 2] = 'x';
  safetensors::Checksum sum;
  const std::size_t sum_at = bytes.size() - 16;
  sum.add(bytes.data(), sum_at);
  const std::uint32_t value = sum.value();
  std::memcpy(bytes.data() + sum_at, &value, sizeof value);
  write_file(file, bytes);
  const Outcome outcome = run(arguments(at("refused"), {"--out-of-core", file}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(is_one_line(outcome.err, "cugad: error: " + file, "damaged table encoder")) << outcome.err;
}

TEST_F(OutOfCore, GoesWithOneDetectorOfATable) {
  const auto refused = [&](std::vector<std::string> given, const std::string& what) {
    const Outcome outcome = run(given);
    EXPECT_EQ(outcome.code, 2) << what;
    EXPECT_TRUE(has(outcome.err, what)) << outcome.err;
    EXPECT_FALSE(fs::exists(at("rows.npy")));
  };
  const std::vector<std::string> file = {"--out-of-core", at("rows.npy")};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), file.begin(), file.end());
    return arguments(at("m"), more);
  };
  refused(with({"--group-by", "state"}), "--group-by");
  refused(with({"--shard", "1/2"}), "--shard");
  refused(with({"--trim", "0.1"}), "--trim");
  std::vector<std::string> piped = with({});
  piped[1] = "-";
  refused(piped, "reads the table twice");
  refused(arguments(at("m"), {"--out-of-core", at("table.csv")}), "would overwrite");
}

}  // namespace
}  // namespace cugad::cli_test
