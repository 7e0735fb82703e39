// Embedding a detector in a C++ program: fit on normal rows, score new ones, explain the worst, keep the model.
//
//   embed [MODEL.safetensors]
//
// Everything that decides the result is in DetectorOptions, named; all other fields keep their defaults. The steps are
// few here, so that the example ends at once; the default of 8,000 gives better models.

#include <cstdio>
#include <cugad/cugad.hpp>
#include <random>
#include <vector>

namespace {

// Readings of a pump: pressure, flow (which follows pressure), temperature.
cugad::Matrix readings(std::int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  cugad::Matrix matrix(rows, 3);
  for (std::int64_t r = 0; r < rows; ++r) {
    const float pressure = 5.0f + normal(random);
    float* row = matrix.row(r);
    row[0] = pressure;
    row[1] = 2.0f * pressure + 0.2f * normal(random);
    row[2] = 60.0f + 3.0f * normal(random);
  }
  return matrix;
}

int run(const char* path) {
  const cugad::Device device = cugad::Device::open("auto");  // a GPU if there is one, else the CPU
  cugad::Detector detector(device, {.population = 2, .seed = 7, .steps = 400});

  const cugad::Matrix normal = readings(2000, 1);
  cugad::FitControl control;
  control.on_message = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  detector.fit(normal.view(), {.names = {"pressure", "flow", "temperature"}}, control);

  // The last row breaks the rule that flow follows pressure: each of its values alone is a usual one.
  cugad::Matrix fresh = readings(5, 4);
  fresh.row(4)[0] = 6.5f;
  fresh.row(4)[1] = 7.0f;
  std::vector<cugad::Explanation> explanations;
  const std::vector<float> scores = detector.explain(fresh.view(), 1, explanations);
  std::printf("on %s, threshold %.3f\n", device.name().c_str(), detector.threshold());
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const char* column = detector.column_names()[static_cast<std::size_t>(explanations[r].column[0])].c_str();
    std::printf("row %zu: score %.3f%s, farthest off in %s\n", r, scores[r],
                scores[r] >= detector.threshold() ? " ANOMALY" : "", column);
  }

  // A model file gives the same bits again.
  detector.save(path);
  const std::vector<float> again = cugad::Detector::load(device, path).score(fresh.view());
  std::printf("loaded from %s: %s\n", path, again == scores ? "same scores" : "OTHER SCORES");
  return again == scores && scores[4] >= detector.threshold() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count > 1 ? arguments[1] : "pump.safetensors");
  } catch (const cugad::Error& error) {  // the one type of error that the library throws
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
}
