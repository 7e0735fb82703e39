#include "kernels/contract.hpp"

#include <initializer_list>

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

std::string check_pixels(ContractCheck& check, std::int32_t pixels, std::initializer_list<std::int64_t> columns) {
  check.require(pixels > 0, [&] { return "pixels is " + std::to_string(pixels) + ", expected at least 1"; });
  for (const std::int64_t count : columns) {
    check.require(pixels <= 0 || count % pixels == 0, [&] {
      return std::to_string(count) + " columns are no image of " + std::to_string(pixels) + " pixels";
    });
  }
  return check.result();
}

}  // namespace

std::string check_contract(const JoinChannels& args) {
  ContractCheck check("join_channels");
  const std::int64_t models = args.y.models, rows = args.y.rows;
  if (!check_pixels(check, args.pixels, {args.a.columns, args.y.columns}).empty()) return check.result();
  const std::int64_t second = args.y.columns - args.a.columns;
  const bool is_one_pixel = args.b.columns * args.pixels == second;
  check.view("a", args.a, models, rows, args.a.columns);
  check.view("b", args.b, models, rows, is_one_pixel ? args.b.columns : second);
  check.output("y", args.y, models, rows, args.y.columns);
  return check.result();
}

std::string check_contract(const SplitChannels& args) {
  ContractCheck check("split_channels");
  const std::int64_t models = args.dy.models, rows = args.dy.rows, columns = args.dy.columns;
  const std::int64_t first = args.da ? args.da.columns : columns - (args.db ? args.db.columns : 0);
  if (!check_pixels(check, args.pixels, {columns, first}).empty()) return check.result();
  check.require(first >= 0 && first <= columns, "an output has more columns than dy");
  check.view("dy", args.dy, models, rows, columns);
  check.optional_output("da", args.da, models, rows, first);
  check.optional_output("db", args.db, models, rows, columns - first);
  if (args.rectify && args.db) check.view("b", args.b, models, rows, columns - first);
  return check.result();
}

std::string check_contract(const AugmentImages& args) {
  ContractCheck check("augment_images");
  const std::int64_t models = args.out.models, rows = args.out.rows, columns = args.out.columns;
  const ImageShape& image = args.image;
  check.require(image.height > 0 && image.width > 0 && image.channels > 0 && args.more_channels >= 0, [&] {
    return "image is " + std::to_string(image.height) + " x " + std::to_string(image.width) + " x " +
           std::to_string(image.channels) + " and " + std::to_string(args.more_channels) +
           " channels more, expected positive sizes";
  });
  if (!check.result().empty()) return check.result();
  check.require(
      std::int64_t{image.height} * image.width <= columns / (std::int64_t{image.channels} + args.more_channels),
      [&] { return "the images have more values than the " + std::to_string(columns) + " columns of a row"; });
  check.require(args.shift >= 0 && args.shift < image.height && args.shift < image.width, [&] {
    return "shift is " + std::to_string(args.shift) +
           ", expected at least 0 and less than the image's height and width";
  });
  check.view("source", args.source, models, args.source.rows, columns);
  check.view("index", args.index, models, rows, 1);
  check.output("out", args.out, models, rows, columns);
  return check.result();
}

}  // namespace cugad
