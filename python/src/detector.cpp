#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "binding.hpp"
#include "report.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;

/// What opens a device; kept, so that pickled detectors find theirs again.
struct DeviceChoice {
  std::string name;
  int threads = 0;
  std::string precision;

  Device open() const { return Device::open(name, threads).with_precision(precision_from(precision)); }
};

/// A detector with its lock.
class BoundDetector {
 public:
  BoundDetector(const std::string& options_json, DeviceChoice choice)
      : choice_(std::move(choice)), device_(choice_.open()), detector_(device_, options_from_json(options_json)) {
    detector_.cancel_by(calls_.cancel_flag());
  }
  BoundDetector(DeviceChoice choice, const nb::bytes& model)
      : choice_(std::move(choice)), device_(choice_.open()), detector_(Detector::load(device_, span_of(model))) {
    detector_.cancel_by(calls_.cancel_flag());
  }
  BoundDetector(DeviceChoice choice, const std::string& path)
      : choice_(std::move(choice)), device_(choice_.open()), detector_(Detector::load(device_, path)) {
    detector_.cancel_by(calls_.cancel_flag());
  }

  const DeviceChoice& choice() const { return choice_; }
  const Device& device() const { return device_; }
  const Detector& model() const { return detector_; }
  Detector& changed() { return detector_; }

  void fit(const PlacedRows& rows, Columns columns, const FitArguments& arguments) {
    const auto x = view_of(rows, device_.name());
    calls_.fit(arguments, [&](const FitControl& control) { detector_.fit(x, std::move(columns), control); });
  }

  /// body(x, detector) for the rows, without the interpreter's lock.
  template <class Body>
  void with_rows(const Rows& rows, Body&& body, std::int64_t cost = 1) {
    const auto x = view_of(rows);
    calls_.run(x.rows * cost > few_rows, [&] { body(x, detector_); });
  }
  template <class Body>
  void without_rows(bool may_take_long, Body&& body) {
    calls_.run(may_take_long, [&] { body(detector_); });
  }

 private:
  DeviceChoice choice_;
  Device device_;
  Calls calls_;
  Detector detector_;
};

Array score(BoundDetector& bound, const Rows& rows) {
  std::vector<float> scores(rows.shape(0));
  bound.with_rows(rows, [&](const auto& x, Detector& detector) { detector.score(x, scores); });
  return to_numpy(std::move(scores), {rows.shape(0)});
}

/// Memory on the detector's GPU as an object of the DLPack protocol.
struct PlacedArray {
  float* data;
  nb::object object;
};

PlacedArray make_placed(const BoundDetector& bound, std::size_t count, int device_id) {
  auto memory = std::make_unique<DeviceMemory>(bound.device(), count * sizeof(float));
  auto* const data = static_cast<float*>(memory->data());
  const nb::capsule owner(memory.release(), [](void* owned) noexcept { delete static_cast<DeviceMemory*>(owned); });
  return {data, nb::cast(nb::ndarray<nb::array_api, float>(data, {count}, owner, {}, nb::dtype<float>(),
                                                           nb::device::cuda::value, device_id))};
}

/// The scores of rows on a GPU stay there. They are complete on return.
nb::object score_placed(BoundDetector& bound, const PlacedRows& rows) {
  const auto x = view_of(rows, bound.device().name());
  const std::size_t count = rows.shape(0);
  if (!is_on_gpu(rows)) {
    std::vector<float> scores(count);
    bound.without_rows(x.rows > few_rows, [&](Detector& detector) { detector.score(x, scores); });
    return nb::cast(to_numpy(std::move(scores), {count}));
  }
  PlacedArray scores = make_placed(bound, count, rows.device_id());
  bound.without_rows(x.rows > few_rows,
                     [&](Detector& detector) { detector.score(x, std::span<float>(scores.data, count)); });
  return scores.object;
}

