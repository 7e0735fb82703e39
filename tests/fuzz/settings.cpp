#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/config.hpp"
#include "host/detector/impl.hpp"
#include "host/report/training_history.hpp"
#include "tests/fuzz/targets.hpp"

/// Settings: TOML files and options in JSON.
namespace cugad::fuzz {
namespace {

/// Accepted options round-trip, as text and as JSON.
void check_options_hold(const DetectorOptions& options) {
  const std::string json = options_to_json(options);
  require(options_to_json(options_from_json(json)) == json, "options read from their own JSON differ");
  try {
    check_options(options);
    require(!options_of_methods(options).empty(), "options without a method");
  } catch (const Error& error) {
    check_message(error.what());
  }
}

}  // namespace

bool options(std::string_view input) {
  try {
    check_options_hold(options_from_json(std::string(input)));
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

bool config(std::string_view input) {
  try {
    DetectorOptions options;
    for (const cli::ConfigEntry& entry : cli::read_config(file_with("a.toml", input))) {
      check_message(entry.where);
      set_option(options, entry.name, entry.text);
    }
    check_options_hold(options);
    return true;
  } catch (const Error& error) {
    check_message(error.what());
  } catch (const cli::UsageError& error) {
    check_message(error.what());
  }
  return false;
}

bool training_log(std::string_view input) {
  try {
    const std::vector<FitProgress> history = training_history(input, "a.jsonl");
    OrderedJson training;
    const TakenApart parts(training);
    put_training(training, {}, history);
    for (const OrderedJson& phase : training["phases"]) {
      const std::size_t points = phase["steps"].size();
      require(points <= history.size() && points <= 200, "a curve that is too long");
      for (const OrderedJson& curve : phase["generator_loss"])
        require(curve.size() == points, "a curve of another length");
    }
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

}  // namespace cugad::fuzz
