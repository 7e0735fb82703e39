#include "host/cli/row_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/model_file/checksum.hpp"
#include "host/text/json.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

using nlohmann::json;
using Notes = std::map<std::string, std::string>;

constexpr std::string_view magic = "cugad rows 1";
/// Behind the notes: their size, the checksum of all bytes before it, the magic.
constexpr std::size_t ending_bytes = sizeof(std::uint64_t) + sizeof(std::uint32_t) + magic.size();
/// Names of the notes.
constexpr const char *rows_key = "rows", *columns_key = "columns", *rows_in_file_key = "rows_in_table",
                     *table_key = "table", *flags_key = "flags";

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// The size of a file and the CRC-32 of its bytes.
std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path, std::strerror(errno)));
  safetensors::Checksum sum;
  std::vector<char> piece(std::size_t{1} << 20);
  std::uint64_t bytes = 0;
  while (file.read(piece.data(), std::ssize(piece)) || file.gcount() > 0) {
    stop_if_cancelled();
    sum.add(piece.data(), static_cast<std::size_t>(file.gcount()));
    bytes += static_cast<std::uint64_t>(file.gcount());
  }
  if (file.bad()) throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read", path));
  return fmt::format("{} bytes, CRC-32 {:08x}", bytes, sum.value());
}

/// What the rows depend on: the bytes of the table, and the flags that choose rows and columns.
Notes origin_of(const std::string& input, const FlagSet& flags, const DetectorOptions& options) {
  std::string given;
  const auto add = [&](const std::string& name, const std::string& text) {
    if (!text.empty()) given += fmt::format("{}--{} {}", given.empty() ? "" : " ", with_dashes(name), text);
  };
  for (const char* name : {"label_column", "normal", "categorical", "exclude", "include", "max_categories", "separator",
                           "decimal", "missing", "comment", "header", "array"}) {
    add(name, flags.text(name));
  }
  // Columns that they name are features, whatever they look like.
  add("condition", join_list(options.condition));
  add("target", join_list(options.target));
  const std::string log1p = join_list(options.log1p);
  if (log1p != "auto" && log1p != "numeric" && log1p != "none") add("log1p", log1p);
  return {{table_key, contents_of(input)}, {flags_key, given}};
}

void check_input(const std::string& path, const std::string& input, const FlagSet& flags,
                 const DetectorOptions& options) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (path == "-") throw UsageError("--out-of-core -: the rows need a file, which is mapped");
  if (fs::exists(path, ignored) && (!fs::is_regular_file(path, ignored) || fs::file_size(path, ignored) == 0)) {
    throw UsageError(
        fmt::format("--out-of-core {}: neither a new file nor one of rows; remove it, or name another file", path));
  }
  if (is_image_folder(input) || input == "-" || (fs::exists(input, ignored) && !fs::is_regular_file(input, ignored))) {
    throw UsageError(fmt::format("--out-of-core reads the table twice: {} is no file of a table", one_line(input)));
  }
  for (const char* name : {"group_by", "shard", "distributed", "patch_stride"}) {
    if (flags.given(name))
      throw UsageError(fmt::format("--out-of-core is for one detector: it does not go with --{}", with_dashes(name)));
  }
  if (options.trim != 0.0f) {
    throw UsageError("--out-of-core does not go with --trim, which compares all rows with each other in memory");
  }
  const std::array others = {input, flags.text("config"), flags.text("output"), flags.text("log")};
  check_no_other_file("out-of-core", path, others);
}

}  // namespace

