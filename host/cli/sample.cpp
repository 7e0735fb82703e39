#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

/// The generator makes all rows in one piece: a bound on the cells keeps a slip of the finger from eating the memory.
constexpr std::int64_t largest_cells = 1'000'000'000;

/// One categorical column: the features of its values.
struct Category {
  std::string name;
  std::vector<std::string> values;
  std::int64_t first_feature = 0;
};

/// Finds the one-hot groups among features called "service=http". A column name may itself hold a '=', so the names
/// are taken from the encoder rather than cut out of the feature names.
std::vector<Category> categories(const TableEncoder& encoder) {
  const std::vector<std::string>& features = encoder.feature_names();
  std::vector<Category> found;
  auto feature = static_cast<std::size_t>(encoder.numeric_features());
  for (const std::string& name : encoder.read_options().text_columns) {
    Category category{name, {}, static_cast<std::int64_t>(feature)};
    const std::string prefix = name + "=";
    for (; feature < features.size() && features[feature].starts_with(prefix); ++feature) {
      category.values.push_back(features[feature].substr(prefix.size()));
    }
    found.push_back(std::move(category));
  }
  return found;
}

/// The value whose feature is largest; a missing cell if the training rows had no value at all.
std::string decoded(const Category& category, const float* row) {
  if (category.values.empty()) return "";
  const float* first = row + category.first_feature;
  const auto largest = std::max_element(first, first + category.values.size()) - first;
  return category.values[static_cast<std::size_t>(largest)];
}

void write_rows(const FittedModel& model, const Matrix& rows, const Append& append) {
  const std::vector<std::string>& names = model.detector.column_names();
  const std::int64_t numeric = model.encoder ? model.encoder->numeric_features() : rows.columns;
  const std::vector<Category> decoding = model.encoder ? categories(*model.encoder) : std::vector<Category>{};
  std::string line;
  const auto add_cell = [&](const std::string& cell) { line += (line.empty() ? "" : ",") + cell; };
  for (std::int64_t column = 0; column < numeric; ++column) {
    add_cell(csv_cell(names[static_cast<std::size_t>(column)]));
  }
  for (const Category& category : decoding) add_cell(csv_cell(category.name));
  append(line + '\n');
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    line.clear();
    for (std::int64_t column = 0; column < numeric; ++column) {
      const float value = rows.row(row)[column];
      const double offset = model.encoder ? model.encoder->offsets()[static_cast<std::size_t>(column)] : 0.0;
      add_cell(offset == 0 ? fmt::format("{}", value) : fmt::format("{}", offset + value));
    }
    for (const Category& category : decoding) add_cell(csv_cell(decoded(category, rows.row(row))));
    append(line + '\n');
  }
}

void sample(const FlagSet& flags) {
  flags.required_text("count");
  const std::string& output = flags.text("output");
  check_csv_name(output, {".gz"});
  check_no_other_file("output", output, std::array{flags.text("model")});
  FittedModel model = load_model(flags.open_device(), flags.required_text("model"));
  const std::int64_t columns = model.detector.columns();
  const std::int64_t count = flags.integer("count", 0, 1, std::max<std::int64_t>(1, largest_cells / columns));
  const auto seed = static_cast<std::uint64_t>(flags.integer("seed", 42, 0, std::numeric_limits<std::int64_t>::max()));
  if (!output.empty()) check_writable(output);
  Matrix rows(count, columns);
  model.detector.sample(count, seed, rows.data);
  write_result(output, [&](const Append& append) { write_rows(model, rows, append); });
}

}  // namespace

Run add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Draw synthetic rows from a model, as csv");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("count", "N", "Number of rows");
  flags->add_text("output", "FILE", "File to write, .csv [standard output]");
  flags->add_text("seed", "N", "Seed of the draw [42]");
  flags->add_device();
  return [flags] { sample(*flags); };
}

}  // namespace cugad::cli
