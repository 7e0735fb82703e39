#include <gtest/gtest.h>

#include "tests/ops/latent_problem.hpp"

/// The restarts of the latent search: which one wins, and that they are searches of their own.
namespace cugad::test {
namespace {

/// Equal losses: a generator that ignores z leaves every restart at its start, and the first one must win.
TEST(restarts, a_tie_goes_to_the_first) {
  for (const NamedDevice& named : devices()) {
    for (const std::int64_t restarts : {2, 7, 60}) {
      SearchShape shape{.rows = 5, .steps = 3, .restarts = restarts, .generator = {3, 4}, .discriminator = {4, 3, 1}};
      shape.dead_generator = true;
      Problem problem(hash("tie"), Layout::contiguous);
      const SearchTensors tensors = build_search(problem, shape);
      std::string refusal;
      const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
      ASSERT_EQ(refusal, "");
      for (std::int64_t r = 0; r < 5; ++r)
        for (std::int64_t c = 0; c < 3; ++c)
          EXPECT_EQ(tensors.best_z->get(results[problem.index_of(*tensors.best_z)], 0, r, c),
                    tensors.z->get(0, r * restarts, c))
              << named.name << " query " << r << " of " << restarts << " restarts";
    }
  }
}

/// The outputs of a search with restarts are those of the best of as many searches with one start, to the bit.
TEST(restarts, equal_single_searches) {
  SearchShape shape{.models = 2,
                    .rows = 7,
                    .steps = 4,
                    .restarts = 5,
                    .generator = {3, 9, 6},
                    .discriminator = {6, 8, 4, 1},
                    .missing = 0.2,
                    .prior_weight = 0.1};
  Problem problem(hash("restarts"), Layout::contiguous);
  const SearchTensors all = build_search(problem, shape);
  shape.restarts = 1;
  Problem single_problem(0, Layout::contiguous);
  const SearchTensors single = build_search(single_problem, shape);
  single.x->initial = all.x->initial;
  single.generator->initial = all.generator->initial;
  single.discriminator->initial = all.discriminator->initial;
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    std::string refusal;
    const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
    std::vector<Results> singles;
    for (std::int64_t i = 0; i < 5; ++i) {
      for (std::int64_t m = 0; m < 2; ++m)
        for (std::int64_t r = 0; r < 7; ++r)
          for (std::int64_t c = 0; c < 3; ++c) single.z->set(m, r, c, all.z->get(m, r * 5 + i, c));
      singles.push_back(execute(single_problem, initial_images(single_problem), named.device, 1, {{}}, &refusal));
    }
    ASSERT_EQ(refusal, "");
    for (std::int64_t m = 0; m < 2; ++m)
      for (std::int64_t r = 0; r < 7; ++r) {
        std::size_t best = 0;
        const auto loss_of = [&](std::size_t i) {
          return single.loss->get(singles[i][single_problem.index_of(*single.loss)], m, r, 0);
        };
        for (std::size_t i = 1; i < 5; ++i) best = loss_of(i) < loss_of(best) ? i : best;
        const std::pair<TypedTensor<float>*, TypedTensor<float>*> outputs[] = {
            {all.loss, single.loss},
            {all.residual, single.residual},
            {all.discrimination, single.discrimination},
            {all.best_z, single.best_z},
            {all.feature_residual, single.feature_residual},
            {all.reconstruction, single.reconstruction}};
        for (const auto& [of_all, of_one] : outputs)
          for (std::int64_t c = 0; c < of_all->columns; ++c)
            EXPECT_EQ(of_all->get(results[problem.index_of(*of_all)], m, r, c),
                      of_one->get(singles[best][single_problem.index_of(*of_one)], m, r, c))
                << of_all->name << " of model " << m << ", query " << r << ", column " << c;
        for (std::size_t i = 0; i < 5; ++i)
          for (std::int64_t c = 0; c < 3; ++c)
            EXPECT_EQ(all.z->get(results[problem.index_of(*all.z)], m, r * 5 + static_cast<std::int64_t>(i), c),
                      single.z->get(singles[i][single_problem.index_of(*single.z)], m, r, c));
      }
  }
}

}  // namespace
}  // namespace cugad::test
