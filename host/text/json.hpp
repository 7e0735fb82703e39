#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// JSON that survives failed allocations. nlohmann::json allocates to destroy a value that has parts, and terminates
/// the process if that fails; so no value that has parts is left to its destructor: a TakenApart guards it, it is
/// filled in place, and never is a temporary or a copy. A value is made an object or array before parts are added: the
/// implicit conversion of null leaves it broken if an allocation fails.

namespace cugad {

/// One of these beside a value, declared after it and before it is filled, takes it apart first.
template <class Json>
class TakenApart {
 public:
  explicit TakenApart(Json& value) : value_(value) {}
  TakenApart(const TakenApart&) = delete;
  TakenApart& operator=(const TakenApart&) = delete;
  ~TakenApart() { take_apart(value_, 0); }

 private:
  /// Deeper ones than any of ours are left to the library; parse_json() makes none.
  static void take_apart(Json& value, int depth) {
    constexpr int deepest = 64;
    if (!value.is_structured() || depth == deepest) return;
    for (Json& part : value) take_apart(part, depth + 1);
    value.clear();
  }
  Json& value_;
};

/// Keeps the order of the keys as nlohmann::ordered_map does, which copies its values when it grows: this one moves
/// them.
template <class Key, class T, class Less, class Allocator>
struct MovedMap : nlohmann::ordered_map<Key, T, Less, Allocator> {
  using Base = nlohmann::ordered_map<Key, T, Less, Allocator>;
  using Base::Base;

  template <class Name>
  auto emplace(Name&& key, T&& value) {
    if (this->find(key) == this->end()) make_room();
    return Base::emplace(std::forward<Name>(key), std::move(value));
  }
  template <class Name>
  T& operator[](Name&& key) {
    return emplace(std::forward<Name>(key), T{}).first->second;
  }
  template <class Name>
  const T& operator[](Name&& key) const {
    return Base::at(std::forward<Name>(key));
  }

 private:
  void make_room() {
    if (this->size() < this->capacity()) return;
    MovedMap larger;
    larger.reserve(2 * this->size() + 4);
    for (const auto& entry : *this) larger.emplace_back(entry.first, nullptr);
    auto place = larger.begin();
    for (auto& entry : *this) (place++)->second.swap(entry.second);
    this->swap(larger);
  }
};

/// JSON whose objects keep the order in which they were written.
using OrderedJson = nlohmann::basic_json<MovedMap>;

/// Replaces a value without parts by the list of values.
template <class Json, class List>
void put_list(Json& place, const List& values) {
  place = Json::array();
  for (const auto& value : values) place.emplace_back(value);
}

/// Whether brackets lie in each other no deeper than anything that this library writes. Text that is not JSON may give
/// either answer.
inline bool is_flat_json(std::string_view text) {
  constexpr int deepest = 32;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (in_text) {
      if (letter == '\\') ++i;
      if (letter == '"') in_text = false;
    } else if (letter == '"') {
      in_text = true;
    } else if (letter == '[' || letter == '{') {
      if (++depth > deepest) return false;
    } else if (letter == ']' || letter == '}') {
      --depth;
    }
  }
  return true;
}

/// Fills a value in place while a text is parsed.
template <class Json>
class JsonBuilder final : public nlohmann::json_sax<Json> {
 public:
  using OnRepeated = std::function<void(const std::string& key)>;
  JsonBuilder(Json& root, const OnRepeated& on_repeated) : root_(root), on_repeated_(on_repeated) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(typename Json::number_integer_t value) override { return put(value); }
  bool number_unsigned(typename Json::number_unsigned_t value) override { return put(value); }
  bool number_float(typename Json::number_float_t value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(typename Json::binary_t&) override { return false; }  // there is none in a text
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    Json& object = *open_.back();
    const bool is_repeated = object.contains(name);
    if (!is_repeated && object.size() == most_keys) return false;
    if (is_repeated && on_repeated_) on_repeated_(name);
    member_ = &object[name];
    if (is_repeated) const TakenApart earlier(*member_);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  /// Objects are searched key by key, and none that this library writes comes near so many.
  static constexpr std::size_t most_keys = 256;

  bool put(Json value) {
    place() = std::move(value);
    return true;
  }
  bool open(Json empty) {
    Json& at = place();
    at = std::move(empty);
    open_.push_back(&at);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  Json& place() {
    if (open_.empty()) return root_;
    return open_.back()->is_array() ? open_.back()->emplace_back(nullptr) : *member_;
  }

  Json& root_;
  const OnRepeated& on_repeated_;
  std::vector<Json*> open_;  ///< the arrays and objects under way: none grows while one in it is open
  Json* member_ = nullptr;   ///< the place for the value of the latest key
};

/// Parses a text from outside into `value`, which is null and guarded by a TakenApart. False if the text is not JSON,
/// nested so deeply that the recursion of copying or printing the value could exhaust the stack, or has an object of
/// more keys than any of ours. `on_repeated` (optional) is called with each duplicate key; the last of them counts.
template <class Json>
bool parse_json(std::string_view text, Json& value,
                const typename JsonBuilder<Json>::OnRepeated& on_repeated = nullptr) {
  if (!is_flat_json(text)) return false;
  JsonBuilder<Json> builder(value, on_repeated);
  return Json::sax_parse(text, &builder);
}

}  // namespace cugad
