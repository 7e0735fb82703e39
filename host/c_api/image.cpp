#include "cugad/image.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>

#include "cugad/cugad_image.h"
#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/results.hpp"
#include "host/c_api/table_handles.hpp"
#include "host/c_api/table_options.hpp"
#include "host/model_file/atomic_file.hpp"

/// Images: readers of folders, and pictures.

using namespace cugad;
using namespace cugad::c_api;

struct cugad_image_reader {
  ImageReader reader;
  Matrix rows = {};
  std::string shape = {}, format = {}, notes = {};
};

namespace {

/// A shape, and the values of a row of it.
struct Pixels {
  Pixels(const char* text, const float* values, const char* name) : shape(image_shape_from(text_of(text, "shape"))) {
    require_extent(values, cells_of(shape), sizeof *values, name);
    row = {values, static_cast<std::size_t>(cells_of(shape))};
  }
  ImageShape shape;
  std::span<const float> row;
};

void require_positive(float value, const char* name) {
  if (value > 0.0f && value <= std::numeric_limits<float>::max()) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(name) + " is " + std::to_string(value) + ", expected a number above 0");
}

void write_png(const char* path, const Image& image) {
  const std::vector<std::byte> png = encode_png(image);
  write_file_atomically(text_of(path, "path"), [&](const auto& append) {
    append({reinterpret_cast<const char*>(png.data()), png.size()});
  });
}

}  // namespace

extern "C" {

cugad_status cugad_image_reader_open(const char* folder, const char* options_json, cugad_image_reader** reader) {
  return guard(__func__, [&] {
    started(reader, "reader");
    *reader = new cugad_image_reader{ImageReader(text_of(folder, "folder"), image_options_from_json(options_json))};
  });
}

void cugad_image_reader_close(cugad_image_reader* reader) { delete reader; }

cugad_status cugad_image_reader_read(cugad_image_reader* reader, int64_t max_images, cugad_table** table,
                                     const float** x) {
  return guard(__func__, [&] {
    started(table, "table");
    started(x, "x");
    require(reader, "reader");
    auto read = std::make_unique<cugad_table>();
    if (!reader->reader.read(read->table, reader->rows, max_images)) return;
    *x = reader->rows.data.data();
    *table = read.release();
  });
}

cugad_status cugad_image_reader_images(cugad_image_reader* reader, int64_t* images) {
  return answer(__func__, [&] {
    require(images, "images");
    require(reader, "reader");
    *images = static_cast<std::int64_t>(reader->reader.files().size());
  });
}

cugad_status cugad_image_reader_shape(cugad_image_reader* reader, const char** shape, int64_t* columns) {
  return guard(__func__, [&] {
    require(reader, "reader");
    if (columns != nullptr) *columns = cells_of(reader->reader.shape());
    if (shape == nullptr) return;
    reader->shape = image_shape_text(reader->reader.shape());
    *shape = reader->shape.c_str();
  });
}

cugad_status cugad_image_reader_format(cugad_image_reader* reader, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(reader, "reader");
    TableFormat format;
    format.image = reader->reader.shape();
    reader->format = format.to_json();
    *json = reader->format.c_str();
  });
}

cugad_status cugad_image_reader_notes(cugad_image_reader* reader, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(reader, "reader");
    reader->notes = list_of_lines(reader->reader.notes());
    *json = reader->notes.c_str();
  });
}

cugad_status cugad_image_read(const char* path, const char* shape, float* row) {
  return guard(__func__, [&] {
    const Pixels room(shape, row, "row");
    image_to_row(read_image(text_of(path, "path")), room.shape, {row, room.row.size()});
  });
}

cugad_status cugad_image_write(const char* path, const float* row, const char* shape, float white) {
  return guard(__func__, [&] {
    const Pixels given(shape, row, "row");
    require_positive(white, "white");
    write_png(path, image_of_row(given.row, given.shape, white));
  });
}

cugad_status cugad_heatmap_write(const char* path, const float* row, const float* residuals, const char* shape,
                                 float most) {
  return guard(__func__, [&] {
    const Pixels given(shape, row, "row"), of_cells(shape, residuals, "residuals");
    require_positive(most, "most");
    write_png(path, heatmap(given.row, given.shape, pixel_map(of_cells.row, given.shape), most));
  });
}

cugad_status cugad_region_overlap(const uint8_t* masks, const float* scores, int64_t images, int64_t height,
                                  int64_t width, double limit, double* overlap) {
  return guard(__func__, [&] {
    require(overlap, "overlap");
    const std::int64_t pixels = product(height, width, "an image");
    const std::int64_t count = product(images, pixels, "masks");
    require_extent(masks, count, sizeof *masks, "masks");
    require_extent(scores, count, sizeof *scores, "scores");
    std::vector<std::int32_t> region(static_cast<std::size_t>(count));
    std::int32_t next = 1;
    for (std::int64_t first = 0; first < count; first += pixels) {
      const auto size = static_cast<std::size_t>(pixels);
      next = metrics::label_regions({masks + first, size}, width, next, {region.data() + first, size});
    }
    *overlap = metrics::region_overlap(region, {scores, region.size()}, limit);
  });
}

}  // extern "C"
