#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "host/fleet/checkpoint.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/options/method_options.hpp"
#include "host/options/option_record.hpp"
#include "tests/common/fleet_of_version_2.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/methods/fleet_rows.hpp"
#include "tests/methods/image_options.hpp"

/// Fleet files and checkpoints: what is saved scores as before, damage is refused, a resumed fit gives the same bytes.
namespace cugad::test {
namespace {

using safetensors::File;

TEST(FleetFile, LoadedScoresAsSaved) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const FleetRows queries = fleet_rows(fleet_sizes, 2);
  Fleet fleet = fitted_fleet(training);
  fleet.attach("encoder", "{}");
  expect_error(ErrorCode::invalid_argument, {"'encoder'", "UTF-8"}, [&] { fleet.attach("encoder", "\xc3"); });
  const std::string bytes = saved(fleet, directory.file("fleet"));
  EXPECT_TRUE(Fleet::is_fleet(directory.file("fleet")));
  Fleet loaded = Fleet::load(test_device(2), directory.file("fleet"));
  EXPECT_EQ(saved(loaded, directory.file("again")), bytes);
  EXPECT_TRUE(Fleet::is_fleet(fleet.save()));
  EXPECT_EQ(saved(Fleet::load(test_device(1), fleet.save()), directory.file("again")), bytes);
  EXPECT_TRUE(
      same_bits(loaded.score(queries.rows.view(), queries.groups), fleet.score(queries.rows.view(), queries.groups)));
  EXPECT_TRUE(same_bits(loaded.thresholds(queries.groups), fleet.thresholds(queries.groups)));
  ASSERT_EQ(loaded.groups().size(), fleet.groups().size());
  for (std::size_t g = 0; g < fleet.groups().size(); ++g) {
    EXPECT_EQ(loaded.groups()[g].name, fleet.groups()[g].name);
    EXPECT_EQ(loaded.groups()[g].rows, fleet.groups()[g].rows);
    EXPECT_EQ(loaded.groups()[g].own_model, fleet.groups()[g].own_model);
  }
  EXPECT_EQ(options_to_json(loaded.options()), options_to_json(fleet.options()));
  EXPECT_EQ(loaded.column_names(), fleet.column_names());
  ASSERT_NE(loaded.attachment("encoder"), nullptr);
  EXPECT_EQ(*loaded.take_out("b").attachment("encoder"), "{}");
  fleet.pooled().save(directory.file("one"));
  EXPECT_FALSE(Fleet::is_fleet(directory.file("one")));
  EXPECT_FALSE(Fleet::is_fleet(fleet.pooled().save()));
  expect_error(ErrorCode::format, {"one", "cugad fleet"}, [&] { Fleet::load(test_device(1), directory.file("one")); });
  expect_error(ErrorCode::format, {"fleet"}, [&] { Detector::load(test_device(1), directory.file("fleet")); });
}

TEST(FleetFile, WithoutAnyGroupLargeEnough) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows({{"a", 20}, {"b", 30}}, 1);
  Fleet fleet = fitted_fleet(training);
  fleet.save(directory.file("fleet"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_TRUE(
      same_bits(loaded.score(training.rows.view(), training.groups), fleet.pooled().score(training.rows.view())));
}

/// Seeds past 2^53 are no numbers that a float64 can hold.
TEST(FleetFile, LargeSeedsSurvive) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.steps = 10;
  options.seed = 0xfedcba9876543210ull;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  Fleet fleet = fitted_fleet(training, options);
  fleet.save(directory.file("fleet"));
  const Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  EXPECT_EQ(loaded.take_out("b").options().seed, fleet.seed_of("b"));
  EXPECT_GT(fleet.seed_of("b"), std::uint64_t{1} << 53);
  EXPECT_EQ(loaded.pooled().options().seed, options.seed + Fleet::pooled_seed_distance);
}

std::function<void(File&)> edit(const std::string& key, const std::function<void(nlohmann::ordered_json&)>& change) {
  return [=](File& file) {
    auto json = nlohmann::ordered_json::parse(file.metadata.at(key));
    change(json);
    file.metadata[key] = json.dump();
  };
}

struct Damage {
  std::string part;
  std::function<void(File&)> apply;
};

/// What both versions have.
std::vector<Damage> damages() {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::string& name, std::size_t at, double value) {
    return [=](File& f) { f.tensors.at("group.numbers." + name).f64.at(at) = value; };
  };
  std::vector<Damage> all = {
      {"group.generator.0.weight",
       [](File& f) {
         f.tensors["group.generator.0.weight"].shape[0] = 2;
         f.tensors["group.generator.0.weight"].shape[1] *= 2;
       }},
      {"generator.0.weight", [](File& f) { f.tensors.erase("group.generator.0.weight"); }},
      {"discriminator.1.bias", [](File& f) { f.tensors.erase("group.discriminator.1.bias"); }},
      {"discriminator.1.bias", [](File& f) { f.tensors.erase("pooled.discriminator.1.bias"); }},
      {"not finite", [](File& f) { f.tensors["group.generator.1.bias"].f32.back() = missing; }},
      {"not finite", [](File& f) { f.tensors["pooled.generator.1.bias"].f32.back() = missing; }},
      {"'threshold'", number("threshold", 2, 1e300)},
      {"'threshold'", number("threshold", 3, missing)},
      {"'scale'", number("transform", 3 * 18 + 12, -1.0)},
      {"'log1p'", number("transform", 18, 2.0)},
      {"group.numbers.transform", number("transform", 18, 0.5)},
      {"spread", number("score_statistics", 2, 0.0)},
      {"score_calibration", number("score_calibration", 1004, -1.0)},
      {"group.numbers.transform",
       [](File& f) {
         f.tensors.erase("group.numbers.transform");
         f.tensors["group.numbers.transform"] = {{4, 1}, {}, {0, 0, 0, 0}};
       }},
      {"group.numbers.transform", [](File& f) { f.metadata["group.transform"] = "{"; }},
      {"group.numbers.transform",
       [](File& f) { f.metadata["group.transform"] = std::string(100000, '[') + std::string(100000, ']'); }},
      {"group.generator.0.bias",
       [](File& f) {
         auto& tensor = f.tensors["group.generator.0.bias"];
         tensor.f64.assign(tensor.f32.begin(), tensor.f32.end());
         tensor.f32.clear();
       }},
      {"'seed'", [](File& f) { f.metadata["seed"] = "-3"; }},
      {"'minimum_rows'", [](File& f) { f.metadata["minimum_rows"] = "0"; }},
      {"'format'", [](File& f) { f.metadata.erase("format"); }},
      {"format version 4", [](File& f) { f.metadata["format_version"] = "4"; }},
      {"format_version", [](File& f) { f.metadata["format_version"] = "0"; }},
      {"'group_seed'", [](File& f) { f.metadata.erase("group_seed"); }},
      {"'group_seed'", [](File& f) { f.metadata["group_seed"] = "place"; }},
      {"'options'", [](File& f) { f.metadata.erase("pooled.options"); }},
      {"shape", edit("pooled.options", [](Json& o) { o["population"] = 60000; })},
      {"shape", edit("group.options",
                     [](Json& o) {
                       o["generator_hidden"] = {65536, 65536};
                     })},
      {"other columns or options", edit("group.options", [](Json& o) { o["lambda"] = 0.9; })},
      {"other columns or options", edit("group.columns", [](Json& c) { c[0] = "other"; })},
  };
  for (const char* key : {"minimum_rows", "seed", "format_version", "pooled_rows", "pooled.columns", "group.columns"})
    all.push_back({"metadata", [=](File& f) { f.metadata.erase(key); }});
  return all;
}

