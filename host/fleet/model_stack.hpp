#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/detector/model_reader.hpp"
#include "host/model_file/open_file.hpp"
#include "host/model_file/safetensors.hpp"

namespace cugad {

/// The model files of many detectors that were made with the same options, as one file: every tensor gets a leading
/// dimension; texts are kept once; numbers inside the metadata (statistics, thresholds) become tensors of float64, one
/// row per detector. Of reference rows each detector has a number of its own: theirs are joined, and a tensor of
/// float64 has the numbers.
class ModelStack {
 public:
  /// For so many detectors. Their seeds are not kept.
  explicit ModelStack(std::int64_t count) : count_(count) {}
  /// The entries of a file whose names start with `prefix`; the others stay in `file`. Throws Error{format} naming the
  /// path.
  static ModelStack take(safetensors::File& file, const std::string& path, std::int64_t count);
  /// The same of a file whose values are read, and checked, when a model is asked for.
  static ModelStack of(std::shared_ptr<const safetensors::OpenFile> file, const std::string& path, std::int64_t count);
  static constexpr const char* prefix = "group.";
  /// Of a file: two checksums for each model, of its numbers and of its values. Older files have none.
  static constexpr const char* checksums_name = "group_checksums";

  std::int64_t count() const { return count_; }
  /// Throws Error{unsupported} when the file differs in more than numbers from those put before.
  void put(std::int64_t index, const safetensors::File& model);
  /// Puts number `from_index` of another stack, as it is kept there. The same errors, and those of model().
  void put(std::int64_t index, const ModelStack& from, std::int64_t from_index, const std::string& path);

  /// The numbers of one model, as a Reader takes them.
  class Numbers final : public ParsedMetadata {
   public:
    bool json(const std::string& key, Json& value) const override;
    /// Empty if the text of that key has none.
    std::vector<double> of(const std::string& key) const;

   private:
    friend class ModelStack;
    const ModelStack* stack_ = nullptr;
    std::string path_;
    std::map<std::string, std::vector<double>> values_;  ///< by the key of the metadata
  };
  /// A model's tensors and texts, the latter with zeros for its numbers and its seed.
  struct Model {
    safetensors::File file;
    Numbers numbers;
  };
  /// To be called before those below, once all models are put. Throws Error{format} naming `path` if numbers do not fit
  /// their texts.
  void parse_texts(const std::string& path);
  /// Without values its tensors have shapes only. Throws Error{format} naming `path` if a checksum differs.
  Model model(std::int64_t index, const std::string& path, bool with_values = true) const;
  /// The numbers that stand alone in the metadata of that key, of models [first, first + count).
  std::vector<double> numbers_of(const std::string& key, std::int64_t first, std::int64_t count,
                                 const std::string& path) const;
  /// Replaces those of all models, and the options that all share. For a stack in memory.
  void replace(const std::string& key, std::vector<double> numbers, const std::string& options);
  /// The same models in memory; `path_of`: what messages call a model. Throws as model() does.
  ModelStack in_memory(const std::function<std::string(std::int64_t)>& path_of) const;

  /// All of them, names starting with `prefix`. Throws as in_memory() does.
  safetensors::File file(const std::function<std::string(std::int64_t)>& path_of) const;
  /// The tensor `checksums_name`.
  safetensors::Tensor checksums() const;

 private:
  /// A text of the metadata, parsed.
  struct Form {
    Json json;
    TakenApart<Json> parts{json};
  };
  /// Tensors of all models behind each other, in a file.
  struct Joined {
    safetensors::Entry entry;
    std::vector<std::int64_t> begin;  ///< the first row of each model, and the number of all rows
  };

  safetensors::Tensor& joined_place(const std::string& name, std::int64_t index);
  /// Room for all, as of one whose shape is given; throws where others were put with another shape.
  safetensors::Tensor& place(const std::string& name, std::vector<std::int64_t> shape);
  /// Throws Error{unsupported} unless both have as many tensors and texts.
  void check_same(const ModelStack& other) const;
  void put_text(const std::string& name, const std::string& text);
  void put_from_file(std::int64_t index, const ModelStack& from, std::int64_t from_index, const std::string& path);
  /// The part of a stacked tensor, or of a joined one, that is one model's.
  safetensors::Tensor part_of(const std::string& name, std::int64_t index, bool with_values) const;
  safetensors::Tensor joined_part_of(const std::string& name, std::int64_t index, bool with_values) const;
  std::vector<std::string> joined_names() const;
  void check_sum(std::int64_t index, int which, std::uint32_t sum, const std::string& path) const;

  std::int64_t count_;
  safetensors::File file_;                                          ///< tensors have shapes only if there is a source
  std::map<std::string, std::vector<safetensors::Tensor>> joined_;  ///< by name, those of each detector
  std::map<std::string, Form> forms_;                               ///< by key, of texts with numbers
  std::shared_ptr<const safetensors::OpenFile> source_;             ///< null: everything is in memory
  std::map<std::string, Joined> joined_in_file_;
  std::optional<safetensors::Entry> sums_;  ///< of a source: the checksums of its models
};

}  // namespace cugad
