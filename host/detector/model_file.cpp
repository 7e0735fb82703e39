#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "cugad/image_shape.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/model_reader.hpp"
#include "host/detector/model_shapes.hpp"
#include "host/detector/notes.hpp"
#include "host/detector/novelty_json.hpp"
#include "host/methods/methods.hpp"

namespace cugad {
namespace {

constexpr const char* format_name = "cugad model";
constexpr int format_version = 1;
constexpr std::int64_t most_columns = 1 << 20;
constexpr const char* attachment_prefix = "attachment.";

/// A tensor of `shape` per model, behind the population where that is larger than 1.
void add_tensor(safetensors::File& file, const std::string& name, const StackView<float>& view,
                const std::vector<std::int64_t>& shape, Context& context) {
  safetensors::Tensor tensor;
  if (view.models > 1) tensor.shape.push_back(view.models);
  tensor.shape.insert(tensor.shape.end(), shape.begin(), shape.end());
  const std::int64_t size = view.rows * view.columns;
  tensor.f32.resize(view.models * size);
  for (std::int64_t m = 0; m < view.models; ++m) {
    context.backend().copy(tensor.f32.data() + m * size, view.model(m).data,
                           sizeof(float) * static_cast<std::size_t>(size), context.stream());
  }
  context.synchronize();
  file.tensors[name] = std::move(tensor);
}

/// The layers of a network as tensors "generator.0.weight".
void add_network(safetensors::File& file, const std::string& name, const Mlp& network, StackView<float> flat,
                 Context& context) {
  for (int l = 0; l < network.layers(); ++l) {
    add_tensor(file, name + "." + std::to_string(l) + ".weight", network.weight(l, flat), network.weight_shape(l),
               context);
    add_tensor(file, name + "." + std::to_string(l) + ".bias", network.bias(l, flat), {network.units(l)}, context);
  }
}

/// The prefix of the names of a method's tensors and statistics: empty if there is one method.
std::string prefix_of(const DetectorOptions& options, std::size_t methods) {
  return methods == 1 ? "" : std::string(definition_of(options.method).name) + ".";
}

void add_model(safetensors::File& file, const std::string& prefix, const AnomalyModel& model, Context& context) {
  for (const Role role : all_roles) {
    const Network& network = model.networks()[role];
    if (!network) continue;
    for (const Network::Part& part : network.parts()) {
      add_network(file, prefix + tensor_prefix(role, part), part.mlp, network.flat_of(part, model.weights(role)),
                  context);
    }
  }
  if (const StackView<float> scale = model.column_scale())
    add_tensor(file, prefix + "column_scale", scale, {scale.columns}, context);
  if (const ReferenceRows& references = model.reference_rows(); references.rows.rows > 0) {
    file.tensors[prefix + reference_rows_name] = {
        .shape = {references.rows.rows, references.rows.columns}, .f32 = references.rows.data, .f64 = {}};
    file.tensors[prefix + reference_copies_name] = {
        .shape = {references.rows.rows}, .f32 = {references.copies.begin(), references.copies.end()}, .f64 = {}};
  }
  if (const StackView<float> table = model.column_table().value)
    add_tensor(file, prefix + "column_table", table, {table.rows, table.columns}, context);
}

void put_statistics(Json& place, const std::vector<ScoreStatistics>& statistics) {
  std::vector<float> medians, spreads;
  for (const ScoreStatistics& s : statistics) {
    medians.push_back(s.median);
    spreads.push_back(s.spread);
  }
  place = Json::object();
  put_list(place["median"], medians);
  put_list(place["spread"], spreads);
}

std::vector<ScoreStatistics> read_statistics(const Reader& reader, const Json& statistics, const std::string& key,
                                             std::int64_t count) {
  const Json none;
  const Json& part = statistics.is_object() && statistics.contains(key) ? statistics[key] : none;
  const auto medians = reader.numbers<float>(part, "median", count);
  const auto spreads = reader.numbers<float>(part, "spread", count);
  std::vector<ScoreStatistics> read;
  for (std::size_t m = 0; m < medians.size(); ++m) {
    if (!(spreads[m] > 0.0f)) reader.refuse("score statistics have a spread that is not positive");
    read.push_back({medians[m], spreads[m]});
  }
  return read;
}

/// Reads how many values each column's table has; they must ascend.
void read_column_table(const Reader& reader, const std::string& prefix, const Json& statistics,
                       const ScoringRule::ColumnTable& table, Context& context) {
  const std::string name = prefix + "column_table";
  reader.matrix(name, table.value, context);
  const auto counts = reader.numbers<std::int32_t>(statistics, (prefix + "column_rows").c_str(), table.count.rows);
  for (std::int64_t c = 0; c < table.count.rows; ++c) {
    if (counts[c] < 0 || counts[c] > table.value.columns) reader.refuse("'column_rows' has an entry out of range");
    const std::vector<float> values = download(context, table.value.model(0).row(c), table.value.columns);
    const auto end = values.begin() + counts[c];
    if (!std::is_sorted(values.begin(), end)) reader.refuse("tensor '" + name + "' does not ascend");
    if (std::any_of(end, values.end(), [](float value) { return value != 0.0f; })) {
      reader.refuse("tensor '" + name + "' has more values of a column than 'column_rows'");
    }
  }
  context.backend().copy(table.count.data, counts.data(), sizeof(std::int32_t) * counts.size(), context.stream());
  context.synchronize();
}

std::string categories_to_json(const std::vector<Category>& categories) {
  Json json = Json::object();
  const TakenApart parts(json);
  std::vector<std::int64_t> first, columns;
  for (const Category& category : categories) {
    first.push_back(category.first);
    columns.push_back(category.columns);
  }
  put_list(json["first"], first);
  put_list(json["columns"], columns);
  return json.dump();
}

/// Older files have none, and methods that do not judge cells.
std::vector<Category> read_categories(const Reader& reader, std::int64_t columns) {
  if (!reader.has(categories_key)) return {};
  Json json;
  const TakenApart parts(json);
  reader.json(categories_key, json);
  const bool is_list = json.is_object() && json.contains("first") && json["first"].is_array();
  const auto count = is_list ? static_cast<std::int64_t>(json["first"].size()) : 0;
  const auto first = reader.numbers<std::int64_t>(json, "first", count),
             width = reader.numbers<std::int64_t>(json, "columns", count);
  std::vector<Category> categories;
  std::int64_t end = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (first[i] < end || first[i] > columns || width[i] < 2 || width[i] > columns - first[i]) {
      reader.refuse("'categories' has an entry that is no columns of its own");
    }
    categories.push_back({first[i], width[i]});
    end = first[i] + width[i];
  }
  return categories;
}

void check_statistics(const Reader& reader, const Json& statistics, const std::string& prefix,
                      const DetectorOptions& options) {
  read_statistics(reader, statistics, prefix + "residual", models_of(options));
  read_statistics(reader, statistics, prefix + "discriminator", models_of(options));
}

std::vector<ModelTelemetry> read_telemetry(const Reader& reader, std::size_t models) {
  std::vector<ModelTelemetry> telemetry(models);
  Json told;
  const TakenApart told_parts(told);
  reader.json("telemetry", told);
  if (!told.is_array() || told.size() != telemetry.size()) reader.refuse("'telemetry' has not one entry per model");
  for (std::size_t m = 0; m < telemetry.size(); ++m) {
    if (!told[m].is_array() || told[m].size() != 8)
      reader.refuse("'telemetry' has an entry that is no list of 8 numbers");
    float value[8];
    for (int i = 0; i < 8; ++i) value[i] = told[m][i].is_number() ? told[m][i].get<float>() : std::nanf("");
    telemetry[m] = {value[0],
                    value[1],
                    value[2],
                    value[3],
                    value[4],
                    value[5],
                    value[6] >= 0.0f && value[6] <= 1e6f ? static_cast<int>(value[6]) : 0,
                    value[7] == 1.0f};
  }
  return telemetry;
}

/// Their shapes are checked.
ReferenceRows read_reference_rows(const Reader& reader, const std::string& prefix, const DetectorOptions& options) {
  const safetensors::Tensor &rows = reader.tensor(prefix + reference_rows_name),
                            &copies = reader.tensor(prefix + reference_copies_name);
  ReferenceRows references;
  references.rows = Matrix(rows.shape[0], rows.shape[1]);
  references.rows.data = rows.f32;
  for (const float count : copies.f32) {
    if (!(count >= 1.0f && count <= static_cast<float>(most_copies(options))) || count != std::trunc(count)) {
      reader.refuse("tensor '" + prefix + reference_copies_name + "' has a value that is no number of copies");
    }
    references.copies.push_back(static_cast<std::int32_t>(count));
  }
  return references;
}

std::unique_ptr<AnomalyModel> read_model(const Reader& reader, const std::string& prefix, const Device& device,
                                         const DetectorOptions& options, std::int64_t columns, const ColumnRoles& roles,
                                         const Json& statistics) {
  auto model = make_model(device, options, columns, roles.condition, roles.group);
  Context context = device.make_context();
  for (const Role role : all_roles) {
    const Network& network = model->networks()[role];
    if (!network) continue;
    for (const Network::Part& part : network.parts()) {
      reader.network(prefix + tensor_prefix(role, part), part.mlp, network.flat_of(part, model->weights(role)),
                     context);
    }
  }
  if (model->column_scale()) {
    reader.vector(prefix + "column_scale", model->column_scale(), context);
    reader.check_no_negative(prefix + "column_scale");
  }
  if (!definition_of(options.method).trains()) model->set_reference_rows(read_reference_rows(reader, prefix, options));
  if (const ScoringRule::ColumnTable table = model->column_table(); table.value)
    read_column_table(reader, prefix, statistics, table, context);
  model->set_statistics(read_statistics(reader, statistics, prefix + "residual", models_of(options)),
                        read_statistics(reader, statistics, prefix + "discriminator", models_of(options)));
  return model;
}

}  // namespace

