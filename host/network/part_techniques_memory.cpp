#include "cugad/error.hpp"
#include "host/network/part_techniques.hpp"

namespace cugad {

PartTechniques::LayerMemory PartTechniques::LayerMemory::slice_rows(std::int64_t first, std::int64_t count,
                                                                    std::int64_t part_rows) const {
  LayerMemory some = *this;
  if (!input) return some;
  if (reference_rows > 0) {
    if (first != 0) throw Error(ErrorCode::unsupported, "the rows behind a reference batch are cut at the end only");
    some.input = input.slice_rows(0, reference_rows + count);
    some.input_gradient = input_gradient.slice_rows(0, reference_rows + count);
    return some;
  }
  const std::int64_t part = part_rows > 0 ? first / part_rows : 0;
  some.input = input.slice_rows(first, count);
  some.input_gradient = input_gradient.slice_rows(first, count);
  some.mean = mean.slice_rows(part, mean.rows - part);
  some.inverse_deviation = inverse_deviation.slice_rows(part, inverse_deviation.rows - part);
  return some;
}

PartTechniques::Memory PartTechniques::Memory::slice_rows(std::int64_t first, std::int64_t count) const {
  Memory some = *this;
  for (LayerMemory& memory : some.layer) memory = memory.slice_rows(first, count, part_rows);
  return some;
}

PartTechniques::Memory PartTechniques::Memory::slice_models(std::int64_t first, std::int64_t count) const {
  Memory some = *this;
  const auto slice = [&](StackView<float>& view) { view = view.slice_models(first, count); };
  slice(some.effective);
  slice(some.gradient);
  for (LayerMemory& memory : some.layer) {
    for (StackView<float>* view :
         {&memory.u, &memory.left, &memory.v, &memory.sigma, &memory.input, &memory.input_gradient, &memory.mean,
          &memory.inverse_deviation, &memory.moving_mean, &memory.moving_variance}) {
      slice(*view);
    }
  }
  return some;
}

}  // namespace cugad