/// Of the groups a, b, c, d, and small, which has no model.
std::vector<Damage> damages_of_groups() {
  const auto number = [](const std::string& name, std::size_t at, double value) {
    return [=](File& f) { f.tensors.at("groups." + name).f64.at(at) = value; };
  };
  const auto letter = [](std::size_t at, std::uint8_t value) {
    return [=](File& f) { f.tensors.at("groups.names").u8.at(at) = value; };
  };
  std::vector<Damage> all = {
      {"not sorted", letter(0, 'b')},
      {"not sorted", letter(0, 'x')},
      {"UTF-8", letter(8, 0xC3)},
      {"models of groups", [](File& f) { f.tensors.erase("groups.without_model"); }},
      {"models of groups",
       [](File& f) {
         f.tensors["groups.without_model"] = {{2}, {}, {3, 4}};
       }},
      {"groups.without_model",
       [](File& f) {
         f.tensors["groups.without_model"] = {{2}, {}, {4, 3}};
       }},
      {"groups.without_model",
       [](File& f) {
         f.tensors["groups.without_model"] = {{2}, {}, {4, 4}};
       }},
      {"groups.rows",
       [](File& f) {
         f.tensors["groups.rows"] = {{1}, {}, {60}};
       }},
      {"groups.names",
       [](File& f) {
         f.tensors["groups.names"].shape = {1, 9};
       }},
      {"groups.ends",
       [](File& f) {
         f.tensors["groups.names"] = {{9}, std::vector<float>(9), {}};
       }},
      {"groups.ends",
       [](File& f) {
         f.tensors["groups.ends"] = {{5}, {1, 2, 3, 4, 9}, {}};
       }},
      {"models of groups",
       [](File& f) {
         f.tensors["groups.ends"] = f.tensors["groups.rows"] = f.tensors["groups.without_model"] = {{0}, {}, {}};
         f.tensors["groups.names"] = {{0}, {}, {}};
       }},
  };
  for (const double bad : {0.0, -1.0, 1.5, 1e300, static_cast<double>(missing)}) {
    all.push_back({"groups.rows", number("rows", 1, bad)});
    all.push_back({"groups.ends", number("ends", 0, bad)});
    all.push_back({"groups.ends", number("ends", 4, bad)});
  }
  for (const double bad : {5.0, -1.0, 0.5, static_cast<double>(missing)})
    all.push_back({"groups.without_model", number("without_model", 0, bad)});
  for (const char* name : {"names", "ends", "rows"}) {
    all.push_back({"groups." + std::string(name), [=](File& f) { f.tensors.erase("groups." + std::string(name)); }});
  }
  return all;
}