void check_texts(const std::vector<std::string>& column_names, const std::map<std::string, std::string>& attachments,
                 bool is_fleet) {
  Json list;
  const TakenApart parts(list);
  put_list(list, column_names);
  std::map<std::string, std::string> metadata = attachments;
  metadata["columns"] = list.dump();
  if (is_fleet) metadata["pooled.columns"] = metadata["columns"];
  try {
    safetensors::check_metadata(metadata);
  } catch (const Error& error) {
    throw Error(error.code(), "the names of columns and categories are too long for a model file: " +
                                  std::string(error.what()) + "; leave columns with long texts out");
  }
}

safetensors::File Detector::Impl::to_file() const {
  safetensors::File file;
  Context context = device.make_context();
  const std::vector<DetectorOptions> methods = options_of_methods(resolved);
  Json statistics = Json::object();
  const TakenApart statistics_parts(statistics);
  for (std::size_t i = 0; i < methods.size(); ++i) {
    const std::string prefix = prefix_of(methods[i], methods.size());
    const AnomalyModel& one = model->member(i);
    add_model(file, prefix, one, context);
    put_statistics(statistics[prefix + "residual"], one.residual_statistics());
    put_statistics(statistics[prefix + "discriminator"], one.discriminator_statistics());
    if (const ScoringRule::ColumnTable table = one.column_table(); table.value)
      put_list(statistics[prefix + "column_rows"], download(context, table.count.data, table.count.rows));
  }
  cells.add_to(file);
  if (model->parts() > 1) put_statistics(statistics["methods"], model->statistics());
  auto& metadata = file.metadata;
  metadata["format"] = format_name;
  metadata["format_version"] = std::to_string(format_version);
  metadata["library_version"] = CUGAD_VERSION;
  metadata["method"] = get_option(resolved, "method");
  metadata["seed"] = std::to_string(resolved.seed);
  metadata["options"] = options_to_json(resolved);
  Json columns;
  const TakenApart column_parts(columns);
  put_list(columns, names);
  metadata["columns"] = columns.dump();
  Json prepared = Json::object();
  const TakenApart prepared_parts(prepared);
  put_list(prepared["log1p"], transform.log1p);
  put_list(prepared["shift"], transform.shift);
  put_list(prepared["scale"], transform.scale);
  metadata["transform"] = prepared.dump();
  if (!roles.categories.empty()) metadata[categories_key] = categories_to_json(roles.categories);
  if (novelty) metadata["novelty"] = novelty_to_json(novelty);
  metadata["threshold"] = Json(threshold).dump();
  if (calibration) metadata["score_calibration"] = calibration->to_json();
  metadata["score_statistics"] = statistics.dump();
  Json told = Json::array();
  const TakenApart told_parts(told);
  for (const ModelTelemetry& t : telemetry) {
    told.push_back(Json::array());
    for (const float value :
         {t.discriminator_loss, t.generator_loss, t.real_probability, t.fake_probability, t.discriminator_gradient,
          t.generator_gradient, static_cast<float>(t.restorations), t.resting ? 1.0f : 0.0f}) {
      told.back().push_back(value);
    }
  }
  metadata["telemetry"] = told.dump();
  add_notes(file, notes);
  for (const auto& [name, text] : attachments) metadata[attachment_prefix + name] = text;
  return file;
}

