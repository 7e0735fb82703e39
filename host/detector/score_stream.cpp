#include "host/detector/score_stream.hpp"

#include <algorithm>
#include <cstring>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/stop_scoring.hpp"

namespace cugad {
namespace {

/// Where nothing is learnt of missing and new cells, they count nothing; but a row without any value has no score.
Novelty without_events(std::int64_t columns) {
  std::vector<Novelty::Source> sources(static_cast<std::size_t>(columns));
  for (std::size_t c = 0; c < sources.size(); ++c) sources[c].first = static_cast<std::int32_t>(c);
  const std::vector<float> none(sources.size());
  return {std::move(sources), {{none, none}}};
}

}  // namespace

ScoreStream::ScoreStream(const Device& device, const FeatureTransform& transform, const Novelty& novelty,
                         Ensemble& model)
    : transform_(transform),
      model_(model),
      backend_(device.backend()),
      upload_(device.make_context()),
      arena_(device.backend()),
      working_(device.backend()),
      has_novelty_(novelty),
      chunk_(model.chunk_rows()),
      constants_(transform.upload(upload_, arena_)) {
  novelty_ = (has_novelty_ ? novelty : without_events(transform.columns())).upload(upload_, arena_);
  if (backend_.is_host_memory()) return;
  reserve(chunk_);
  const std::int64_t columns = transform.columns();
  for (Stage& stage : stages_) {
    stage.device = arena_.take<float>("rows on their way", chunk_ * columns);
    stage.pinned =
        static_cast<float*>(backend_.allocate_pinned(sizeof(float) * static_cast<std::size_t>(chunk_ * columns)));
    stage.copied = backend_.make_event();
    stage.consumed = backend_.make_event();
  }
}

ScoreStream::~ScoreStream() {
  try {
    upload_.synchronize();  // copies may still read the pinned buffers
  } catch (const Error&) {  // a device that failed copies no more
  }
  for (const Stage& stage : stages_) {
    if (stage.pinned != nullptr) backend_.release_pinned(stage.pinned);
    backend_.release_event(stage.copied);
    backend_.release_event(stage.consumed);
  }
}

void ScoreStream::reserve(std::int64_t rows) {
  rows = std::min(rows, chunk_);
  model_.reserve(rows);
  if (rows <= working_rows_) return;
  const std::int64_t wanted = rows_to_reserve(rows, working_rows_, chunk_), columns = transform_.columns();
  working_rows_ = 0;  // if memory ends
  working_ = Arena(backend_);
  transformed_ = {working_.take<float>("transformed rows", wanted * columns), wanted, columns};
  scores_ = working_.stack("scores", 1, wanted, 1);
  absent_ = working_.stack("residual of absent cells", novelty_.expected.models, wanted, 1);
  surprise_ = working_.stack("surprise of cells", novelty_.expected.models, wanted, 1);
  working_rows_ = wanted;
}

void ScoreStream::stage(const Stage& stage, MatrixView<const float> rows, bool pinned) {
  if (!pinned) {
    backend_.synchronize_event(stage.copied);
    stage_rows(rows, stage.pinned);
    rows = {stage.pinned, rows.rows, rows.columns};
  }
  backend_.wait(upload_.stream(), stage.consumed);
  copy_rows(upload_, rows, MatrixView<float>(stage.device, rows.rows, rows.columns));
  backend_.mark(stage.copied, upload_.stream());
}

AnomalyModel::Beside ScoreStream::look_at_cells(Context& context, MatrixView<const float> rows) {
  const StackView<float> absent = absent_.slice_rows(0, rows.rows), surprise = surprise_.slice_rows(0, rows.rows);
  run(context, CellSurprise{.x = shared_by(absent.models, rows),
                            .source = novelty_.source,
                            .constant = novelty_.constant,
                            .weight = novelty_.weight,
                            .expected = novelty_.expected,
                            .surprise = surprise,
                            .residual = absent});
  return {has_novelty_ ? absent : StackView<float>(), surprise.slice_models(0, 1)};
}

void ScoreStream::score(MatrixView<const float> rows, float* scores, float* residuals, float* part_scores,
                        const Manner& manner) {
  const std::int64_t columns = transform_.columns();
  const bool staged = !backend_.is_device_pointer(rows.data), fetched = !backend_.is_device_pointer(scores);
  const bool pinned = staged && backend_.memory_kind(rows.data) == MemoryKind::pinned;
  Context& context = model_.context();
  if ((staged || fetched || residuals != nullptr || part_scores != nullptr) &&
      backend_.is_recording(context.stream())) {
    throw Error(ErrorCode::invalid_argument,
                "score: the stream is captured, which takes rows and scores in device memory, and no more than scores");
  }
  const NamedRange range(backend_, "cugad score");
  const StreamUse use(backend_, context.stream());
  // Earlier work there may still write the rows, or read the scores.
  if ((!staged || !fetched) && context.has_own_stream()) backend_.wait_for_default_stream(context.stream());
  const auto part = [&](std::int64_t first) {
    return MatrixView<const float>(rows.row(first), std::min(chunk_, rows.rows - first), columns, rows.row_stride);
  };
  // The caller's pinned rows are read in place: on return nothing reads them any more.
  const auto finish_reading = [&] {
    if (!manner.waits || !pinned) return;
    for (const Stage& stage : stages_) backend_.synchronize_event(stage.copied);
  };
  reserve(rows.rows);
  if (staged && rows.rows > 0) stage(stages_[0], part(0), pinned);
  int now = 0;
  for (std::int64_t first = 0; first < rows.rows; first += chunk_, now = 1 - now) {
    if (manner.cancel != nullptr && *manner.cancel) finish_reading();
    stop_scoring_if(manner.cancel);
    MatrixView<const float> chunk = part(first);
    const std::int64_t count = chunk.rows;
    if (staged) {
      backend_.wait(context.stream(), stages_[now].copied);
      chunk = {stages_[now].device, count, columns};
    }
    const MatrixView<float> transformed(transformed_.data, count, columns);
    const AnomalyModel::Beside beside = look_at_cells(context, chunk);
    FeatureTransform::apply(context, constants_, chunk, transformed);
    if (staged) backend_.mark(stages_[now].consumed, context.stream());
    const StackView<float> target(fetched ? scores_.data : scores + first, 1, count, 1);
    model_.score(transformed, target, beside, residuals == nullptr ? nullptr : residuals + first * columns,
                 part_scores == nullptr ? nullptr : part_scores + first * model_.parts());
    // The next chunk travels while this one is scored.
    if (staged && first + chunk_ < rows.rows) stage(stages_[1 - now], part(first + chunk_), pinned);
    if (fetched) {
      backend_.copy(scores + first, scores_.data, sizeof(float) * static_cast<std::size_t>(count), context.stream());
      if (manner.waits) context.synchronize();
    }
  }
  finish_reading();
}

}  // namespace cugad