std::vector<Damage> damages_of_groups_in_version_2() {
  using Json = nlohmann::ordered_json;
  std::vector<Damage> all = {
      {"'groups'", [](File& f) { f.metadata["groups"] = "[1, 2, 3, 4, 5]"; }},
      {"'groups'", edit("groups", [](Json& g) { g[0] = ""; })},
      {"sorted", edit("groups", [](Json& g) { std::swap(g[0], g[1]); })},
      {"sorted", edit("groups", [](Json& g) { g[0] = g[1]; })},
      {"no list of 4 numbers", edit("groups", [](Json& g) { g.erase(0); })},
      {"'group_rows'", edit("group_rows", [](Json& r) { r[1] = 0; })},
      {"models of groups", edit("group_has_model", [](Json& r) { r[1] = 0; })},
      {"models of groups", edit("group_has_model", [](Json& r) { r[4] = 1; })},
      {"'group_seed'", [](File& f) { f.metadata["group_seed"] = "position"; }},
  };
  for (const char* key : {"groups", "group_rows", "group_has_model"})
    all.push_back({"metadata", [=](File& f) { f.metadata.erase(key); }});
  return all;
}

/// Opens a fleet and takes every model out of it.
template <class From>
void use_all(const From& from) {
  const Fleet fleet = Fleet::load(test_device(1), from);
  fleet.pooled();
  for (const FleetGroup& group : fleet.groups()) {
    if (group.own_model) fleet.take_out(group.name);
  }
}

/// A fleet without checksums of its groups, as older versions wrote them, so that what is behind them is reached.
File without_checksums(const std::vector<std::byte>& bytes) {
  File file = safetensors::read(bytes);
  EXPECT_EQ(file.tensors.erase("group_checksums"), 1u);
  return file;
}

TEST(FleetFile, DamagedOnesAreRefused) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.steps = 10;
  const File good = without_checksums(fitted_fleet(fleet_rows(fleet_sizes, 1), options).save());
  const std::string path = directory.file("damaged");
  const auto refuses = [&](const File& from, const std::vector<Damage>& all) {
    EXPECT_NO_THROW(use_all(safetensors::to_bytes(from)));
    for (std::size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(all[i].part + ", number " + std::to_string(i));
      File file = from;
      all[i].apply(file);
      safetensors::write(path, file);
      expect_error(ErrorCode::format, {path, all[i].part}, [&] { use_all(path); });
      expect_error(ErrorCode::format, {"the model in memory", all[i].part},
                   [&] { use_all(safetensors::to_bytes(file)); });
    }
  };
  refuses(good, damages());
  refuses(good, damages_of_groups());
  refuses(as_version_2(good), damages());
  refuses(as_version_2(good), damages_of_groups_in_version_2());
}