void Detector::Impl::read_structure(const Reader& reader, const safetensors::File& file) {
  if (reader.text("format") == "cugad fleet") {
    reader.refuse("it holds a fleet of models, not one: take a group's model out of it, or score with the fleet");
  }
  if (reader.text("format") != format_name)
    reader.refuse("format is '" + reader.text("format") + "', expected '" + format_name + "'");
  reader.check_version(format_version);
  try {
    resolved = options_from_json(reader.text("options"), DetectorOptions{});
    check_consistency(resolved);
  } catch (const Error& error) {
    reader.refuse(error.what());
  }
  options = resolved;
  Json columns;
  const TakenApart columns_parts(columns);
  reader.json("columns", columns);
  if (!columns.is_array() || columns.empty() || static_cast<std::int64_t>(columns.size()) > most_columns) {
    reader.refuse("'columns' is no list of 1 to " + std::to_string(most_columns) + " names");
  }
  names.clear();
  for (const Json& name : columns) {
    if (!name.is_string()) reader.refuse("'columns' has an entry that is no text");
    names.push_back(name.get<std::string>());
  }
  const auto count = static_cast<std::int64_t>(names.size());
  try {
    roles = column_roles(resolved, names, read_categories(reader, count));
  } catch (const Error& error) {
    reader.refuse(error.what());
  }
  transform.reorder(roles.order);
  if (resolved.image && cells_of(*resolved.image) != count - (resolved.target.empty() ? roles.condition : 0)) {
    reader.refuse("option 'image' is '" + image_shape_text(*resolved.image) + "', but there are " +
                  std::to_string(count) + " columns");
  }
  // The tensors must have the shapes that the options promise before memory is taken for them.
  const std::vector<DetectorOptions> methods = options_of_methods(resolved);
  for (const DetectorOptions& one : methods) {
    if (one.latent < 1 && definition_of(one.method).has_latent()) {
      reader.refuse("option 'latent' is 0, expected the latent size");
    }
    if (one.bank_rows < 1) reader.refuse("option 'bank_rows' is 0, expected their number");
    check_shapes(reader, prefix_of(one, methods.size()), one, count, roles.condition);
  }
  notes = read_notes(reader, file);
  attachments.clear();
  const std::string prefix = attachment_prefix;
  for (const auto& [key, text] : file.metadata) {
    if (key.starts_with(prefix)) attachments[key.substr(prefix.size())] = text;
  }
}

