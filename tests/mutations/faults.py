"""The faults that run.py plants: each a small change of one file that the tests have to notice."""

from dataclasses import dataclass

OPS, EMULATOR, BACKEND = "ops_emulated_test", "emulator_test", "backend_emulated_test"


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    old: str  # occurs exactly once in the file
    new: str
    filter: str  # of the tests, in gtest's words
    units: tuple = ()  # what is compiled anew; the file itself unless it is a header
    program: str = OPS
    races_only: bool = False  # seen by the race check alone: planted in builds that have it


def ops(*names):
    return ":".join(f"*/{name}.*" for name in names)


DENSE = "kernels/dense/"
FORWARD, BACKWARD = DENSE + "dense_forward.cu", DENSE + "dense_backward.cu"
SEARCH = "kernels/latent_search/"
GENERAL, LAYERS = SEARCH + "search_general.cu", SEARCH + "search_layers.cu"
NEAREST = "kernels/nearest_rows/nearest_rows.cu"
FILL = "kernels/random/fill.cu"
ADAM = "kernels/adam/adam.cu"
BATCH_NORM = "kernels/batch_norm/"
SPECTRAL_NORM = "kernels/spectral_norm/spectral_norm.cu"
CUDA_BACKEND, CONTEXT = "host/backend/cuda_backend.cpp", "host/backend/primary_context.hpp"
DISCRIMINATION = "kernels/minibatch_discrimination/minibatch_discrimination.cu"

