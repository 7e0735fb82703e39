#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/options/option_record.hpp"
#include "tests/methods/clusters.hpp"

/// Options by name: text and JSON round trips, refusals, presets.
namespace cugad::test {
namespace {

/// A value other than the default, as text.
std::string other_value(const OptionInfo& option, const std::string& current) {
  if (option.name == "method") return current;  // there is but one
  if (option.name == "log1p") return "bytes,packets";
  if (option.name == "search_rate") return "0.03,0.002";
  if (option.kind == "boolean") return current == "true" ? "false" : "true";
  if (option.kind == "list") return "3,5";
  if (option.kind == "integer") return current == "7" ? "8" : "7";
  if (option.kind == "number") return current == "0.125" ? "0.25" : "0.125";
  for (std::size_t begin = 0, end; begin < option.choices.size(); begin = end + 1) {
    end = std::min(option.choices.find('|', begin), option.choices.size());
    if (option.choices.substr(begin, end - begin) != current) return option.choices.substr(begin, end - begin);
  }
  return "";
}

struct AnyValue {
  template <class T>
  operator T() const;
};
template <class T, std::size_t... I>
constexpr bool takes_values(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyValue{})...}; };
}
template <class T, std::size_t N = 0>
constexpr std::size_t field_count() {
  if constexpr (takes_values<T>(std::make_index_sequence<N + 1>{})) {
    return field_count<T, N + 1>();
  } else {
    return N;
  }
}

/// `method` is two fields: the first method, and those of an ensemble.
TEST(Options, EveryFieldHasARecord) { EXPECT_EQ(option_list().size() + 1, field_count<DetectorOptions>()); }

TEST(Options, EveryOneCanBeSetReadAndWritten) {
  DetectorOptions all;
  for (const OptionInfo& option : option_list()) {
    SCOPED_TRACE(option.name);
    EXPECT_FALSE(option.help.empty());
    DetectorOptions options;
    const std::string before = get_option(options, option.name), value = other_value(option, before);
    set_option(options, option.name, value);
    EXPECT_EQ(get_option(options, option.name), value);
    // Nothing else changed.
    for (const OptionInfo& other : option_list()) {
      const std::string& expected = other.name == option.name ? value : get_option(DetectorOptions{}, other.name);
      EXPECT_EQ(get_option(options, other.name), expected) << other.name;
    }
    const DetectorOptions read = options_from_json(options_to_json(options));
    for (const OptionInfo& other : option_list())
      EXPECT_EQ(get_option(read, other.name), get_option(options, other.name)) << other.name;
    set_option(all, option.name, value);
  }
  const std::string json = options_to_json(all);
  EXPECT_EQ(options_to_json(options_from_json(json)), json);
  EXPECT_EQ(options_from_json(options_to_json(DetectorOptions{})).log1p, DetectorOptions{}.log1p);
}

/// The JSON is flat, with the types of option_list().
TEST(Options, JsonHasEveryOptionWithItsKind) {
  const auto json = nlohmann::json::parse(options_to_json(DetectorOptions{}));
  EXPECT_EQ(json.size(), option_list().size());
  for (const OptionInfo& option : option_list()) {
    ASSERT_TRUE(json.contains(option.name)) << option.name;
    const auto& value = json[option.name];
    EXPECT_TRUE(option.kind != "integer" || value.is_number_integer()) << option.name;
    EXPECT_EQ(value.is_boolean(), option.kind == "boolean") << option.name;
    EXPECT_EQ(value.is_array(), option.kind == "list") << option.name;
    EXPECT_EQ(value.is_string(), option.kind == "text") << option.name;
    EXPECT_TRUE(option.kind != "number" || value.is_number()) << option.name;
  }
}

TEST(Options, NumbersKeepEveryBit) {
  DetectorOptions options;
  options.seed = 18446744073709540000ull;
  options.learning_rate = std::nextafter(1e-5f, 1.0f);
  options.search_rate = {std::nextafter(0.1f, 1.0f), 1e-10f};
  options.hidden = {};
  const DetectorOptions read = options_from_json(options_to_json(options));
  EXPECT_EQ(read.seed, options.seed);
  EXPECT_EQ(read.learning_rate, options.learning_rate);
  EXPECT_EQ(read.search_rate, options.search_rate);
  EXPECT_EQ(read.hidden, options.hidden);
}