nb::tuple score_methods(BoundDetector& bound, const Rows& rows) {
  std::vector<float> scores, parts;
  bound.with_rows(rows, [&](const auto& x, Detector& detector) { scores = detector.score_methods(x, parts); });
  const std::size_t count = bound.model().parts().size();
  return nb::make_tuple(to_numpy(std::move(scores), {rows.shape(0)}),
                        to_numpy(std::move(parts), {rows.shape(0), count}));
}

nb::tuple score_cells(BoundDetector& bound, const Rows& rows) {
  std::vector<float> scores, residuals;
  bound.with_rows(rows, [&](const auto& x, Detector& detector) { scores = detector.score_cells(x, residuals); });
  return nb::make_tuple(to_numpy(std::move(scores), {rows.shape(0)}),
                        to_numpy(std::move(residuals), {rows.shape(0), rows.shape(1)}));
}

nb::tuple explain(BoundDetector& bound, const Rows& rows, int count) {
  std::vector<float> scores;
  std::vector<Explanation> explanations;
  constexpr std::int64_t scores_each = 20;
  bound.with_rows(
      rows, [&](const auto& x, Detector& detector) { scores = detector.explain(x, count, explanations); }, scores_each);
  return nb::make_tuple(to_numpy(std::move(scores), {rows.shape(0)}),
                        to_arrays(explanations, static_cast<std::size_t>(count)));
}

nb::tuple fill(BoundDetector& bound, const Rows& rows, float coverage) {
  const std::size_t cells = rows.shape(0) * rows.shape(1);
  std::vector<float> filled(cells), low(cells), high(cells);
  bound.with_rows(rows, [&](const auto& x, Detector& detector) { detector.fill(x, filled, low, high, coverage); });
  const auto shaped = [&](auto& values) { return to_numpy(std::move(values), {rows.shape(0), rows.shape(1)}); };
  return nb::make_tuple(shaped(filled), shaped(low), shaped(high));
}

Array sample(BoundDetector& bound, std::int64_t count, std::uint64_t seed) {
  const std::int64_t columns = bound.model().columns();
  if (count < 0) throw Error(ErrorCode::invalid_argument, "the number of samples is negative, expected at least 0");
  std::vector<float> rows(static_cast<std::size_t>(count * columns));
  bound.without_rows(count > few_rows, [&](Detector& detector) { detector.sample(count, seed, rows); });
  return to_numpy(std::move(rows), {static_cast<std::size_t>(count), static_cast<std::size_t>(columns)});
}

Array sample_given(BoundDetector& bound, const Rows& given, std::int64_t count, std::uint64_t seed) {
  if (count < 0) throw Error(ErrorCode::invalid_argument, "the number of samples is negative, expected at least 0");
  std::vector<float> rows(given.shape(0) * given.shape(1) * static_cast<std::size_t>(count));
  bound.with_rows(
      given, [&](const auto& x, Detector& detector) { detector.sample(x, count, seed, rows); }, count);
  return to_numpy(std::move(rows), {given.shape(0), static_cast<std::size_t>(count), given.shape(1)});
}

std::int64_t size_of_latents(BoundDetector& bound) { return latent_size(bound.model()); }

Array draw(BoundDetector& bound, std::int64_t count, std::uint64_t seed) {
  const std::int64_t size = size_of_latents(bound);
  if (count < 0) throw Error(ErrorCode::invalid_argument, "the number of latents is negative, expected at least 0");
  std::vector<float> z(static_cast<std::size_t>(count * size));
  bound.without_rows(count > few_rows, [&](Detector& detector) { draw_latents(detector, count, seed, z); });
  return to_numpy(std::move(z), {static_cast<std::size_t>(count), static_cast<std::size_t>(size)});
}

Array encode_rows(BoundDetector& bound, const Rows& rows, std::int64_t model) {
  const auto size = static_cast<std::size_t>(size_of_latents(bound));
  std::vector<float> z(rows.shape(0) * size);
  bound.with_rows(rows, [&](const auto& x, Detector& detector) { encode(detector, x, model, z); });
  return to_numpy(std::move(z), {rows.shape(0), size});
}

