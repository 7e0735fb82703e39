#include "host/model_file/safetensors_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cugad/error.hpp"
#include "host/text/json.hpp"

namespace cugad::safetensors {
namespace {

constexpr const char* metadata_key = "__metadata__";
constexpr std::size_t alignment = 8;
constexpr std::pair<const char*, std::uint64_t> dtypes[] = {{"F64", 8}, {"F32", 4}, {"U8", 1}};

const char* dtype_of(std::uint64_t element_bytes) {
  return std::find_if(std::begin(dtypes), std::end(dtypes),
                      [&](const auto& one) { return one.second == element_bytes; })
      ->first;
}

/// Follows the fixed grammar of the header event by event: no document tree is built, so nesting, duplicates and
/// unknown fields are refused at their position.
class HeaderParser final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Header take_header() { return std::move(header_); }
  const std::string& reason() const { return reason_; }

  bool start_object(std::size_t) override {
    if (place_ == Place::document) return move_to(Place::header);
    if (place_ == Place::header && name_ == metadata_key) return move_to(Place::metadata);
    if (place_ == Place::header) {
      element_bytes_.reset();
      shape_.reset();
      offsets_.reset();
      return move_to(Place::tensor);
    }
    return unexpected("an object");
  }

  bool key(string_t& key) override {
    if (place_ == Place::metadata) {
      if (header_.metadata.contains(key)) return fail(fmt::format("metadata key {} appears twice", quote(key)));
      metadata_name_ = std::move(key);
      return true;
    }
    if (place_ == Place::header) {
      const bool seen = key == metadata_key ? std::exchange(metadata_seen_, true) : header_.tensors.contains(key);
      if (seen) return fail(fmt::format("{} appears twice", quote(key)));
      name_ = std::move(key);
      return true;
    }
    const bool known = key == "dtype" || key == "shape" || key == "data_offsets";
    if (!known) return fail(fmt::format("tensor {} has an unknown field {}", quote(name_), quote(key)));
    if ((key == "dtype" && element_bytes_) || (key == "shape" && shape_) || (key == "data_offsets" && offsets_))
      return fail(fmt::format("tensor {} has {} twice", quote(name_), key));
    field_ = std::move(key);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::header) return move_to(Place::document);
    if (place_ == Place::tensor) {
      if (!element_bytes_ || !shape_ || !offsets_)
        return fail(fmt::format("tensor {} lacks one of dtype, shape, data_offsets", quote(name_)));
      header_.tensors.emplace(std::move(name_),
                              Entry{*element_bytes_, std::move(*shape_), offsets_->front(), offsets_->back()});
      name_.clear();
    }
    if (header_.tensors.size() > max_entries) return fail(fmt::format("more than {} tensors", max_entries));
    return move_to(Place::header);
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      if (header_.metadata.size() == max_entries) return fail(fmt::format("more than {} metadata keys", max_entries));
      header_.metadata.emplace(std::move(metadata_name_), std::move(value));
      return true;
    }
    if (place_ != Place::tensor || field_ != "dtype") return unexpected("a string");
    for (const auto& [name, element_bytes] : dtypes) {
      if (value == name) element_bytes_ = element_bytes;
    }
    if (element_bytes_) return true;
    return fail(fmt::format("tensor {} has dtype {}, expected \"F64\", \"F32\" or \"U8\"", quote(name_), quote(value)));
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") return unexpected("an array");
    if (field_ == "shape") {
      shape_.emplace();
      return move_to(Place::shape);
    }
    offsets_.emplace();
    return move_to(Place::offsets);
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_->size() != 2)
      return fail(fmt::format("tensor {} has {} data_offsets, expected 2", quote(name_), offsets_->size()));
    return move_to(Place::tensor);
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      if (shape_->size() == max_rank)
        return fail(fmt::format("tensor {} has more than {} dimensions", quote(name_), max_rank));
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return fail(fmt::format("tensor {} has an extent of {}", quote(name_), value));
      shape_->push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ != Place::offsets) return unexpected("a number");
    if (offsets_->size() == 2) return fail(fmt::format("tensor {} has more than 2 data_offsets", quote(name_)));
    offsets_->push_back(value);
    return true;
  }

  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a number that is no integer"); }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail(fmt::format("the header is not valid JSON at byte {}", position));
  }

 private:
  enum class Place { document, header, metadata, tensor, shape, offsets };

  bool move_to(Place place) {
    place_ = place;
    return true;
  }

  bool fail(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  bool unexpected(const char* what) {
    switch (place_) {
      case Place::document:
        return fail(fmt::format("the header is {}, expected an object", what));
      case Place::header:
        return fail(fmt::format("{} is {}, expected an object", quote(name_), what));
      case Place::metadata:
        return fail(fmt::format("metadata {} is {}, expected a string", quote(metadata_name_), what));
      case Place::tensor:
        return fail(fmt::format("tensor {} has {} as {}", quote(name_), what, field_));
      case Place::shape:
      case Place::offsets:
        break;
    }
    return fail(fmt::format("tensor {} has {} in {}, expected unsigned integers", quote(name_), what, field_));
  }

  Header header_;
  std::string reason_;
  Place place_ = Place::document;
  bool metadata_seen_ = false;
  std::string metadata_name_, name_, field_;  ///< the last key at each level
  std::optional<std::uint64_t> element_bytes_;
  std::optional<std::vector<std::int64_t>> shape_;
  std::optional<std::vector<std::uint64_t>> offsets_;
};

