#include "host/report/top_anomalies.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "cugad/metrics.hpp"
#include "host/image/patch_rows.hpp"
#include "host/report/page.hpp"
#include "host/report/reason_text.hpp"
#include "host/report/shown_text.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr int reasons = 8;  ///< so many are tried for a row in any case
constexpr std::size_t shown_reasons = 3, shown_columns = 12;
constexpr std::int32_t longest_side = 256;
constexpr std::size_t most_image_bytes = std::size_t{1} << 20;
constexpr double brightest_percent = 99.5;

const TableEncoder* encoder_of(const ReportOptions& options) { return options.encoder ? &*options.encoder : nullptr; }

/// The explanations of the first `count` rows.
std::vector<Explanation> explain(Detector& detector, const std::vector<TopRow>& rows, std::size_t count) {
  Matrix together(static_cast<std::int64_t>(count), detector.columns());
  for (std::size_t r = 0; r < count; ++r) {
    std::copy_n(rows[r].rows.row(0), together.columns, together.row(static_cast<std::int64_t>(r)));
  }
  std::vector<Explanation> explanations;
  detector.explain(together, static_cast<int>(std::min<std::int64_t>(reasons, detector.columns())), explanations);
  return explanations;
}

void put_row(OrderedJson& place, const ReportOptions& options, const TopRow& row) {
  place = OrderedJson::object();
  place["row"] = row.number;
  place["score"] = row.score;
  if (row.label >= 0) place["anomaly"] = row.label == 1;
  std::vector<std::string> ids;
  for (const std::string& name : options.ids) {
    const Column& column = row.cells.columns[row.cells.find(name)];
    ids.push_back(shown_text(column.is_text ? column.texts.front() : number_text(column.numbers.front())));
  }
  put_list(place["ids"], ids);
}

void put_reasons(OrderedJson& place, const Detector& detector, const ReportOptions& options, const TopRow& row,
                 const Explanation& explanation, const ColumnSummary& columns) {
  place = OrderedJson::array();
  for (std::size_t i = 0; i < std::min(explanation.column.size(), shown_reasons); ++i) {
    const ReasonText reason =
        reason_text(explanation, i, detector.column_names(), encoder_of(options), row.cells, 0, row.rows.row(0));
    if (reason.empty()) continue;
    OrderedJson& entry = place.emplace_back(OrderedJson::object());
    entry["column"] = shown_text(reason.column);
    entry["value"] = shown_text(reason.value);
    entry["expected"] = shown_text(reason.expectation);
    entry["share"] = reason.share;
    if (const auto at = columns.place_of(explanation.column[i])) entry["place"] = *at;
  }
}

/// The mean share of each column over the flagged rows.
void put_shares(OrderedJson& place, const Detector& detector, const std::vector<Explanation>& explanations,
                std::size_t flagged, const ColumnSummary& columns, const OrderedJson& listed) {
  std::map<std::string, double> sums;
  for (std::size_t r = 0; r < flagged; ++r) {
    for (std::size_t i = 0; i < explanations[r].column.size(); ++i) {
      const int column = explanations[r].column[i];
      const auto at = columns.place_of(column);
      const std::string name = at ? listed[*at]["name"].get<std::string>()
                                  : shown_text(detector.column_names()[static_cast<std::size_t>(column)]);
      sums[name] += explanations[r].share[i] / static_cast<double>(flagged);
    }
  }
  std::vector<std::pair<std::string, double>> shares(sums.begin(), sums.end());
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  shares.resize(std::min(shares.size(), shown_columns));
  place = OrderedJson::object();
  place["rows"] = flagged;
  OrderedJson& list = place["shares"] = OrderedJson::array();
  for (const auto& [name, share] : shares) {
    if (share < 0.0005) continue;
    OrderedJson& entry = list.emplace_back(OrderedJson::object());
    entry["column"] = name;
    entry["share"] = share;
  }
}

/// A row of an image of at most `longest_side` pixels on each side, and its map.
struct SmallImage {
  ImageShape shape;
  std::vector<float> values, map;
};

