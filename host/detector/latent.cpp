#include "cugad/latent.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "cugad/error.hpp"
#include "host/detector/contents.hpp"
#include "host/detector/stop_scoring.hpp"
#include "host/detector/units.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/latents.hpp"

namespace cugad {
namespace {

using Impl = DetectorContents::Impl;
constexpr std::int64_t rows_at_a_time = 8192;

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

const Impl& fitted(const Detector& detector) {
  const Impl& model = DetectorContents::of(detector);
  if (!model.model) refuse("the detector is not fitted: call fit or load first");
  return model;
}

/// The first member with a latent space, or null. Of several the first with a prior, which Detector::sample takes.
AnomalyModel* find_member(const Impl& detector) {
  AnomalyModel* found = nullptr;
  for (std::size_t i = 0; i < detector.model->methods(); ++i) {
    AnomalyModel& member = detector.model->member(i);
    if (member.can_be_sampled()) return &member;
    if (found == nullptr && definition_of(member.options().method).has_latent()) found = &member;
  }
  return found;
}

AnomalyModel& member_of(const Impl& detector) {
  AnomalyModel* const member = find_member(detector);
  if (member == nullptr) {
    throw Error(ErrorCode::unsupported, "a model of method " + get_option(detector.resolved, "method") +
                                            " has no latent space, expected one with latents (method anogan, gan, "
                                            "bigan, ganomaly, ...)");
  }
  if (detector.roles.condition > 0) {
    throw Error(ErrorCode::unsupported,
                "the generator of a conditional model takes more than z, expected a model without 'condition'");
  }
  return *member;
}

void check_model(const AnomalyModel& member, std::int64_t model) {
  const std::int64_t models = member.population();
  if (model < 0 || model >= models)
    refuse("model is " + std::to_string(model) + ", expected 0 to " + std::to_string(models - 1));
}

void check_room(const char* what, std::int64_t rows, std::int64_t columns, std::size_t room) {
  if (rows < 0) refuse(std::string(what) + " was asked for " + std::to_string(rows) + " rows");
  const auto cells = static_cast<std::int64_t>(room);
  if (cells % columns == 0 && cells / columns == rows) return;
  refuse(std::string(what) + " was given room for " + std::to_string(cells) + " numbers, expected " +
         std::to_string(columns) + " for each of " + std::to_string(rows) + " rows");
}

void check_finite(MatrixView<const float> z) {
  for (std::int64_t r = 0; r < z.rows; ++r) {
    for (std::int64_t k = 0; k < z.columns; ++k) {
      if (std::isfinite(z.row(r)[k])) continue;
      refuse("z has " + std::string(std::isnan(z.row(r)[k]) ? "no number" : "an infinite number") + " in row " +
             std::to_string(r) + ", column " + std::to_string(k) + ", expected finite numbers");
    }
  }
}

}  // namespace

std::int64_t latent_size(const Detector& detector) {
  const AnomalyModel* const member = find_member(fitted(detector));
  return member == nullptr ? 0 : member->networks().latent;
}

void draw_latents(const Detector& detector, std::int64_t count, std::uint64_t seed, std::span<float> z) {
  const FloatingPointEnvironment environment;
  AnomalyModel& member = member_of(fitted(detector));
  if (!member.can_be_sampled()) {
    throw Error(ErrorCode::unsupported, std::string("a model of method ") +
                                            definition_of(member.options().method).name +
                                            " has no prior to draw latents from: encode rows instead");
  }
  check_room("draw_latents", count, member.networks().latent, z.size());
  std::ranges::copy(draw_latents(member, count, seed).data, z.begin());
}

void encode(Detector& detector, MatrixView<const float> rows, std::int64_t model, std::span<float> z) {
  const FloatingPointEnvironment environment;
  const Impl& d = fitted(detector);
  AnomalyModel& member = member_of(d);
  if (!member.networks().has(Role::encoder)) {
    throw Error(ErrorCode::unsupported, std::string("a model of method ") +
                                            definition_of(member.options().method).name +
                                            " has no encoder, expected one (method bigan, fanogan, ganomaly, ...)");
  }
  check_model(member, model);
  check_rows("encode", rows, detector.columns());
  const std::int64_t latent = member.networks().latent;
  check_room("encode", rows.rows, latent, z.size());
  std::vector<float> brought;
  rows = d.on_host(rows, brought);
  Context host = Device::open("cpu", d.device.threads()).make_context();
  for (std::int64_t first = 0; first < rows.rows; first += rows_at_a_time) {
    stop_scoring_if(d.cancel);
    const std::int64_t count = std::min(rows_at_a_time, rows.rows - first);
    const Matrix shown = d.shown(host, {rows.row(first), count, rows.columns, rows.row_stride});
    std::ranges::copy(encode(member, shown, model).data, z.begin() + first * latent);
  }
}

void decode(Detector& detector, MatrixView<const float> z, std::int64_t model, std::span<float> rows) {
  const FloatingPointEnvironment environment;
  const Impl& d = fitted(detector);
  AnomalyModel& member = member_of(d);
  check_model(member, model);
  if (z.columns != member.networks().latent) {
    refuse("z has " + std::to_string(z.columns) + " columns, expected " + std::to_string(member.networks().latent) +
           ", the latent size");
  }
  check_rows("decode", z, z.columns);
  const std::int64_t columns = detector.columns();
  check_room("decode", z.rows, columns, rows.size());
  std::vector<float> brought;
  z = d.on_host(z, brought);
  check_finite(z);
  for (std::int64_t first = 0; first < z.rows; first += rows_at_a_time) {
    stop_scoring_if(d.cancel);
    const std::int64_t count = std::min(rows_at_a_time, z.rows - first);
    const MatrixView<float> made(rows.data() + first * columns, count, columns);
    decode(member, {z.row(first), count, z.columns, z.row_stride}, model, {}, made);
    to_units(d.transform, d.roles, made);
  }
}

}  // namespace cugad