/// A file that holds the names in its header scores as before, and is written anew in the current version.
TEST(FleetFile, OfVersion2IsRead) {
  const TemporaryDirectory directory;
  const FleetRows rows = fleet_rows(fleet_sizes, 1);
  Fleet fleet = fitted_fleet(rows);
  const std::string bytes = saved(fleet, directory.file("fleet"));
  safetensors::write(directory.file("old"), as_version_2(safetensors::read(directory.file("fleet"))));
  Fleet old = Fleet::load(test_device(1), directory.file("old"));
  EXPECT_TRUE(same_bits(old.score(rows.rows.view(), rows.groups), fleet.score(rows.rows.view(), rows.groups)));
  EXPECT_TRUE(same_bits(old.thresholds(rows.groups), fleet.thresholds(rows.groups)));
  EXPECT_EQ(saved(old, directory.file("again")), bytes);
}

/// The header must not grow with the groups: it has at most 100 MB.
TEST(FleetFile, NamesAreNotInTheHeader) {
  const TemporaryDirectory directory;
  DetectorOptions options;
  options.method = Method::knn;
  fitted_fleet(fleet_rows({{"only-here", 60}, {"a", 60}}, 1), options).save(directory.file("fleet"));
  for (const auto& [key, text] : safetensors::read_metadata(directory.file("fleet")))
    EXPECT_EQ(text.find("only-here"), std::string::npos) << key;
}

