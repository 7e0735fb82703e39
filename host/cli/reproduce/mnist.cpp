#include <fmt/format.h>

#include <memory>

#include "host/cli/reproduce/class_images.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// GANomaly's one digit against the rest on the 10,000 test digits of MNIST, for dense networks.
namespace cugad::cli {
namespace {

constexpr float brightest = 255.0f;

}  // namespace

std::vector<Case> mnist_cases(const DataChoices& choices) {
  const auto digits = std::make_shared<ClassImages>(read_class_images(choices.data, "mnist", "t10k", choices.rows));
  for (float& pixel : digits->rows.data) pixel /= brightest;
  std::vector<Case> cases;
  for (const std::int64_t digit : choices.classes) {
    const auto load = [=](std::uint32_t split) { return one_class_anomalous(*digits, digit, split); };
    cases.push_back(
        {.name = fmt::format("digit {}", digit), .published_split = false, .splits_by_seed = true, .load = load});
  }
  return cases;
}

}  // namespace cugad::cli
