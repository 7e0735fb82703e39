#pragma once

#include <array>
#include <memory>
#include <vector>

#include "host/onnx/networks.hpp"
#include "host/scores/anomaly_model.hpp"

namespace cugad::onnx {

/// The networks of one trained method in the graph, and what scoring rules compute with them, as ScoringNetworks does.
class ScoreNodes {
 public:
  /// `rows`: transformed ones, [1, batch, columns].
  ScoreNodes(Graph& graph, AnomalyModel& model, const Stack& rows);

  /// Scores of each part, float32 [parts, batch, 1]. `absent`: what missing and new cells stand for; empty: nothing.
  Value parts(const Value& absent);

 private:
  /// Per model; `residual` has one model if all have the same.
  struct RawScores {
    Value residual, logit;
  };
  RawScores raw_scores();
  RawScores bank_scores();
  RawScores nearest_row_scores();
  RawScores discriminator_scores();
  RawScores reconstruction_scores();
  RawScores latent_scores();
  RawScores cycle_scores();
  RawScores likelihood_scores();

  const DetectorOptions& options() const { return model_.options(); }
  const MethodNetworks& networks() const { return model_.networks(); }
  NetworkNodes& of(Role role);
  /// z = E(x), with the condition behind it, and the rows G(z).
  void encode();
  void reconstruct();
  /// The rows with their missing cells replaced.
  Stack filled(const Stack& replacement);
  /// D's pass over (filled, z).
  NetworkNodes::Pass judge(const Stack& filled);
  Value logit_of(const Stack& filled) { return judge(filled).result.value; }
  Value distance(const Stack& a, const Stack& b, Distance metric, const Value& scale = {});
  struct Nearest {
    Value distance;  ///< [models, batch, neighbours]
    Value rows;      ///< [models, batch, neighbours, columns]
  };
  /// The nearest of `bank_rows` rows of each model's bank [models * bank_rows, columns].
  Nearest find_nearest(const std::vector<float>& bank, std::int64_t models, std::int64_t neighbours);

  Graph& graph_;
  AnomalyModel& model_;
  Stack rows_, known_;  ///< as given, and with 0 in missing cells
  Value missing_;
  std::array<std::unique_ptr<NetworkNodes>, role_count> made_;
  Stack latent_, input_;  ///< z, and what G takes
  Stack reconstruction_;
};

/// (values - median) / spread in float64, compressed if `compress`; one of each model.
Value standardise(Graph& graph, const Value& values, const std::vector<ScoreStatistics>& statistics, bool compress);

/// A mean over models in float64, [1, batch, 1].
inline Value mean_over_models(Graph& graph, const Value& values) { return graph.reduce("ReduceMean", values, 0); }

/// The scores of cells given the others (host/scores/likelihood.cpp), float32 [1, batch, 1].
struct LikelihoodNodes {
  Graph& graph;
  AnomalyModel& model;
  NetworkNodes &generator, *discriminator;  ///< D is null where it has no weight
  Value rows, known, missing;               ///< [1, batch, columns]; 0 in missing cells

  Value score() const;

 private:
  /// Columns whose first one begins a cell, and the ends of these cells.
  struct Cells {
    Shape first, end;
    bool is_category(std::size_t cell) const { return end[cell] > first[cell] + 1; }
  };
  Cells cells() const;
  /// Visible cells and masks, as MaskColumns; hidden: [masks, batch, columns].
  Value shown(const Value& hidden, std::int64_t masks) const;
  Value masked(const Value& hidden, std::int64_t masks) const;
  Value numbers(const Value& statistics, const Shape& columns) const;
  Value category(const Value& statistics, std::int64_t begin, std::int64_t end) const;
  Value values(const Cells& cells) const;
  Value ranks(const Cells& cells, const Value& values) const;
  std::int64_t columns() const { return model.networks().columns; }
};

}  // namespace cugad::onnx
