#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "host/detector/folds.hpp"
#include "host/model_file/mapped_memory.hpp"
#include "host/scores/reference_rows.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Rows that lie in mapped files train the detectors, to the byte, that rows in memory train.
namespace cugad::test {
namespace {

/// Rows of all kinds: heavy tails, missing cells, rows without any value, copies, a constant column, one that a single
/// cell dominates, a category of three values.
Matrix rows_of_all_kinds(std::int64_t count) {
  RandomNumbers numbers(3);
  Matrix rows(count, 9);
  for (std::int64_t r = 0; r < count; ++r) {
    float* row = rows.row(r);
    for (int c = 0; c < 3; ++c) row[c] = static_cast<float>(c + numbers.normal());
    row[2] = static_cast<float>(std::exp(3.0 * numbers.normal()));
    row[3] = 12.5f;
    row[4] = r == 17 ? 1e9f : static_cast<float>(numbers.normal());
    row[5] = static_cast<float>(numbers.below(4));
    const std::int64_t value = numbers.below(3);
    for (std::int64_t v = 0; v < 3; ++v) row[6 + v] = v == value ? 1.0f : 0.0f;
    if (r % 11 == 5) row[numbers.below(6)] = missing;
    if (r % 50 == 49) std::copy_n(rows.row(r - 20), rows.columns, row);
    if (r % 97 == 96) std::fill_n(row, rows.columns, missing);
  }
  return rows;
}

Columns columns_of_all_kinds() {
  return {.names = {"a", "b", "tail", "constant", "dominated", "few", "kind=x", "kind=y", "kind=z"}, .binary = 3};
}

struct Trained {
  std::vector<std::byte> file;
  std::vector<std::string> messages;
};

Trained train(MatrixView<const float> rows, const DetectorOptions& options, FitControl control = {},
              const Device& on = test_device(2)) {
  Trained trained;
  Detector detector(on, options);
  control.on_message = [&](const std::string& text) { trained.messages.push_back(text); };
  detector.fit(rows, columns_of_all_kinds(), control);
  trained.file = detector.save();
  return trained;
}

FitControl in_files_of(const TemporaryDirectory& directory) {
  FitControl control;
  control.row_directory = directory.path();
  return control;
}

class OutOfCore : public testing::Test {
 protected:
  const Matrix rows_ = rows_of_all_kinds(600);
  const TemporaryDirectory directory_;

  void expect_equal(const DetectorOptions& options) {
    const Trained in_memory = train(rows_, options), in_files = train(rows_, options, in_files_of(directory_));
    EXPECT_TRUE(in_memory.file == in_files.file);
    EXPECT_EQ(in_memory.messages, in_files.messages);
    EXPECT_TRUE(directory_.names().empty());
  }
};

TEST_F(OutOfCore, MethodsTrainTheSameDetectors) {
  for (const Method method : {Method::anogan, Method::gain, Method::knn, Method::alad}) {
    DetectorOptions options = quick_options();
    options.method = method;
    if (method == Method::knn) options.reference_rows = 100;  // fewer than there are
    SCOPED_TRACE(static_cast<int>(method));
    expect_equal(options);
  }
  DetectorOptions both = quick_options();
  both.method = Method::knn;
  both.ensemble = {Method::gain};
  expect_equal(both);
}

TEST_F(OutOfCore, ColumnOptionsTrainTheSameDetectors) {
  DetectorOptions options = quick_options();
  options.steps = 20;
  for (const Scale scale : {Scale::none, Scale::minmax, Scale::robust, Scale::range}) {
    options.scale = scale;
    SCOPED_TRACE(static_cast<int>(scale));
    expect_equal(options);
  }
  options.scale = Scale::standard;
  options.deduplicate = true;
  expect_equal(options);
  options.method = Method::gain;  // trains on incomplete rows
  expect_equal(options);
  options.deduplicate = false;
  options.folds = 1;
  options.novelty = 0.0f;
  expect_equal(options);
  options.folds = 5;
  options.population = 7;
  options.log1p = {"none"};
  options.condition = {"b"};
  expect_equal(options);
}

TEST_F(OutOfCore, RowsOfAMappedFileTrainTheSameDetector) {
  const std::string path = directory_.file("rows");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(rows_.data.data()), static_cast<std::streamsize>(rows_.data.size() * 4));
  MappedMemory memory(path);
  ASSERT_EQ(memory.size(), rows_.data.size() * sizeof(float));
  const MatrixView<const float> mapped(reinterpret_cast<const float*>(memory.data()), rows_.rows, rows_.columns);
  const DetectorOptions options = quick_options();
  EXPECT_TRUE(train(mapped, options, in_files_of(directory_)).file == train(rows_, options).file);
  EXPECT_EQ(directory_.names(), std::vector<std::string>{"rows"});
}

TEST_F(OutOfCore, StoppedTrainingsGoOn) {
  DetectorOptions options = quick_options();
  options.patience = 0;
  StoppedFit fit(directory_.file("checkpoint"), 100);
  fit.control.row_directory = directory_.path();
  EXPECT_THROW(train(rows_, options, fit.control), Error);
  fit.resume();
  EXPECT_TRUE(train(rows_, options, fit.control).file == train(rows_, options).file);
}

TEST_F(OutOfCore, ErrorsNameTheDirectoryAndTheOption) {
  const auto refused = [&](const DetectorOptions& options, const std::string& directory, ErrorCode code) {
    FitControl control;
    control.row_directory = directory;
    try {
      train(rows_, options, control);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return std::string(error.what());
    }
    ADD_FAILURE() << "trained in " << directory;
    return std::string();
  };
  DetectorOptions options = quick_options();
  const std::string none = directory_.file("none");
  EXPECT_NE(refused(options, none, ErrorCode::input_output).find(none), std::string::npos);
  options.trim = 0.1f;
  EXPECT_NE(refused(options, directory_.path(), ErrorCode::unsupported).find("'trim'"), std::string::npos);
}

TEST_F(OutOfCore, ADeviceNeedsRoomForTheRows) {
  const Device own = Device::open(device_name());
  if (own.name() == "cpu") GTEST_SKIP() << "rows stay where they are on the CPU";
  own.limit_memory(10000);
  try {
    train(rows_, quick_options(), in_files_of(directory_), own);
    FAIL() << "trained";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported) << error.what();
    EXPECT_NE(std::string(error.what()).find("trained on by cpu"), std::string::npos) << error.what();
  }
}