RowFile RowFile::make(const std::string& path, const std::string& input, const FlagSet& flags,
                      const DetectorOptions& options) {
  check_input(path, input, flags, options);
  Notes notes = origin_of(input, flags, options);
  if (std::filesystem::exists(path)) {
    RowFile file(path);
    file.check_origin(notes);
    print_note(fmt::format("cugad: note: {} has the {} rows of the table from an earlier training", path,
                           grouped(file.rows_.rows)));
    return file;
  }
  check_writable(path);
  TrainingChunks chunks(input, flags, options);
  const TrainingTable& table = chunks.table();
  const std::int64_t rows = chunks.rows(), columns = std::ssize(chunks.encoder().feature_names());
  notes[rows_key] = std::to_string(rows);
  notes[columns_key] = std::to_string(columns);
  notes[rows_in_file_key] = std::to_string(table.rows_in_file);
  notes.merge(table_attachments({.table = chunks.encoder()}, table.labels, table.format, "", 0));
  write_result(path, [&](const Append& append) {
    safetensors::Checksum sum;
    const auto add = [&](std::string_view bytes) {
      sum.add(bytes.data(), bytes.size());
      append(bytes);
    };
    add(npy_header(fmt::format("{}, {}", rows, columns)));
    chunks.for_each([&](const Matrix& part) {
      add({reinterpret_cast<const char*>(part.data.data()), part.data.size() * sizeof(float)});
    });
    const std::string text = json(notes).dump();
    add(text);
    add(bytes_of(static_cast<std::uint64_t>(text.size())));
    append(bytes_of(sum.value()));
    append(magic);
  });
  return RowFile(path);
}

RowFile::RowFile(const std::string& path) : path_(path), memory_(path) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::format,
                fmt::format("{}: {}; remove it, and it is made again, or name another file", path_, what));
  };
  const std::string_view bytes(reinterpret_cast<const char*>(memory_.data()), memory_.size());
  if (bytes.size() < ending_bytes || !bytes.ends_with(magic))
    refuse("it is no file of rows that --out-of-core made, or not all of it");
  const std::size_t sum_at = bytes.size() - magic.size() - sizeof(std::uint32_t), size_at = bytes.size() - ending_bytes;
  std::uint32_t written = 0;
  std::memcpy(&written, bytes.data() + sum_at, sizeof written);
  safetensors::Checksum sum;
  sum.add(bytes.data(), sum_at);
  if (sum.value() != written)
    refuse(fmt::format("the file is damaged: its checksum is {:08x}, its contents give {:08x}", written, sum.value()));
  // What has that checksum was written whole: the rest guards against files that were made to deceive.
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data() + size_at, sizeof size);
  json parsed;
  const TakenApart parts(parsed);
  if (size > size_at || !parse_json(std::string(bytes.substr(size_at - size, size)), parsed) || !parsed.is_object())
    refuse("its notes are damaged");
  for (const auto& [name, value] : parsed.items()) {
    if (!value.is_string()) refuse(fmt::format("its note '{}' is damaged", one_line(name)));
    notes_[name] = value.get_ref<const std::string&>();
  }
  const auto number = [&](const char* name) {
    const std::string& text = notes_[name];
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > INT32_MAX)
      refuse(fmt::format("its note '{}' is damaged", name));
    return value;
  };
  const std::int64_t rows = number(rows_key), columns = number(columns_key);
  const std::string header = npy_header(fmt::format("{}, {}", rows, columns));
  const std::uint64_t cells = (size_at - size - std::min<std::uint64_t>(header.size(), size_at - size)) / sizeof(float);
  if (!bytes.starts_with(header) || cells != static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns))
    refuse("its notes are not about its rows");
  rows_ = {reinterpret_cast<const float*>(memory_.data() + header.size()), rows, columns};
  table_.rows_in_file = number(rows_in_file_key);
  take_attachments(notes_, path_, encoder_, table_.labels, table_.format);
  if (std::ssize(encoder_.feature_names()) != columns) refuse("its notes are not about its rows");
}

void RowFile::check_origin(const Notes& origin) const {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--out-of-core {}: its rows were made {}; remove it, or name another file", path_, what));
  };
  if (notes_.at(table_key) != origin.at(table_key)) refuse("of another table");
  if (notes_.at(flags_key) == origin.at(flags_key)) return;
  refuse(fmt::format("with other flags for rows and columns: {}, now {}", one_line(notes_.at(flags_key)),
                     one_line(origin.at(flags_key))));
}

std::string RowFile::directory() const {
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace cugad::cli
