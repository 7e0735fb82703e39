#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// GANomaly's one digit against the rest on the 10,000 test digits of MNIST, for dense networks.
namespace cugad::cli {
namespace {

constexpr std::int64_t pixels = 784;
constexpr float brightest = 255.0f;
constexpr std::uint32_t sample_seed = 0;

struct Digits {
  Matrix rows;  ///< pixels in [0, 1]
  std::vector<std::int64_t> digit;
};

std::string idx_file(const std::string& data, const std::string& name) {
  return find_data_file(data, {name + ".gz", name, "mnist/" + name + ".gz", "mnist/" + name});
}

Matrix read_idx(const std::string& path) {
  const Table table = read_table(path);
  Matrix matrix(table.rows, static_cast<std::int64_t>(table.columns.size()));
  for (std::int64_t column = 0; column < matrix.columns; ++column) {
    const std::vector<double>& numbers = table.columns[static_cast<std::size_t>(column)].numbers;
    for (std::int64_t row = 0; row < matrix.rows; ++row) {
      matrix.row(row)[column] = static_cast<float>(numbers[static_cast<std::size_t>(row)]);
    }
  }
  return matrix;
}

Digits read_digits(const DataChoices& choices) {
  const std::string images = idx_file(choices.data, "t10k-images-idx3-ubyte");
  const std::string labels = idx_file(choices.data, "t10k-labels-idx1-ubyte");
  Digits digits;
  digits.rows = read_idx(images);
  expect_count(images, "pixels", digits.rows.columns, pixels);
  for (float& pixel : digits.rows.data) pixel /= brightest;
  const Matrix label = read_idx(labels);
  expect_count(labels, "columns of labels", label.columns, 1);
  expect_count(labels, "labels", label.rows, digits.rows.rows);
  for (const float value : label.data) digits.digit.push_back(static_cast<std::int64_t>(value));
  if (choices.rows > 0 && choices.rows < digits.rows.rows) {
    std::vector<std::int64_t> sample = numpy_permutation(sample_seed, digits.rows.rows);
    sample.resize(static_cast<std::size_t>(choices.rows));
    std::sort(sample.begin(), sample.end());
    digits.rows = take_rows(digits.rows, sample);
    for (std::size_t row = 0; row < sample.size(); ++row) {
      digits.digit[row] = digits.digit[static_cast<std::size_t>(sample[row])];
    }
    digits.digit.resize(sample.size());
  }
  return digits;
}

/// 80 % of the other digits train; the rest of them and all of `digit` test.
Trial against_the_rest(const Digits& digits, std::int64_t digit, std::uint32_t seed) {
  std::vector<std::int64_t> others, anomalies;
  for (std::int64_t row = 0; row < digits.rows.rows; ++row) {
    (digits.digit[static_cast<std::size_t>(row)] == digit ? anomalies : others).push_back(row);
  }
  if (anomalies.empty()) throw Error(ErrorCode::format, fmt::format("no row shows the digit {}", digit));
  std::vector<std::int64_t> train, test;
  const auto count = static_cast<std::int64_t>(others.size());
  const std::int64_t train_count = count * 4 / 5;
  for (const std::int64_t at : numpy_permutation(seed, count)) {
    (std::ssize(train) < train_count ? train : test).push_back(others[static_cast<std::size_t>(at)]);
  }
  Trial trial;
  trial.label.assign(test.size(), 0);
  test.insert(test.end(), anomalies.begin(), anomalies.end());
  trial.label.resize(test.size(), 1);
  trial.train = take_rows(digits.rows, train);
  trial.test = take_rows(digits.rows, test);
  trial.all_test_rows = trial.test.rows;
  return trial;
}

}  // namespace

std::vector<Case> mnist_cases(const DataChoices& choices) {
  const auto digits = std::make_shared<const Digits>(read_digits(choices));
  std::vector<Case> cases;
  for (const std::int64_t digit : choices.digits) {
    const auto load = [=](std::uint32_t split) { return against_the_rest(*digits, digit, split); };
    cases.push_back(
        {.name = fmt::format("digit {}", digit), .published_split = false, .splits_by_seed = true, .load = load});
  }
  return cases;
}

}  // namespace cugad::cli
