#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "binding.hpp"
#include "report.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;
using Groups = std::vector<std::string>;

/// A fleet with its lock.
class BoundFleet {
 public:
  BoundFleet(std::string device, int threads, const std::function<Fleet(const Device&)>& make)
      : device_(std::move(device)), threads_(threads), fleet_(make(Device::open(device_, threads_))) {
    fleet_.cancel_by(calls_.cancel_flag());
  }

  const std::string& device() const { return device_; }
  int threads() const { return threads_; }
  Fleet& fleet() { return fleet_; }
  Calls& calls() { return calls_; }

  template <class Body>
  void with_rows(const Rows& rows, Body&& body) {
    const auto x = view_of(rows);
    calls_.run(x.rows > few_rows, [&] { body(x, fleet_); });
  }

 private:
  std::string device_;
  int threads_;
  Calls calls_;
  Fleet fleet_;
};

nb::bytes save_to_memory(BoundFleet& bound) {
  std::vector<std::byte> bytes;
  bound.calls().run(false, [&] { bytes = bound.fleet().save(); });
  return to_bytes(bytes);
}

Array score(BoundFleet& bound, const Rows& rows, const Groups& groups) {
  std::vector<float> scores;
  bound.with_rows(rows, [&](const auto& x, Fleet& fleet) { scores = fleet.score(x, groups); });
  return to_numpy(std::move(scores), {rows.shape(0)});
}

nb::tuple explain(BoundFleet& bound, const Rows& rows, const Groups& groups, int count) {
  std::vector<float> scores;
  std::vector<Explanation> explanations;
  bound.with_rows(rows, [&](const auto& x, Fleet& fleet) { scores = fleet.explain(x, groups, count, explanations); });
  return nb::make_tuple(to_numpy(std::move(scores), {rows.shape(0)}),
                        to_arrays(explanations, static_cast<std::size_t>(count)));
}

/// The group "" is the pooled detector.
BoundReport* report(BoundFleet& bound, const std::string& group, ReportArguments arguments) {
  std::optional<Detector> one;
  bound.calls().run(false, [&] { one = group.empty() ? bound.fleet().pooled() : bound.fleet().take_out(group); });
  return new BoundReport(std::move(*one), arguments);
}

nb::list group_list(BoundFleet& bound) {
  nb::list groups;
  for (const FleetGroup& group : bound.fleet().groups()) {
    groups.append(nb::make_tuple(group.name, group.rows, group.own_model, group.threshold));
  }
  return groups;
}

}  // namespace

