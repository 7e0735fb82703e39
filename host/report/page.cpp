#include "host/report/page.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "cugad/error.hpp"
#include "host/report/shown_text.hpp"

/// The files of the page are part of the object: the assembler reads them.
#define CUGAD_EMBED(name, file)                                                                             \
  __asm__(".section .rodata\n.global cugad_page_" #name "\n.hidden cugad_page_" #name "\ncugad_page_" #name \
          ":\n.incbin \"" file "\"\n.global cugad_page_" #name "_end\n.hidden cugad_page_" #name            \
          "_end\ncugad_page_" #name "_end:\n.byte 0\n.previous\n");                                         \
  extern "C" {                                                                                              \
  __attribute__((visibility("hidden"))) extern const char cugad_page_##name[], cugad_page_##name##_end[];   \
  }

CUGAD_EMBED(html, CUGAD_PAGE_FOLDER "/page.html")
CUGAD_EMBED(css, CUGAD_PAGE_FOLDER "/page.css")
CUGAD_EMBED(parts, CUGAD_PAGE_FOLDER "/parts.js")
CUGAD_EMBED(charts, CUGAD_PAGE_FOLDER "/charts.js")
CUGAD_EMBED(scores, CUGAD_PAGE_FOLDER "/scores.js")
CUGAD_EMBED(rows, CUGAD_PAGE_FOLDER "/rows.js")
#ifdef CUGAD_CHART_JS
CUGAD_EMBED(chart_js, CUGAD_CHART_JS)
#endif

namespace cugad {
namespace {

constexpr bool has_charts =
#ifdef CUGAD_CHART_JS
    true;
#else
    false;
#endif

std::string_view chart_library() {
#ifdef CUGAD_CHART_JS
  return {cugad_page_chart_js, cugad_page_chart_js_end};
#else
  return {};
#endif
}

/// The JSON as the text of a script element, which no "</script>" or "<!--" may end: both begin with '<', and in JSON
/// that letter is in texts alone.
std::string script_text(const OrderedJson& data) {
  std::string text;
  for (const char letter : data.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)) {
    if (letter == '<') {
      text += "\\u003c";
    } else {
      text += letter;
    }
  }
  return text;
}

}  // namespace

void check_has_charts() {
  if (has_charts) return;
  throw Error(
      ErrorCode::unsupported,
      "this build makes no reports: Chart.js was not found when it was configured (apt-get install libjs-chart.js, "
      "then configure and build again)");
}

std::string page_of(const std::string& title, const OrderedJson& data) {
  const std::pair<std::string_view, std::string> fields[] = {
      {"title", html_text(title)},
      {"style", {cugad_page_css, cugad_page_css_end}},
      {"data", script_text(data)},
      {"chart.js", std::string(chart_library())},
      {"script", std::string(cugad_page_parts, cugad_page_parts_end)
                     .append(cugad_page_charts, cugad_page_charts_end)
                     .append(cugad_page_scores, cugad_page_scores_end)
                     .append(cugad_page_rows, cugad_page_rows_end)}};
  std::string_view rest(cugad_page_html, cugad_page_html_end);
  std::string page;
  for (std::size_t at = 0; (at = rest.find("{{")) != std::string_view::npos;) {
    const std::size_t end = rest.find("}}", at);
    const std::string_view name = rest.substr(at + 2, end - at - 2);
    page += rest.substr(0, at);
    page += std::find_if(std::begin(fields), std::end(fields), [&](const auto& field) {
              return field.first == name;
            })->second;
    rest.remove_prefix(end + 2);
  }
  return page.append(rest);
}

std::string png_link(std::span<const std::byte> png) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string link = "data:image/png;base64,";
  for (std::size_t i = 0; i < png.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < png.size() ? std::to_integer<std::uint32_t>(png[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) link += i + k <= png.size() ? digits[bits >> (18 - 6 * k) & 63u] : '=';
  }
  return link;
}

}  // namespace cugad
