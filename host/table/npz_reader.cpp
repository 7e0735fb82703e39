#include <fmt/format.h>
#include <zip.h>
#include <zlib.h>

#include "cugad/error.hpp"
#include "host/table/array_reader.hpp"
#include "host/table/column_names.hpp"
#include "host/table/npy_header.hpp"
#include "host/table/readers.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using ZipArchive = std::shared_ptr<zip_t>;

/// What a failure of libzip was: lack of memory, or else `otherwise`.
ErrorCode kind_of(const zip_error_t* error, ErrorCode otherwise) {
  const int code = zip_error_code_zip(error);
  const bool memory = code == ZIP_ER_MEMORY || (code == ZIP_ER_ZLIB && zip_error_code_system(error) == Z_MEM_ERROR);
  return memory ? ErrorCode::out_of_memory : otherwise;
}

ZipArchive open_archive(const std::string& path, const std::string& file) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (archive != nullptr) return ZipArchive(archive, ZipCloser());
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = one_line(zip_error_strerror(&error), 200);
  const bool unread = code == ZIP_ER_OPEN || code == ZIP_ER_READ || code == ZIP_ER_SEEK;
  const ErrorCode kind = kind_of(&error, unread ? ErrorCode::input_output : ErrorCode::format);
  zip_error_fini(&error);
  throw Error(kind, fmt::format("{}: cannot be opened as npz: {}", file, reason));
}

/// One member of an archive, decompressed on the way.
class MemberSource : public ByteSource {
 public:
  MemberSource(ZipArchive archive, zip_uint64_t index, std::string file)
      : archive_(std::move(archive)), file_(std::move(file)) {
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat_index(archive_.get(), index, 0, &status) == 0 && (status.valid & ZIP_STAT_SIZE) != 0) {
      size_ = status.size;
    }
    member_.reset(zip_fopen_index(archive_.get(), index, 0));
    if (member_ == nullptr) {
      throw Error(kind_of(zip_get_error(archive_.get()), ErrorCode::format),
                  fmt::format("{}: cannot be opened: {}", file_, one_line(zip_strerror(archive_.get()), 200)));
    }
  }
  std::size_t read(char* buffer, std::size_t size) override {
    const zip_int64_t count = zip_fread(member_.get(), buffer, size);
    if (count < 0) {
      zip_error_t* const error = zip_file_get_error(member_.get());
      throw Error(kind_of(error, ErrorCode::format),
                  fmt::format("{}: damaged: {}", file_, one_line(zip_error_strerror(error), 200)));
    }
    position_ += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }
  std::optional<std::uint64_t> remaining() const override {
    if (!size_ || *size_ < position_) return std::nullopt;
    return *size_ - position_;
  }

 private:
  ZipArchive archive_;  // outlives the member
  std::unique_ptr<zip_file_t, ZipCloser> member_;
  std::string file_;
  std::optional<std::uint64_t> size_;
  std::uint64_t position_ = 0;
};

std::string member_list(zip_t* archive) {
  constexpr zip_int64_t most = 10;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  std::string list;
  for (zip_int64_t i = 0; i < std::min(count, most); ++i) {
    const char* name = zip_get_name(archive, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    if (!list.empty()) list += ", ";
    list += name == nullptr ? "?" : one_line(name);
  }
  if (count > most) list += ", ...";
  return list.empty() ? "nothing" : list;
}

/// Null if the archive has no such array.
std::unique_ptr<ArrayReader> open_array(const ZipArchive& archive, const std::string& name, const std::string& file) {
  const zip_int64_t index = zip_name_locate(archive.get(), (name + ".npy").c_str(), 0);
  if (index < 0) return nullptr;
  const std::string place = fmt::format("{}, array {}", file, one_line(name));
  auto source = std::make_unique<MemberSource>(archive, static_cast<zip_uint64_t>(index), place);
  const ArrayLayout layout = read_npy_header(*source, place);
  return std::make_unique<ArrayReader>(std::move(source), layout, place);
}

/// The array of the rows: the requested one, else X, else the only one besides y.
std::string feature_array(zip_t* archive, const std::string& asked, const std::string& file) {
  if (!asked.empty()) return asked.ends_with(".npy") ? asked.substr(0, asked.size() - 4) : asked;
  if (zip_name_locate(archive, "X.npy", 0) >= 0) return "X";
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  std::vector<std::string> others;
  for (zip_int64_t i = 0; i < count && others.size() < 2; ++i) {
    const char* entry = zip_get_name(archive, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    const std::string name = entry == nullptr ? "" : entry;
    if (name.ends_with(".npy") && name != "y.npy") others.push_back(name.substr(0, name.size() - 4));
  }
  if (others.size() == 1) return others.front();
  throw Error(ErrorCode::format,
              fmt::format("{}: has no array X; it holds {}; choose one with --array", file, member_list(archive)));
}

class NpzReader : public TableReader {
 public:
  NpzReader(const std::string& path, const std::string& file, const ReadOptions& options)
      : array_(options.format.array) {
    const ZipArchive archive = open_archive(path, file);
    const std::string name = feature_array(archive.get(), array_, file);
    features_ = open_array(archive, name, file);
    if (features_ == nullptr) {
      throw Error(ErrorCode::format,
                  fmt::format("{}: has no array {}; it holds {}", file, one_line(name), member_list(archive.get())));
    }
    if (name != "y") label_ = open_array(archive, "y", file);
    ReadOptions of_features = options;
    of_features.text_columns.clear();  // they may name y
    features_->choose_columns(of_features);
    names_ = features_->column_names();
    if (label_ != nullptr) {
      if (label_->column_names().size() != 1 || label_->rows() != features_->rows()) {
        throw Error(
            ErrorCode::format,
            fmt::format("{}: array y has {} rows and {} columns, expected {} rows, as {} has, and 1 column", file,
                        label_->rows(), label_->column_names().size(), features_->rows(), one_line(name)));
      }
      label_->name_columns({"y"}, {true});
      names_.push_back("y");
    }
    if (options.numeric_columns) return;
    std::vector<bool> is_text = listed_as_text(names_, options, file);
    is_text.resize(features_->column_names().size());
    features_->name_columns(features_->column_names(), is_text);
  }

  const std::vector<std::string>& column_names() const override { return names_; }

  bool read(Table& chunk, std::int64_t max_rows) override {
    // The label's column is taken out first, so that its memory serves again.
    if (chunk.columns.size() == names_.size() && label_ != nullptr) chunk.columns.pop_back();
    const bool any = features_->read(chunk, max_rows);
    if (label_ != nullptr) {
      label_->read(label_chunk_, max_rows);
      chunk.columns.push_back(label_chunk_.columns.front());
    }
    return any;
  }
  TableFormat format() const override {
    TableFormat format = features_->format();
    format.array = array_;
    return format;
  }

 private:
  std::string array_;
  std::unique_ptr<ArrayReader> features_, label_;
  std::vector<std::string> names_;
  Table label_chunk_;
};

}  // namespace

std::unique_ptr<TableReader> open_npz(const std::string& path, const std::string& file, const ReadOptions& options) {
  return std::make_unique<NpzReader>(path, file, options);
}

}  // namespace cugad
