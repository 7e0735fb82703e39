#include "host/cli/reproduce/class_images.hpp"

#include <algorithm>

#include "host/cli/reproduce/protocol.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t pixels = 784;
constexpr std::int64_t rows_per_chunk = 4096;
constexpr std::uint32_t sample_seed = 0;

std::string idx_file(const std::string& data, const std::string& folder, const std::string& name) {
  const std::string inside = folder + "/" + name;
  return find_data_file(data, {inside + ".gz", inside, name + ".gz", name});
}

Matrix read_idx(const std::string& path) {
  const std::unique_ptr<TableReader> reader = open_table(path);
  Matrix matrix;
  Table chunk;
  while (reader->read(chunk, rows_per_chunk)) {
    matrix.columns = static_cast<std::int64_t>(chunk.columns.size());
    matrix.data.resize(static_cast<std::size_t>((matrix.rows + chunk.rows) * matrix.columns));
    for (std::int64_t column = 0; column < matrix.columns; ++column) {
      const std::vector<double>& numbers = chunk.columns[static_cast<std::size_t>(column)].numbers;
      for (std::int64_t row = 0; row < chunk.rows; ++row) {
        matrix.row(matrix.rows + row)[column] = static_cast<float>(numbers[static_cast<std::size_t>(row)]);
      }
    }
    matrix.rows += chunk.rows;
  }
  return matrix;
}

}  // namespace

ClassImages read_class_images(const std::string& data, const std::string& folder, const std::string& part,
                              std::int64_t most) {
  const std::string images_path = idx_file(data, folder, part + "-images-idx3-ubyte");
  const std::string labels_path = idx_file(data, folder, part + "-labels-idx1-ubyte");
  ClassImages images;
  images.rows = read_idx(images_path);
  expect_count(images_path, "pixels", images.rows.columns, pixels);
  const Matrix label = read_idx(labels_path);
  expect_count(labels_path, "columns of labels", label.columns, 1);
  expect_count(labels_path, "labels", label.rows, images.rows.rows);
  images.label.assign(label.data.begin(), label.data.end());
  if (most == 0 || most >= images.rows.rows) return images;
  std::vector<std::int64_t> sample = numpy_permutation(sample_seed, images.rows.rows);
  sample.resize(static_cast<std::size_t>(most));
  std::sort(sample.begin(), sample.end());
  images.rows = take_rows(images.rows, sample);
  for (std::size_t row = 0; row < sample.size(); ++row) {
    images.label[row] = images.label[static_cast<std::size_t>(sample[row])];
  }
  images.label.resize(sample.size());
  return images;
}

void append(ClassImages& images, const ClassImages& more) {
  images.rows.data.insert(images.rows.data.end(), more.rows.data.begin(), more.rows.data.end());
  images.rows.rows += more.rows.rows;
  images.label.insert(images.label.end(), more.label.begin(), more.label.end());
}

}  // namespace cugad::cli
