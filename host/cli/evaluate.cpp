#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/backend/transfer.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/labels.hpp"
#include "host/cli/output.hpp"
#include "host/cli/pixel_evaluation.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

struct ScoredRows {
  std::vector<float> score;
  std::vector<float> margin;  ///< score - threshold of the row's model
  std::vector<std::uint8_t> anomaly;
  LabelValues values;
  std::int64_t without_label = 0;
};

ScoredRows score_labelled_rows(FittedModel& model, const std::string& input, const Labelling& labelling,
                               const FlagSet& flags, std::optional<PixelEvaluation>& pixels) {
  ScoredRows scored;
  ModelInput reader(model, input, flags, labelling.column);
  if (flags.given("masks")) pixels.emplace(flags, model, reader, input);
  RowStatus status(flags.boolean("quiet"));
  reader.for_each_chunk([&](const Table& chunk, const Matrix& rows) {
    const std::vector<std::string> groups = model.groups(chunk);
    std::vector<Explanation> none;
    std::vector<float> residuals;
    const std::vector<float> scores =
        scores_of_images(pixels ? model.detector.score_cells(rows, residuals)
                                : model.score(rows.view(), for_patches(groups, reader.grids()), 0, none),
                         reader.grids());
    std::vector<int> anomaly(scores.size(), -1);  // of rows that count
    const std::vector<float> thresholds = model.thresholds(chunk.rows, groups);
    const std::vector<std::int8_t> labels = labels_of(chunk, labelling);
    for (std::size_t r = 0; r < scores.size(); ++r) {
      if (chunk.unreadable.contains(static_cast<std::int64_t>(r))) continue;
      if (labels[r] < 0) {
        ++scored.without_label;
        continue;
      }
      if (std::isnan(scores[r])) {
        ++model.rows_without_value;
        continue;
      }
      scored.score.push_back(scores[r]);
      scored.margin.push_back(scores[r] - thresholds[r]);
      anomaly[r] = labels[r];
      scored.anomaly.push_back(static_cast<std::uint8_t>(labels[r]));
    }
    if (pixels) pixels->add(chunk, rows, residuals, anomaly, reader.grids());
    scored.values.add(chunk, labelling.column);
    status.update(chunk.first_row + chunk.rows);
  });
  return scored;
}

/// Area under the ROC curve and average precision, computed on the device of the scores.
std::pair<double, double> ranking_on(const Device& device, const ScoredRows& scored) {
  Context context = device.make_context();
  Arena arena(context);
  const auto rows = static_cast<std::int64_t>(scored.score.size());
  const auto score = arena.stack("scores", 1, 1, rows);
  const auto label = arena.stack<std::uint8_t>("labels", 1, 1, rows);
  const auto out = arena.stack<double>("measures", 1, 1, 2);
  const std::vector<std::uint8_t> labels(scored.anomaly.begin(), scored.anomaly.end());
  context.backend().copy(score.data, scored.score.data(), sizeof(float) * scored.score.size(), context.stream());
  context.backend().copy(label.data, labels.data(), labels.size(), context.stream());
  cugad::run(context, RankingMetrics{.score = score, .label = label, .out = out});
  const std::vector<double> measures = download(context, out.data, 2);
  return {measures[0], measures[1]};
}

/// Decides by the given or the model's threshold; in a fleet each row by that of its own model, so there is no single
/// number.
metrics::Decision decide_by_thresholds(const FittedModel& model, const ScoredRows& scored) {
  if (model.threshold) return metrics::decide(scored.anomaly, scored.score, *model.threshold);
  if (!model.fleet) return metrics::decide(scored.anomaly, scored.score, model.detector.threshold());
  metrics::Decision decision = metrics::decide(scored.anomaly, scored.margin, 0.0);
  decision.threshold = std::nan("");
  return decision;
}