void bind_fleet(nb::module_& module) {
  nb::class_<BoundFleet>(module, "Fleet", "One detector per group of rows.")
      .def(
          "__init__",
          [](BoundFleet* made, const std::string& options, const std::string& device, int threads,
             std::int64_t minimum_rows, std::int64_t pooled_rows, const std::string& group_seed) {
            const GroupSeed seed = group_seed_from(group_seed);
            new (made) BoundFleet(device, threads, [&](const Device& opened) {
              return Fleet(opened, options_from_json(options), FleetOptions{minimum_rows, pooled_rows, seed});
            });
          },
          "options"_a, "device"_a = "auto", "threads"_a = 0, "minimum_rows"_a = FleetOptions{}.minimum_rows,
          "pooled_rows"_a = FleetOptions{}.pooled_rows, "group_seed"_a = "name")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, int threads) {
            return new BoundFleet(device, threads, [&](const Device& opened) { return Fleet::load(opened, path); });
          },
          "path"_a, "device"_a = "auto", "threads"_a = 0)
      .def_static("is_fleet", [](const std::string& path) { return Fleet::is_fleet(path); })
      .def("__getstate__",
           [](BoundFleet& bound) { return nb::make_tuple(bound.device(), bound.threads(), save_to_memory(bound)); })
      .def("__setstate__",
           [](BoundFleet& made, const nb::tuple& state) {
             const auto model = nb::cast<nb::bytes>(state[2]);
             new (&made) BoundFleet(nb::cast<std::string>(state[0]), nb::cast<int>(state[1]),
                                    [&](const Device& opened) { return Fleet::load(opened, span_of(model)); });
           })
      .def(
          "fit",
          [](BoundFleet& bound, const Rows& rows, const Groups& groups, std::vector<std::string> names,
             std::int64_t binary, nb::object on_progress, nb::object on_message, std::string checkpoint_directory,
             bool resume) {
            const auto x = view_of(rows);
            Columns columns{std::move(names), binary};
            bound.calls().fit(
                {std::move(on_progress), std::move(on_message), std::move(checkpoint_directory), resume},
                [&](const FitControl& control) { bound.fleet().fit(x, groups, std::move(columns), control); });
          },
          "rows"_a, "groups"_a, "names"_a = std::vector<std::string>(), "binary"_a = 0, "on_progress"_a = nb::none(),
          "on_message"_a = nb::none(), "checkpoint_directory"_a = "", "resume"_a = false)
      .def("score", &score, "rows"_a, "groups"_a, "Scores [rows].")
      .def("explain", &explain, "rows"_a, "groups"_a, "count"_a)
      .def(
          "report",
          [](BoundFleet& bound, const std::string& group, std::string title, nb::object encoder,
             std::vector<std::string> ids, int top) {
            return report(bound, group,
                          {std::move(title), std::move(encoder), nb::none(), std::move(ids), nb::list(), {}, top});
          },
          "group"_a, "title"_a, "encoder"_a.none(), "ids"_a, "top"_a, "A page about the detector of a group.")
      .def(
          "thresholds",
          [](BoundFleet& bound, const Groups& groups) {
            return to_numpy(bound.fleet().thresholds(groups), {groups.size()});
          },
          "groups"_a)
      .def(
          "probability",
          [](BoundFleet& bound, const Floats& scores, const Groups& groups, const std::string& kind) {
            return to_numpy(bound.fleet().probability(span_of(scores), groups, probability_from(kind)),
                            {scores.shape(0)});
          },
          "scores"_a, "groups"_a, "kind"_a = "rank")
      .def(
          "confidence",
          [](BoundFleet& bound, const Floats& scores, const Groups& groups) {
            return to_numpy(bound.fleet().confidence(span_of(scores), groups), {scores.shape(0)});
          },
          "scores"_a, "groups"_a)
      .def("attach", [](BoundFleet& bound, const std::string& name,
                        const std::string& text) { bound.fleet().attach(name, text); })
      .def("attachment",
           [](BoundFleet& bound, const std::string& name) {
             const std::string* text = bound.fleet().attachment(name);
             return text == nullptr ? std::optional<std::string>() : *text;
           })
      .def("save", [](BoundFleet& bound,
                      const std::string& path) { bound.calls().run(false, [&] { bound.fleet().save(path); }); })
      .def(
          "export_onnx",
          [](BoundFleet& bound, const std::string& path, const std::string& group, const std::string& prefix) {
            bound.calls().run(false, [&] {
              export_onnx(bound.fleet().take_out(group), path, {.threshold = {}, .output_prefix = prefix});
            });
          },
          "path"_a, "group"_a, "output_prefix"_a = "")
      .def("to_bytes", &save_to_memory)
      .def_prop_ro("groups", &group_list, "Name, training rows, whether it has a model, threshold; of each group.")
      .def_prop_ro("column_names", [](BoundFleet& bound) { return bound.fleet().column_names(); })
      .def_prop_ro("columns", [](BoundFleet& bound) { return bound.fleet().columns(); })
      .def_prop_ro("parts", [](BoundFleet& bound) { return bound.fleet().parts(); })
      .def_prop_ro("options", [](BoundFleet& bound) { return options_to_json(bound.fleet().options()); });
}

}  // namespace cugad::python