/// Thresholds that are asked for later are those of each group's detector, in the file, too.
TEST(FleetFile, ThresholdsThatWereAskedForAreThoseOfDetectors) {
  const TemporaryDirectory directory;
  const FleetRows rows = fleet_rows(fleet_sizes, 1);
  Fleet fitted = fitted_fleet(rows);
  fitted.save(directory.file("fleet"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  const std::vector<FleetGroup>& listed = loaded.groups();
  const float before = listed[1].threshold;
  std::vector<Detector> alone;
  for (const char* name : {"a", "b", "c", "d"}) alone.push_back(loaded.take_out(name));
  alone.push_back(loaded.pooled());
  const std::vector<std::string> of_alone = {"a", "b", "c", "d", "small"};
  for (const bool by_rate : {false, true}) {
    SCOPED_TRACE(by_rate);
    for (Fleet* fleet : {&fitted, &loaded})
      by_rate ? fleet->set_false_alarm_rate(0.1f) : fleet->set_contamination(0.2f);
    const std::vector<float> thresholds = loaded.thresholds(of_alone);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      SCOPED_TRACE(of_alone[i]);
      by_rate ? alone[i].set_false_alarm_rate(0.1f) : alone[i].set_contamination(0.2f);
      EXPECT_EQ(thresholds[i], alone[i].threshold());
      EXPECT_EQ(listed[i].threshold, alone[i].threshold());
      if (of_alone[i] == "small") continue;
      EXPECT_EQ(saved(loaded.take_out(of_alone[i]), directory.file("taken")), saved(alone[i], directory.file("alone")));
    }
    EXPECT_NE(thresholds[1], before);
    EXPECT_EQ(options_to_json(loaded.options()), options_to_json(fitted.options()));
    const std::string bytes = saved(loaded, directory.file("again"));
    EXPECT_EQ(bytes, saved(fitted, directory.file("other")));
    const Fleet again = Fleet::load(test_device(1), directory.file("again"));
    EXPECT_TRUE(same_bits(again.thresholds(of_alone), thresholds));
    EXPECT_EQ(saved(again, directory.file("other")), bytes);
    EXPECT_EQ(saved(again.take_out("c"), directory.file("taken")), saved(alone[2], directory.file("alone")));
  }
  expect_error(ErrorCode::invalid_argument, {"contamination"}, [&] { loaded.set_contamination(0.7f); });
  EXPECT_EQ(loaded.thresholds(of_alone)[0], alone[0].threshold());
}

/// Groups have different numbers of reference rows, which the file gives.
TEST(FleetFile, DamagedReferenceRowsAreRefused) {
  DetectorOptions options;
  options.method = Method::knn;
  const File good = without_checksums(fitted_fleet(fleet_rows(fleet_sizes, 1), options).save());
  EXPECT_NO_THROW(use_all(safetensors::to_bytes(good)));
  const auto number = [](std::size_t at, double value) {
    return [=](File& f) { f.tensors.at("group.numbers.reference.rows").f64.at(at) = value; };
  };
  const std::vector<Damage> all = {
      {"group.reference.rows", number(0, 301)},
      {"group.reference.rows", number(1, 0.5)},
      {"group.reference.rows", number(1, -1)},
      {"group.reference.rows", number(2, missing)},
      {"group.reference.rows", [](File& f) { f.tensors.erase("group.numbers.reference.rows"); }},
      {"reference.rows", [](File& f) { f.tensors["group.reference.rows"].f32.back() = missing; }},
      {"reference.copies", [](File& f) { f.tensors.erase("group.reference.copies"); }},
      {"reference.copies", [](File& f) {
         std::vector<double>& rows = f.tensors.at("group.numbers.reference.copies").f64;
         rows[0] -= 1;
         rows[1] += 1;
       }}};
  for (const Damage& damage : all) {
    SCOPED_TRACE(damage.part);
    File file = good;
    damage.apply(file);
    expect_error(ErrorCode::format, {damage.part}, [&] { use_all(safetensors::to_bytes(file)); });
  }
}

/// Byte 1 of element `at` of a tensor, in the bytes of a file.
std::byte& byte_of(std::vector<std::byte>& bytes, const std::string& tensor, std::size_t at) {
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const std::string header(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  const auto entry = nlohmann::json::parse(header).at(tensor);
  const std::string dtype = entry.at("dtype");
  const std::size_t size = dtype == "F64" ? 8 : dtype == "F32" ? 4 : 1;
  return bytes.at(8 + header_bytes + entry.at("data_offsets")[0].get<std::size_t>() + at * size + 1);
}

/// A group is checked when it is used, by checksums of its own, and the others stay usable: of "a" to "d" the second.
TEST(FleetFile, ADamagedGroupIsNamedWhenItIsUsed) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.steps = 10;
  const FleetRows rows = fleet_rows({{"a", 60}, {"b", 60}, {"c", 60}, {"d", 60}}, 1);
  for (const char* method : {"anogan", "knn"}) {
    SCOPED_TRACE(method);
    set_option(options, "method", method);
    const std::vector<std::byte> good = fitted_fleet(rows, options).save();
    const std::string values =
        std::string("group.") + (options.method == Method::knn ? "reference.rows" : "generator.0.bias");
    const File file = safetensors::read(good);
    const std::size_t of_a = options.method == Method::knn
                                 ? static_cast<std::size_t>(file.tensors.at("group.numbers.reference.rows").f64[0]) * 6
                                 : file.tensors.at(values).f32.size() / 4;
    const std::vector<std::pair<std::string, std::size_t>> places = {{"group.numbers.transform", 18 + 7},
                                                                     {values, of_a}};
    for (const auto& [tensor, at] : places) {
      SCOPED_TRACE(tensor);
      std::vector<std::byte> bytes = good;
      byte_of(bytes, tensor, at) ^= std::byte{1};
      Fleet fleet = Fleet::load(test_device(1), bytes);
      const std::string what = tensor == values ? "tensors" : "numbers";
      const auto refuses = [&](const auto& use) {
        expect_error(ErrorCode::format, {"the model in memory, group 'b'", "damaged", what}, use);
      };
      refuses([&] { fleet.take_out("b"); });
      refuses([&] { fleet.score(rows.rows.view(), rows.groups); });
      refuses([&] { fleet.save(directory.file("other")); });
      if (what == "numbers") refuses([&] { fleet.calibration("b"); });
      const FleetRows of_c = rows_of(rows, "c");
      EXPECT_TRUE(same_bits(fleet.score(of_c.rows.view(), of_c.groups),
                            Fleet::load(test_device(1), good).score(of_c.rows.view(), of_c.groups)));
    }
    for (const char* tensor :
         {"groups.names", "groups.rows", "group_checksums", "pooled.generator.0.bias", "pooled.reference.rows"}) {
      if (!file.tensors.contains(tensor)) continue;
      std::vector<std::byte> bytes = good;
      byte_of(bytes, tensor, 1) ^= std::byte{1};
      expect_error(ErrorCode::format, {"damaged", "checksum"}, [&] { Fleet::load(test_device(1), bytes); });
    }
  }
}

/// The file stays the one that was opened, whatever takes its place; one that is cut off is an error, not a crash.
TEST(FleetFile, StaysTheOneThatWasOpened) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.steps = 10;
  const FleetRows rows = fleet_rows(fleet_sizes, 1);
  Fleet whole = fitted_fleet(rows, options);
  whole.save(directory.file("fleet"));
  Fleet loaded = Fleet::load(test_device(1), directory.file("fleet"));
  const std::vector<float> scores = whole.score(rows.rows.view(), rows.groups);
  options.seed += 1;
  fitted_fleet(rows, options).save(directory.file("fleet"));
  EXPECT_TRUE(same_bits(loaded.score(rows.rows.view(), rows.groups), scores));
  Fleet cut = Fleet::load(test_device(1), directory.file("fleet"));
  std::filesystem::resize_file(directory.file("fleet"), std::filesystem::file_size(directory.file("fleet")) / 2);
  expect_error(ErrorCode::input_output, {directory.file("fleet"), "shrank"},
               [&] { cut.score(rows.rows.view(), rows.groups); });
}

