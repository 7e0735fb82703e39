#include "host/detector/novelty_json.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace cugad {

std::string novelty_to_json(const Novelty& novelty) {
  Json json = Json::object();
  const TakenApart parts(json);
  std::vector<std::int32_t> first, columns, kind;
  std::vector<float> constant, missing, unseen, expected_missing, expected_unseen;
  for (const Novelty::Source& source : novelty.sources()) {
    first.push_back(source.first);
    columns.push_back(source.columns);
    kind.push_back(static_cast<std::int32_t>(source.kind));
    constant.push_back(source.constant);
    missing.push_back(source.missing);
    unseen.push_back(source.unseen);
  }
  for (const Novelty::Expected& method : novelty.expected()) {
    expected_missing.insert(expected_missing.end(), method.missing.begin(), method.missing.end());
    expected_unseen.insert(expected_unseen.end(), method.unseen.begin(), method.unseen.end());
  }
  put_list(json["first"], first);
  put_list(json["columns"], columns);
  put_list(json["kind"], kind);
  put_list(json["constant"], constant);
  put_list(json["missing"], missing);
  put_list(json["unseen"], unseen);
  put_list(json["expected_missing"], expected_missing);
  put_list(json["expected_unseen"], expected_unseen);
  return json.dump();
}

Novelty read_novelty(const Reader& reader, std::int64_t columns, std::size_t methods) {
  if (!reader.has("novelty")) return {};
  Json json;
  const TakenApart parts(json);
  reader.json("novelty", json);
  const auto count = json.is_object() && json.contains("first") && json["first"].is_array()
                         ? static_cast<std::int64_t>(json["first"].size())
                         : 0;
  const auto all = count * static_cast<std::int64_t>(methods);
  const auto first = reader.numbers<std::int32_t>(json, "first", count);
  const auto width = reader.numbers<std::int32_t>(json, "columns", count);
  const auto kind = reader.numbers<std::int32_t>(json, "kind", count);
  const auto constant = reader.numbers<float>(json, "constant", count);
  const auto missing = reader.numbers<float>(json, "missing", count),
             unseen = reader.numbers<float>(json, "unseen", count);
  const auto expected_missing = reader.numbers<float>(json, "expected_missing", all);
  const auto expected_unseen = reader.numbers<float>(json, "expected_unseen", all);
  std::vector<Novelty::Source> sources;
  for (std::int64_t s = 0; s < count; ++s) {
    const bool is_category = kind[s] == static_cast<std::int32_t>(SourceKind::category);
    const bool fits = s < columns ? first[s] == s && width[s] == 1 && !is_category
                                  : first[s] >= 0 && width[s] >= 1 && first[s] <= columns - width[s] && is_category;
    if (!fits || kind[s] < 0 || kind[s] > 2) reader.refuse("'novelty' has a source that is none of the columns");
    sources.push_back({first[s], width[s], static_cast<SourceKind>(kind[s]), constant[s], missing[s], unseen[s]});
  }
  if (count < columns) reader.refuse("'novelty' has fewer sources than there are columns");
  std::vector<Novelty::Expected> expected(methods);
  for (std::size_t i = 0; i < methods; ++i) {
    const auto from = static_cast<std::ptrdiff_t>(i) * count;
    expected[i].missing.assign(expected_missing.begin() + from, expected_missing.begin() + from + count);
    expected[i].unseen.assign(expected_unseen.begin() + from, expected_unseen.begin() + from + count);
  }
  return {std::move(sources), std::move(expected)};
}

}  // namespace cugad
