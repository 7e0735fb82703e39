#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/fleet.hpp"
#include "cugad/image.hpp"
#include "cugad/shards.hpp"
#include "cugad/table.hpp"
#include "host/cli/flags.hpp"

/// A model file as the command uses it: the detector, or the fleet of them, with the encoder of its tables.
namespace cugad::cli {

/// Which rows the model was trained on, kept in the model file.
struct LabelNote {
  std::string column;               ///< empty: there was none
  std::vector<std::string> normal;  ///< empty: all rows
};

struct FittedModel {
  Detector detector;                         ///< of a fleet: its pooled model
  std::optional<TableEncoder> encoder = {};  ///< a detector fitted by a program has none: its columns are all numeric
  std::optional<TableEncoder> conditions = {};  ///< of the columns beside the pixels of a folder of images
  LabelNote labels = {};
  TableFormat format = {};        ///< of the training table
  std::int32_t patch_stride = 0;  ///< of patches that folders of images are cut into; 0: they are not
  std::optional<Fleet> fleet = {};
  std::string group_column = {};        ///< empty without a fleet
  std::optional<float> threshold = {};  ///< in place of the model's own
  std::int64_t rows_without_value = 0;  ///< scored so far: they have no score
  std::int64_t unreadable_rows = 0;     ///< read so far with --on-error mark
  std::string unreadable_example = {};  ///< why the first of them could not be read

  Matrix encode(const Table& chunk);
  /// The group of each row; none without a fleet.
  std::vector<std::string> groups(const Table& chunk) const;
  /// Scores of rows, with the `explained` columns that explain each best if that is not 0.
  std::vector<float> score(MatrixView<const float> rows, std::span<const std::string> groups, int explained,
                           std::vector<Explanation>& explanations);
  /// Scores and those of each part, rows x parts. A fleet does not count the rows.
  std::vector<float> score_parts(MatrixView<const float> rows, std::span<const std::string> groups,
                                 std::vector<float>& of_parts);
  /// The threshold of each of `rows` rows: the given one, or that of the model that scores it.
  std::vector<float> thresholds(std::int64_t rows, std::span<const std::string> groups) const;
  std::vector<float> probability(std::span<const float> scores, std::span<const std::string> groups, Probability kind);
  std::vector<float> confidence(std::span<const float> scores, std::span<const std::string> groups);
};

/// The encoders of the training rows: of a table, or of what is beside the pixels of a folder of images.
struct Encoders {
  std::optional<TableEncoder> table = {}, conditions = {};
};

/// What load_model() needs of the training table, to be attached to the detector or fleet: by name. `group_column` is
/// empty without a fleet; `patch_stride`: how images are cut into patches, 0: they are not.
std::map<std::string, std::string> table_attachments(const Encoders& encoders, const LabelNote& labels,
                                                     const TableFormat& format, const std::string& group_column,
                                                     std::int32_t patch_stride);
/// The same back, of one table without images. Throws Error{format} that names the file for others.
void take_attachments(const std::map<std::string, std::string>& attachments, const std::string& path,
                      TableEncoder& encoder, LabelNote& labels, TableFormat& format);
std::string labels_to_json(const LabelNote& labels);
/// The rows of both, which have equally many.
Matrix beside_each_other(const Matrix& left, const Matrix& right);
FittedModel load_model(const Device& device, const std::string& path);
/// The same, of a file that may hold a fleet.
FittedModel load_model_or_fleet(const Device& device, const std::string& path);

/// Reads `input`, a table or a folder of images, in chunks with bounded memory, as the training table was read unless
/// the flags of add_table_flags() override it. A chunk ends early if the input pauses.
class ModelInput {
 public:
  /// `label_column` (empty: none) and `carried` are kept as text if they are not features. `keep_text`: as ReadOptions.
  ModelInput(FittedModel& model, const std::string& input, const FlagSet& flags, const std::string& label_column,
             const std::vector<std::string>& carried = {}, bool keep_text = false);
  /// Only the rows of a shard from now on: the rows of the file are counted, and each shard has as many, in their
  /// order. UsageError for an input that cannot be read twice, or is a folder.
  void keep_shard(const std::string& input, const Shard& shard);
  const std::vector<std::string>& column_names() const { return names_; }
  /// As the file has them; none if it has none.
  std::vector<std::string> header() const { return reader_ ? reader_->header() : std::vector<std::string>(); }
  TableFormat format() const { return reader_ ? reader_->format() : model_.format; }
  /// The images of a folder, or null.
  const ImageReader* images() const { return images_ ? &*images_ : nullptr; }
  /// How the images of the last chunk were cut into its rows; empty if every row of the chunk's table is one.
  const std::vector<PatchGrid>& grids() const;
  std::int64_t rows_read() const { return rows_read_; }
  /// Calls `visit` for each chunk with its rows as the detector takes them, or, of images that are cut, those of all
  /// patches. The next chunk of a file is read and encoded meanwhile, in a thread of its own.
  void for_each_chunk(const std::function<void(const Table& chunk, const Matrix& rows)>& visit);

 private:
  void open_images(const std::string& input, const FlagSet& flags);
  std::vector<std::string> notes() const { return images_ ? images_->notes() : reader_->notes(); }
  bool read(Table& chunk, Matrix& rows, std::int64_t most);
  bool read_kept(Table& chunk, std::int64_t most);

  FittedModel& model_;
  ReadOptions options_;                  ///< of a table
  std::unique_ptr<TableReader> reader_;  ///< of a table; null for a folder of images
  std::optional<ImageReader> images_;
  std::vector<std::string> names_;
  std::vector<std::string> told_;  ///< the reader's notes so far
  bool reads_ahead_ = false;
  std::int64_t rows_read_ = 0;
  std::int64_t first_kept_ = 0, end_kept_ = std::numeric_limits<std::int64_t>::max();  ///< rows of the file
};

/// Sets the thresholds by --threshold, --contamination or --false-alarm-rate, at most one of which is allowed.
void set_threshold(FittedModel& model, const FlagSet& flags);
/// Declares these flags.
void add_threshold_flags(FlagSet& flags, const std::string& what);

/// "12 with models of their own, 3 (40 rows) with the pooled one": the counts of groups, as text.
std::string describe_groups(const Fleet& fleet);

/// One line on standard error about category values that the training rows did not have; none if there were none.
void warn_of_unseen_values(const FittedModel& model);
/// One line on standard error about rows of a fleet that the pooled model scored; none if there were none.
void note_pooled_rows(const FittedModel& model);
/// One line on standard error about rows without any value, and one about those that could not be read; none if there
/// were none.
void note_rows_without_value(const FittedModel& model);
/// One line on standard error if thresholds and probabilities rest on rows that the models were trained on.
void note_calibration(const FittedModel& model);
/// Prints what the user of the scores has to know (Detector::notes()), a line each, but for the one that is known.
void print_notes(const Detector& detector, const std::string& known = {});
/// Prints a note if too few rows calibrate the detector for its threshold to keep the requested rate.
void note_threshold(const Detector& detector);

}  // namespace cugad::cli
