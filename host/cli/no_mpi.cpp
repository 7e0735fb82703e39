#include "host/cli/command.hpp"
#include "host/cli/ranks.hpp"

namespace cugad::cli {

std::unique_ptr<Ranks> join_mpi() {
  throw UsageError(
      "--distributed mpi: this command is built without MPI, cugad-mpi has it (CMake builds that where MPI is found, "
      "see "
      "CUGAD_MPI); --shard divides a training without MPI");
}

}  // namespace cugad::cli