void Detector::Impl::read_numbers(const Reader& reader) {
  const auto count = static_cast<std::int64_t>(names.size());
  const std::vector<DetectorOptions> methods = options_of_methods(resolved);
  for (const DetectorOptions& one : methods) check_reference_rows(reader, prefix_of(one, methods.size()), one, count);
  Json kept;
  const TakenApart kept_parts(kept);
  reader.json("transform", kept);
  transform.log1p = reader.numbers<std::uint8_t>(kept, "log1p", count);
  transform.shift = reader.numbers<double>(kept, "shift", count);
  transform.scale = reader.numbers<double>(kept, "scale", count);
  for (std::int64_t c = 0; c < count; ++c) {
    if (transform.log1p[c] > 1) reader.refuse("'log1p' has an entry that is neither 0 nor 1");
    if (!(transform.scale[c] >= 0.0)) reader.refuse("'scale' has a negative entry");
  }
  novelty = read_novelty(reader, count, methods.size());
  Json limit;
  const TakenApart limit_parts(limit);
  reader.json("threshold", limit);
  if (!limit.is_number()) reader.refuse("'threshold' is no number");
  threshold = limit.get<float>();
  if (!std::isfinite(threshold)) reader.refuse("'threshold' is out of range");
  calibration.reset();
  if (reader.has("score_calibration")) calibration = ScoreCalibration::read(reader);  // older versions wrote none

  Json statistics;
  const TakenApart statistics_parts(statistics);
  reader.json("score_statistics", statistics);
  for (const DetectorOptions& one : methods) check_statistics(reader, statistics, prefix_of(one, methods.size()), one);
  const auto trained = std::count_if(methods.begin(), methods.end(),
                                     [](const DetectorOptions& one) { return definition_of(one.method).trains(); });
  telemetry = read_telemetry(reader, static_cast<std::size_t>(resolved.population) * static_cast<std::size_t>(trained));
}

