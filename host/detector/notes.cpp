#include "host/detector/notes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/model_reader.hpp"
#include "host/floating_point.hpp"

/// What a user of the scores has to know.
namespace cugad {

void add_notes(safetensors::File& file, const std::vector<std::string>& notes) {
  if (notes.empty()) return;
  Json lines;
  const TakenApart parts(lines);
  put_list(lines, notes);
  file.metadata["notes"] = lines.dump();
}

std::vector<std::string> read_notes(const Reader& reader, const safetensors::File& file) {
  std::vector<std::string> notes;
  if (!file.metadata.contains("notes")) return notes;
  Json lines;
  const TakenApart parts(lines);
  reader.json("notes", lines);
  const auto is_text = [](const Json& line) { return line.is_string(); };
  if (!lines.is_array() || !std::all_of(lines.begin(), lines.end(), is_text))
    reader.refuse("'notes' is no list of texts");
  for (const Json& line : lines) notes.push_back(line.get<std::string>());
  return notes;
}

std::int64_t Detector::Impl::reference_rows() const {
  std::int64_t rows = 0;
  for (std::size_t i = 0; model && i < model->methods(); ++i) rows += model->member(i).reference_rows().rows.rows;
  return rows;
}

std::vector<std::string> Detector::Impl::standing_notes() const {
  std::vector<std::string> found;
  if (const std::int64_t rows = reference_rows(); rows > 0) found.push_back(training_rows_note(rows));
  if (!calibration) return found;
  if (calibration->folds() == 1) {
    found.emplace_back(
        "the scores are calibrated on the training rows themselves: new normal rows score higher, and more of them "
        "pass the threshold");
  }
  for (const std::string& note : {threshold_note(calibration->count(), resolved), calibration->ties_note(resolved)}) {
    if (!note.empty()) found.push_back(note);
  }
  return found;
}

std::vector<std::string> Detector::notes() const {
  const FloatingPointEnvironment environment;
  std::vector<std::string> all = held(impl_).notes;
  for (std::string& note : held(impl_).standing_notes()) all.push_back(std::move(note));
  return all;
}

}  // namespace cugad