TEST(Options, RangesAreWhatIsTaken) {
  const auto is_taken = [](const OptionInfo& option, double value) {
    char text[64];
    *std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr = '\0';
    DetectorOptions options;
    try {
      set_option(options, option.name, text);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  int ranges = 0;
  for (const OptionInfo& option : option_list()) {
    SCOPED_TRACE(option.name);
    EXPECT_EQ(option.lowest.has_value(), option.highest.has_value());
    const bool holds_names = option.name == "log1p" || option.name == "condition" || option.name == "target";
    const bool holds_numbers =
        option.kind == "list" ? !holds_names : option.kind == "integer" || option.kind == "number";
    EXPECT_EQ(option.lowest.has_value(), holds_numbers);
    if (!option.lowest) continue;
    ++ranges;
    EXPECT_TRUE(is_taken(option, *option.lowest));
    EXPECT_TRUE(is_taken(option, *option.highest));
    EXPECT_FALSE(is_taken(option, *option.highest * 2 + 1));
    for (const double beyond : {*option.lowest - 1, *option.lowest / 2 - 0.25}) {
      if (option.kind == "integer" && beyond != std::floor(beyond)) continue;
      EXPECT_EQ(is_taken(option, beyond), beyond == option.automatic) << beyond;
    }
  }
  EXPECT_GT(ranges, 50);
}

TEST(Options, WrongValuesAreRefusedWithTheName) {
  for (const OptionInfo& option : option_list()) {
    SCOPED_TRACE(option.name);
    if (option.name == "log1p" || option.name == "condition" || option.name == "target")
      continue;  // any text may be a column
    std::vector<std::string> wrong = {"purple", "1e999", "0x10", "nan", "inf"};
    if (option.kind != "list") wrong.push_back("3 ");
    const char* negative = option.automatic == -1.0 ? "-2" : "-1";
    if (option.kind == "integer") wrong.insert(wrong.end(), {"", negative, "1.5", "99999999999999999999999"});
    if (option.kind == "number") wrong.insert(wrong.end(), {"", "-0.5", "1e30", "1,2"});
    if (option.kind == "list")
      wrong.insert(wrong.end(), {"3,,5", ",", "3,", "3,x", "-1", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"});
    if (option.kind == "boolean") wrong.insert(wrong.end(), {"", "1", "yes", "True"});
    if (option.kind == "text" && option.name != "image") wrong.push_back("");  // rows may be no images
    for (const std::string& value : wrong) {
      DetectorOptions options;
      expect_error(ErrorCode::invalid_argument, {"option '" + option.name + "' is '", "', expected "},
                   [&] { set_option(options, option.name, value); });
      EXPECT_EQ(get_option(options, option.name), get_option(DetectorOptions{}, option.name)) << "changed all the same";
    }
  }
  DetectorOptions options;
  expect_error(ErrorCode::invalid_argument, {"'log1p'"}, [&] { set_option(options, "log1p", ""); });
  expect_error(ErrorCode::invalid_argument, {"'scale'", "none|minmax|standard|robust"},
               [&] { set_option(options, "scale", "max"); });
  expect_error(ErrorCode::invalid_argument, {"option 'population' is '0', expected an integer from 1 to 65536"},
               [&] { set_option(options, "population", "0"); });
}

TEST(Options, UnknownNamesNameTheNearest) {
  DetectorOptions options;
  expect_error(ErrorCode::invalid_argument, {"'generator_learning_rat'", "'generator_learning_rate'"},
               [&] { set_option(options, "generator_learning_rat", "1"); });
  expect_error(ErrorCode::invalid_argument, {"'learning_rat'", "'learning_rate'"},
               [&] { set_option(options, "learning_rat", "1"); });
  expect_error(ErrorCode::invalid_argument, {"'popluation'", "'population'"},
               [&] { (void)get_option(options, "popluation"); });
  expect_error(ErrorCode::invalid_argument, {"'neighbors'", "'neighbours'"},
               [&] { options_from_json(R"({"neighbors": 3})"); });
}

TEST(Options, JsonStartsFromTheBaseAndIsStrict) {
  DetectorOptions base;
  base.batch = 99;
  const DetectorOptions read = options_from_json(R"({"steps": 12, "hidden": [4, 6], "log1p": ["a", "b"], "center":
      false, "scale": "robust"})",
                                                 base);
  EXPECT_EQ(read.batch, 99);
  EXPECT_EQ(read.steps, 12);
  EXPECT_EQ(read.hidden, (std::vector<Layer>{4, 6}));
  EXPECT_EQ(read.log1p, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(read.center);
  EXPECT_EQ(read.scale, Scale::robust);
  for (const char* text : {"",
                           "[]",
                           "3",
                           "{",
                           R"({"steps": null})",
                           R"({"steps": {}})",
                           R"({"steps": "many"})",
                           R"({"hidden": [[1], null]})",
                           R"({"center": 1})",
                           "\xff",
                           R"({"steps": "12"})",
                           R"({"steps": [12]})",
                           R"({"steps": 12.5})",
                           R"({"steps": true})",
                           R"({"r1": "0.1"})",
                           R"({"center": "true"})",
                           R"({"scale": 1})",
                           R"({"hidden": [true]})",
                           R"({"hidden": true})",
                           R"({"steps": 1} x)"})
    expect_error(ErrorCode::invalid_argument, {}, [&] { options_from_json(text); });
  expect_error(ErrorCode::invalid_argument, {"option 'steps' is '\"12\"', expected an integer"},
               [] { options_from_json(R"({"steps": "12"})"); });
  expect_error(ErrorCode::invalid_argument, {"option 'steps' is given twice"},
               [] { options_from_json(R"({"steps": 1, "batch": 2, "steps": 1})"); });
}

/// Names of earlier versions are read wherever names are, and written nowhere.
TEST(Options, FormerNamesAreRead) {
  int former_names = 0;
  for (const OptionRecord& record : option_records()) {
    const OptionInfo& option = record.info;
    if (record.former.empty()) continue;
    SCOPED_TRACE(record.former);
    ++former_names;
    DetectorOptions options;
    const std::string value = other_value(option, get_option(options, option.name));
    set_option(options, record.former, value);
    EXPECT_EQ(get_option(options, option.name), value);
    EXPECT_EQ(get_option(options, record.former), value);
    const auto json = nlohmann::json::parse(options_to_json(options));
    EXPECT_FALSE(json.contains(record.former));
    const nlohmann::json older = {{record.former, json[option.name]}};
    EXPECT_EQ(options_to_json(options_from_json(older.dump(), DetectorOptions{})), options_to_json(options));
    const nlohmann::json both = {{record.former, json[option.name]}, {option.name, json[option.name]}};
    expect_error(ErrorCode::invalid_argument, {"option '" + option.name + "' is given twice"},
                 [&] { options_from_json(both.dump()); });
  }
  EXPECT_EQ(former_names, 5);
}

TEST(Options, JsonTakesAPresetBeforeAllOthers) {
  const std::string preset = presets().front();
  DetectorOptions expected;
  apply_preset(expected, preset);
  expected.steps = 7;
  EXPECT_EQ(options_to_json(options_from_json(R"({"steps": 7, "preset": ")" + preset + "\"}")),
            options_to_json(expected));
  expect_error(ErrorCode::invalid_argument, {"unknown preset 'best'"},
               [] { options_from_json(R"({"preset": "best"})"); });
  expect_error(ErrorCode::invalid_argument, {"option 'preset' is '1', expected a text"},
               [] { options_from_json(R"({"preset": 1})"); });
  expect_error(ErrorCode::invalid_argument, {"'presets'", "'preset'"},
               [] { options_from_json(R"({"presets": "x"})"); });
}

/// Without a method and a preset there is a recipe, chosen by the given options.
TEST(Options, TheDefaultIsARecipe) {
  const auto of_preset = [](const std::string& name) {
    DetectorOptions options;
    apply_preset(options, name);
    return options_to_json(options);
  };
  EXPECT_EQ(options_to_json(default_options()), of_preset("tables"));
  EXPECT_EQ(options_to_json(options_from_json("{}")), of_preset("tables"));
  EXPECT_EQ(options_to_json(options_from_json(R"({"reference_rows": 0})")), of_preset("tables-without-rows"));
  EXPECT_EQ(options_from_json(R"({"reference_rows": 50})").ensemble, std::vector<Method>{Method::gain});
  EXPECT_EQ(options_from_json(R"({"condition": ["load"]})").method, Method::gain);
  EXPECT_EQ(options_from_json(R"({"target": ["load"]})").method, Method::translation);
  // A named method has its own defaults, and so has a base.
  EXPECT_EQ(options_to_json(options_from_json(R"({"method": "anogan"})")), options_to_json(DetectorOptions{}));
  EXPECT_EQ(options_to_json(options_from_json("{}", DetectorOptions{})), options_to_json(DetectorOptions{}));
}

TEST(Options, WhatTheDefaultDoesNotReadIsRefused) {
  expect_error(ErrorCode::invalid_argument,
               {"'latent' does not apply to the default", "method knn,gain", "anogan, gan"},
               [] { options_from_json(R"({"latent": 4})"); });
  expect_error(ErrorCode::invalid_argument, {"no score 'search'", "no method is given"},
               [] { options_from_json(R"({"score": "search"})"); });
  for (const bool has_base : {false, true}) {
    expect_error(ErrorCode::invalid_argument, {"method is 'gan'", "preset 'tables'", "method 'knn,gain'"}, [&] {
      const std::string json = R"({"preset": "tables", "method": "gan"})";
      has_base ? options_from_json(json, DetectorOptions{}) : options_from_json(json);
    });
  }
  EXPECT_NO_THROW(options_from_json(R"({"preset": "tables", "method": ["knn", "gain"]})"));
}

/// Beyond the end of a preset's decay hardly anything is learnt.
TEST(Options, MoreStepsStretchAPresetsDecay) {
  const std::int64_t usual = default_options().decay_steps;
  EXPECT_EQ(options_from_json(R"({"steps": 20})").decay_steps, usual);
  EXPECT_EQ(options_from_json(R"({"steps": 9000})").decay_steps, 9000);
  EXPECT_EQ(options_from_json(R"({"steps": 9000, "decay_steps": 30})").decay_steps, 30);
  EXPECT_EQ(options_from_json(R"({"epochs": 3})").decay_steps, 0);
}

TEST(Options, JsonTakesOneValueForAListAndAListOfMethods) {
  EXPECT_EQ(options_from_json(R"({"hidden": 64})").hidden, std::vector<Layer>{64});
  EXPECT_EQ(options_from_json(R"({"log1p": "none"})").log1p, std::vector<std::string>{"none"});
  // Names may hold commas, quotes and blanks at their ends.
  const std::vector<std::string> names = {"a, b", "say \"c\"", " d ", "e"};
  const DetectorOptions odd = options_from_json(R"({"condition": ["a, b", "say \"c\"", " d ", "e"]})");
  EXPECT_EQ(odd.condition, names);
  EXPECT_EQ(options_from_json(options_to_json(odd)).condition, names);
  DetectorOptions set;
  set_option(set, "condition", R"( "a, b" ,"say ""c""", " d ",e)");
  EXPECT_EQ(set.condition, names);
  set_option(set, "condition", R"("a" b,"c)");  // quotes that enclose no part are letters
  EXPECT_EQ(set.condition, (std::vector<std::string>{"\"a\" b", "\"c"}));
  const DetectorOptions both = options_from_json(R"({"method": ["bigan", "gan"]})");
  EXPECT_EQ(both.method, Method::bigan);
  EXPECT_EQ(both.ensemble, std::vector<Method>{Method::gan});
}

TEST(Presets, ExistAndApply) {
  const std::vector<std::string> names = presets();
  ASSERT_FALSE(names.empty());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    DetectorOptions options;
    apply_preset(options, name);
    EXPECT_NE(options_to_json(options), options_to_json(DetectorOptions{}));
    // Fits, made short.
    set_option(options, "epochs", "0");
    set_option(options, "steps", "2");
    set_option(options, "encoder_steps", "2");
    set_option(options, "search_steps", "2");
    options.search_until = {};
    options.search_rate = {0.01f};
    if (!options.target.empty()) set_option(options, "image", "8x16x1");
    Matrix rows = normal_rows(40, 1);
    if (options.image) {  // the convolutions of papers, on a few images; too large for the emulator
      if (test_device().name() != "cpu") continue;
      options.batch = 4;
      rows = Matrix(40, cells_of(*options.image));
      for (std::size_t i = 0; i < rows.data.size(); ++i) rows.data[i] = static_cast<float>(i % 251);
    }
    Detector detector = fitted(options, rows);
    for (const float score : detector.score(rows.view())) EXPECT_TRUE(std::isfinite(score));
  }
}

/// The settings of EGBAD's AnoGAN as published (the AnoGAN of its repository), which should change on purpose only.
TEST(Presets, FaithfulIsTheReference) {
  DetectorOptions options;
  apply_preset(options, "kdd99-anogan-faithful");
  EXPECT_EQ(options.latent, 32);
  EXPECT_EQ(options.hidden, (std::vector<Layer>{64, 128}));
  EXPECT_EQ(options.discriminator_hidden, (std::vector<Layer>{256, 128, 128}));
  EXPECT_EQ(options.batch, 50);
  EXPECT_EQ(options.epochs, 50);
  EXPECT_EQ(options.learning_rate, 1e-5f);
  EXPECT_EQ(options.scale, Scale::none);
  EXPECT_FALSE(options.center);
  EXPECT_EQ(options.r1 + options.coverage + options.fence + options.discriminator_weight, 0.0f);
  EXPECT_EQ(options.patience, 0);
  EXPECT_EQ(options.search_steps, 500);
  EXPECT_EQ(options.score, ScoreRule::search);
}

TEST(Presets, UnknownOnesNameTheNearest) {
  DetectorOptions options;
  expect_error(ErrorCode::invalid_argument, {"'kdd99-anogan-faithfull'", "'kdd99-anogan-faithful'"},
               [&] { apply_preset(options, "kdd99-anogan-faithfull"); });
}

}  // namespace
}  // namespace cugad::test
