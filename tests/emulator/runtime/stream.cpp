#include "tests/emulator/runtime/stream.hpp"

#include <algorithm>

/// Streams and events. Deferred work is queued and runs when it is waited for; otherwise work runs at the call.
namespace emulator {
namespace {

bool is_known(cudaStream_t stream) { return state().streams.count(stream) > 0; }
bool is_blocking(cudaStream_t stream) { return (stream->flags & cudaStreamNonBlocking) == 0; }

void run_until(cudaStream_t stream, std::uint64_t number) {
  while (stream->finished < number && !stream->queue.empty()) {
    const Operation operation = std::move(stream->queue.front());
    stream->queue.pop_front();
    const RunningOn device(stream->device);
    if (device_state().sticky == cudaSuccess) operation();
    ++stream->finished;
  }
}

/// The legacy stream waits for earlier work of blocking streams, and they wait for it.
Operation behind_others(cudaStream_t stream, Operation operation) {
  std::vector<std::pair<cudaStream_t, std::uint64_t>> before;
  for (cudaStream_t other : state().streams) {
    if (other->device == stream->device && is_blocking(other) && other->is_legacy != stream->is_legacy &&
        has_work(other)) {
      before.emplace_back(other, other->submitted);
    }
  }
  if (before.empty() || !is_blocking(stream)) return operation;
  return [before = std::move(before), operation = std::move(operation)] {
    for (const auto& [other, number] : before) {
      if (is_known(other)) run_until(other, number);
    }
    operation();
  };
}

/// Whether a capture forbids work on the legacy stream.
bool breaks_blocking_capture(cudaStream_t legacy) {
  bool any = false;
  for (const auto& capture : state().captures) {
    if (capture->blocking && capture->device == legacy->device) capture->invalidated = any = true;
  }
  if (any) note("work on the legacy default stream while a blocking stream is captured, which breaks the capture");
  return any;
}

}  // namespace

cudaStream_t resolve(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy) {
    cudaStream_t& legacy = device_state().legacy;
    if (legacy == nullptr) {
      legacy = new CUstream_st;
      legacy->device = current_device();
      legacy->is_legacy = true;
      state().streams.insert(legacy);
    }
    return legacy;
  }
  if (stream != cudaStreamPerThread) return stream;
  static thread_local std::map<int, cudaStream_t> own;  // by device
  cudaStream_t& here = own[current_device()];
  if (here == nullptr) cudaStreamCreate(&here);
  return here;
}

cudaError_t submit(cudaStream_t stream, Operation operation) {
  stream = resolve(stream);
  if (!is_known(stream)) return cudaErrorInvalidResourceHandle;
  if (stream->is_legacy && breaks_blocking_capture(stream)) return cudaErrorStreamCaptureImplicit;
  if (stream->capture) {
    if (stream->capture->invalidated) return cudaErrorStreamCaptureInvalidated;
    stream->capture->operations.push_back(std::move(operation));
    stream->joined = false;
    return cudaSuccess;
  }
  ++stream->submitted;
  stream->queue.push_back(behind_others(stream, std::move(operation)));
  if (!state().policy.deferred_streams) run_until(stream, stream->submitted);
  return cudaSuccess;
}

void drain(cudaStream_t stream) {
  stream = resolve(stream);
  if (stream != nullptr) run_until(stream, stream->submitted);
}
void drain_all() {
  for (cudaStream_t stream : state().streams) {
    if (stream->device == current_device()) drain(stream);
  }
}
bool has_work(cudaStream_t stream) { return stream != nullptr && stream->finished < stream->submitted; }

void forget_queues() {
  for (cudaStream_t stream : state().streams) {
    stream->queue.clear();
    stream->finished = stream->submitted;
    stream->capture = nullptr;
  }
}

}  // namespace emulator

using emulator::Call;
using emulator::state;