/// Shrinks by area averages. The map goes as grey values from 0 to 255.
SmallImage shrunk(const WholeImage& image, const std::vector<float>& map, float most) {
  const float brightest = *std::max_element(image.values.begin(), image.values.end());
  SmallImage small{image.shape, image.values, map};
  const std::int32_t side = std::max(image.shape.height, image.shape.width);
  if (side <= longest_side) return small;
  const auto shorter = [&](std::int32_t length) {
    return std::max(1, static_cast<std::int32_t>(std::lround(double{1} * length * longest_side / side)));
  };
  small.shape = {shorter(image.shape.height), shorter(image.shape.width), image.shape.channels};
  const ImageShape grey{small.shape.height, small.shape.width, 1};
  const float white = brightest <= 1.0f ? 1.0f : 255.0f;
  small.values.resize(static_cast<std::size_t>(cells_of(small.shape)));
  image_to_row(image_of_row(image.values, image.shape, white), small.shape, small.values);
  small.map.resize(static_cast<std::size_t>(cells_of(grey)));
  image_to_row(image_of_row(map, {image.shape.height, image.shape.width, 1}, most), grey, small.map);
  for (float& value : small.map) value *= most / 255.0f;
  return small;
}

/// The bytes that the links take.
std::size_t put_image(OrderedJson& place, Detector& detector, const ReportOptions& options, const TopRow& row) {
  std::vector<float> residuals;
  detector.score_cells(row.rows, residuals);
  const WholeImage image = whole_image(0, row.rows, residuals, *options.image, row.grids);
  const std::vector<float> map = pixel_map(image.residuals, image.shape);
  const auto most = std::max(static_cast<float>(metrics::percentile(map, brightest_percent)), 1e-30f);
  const bool has_gaps =
      std::any_of(image.values.begin(), image.values.end(), [](float value) { return !std::isfinite(value); });
  if (has_gaps || image.shape.channels == 2 || image.shape.channels > 3) return 0;
  const SmallImage small = shrunk(image, map, most);
  const float brightest = *std::max_element(small.values.begin(), small.values.end());
  const std::string plain =
      png_link(encode_png(image_of_row(small.values, small.shape, brightest <= 1.0f ? 1.0f : 255.0f)));
  const std::string over = png_link(encode_png(heatmap(small.values, small.shape, small.map, most)));
  place["image"] = plain;
  place["heatmap"] = over;
  place["width"] = small.shape.width;
  place["height"] = small.shape.height;
  return plain.size() + over.size();
}

}  // namespace

void put_top_anomalies(OrderedJson& page, Detector& detector, const ReportOptions& options, float threshold,
                       const std::vector<TopRow>& rows, const ColumnSummary& columns) {
  const std::size_t listed = std::min(rows.size(), static_cast<std::size_t>(options.top));
  OrderedJson& top = page["top"] = OrderedJson::array();
  std::vector<std::string> ids;
  for (const std::string& id : options.ids) ids.push_back(shown_text(id));
  put_list(page["id_columns"], ids);
  if (options.image) {
    std::size_t bytes = 0;
    for (std::size_t r = 0; r < listed && bytes < most_image_bytes; ++r) {
      OrderedJson& place = top.emplace_back(nullptr);
      put_row(place, options, rows[r]);
      bytes += put_image(place, detector, options, rows[r]);
    }
    return;
  }
  const auto flagged = static_cast<std::size_t>(
      std::find_if(rows.begin(), rows.end(), [&](const TopRow& row) { return row.score < threshold; }) - rows.begin());
  const std::vector<Explanation> explanations = explain(detector, rows, std::max(listed, flagged));
  for (std::size_t r = 0; r < listed; ++r) {
    OrderedJson& place = top.emplace_back(nullptr);
    put_row(place, options, rows[r]);
    put_reasons(place["reasons"], detector, options, rows[r], explanations[r], columns);
  }
  if (flagged > 0) put_shares(page["explained"], detector, explanations, flagged, columns, page["columns"]);
}

}  // namespace cugad
