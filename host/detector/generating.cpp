#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/units.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/inpainting.hpp"

/// What generators make: rows drawn from the prior, and what is missing in given ones.
namespace cugad {
namespace {

void check_rows_and_room(const char* what, std::int64_t count, std::int64_t columns, std::size_t room) {
  if (count < 0)
    throw Error(ErrorCode::invalid_argument, std::string(what) + " was asked for " + std::to_string(count) + " rows");
  const auto cells = static_cast<std::int64_t>(room);
  if (cells % columns == 0 && cells / columns == count) return;
  throw Error(ErrorCode::invalid_argument, std::string(what) + " was given room for " + std::to_string(cells) +
                                               " numbers, expected " + std::to_string(columns) + " for each of " +
                                               std::to_string(count) + " rows");
}

void check_inpainting(const Inpainting& how) {
  const auto refuse = [](const char* name, const std::string& given, const char* expected) {
    throw Error(ErrorCode::invalid_argument,
                std::string("inpaint: ") + name + " is " + given + ", expected " + expected);
  };
  if (how.steps < 0) refuse("steps", std::to_string(how.steps), "at least 0");
  if (!(how.rate > 0.0f && how.rate <= 10.0f)) refuse("rate", std::to_string(how.rate), "a number above 0, at most 10");
  if (!(how.prior >= 0.0f && how.prior <= 1e6f)) refuse("prior", std::to_string(how.prior), "0 to 1,000,000");
  if (how.window < 1 || how.window % 2 == 0) refuse("window", std::to_string(how.window), "an odd number");
}

}  // namespace

void Detector::sample(std::int64_t count, std::uint64_t seed, std::span<float> rows) { sample(count, seed, {}, rows); }

void Detector::sample(std::int64_t count, std::uint64_t seed, std::span<const float> condition, std::span<float> rows) {
  const FloatingPointEnvironment environment;
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows_and_room("sample", count, columns(), rows.size());
  const Impl& d = held(impl_);
  // Conditions come last in the networks' order.
  std::vector<float> given(condition.begin(), condition.end());
  const std::int64_t judged = columns() - d.roles.condition;
  if (static_cast<std::int64_t>(given.size()) == d.roles.condition) {
    for (std::int64_t k = 0; k < d.roles.condition; ++k) {
      const std::int64_t column = d.roles.order[static_cast<std::size_t>(judged + k)];
      float& value = given[static_cast<std::size_t>(k)];
      value = std::isnan(value) ? 0.0f : d.transform.transformed(column, value);
    }
  }
  std::size_t i = 0;  // the first that has a prior, or the first, which throws
  while (i < d.model->methods() && !d.model->member(i).can_be_sampled()) ++i;
  d.model->member(i % d.model->methods()).sample(count, seed, given, rows.data());
  to_units(d.transform, d.roles, {rows.data(), count, columns()});
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t k = 0; k < static_cast<std::int64_t>(condition.size()); ++k) {
      const std::int64_t column = d.roles.order[static_cast<std::size_t>(judged + k)];
      if (!std::isnan(condition[static_cast<std::size_t>(k)]))
        rows[static_cast<std::size_t>(r * columns() + column)] = condition[static_cast<std::size_t>(k)];
    }
  }
}

void to_units(const FeatureTransform& transform, const ColumnRoles& roles, MatrixView<float> rows) {
  std::vector<float> row(static_cast<std::size_t>(rows.columns));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float* const made = rows.row(r);
    for (std::size_t c = 0; c < row.size(); ++c) row[static_cast<std::size_t>(roles.order[c])] = made[c];
    std::copy(row.begin(), row.end(), made);
  }
  transform.invert(rows);
}

bool Detector::Impl::makes_images() const {
  const AnomalyModel& member = model->member(0);
  return translates() ||
         (resolved.image && roles.condition == 0 && member.can_be_sampled() && !member.has_joint_discriminator());
}

bool Detector::Impl::translates() const { return definition_of(model->member(0).options().method).reads("target"); }

void Detector::inpaint(MatrixView<const float> rows, std::span<float> filled, const Inpainting& how) {
  const FloatingPointEnvironment environment;
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows("inpaint", rows, columns());
  check_rows_and_room("inpaint", rows.rows, columns(), filled.size());
  check_inpainting(how);
  Impl& d = held(impl_);
  if (!d.makes_images()) {
    throw Error(ErrorCode::unsupported,
                "a model of method " + get_option(d.resolved, "method") +
                    " fills no images, expected one of images without conditions with gan or anogan (train "
                    "--method gan), or with translation");
  }
  std::vector<float> brought;
  rows = d.on_host(rows, brought);
  Context host = Device::open("cpu", d.device.threads()).make_context();
  const Matrix shown = d.shown(host, rows);
  AnomalyModel& member = d.model->member(0);
  const Matrix made = d.translates() ? member.rebuild(shown) : inpainted(member, shown, how, d.cancel);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < columns(); ++c) {
      const std::int64_t column = d.roles.order[static_cast<std::size_t>(c)];
      const float x = rows.row(r)[column];
      const bool is_made = std::isnan(x) && c < columns() - d.roles.condition;
      // A condition is given, not predicted: it gets its column's centre.
      const double value = is_made ? double{made.row(r)[c]} : 0.0;
      filled[static_cast<std::size_t>(r * columns() + column)] =
          std::isnan(x) ? static_cast<float>(d.transform.inverse(column, value)) : x;
    }
  }
}

}  // namespace cugad