namespace {

/// Makes `stream` part of the capture under which the event was recorded.
cudaError_t wait_in_capture(cudaStream_t stream, cudaEvent_t event) {
  if (stream->is_legacy) return cudaErrorStreamCaptureImplicit;
  if (stream->capture != nullptr && stream->capture != event->capture) {
    stream->capture->invalidated = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (stream->capture == nullptr) {
    stream->capture = event->capture;
    stream->joined = false;
    event->capture->forked.push_back(stream);
  }
  if (event->number == event->capture->operations.size() || event->stream != stream->capture->origin) {
    event->stream->joined = true;
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Call call("cudaStreamCreateWithFlags");
  if (call.pending() != cudaSuccess) return call.pending();
  *stream = new CUstream_st;
  (*stream)->flags = flags;
  (*stream)->device = emulator::current_device();
  state().streams.insert(*stream);
  return call.done(cudaSuccess);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Call call("cudaStreamDestroy");
  if (stream == nullptr || state().streams.count(stream) == 0) return call.done(cudaErrorInvalidResourceHandle);
  emulator::drain(stream);
  state().streams.erase(stream);
  delete stream;
  return call.done(call.pending());
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Call call("cudaStreamSynchronize");
  stream = emulator::resolve(stream);
  if (call.pending() != cudaSuccess) return call.pending();
  if (!emulator::is_known(stream)) return call.done(cudaErrorInvalidResourceHandle);
  if (stream != nullptr && stream->capture != nullptr) {
    call.breaks_capture();
    return call.done(cudaErrorStreamCaptureUnsupported);
  }
  if (stream->is_legacy && emulator::submit(stream, [] {}) != cudaSuccess) {
    return call.done(cudaErrorStreamCaptureImplicit);
  }
  emulator::drain(stream);
  emulator::check_allocations();
  return call.done(call.pending());
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const Call call("cudaStreamQuery");
  stream = emulator::resolve(stream);
  if (call.pending() != cudaSuccess) return call.pending();
  if (!emulator::is_known(stream)) return call.done(cudaErrorInvalidResourceHandle);
  if (stream != nullptr && stream->capture != nullptr) {
    call.breaks_capture();
    return call.done(cudaErrorStreamCaptureUnsupported);
  }
  if (!emulator::has_work(stream)) return call.done(call.pending());
  emulator::drain(stream);  // work runs beside the host: the next query finds it done
  return cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  const Call call("cudaDeviceSynchronize");
  if (call.pending() != cudaSuccess) return call.pending();
  if (call.breaks_any_capture()) return call.done(cudaErrorStreamCaptureUnsupported);
  emulator::drain_all();
  emulator::check_allocations();
  return call.done(call.pending());
}
cudaError_t cudaDeviceReset() {
  const Call call("cudaDeviceReset");
  emulator::forget_queues();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Call call("cudaStreamWaitEvent");
  stream = emulator::resolve(stream);
  if (call.pending() != cudaSuccess) return call.pending();
  if (event == nullptr || !emulator::is_known(stream)) return call.done(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) return call.done(wait_in_capture(stream, event));
  if (stream != nullptr && stream->capture != nullptr) {
    stream->capture->invalidated = true;
    return call.done(cudaErrorStreamCaptureIsolation);
  }
  const cudaStream_t other = event->stream;
  const std::uint64_t number = event->number;
  if (other == nullptr || other == stream) return call.done(cudaSuccess);
  return call.done(emulator::submit(stream, [other, number] {
    if (state().streams.count(other) > 0) emulator::run_until(other, number);
  }));
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const Call call("cudaLaunchHostFunc");
  if (call.pending() != cudaSuccess) return call.pending();
  return call.done(emulator::submit(stream, [=] { function(data); }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  const Call call("cudaEventCreateWithFlags");
  if (call.pending() != cudaSuccess) return call.pending();
  *event = new CUevent_st;
  (*event)->flags = flags;
  return call.done(cudaSuccess);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call("cudaEventDestroy");
  if (event != nullptr && event->stream != nullptr && state().streams.count(event->stream) > 0) {
    if (event->capture == nullptr) emulator::drain(event->stream);  // a queued record writes into the event
  }
  delete event;
  return call.done(call.pending());
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Call call("cudaEventRecord");
  stream = emulator::resolve(stream);
  if (call.pending() != cudaSuccess) return call.pending();
  if (event == nullptr || !emulator::is_known(stream)) return call.done(cudaErrorInvalidResourceHandle);
  event->stream = stream;
  event->recorded = true;
  event->capture = stream != nullptr ? stream->capture : nullptr;
  if (event->capture != nullptr) {
    event->number = event->capture->operations.size();
    return call.done(event->capture->invalidated ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
  }
  const cudaError_t error = emulator::submit(stream, [event] { event->time = std::chrono::steady_clock::now(); });
  event->number = stream->submitted;
  return call.done(error);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Call call("cudaEventSynchronize");
  if (call.pending() != cudaSuccess) return call.pending();
  if (event->capture != nullptr) {
    call.breaks_capture();
    return call.done(cudaErrorCapturedEvent);
  }
  if (event->stream != nullptr && state().streams.count(event->stream) > 0)
    emulator::run_until(event->stream, event->number);
  return call.done(call.pending());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Call call("cudaEventQuery");
  if (call.pending() != cudaSuccess) return call.pending();
  if (event->capture != nullptr) return call.done(cudaErrorCapturedEvent);
  const cudaStream_t stream = event->stream;
  if (stream == nullptr || state().streams.count(stream) == 0 || stream->finished >= event->number)
    return call.done(cudaSuccess);
  emulator::run_until(stream, event->number);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Call call("cudaEventElapsedTime");
  if (call.pending() != cudaSuccess) return call.pending();
  for (const cudaEvent_t event : {start, end}) {
    if (!event->recorded || (event->flags & cudaEventDisableTiming) != 0)
      return call.done(cudaErrorInvalidResourceHandle);
    if (event->stream != nullptr && event->stream->finished < event->number) return cudaErrorNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return call.done(cudaSuccess);
}

}  // extern "C"
