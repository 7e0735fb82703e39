#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/properties.h>

#include <memory>
#include <utility>

#include "cugad/arrow.hpp"
#include "cugad/error.hpp"
#include "host/cli/input_table.hpp"
#include "host/text/cell.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t batch_rows = 16384;

void check(const arrow::Status& status, const std::string& file) {
  if (status.ok()) return;
  const ErrorCode code = status.IsIOError() ? ErrorCode::input_output : ErrorCode::format;
  throw Error(code, fmt::format("{}: cannot be read as a Parquet file: {}", file, one_line(status.message(), 200)));
}

template <class T>
T checked(arrow::Result<T> result, const std::string& file) {
  check(result.status(), file);
  return std::move(result).ValueUnsafe();
}

/// The batches of a file, which lives as long as they are read.
class ParquetReader : public TableReader {
 public:
  ParquetReader(std::unique_ptr<parquet::arrow::FileReader> file, ArrowArrayStream& stream, const ReadOptions& options,
                const std::string& name)
      : file_(std::move(file)), batches_(stream, options, name) {}

  const std::vector<std::string>& column_names() const override { return batches_.column_names(); }
  bool read(Table& chunk, std::int64_t max_rows) override { return batches_.read(chunk, max_rows); }
  std::vector<std::string> header() const override { return batches_.header(); }

 private:
  std::unique_ptr<parquet::arrow::FileReader> file_;
  ArrowReader batches_;
};

std::unique_ptr<TableReader> open_file(const std::string& path, const std::string& file, const ReadOptions& options) {
  parquet::arrow::FileReaderBuilder builder;
  check(builder.Open(checked(arrow::io::ReadableFile::Open(path), file)), file);
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_batch_size(batch_rows);
  properties.set_pre_buffer(false);  // would hold whole row groups
  builder.properties(properties);
  std::unique_ptr<parquet::arrow::FileReader> reader = checked(builder.Build(), file);
  std::shared_ptr<arrow::RecordBatchReader> batches = checked(reader->GetRecordBatchReader(), file);
  ArrowArrayStream stream = {};
  check(arrow::ExportRecordBatchReader(std::move(batches), &stream), file);
  return std::make_unique<ParquetReader>(std::move(reader), stream, options, file);
}

}  // namespace

std::unique_ptr<TableReader> open_parquet(const std::string& path, const ReadOptions& options) {
  const std::string file = one_line(path, 4096);
  try {
    return open_file(path, file, options);
  } catch (const parquet::ParquetException& error) {  // thrown for some damaged files
    throw Error(ErrorCode::format,
                fmt::format("{}: cannot be read as a Parquet file: {}", file, one_line(error.what(), 200)));
  }
}

}  // namespace cugad::cli
