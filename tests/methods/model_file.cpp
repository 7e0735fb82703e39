#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "cugad/fleet.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/common/device.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Model files: what is saved scores as before, equal detectors give equal bytes, damaged files are refused.
namespace cugad::test {
namespace {

using safetensors::File;

std::string saved(const Detector& detector, const std::string& path) {
  detector.save(path);
  const std::vector<std::byte> bytes = detector.save();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), read_text(path));
  return read_text(path);
}

TEST(ModelFile, LoadedScoresAsSaved) {
  const TemporaryDirectory directory;
  Matrix training = mixed_rows(400, 1);
  const Matrix rows = mixed_rows(200, 2);
  for (std::int64_t r = 0; r < training.rows; ++r) {
    for (int column : {0, 2}) training.row(r)[column] = std::abs(training.row(r)[column]);  // log1p needs them so
  }
  DetectorOptions one_model = quick_options();
  one_model.population = 1;
  one_model.hidden = {};
  one_model.log1p = {"a", "c"};
  one_model.scale = Scale::robust;
  for (const DetectorOptions& options : {quick_options(), search_options(SearchStart::normal),
                                         search_options(SearchStart::truncated_normal), one_model}) {
    Detector detector(test_device(1), options);
    detector.fit(training.view(), {.names = {"a", "b", "c", "\xc3\xa9t\xc3\xa9", "e \"x\"", "f=1"}, .binary = 1});
    detector.attach("encoder", "{\"columns\": [\"\xc3\xa9\"]}");
    const std::string bytes = saved(detector, directory.file("model"));
    Detector loaded = Detector::load(test_device(2), directory.file("model"));
    EXPECT_TRUE(same_bits(loaded.score(rows.view()), detector.score(rows.view())));
    EXPECT_EQ(Detector::load(test_device(1), detector.save()).save(), detector.save());
    std::vector<Explanation> first, second;
    detector.explain(rows.view(), 6, first);
    loaded.explain(rows.view(), 6, second);
    for (std::size_t r = 0; r < first.size(); ++r) {
      EXPECT_EQ(first[r].column, second[r].column);
      EXPECT_TRUE(same_bits(first[r].residual, second[r].residual));
    }
    std::vector<float> drawn(60), redrawn(60);
    detector.sample(10, 3, drawn);
    loaded.sample(10, 3, redrawn);
    EXPECT_TRUE(same_bits(drawn, redrawn));
    EXPECT_EQ(loaded.threshold(), detector.threshold());
    EXPECT_EQ(loaded.column_names(), detector.column_names());
    EXPECT_EQ(options_to_json(loaded.options()), options_to_json(detector.options()));
    EXPECT_EQ(loaded.telemetry().size(), detector.telemetry().size());
    ASSERT_NE(loaded.attachment("encoder"), nullptr);
    EXPECT_EQ(*loaded.attachment("encoder"), *detector.attachment("encoder"));
    EXPECT_EQ(loaded.attachment("other"), nullptr);
    EXPECT_EQ(saved(loaded, directory.file("again")), bytes);
  }
}

TEST(ModelFile, TwoFitsGiveTheSameBytes) {
  const TemporaryDirectory directory;
  const Matrix training = mixed_rows(400, 1);
  for (DetectorOptions options : {quick_options(), search_options(SearchStart::bank)}) {
    const std::string bytes = saved(fitted(options, training, 1), directory.file("first"));
    EXPECT_EQ(saved(fitted(options, training, 2), directory.file("second")), bytes);
    options.seed += 1;
    EXPECT_NE(saved(fitted(options, training), directory.file("third")), bytes);
  }
}

