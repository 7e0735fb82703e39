#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/table.hpp"
#include "host/detector/cell_calibration.hpp"
#include "host/detector/column_roles.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/novelty.hpp"
#include "host/detector/score_calibration.hpp"
#include "host/detector/score_stream.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/options/method_options.hpp"

namespace cugad {

class Reader;

/// Throws Error{invalid_argument} unless both are UTF-8, as the model file needs them.
void check_attachment(const std::string& name, const std::string& text);

/// Throws Error{invalid_argument}, before a step is trained, where the texts of the model leave no room in its file.
void check_texts(const std::vector<std::string>& column_names, const std::map<std::string, std::string>& attachments,
                 bool is_fleet = false);

/// Models of a population that were trained elsewhere, in turn: those of each method that trains, in the order of the
/// options.
struct TrainedModels {
  struct OfMethod {
    std::map<Role, std::vector<float>> weights;  ///< to score with; one model after the other
    std::vector<ModelTelemetry> telemetry;
  };
  std::vector<OfMethod> methods;

  /// Adds the models that follow these.
  void append(const TrainedModels& next);
};

/// The only metadata with numbers that read_structure() reads.
constexpr const char* categories_key = "categories";

/// What a detector holds.
struct __attribute__((visibility("hidden"))) Detector::Impl {
  Impl(const Device& device_, DetectorOptions options_) : device(device_), options(std::move(options_)) {}

  /// residuals (optional): rows x columns, the mean |x - G(z)| of the population in transformed units; 0 for columns
  /// that are given.
  void score(MatrixView<const float> rows, float* scores, std::vector<float>* residuals, float* part_scores = nullptr,
             bool waits = true);
  void submit(MatrixView<const float> rows, float* scores, void* event);
  /// Another detector on the same model.
  std::unique_ptr<Impl> share();
  /// As Detector::fit; with `trained`, the models of the whole population, no step is trained.
  void fit(MatrixView<const float> rows, Columns columns, const FitControl& control,
           const TrainedModels* trained = nullptr);
  /// Trains models [first, first + count) of the population that fit() would train, and leaves the detector as it is.
  TrainedModels train(MatrixView<const float> rows, Columns columns, std::int64_t first, std::int64_t count,
                      const FitControl& control);
  /// All models of the population, a range on each of the devices.
  TrainedModels train_on_devices(MatrixView<const float> rows, const Columns& columns, const FitControl& control) const;
  class Fit;
  /// Makes the detector of trained members: prepares and calibrates them. (All but telemetry and names.)
  void finish(const DetectorOptions& resolved_options, std::vector<std::unique_ptr<AnomalyModel>> members,
              PreparedRows prepared);
  /// Learns the value of missing cells in the score. Returns the scores of the calibration rows.
  std::vector<float> calibrate(Ensemble& trained, PreparedRows& prepared);
  /// Replaces the residuals of absent and new cells of rows on the host by what the score rises by for them;
  /// `findings` is of each residual.
  void explain_novelty(MatrixView<const float> rows, std::vector<float>& residuals,
                       std::vector<Finding>& findings) const;
  /// Rows of cells that the model expects where rows on the host have none (NaN), in the caller's units; other cells
  /// have numbers without meaning. `has_range`: 90 % lie between low and high, which else are the value.
  struct Expectation {
    Matrix value, low, high;
    bool has_range = false;
  };
  Expectation expect(MatrixView<const float> rows);
  /// As Detector::explain, for some rows on the host with their scores.
  std::vector<Explanation> explain(MatrixView<const float> rows, const float* scores, const float* residuals,
                                   const Finding* findings, std::int64_t count);
  /// Fills the missing cells of rows, as Detector::fill.
  std::int64_t fill(MatrixView<const float> rows, std::span<float> filled, std::span<float> low, std::span<float> high,
                    float coverage);
  /// Draws the missing cells of rows, as Detector::sample.
  void sample(MatrixView<const float> given, std::int64_t count, std::uint64_t seed, float* rows);
  /// Whether inpaint() can fill the missing cells of rows.
  bool makes_images() const;
  bool translates() const;
  /// The rows themselves, or what `brought` then holds if they are in device memory.
  MatrixView<const float> on_host(MatrixView<const float> rows, std::vector<float>& brought) const;
  /// Transformed rows in the networks' order, whose missing cells are NaN.
  Matrix shown(Context& on_host, MatrixView<const float> rows) const;
  /// The member that predicts cells; Error{unsupported} if there is none, or it is not calibrated for it.
  AnomalyModel& cell_model() const;
  /// Throws Error{unsupported} for a model without calibration.
  const ScoreCalibration& calibrated() const;
  Calibration rests_on() const;
  /// Those notes that follow from the model, its calibration and the threshold, so that files need not hold them.
  std::vector<std::string> standing_notes() const;
  std::int64_t reference_rows() const;
  std::vector<float> probability(std::span<const float> scores, Probability kind) const;
  std::vector<float> confidence(std::span<const float> scores) const;
  /// Sets the threshold by one of the two; the other is 0.
  void rethreshold(float contamination, float false_alarm_rate);
  /// As a model file, and back (host/detector/model_file.cpp). from_file checks every value; Error{format} names the
  /// path and the field.
  safetensors::File to_file() const;
  /// to_file() for the caller: Error{invalid_argument} before fit or load.
  safetensors::File to_save() const;
  void from_file(const safetensors::File& file, const std::string& path);
  /// All of the file but its networks, for which the shapes of the tensors are enough.
  void read_settings(const safetensors::File& file, const std::string& path);
  /// The parts of from_file(). read_structure: options, columns, notes and attachments, and the shapes that tensors
  /// must have; read_numbers: statistics, calibration and whatever else differs between models of one structure.
  void read_structure(const Reader& reader, const safetensors::File& file);
  void read_numbers(const Reader& reader);
  void read_networks(const Reader& reader);
  /// Takes over what read_structure() reads.
  void take_structure(const Impl& other, std::uint64_t seed);

  Device device;
  DetectorOptions options;   ///< as given
  DetectorOptions resolved;  ///< with latent size, steps and decay decided by the rows
  std::vector<std::string> names;
  FeatureTransform transform;
  Novelty novelty;
  ColumnRoles roles;
  std::unique_ptr<Ensemble> model;
  std::unique_ptr<ScoreStream> stream;  ///< made for the first score
  std::vector<ModelTelemetry> telemetry;
  std::vector<std::string> notes;  ///< of the fit; see Detector::notes()
  std::int64_t chunk_limit = 0;    ///< see AnomalyModel::limit_chunk; 0: none
  float threshold = 0.0f;
  CellCalibration cells;                        ///< of a model that judges cells
  std::optional<ScoreCalibration> calibration;  ///< older model files have none
  std::map<std::string, std::string> attachments;
  const std::atomic<bool>* cancel = nullptr;  ///< see Detector::cancel_by
};

}  // namespace cugad
