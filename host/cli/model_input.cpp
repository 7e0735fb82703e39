#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <utility>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/input_table.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t chunk_rows = 8192, chunk_cells = std::int64_t{8} << 20;
/// With a fleet, each of its models is brought in once for the rows of a chunk: the larger, the fewer times.
constexpr std::int64_t fleet_chunk_cells = std::int64_t{16} << 20;

struct Chunk {
  Table table;
  Matrix rows;
};

/// Returns the result of `read`, but ignores its error after a signal, which closes standard input.
template <class Read>
auto unless_cancelled(const Read& read) {
  try {
    return read();
  } catch (const Error&) {
    stop_if_cancelled();
    throw;
  }
}

ReadOptions read_options(const FittedModel& model, const std::string& input, const FlagSet& flags,
                         const std::string& label_column, const std::vector<std::string>& carried) {
  ReadOptions options;
  if (model.encoder) {
    // Only features are looked at: other columns may hold anything.
    options = model.encoder->read_options();
    // A table without names may lack the label.
    if (!options.names.empty() && !model.labels.column.empty()) {
      std::vector<std::string> names = options.names.front();
      std::erase(names, model.labels.column);
      options.names.insert(options.names.begin() + 1, std::move(names));
    }
  } else {
    if (!label_column.empty()) options.text_columns.push_back(label_column);
    if (model.fleet) options.text_columns.push_back(model.group_column);
    options.text_columns.insert(options.text_columns.end(), carried.begin(), carried.end());
  }
  options.format = table_format(flags, input, model.format);
  options.adapt_separator = !flags.given("separator");
  options.mark_errors = flags.has("on_error") && marks_errors(flags);
  options.as_it_comes = true;
  return options;
}

/// Adds advice to the error of a table whose first line was read as the header, as in the training table, and has no
/// column name of the model.
void check_header(const TableEncoder& encoder, const TableReader& reader, const std::string& input) {
  if (reader.format().header != TableFormat::Header::yes) return;
  const ReadOptions options = encoder.read_options();
  if (options.by_position) return;
  const ColumnIndex index(reader.column_names());
  for (const auto* names : {&*options.numeric_columns, &options.text_columns}) {
    for (const std::string& name : *names) {
      if (index.exact(name)) return;
    }
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: its header ('{}', ...) names no column of the model, expected '{}', ...; --header no if "
                          "the first line is data",
                          input == "-" ? "standard input" : input, one_line(reader.column_names().front()),
                          one_line(encoder.feature_names().front())));
}

}  // namespace

ModelInput::ModelInput(FittedModel& model, const std::string& input, const FlagSet& flags,
                       const std::string& label_column, const std::vector<std::string>& carried, bool keep_text)
    : model_(model) {
  unless_cancelled([&] {
    if (is_image_folder(input)) return open_images(input, flags);
    options_ = read_options(model, input, flags, label_column, carried);
    options_.keep_text = keep_text;
    reader_ = open_input(input, options_);
    names_ = reader_->column_names();
    check_no_image_flags(flags, input);
    const bool has_one_thread = flags.has("threads") && flags.integer("threads", 0, 1, 4096) == 1;
    // A pipe may keep its reader waiting, which then could not end the command.
    reads_ahead_ = is_regular_file(input) && !model.fleet && !has_one_thread;
  });
  if (reader_ && model.encoder) check_header(*model.encoder, *reader_, input);
  told_ = notes();
  for (const std::string& note : told_) print_note("cugad: note: " + note);
}

/// Images go to the model as they are, so that it must have been trained on images, or on their numbers.
void ModelInput::open_images(const std::string& input, const FlagSet& flags) {
  ImageOptions options = image_options(flags, input, model_.format.image);
  options.patch_stride = model_.patch_stride;
  images_.emplace(input, options);
  names_ = {file_column, folder_column};
  const std::int64_t columns = model_.detector.columns(), cells = cells_of(images_->shape());
  const std::int64_t given =
      model_.conditions ? static_cast<std::int64_t>(model_.conditions->feature_names().size()) : 0;
  if (cells + given != columns) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: images of {} have {} values, the model takes {} columns",
                                                         input, image_shape_text(images_->shape()), cells, columns));
  }
  if (!model_.encoder) return;
  const std::vector<double>& offsets = model_.encoder->offsets();
  const bool is_plain = model_.encoder->numeric_features() == columns &&
                        std::all_of(offsets.begin(), offsets.end(), [](double offset) { return offset == 0.0; });
  if (is_plain) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is a folder of images, and the model was trained on a table", input));
}

