#include "kernels/contract.hpp"

#include <algorithm>
#include <cstdint>

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

/// Coordinates of taps are 32-bit numbers.
constexpr std::int64_t most_numbers = std::int64_t{1} << 30, most_taps = 32768;

/// Columns of a row that is an image; -1 if there are too many.
std::int64_t columns_of(const ImageShape& image) {
  const std::int64_t pixels = std::int64_t{image.height} * image.width;
  return pixels > most_numbers / image.channels ? -1 : pixels * image.channels;
}

void check_image(ContractCheck& check, const char* name, const ImageShape& image) {
  const bool is_positive = image.height > 0 && image.width > 0 && image.channels > 0;
  const auto text = [&](const char* expected) {
    return std::string(name) + " is " + std::to_string(image.height) + " x " + std::to_string(image.width) + " x " +
           std::to_string(image.channels) + ", expected " + expected;
  };
  check.require(is_positive, [&] { return text("positive sizes"); });
  check.require(!is_positive || columns_of(image) > 0, [&] { return text("at most 2^30 numbers"); });
}

/// One direction of the window.
void check_window(ContractCheck& check, const char* direction, std::int32_t size, std::int32_t stride, std::int32_t pad,
                  std::int32_t smaller, std::int32_t larger) {
  const auto text = [&](const char* what) { return std::string("window: ") + what + " along the " + direction; };
  check.require(size > 0 && size <= most_taps, [&] { return text("the size must lie in [1, 32768]"); });
  check.require(pad >= 0 && pad < size, [&] { return text("the padding must lie in [0, size)"); });
  check.require((std::int64_t{smaller} - 1) * stride - pad < larger,
                [&] { return text("the last window lies outside the larger image"); });
}

/// The shapes of the two ops; columns of a weight's row, or -1 if they are refused.
template <class Args>
std::int64_t check_shapes(ContractCheck& check, const Args& args) {
  check_image(check, "from", args.from);
  check_image(check, "to", args.to);
  const Window& window = args.window;
  const ImageShape &smaller = window.transposed ? args.from : args.to,
                   &larger = window.transposed ? args.to : args.from;
  check.require(window.stride > 0 && window.stride <= 32, "window: stride must lie in [1, 32]");
  check_window(check, "height", window.height, window.stride, window.pad_top, smaller.height, larger.height);
  check_window(check, "width", window.width, window.stride, window.pad_left, smaller.width, larger.width);
  if (!check.result().empty()) return -1;
  const std::int64_t taps = std::int64_t{window.height} * window.width;
  check.require(taps <= most_numbers / std::max(args.from.channels, args.to.channels),
                "window: more than 2^30 weights for a channel");
  return check.result().empty() ? taps * args.from.channels : -1;
}

void check_ending(ContractCheck& check, Activation activation, float slope, float dropout_rate) {
  check.require(activation >= Activation::identity && activation <= Activation::tanh, "unknown activation");
  check.require(activation != Activation::leaky_relu || slope > 0.0f, "slope of leaky_relu must be positive");
  check.require(dropout_rate >= 0.0f && dropout_rate < 1.0f, "dropout rate must lie in [0, 1)");
}

}  // namespace

std::string check_contract(const ConvolutionForward& args) {
  ContractCheck check("convolution_forward");
  const std::int64_t fan_in = check_shapes(check, args);
  if (fan_in < 0) return check.result();
  const std::int64_t models = args.y.models, rows = args.y.rows, out = columns_of(args.to);
  check.view("x", args.x, models, rows, columns_of(args.from));
  check.view("weight", args.weight, models, args.to.channels, fan_in);
  check.optional("bias", args.bias, models, 1, args.to.channels);
  check.output("y", args.y, models, rows, out);
  check.optional("derivative_of", args.derivative_of, models, rows, out);
  check_ending(check, args.activation, args.slope, args.dropout.rate);
  return check.result();
}

std::string check_contract(const ConvolutionBackward& args) {
  ContractCheck check("convolution_backward");
  const std::int64_t fan_in = check_shapes(check, args);
  if (fan_in < 0) return check.result();
  const std::int64_t models = args.dy.models, rows = args.dy.rows, in = columns_of(args.from),
                     out = columns_of(args.to);
  check.view("weight", args.weight, models, args.to.channels, fan_in);
  if (args.dweight) check.view("x", args.x, models, rows, in);
  if (args.activation != Activation::identity || args.dropout_rate > 0.0f) check.view("y", args.y, models, rows, out);
  check.output("dy", args.dy, models, rows, out);
  check.optional_output("dx", args.dx, models, rows, in);
  check.optional_output("dweight", args.dweight, models, args.to.channels, fan_in);
  check.optional_output("dbias", args.dbias, models, 1, args.to.channels);
  check_ending(check, args.activation, args.slope, args.dropout_rate);
  return check.result();
}

}  // namespace cugad
