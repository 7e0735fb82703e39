#pragma once

namespace cugad {

/// nlohmann::json takes memory to destroy a value that has parts, and ends the process where there is none. One of
/// these beside such a value, declared after it, takes it apart first.
template <class Json>
class TakenApart {
 public:
  explicit TakenApart(Json& value) : value_(value) {}
  TakenApart(const TakenApart&) = delete;
  TakenApart& operator=(const TakenApart&) = delete;
  ~TakenApart() { take_apart(value_, 0); }

 private:
  /// Deeper ones than any of ours are left to the library: they are a hostile file's.
  static void take_apart(Json& value, int depth) {
    constexpr int deepest = 64;
    if (!value.is_structured() || depth == deepest) return;
    for (Json& part : value) take_apart(part, depth + 1);
    value.clear();
  }
  Json& value_;
};

}  // namespace cugad
