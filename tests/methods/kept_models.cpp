#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "tests/methods/fleet_rows.hpp"

/// Model files of format version 1, and fleets of 1 and 2, kept in tests/methods/data: every later version must read
/// them and give their scores.
namespace cugad::test {
namespace {

const std::string folder = std::string(CUGAD_SOURCE_DIR) + "/tests/methods/data/version_1_";
const std::string fleet_of_version_2 = std::string(CUGAD_SOURCE_DIR) + "/tests/methods/data/version_2_fleet";
const std::vector<std::string> groups = {"even", "odd", "few", "unknown"};

std::vector<std::string> groups_of(std::int64_t rows) {
  std::vector<std::string> of_rows;
  for (std::int64_t r = 0; r < rows; ++r) of_rows.push_back(groups[static_cast<std::size_t>(r) % groups.size()]);
  return of_rows;
}

DetectorOptions tiny_options(const char* method) {
  DetectorOptions options = quick_options();
  set_option(options, "method", method);
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {8};
  options.data_branch = options.latent_branch = {8};
  options.steps = 400;
  options.bank_rows = 60;
  return options;
}

/// Rows and their scores: one line per row, the score last.
struct Kept {
  /// `path` without ".csv".
  explicit Kept(const std::string& path) {
    const Table table = read_table(path + ".csv", {.text_columns = {}, .infer_text = false});
    const auto columns = static_cast<std::int64_t>(table.columns.size()) - 1;
    rows = Matrix(table.rows, columns);
    for (std::int64_t r = 0; r < table.rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        rows.row(r)[c] = static_cast<float>(table.columns[static_cast<std::size_t>(c)].numbers[r]);
      }
      scores.push_back(static_cast<float>(table.columns.back().numbers[r]));
    }
  }
  Matrix rows;
  std::vector<float> scores;
};

/// The instruction sets of this machine.
std::vector<std::string> devices() {
  std::vector<std::string> found;
  for (const char* name :
       {"cpu:baseline", "cpu:avx2", "cpu:avx512", "cpu:avx512bf16", "cpu:neon", "cpu:sve256", "cpu:sve512"}) {
    try {
      Device::open(name, 1);
      found.push_back(name);
    } catch (const Error&) {
      continue;
    }
  }
  return found;
}

/// Without fused multiply-adds the baseline rounds otherwise than the set that wrote the scores.
void expect_scores(const std::string& device, const std::vector<float>& scores, const std::vector<float>& kept) {
  SCOPED_TRACE(device);
  ASSERT_FALSE(kept.empty());
  ASSERT_EQ(scores.size(), kept.size());
  if (device != "cpu:baseline") {
    EXPECT_TRUE(same_bits(scores, kept));
    return;
  }
  for (std::size_t r = 0; r < kept.size(); ++r) EXPECT_NEAR(scores[r], kept[r], 1e-4f * (1.0f + std::abs(kept[r])));
}

void write_kept(const std::string& name, const Matrix& rows, const std::vector<float>& scores) {
  std::ofstream file(folder + name + ".csv");
  file << "a,b,c,d,e,f,score\n";
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    char cell[32];
    for (std::int64_t c = 0; c <= rows.columns; ++c) {
      const float value = c < rows.columns ? rows.row(r)[c] : scores[static_cast<std::size_t>(r)];
      std::snprintf(cell, sizeof cell, "%.9g", static_cast<double>(value));
      file << (c == 0 ? "" : ",") << (std::isnan(value) ? "" : cell);
    }
    file << "\n";
  }
}

const char* const detectors[][2] = {{"anogan", "anogan"}, {"egbad", "egbad"}, {"ensemble", "ganomaly,gan"}};

/// Wrote the files: with --gtest_also_run_disabled_tests on a machine with AVX2, once per format version.
TEST(KeptModels, DISABLED_Write) {
  const Device device = Device::open("cpu:avx2", 1);
  const Matrix rows = mixed_rows(16, 3);
  for (const auto& [name, method] : detectors) {
    Detector detector(device, tiny_options(method));
    detector.fit(normal_rows(200, 1).view(), {.names = {"a", "b", "c", "d", "e", "f"}});
    detector.save(folder + name + ".safetensors");
    write_kept(name, rows, detector.score(rows.view()));
  }
  Fleet fleet(device, tiny_options("anogan"), {.minimum_rows = 40, .pooled_rows = 200});
  std::vector<std::string> of_training;
  for (int r = 0; r < 200; ++r) of_training.push_back(groups[r % 20 == 0 ? 2 : static_cast<std::size_t>(r) % 2]);
  fleet.fit(normal_rows(200, 1).view(), of_training);
  fleet.save(folder + "fleet.safetensors");
  write_kept("fleet", rows, fleet.score(rows.view(), groups_of(rows.rows)));
}

TEST(KeptModels, ScoreAsTheyDid) {
  ASSERT_FALSE(devices().empty());
  for (const auto& [name, method] : detectors) {
    SCOPED_TRACE(name);
    const Kept kept(folder + name);
    for (const std::string& device : devices()) {
      Detector detector = Detector::load(Device::open(device, 1), folder + name + ".safetensors");
      EXPECT_EQ(get_option(detector.options(), "method"), method);
      expect_scores(device, detector.score(kept.rows.view()), kept.scores);
    }
  }
}

TEST(KeptModels, AFleetScoresAsItDid) {
  for (const std::string& path : {folder + "fleet", fleet_of_version_2}) {
    SCOPED_TRACE(path);
    const Kept kept(path);
    for (const std::string& device : devices()) {
      Fleet fleet = Fleet::load(Device::open(device, 1), path + ".safetensors");
      ASSERT_EQ(fleet.groups().size(), 3u);
      EXPECT_TRUE(fleet.groups()[0].own_model);
      EXPECT_FALSE(fleet.groups()[1].own_model);
      expect_scores(device, fleet.score(kept.rows.view(), groups_of(kept.rows.rows)), kept.scores);
    }
  }
}

}  // namespace
}  // namespace cugad::test