void Detector::Impl::read_settings(const safetensors::File& file, const std::string& path) {
  const Reader reader(file, path);
  read_structure(reader, file);
  read_numbers(reader);
}

void Detector::Impl::take_structure(const Impl& other, std::uint64_t seed) {
  options = other.options;
  resolved = other.resolved;
  options.seed = resolved.seed = seed;
  names = other.names;
  roles = other.roles;
  transform.runs = other.transform.runs;
  notes = other.notes;
  attachments = other.attachments;
}

void Detector::Impl::from_file(const safetensors::File& file, const std::string& path) {
  const Reader reader(file, path);
  read_structure(reader, file);
  read_numbers(reader);
  read_networks(reader);
}

void Detector::Impl::read_networks(const Reader& reader) {
  Json statistics;
  const TakenApart statistics_parts(statistics);
  reader.json("score_statistics", statistics);
  const std::vector<DetectorOptions> methods = options_of_methods(resolved);
  std::vector<std::unique_ptr<AnomalyModel>> members;
  for (const DetectorOptions& one : methods) {
    members.push_back(
        read_model(reader, prefix_of(one, methods.size()), device, one, transform.columns(), roles, statistics));
  }
  for (const auto& member : members) {
    if (chunk_limit > 0) member->limit_chunk(chunk_limit);
    member->prepare();
  }
  auto loaded = std::make_unique<Ensemble>(device, std::move(members));
  if (loaded->parts() > 1) loaded->set_statistics(read_statistics(reader, statistics, "methods", loaded->parts()));
  cells = CellCalibration::read(reader, transform.columns());
  stream.reset();
  model = std::move(loaded);
}

}  // namespace cugad
