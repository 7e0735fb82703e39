#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <stdexcept>
#include <string>

/// The sub-commands of `cugad`. Each add_... function declares one on `app` and returns the function that runs it.
namespace cugad::cli {

/// Wrong usage of the command: exit code 2; any other failure is exit code 1.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Run = std::function<void()>;

Run add_train(CLI::App& app);
Run add_score(CLI::App& app);
Run add_evaluate(CLI::App& app);
Run add_report(CLI::App& app);
Run add_fill(CLI::App& app);
Run add_inpaint(CLI::App& app);
Run add_translate(CLI::App& app);
Run add_sample(CLI::App& app);
Run add_reproduce(CLI::App& app);
Run add_synthesize(CLI::App& app);
Run add_info(CLI::App& app);
Run add_extract(CLI::App& app);
Run add_export(CLI::App& app);
Run add_merge(CLI::App& app);

}  // namespace cugad::cli
