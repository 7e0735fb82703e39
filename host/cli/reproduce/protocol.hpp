#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cugad/table.hpp"

/// The protocols of `cugad reproduce`: training rows, test rows, the rule for flagged rows, and the published figures
/// to compare with. A protocol is a description; protocol_run.hpp runs it.
namespace cugad::cli {

/// The rows of one training and its test.
struct Trial {
  Matrix train, test;
  std::vector<std::uint8_t> label;         ///< of the test rows; 1: anomaly
  std::vector<std::string> feature_names;  ///< empty: the positions
  std::int64_t binary_features = 0;        ///< so many at the end
  std::int64_t all_test_rows = 0;          ///< before sampling
  ImageShape shape = {};                   ///< of rows whose pixels are measured
  /// Of each pixel of the test rows, as metrics::label_regions() has it; empty: pixels are not measured.
  std::vector<std::int32_t> region = {};
};

/// One table, or one split of it.
struct Case {
  std::string name;
  bool published_split = false;                    ///< the split of the published figures: reported in detail
  bool splits_by_seed = false;                     ///< every seed draws its own split
  std::function<Trial(std::uint32_t split)> load;  ///< `split` is 0 unless every seed draws its own
};

/// What the user may choose about the data.
struct DataChoices {
  std::string data;           ///< folder of the data sets
  std::int64_t rows = 0;      ///< a fixed random sample of so many rows; 0: all
  std::int64_t splits = 0;    ///< random splits besides the published one
  bool normals_only = false;  ///< trains on no anomalies; the released protocol has some
  std::vector<std::int64_t> classes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  ImageShape image;  ///< to which images are brought
  bool published_split = true;
};

class BaselineInputs;

/// An established, simple score to compare a figure with. It learns from the training rows alone.
struct Baseline {
  std::string key, name;
  std::function<std::vector<float>(BaselineInputs& inputs)> score;           ///< one per test row
  std::function<std::vector<float>(BaselineInputs& inputs)> residuals = {};  ///< of the cells of the test rows, or none
};

/// A row of a paper's table.
struct PublishedResult {
  std::string name;
  double precision = 0, recall = 0, f1 = 0;
  double auroc = 0;  ///< mean over the cases, where the protocol flags no rows
};

/// A preset that a protocol has a name for.
struct OfferedSetting {
  std::string name, preset;
};

struct Protocol {
  std::string name;
  std::string rule;                ///< training rows, test rows and flagged rows, as text
  std::vector<std::string> notes;  ///< caveats for the reader, above all settings that were tuned on this data
  double flagged_percent = 0;      ///< share of the test rows that is flagged; 0: ranking figures only
  std::int64_t seeds = 1;          ///< the default number
  std::int64_t rows = 0;           ///< the default number
  bool has_rows = false, has_splits = false, has_classes = false;  ///< which of the choices it understands
  bool adds_distances = false;          ///< also measures each setting's score + d1 + dm, which is one of the baselines
  std::string image;                    ///< the shape of the images; empty: rows of tables
  bool takes_image = false;             ///< that shape is only the default
  bool measures_pixels = false;         ///< maps as well, against Trial::region
  std::vector<OfferedSetting> offered;  ///< the first by default; none: the presets that are named after the protocol
  std::vector<PublishedResult> published;
  std::vector<Baseline> baselines;
  std::function<std::vector<Case>(const DataChoices& choices)> cases;
};

const std::vector<Protocol>& protocols();
/// Throws std::out_of_range for an unknown name.
const Protocol& find_protocol(const std::string& name);
/// The names of protocols that differ in the roles of the classes alone, such as "mnist" for "mnist-one-class-normal"
/// and "mnist-one-class-anomalous".
std::vector<std::string> protocol_groups();
/// The protocol of that name, or those of the group.
std::vector<const Protocol*> protocols_of(const std::string& name);

/// The cases of each data set. They read their files when a case is loaded, and throw Error{input_output} if a file is
/// missing, Error{format} if it differs from the file of the protocol's authors.
std::vector<Case> kdd99_cases(const DataChoices& choices);
std::vector<Case> arrhythmia_cases(const DataChoices& choices);
std::vector<Case> adbench_cases(const DataChoices& choices);
std::vector<Case> mnist_cases(const DataChoices& choices);
std::vector<Case> mnist_normal_cases(const DataChoices& choices);
std::vector<Case> mnist_anomalous_cases(const DataChoices& choices);
std::vector<Case> fashion_normal_cases(const DataChoices& choices);
std::vector<Case> fashion_anomalous_cases(const DataChoices& choices);
std::vector<Case> magnetic_tile_cases(const DataChoices& choices);

struct ClassImages;
/// 80 % of the images of the other classes train; the rest of them and all of `anomalous` test.
Trial one_class_anomalous(const ClassImages& images, std::int64_t anomalous, std::uint32_t seed);

/// Throws Error{format} unless `found` matches the protocol.
void expect_count(const std::string& path, const char* what, std::int64_t found, std::int64_t expected);
/// The first of `candidates` that is a file under `data`, or `data` itself; Error{input_output} names them all.
std::string find_data_file(const std::string& data, const std::vector<std::string>& candidates);

}  // namespace cugad::cli
