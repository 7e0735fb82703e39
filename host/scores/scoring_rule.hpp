#pragma once

#include <memory>
#include <span>
#include <string>

#include "host/scores/scoring_networks.hpp"

namespace cugad {

/// Rows that a rule's tables of single columns hold at most.
constexpr std::int64_t most_table_rows = 2000;

/// How trained networks score a row: one class for each ScoreRule, in a file of its own. A rule holds the networks by
/// reference; it is copied with them.
class ScoringRule {
 public:
  virtual ~ScoringRule() = default;
  /// The same rule on a copy of the networks, with the same kept memory.
  virtual std::unique_ptr<ScoringRule> copy(ScoringNetworks& networks) const = 0;

  /// Makes what scoring reads besides the weights, in trained().kept().
  virtual void draw() {}
  /// Takes the memory that scoring so many rows at a time writes, in trained().working().
  virtual void take_memory(std::int64_t /*rows*/) {}

  /// Per model and row: the score, and D's logit where it is needed. Device memory, until the next call.
  struct RawScores {
    StackView<const float> residual, logit;
  };
  /// Whether the models' scores are parts of a row's score, each to be standardised before their mean is taken.
  virtual bool has_parts() const { return false; }
  /// From now on, or no longer, scores each row as if it were not among the training rows. False: the rule cannot, and
  /// only models that left out a row's fold score it as a new one.
  virtual bool leave_rows_out(bool /*leaves_out*/) { return false; }
  /// Scores of one chunk. with_residuals: the networks' feature_residual() must be filled then or by explain().
  virtual RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) = 0;

  /// Calibration rows [begin, end) and the models that have not seen them.
  struct HeldOutRows {
    std::int64_t begin, end;
    SomeModels models;
  };
  /// Learns what the rule compares rows with, and fills the scores [1, rows, 1] of these rows, each by the models that
  /// have not seen it. Returns false if a rule learns nothing. At most `chunk` rows are scored at a time.
  virtual bool learn(MatrixView<const float> /*rows*/, std::span<const HeldOutRows> /*parts*/, std::int64_t /*chunk*/,
                     StackView<float> /*scores*/) {
    return false;
  }
  /// What it has learnt: the values that calibration rows have in each column, ascending. Part of the model file.
  struct ColumnTable {
    StackView<float> value;         ///< [1, columns, most_table_rows]; null: the rule learns nothing
    StackView<std::int32_t> count;  ///< [1, columns, 1]
  };
  virtual ColumnTable column_table() const { return {}; }

  /// How missing cells add to the residual: the share of each column in it, and how shares are combined.
  struct AbsentForm {
    float weight = 0.0f;   ///< 0: the residual is not a sum over columns
    bool squared = false;  ///< the columns' squares are added, under a root if `root`
    bool root = false;
  };
  virtual AbsentForm absent_form() const { return {}; }
  /// Whether residuals count in units of their columns' spread.
  virtual bool scores_in_column_scales() const { return false; }
  /// Fills the residual per column where raw_scores has not.
  virtual void explain(MatrixView<const float>) {}
  /// The same with what the score itself rests on, whatever explanations do beyond it.
  virtual void find_column_residuals(MatrixView<const float> rows) { explain(rows); }
  /// How the latent search of so many rows runs on this device; empty if there is one way, or no search.
  virtual std::string search_path(std::int64_t /*rows*/) const { return ""; }

 protected:
  explicit ScoringRule(ScoringNetworks& networks) : networks_(&networks) {}
  ScoringRule(const ScoringRule&) = default;
  ScoringNetworks& trained() const { return *networks_; }
  const DetectorOptions& options() const { return networks_->options(); }
  Context& context() const { return networks_->context(); }
  /// A copy of a rule with its own type, for copy().
  template <class Rule>
  static std::unique_ptr<ScoringRule> copy_of(const Rule& rule, ScoringNetworks& networks) {
    auto other = std::make_unique<Rule>(rule);
    other->networks_ = &networks;
    return other;
  }
  /// The form of a residual that enters the score with that weight.
  AbsentForm sum_over_columns(float weight) const {
    const Distance residual = options().residual;
    if (residual != Distance::l2) return {.weight = weight, .squared = residual == Distance::squared};
    // Under a root that other terms are added to, what a column adds depends on the row.
    return {.weight = weight == 1.0f ? 1.0f : 0.0f, .squared = true, .root = true};
  }

 private:
  ScoringNetworks* networks_;
};

/// The rule of the options' `score`.
std::unique_ptr<ScoringRule> make_rule(ScoringNetworks& networks);

// Each rule's own file defines what makes it.
std::unique_ptr<ScoringRule> make_bank_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_search_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_discriminator_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_reconstruction_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_latent_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_cycle_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_nearest_rows_rule(ScoringNetworks& networks);
std::unique_ptr<ScoringRule> make_likelihood_rule(ScoringNetworks& networks);

}  // namespace cugad
