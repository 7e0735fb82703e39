#include "host/options/layer_text.hpp"

#include <charconv>
#include <string_view>

#include "host/options/option_record.hpp"

namespace cugad {
namespace {

constexpr int largest_window = 31, largest_stride = 8;

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

/// A number of decimal digits from 1 to `most`.
bool take_number(std::string_view& text, int most, int& number) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 1 || number > most) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_layer(std::string_view& text, int widest, Layer& layer) {
  if (take(text, "conv")) layer.kind = Layer::Kind::convolution;
  if (!layer.convolves() && take(text, "up")) layer.kind = Layer::Kind::transposed;
  if (!take_number(text, widest, layer.out)) return false;
  if (layer.convolves()) {
    if (!take(text, "k") || !take_number(text, largest_window, layer.window)) return false;
    if (take(text, "s") && !take_number(text, largest_stride, layer.stride)) return false;
    if (layer.stride > layer.window) return false;
  }
  layer.batch_norm = take(text, "bn");
  layer.layer_norm = !layer.batch_norm && take(text, "ln");
  if (take(text, "+") && !take_number(text, widest, layer.joined)) return false;
  return text.empty();
}

}  // namespace

std::string layer_text(const Layer& layer) {
  std::string text = std::to_string(layer.out);
  if (layer.convolves()) {
    text = (layer.kind == Layer::Kind::convolution ? "conv" : "up") + text + "k" + std::to_string(layer.window) + "s" +
           std::to_string(layer.stride);
  }
  text += layer.batch_norm ? "bn" : layer.layer_norm ? "ln" : "";
  return layer.joined > 0 ? text + "+" + std::to_string(layer.joined) : text;
}

Layer parse_layer(const std::string& option, const std::string& text, int widest) {
  Layer layer;
  std::string_view rest = text;
  if (take_layer(rest, widest, layer)) return layer;
  refuse_option(
      option, text,
      "widths from 1 to " + std::to_string(widest) +
          ", or convolutions such as conv64k4s2 and up64k4s2 (channels, window up to " +
          std::to_string(largest_window) + ", stride up to " + std::to_string(largest_stride) +
          " and the window), each with bn or ln behind it or without, and with +N to join the output of layer N");
}

}  // namespace cugad
