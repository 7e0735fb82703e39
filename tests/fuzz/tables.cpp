#include <algorithm>
#include <cstring>
#include <optional>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/text/cell.hpp"
#include "tests/fuzz/targets.hpp"

/// Tables: read at once and in chunks, which must agree, then encoded by an encoder fitted on them.
namespace cugad::fuzz {
namespace {

constexpr std::size_t longest_input = std::size_t{1} << 16;

template <class Read>
auto unless_refused(const Read& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error& error) {
    check_message(error.what());
    return std::nullopt;
  }
}

Table read_in_chunks(const std::string& path, const ReadOptions& options) {
  const auto reader = open_table(path, options);
  Table all, chunk;
  while (reader->read(chunk, 3)) {
    require(chunk.rows > 0 && chunk.rows <= 3 && chunk.first_row == all.rows, "a chunk of wrong size or place");
    if (all.columns.empty()) all.columns.resize(chunk.columns.size());
    require(all.columns.size() == chunk.columns.size(), "chunks of different widths");
    for (std::size_t c = 0; c < chunk.columns.size(); ++c) {
      Column& to = all.columns[c];
      const Column& from = chunk.columns[c];
      to.name = from.name;
      to.is_text = from.is_text;
      to.numbers.insert(to.numbers.end(), from.numbers.begin(), from.numbers.end());
      to.texts.insert(to.texts.end(), from.texts.begin(), from.texts.end());
    }
    all.rows += chunk.rows;
  }
  return all;
}

bool same(const std::vector<double>& first, const std::vector<double>& second) {
  return first.size() == second.size() &&
         (first.empty() || std::memcmp(first.data(), second.data(), sizeof(double) * first.size()) == 0);
}

void check_same(const Table& whole, const Table& chunked) {
  require(whole.rows == chunked.rows, "read in chunks, the table has another number of rows");
  if (whole.rows == 0) return;
  require(whole.columns.size() == chunked.columns.size(), "read in chunks, the table has another width");
  for (std::size_t c = 0; c < whole.columns.size(); ++c) {
    const Column &one = whole.columns[c], &other = chunked.columns[c];
    require(one.name == other.name && one.is_text == other.is_text && one.texts == other.texts &&
                same(one.numbers, other.numbers),
            "read in chunks, the table has other cells");
  }
}

/// What a reader found out about a file reads it again without guesses, as when scoring.
void read_alike(const std::string& path, const Table& whole) {
  const auto first = open_table(path);
  ReadOptions options;
  options.format = TableFormat::from_json(first->format().to_json());
  options.by_position = !whole.named;
  options.numeric_columns.emplace();
  for (const Column& column : whole.columns) {
    if (!column.is_text) options.numeric_columns->push_back(column.name);
  }
  check_same(whole, read_in_chunks(path, options));
}

void encode(const Table& table) {
  TableEncoder encoder;
  encoder.fit(table, {.categorical = {}, .excluded = {}, .max_categories = 50});
  const Matrix encoded = encoder.encode(table);
  require(encoded.rows == table.rows && encoded.columns == static_cast<std::int64_t>(encoder.feature_names().size()),
          "the encoded table has another shape");
  TableEncoder again = TableEncoder::from_json(encoder.to_json());
  require(again.to_json() == encoder.to_json(), "an encoder read from its own JSON differs");
  const Matrix second = again.encode(table);
  require(second.data.size() == encoded.data.size() &&
              (second.data.empty() ||
               std::memcmp(second.data.data(), encoded.data.data(), sizeof(float) * encoded.data.size()) == 0),
          "an encoder read from its own JSON gives other numbers");
}

bool read_every_way(const char* name, std::string_view input) {
  if (input.size() > longest_input) return false;
  const std::string path = file_with(name, input);
  const auto whole = unless_refused([&] { return read_table(path); });
  const auto chunked = unless_refused([&] { return read_in_chunks(path, {}); });
  require(whole.has_value() == chunked.has_value(), "read at once or in chunks, only one is refused");
  if (!whole) return false;
  for (const Column& column : whole->columns) {
    const std::size_t cells = column.is_text ? column.texts.size() : column.numbers.size();
    require(cells == static_cast<std::size_t>(whole->rows), "a column of another length than the table");
  }
  check_same(*whole, *chunked);
  // No model keeps names that are not UTF-8.
  if (std::all_of(whole->columns.begin(), whole->columns.end(), [](const Column& c) { return is_utf8(c.name); })) {
    read_alike(path, *whole);
  }
  unless_refused([&] {
    for (const ColumnFinding& finding : examine_columns(*whole, {})) check_message(finding.text);
    return true;
  });
  unless_refused([&] {
    encode(*whole);
    return true;
  });
  // As a fitted encoder reads it: every column must be numeric.
  unless_refused([&] { return read_table(path, {.text_columns = {}, .infer_text = false}); });
  return true;
}

}  // namespace

bool csv(std::string_view input) { return read_every_way("a.csv", input); }
bool npy(std::string_view input) { return read_every_way("a.npy", input); }
bool npz(std::string_view input) { return read_every_way("a.npz", input); }
bool idx(std::string_view input) { return read_every_way("a.idx", input); }

}  // namespace cugad::fuzz
