#pragma once

#include <chrono>

#include "tests/emulator/runtime/state.hpp"

struct CUstream_st {
  unsigned flags = 0;
  int device = 0;
  bool is_legacy = false;
  std::deque<emulator::Operation> queue;
  std::uint64_t submitted = 0, finished = 0;
  std::shared_ptr<emulator::Capture> capture;
  bool joined = true;  ///< of a forked stream: its captured work has been waited for
};

struct CUmemPoolHandle_st {
  int device = 0;
  std::size_t used = 0, most_used = 0, reserved = 0;
  std::uint64_t threshold = 0;  ///< of its cached memory
  bool is_closed = false;       ///< goes with its last memory
};

struct CUevent_st {
  unsigned flags = 0;
  cudaStream_t stream = nullptr;  ///< of the last record; null: none, or already passed
  std::uint64_t number = 0;       ///< operations of that stream that come before
  bool recorded = false;
  std::shared_ptr<emulator::Capture> capture;  ///< under which it was recorded
  std::chrono::steady_clock::time_point time;
};
