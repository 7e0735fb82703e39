#pragma once

#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

/// Fork and join over std::thread: no pool is kept between calls, so nothing outlives a call and a thread sanitizer
/// understands it. Meant for pieces of a millisecond and more.
namespace cugad::cpu {

/// How many of `threads` to use for work that takes one thread about `nanoseconds`.
inline int worthwhile_threads(int threads, double nanoseconds) { return nanoseconds < 1e6 ? 1 : threads; }

/// The same for products: a core does about 200 floating-point operations per nanosecond here.
inline int worthwhile_threads_of_products(int threads, double operations) {
  return worthwhile_threads(threads, operations / 200.0);
}

/// Calls body(thread, begin, end) with [0, count) cut into at most `threads` equal ranges. The cut must not influence
/// results. An exception of any piece is thrown on the calling thread, which also does the pieces for which the system
/// starts no thread.
template <class Body>
void parallel_ranges(int threads, std::int64_t count, Body&& body) {
  if (threads > count) threads = static_cast<int>(count);
  if (threads <= 1) {
    if (count > 0) body(0, std::int64_t{0}, count);
    return;
  }
  std::vector<std::exception_ptr> failures(threads);
  auto piece = [&](int t) {
    try {
      body(t, count * t / threads, count * (t + 1) / threads);
    } catch (...) {
      failures[t] = std::current_exception();
    }
  };
  std::vector<std::jthread> workers;
  workers.reserve(threads - 1);
  int started = 1;
  try {
    for (; started < threads; ++started) workers.emplace_back(piece, started);
  } catch (const std::system_error&) {
  }
  piece(0);
  for (int t = started; t < threads; ++t) piece(t);
  workers.clear();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace cugad::cpu
