#pragma once

#include <cfenv>

namespace cugad {

/// The default floating-point environment while this object lives: to the nearest, no traps, subnormal numbers counted.
/// Programs trap invalid operations or round otherwise; NaN is a missing cell here, and no bit may depend on them.
/// Their environment, with the flags that it had, is back afterwards. Threads that start meanwhile inherit the default.
class FloatingPointEnvironment {
 public:
  FloatingPointEnvironment() {
    std::fegetenv(&callers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatingPointEnvironment() { std::fesetenv(&callers_); }
  FloatingPointEnvironment(const FloatingPointEnvironment&) = delete;
  FloatingPointEnvironment& operator=(const FloatingPointEnvironment&) = delete;

 private:
  std::fenv_t callers_;
};

}  // namespace cugad
