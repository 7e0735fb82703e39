#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/feature_cells.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/image_output.hpp"
#include "host/cli/output.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

/// The generator makes all rows in one piece: a bound on the cells keeps a slip of the finger from eating the memory.
constexpr std::int64_t largest_cells = 1'000'000'000;

void write_rows(const FittedModel& model, const Matrix& rows, const Append& append) {
  const std::vector<std::string>& names = model.detector.column_names();
  const std::int64_t numeric = model.encoder ? model.encoder->numeric_features() : rows.columns;
  const std::vector<CategoricalColumn> decoding =
      model.encoder ? categorical_columns(*model.encoder) : std::vector<CategoricalColumn>{};
  std::string line;
  const auto add_cell = [&](const std::string& cell) { line += (line.empty() ? "" : ",") + cell; };
  for (std::int64_t column = 0; column < numeric; ++column) {
    add_cell(csv_cell(names[static_cast<std::size_t>(column)]));
  }
  for (const CategoricalColumn& column : decoding) add_cell(csv_cell(column.name));
  append(line + '\n');
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    line.clear();
    for (std::int64_t column = 0; column < numeric; ++column) {
      const float value = rows.row(row)[column];
      const double number = table_number(model, column, value);
      add_cell(number == double{value} ? fmt::format("{}", value) : fmt::format("{}", number));
    }
    for (const CategoricalColumn& one : decoding) add_cell(csv_cell(one.decoded(rows.row(row))));
    append(line + '\n');
  }
}

/// The values of --condition C=V,... in the order of the model's condition columns: of a category, 1 for its value.
std::vector<float> condition_of(const FittedModel& model, const FlagSet& flags) {
  const DetectorOptions& options = model.detector.options();
  const std::vector<std::string>& names = model.detector.column_names();
  std::vector<std::string> given = split_list(flags.text("condition"));
  const auto is_of = [](const std::string& column, const std::string& name) {
    return column == name || column.starts_with(name + "=");
  };
  std::vector<float> values;
  std::vector<bool> is_used(given.size(), false);
  std::vector<std::string> known;
  for (const std::string& column : names) {
    const bool is_condition = std::any_of(options.condition.begin(), options.condition.end(),
                                          [&](const std::string& name) { return is_of(column, name); });
    if (!is_condition) continue;
    known.push_back(column);
    values.push_back(column.find('=') == std::string::npos ? std::numeric_limits<float>::quiet_NaN() : 0.0f);
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i] == column) {
        values.back() = 1.0f;
        is_used[i] = true;
      } else if (given[i].starts_with(column + "=")) {
        double number = 0.0;
        if (parse_cell(given[i].substr(column.size() + 1), number) != CellKind::number)
          throw UsageError(fmt::format("--condition {}: expected a number", one_line(given[i])));
        values.back() = static_cast<float>(number);
        is_used[i] = true;
      }
    }
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (is_used[i]) continue;
    constexpr std::size_t most = 10;
    const std::size_t count = std::min(most, known.size());
    throw UsageError(fmt::format(
        "--condition {}: the model has {}", one_line(given[i]),
        known.empty()
            ? "no conditions"
            : fmt::format("{}{}", fmt::join(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(count), ", "),
                          count < known.size() ? ", ..." : "")));
  }
  return given.empty() ? std::vector<float>() : values;
}

void write_images(const FittedModel& model, const Matrix& rows, const std::string& folder) {
  const ImageShape& shape = *model.detector.options().image;
  const auto cells = static_cast<std::size_t>(cells_of(shape));
  const float white = white_of(rows.data);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    write_png(path_of_result(folder, fmt::format("{:06}", r)) + ".png",
              image_of_row({rows.row(r), cells}, shape, white));
  }
}

std::int64_t count_of(const FlagSet& flags, std::int64_t cells) {
  return flags.integer("count", 1, 1, std::max<std::int64_t>(1, largest_cells / std::max<std::int64_t>(1, cells)));
}

std::uint64_t seed_of(const FlagSet& flags) {
  return static_cast<std::uint64_t>(flags.integer("seed", 42, 0, std::numeric_limits<std::int64_t>::max()));
}

/// Draws of the missing cells of given rows. These are read whole: a draw depends on the row's position.
void sample_given(const FlagSet& flags, FittedModel& model) {
  const std::string &output = flags.text("output"), &given = flags.required_text("given");
  ModelInput table(model, given, flags, "", {}, true);
  CompletedRows completed(model, table, true, false);
  std::vector<Table> chunks;
  Matrix rows(0, model.detector.columns());
  table.for_each_chunk([&](const Table& chunk, const Matrix& encoded) {
    chunks.push_back(chunk);
    rows.data.insert(rows.data.end(), encoded.data.begin(), encoded.data.end());
    rows.rows += encoded.rows;
  });
  const std::int64_t count = count_of(flags, rows.rows * rows.columns);
  Matrix drawn(rows.rows * count, rows.columns);
  model.detector.sample(rows, count, seed_of(flags), drawn.data);
  write_result(output, [&](const Append& append) {
    append(completed.header());
    std::int64_t row = 0;  // of the draws
    for (const Table& chunk : chunks) {
      for (std::int64_t r = 0; r < chunk.rows; ++r) {
        completed.count(chunk, r, rows.row(row / count));
        std::string text;
        for (std::int64_t k = 0; k < count; ++k, ++row) {
          completed.append(text, chunk, r, rows.row(row / count), drawn.row(row), nullptr, nullptr);
        }
        append(text);
      }
    }
  });
  warn_of_unseen_values(model);
  completed.print_notes();
}

void sample(const FlagSet& flags) {
  const bool has_given = flags.given("given");
  if (!has_given) flags.required_text("count");
  const std::string& output = flags.text("output");
  FittedModel model = load_model(flags.open_device(), flags.required_text("model"));
  const bool makes_images =
      model.detector.options().image && !output.empty() && !output.ends_with(".csv") && !output.ends_with(".csv.gz");
  if (!makes_images) {
    check_csv_name(output, {".gz"});
    check_no_other_file("output", output, std::array{flags.text("model"), flags.text("given")});
    if (!output.empty()) check_writable(output);
  }
  if (has_given) return sample_given(flags, model);
  const std::int64_t columns = model.detector.columns(), count = count_of(flags, columns);
  Matrix rows(count, columns);
  model.detector.sample(count, seed_of(flags), condition_of(model, flags), rows.data);
  if (makes_images) return write_images(model, rows, output);
  write_result(output, [&](const Append& append) { write_rows(model, rows, append); });
}

}  // namespace

Run add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Draw synthetic rows from a model, as csv");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("count", "N", "Number of rows; with --given, draws of each row [1]");
  flags->add_text("given", "FILE", "Table whose missing cells are drawn given its other cells (a model with gain)");
  flags->add_text("condition", "C=V,...", "Conditions of the rows, of a model with conditions");
  flags->add_text("output", "FILE", "File to write, .csv [standard output]; of a model of images also a folder of PNG");
  flags->add_text("seed", "N", "Seed of the draw [42]");
  add_table_flags(*flags);
  flags->add_device();
  return [flags] { sample(*flags); };
}

}  // namespace cugad::cli