Array decode_latents(BoundDetector& bound, const Rows& z, std::int64_t model) {
  const auto columns = static_cast<std::size_t>(bound.model().columns());
  std::vector<float> rows(z.shape(0) * columns);
  bound.with_rows(z, [&](const auto& latents, Detector& detector) { decode(detector, latents, model, rows); });
  return to_numpy(std::move(rows), {z.shape(0), columns});
}

BoundReport* report(BoundDetector& bound, ReportArguments arguments) {
  std::optional<Detector> shared;
  bound.without_rows(false, [&](Detector& detector) { shared = detector.share(); });
  return new BoundReport(std::move(*shared), arguments);
}

nb::bytes save_to_memory(BoundDetector& bound) {
  std::vector<std::byte> bytes;
  bound.without_rows(false, [&](Detector& detector) { bytes = detector.save(); });
  return to_bytes(bytes);
}

}  // namespace

void bind_detector(nb::module_& module) {
  nb::class_<BoundDetector>(module, "Detector", "A detector on rows of float32; the estimators are made of it.")
      .def(
          "__init__",
          [](BoundDetector* made, const std::string& options, const std::string& device, int threads,
             const std::string& precision) {
            new (made) BoundDetector(options, DeviceChoice{device, threads, precision});
          },
          "options"_a, "device"_a = "auto", "threads"_a = 0, "precision"_a = "fp32")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, int threads, const std::string& precision) {
            return new BoundDetector(DeviceChoice{device, threads, precision}, path);
          },
          "path"_a, "device"_a = "auto", "threads"_a = 0, "precision"_a = "fp32")
      .def("__getstate__",
           [](BoundDetector& bound) {
             const DeviceChoice& choice = bound.choice();
             return nb::make_tuple(choice.name, choice.threads, choice.precision, save_to_memory(bound));
           })
      .def("__setstate__",
           [](BoundDetector& made, const nb::tuple& state) {
             new (&made) BoundDetector(DeviceChoice{nb::cast<std::string>(state[0]), nb::cast<int>(state[1]),
                                                    nb::cast<std::string>(state[2])},
                                       nb::cast<nb::bytes>(state[3]));
           })
      .def(
          "fit",
          [](BoundDetector& bound, const PlacedRows& rows, std::vector<std::string> names, std::int64_t binary,
             nb::object on_progress, nb::object on_message, std::string checkpoint_directory, bool resume,
             std::string row_directory) {
            bound.fit(rows, Columns{std::move(names), binary},
                      {std::move(on_progress), std::move(on_message), std::move(checkpoint_directory), resume,
                       std::move(row_directory)});
          },
          "rows"_a, "names"_a = std::vector<std::string>(), "binary"_a = 0, "on_progress"_a = nb::none(),
          "on_message"_a = nb::none(), "checkpoint_directory"_a = "", "resume"_a = false, "row_directory"_a = "")
      .def("score", &score, "rows"_a, "Scores [rows].")
      .def("score_placed", &score_placed, "rows"_a, "Scores [rows], on the device of the rows.")
#ifdef CUGAD_EMULATED  // for tests, which have no other library with memory there
      .def(
          "make_memory", [](BoundDetector& bound, std::size_t count) { return make_placed(bound, count, 0).object; },
          "count"_a)
