#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/export.h"
#include "cugad/fleet.hpp"

/// Training on several machines: each process trains one shard of the models and writes a part, and merge_parts() makes
/// of all parts the very file that one process would have written.
namespace cugad {

/// Which of `count` shards, numbered from 1.
struct Shard {
  std::int64_t number = 1, count = 1;
};

/// "2/4". Throws Error{invalid_argument} for anything else than a number from 1 to the count, at most 65,536.
CUGAD_API Shard shard_from(std::string_view text);

/// What is trained: the same for every shard, each of which reads all rows.
struct ShardedTraining {
  DetectorOptions options;
  MatrixView<const float> rows;  ///< on the host
  Columns columns = {};
  std::span<const std::string> groups = {};  ///< of each row, as of Fleet::fit; empty: one detector
  FleetOptions fleet_options = {};
  std::map<std::string, std::string> attachments = {};
};

/// What a part holds.
struct PartContents {
  Shard shard;
  std::int64_t groups = 0;  ///< with models; 0 of a part of one detector
  std::int64_t models = 0;  ///< trained ones, the pooled ones among them
};

/// Trains the shard's models and writes them to `path`, atomically. Of a fleet a shard has the groups whose names hash
/// to it, and the first one the pooled model; of a detector it has a range of the population, and the first one keeps
/// the training rows, from which merge_parts() calibrates. Checkpoints are as of fit(). Throws Error{invalid_argument}
/// where there are fewer models than shards.
CUGAD_API PartContents fit_part(const Device& device, const ShardedTraining& training, const Shard& shard,
                                const std::string& path, const FitControl& control = {});

/// Whether a safetensors file is a part.
CUGAD_API bool is_part(const std::string& path);
/// Whether it is the part of that shard of that training, in the device's precision: a run that was stopped keeps the
/// parts that it has.
CUGAD_API bool is_part_of(const std::string& path, const Device& device, const ShardedTraining& training,
                          const Shard& shard);

/// The file that one process would have written, of all parts of a training in any order, in their precision. Throws
/// Error{invalid_argument} if a shard is missing or there twice, or parts are of different trainings: other rows,
/// options, precision, or version of the library; Error{format} for a file that is no part.
CUGAD_API PartContents merge_parts(const Device& device, std::span<const std::string> paths, const std::string& output,
                                   const FitControl& control = {});

}  // namespace cugad