const std::vector<PatchGrid>& ModelInput::grids() const {
  static const std::vector<PatchGrid> none;
  return images_ ? images_->grids() : none;
}

void ModelInput::keep_shard(const std::string& input, const Shard& shard) {
  if (images_) throw UsageError("--shard is for tables: divide the images of a folder by --files or into folders");
  if (!is_regular_file(input))
    throw UsageError("--shard: the rows are counted first, so that the input must be a file, which can be read twice");
  ReadOptions counted = options_;
  counted.mark_errors = true;  // a row that cannot be read is the error of the shard that has it
  const auto counter = open_input(input, counted);
  Table chunk;
  std::int64_t rows = 0;
  while (unless_cancelled([&] { return counter->read(chunk, chunk_rows); })) {
    stop_if_cancelled();
    rows += chunk.rows;
  }
  first_kept_ = rows * (shard.number - 1) / shard.count;
  end_kept_ = rows * shard.number / shard.count;
}

/// The next chunk with rows that are kept, without the others.
bool ModelInput::read_kept(Table& chunk, std::int64_t most) {
  while (first_kept_ < end_kept_ && reader_->read(chunk, most)) {
    const std::int64_t begin = chunk.first_row, end = begin + chunk.rows;
    if (begin >= end_kept_) return false;
    if (end <= first_kept_) continue;
    if (begin >= first_kept_ && end <= end_kept_) return true;
    std::vector<std::int64_t> kept;
    for (std::int64_t r = std::max(begin, first_kept_); r < std::min(end, end_kept_); ++r) kept.push_back(r - begin);
    Table part = take_rows(chunk, kept);
    part.first_row = begin + kept.front();
    for (const auto& [row, reason] : chunk.unreadable) {
      if (row >= kept.front() && row <= kept.back()) part.unreadable.emplace(row - kept.front(), reason);
    }
    chunk = std::move(part);
    return true;
  }
  return false;
}

bool ModelInput::read(Table& chunk, Matrix& rows, std::int64_t most) {
  if (images_) {
    if (!images_->read(chunk, rows, most)) return false;
    if (model_.conditions) rows = beside_each_other(rows, model_.conditions->encode(chunk));
    return true;
  }
  if (!read_kept(chunk, most)) return false;
  rows = model_.encode(chunk);
  return true;
}

void ModelInput::for_each_chunk(const std::function<void(const Table& chunk, const Matrix& rows)>& visit) {
  const std::int64_t cells = model_.fleet ? fleet_chunk_cells : chunk_cells;
  const std::int64_t as_many_cells = std::max<std::int64_t>(1, cells / model_.detector.columns());
  const std::int64_t most = model_.fleet ? std::max(chunk_rows, as_many_cells) : std::min(chunk_rows, as_many_cells);
  Chunk here, ahead;
  Chunk& next = reads_ahead_ ? ahead : here;
  const auto read_next = [&] { return read(next.table, next.rows, most); };
  // Deferred, a chunk is read when it is needed, and so it is if the system starts no thread.
  const auto when = reads_ahead_ ? std::launch::async | std::launch::deferred : std::launch::deferred;
  std::future<bool> coming = std::async(when, read_next);
  while (unless_cancelled([&] { return coming.get(); })) {
    stop_if_cancelled();
    if (reads_ahead_) std::swap(here, ahead);
    coming = std::async(when, read_next);
    const Table& chunk = here.table;
    if (!chunk.unreadable.empty() && model_.unreadable_rows == 0) {
      model_.unreadable_example = chunk.unreadable.begin()->second;
    }
    model_.unreadable_rows += static_cast<std::int64_t>(chunk.unreadable.size());
    visit(chunk, here.rows);
    rows_read_ += chunk.rows;
  }
  // Notes that need the whole file, for example repeated headers.
  for (const std::string& note : notes()) {
    if (std::find(told_.begin(), told_.end(), note) == told_.end()) print_note("cugad: note: " + note);
  }
}

}  // namespace cugad::cli