/// Stopped and resumed: the same file, byte for byte.
TEST(ModelFile, AResumedFitGivesTheSameBytes) {
  const TemporaryDirectory directory;
  const Matrix training = mixed_rows(400, 1);
  const std::string bytes = saved(fitted(quick_options(), training), directory.file("whole"));
  StoppedFit stop(directory.file("checkpoint"), 100);
  Detector stopped(test_device(1), quick_options());
  expect_error(ErrorCode::cancelled, {"after step 100", directory.path()},
               [&] { stopped.fit(training.view(), stop.control); });
  EXPECT_FALSE(stopped.fitted());
  stop.resume();
  for (int again = 0; again < 2; ++again) {  // the second time there is nothing left to train
    Detector resumed(test_device(1), quick_options());
    resumed.fit(training.view(), stop.control);
    EXPECT_EQ(saved(resumed, directory.file("resumed")), bytes);
  }
}

/// A model of a population is the model that its seed alone gives.
TEST(ModelFile, PopulationHoldsTheModelsOfItsSeeds) {
  const TemporaryDirectory directory;
  const Matrix training = normal_rows(300, 1);
  DetectorOptions options = quick_options();
  options.population = 4;
  fitted(options, training, 2).save(directory.file("all"));
  const File all = safetensors::read(directory.file("all"));
  options.population = 1;
  for (std::size_t m = 0; m < 4; ++m) {
    options.seed = quick_options().seed + m;
    options.fold = static_cast<int>(m);
    fitted(options, training).save(directory.file("one"));
    const File one = safetensors::read(directory.file("one"));
    ASSERT_EQ(one.tensors.size(), all.tensors.size());
    for (const auto& [name, tensor] : one.tensors) {
      const std::vector<float>& together = all.tensors.at(name).f32;
      const auto first = together.begin() + static_cast<std::ptrdiff_t>(m * tensor.f32.size());
      EXPECT_TRUE(same_bits(tensor.f32, {first, first + static_cast<std::ptrdiff_t>(tensor.f32.size())})) << name;
    }
  }
}

/// A change of one entry of a metadata text that is JSON.
std::function<void(File&)> edit(const std::string& key, const std::function<void(nlohmann::json&)>& change) {
  return [=](File& file) {
    auto json = nlohmann::json::parse(file.metadata.at(key));
    change(json);
    file.metadata[key] = json.dump();
  };
}

struct Damage {
  std::string part;
  std::function<void(File&)> apply;
};

