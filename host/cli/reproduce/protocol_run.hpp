#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "host/cli/reproduce/protocol_state.hpp"
#include "host/cli/reproduce/reproduction.hpp"

/// Runs settings through a protocol.
namespace cugad::cli {

struct RunChoices {
  DataChoices data;
  std::int64_t seeds = 1;
  std::uint64_t first_seed = 0;
  bool quiet = false;
};

/// Every setting with every seed on every case, and the baselines; results that `state` has are not computed again.
/// Seed s of the detector is first_seed + 1000 s, as a population uses the seeds from its base on; if splits are drawn
/// by seed, split s is first_seed + s. Throws Error{cancelled} when a signal arrives.
Reproduction run_protocol(const Device& device, const Protocol& protocol, const std::vector<Contestant>& settings,
                          const RunChoices& choices, ProtocolState& state);

}  // namespace cugad::cli