#endif
      .def("score_methods", &score_methods, "rows"_a, "Scores [rows], and those of each part [rows, parts].")
      .def("score_cells", &score_cells, "rows"_a, "Scores [rows], and the residual of each cell [rows, columns].")
      .def("explain", &explain, "rows"_a, "count"_a, "Scores [rows], and a dictionary of arrays [rows, count].")
      .def("fill", &fill, "rows"_a, "coverage"_a = 0.9f, "Filled rows, and the ends of their bands.")
      .def("sample", &sample, "count"_a, "seed"_a = 0, "Synthetic rows [count, columns].")
      .def("sample_given", &sample_given, "given"_a, "count"_a, "seed"_a = 0, "Draws [rows, count, columns].")
      .def("draw_latents", &draw, "count"_a, "seed"_a = 0, "The z of sample(), [count, latent_size].")
      .def("encode", &encode_rows, "rows"_a, "model"_a = 0, "E(x) by one model, [rows, latent_size].")
      .def("decode", &decode_latents, "z"_a, "model"_a = 0, "G(z) by one model, [rows, columns].")
      .def(
          "report",
          [](BoundDetector& bound, std::string title, nb::object encoder, nb::object threshold,
             std::vector<std::string> ids, nb::list history, std::vector<std::pair<std::string, std::string>> sources,
             int top) {
            return report(bound, {std::move(title), std::move(encoder), std::move(threshold), std::move(ids),
                                  std::move(history), std::move(sources), top});
          },
          "title"_a, "encoder"_a.none(), "threshold"_a.none(), "ids"_a, "history"_a, "sources"_a, "top"_a,
          "A page about the detector, to which rows are added.")
      .def(
          "probability",
          [](BoundDetector& bound, const Floats& scores, const std::string& kind) {
            return to_numpy(bound.model().probability(span_of(scores), probability_from(kind)), {scores.shape(0)});
          },
          "scores"_a, "kind"_a = "rank")
      .def(
          "confidence",
          [](BoundDetector& bound, const Floats& scores) {
            return to_numpy(bound.model().confidence(span_of(scores)), {scores.shape(0)});
          },
          "scores"_a)
      .def("set_contamination", [](BoundDetector& bound, float share) { bound.changed().set_contamination(share); })
      .def("set_false_alarm_rate", [](BoundDetector& bound, float rate) { bound.changed().set_false_alarm_rate(rate); })
      .def("attach", [](BoundDetector& bound, const std::string& name,
                        const std::string& text) { bound.changed().attach(name, text); })
      .def("attachment",
           [](BoundDetector& bound, const std::string& name) {
             const std::string* text = bound.model().attachment(name);
             return text == nullptr ? std::optional<std::string>() : *text;
           })
      .def("save",
           [](BoundDetector& bound, const std::string& path) {
             bound.without_rows(false, [&](Detector& detector) { detector.save(path); });
           })
      .def(
          "export_onnx",
          [](BoundDetector& bound, const std::string& path, std::optional<float> threshold, const std::string& prefix) {
            bound.without_rows(false, [&](Detector& detector) { export_onnx(detector, path, {threshold, prefix}); });
          },
          "path"_a, "threshold"_a = nb::none(), "output_prefix"_a = "")
      .def("to_bytes", &save_to_memory)
      .def_prop_ro("device", [](BoundDetector& bound) { return bound.device().name(); })
      .def_prop_ro("threshold", [](BoundDetector& bound) { return bound.model().threshold(); })
      .def_prop_ro("parts", [](BoundDetector& bound) { return bound.model().parts(); })
      .def_prop_ro("notes", [](BoundDetector& bound) { return bound.model().notes(); })
      .def_prop_ro("column_names", [](BoundDetector& bound) { return bound.model().column_names(); })
      .def_prop_ro("columns", [](BoundDetector& bound) { return bound.model().columns(); })
      .def_prop_ro("latent_size", &size_of_latents)
      .def_prop_ro("reference_rows", [](BoundDetector& bound) { return bound.model().reference_rows(); })
      .def_prop_ro("calibration",
                   [](BoundDetector& bound) {
                     const Detector::Calibration basis = bound.model().calibration();
                     return nb::make_tuple(basis.rows, basis.folds);
                   })
      .def_prop_ro("options", [](BoundDetector& bound) { return options_to_json(bound.model().options()); })
      .def_prop_ro("options_without_effect",
                   [](BoundDetector& bound) { return options_without_effect(bound.model().options()); });
}

}  // namespace cugad::python
