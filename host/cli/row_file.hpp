#pragma once

#include <map>
#include <string>

#include "cugad/tensor.hpp"
#include "host/cli/training_table.hpp"
#include "host/model_file/mapped_memory.hpp"

namespace cugad::cli {

/// The encoded training rows of a table in a file that is mapped (train --out-of-core): an npy file of float32, and
/// behind its rows what they were made from, with a checksum of all. docs/file_formats.md has the layout.
class RowFile {
 public:
  /// Makes the file of a table, with bounded memory, unless it exists: then its checksum is compared, and that it was
  /// made from this table with these flags. Throws UsageError for an input that cannot be read twice, Error{format} for
  /// a damaged file, Error{invalid_argument} for one of other rows.
  static RowFile make(const std::string& path, const std::string& input, const FlagSet& flags,
                      const DetectorOptions& options);

  MatrixView<const float> rows() const { return rows_; }
  /// Its rows are not there.
  const TrainingTable& table() const { return table_; }
  const TableEncoder& encoder() const { return encoder_; }
  /// Of the file: for other files of the training.
  std::string directory() const;

 private:
  explicit RowFile(const std::string& path);
  void check_origin(const std::map<std::string, std::string>& origin) const;

  std::string path_;
  MappedMemory memory_;
  std::map<std::string, std::string> notes_;
  TrainingTable table_;
  TableEncoder encoder_;
  MatrixView<const float> rows_;
};

}  // namespace cugad::cli