std::string metadata_of(const std::string& path, const char* name) { return safetensors::read(path).metadata.at(name); }

/// The options as files of version 1 hold them: by the names of then.
TEST(FleetCheckpoint, HashesTheNamesThatOptionsHadFirst) {
  const std::string path = CUGAD_SOURCE_DIR "/tests/methods/data/version_1_fleet.safetensors";
  const std::string old = metadata_of(path, "pooled.options");
  nlohmann::ordered_json now = nlohmann::ordered_json::parse(options_to_hash(options_from_json(old)));
  for (const char* since : {"novelty", "folds", "fold"}) EXPECT_EQ(now.erase(since), 1u) << since;
  EXPECT_EQ(now.dump(), old);
}

/// A run that was begun before options were renamed, before some were there, and by the groups' positions, goes on.
TEST(FleetCheckpoint, OfFormerNamesIsTakenUp) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  const FleetOptions by_position{.group_seed = GroupSeed::position};
  Fleet whole(test_device(1), quick_options(), by_position);
  whole.fit(training.rows.view(), training.groups);
  const std::string bytes = saved(whole, directory.file("whole"));
  StoppedFit stop(directory.file("checkpoint"), 401);  // the pooled model is done
  Fleet stopped(test_device(2), quick_options(), by_position);
  EXPECT_THROW(stopped.fit(training.rows.view(), training.groups, stop.control), Error);

  nlohmann::ordered_json options = nlohmann::ordered_json::object();
  const std::map<std::string, std::string> former = {{"centre", "center"},
                                                     {"generator_hidden", "hidden"},
                                                     {"discriminator_dropout", "dropout"},
                                                     {"generator_learning_rate", "learning_rate"},
                                                     {"negatives", "fence"}};
  const auto now = nlohmann::ordered_json::parse(options_to_json(quick_options()));
  for (const OptionRecord& option : option_records()) {
    const std::string& name = option.info.name;
    if (!option.is_later) options[former.contains(name) ? former.at(name) : name] = now.at(name);
  }
  Fingerprint fingerprint;  // as that version made it
  fingerprint.add(options.dump());
  fingerprint.add(training.rows.view());
  fingerprint.add(static_cast<std::uint64_t>(training.rows.columns));
  fingerprint.add(static_cast<std::uint64_t>(FleetOptions{}.pooled_rows));
  for (int c = 0; c < training.rows.columns; ++c) fingerprint.add(std::to_string(c));
  for (const FleetGroup& group : whole.groups()) {
    if (!group.own_model) continue;
    fingerprint.add(group.name);
    for (std::size_t r = 0; r < training.groups.size(); ++r) {
      if (training.groups[r] == group.name) fingerprint.add(std::uint64_t{r});
    }
  }
  const std::string pooled = directory.file("checkpoint/pooled.safetensors");
  safetensors::File file = safetensors::read(pooled);
  file.metadata.at("fleet_fingerprint") = fingerprint.text();
  safetensors::write(pooled, file);
  stop.resume();
  Fleet resumed(test_device(2), quick_options(), by_position);
  resumed.fit(training.rows.view(), training.groups, stop.control);
  EXPECT_EQ(saved(resumed, directory.file("resumed")), bytes);
}

