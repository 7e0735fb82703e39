#include <fmt/format.h>

#include <array>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/feature_cells.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

/// Prints what the bands do not promise. `beyond`: how many lie beyond the training rows.
void note_bands(const Detector& detector, std::int64_t beyond) {
  constexpr std::int64_t enough_rows = 10;
  if (const std::int64_t rows = detector.calibration().rows; rows < enough_rows) {
    print_note(
        fmt::format("cugad: note: the model is calibrated on {} rows: its bands are no promise with fewer than {}",
                    rows, enough_rows));
  }
  if (beyond > 0) {
    print_note(
        fmt::format("cugad: note: bands of {} cells reach beyond the training rows' range, from its end outwards: the "
                    "model has seen no such values, and their bands are no promise",
                    grouped(beyond)));
  }
}

void fill(const std::string& input, const FlagSet& flags) {
  const std::string& output = flags.text("output");
  check_csv_name(output, {".gz"});
  check_no_other_file("output", output, std::array{input, flags.text("model")});
  const bool bands = flags.given("bands");
  const auto coverage = bands ? static_cast<float>(flags.number("bands", 0.01, 0.99)) : 0.9f;
  FittedModel model = load_model(flags.open_device(), flags.required_text("model"));
  model.detector.fill({nullptr, 0, model.detector.columns(), model.detector.columns()});  // throws if the model cannot
  if (!output.empty()) check_writable(output);
  ModelInput table(model, input, flags, "", {}, true);
  CompletedRows completed(model, table, flags.text("round") != "false", bands);
  const std::string header = completed.header();
  std::int64_t cells = 0, beyond = 0;
  write_result(output, [&](const Append& append) {
    append(header);
    table.for_each_chunk([&](const Table& chunk, const Matrix& rows) {
      Matrix filled(rows.rows, rows.columns), low(bands ? rows.rows : 0, rows.columns),
          high(bands ? rows.rows : 0, rows.columns);
      beyond += model.detector.fill(rows, filled.data, low.data, high.data, coverage);
      std::string text;
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        completed.count(chunk, r, rows.row(r));
        cells += completed.append(text, chunk, r, rows.row(r), filled.row(r), bands ? low.row(r) : nullptr,
                                  bands ? high.row(r) : nullptr);
      }
      append(text);
      if (output.empty()) flush_output();
    });
  });
  warn_of_unseen_values(model);
  completed.print_notes();
  if (bands) note_bands(model.detector, beyond);
  print_note(fmt::format("cugad: note: cells filled: {}; rows: {}", grouped(cells), grouped(table.rows_read())));
}

}  // namespace

Run add_fill(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("fill", "Fill a table's missing cells with predictions from the others of their row");
  const auto input = add_input(*command, "Table of the training table's columns; - is csv on standard input");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file, of a training with --method gain or --preset tables");
  flags->add_text("output", "FILE", "File to write, .csv [standard output]");
  flags->add_text("bands", "C", "Add columns NAME_low and NAME_high, between which a share C of the true values lies");
  flags->add_boolean("round", "Give numbers the decimals that their column has in the training table", true);
  add_table_flags(*flags);
  flags->add_device();
  return [input, flags] { fill(*input, *flags); };
}

}  // namespace cugad::cli