FAULTS = [
    # ---- barriers and waits
    Fault("barrier between panels dropped", DENSE + "tile_product.cuh",
          "    __syncthreads();  // this panel has landed for all threads, and all are done with the one before\n", "",
          ops("dense_forward"), (FORWARD,)),
    Fault("wait for a panel dropped", DENSE + "tile_product.cuh",
          "    device::copy_async_wait<Tile::stages - 2>();\n", "", ops("dense_forward"), (FORWARD,)),
    Fault("wait leaves one group too many under way", DENSE + "tile_product.cuh",
          "copy_async_wait<Tile::stages - 2>", "copy_async_wait<Tile::stages - 1>", ops("dense_forward"), (FORWARD,)),
    Fault("barrier before the tile is overwritten dropped", "kernels/coverage/coverage.cu",
          "        }\n      }\n      __syncthreads();\n    }\n", "        }\n      }\n    }\n", ops("coverage")),
    Fault("barrier before the next tile of columns dropped", "kernels/columns/column_statistics.cu",
          "sums.add(at[r * block_columns]);\n      }\n      __syncthreads();\n",
          "sums.add(at[r * block_columns]);\n      }\n", ops("column_statistics")),
    Fault("barrier before the cells are read dropped", "kernels/nearest_rows/distance_tile.cuh",
          "      __syncthreads();\n      if (*missing", "      if (*missing", ops("nearest_rows"), (NEAREST,)),
    Fault("barrier of a warp dropped", "kernels/nearest_rows/selection.cuh",
          "  __syncwarp();\n  const int count", "  const int count", ops("nearest_rows"), (NEAREST,)),
    Fault("barrier of the block's sum dropped", "kernels/device/reduce.cuh",
          "  __syncthreads();\n  T sum", "  T sum", ops("sigmoid_cross_entropy"),
          ("kernels/sigmoid_cross_entropy/sigmoid_cross_entropy.cu",)),
    Fault("barrier before the scratch is used again dropped", ADAM,
          "        __syncthreads();  // the scratch is used again\n", "", ops("adam"), races_only=True),
    Fault("barrier at the opening of a panel dropped", SEARCH + "panel_stream.cuh",
          "    __syncthreads();\n    if (shape_.stage_bytes", "    if (shape_.stage_bytes", ops("latent_search"),
          (GENERAL,)),
    Fault("wait at the opening of a panel dropped", SEARCH + "panel_stream.cuh",
          "    copy_async_wait<0>();\n    __syncthreads();", "    __syncthreads();", ops("latent_search"), (GENERAL,)),
    # ---- edges
    Fault("wrong K tail", DENSE + "tile_product.cuh",
          "(k_count - 1) % Tile::depth + 1", "k_count % Tile::depth", ops("dense_forward"), (FORWARD,)),
    Fault("K tail counted as zeros", DENSE + "tile_product.cuh",
          "const int depth = panel < panels - 1 ? Tile::depth : (k_count - 1) % Tile::depth + 1;",
          "const int depth = Tile::depth;", ops("dense_forward"), (FORWARD,)),
    Fault("row guard off by one", "kernels/rows/gather_rows.cu", "r >= args.out.rows", "r > args.out.rows",
          ops("gather_rows")),
    Fault("column guard off by one", FORWARD,
          "existing(p.op.y.columns - column, Tile::columns)", "existing(p.op.y.columns - column + 1, Tile::columns)",
          ops("dense_forward")),
    Fault("rows beyond the bank compete", NEAREST, "if (row >= part.end) continue;", "", ops("nearest_rows")),
    Fault("leading dimension ignored", FORWARD, "x.row_stride, rows, p.x_vectors", "x.columns, rows, p.x_vectors",
          ops("dense_forward")),
    Fault("vector loads although rows are misaligned", FORWARD,
          "p.x_vectors = device::rows_are_vectors(args.x);", "p.x_vectors = true;", ops("dense_forward")),
    Fault("every model takes the weights of the first", FORWARD,
          "weight = p.op.weight.model(model);", "weight = p.op.weight.model(0);", ops("dense_forward")),
    # ---- arithmetic
    Fault("halves of a fragment swapped (bf16)", DENSE + "tensor_tile.cuh",
          "upper_k = is_left ? matrix / 2 : matrix % 2", "upper_k = is_left ? 1 - matrix / 2 : matrix % 2",
          ops("dense_forward"), (FORWARD,)),
    Fault("fragment index swapped (tf32, k strided)", DENSE + "tensor_tile.cuh",
          "b = device::fragment_b8(lane(), r % 2)", "b = device::fragment_b8(lane(), 1 - r % 2)", ops("dense_backward"),
          (BACKWARD,)),
    Fault("barrier between rounded panels dropped", DENSE + "tensor_product.cuh",
          "    __syncthreads();  // the next panel is there for all threads, and all are done with this one\n", "",
          ops("dense_forward"), (FORWARD,)),
    Fault("bias missing", FORWARD, "p.op.bias && !p.op.derivative_of", "false", ops("dense_forward")),
    Fault("derivative at zero from the wrong side", "kernels/device/activation.cuh",
          "return y > 0.0f ? 1.0f : slope;", "return y >= 0.0f ? 1.0f : slope;", ops("dense_backward"),
          (DENSE + "backward_passes.cu",)),
    Fault("dropped units get a gradient", "kernels/device/dropout.cuh",
          "to_bits(y) == INT32_MIN ? 0.0f : dy * ", "dy * ", ops("dense_backward"), (DENSE + "backward_passes.cu",)),
    Fault("gradient accumulated where it should be overwritten", DENSE + "dense_backward.cuh",
          "op.accumulate ? *gradient + scaled : scaled", "*gradient + scaled", ops("dense_backward"),
          (BACKWARD, DENSE + "backward_passes.cu")),
    Fault("last chunk left out", DENSE + "backward_passes.cu",
          "chunk < p.sums.chunks; ++chunk", "chunk + 1 < p.sums.chunks; ++chunk", ops("dense_backward")),
    Fault("partial sums added in another order", SEARCH + "search_losses.cuh",
          "__shfl_sync(full_warp, partial, l, 16)", "__shfl_sync(full_warp, partial, 15 - l, 16)",
          ops("latent_search"), (GENERAL,)),
    Fault("loss accumulated where it should be overwritten",
          "kernels/sigmoid_cross_entropy/sigmoid_cross_entropy.cu",
          "place = accumulate ? place + static_cast<float>(value)", "place = true ? place + static_cast<float>(value)",
          ops("sigmoid_cross_entropy")),
    Fault("Adam's bias correction one step late", ADAM,
          "*constants = adam_constants(args, scale);",
          "{ Adam late = args; ++late.step; *constants = adam_constants(late, scale); }", ops("adam")),
    Fault("search: Adam's bias correction one step late", SEARCH + "search_losses.cuh",
          "args.learning_rate.at(step) / static_cast<float>(1.0 - powers.first)",
          "args.learning_rate.at(step) / static_cast<float>(1.0 - powers.first * static_cast<double>(args.beta1))",
          ops("latent_search"), (GENERAL,)),
    Fault("search: learning rate of the next step", SEARCH + "search_losses.cuh",
          "args.learning_rate.at(step)", "args.learning_rate.at(step + 1)", ops("latent_search"), (GENERAL,)),
    Fault("schedule off by one", "kernels/schedule/schedule.cu",
          "args.decay_steps, step);", "args.decay_steps, step - 1);", ops("advance_step")),
    # ---- random numbers
    Fault("Philox: lane ignored", "kernels/device/philox.cuh", " + 256u * key.lane", "",
          ops("fill_normal", "fill_uniform"), (FILL,)),
    Fault("Philox: stride of the step counter ignored", "kernels/device/philox.cuh",
          "key.step_stride * *key.step_counter", "*key.step_counter", ops("fill_normal", "fill_uniform"), (FILL,)),
    Fault("Philox: next block of four not taken", FORWARD, "first_word / 4 + 1);", "first_word / 4);",
          ops("dense_forward")),
    Fault("Philox: blocks of two rows overlap", "kernels/rows/fence_rows.cu", "r * (1 + quads);", "r * quads;",
          ops("fence_rows")),
    # ---- missing values, ties
    Fault("missing cells of queries not noticed", "kernels/nearest_rows/distance_tile.cuh",
          "if (any && skip_missing) atomicOr(missing, 1u);", "static_cast<void>(any);", ops("nearest_rows"),
          (NEAREST,)),
    Fault("NaN counted as a number", "kernels/columns/column_statistics.cu", "const bool number = x == x;",
          "const bool number = true;", ops("column_statistics")),
    Fault("search: missing cells keep zero", SEARCH + "search_block.cuh",
          "if (cell != cell) memory_.x", "if (false) memory_.x", ops("latent_search"), (GENERAL,)),
    Fault("search: constant columns of z move", SEARCH + "layers_kernels.cu",
          "if (!at.there || at.column >= free_columns(search)) continue;", "if (!at.there) continue;",
          ops("latent_search")),
    Fault("search: weights beside constant columns misread", SEARCH + "tile_products.cu",
          "static_cast<std::int64_t>(k) * source.in + n", "static_cast<std::int64_t>(k) * product.outer + n",
          ops("latent_search")),
    Fault("score: limit of a cell ignored", "kernels/score/scaled_residual.cu",
          "term > limit ? limit : term", "term > limit ? term : term", ops("reconstruction_score")),
    Fault("nearest rows: the later of equals wins", NEAREST,
          "best[i] = key < best[i] ? key : best[i];", "best[i] = key >> 32 <= best[i] >> 32 ? key : best[i];",
          ops("nearest_rows")),
    Fault("restarts: the later of equals wins", SEARCH + "choose_restart.cu",
          "losses[3 * i] < losses[3 * best]", "losses[3 * i] <= losses[3 * best]", "*restarts*:*/latent_search.*"),
    Fault("restarts: z of the first instead of the best", SEARCH + "choose_restart.cu",
          "query * search.restarts + best", "query * search.restarts", ops("latent_search")),
    Fault("ranking: an anomaly does not count itself", "kernels/ranking/ranking.cu",
          "device::full_warp >> (device::warp_lanes - 1 - lane)", "(1u << lane) - 1u", ops("ranking_metrics")),
    Fault("quantile: position among n", "kernels/columns/quantile.cu", "static_cast<double>(n - 1);",
          "static_cast<double>(n);", ops("quantile")),
    # ---- losses
    Fault("difference: both gradients with one sign", "kernels/losses/difference_loss.cu", "-work.factor, slope",
          "work.factor, slope", ops("difference_loss")),
    Fault("losses: the first chunk is not handed on", "kernels/losses/loss_sum.cuh", "if (work.chunks == 1) {",
          "if (blockIdx.x == 0) {", ops("linear_loss"), ("kernels/losses/linear_loss.cu",)),
    Fault("feature matching: divided by the real rows", "kernels/losses/feature_matching.cu",
          "matching_slope(difference, args.weight, gradient.rows)",
          "matching_slope(difference, args.weight, args.real.rows)", ops("feature_matching")),
    Fault("gradient penalty: every lane counts its row", "kernels/losses/gradient_penalty.cu",
          "if (lane == 0) share", "share", ops("gradient_penalty")),
    Fault("historical average: the mean is never stored", "kernels/adam/historical_average.cu",
          "mean[i] = average;\n", "", ops("historical_average")),
    Fault("interpolation: rows of a block share one word", "kernels/rows/interpolate_rows.cu",
          "static_cast<int>(r % 4)", "0", ops("interpolate_rows")),
    Fault("reparameterised draw: gradient flows through the clamp", "kernels/rows/gaussian.hpp",
          " && log_variance <= log_variance_limit", "", ops("reparameterise"), ("kernels/rows/reparameterise.cu",)),
    Fault("row distance: limit ignored", "kernels/rows/row_distance.cu",
          "limit < difference ? limit : difference", "limit < difference ? difference : difference",
          ops("row_distance")),

    # ---- norms and minibatch discrimination
    Fault("batch norm: barrier before a sum is read dropped", BATCH_NORM + "column_block.cuh",
          "  scratch[threadIdx.x] = value;\n  __syncthreads();\n", "  scratch[threadIdx.x] = value;\n",
          ops("batch_norm"), (BATCH_NORM + "batch_norm.cu",)),
    Fault("batch norm: a row counts itself as a reference row", BATCH_NORM + "batch_norm.cu",
          "r < members ? normalise_member", "r <= members ? normalise_member", ops("batch_norm")),
    Fault("batch norm: gradient through the variance of other rows lost", BATCH_NORM + "batch_norm_backward.cu",
          "      sums.carried_scale += gradient * through_variance(column, row);\n", "", ops("batch_norm_backward")),
    Fault("spectral norm: every iteration starts anew", SPECTRAL_NORM, "i == 0 ? u : left", "u",
          ops("spectral_norm")),
    Fault("spectral norm: barrier before the rows are multiplied dropped", SPECTRAL_NORM,
          "static_cast<float>(static_cast<double>(v[c]) / norm);\n  }\n  __syncthreads();\n",
          "static_cast<float>(static_cast<double>(v[c]) / norm);\n  }\n", ops("spectral_norm")),
    Fault("minibatch discrimination: equal cells pull", DISCRIMINATION,
          "own > other ? -pull : own < other ? pull : 0.0f", "own > other ? -pull : pull",
          ops("minibatch_discrimination_backward")),
    Fault("minibatch discrimination: barrier before the weights are read dropped", DISCRIMINATION,
          "      __syncthreads();  // the weights are there\n", "", ops("minibatch_discrimination_backward")),
    # ---- the resident search
    Fault("resident search: signs of a layer lost", SEARCH + "resident_team.cuh",
          "      positive |= static_cast<Signs>(bits) << (8 * i);\n", "", "resident_search.*",
          (SEARCH + "resident_search.cu",), EMULATOR),
    Fault("resident search: a team reads before all have written", SEARCH + "resident_team.cuh",
          "copy(slot(block(i)).pairs, own[i]);\n      meet();\n", "copy(slot(block(i)).pairs, own[i]);\n",
          "resident_search.rows_and*:resident_search.bfloat16*", (SEARCH + "resident_search.cu",), EMULATOR),
    # ---- the recorded training step
    Fault("training: replay begins one step late", "host/training/recorded_steps.cpp",
          "const auto counter = static_cast<std::uint32_t>(from);",
          "const auto counter = static_cast<std::uint32_t>(from + 1);", "*raining*", (), BACKEND),
    Fault("training: recorded noise never changes", "host/training/training_step.cpp",
          "    key.step_counter = step_counter_.data;\n", "", "*raining*", (), BACKEND),
    Fault("training: recorded Adam keeps its first step", "host/training/training_step.cpp",
          "    args.step_counter = step_counter_.data;\n    args.step_stride = stride;\n    if (decays)", "    if (decays)", "*raining*", (), BACKEND),
    # ---- the host side: other devices, captures, order, memory
    Fault("host side: a device is made current for the caller, too", CONTEXT,
          "push_(context_) != CUDA_SUCCESS", "cudaSetDevice(index_) != cudaSuccess", "Devices.WorkOnTheSecond*",
          (CUDA_BACKEND,), EMULATOR),
    Fault("host side: captures of other threads forbid what a call does", CONTEXT,
          "mode = cudaStreamCaptureModeRelaxed;", "mode = cudaStreamCaptureModeGlobal;", "Captures.OfAProgram*",
          (CUDA_BACKEND,), EMULATOR),
    Fault("host side: calls without a stream run beside the default stream", CUDA_BACKEND,
          "    require(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), default_mark_, 0), \"cudaStreamWaitEvent\");\n",
          "", "Captures.CallsWithout*", (), EMULATOR),
    Fault("host side: kernels are loaded while they are recorded", "host/training/recorded_steps.cpp",
          "    issue(std::min(steps, cycle()));\n", "", "Captures.KernelsAre*", (), EMULATOR),
    Fault("host side: copies of the host are left under way on coherent machines", CUDA_BACKEND,
          "if (shares_host_pages_ == 0 || ", "if (true || ", "Devices.CopiesOfTheHost*", (), EMULATOR),
    Fault("host side: the pool stays when the device is closed", CUDA_BACKEND,
          "    if (pool_ != nullptr) device::forget(cudaMemPoolDestroy(pool_));", "    ", "Devices.MemoryGoesBack*", (),
          EMULATOR),
    Fault("host side: a chip without machine code fails at its first op", CUDA_BACKEND,
          "if (found == cudaErrorNoKernelImageForDevice)", "found = cudaSuccess;\n    if (false)", "Devices.AreRefused*",
          (), EMULATOR),
    Fault("host side: memory beyond the caller's bound", CUDA_BACKEND,
          "if (bytes > most_bytes_ - std::min(most_bytes_, use_.bytes))", "if (false)", "DeviceMemoryOfTheCaller.IsHooked*",
          (), EMULATOR),
    Fault("host side: memory of others counts as a model's", "host/training/gan_training.cpp",
          "definition.step(device.make_context(), options, networks, rows, 1)->bytes()",
          "[&] { const std::size_t before = device.memory().bytes; const auto one = definition.step(device.make_context(), "
          "options, networks, rows, 1); return device.memory().bytes - before; }()",
          "DeviceMemoryOfTheCaller.OfOtherThreads*", (), EMULATOR),
    Fault("host side: rows on their way take the place of those before", "host/methods/score_stream.cpp",
          "  backend_.wait(upload_.stream(), stage.consumed);\n", "", "Submit.TakesAny*", (), EMULATOR),
    Fault("host side: scores are waited for before the call returns", "host/methods/score_stream.cpp",
          "if (manner.waits) context.synchronize();", "context.synchronize();", "Submit.Returns*", (), EMULATOR),
]
