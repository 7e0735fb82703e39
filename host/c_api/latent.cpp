#include "cugad/latent.hpp"

#include "cugad/cugad_latent.h"
#include "host/c_api/arguments.hpp"
#include "host/c_api/fit_controls.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/results.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

/// make(detector, results) with the caller's memory for results, `each` numbers for each of `rows`; `given` lies apart.
template <class Make>
void write_rows(cugad_detector* detector, std::int64_t rows, std::int64_t each, float* memory, const char* name,
                MatrixView<const float> given, const Make& make) {
  Detector& model = fitted(detector);
  const CancelOnce once{detector->cancel};
  const std::int64_t cells = product(rows, each, name);
  require_host_array(detector->device, memory, cells, name);
  require_apart(extent_of(given), memory, cells, name);
  model.use_stream(detector->stream());
  make(model, std::span<float>(memory, static_cast<std::size_t>(cells)));
}

}  // namespace

extern "C" {

cugad_status cugad_detector_latent_size(cugad_detector* detector, int64_t* size) {
  return guard(__func__, [&] {
    require(size, "size");
    *size = latent_size(fitted(detector));
  });
}

cugad_status cugad_detector_draw_latents(cugad_detector* detector, uint64_t seed, int64_t rows, float* z) {
  return guard(__func__, [&] {
    write_rows(detector, rows, latent_size(fitted(detector)), z, "z", {},
               [&](const Detector& model, std::span<float> drawn) { draw_latents(model, rows, seed, drawn); });
  });
}

cugad_status cugad_detector_encode(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                   int64_t row_stride, int64_t model, float* z) {
  return guard(__func__, [&] {
    const std::int64_t size = latent_size(fitted(detector));
    const MatrixView<const float> given(x, rows, columns, row_stride);
    require_matrix(detector->device, given, "x");
    write_rows(detector, rows, size, z, "z", given,
               [&](Detector& encoding, std::span<float> found) { encode(encoding, given, model, found); });
  });
}

cugad_status cugad_detector_decode(cugad_detector* detector, const float* z, int64_t rows, int64_t latent,
                                   int64_t row_stride, int64_t model, float* x) {
  return guard(__func__, [&] {
    const std::int64_t columns = fitted(detector).columns();
    const MatrixView<const float> given(z, rows, latent, row_stride);
    require_matrix(detector->device, given, "z");
    write_rows(detector, rows, columns, x, "x", given,
               [&](Detector& decoding, std::span<float> made) { decode(decoding, given, model, made); });
  });
}

}  // extern "C"
