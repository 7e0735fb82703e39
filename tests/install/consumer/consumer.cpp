// A program in C++20: errors of the library are caught by type, its virtual tables and ops are reached.
#include <cugad/cugad.h>

#include <cstdio>
#include <cugad/cugad.hpp>
#include <memory>
#include <string>
#include <typeinfo>

namespace {

// Throws inside the library's code or out of a callback: the same type on both sides.
bool catches_errors() {
  try {
    cugad::Device::open("abacus");
  } catch (const cugad::Error& error) {
    return error.code() == cugad::ErrorCode::unsupported || error.code() == cugad::ErrorCode::invalid_argument;
  }
  return false;
}

bool passes_errors_through() {
  cugad::Detector detector(cugad::Device::open("cpu"), {.population = 1, .steps = 100});
  cugad::FitControl control;
  control.on_progress = [](const cugad::FitProgress&) {
    throw cugad::Error(cugad::ErrorCode::cancelled, "from the caller");
  };
  const cugad::Matrix rows(100, 2);
  try {
    detector.fit(rows.view(), control);
  } catch (const cugad::Error& error) {
    return error.code() == cugad::ErrorCode::cancelled && std::string(error.what()) == "from the caller";
  }
  return false;
}

bool reaches_types() {
  try {
    const std::unique_ptr<cugad::TableReader> reader = cugad::open_table("/nowhere.csv");
    return false;
  } catch (const std::exception& error) {
    return typeid(error) == typeid(cugad::Error);
  }
}

bool runs_ops() {
  cugad::Context context = cugad::Device::open("cpu").make_context(1);
  float x[] = {1, 2, 3}, y[] = {1, 1, 1};
  cugad::AddRows args;
  args.x = {x, 1, 1, 3};
  args.scale = 2.0f;
  args.y = {y, 1, 1, 3};
  run(context, args);
  return y[0] == 3 && y[1] == 5 && y[2] == 7 && can_run(context, args) && workspace(context, args) == 0;
}

// The library has the same tables of the standard library's inline functions, under unique names.
bool shares_inline_functions() { return std::to_string(cugad::option_list().size()) != "0"; }

}  // namespace

int main() {
  if (!shares_inline_functions()) return 5;
  if (!catches_errors()) return 1;
  if (!passes_errors_through()) return 2;
  if (!reaches_types()) return 3;
  if (!runs_ops()) return 4;
  std::printf("C++: cugad %s, %zu options\n", cugad_version(), cugad::option_list().size());
  return 0;
}