TEST(MappedMemory, NeedsRoomAndAFileWithContents) {
  const TemporaryDirectory directory;
  MappedMemory memory(directory.path(), 10000);
  ASSERT_EQ(memory.size(), 10000u);
  for (std::size_t i = 0; i < memory.size(); ++i) ASSERT_EQ(memory.data()[i], std::byte{0});
  memory.data()[9999] = std::byte{7};
  MappedMemory moved = std::move(memory);
  EXPECT_EQ(moved.data()[9999], std::byte{7});
  EXPECT_TRUE(directory.names().empty());
  const auto refused = [&](std::size_t bytes) {
    try {
      MappedMemory(directory.path(), bytes);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refused(std::size_t{1} << 60).find("reserving 1152921504607 MB there"), std::string::npos);
  rlimit whole{};
  getrlimit(RLIMIT_FSIZE, &whole);
  rlimit little = whole;
  little.rlim_cur = 1000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &little);
  const std::string small = refused(1200);
  setrlimit(RLIMIT_FSIZE, &whole);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(small.find("reserving 2 KB there"), std::string::npos) << small;
  EXPECT_THROW(MappedMemory(directory.file("none")), Error);
  write_text(directory.file("empty"), "");
  EXPECT_THROW(MappedMemory(directory.file("empty")), Error);
  EXPECT_THROW((MappedMemory(directory.path())), Error);
}

/// Hashes are sorted a range at a time: the folds are those of all of them sorted at once.
TEST(Folds, OfManyRowsAreThoseOfAllHashesInOrder) {
  RandomNumbers numbers(9);
  std::vector<std::uint32_t> hashes((std::size_t{1} << 22) + 5000);
  for (std::uint32_t& hash : hashes) {
    hash = static_cast<std::uint32_t>(numbers.below(std::int64_t{1} << 32));
    if (numbers.below(8) == 0) hash = (hash % 50) << 26;  // large groups, at the ends of the ranges among others
  }
  const Folds folds = make_folds(hashes, 5);
  std::vector<std::int64_t> by_hash(hashes.size()), size(5);
  std::iota(by_hash.begin(), by_hash.end(), std::int64_t{0});
  std::sort(by_hash.begin(), by_hash.end(), [&](std::int64_t a, std::int64_t b) { return hashes[a] < hashes[b]; });
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < by_hash.size();) {
    const std::size_t first = i;
    const auto smallest = std::min_element(size.begin(), size.end());
    for (; i < by_hash.size() && hashes[by_hash[i]] == hashes[by_hash[first]]; ++i)
      wrong += folds.of_row[by_hash[i]] != smallest - size.begin();
    *smallest += static_cast<std::int64_t>(i - first);
  }
  EXPECT_EQ(wrong, 0);
  for (std::int64_t k = 0; k < 5; ++k) EXPECT_EQ(folds.size(k), size[k]);
}

/// Rows are compared a share at a time: the first ones of equal rows are those of all.
TEST(ReferenceRows, FirstOfManyRowsAreDistinctOnes) {
  const TemporaryDirectory directory;
  RandomNumbers numbers(4);
  Matrix rows((std::int64_t{1} << 22) + 5000, 1);
  for (float& cell : rows.data) cell = static_cast<float>(numbers.below(std::int64_t{1} << 21));
  const std::vector<bool> is_first = first_of_equal(rows, directory.path());
  std::vector<std::int64_t> found;
  for (std::size_t r = 0; r < is_first.size(); ++r) {
    if (is_first[r]) found.push_back(static_cast<std::int64_t>(r));
  }
  EXPECT_EQ(found, distinct_rows(rows));
}

}  // namespace
}  // namespace cugad::test