[[noreturn]] void fail_format(const std::string& reason) { throw Error(ErrorCode::format, reason); }

void check_sizes(const Header& header) {
  for (const auto& [name, entry] : header.tensors) {
    if (entry.begin > entry.end)
      fail_format(fmt::format("tensor {} begins at {} after its end {}", quote(name), entry.begin, entry.end));
    std::uint64_t expected = 0;
    try {
      expected = tensor_bytes(entry.shape, entry.element_bytes);
    } catch (const Error& error) {
      fail_format(fmt::format("tensor {}: {}", quote(name), error.what()));
    }
    if (entry.end - entry.begin != expected)
      fail_format(fmt::format("tensor {} takes {} bytes, expected {} by its shape", quote(name),
                              entry.end - entry.begin, expected));
  }
}

void check_layout(const Header& header, std::uint64_t data_bytes) {
  using Item = std::pair<const std::string, Entry>;
  std::vector<const Item*> items;
  for (const Item& item : header.tensors) items.push_back(&item);
  std::sort(items.begin(), items.end(), [](const Item* left, const Item* right) {
    return std::pair(left->second.begin, left->second.end) < std::pair(right->second.begin, right->second.end);
  });
  std::uint64_t position = 0;
  for (const Item* item : items) {
    const auto& [name, entry] = *item;
    if (entry.begin != position)
      fail_format(fmt::format("tensor {} begins at {}, {} the previous tensor's end {}", quote(name), entry.begin,
                              entry.begin < position ? "overlapping" : "leaving a gap after", position));
    position = entry.end;
  }
  if (position != data_bytes)
    fail_format(fmt::format("the tensors take {} bytes, but {} follow the header", position, data_bytes));
}

}  // namespace

std::string quote(std::string_view text) {
  constexpr std::size_t shown_bytes = 64;
  const bool shortened = text.size() > shown_bytes;
  const nlohmann::json shown(std::string(text.substr(0, shown_bytes)));
  return shown.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + (shortened ? "..." : "");
}

std::uint64_t tensor_bytes(const std::vector<std::int64_t>& shape, std::uint64_t element_bytes) {
  constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max();
  std::uint64_t bytes = element_bytes;
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) fail_format(fmt::format("the extent {} is negative", extent));
    empty = empty || extent == 0;
    const std::uint64_t factor = std::max<std::uint64_t>(static_cast<std::uint64_t>(extent), 1);
    if (bytes > limit / factor) fail_format("the product of the shape overflows");
    bytes *= factor;
  }
  return empty ? 0 : bytes;
}

std::string format_header(const Header& header) {
  if (header.tensors.contains(metadata_key))
    throw Error(ErrorCode::invalid_argument, fmt::format("a tensor cannot be named \"{}\"", metadata_key));
  nlohmann::json document = nlohmann::json::object();
  const TakenApart parts(document);
  if (!header.metadata.empty()) document[metadata_key] = nlohmann::json::object();
  for (const auto& [name, text] : header.metadata) document[metadata_key][name] = text;
  for (const auto& [name, entry] : header.tensors) {
    nlohmann::json& tensor = document[name] = nlohmann::json::object();
    tensor["dtype"] = dtype_of(entry.element_bytes);
    put_list(tensor["shape"], entry.shape);
    put_list(tensor["data_offsets"], std::array{entry.begin, entry.end});
  }
  std::string text;
  try {
    text = document.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::invalid_argument, "a tensor name or a metadata text is not valid UTF-8");
  }
  // Aligned data lets a reader map the file and use the values in place.
  text.resize((text.size() + alignment - 1) / alignment * alignment, ' ');
  if (text.size() > max_header_bytes)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the header takes {} bytes, at most {} are allowed", text.size(), max_header_bytes));
  return text;
}

Header parse_header(std::string_view json, std::uint64_t data_bytes) {
  if (json.empty() || json.front() != '{') fail_format("the header does not begin with \"{\"");
  // The JSON library takes a zero byte for the end of the text and would ignore the rest.
  if (json.find('\0') != std::string_view::npos) fail_format("the header holds a zero byte");
  HeaderParser parser;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &parser)) fail_format(parser.reason());
  Header header = parser.take_header();
  check_sizes(header);
  check_layout(header, data_bytes);
  return header;
}

}  // namespace cugad::safetensors
