// A fleet: one small detector per machine, all trained together. What is usual for one machine may be an alarm for
// another; a single model of all of them would not see it.
//
//   fleet

#include <cstdio>
#include <cugad/cugad.hpp>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int machines = 6, rows_of_each = 200;

std::string name_of(int machine) { return "machine-" + std::to_string(machine); }

// Each machine has a level of its own, about which load and temperature move together.
void measure(std::mt19937& random, int machine, float* row) {
  std::normal_distribution<float> normal;
  row[0] = 10.0f * static_cast<float>(machine) + normal(random);
  row[1] = 0.5f * row[0] + 0.1f * normal(random);
}

int run() {
  std::mt19937 random(1);
  cugad::Matrix rows(machines * rows_of_each, 2);
  std::vector<std::string> groups;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const int machine = static_cast<int>(r % machines);
    measure(random, machine, rows.row(r));
    groups.push_back(name_of(machine));
  }

  cugad::Fleet fleet(cugad::Device::open("auto"), {.population = 2, .seed = 3, .steps = 200});
  fleet.fit(rows.view(), groups, {.names = {"load", "temperature"}});
  for (const cugad::FleetGroup& group : fleet.groups()) {
    std::printf("%s: %lld rows, threshold %.3f\n", group.name.c_str(), static_cast<long long>(group.rows),
                group.threshold);
  }

  // The same reading, which machine 4 gives all day, from two machines; and one of an unseen machine.
  cugad::Matrix fresh(3, 2);
  const std::vector<std::string> senders = {name_of(4), name_of(1), "machine-99"};
  for (std::int64_t r = 0; r < fresh.rows; ++r) fresh.row(r)[0] = 40.0f, fresh.row(r)[1] = 20.0f;
  const std::vector<float> scores = fleet.score(fresh.view(), senders);
  const std::vector<float> thresholds = fleet.thresholds(senders);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    std::printf("load 40, temperature 20 from %s: score %.3f%s\n", senders[r].c_str(), scores[r],
                scores[r] >= thresholds[r] ? " ANOMALY" : "");
  }
  std::printf("rows of unseen machines: %lld (scored by the pooled model)\n",
              static_cast<long long>(fleet.scored().unseen));
  return scores[0] < thresholds[0] && scores[1] >= thresholds[1] ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const cugad::Error& error) {
    std::fprintf(stderr, "fleet: %s\n", error.what());
    return 1;
  }
}