/// Stopped in the pooled model, in a block of groups, or between, and resumed: the same bytes.
TEST(FleetCheckpoint, AResumedFitGivesTheSameBytes) {
  const TemporaryDirectory directory;
  std::vector<std::pair<std::string, std::int64_t>> sizes = fleet_sizes;
  for (int g = 0; g < 140; ++g) sizes.push_back({"z" + std::to_string(g), 50});  // more models than a block holds
  const FleetRows training = fleet_rows(sizes, 1);
  const std::string bytes = saved(fitted_fleet(training), directory.file("whole"));
  const std::int64_t all = 200 * 2 * 145;
  for (const std::int64_t stop : {std::int64_t{200}, std::int64_t{400}, std::int64_t{53000}}) {
    SCOPED_TRACE(stop);
    std::atomic<bool> cancel = false;
    std::int64_t last = 0;
    FitControl control;
    control.checkpoint_directory = directory.file("checkpoint" + std::to_string(stop));
    control.cancel = &cancel;
    control.on_progress = [&](const FitProgress& progress) {
      EXPECT_GT(progress.step, last);
      EXPECT_EQ(progress.steps, all);
      last = progress.step;
      cancel = progress.step >= stop;
    };
    Fleet stopped(test_device(2), quick_options());
    expect_error(ErrorCode::cancelled, {directory.path()},
                 [&] { stopped.fit(training.rows.view(), training.groups, control); });
    EXPECT_FALSE(stopped.fitted());
    EXPECT_LT(last, all);
    control.cancel = nullptr;
    control.resume = true;
    control.on_progress = {};
    for (int again = 0; again < (stop == 400 ? 2 : 1); ++again) {  // the second time nothing is left to train
      Fleet resumed(test_device(2), quick_options());
      resumed.fit(training.rows.view(), training.groups, control);
      EXPECT_EQ(saved(resumed, directory.file("resumed")), bytes);
    }
    std::vector<std::string> others = training.groups;
    others[0] = others[0] == "a" ? "b" : "a";
    Fleet other(test_device(2), quick_options());
    expect_error(ErrorCode::invalid_argument, {"pooled.safetensors", "other options or training rows"},
                 [&] { other.fit(training.rows.view(), others, control); });
  }
}

/// The same of images: stopped in the pooled model, and in the block of the groups.
TEST(FleetCheckpoint, PartsOfAnotherPrecisionAreRefused) {
  const FleetRows rows = fleet_rows({{"a", 60}, {"b", 60}}, 1);
  DetectorOptions options = quick_options();
  options.method = Method::knn;
  const TemporaryDirectory directory;
  FitControl control;
  control.checkpoint_directory = directory.path();
  const auto fit = [&](Precision precision) {
    Fleet fleet(Device::open("cpu", 1).with_precision(precision), options);
    fleet.fit(rows.rows, rows.groups, {}, control);
  };
  fit(Precision::fp32);
  control.resume = true;
  expect_error(ErrorCode::invalid_argument, {"made with other options"}, [&] { fit(Precision::bf16); });
  EXPECT_NO_THROW(fit(Precision::fp32));
}

TEST(FleetCheckpoint, AResumedFitOfImagesGivesTheSameBytes) {
  const TemporaryDirectory directory;
  const FleetRows training = fleet_rows(fleet_sizes, 1);
  if (test_device().name() != "cpu") GTEST_SKIP() << "takes minutes on the emulator, and is host code";
  DetectorOptions options = of_images(quick_options());
  options.steps = 200;
  const std::string bytes = saved(fitted_fleet(training, options, 1), directory.file("whole"));
  for (const std::int64_t step : {100, 600}) {
    SCOPED_TRACE(step);
    StoppedFit stop(directory.file("checkpoint" + std::to_string(step)), step);
    Fleet stopped(test_device(2), options);
    expect_error(ErrorCode::cancelled, {directory.path()},
                 [&] { stopped.fit(training.rows.view(), training.groups, stop.control); });
    stop.resume();
    Fleet resumed(test_device(2), options);
    resumed.fit(training.rows.view(), training.groups, stop.control);
    EXPECT_EQ(saved(resumed, directory.file("resumed")), bytes);
  }
}

}  // namespace
}  // namespace cugad::test