std::vector<Damage> damages() {
  using Json = nlohmann::json;
  std::vector<Damage> all = {
      {"'generator.0.weight'", [](File& f) { f.tensors.erase("generator.0.weight"); }},
      {"'discriminator.1.bias'", [](File& f) { f.tensors.erase("discriminator.1.bias"); }},
      {"'generator.1.weight'",
       [](File& f) { std::swap(f.tensors["generator.1.weight"].shape[1], f.tensors["generator.1.weight"].shape[2]); }},
      {"'generator.0.bias'",
       [](File& f) {
         f.tensors["generator.0.bias"] = {{1}, {0.0f}, {}};
       }},
      {"'generator.0.bias'",
       [](File& f) {
         auto& tensor = f.tensors["generator.0.bias"];
         tensor.f64.assign(tensor.f32.begin(), tensor.f32.end());
         tensor.f32.clear();
       }},
      {"not finite", [](File& f) { f.tensors["generator.1.bias"].f32[0] = missing; }},
      {"not finite", [](File& f) { f.tensors["discriminator.0.weight"].f32[3] = HUGE_VALF; }},
      {"format", [](File& f) { f.metadata["format"] = "other model"; }},
      {"format version 2", [](File& f) { f.metadata["format_version"] = "2"; }},
      {"format_version", [](File& f) { f.metadata["format_version"] = "0"; }},
      {"format_version", [](File& f) { f.metadata["format_version"] = "one"; }},
      {"'options'", [](File& f) { f.metadata.erase("options"); }},
      {"options", [](File& f) { f.metadata["options"] = "{"; }},
      {"did you mean", edit("options", [](Json& o) { o["scroe"] = 1; })},
      {"'population'", edit("options", [](Json& o) { o["population"] = 0; })},
      {"shape", edit("options", [](Json& o) { o["population"] = 60000; })},
      {"shape", edit("options", [](Json& o) { o["latent"] = 4000; })},
      {"'latent'", edit("options", [](Json& o) { o["latent"] = 0; })},
      {"'bank_rows'", edit("options", [](Json& o) { o["bank_rows"] = 0; })},
      {"shape", edit("options",
                     [](Json& o) {
                       o["generator_hidden"] = {65536, 65536};
                     })},
      {"search_rate", edit("options", [](Json& o) { o["search_rate"] = Json::array(); })},
      {"'columns'", [](File& f) { f.metadata["columns"] = "[]"; }},
      {"'columns'", edit("columns", [](Json& c) { c[0] = 3; })},
      {"options and columns", edit("columns", [](Json& c) { c.erase(0); })},
      {"'transform'", [](File& f) { f.metadata["transform"] = "nothing"; }},
      {"'shift'", edit("transform", [](Json& t) { t["shift"][0] = "x"; })},
      {"'shift'", edit("transform", [](Json& t) { t["shift"][0] = nullptr; })},
      {"'scale'", edit("transform", [](Json& t) { t["scale"].push_back(1.0); })},
      {"'scale'", edit("transform", [](Json& t) { t["scale"][1] = -1.0; })},
      {"'log1p'", edit("transform", [](Json& t) { t["log1p"][2] = 1e300; })},
      {"'log1p'", edit("transform", [](Json& t) { t["log1p"][2] = -1; })},
      {"'log1p'", edit("transform", [](Json& t) { t["log1p"][2] = 2; })},
      {"'threshold'", [](File& f) { f.metadata["threshold"] = "null"; }},
      {"'threshold'", [](File& f) { f.metadata["threshold"] = "1e300"; }},
      {"'median'", edit("score_statistics", [](Json& s) { s["residual"]["median"] = {1.0}; })},
      {"'median'", edit("score_statistics", [](Json& s) { s.erase("discriminator"); })},
      {"'median'", edit("score_statistics", [](Json& s) { s["residual"]["median"][0] = 1e300; })},
      {"spread", edit("score_statistics", [](Json& s) { s["residual"]["spread"][1] = 0.0; })},
      {"'telemetry'", edit("telemetry", [](Json& t) { t.erase(0); })},
      {"'telemetry'", edit("telemetry",
                           [](Json& t) {
                             t[0] = {1, 2};
                           })},
      {"'notes'", [](File& f) { f.metadata["notes"] = "{\"a\": \"b\"}"; }},
      {"'notes'", [](File& f) { f.metadata["notes"] = "[\"a\", 1]"; }},
      {"'notes'", [](File& f) { f.metadata["notes"] = "[\"a\""; }},
  };
  for (const char* key :
       {"format", "format_version", "columns", "transform", "threshold", "score_statistics", "telemetry"})
    all.push_back({"'" + std::string(key) + "'", [=](File& f) { f.metadata.erase(key); }});
  return all;
}

TEST(ModelFile, DamagedOnesAreRefused) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.steps = 10;
  fitted(options, normal_rows(100, 1)).save(directory.file("model"));
  const File good = safetensors::read(directory.file("model"));
  const std::string path = directory.file("damaged");
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.part);
    File file = good;
    damage.apply(file);
    safetensors::write(path, file);
    expect_error(ErrorCode::format, {path, damage.part}, [&] { Detector::load(test_device(1), path); });
    expect_error(ErrorCode::format, {"the model in memory", damage.part},
                 [&] { Detector::load(test_device(1), safetensors::to_bytes(file)); });
  }
  const std::string whole = read_text(directory.file("model"));
  for (const std::size_t kept : {std::size_t{0}, std::size_t{7}, std::size_t{100}, whole.size() - 1}) {
    write_text(path, whole.substr(0, kept));
    expect_error(ErrorCode::format, {path}, [&] { Detector::load(test_device(1), path); });
    expect_error(ErrorCode::format, {"the model in memory"},
                 [&] { Detector::load(test_device(1), std::as_bytes(std::span(whole).first(kept))); });
  }
  expect_error(ErrorCode::input_output, {"absent"}, [&] { Detector::load(test_device(1), directory.file("absent")); });
}

