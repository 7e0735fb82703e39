#include <algorithm>
#include <array>
#include <string>

#include "cugad/error.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/images/augmentation.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void move_image(const ImageShape& image, const Augmentation& how, const float* from, float* to) {
  for (std::int32_t y = 0; y < image.height; ++y) {
    for (std::int32_t x = 0; x < image.width; ++x, to += image.channels) {
      std::copy_n(from + source_pixel(image, how, y, x) * image.channels, image.channels, to);
    }
  }
}

void run_rows(const AugmentImages& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> source = args.source.model(model);
  const MatrixView<const std::int32_t> index = args.index.model(model);
  const MatrixView<float> out = args.out.model(model);
  ImageShape second = args.image;
  second.channels = args.more_channels;
  const std::int64_t pixels = std::int64_t{args.image.height} * args.image.width;
  const std::int64_t behind = pixels * args.image.channels, rest = behind + pixels * second.channels;
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int32_t place = *index.row(r);
    if (place < 0 || place >= source.rows) {
      throw Error(ErrorCode::invalid_argument, "augment_images: index " + std::to_string(place) + " in row " +
                                                   std::to_string(r) + " of model " + std::to_string(model) +
                                                   ", expected a value in [0, " + std::to_string(source.rows) + ")");
    }
    const std::array<std::uint32_t, 4> words = philox_block(args.key, model, static_cast<std::uint64_t>(r));
    const Augmentation how = augmentation_of(args, words[0], words[1], words[2]);
    const float* from = source.row(place);
    float* to = out.row(r);
    move_image(args.image, how, from, to);
    if (second.channels > 0) move_image(second, how, from + behind, to + behind);
    std::copy(from + rest, from + source.columns, to + rest);
  }
}

void run_augment_images(Context& context, const AugmentImages& args) {
  const std::int64_t rows = args.out.rows;
  const double work = static_cast<double>(args.out.models * rows) * (20.0 + static_cast<double>(args.out.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.out.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<AugmentImages> augment_images_entry() {
  return {run_augment_images, [](const Context&, const AugmentImages&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
