#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cugad/export.h"
#include "cugad/table.hpp"

/// The structs of the Arrow C data interface and of the C stream interface, as its specification wants them written:
/// https://arrow.apache.org/docs/format/CDataInterface.html; a producer is whoever fills them.
extern "C" {

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};

#endif

}  // extern "C"

namespace cugad {

/// Reads the record batches of an Arrow stream as a table, in chunks of any size. Numbers are numbers; texts, truth
/// values ("true", "false"), dates and times (as ISO 8601 writes them) and whatever is dictionary-encoded are texts;
/// null is missing. A column that ReadOptions::text_columns lists, or that numeric_columns lacks, is text.
class CUGAD_API ArrowReader : public TableReader {
 public:
  /// Takes the stream over, as the interface allows: `stream` is released afterwards. `file`: begins messages, if it is
  /// not empty. Throws Error{invalid_argument} for a stream without columns or one that was read before.
  explicit ArrowReader(ArrowArrayStream& stream, const ReadOptions& options = {}, std::string file = {});
  ~ArrowReader() override;

  const std::vector<std::string>& column_names() const override;
  /// Reads these columns only, before the first chunk: kinds that no table has may be among the others.
  void keep(const std::vector<std::string>& names);
  /// Throws Error{unsupported} for a column of a kind that no table has, such as lists.
  bool read(Table& chunk, std::int64_t max_rows) override;
  std::vector<std::string> header() const override { return column_names(); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cugad
