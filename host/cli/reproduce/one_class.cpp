#include <fmt/format.h>

#include <array>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/reproduce/class_images.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// One class of images against the others: MNIST, and Fashion-MNIST in its form.
namespace cugad::cli {
namespace {

/// Training images, then test images.
struct Pool {
  ClassImages images;
  std::int64_t train_rows = 0;
};

struct Source {
  const char* folder;
  std::array<const char*, 10> classes;
};

constexpr Source digits = {"mnist", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}};
constexpr Source articles = {"fashion-mnist",
                             {"0 T-shirt", "1 trouser", "2 pullover", "3 dress", "4 coat", "5 sandal", "6 shirt",
                              "7 sneaker", "8 bag", "9 ankle boot"}};

/// Trains on the class's training images, tests on all test images.
Trial one_class_normal(const Pool& pool, std::int64_t normal) {
  Trial trial;
  std::vector<std::int64_t> train, test;
  for (std::int64_t row = 0; row < pool.images.rows.rows; ++row) {
    const bool is_normal = pool.images.label[static_cast<std::size_t>(row)] == normal;
    if (row >= pool.train_rows) {
      test.push_back(row);
      trial.label.push_back(is_normal ? 0 : 1);
    } else if (is_normal) {
      train.push_back(row);
    }
  }
  if (train.empty()) throw Error(ErrorCode::format, fmt::format("no training image is of class {}", normal));
  trial.train = take_rows(pool.images.rows, train);
  trial.test = take_rows(pool.images.rows, test);
  trial.all_test_rows = trial.test.rows;
  return trial;
}

std::vector<Case> one_class_cases(const Source& source, const DataChoices& choices, bool is_normal) {
  const auto pool = std::make_shared<Pool>();
  pool->images = read_class_images(choices.data, source.folder, "train", choices.rows);
  pool->train_rows = pool->images.rows.rows;
  append(pool->images, read_class_images(choices.data, source.folder, "t10k", choices.rows));
  std::vector<Case> cases;
  for (const std::int64_t label : choices.classes) {
    const auto load = [=](std::uint32_t split) {
      return is_normal ? one_class_normal(*pool, label) : one_class_anomalous(pool->images, label, split);
    };
    cases.push_back({.name = source.classes.at(static_cast<std::size_t>(label)),
                     .published_split = false,
                     .splits_by_seed = !is_normal,
                     .load = load});
  }
  return cases;
}

}  // namespace

Trial one_class_anomalous(const ClassImages& images, std::int64_t anomalous, std::uint32_t seed) {
  std::vector<std::int64_t> others, anomalies;
  for (std::int64_t row = 0; row < images.rows.rows; ++row) {
    (images.label[static_cast<std::size_t>(row)] == anomalous ? anomalies : others).push_back(row);
  }
  if (anomalies.empty()) throw Error(ErrorCode::format, fmt::format("no image is of class {}", anomalous));
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
  trial.train = take_rows(images.rows, train);
  trial.test = take_rows(images.rows, test);
  trial.all_test_rows = trial.test.rows;
  return trial;
}

std::vector<Case> mnist_normal_cases(const DataChoices& choices) { return one_class_cases(digits, choices, true); }
std::vector<Case> mnist_anomalous_cases(const DataChoices& choices) { return one_class_cases(digits, choices, false); }
std::vector<Case> fashion_normal_cases(const DataChoices& choices) { return one_class_cases(articles, choices, true); }
std::vector<Case> fashion_anomalous_cases(const DataChoices& choices) {
  return one_class_cases(articles, choices, false);
}

}  // namespace cugad::cli