/// Branches, an encoder and what a score learnt of the columns.
TEST(ModelFile, DamagedOnesOfAnEncoderMethodAreRefused) {
  using Json = nlohmann::json;
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.method = Method::egbad;
  options.column_spread = true;
  options.steps = 10;
  fitted(options, normal_rows(100, 1)).save(directory.file("model"));
  const File good = safetensors::read(directory.file("model"));
  const std::string path = directory.file("damaged");
  const std::vector<Damage> all = {
      {"'discriminator.x.0.weight'", [](File& f) { f.tensors.erase("discriminator.x.0.weight"); }},
      {"'discriminator.z.0.bias'", [](File& f) { f.tensors.erase("discriminator.z.0.bias"); }},
      {"'encoder.0.weight'",
       [](File& f) { std::swap(f.tensors["encoder.0.weight"].shape[1], f.tensors["encoder.0.weight"].shape[2]); }},
      {"'column_scale'", [](File& f) { f.tensors.erase("column_scale"); }},
      {"'column_scale'", [](File& f) { f.tensors["column_scale"].f32[2] = -1.0f; }},
      {"not finite", [](File& f) { f.tensors["column_scale"].f32[2] = missing; }},
      {"shape", edit("options", [](Json& o) { o["method"] = "ali"; })},
      {"no score", edit("options", [](Json& o) { o["method"] = "anogan"; })},
      {"data_branch", edit("options", [](Json& o) { o["data_branch"] = Json::array(); })},
      {"shape", edit("options",
                     [](Json& o) {
                       o["latent_branch"] = Json::array({65536, 65536});
                     })},
      {"no score", edit("options", [](Json& o) { o["score"] = "cycle_logits"; })},
  };
  for (const Damage& damage : all) {
    SCOPED_TRACE(damage.part);
    File file = good;
    damage.apply(file);
    safetensors::write(path, file);
    expect_error(ErrorCode::format, {path, damage.part}, [&] { Detector::load(test_device(1), path); });
    expect_error(ErrorCode::format, {"the model in memory", damage.part},
                 [&] { Detector::load(test_device(1), safetensors::to_bytes(file)); });
  }
}

/// Names that no model file could hold are refused before the training, not after it.
TEST(ModelFile, NamesMustBeText) {
  Detector detector(test_device(1), quick_options());
  expect_error(ErrorCode::invalid_argument, {"column 1", "UTF-8"}, [&] {
    detector.fit(normal_rows(20, 1).view(), {.names = {"a", "caf\xe9", "c", "d", "e", "f"}});
  });
}

/// Nor texts that leave no room in the header of one.
TEST(ModelFile, TextsMustFit) {
  const Matrix rows = normal_rows(60, 1);
  FitControl control;
  control.on_progress = [](const FitProgress&) { ADD_FAILURE() << "was trained"; };
  Detector detector(test_device(1), quick_options());
  detector.attach("encoder", std::string(50'000'000, 'x'));
  const std::string long_name(50'000'000, 'y');
  expect_error(ErrorCode::invalid_argument, {"too long for a model file", "at most 100000000"}, [&] {
    detector.fit(rows.view(), {.names = {"a", "b", "c", "d", "e", long_name}}, control);
  });
  Fleet fleet(test_device(1), quick_options());
  const std::vector<std::string> groups(60, "a");
  fleet.attach("encoder",
               std::string(50'000'000, 'x'));  // the columns are there twice, of the pooled model and of groups
  expect_error(ErrorCode::invalid_argument, {"too long for a model file", "at most 100000000"}, [&] {
    fleet.fit(rows.view(), groups, {.names = {"a", "b", "c", "d", "e", long_name.substr(25'000'000)}}, control);
  });
}

}  // namespace
}  // namespace cugad::test
