"""Faults in CPU ops, methods, readers, fleets and model files: planted into the library of the CPU, without emulator."""

from faults import Fault, ops

OPS, TRAINING, METHODS, TABLE = "ops_test", "training_test", "methods_test", "table_test"
MODEL_FILE, METRICS, NETWORK = "model_file_test", "metrics_test", "network_test"
CALIBRATION = "host/methods/score_calibration.cpp"
ENCODER = "host/methods/encoder_model.cpp"
BIGAN, GAN_STEP = "host/methods/bigan.cpp", "host/training/gan_step.cpp"
RECORDS, CELL = "host/table/csv_records.cpp", "host/table/cell.cpp"
FLEET = "host/methods/fleet_fit.cpp"
HEADER, FILES = "host/model_file/safetensors_header.cpp", "host/model_file/safetensors.cpp"
ATOMIC = "host/model_file/atomic_file.cpp"
CHECKPOINT = "host/training/checkpoint.cpp"


def host(name, file, old, new, filter, program, units=()):
    return Fault(name, file, old, new, filter, units, program)


HOST_FAULTS = [
    # ---- ops of the CPU
    host("CPU: sign of the cross-entropy's gradient", "kernels/sigmoid_cross_entropy/terms.hpp",
         "p * (1.0f - target) - complement * target", "complement * target - p * (1.0f - target)",
         ops("sigmoid_cross_entropy"), OPS, ("kernels/sigmoid_cross_entropy/sigmoid_cross_entropy.cpp",)),
    host("CPU: Adam climbs", "kernels/adam/adam.cpp", "fused(set(-c.step), ratio", "fused(set(c.step), ratio",
         ops("adam"), OPS),
    host("CPU: Adam's average takes the old weight", "kernels/adam/adam.cpp",
         "  const Vec w = fused(set(-c.step), ratio, load_some(at.parameter + i, n));",
         "  const Vec before = load_some(at.parameter + i, n), w = before; "
         "store_some(at.parameter + i, fused(set(-c.step), ratio, before), n);", ops("adam"), OPS),
    host("CPU: bias missing", "kernels/dense/dense.cpp",
         "bias == nullptr ? set(0.0f) : load_some(bias + c, count(c))", "set(0.0f)", ops("dense_forward"), OPS),
    host("CPU: all models share the first one's weights", "kernels/dense/dense.cpp",
         "if (is_first || args.weight.model_stride != 0) {", "if (is_first) {",
         ops("dense_forward"), OPS),
    host("CPU: quantile at a position among n", "kernels/columns/quantile.cpp",
         "args.probability[i] * static_cast<double>(n - 1)", "args.probability[i] * static_cast<double>(n)",
         ops("quantile"), OPS),
    host("CPU: missing cells become zeros", "kernels/rows/fill_missing.cpp",
         "select_number(cell, cell, load_some(replacement + c, n))", "select_number(cell, cell, set(0.0f))",
         ops("fill_missing"), OPS),
    # ---- methods
    host("GAN: generated rows count as real ones", GAN_STEP,
         "loss(1, 0.0f, fake_share, false,", "loss(1, 1.0f, fake_share, false,", "*Golden*:*Gradient*:StepGradient*",
         TRAINING),
    host("GAN: sign of the generator's loss", GAN_STEP, ".weight = minimax ? -weight : weight,",
         ".weight = minimax ? weight : -weight,", "*Golden*:*Gradient*", TRAINING),
    host("GAN: R1 on the generated rows", GAN_STEP,
         "network.add_gradient_penalty(context_, weights, discriminator_buffers_.slice_rows(0, rows),",
         "network.add_gradient_penalty(context_, weights, discriminator_buffers_.slice_rows(rows, rows),",
         "*Gradient*", TRAINING),
    host("GAN: matched features of generated rows alone", GAN_STEP,
         "judge.forward(context_, weights, {.x = real(), .z = {}}, of_real,",
         "judge.forward(context_, weights, shown, of_real,", "*Gradient*:*Golden*", TRAINING),
    host("BiGAN: the pairs of E count as generated ones", BIGAN,
         "loss(judged_.encoded, 0.0f, fake_share, false,", "loss(judged_.encoded, 1.0f, fake_share, false,",
         "*Golden*:*Bigan*", TRAINING),
    host("BiGAN: the encoder is never updated", BIGAN,
         "  update(Role::encoder, encoder_gradient_, options_.encoder_learning_rate, t, 1, 0, {});\n", "",
         "*Golden*:*Bigan*", TRAINING),
    host("BiGAN: the encoder's gradient for other rows", BIGAN,
         "{.x = generator_real(), .z = {}}, trained_.encoder,", "{.x = real(), .z = {}}, trained_.encoder,",
         "*Golden*:*Bigan*", TRAINING),
    host("BiGAN: the cycle forgets the generator's other gradient", BIGAN,
         "{.accumulate = options_.reconstruction > 0.0f}", "{.accumulate = false}", "*Golden*:*Bigan*", TRAINING),
    host("score: GANomaly's first encoder for its second", ENCODER,
         "networks_.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;\n  networks_[again].forward",
         "Role::encoder;\n  networks_[again].forward", "EncoderScores.*", METHODS),
    host("score: the pair of the other judge", ENCODER, "judges_query() ? filled : rebuilt",
         "judges_query() ? rebuilt : filled", "EncoderScores.*", METHODS),
    host("ensemble: summed, not averaged", "host/methods/ensemble.cpp",
         "sum / static_cast<double>(methods())", "sum", "Score.*", METHODS),
    host("threshold: quantile of the other tail", CALIBRATION,
         "return places * (1 - rate) - places", "return places * rate - places",
         "ScoreCalibration.*:Detector.*:Score.*", METHODS),
    host("threshold: conformal rank without the new row", CALIBRATION,
         "static_cast<double>(count) + 1;\n  return places", "static_cast<double>(count);\n  return places",
         "ScoreCalibration.*", METHODS),
    host("threshold: rows that share its score are flagged", CALIBRATION,
         "? above(threshold) : threshold;", "? threshold : threshold;", "ScoreCalibration.*", METHODS),
    host("threshold: too few rows promise all the same", CALIBRATION,
         "if (place > count) {", "if (place > 1e9 * count) {", "ScoreCalibration.*", METHODS),
    host("cross-fitting: rows that a model was trained on count as new", "host/methods/anomaly_model.cpp",
         "return {fold_begin[fold], fold_begin[fold + 1]};", "return {fold_begin.front(), fold_begin[1]};",
         "CrossFitting.*", METHODS),
    host("options: quotes in lists are letters", "host/table/list_text.cpp",
         "std::size_t size = quoted_size(text, part);", "std::size_t size = 0;", "Options.*", METHODS),
    host("calibration: rank off by one", CALIBRATION,
         "return (1 + at_most(score))", "return at_most(score)", "ScoreCalibration.*", METHODS),
    host("calibration: confidence of the other label", CALIBRATION,
         "score >= threshold ? 1 - same : same", "score >= threshold ? same : 1 - same", "ScoreCalibration.*",
         METHODS),
    host("decision: the threshold itself is normal", "host/metrics/metrics.cpp",
         "static_cast<double>(score[i]) >= threshold", "static_cast<double>(score[i]) > threshold", "*", METRICS),
    # ---- readers
    host("csv: doubled quotes stay", RECORDS, "unescaped->append(text, quote + 1)", "unescaped->append(text, quote + 2)",
         "*", TABLE),
    host("csv: a line break in quotes ends the row", RECORDS,
         "find_byte(record, record + size, '\"') == nullptr ? size : quoted_record_size()", "size", "*", TABLE),
    host("csv: '?' is text", CELL, ', "None", "?"};', ', "None"};', "*", TABLE),
    host("csv: only commas separate", "host/table/csv_records.cpp",
         "return semicolons >= tabs ? ';' : '\\t';", "return ',';", "*", TABLE),
    host("csv: sign lost", CELL, "    if (text.front() == '-') number = -number;\n", "", "*", TABLE),
    host("npy: column-major files read by rows", "host/table/npy_header.cpp",
         "layout.fortran_order = *fortran_order;", "layout.fortran_order = false;", "*", TABLE),
    host("npy: big-endian numbers read as they stand", "host/table/npy_header.cpp",
         'layout.big_endian = order == ">";', "layout.big_endian = false;", "*", TABLE),
    host("idx: numbers little-endian", "host/table/idx_reader.cpp", "layout.big_endian = true;",
         "layout.big_endian = false;", "*", TABLE),
    # ---- fleets
    host("fleet: seeds of neighbours overlap", FLEET, "static_cast<std::uint64_t>(group * options.population)",
         "static_cast<std::uint64_t>(group)", "Fleet.*", METHODS),
    host("fleet: every model trains on the first group's rows", FLEET, "block.models.add(next,", "block.models.add(0,",
         "Fleet.*", METHODS),
    host("fleet: the pooled model's seed is the first group's", FLEET,
         "    detector.impl_->options.seed += Fleet::pooled_seed_distance;\n", "", "Fleet.*", METHODS),
    host("fleet: parts of another fit are taken up", "host/methods/fleet_checkpoint.hpp",
         "found->second != fingerprint_", "found->second.empty()", "FleetCheckpoint.*", METHODS, (FLEET,)),
    # ---- model files, checkpoints
    host("model file: tensors may overlap", HEADER, "if (entry.begin != position)", "if (entry.begin > position)", "*",
         MODEL_FILE),
    host("model file: the product of a shape overflows", HEADER, "if (bytes > limit / factor)", "if (false)", "*",
         MODEL_FILE),
    host("model file: the header's length is believed", FILES,
         "header_bytes > max_header_bytes || header_bytes > source.size() - length_bytes",
         "header_bytes > max_header_bytes", "*", MODEL_FILE),
    host("model file: a later version is read", "host/methods/model_reader.hpp", "if (version.get<std::int64_t>() <= latest) return;",
         "return;", "ModelFile.*:FleetFile.*", METHODS,
         ("host/methods/model_file.cpp", "host/methods/fleet_file.cpp")),
    host("file: renamed before its end is written", ATOMIC, "    flush();\n    if (retry", "    if (retry", "*",
         MODEL_FILE),
    host("file: renamed although a write failed", ATOMIC,
         "    if (failed_error_ != 0) fail_with_errno(path_, \"writing\", failed_error_);\n", "", "*", MODEL_FILE),
    host("file: the temporary one stays", ATOMIC, "    if (!renamed_) ::unlink(name_.c_str());\n", "", "*", MODEL_FILE),
    host("checkpoint: moments start anew", CHECKPOINT,
         '    restore(name + ".first_moment", state.first_moment, good.first_moment);\n', "", "Checkpoint.*", TRAINING),
    host("checkpoint: other rows are taken", CHECKPOINT, 'if (metadata("rows") != ', 'if (false && metadata("rows") != ',
         "Checkpoint.*", TRAINING),
    host("checkpoint: resumed at its first step", CHECKPOINT, "  training.step_ = step;\n",
         "  training.step_ = step - step;\n", "Checkpoint.*", TRAINING),
]
