#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/floating_point.hpp"
#include "host/table/readers.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

enum class FileKind { csv, npy, npz, idx, empty, unknown };

FileKind kind_by_content(std::string_view start) {
  if (start.empty()) return FileKind::empty;
  if (start.starts_with("\x93NUMPY")) return FileKind::npy;
  if (start.starts_with("PK\x03\x04") || start.starts_with("PK\x05\x06")) return FileKind::npz;
  if (start.size() >= 4 && start[0] == 0 && start[1] == 0 && start[2] >= 0x08 && start[2] <= 0x0e) return FileKind::idx;
  // The rest is csv or an unknown format. A byte order mark of UTF-16 is left to the csv reader, which reports it.
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) return FileKind::csv;
  const auto is_binary = [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte == 0x7f || (byte < 0x20 && letter != '\t' && letter != '\n' && letter != '\r' && letter != '\f');
  };
  return std::any_of(start.begin(), start.end(), is_binary) ? FileKind::unknown : FileKind::csv;
}

/// The format that the name implies, or `unknown`.
FileKind kind_by_name(std::string_view path) {
  if (path.ends_with(".gz")) path.remove_suffix(3);
  if (path.ends_with(".csv")) return FileKind::csv;
  if (path.ends_with(".npy")) return FileKind::npy;
  if (path.ends_with(".npz")) return FileKind::npz;
  const std::string_view base = path.substr(path.rfind('/') + 1);
  if (base.ends_with("-ubyte") || base.find(".idx") != std::string_view::npos) return FileKind::idx;
  return FileKind::unknown;
}

const char* kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::npy:
      return "npy";
    case FileKind::npz:
      return "npz";
    case FileKind::idx:
      return "idx";
    default:
      return "csv";
  }
}

}  // namespace

std::unique_ptr<TableReader> open_table(const std::string& path, const ReadOptions& options) {
  const FloatingPointEnvironment environment;
  const std::string file = path == "-" ? "standard input" : one_line(path, 4096);
  std::unique_ptr<PeekableSource> source = open_bytes(path, file);
  if (path == "-") return open_csv(std::move(source), file, options);

  constexpr std::size_t bytes_to_look_at = 64;
  const FileKind kind = kind_by_content(source->peek(bytes_to_look_at));
  const FileKind promised = kind_by_name(path);
  const bool holds_text = kind == FileKind::csv && promised != FileKind::csv && promised != FileKind::unknown;
  if (holds_text || (kind == FileKind::unknown && promised != FileKind::unknown)) {
    throw Error(ErrorCode::format, fmt::format("{}: holds no {} table, despite its name", file, kind_name(promised)));
  }
  switch (kind) {
    case FileKind::csv:
      return open_csv(std::move(source), file, options);
    case FileKind::npy:
      return open_npy(std::move(source), file, options);
    case FileKind::npz:
      source.reset();
      return open_npz(path, file, options);
    case FileKind::idx:
      return open_idx(std::move(source), file, options);
    case FileKind::empty:
      throw Error(ErrorCode::format, fmt::format("{}: is empty, expected a table", file));
    case FileKind::unknown:
      break;
  }
  throw Error(ErrorCode::format, fmt::format("{}: is of an unknown kind, expected csv, npy, npz or idx", file));
}

Table read_table(const std::string& path, const ReadOptions& options) {
  try {
    Table table;
    open_table(path, options)->read(table, std::numeric_limits<std::int64_t>::max());
    return table;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, fmt::format("{}: the table does not fit into memory", one_line(path, 4096)));
  }
}

}  // namespace cugad
