#pragma once

#include "binding.hpp"
#include "cugad/report.hpp"

namespace cugad::python {

/// What a report takes beside the detector; None is a part that is absent.
struct ReportArguments {
  std::string title;
  nb::object encoder, threshold;
  std::vector<std::string> ids;
  nb::list history;  ///< entries of history_
  std::vector<std::pair<std::string, std::string>> sources;
  int top = 25;
};

/// A report with its lock.
class BoundReport {
 public:
  BoundReport(Detector detector, const ReportArguments& arguments);
  /// Each but the rows may be None: int8 labels and int64 numbers of the rows, and the table that they are in.
  void add(const Rows& rows, const nb::object& labels, const nb::object& table, const nb::object& numbers);
  void write(const std::string& path);

 private:
  Calls calls_;
  Report report_;
};

}  // namespace cugad::python
