#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>

#include "cugad/error.hpp"
#include "cugad/image.hpp"
#include "host/floating_point.hpp"
#include "host/image/decode.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

namespace fs = std::filesystem;

/// Values of the patches of one image: 1 GiB.
constexpr std::int64_t most_patch_values = std::int64_t{1} << 28;

/// Whether the name is that of an image; if it is not, the contents may still be.
bool has_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter; });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

bool holds_image(const fs::path& path) {
  char start[8] = {};
  std::ifstream stream(path, std::ios::binary);
  stream.read(start, sizeof start);
  return image_kind(std::as_bytes(std::span(start, static_cast<std::size_t>(stream.gcount())))) != ImageKind::unknown;
}

struct Listing {
  std::vector<std::string> images, skipped;  ///< paths within the folder, sorted
};

Listing list_folder(const std::string& folder, const std::string& pattern) {
  Listing listing;
  std::error_code failure;
  fs::recursive_directory_iterator entry(folder, failure), end;
  for (; !failure && entry != end; entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;  // of a broken link
    if (name.starts_with('.')) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored) && (pattern.empty() || fnmatch(pattern.c_str(), name.c_str(), 0) == 0)) {
      const bool is_image = has_image_name(entry->path()) || holds_image(entry->path());
      (is_image ? listing.images : listing.skipped)
          .push_back(entry->path().lexically_relative(folder).generic_string());
    }
  }
  if (failure) {
    throw Error(ErrorCode::input_output,
                fmt::format("{}: cannot be read: {}", one_line(folder, 4096), failure.message()));
  }
  std::sort(listing.images.begin(), listing.images.end());
  std::sort(listing.skipped.begin(), listing.skipped.end());
  return listing;
}

/// The first folder of a path; empty if it has none.
std::string first_folder(const std::string& path) {
  const std::size_t end = path.find('/');
  return end == std::string::npos ? "" : path.substr(0, end);
}

}  // namespace

struct ImageReader::Impl {
  std::string folder;
  ImageOptions options;
  Listing listing;
  ImageShape shape;
  std::string shaped_by;  ///< the image that gave the shape; empty if the caller did
  std::size_t next = 0;

  Image read(const std::string& file) const { return read_image((fs::path(folder) / file).string()); }
  std::string second_of(const std::string& file) const;
  void find_shape();
  std::vector<PatchGrid> grids;  ///< of the last chunk

  /// Adds the rows of an image; none if it throws.
  void add(const std::string& file, Matrix& rows);
  void add_missing(Matrix& rows);

 private:
  void fill_row(const std::string& file, const Image& image, std::span<float> row) const;
  void add_patches(const std::string& file, const Image& image, Matrix& rows);
};

/// Takes the shape of the first image, if it is open; of the first that can be read, if others are marked.
void ImageReader::Impl::find_shape() {
  if (options.shape) {
    shape = *options.shape;
    return;
  }
  for (const std::string& file : listing.images) {
    try {
      shape = read(file).shape;
      if (!options.beside.empty()) shape.width *= 2;
      shaped_by = file;
      return;
    } catch (const Error&) {
      if (!options.mark_errors || file == listing.images.back()) throw;
    }
  }
}

/// The image that is joined to one of this name.
std::string ImageReader::Impl::second_of(const std::string& file) const {
  for (const char* ending : {"", ".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG"}) {
    fs::path path = fs::path(options.beside) / file;
    if (*ending != 0) path.replace_extension(ending);
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  throw Error(ErrorCode::format,
              fmt::format("{}: has no image of that name in {}", one_line(file, 4096), one_line(options.beside, 4096)));
}

void ImageReader::Impl::fill_row(const std::string& file, const Image& image, std::span<float> row) const {
  if (!options.beside.empty()) {
    ImageShape half = shape;
    half.width /= 2;
    std::vector<float> values(static_cast<std::size_t>(cells_of(half)));
    for (const bool right : {false, true}) {
      image_to_row(right ? read_image(second_of(file)) : image, half, values);
      put_half(values, shape, right, row);
    }
    return;
  }
  if (!shaped_by.empty() && image.shape != shape) {
    throw Error(ErrorCode::format,
                fmt::format("{}: is an image of {}, expected {} as {} is; --image {} brings all to one size",
                            one_line((fs::path(folder) / file).string(), 4096), image_shape_text(image.shape),
                            image_shape_text(shape), one_line(shaped_by), image_shape_text(shape)));
  }
  image_to_row(image, shape, row);
}

void ImageReader::Impl::add_patches(const std::string& file, const Image& image, Matrix& rows) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::format, fmt::format("{}: {}", one_line((fs::path(folder) / file).string(), 4096), what));
  };
  const ImageShape whole{image.shape.height, image.shape.width, shape.channels};
  PatchGrid grid;
  try {
    grid = patch_grid(whole, shape, options.patch_stride);
  } catch (const Error& error) {
    refuse(error.what());
  }
  if (grid.count() * rows.columns > most_patch_values) {
    refuse(fmt::format("has {} patches, {} apart, expected at most {} of {}: use a wider stride", grid.count(),
                       options.patch_stride, most_patch_values / rows.columns, image_shape_text(shape)));
  }
  std::vector<float> values(static_cast<std::size_t>(cells_of(whole)));
  image_to_row(image, whole, values);
  rows.data.resize(rows.data.size() + static_cast<std::size_t>(grid.count() * rows.columns));
  cut_patches(values, grid, {rows.row(rows.rows), grid.count(), rows.columns});
  rows.rows += grid.count();
  grids.push_back(std::move(grid));
}

