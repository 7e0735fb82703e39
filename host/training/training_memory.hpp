#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cugad/detector.hpp"
#include "host/training/method_networks.hpp"

/// What a training takes besides its rows, known before it begins: all of it is allocated before the first step.
namespace cugad {

struct TrainingMemory {
  std::size_t weights = 0;      ///< of a model: with the optimiser's moments, averages, and the last good state
  std::size_t activations = 0;  ///< of a model: outputs, gradients and minibatches
  std::int64_t models = 1;
  std::int64_t at_once = 1;  ///< models that have activations at a time

  std::size_t total() const;
  /// "weights 3.0 MiB and activations 80.0 MiB per model, 172.0 MiB in all for 4 models, 2 at a time, beside the rows".
  std::string text() const;
};

/// The memory of networks for batches of so many rows: exact weights, and of the activations no more than the outputs
/// and gradients of all layers. `copies`: of each weight.
TrainingMemory least_memory(const MethodNetworks& networks, std::int64_t batch, std::int64_t copies);

/// The values that a training keeps of each weight: itself, moments, averages, and all of them of the last good state.
std::int64_t weight_copies(const DetectorOptions& options);

/// Outputs of all layers of all networks for one row.
std::int64_t activations_per_row(const MethodNetworks& networks);

/// Throws Error{out_of_memory} if it is more than `available` bytes, which `where` has ("this machine").
void require_memory(const TrainingMemory& memory, std::size_t available, const std::string& where);

/// The memory of the machine, or of the control group (container) that the process runs in; 0 if unknown.
std::size_t machine_memory();

}  // namespace cugad