void evaluate(const std::string& input, const FlagSet& flags) {
  if (flags.given("top_percent") && flags.number("top_percent", 0, 100) == 0) {
    throw UsageError("--top-percent must be above 0: the row with the highest score is always flagged");
  }
  for (const char* name : {"threshold", "contamination", "false_alarm_rate"}) {
    if (!flags.given("top_percent") || !flags.given(name)) continue;
    throw UsageError(fmt::format("--top-percent and --{} exclude each other", with_dashes(name)));
  }
  const Device device = flags.open_device();
  FittedModel model = load_model_or_fleet(device, flags.required_text("model"));
  set_threshold(model, flags);
  const Labelling labelling = read_labelling(flags, model, input);
  std::optional<PixelEvaluation> pixels;
  const ScoredRows scored = score_labelled_rows(model, input, labelling, flags, pixels);
  const auto rows = static_cast<std::int64_t>(scored.score.size());
  note_rows_without_label(scored.without_label, labelling.column);
  const auto anomalies = static_cast<std::int64_t>(std::count(scored.anomaly.begin(), scored.anomaly.end(), 1));
  if (anomalies == 0 || anomalies == rows) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} of {} rows are anomalies, both kinds are needed; column '{}' has {}", input,
                            anomalies, rows, labelling.column, scored.values.describe()));
  }
  const metrics::Decision decision =
      flags.given("top_percent")
          ? metrics::decide_top_percent(scored.anomaly, scored.score, flags.number("top_percent", 0, 100))
          : decide_by_thresholds(model, scored);
  const auto [auroc, average_precision] = ranking_on(device, scored);
  nlohmann::ordered_json result = {{"auroc", auroc},
                                   {"average_precision", average_precision},
                                   {"precision", decision.precision},
                                   {"recall", decision.recall},
                                   {"f1", decision.f1},
                                   {"threshold", decision.threshold},
                                   {"rows", rows},
                                   {"anomalies", anomalies},
                                   {"flagged", decision.flagged}};
  if (pixels) {
    result["pixel_auroc"] = pixels->auroc();
    result["region_overlap"] = pixels->region_overlap();
  }
  if (flags.boolean("json")) {
    print(result.dump() + '\n');
  } else {
    std::vector<std::vector<std::string>> lines;
    for (const auto& [name, value] : result.items()) {
      std::string text =
          value.is_number_integer() ? grouped(value.get<std::int64_t>()) : fmt::format("{:.6g}", value.get<double>());
      if (name == "threshold" && std::isnan(decision.threshold)) text = "that of each group";
      lines.push_back({name, text});
    }
    print(named_values(lines));
  }
  warn_of_unseen_values(model);
  note_pooled_rows(model);
  note_rows_without_value(model);
  if (!model.threshold && !flags.given("top_percent")) note_calibration(model);
}

}  // namespace

Run add_evaluate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "Compare the scores of a labelled table with its labels");
  const auto input = add_input(*command, "Labelled table, - is csv on standard input; or a folder of images");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("label_column", "C",
                  "Column of the labels [y for .npz, folder for images, else the one of the training]");
  flags->add_text("anomaly", "VALUE,...", "Labels of anomalies; all other rows are normal");
  flags->add_text("normal", "VALUE,...", "Labels of normal rows; all other rows are anomalies [those of the training]");
  flags->add_text("top_percent", "P", "Flag the P percent with the highest scores [by the model's threshold]");
  add_threshold_flags(*flags, "Flag the rows");
  add_table_flags(*flags);
  add_image_flags(*flags);
  add_error_flag(*flags);
  flags->add_text("masks", "DIR",
                  "Images: masks of the anomalous pixels, NAME.png or NAME_mask.png: measure the maps, too");
  flags->add_boolean("json", "Print one JSON object");
  flags->add_device();
  flags->add_boolean("quiet", "No progress");
  return [input, flags] { evaluate(*input, *flags); };
}

}  // namespace cugad::cli