void ImageReader::Impl::add(const std::string& file, Matrix& rows) {
  const Image image = read(file);
  if (options.patch_stride > 0) return add_patches(file, image, rows);
  rows.data.resize(static_cast<std::size_t>((rows.rows + 1) * rows.columns));
  fill_row(file, image, {rows.row(rows.rows), static_cast<std::size_t>(rows.columns)});
  ++rows.rows;
}

void ImageReader::Impl::add_missing(Matrix& rows) {
  rows.data.resize(static_cast<std::size_t>(rows.rows * rows.columns));  // what add() began
  if (options.patch_stride > 0) {
    grids.emplace_back();
    return;
  }
  ++rows.rows;
  rows.data.resize(static_cast<std::size_t>(rows.rows * rows.columns), std::numeric_limits<float>::quiet_NaN());
}

ImageReader::ImageReader(const std::string& folder, const ImageOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->folder = folder;
  impl_->options = options;
  impl_->listing = list_folder(folder, options.files);
  if (impl_->listing.images.empty()) {
    throw Error(ErrorCode::format,
                fmt::format("{}: the folder holds no PNG or JPEG image{}", one_line(folder, 4096),
                            options.files.empty() ? "" : fmt::format(" that matches '{}'", one_line(options.files))));
  }
  impl_->find_shape();
  if (!options.beside.empty() && impl_->shape.width % 2 != 0) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("pairs of images are {}, expected an even width: half of it each", image_shape_text(impl_->shape)));
  }
  if (options.patch_stride != 0 && !options.shape) {
    throw Error(ErrorCode::invalid_argument, "patches need the shape that they are to have");
  }
  if (options.patch_stride != 0 && !options.beside.empty()) {
    throw Error(ErrorCode::invalid_argument, "pairs of images are not cut into patches");
  }
  if (options.patch_stride != 0) patch_grid(impl_->shape, impl_->shape, options.patch_stride);
  const std::int32_t channels = impl_->shape.channels;
  if (channels != 1 && channels != 3) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("images of {} channels, expected 1 (grey) or 3 (RGB)", channels));
  }
}

ImageReader::~ImageReader() = default;
ImageReader::ImageReader(ImageReader&&) noexcept = default;
ImageReader& ImageReader::operator=(ImageReader&&) noexcept = default;

const ImageShape& ImageReader::shape() const { return impl_->shape; }
const std::vector<PatchGrid>& ImageReader::grids() const { return impl_->grids; }
const std::vector<std::string>& ImageReader::files() const { return impl_->listing.images; }

bool ImageReader::read(Table& chunk, Matrix& rows, std::int64_t max_rows) {
  const FloatingPointEnvironment environment;
  Impl& of = *impl_;
  if (max_rows < 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a chunk of {} rows was asked for, expected at least 1", max_rows));
  }
  chunk = {};
  chunk.first_row = static_cast<std::int64_t>(of.next);
  chunk.columns = {{.name = "file", .is_text = true, .numbers = {}, .texts = {}},
                   {.name = "folder", .is_text = true, .numbers = {}, .texts = {}}};
  rows = Matrix(0, cells_of(of.shape));
  of.grids.clear();
  const std::size_t most = std::min(static_cast<std::size_t>(max_rows), files().size() - of.next);
  if (of.options.patch_stride == 0) rows.data.reserve(most * static_cast<std::size_t>(rows.columns));
  while (of.next < files().size() && std::max(chunk.rows, rows.rows) < max_rows) {
    const std::string& file = files()[of.next];
    try {
      of.add(file, rows);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::out_of_memory || (!of.options.mark_errors && chunk.rows == 0)) throw;
      if (!of.options.mark_errors) {  // the next call reports it
        rows.data.resize(static_cast<std::size_t>(rows.rows * rows.columns));
        break;
      }
      chunk.unreadable.emplace(chunk.rows, error.what());
      of.add_missing(rows);
    }
    chunk.columns[0].texts.push_back(file);
    chunk.columns[1].texts.push_back(first_folder(file));
    ++chunk.rows;
    ++of.next;
  }
  return chunk.rows > 0;
}

std::vector<std::string> ImageReader::notes() const {
  const std::vector<std::string>& skipped = impl_->listing.skipped;
  if (skipped.empty()) return {};
  return {fmt::format("{} file{} skipped, as neither PNG nor JPEG: {}{}", skipped.size(),
                      skipped.size() == 1 ? " is" : "s are", one_line(skipped.front()),
                      skipped.size() > 1 ? ", ..." : "")};
}

}  // namespace cugad
