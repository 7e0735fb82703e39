#include <map>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "cugad/shards.hpp"
#include "cugad/table.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/fleet_of_version_2.hpp"
#include "tests/common/methods.hpp"
#include "tests/common/random_words.hpp"
#include "tests/fuzz/edited_file.hpp"
#include "tests/fuzz/targets.hpp"

/// Models behind a valid container: every accepted model must score, and stay the same after saving and loading.
namespace cugad::fuzz {
namespace {

constexpr std::int64_t columns = 3;
constexpr std::int64_t most_scoring_work = 200'000;

Matrix rows(std::int64_t count) {
  test::RandomNumbers numbers(5);
  Matrix matrix(count, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(numbers.normal());
  return matrix;
}

DetectorOptions tiny(const std::string& method) {
  DetectorOptions options;
  set_option(options, "method", method);
  options.population = 2;
  options.latent = 2;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {4};
  options.data_branch = options.latent_branch = options.cycle_hidden = options.latent_cycle_hidden = {4};
  options.steps = 2;
  options.batch = 8;
  options.coverage_rows = 8;
  options.bank_rows = 16;
  return options;
}

template <class Model>
cugad::safetensors::File saved(const Model& model) {
  return cugad::safetensors::read(model.save());
}

std::map<std::string, cugad::safetensors::File, std::less<>> make_bases() {
  const Device device = Device::open("cpu", 1);
  const Matrix training = rows(40);
  std::map<std::string, cugad::safetensors::File, std::less<>> bases;
  std::vector<std::string> methods = {"anogan,egbad"};
  for (const MethodDefinition* method : test::methods_of_any_table()) methods.emplace_back(method->name);
  for (const std::string& method : methods) {
    Detector detector(device, tiny(method));
    detector.fit(training.view(), {.names = {"a", "b", "c=1"}, .binary = 1});
    bases[method] = saved(detector);
  }
  DetectorOptions conditional = tiny("bigan");
  conditional.condition = {"c"};
  Detector detector(device, conditional);
  detector.fit(training.view(), {.names = {"a", "b", "c=1"}, .binary = 1});
  bases["condition"] = saved(detector);
  Fleet fleet(device, tiny("anogan"), {.minimum_rows = 15, .pooled_rows = 40});
  std::vector<std::string> groups;
  for (int r = 0; r < 40; ++r) groups.push_back(r % 5 == 0 ? "few" : r % 2 == 0 ? "even" : "odd");
  fleet.fit(training.view(), groups);
  bases["fleet"] = saved(fleet);
  bases["fleet"].tensors.erase("group_checksums");  // an edit would always be noticed
  bases["fleet of version 2"] = test::as_version_2(bases["fleet"]);
  for (const bool is_fleet : {false, true}) {
    ShardedTraining sharded{.options = tiny("gain,knn"), .rows = training.view()};
    if (is_fleet) sharded = {.options = tiny("anogan,knn"), .rows = training.view(), .groups = groups};
    sharded.fleet_options = {.minimum_rows = 15, .pooled_rows = 40};
    const std::string path = file_with("part", "");
    fit_part(device, sharded, {}, path);
    bases[is_fleet ? "part of fleet" : "part"] = cugad::safetensors::read(path);
  }
  return bases;
}

/// A file may set a search of any length: callers can read the cost of scoring from the options.
bool scores_quickly(const DetectorOptions& options) {
  return static_cast<std::int64_t>(options.search_steps + 1) * options.restarts < most_scoring_work / 1000 &&
         options.bank_rows <= most_scoring_work;
}

template <class Model, class Score>
void check_use(Model model, const Score& score) {
  if (!scores_quickly(model.options()) || model.columns() > 64) return;
  const Matrix queries = [&] {
    Matrix matrix(3, model.columns());
    for (std::size_t i = 0; i < matrix.data.size(); ++i) matrix.data[i] = static_cast<float>(i % 7) - 3.0f;
    return matrix;
  }();
  const std::vector<float> first = score(model, queries);
  const std::vector<std::byte> bytes = model.save();
  try {
    Model again = Model::load(Device::open("cpu", 1), bytes);
    require(test::same_bits(score(again, queries), first), "saved and loaded again, a model gives other scores");
  } catch (const Error& error) {
    require(false, std::string("a model that was loaded and saved is refused: ") + error.what());
  }
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool model(std::string_view input) {
  static const auto bases = make_bases();
  const std::size_t end = std::min(input.find('\n'), input.size());
  const auto base = bases.find(input.substr(0, end));
  if (base == bases.end()) return false;
  const auto file = edited(base->second, input.substr(std::min(end + 1, input.size())));
  const Device device = Device::open("cpu", 1);
  try {
    std::vector<std::byte> bytes = cugad::safetensors::to_bytes(file);
    if (file.metadata.contains("part.options")) {
      // Merging scores the calibration rows.
      const DetectorOptions options = options_from_json(file.metadata.at("part.options"), DetectorOptions{});
      if (!scores_quickly(options) || options.population > 16) return false;
      const std::string part = file_with("part", text_of(bytes)), merged = file_with("merged", "");
      merge_parts(device, std::vector<std::string>{part}, merged);
      bytes = cugad::safetensors::to_bytes(cugad::safetensors::read(merged));
    }
    if (Fleet::is_fleet(bytes)) {
      check_use(Fleet::load(device, bytes), [](Fleet& fleet, const Matrix& queries) {
        return fleet.score(queries.view(), std::vector<std::string>{"even", "few", "unknown"});
      });
    } else {
      check_use(Detector::load(device, bytes), [](Detector& detector, const Matrix& queries) {
        std::vector<Explanation> explanations;
        return detector.explain(queries.view(), 2, explanations);
      });
    }
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

}  // namespace cugad::fuzz
