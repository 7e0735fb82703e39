#include "host/detector/model_shapes.hpp"

#include "host/scores/scoring_rule.hpp"

namespace cugad {

std::string tensor_prefix(Role role, const Network::Part& part) {
  return name_of(role) + (part.name.empty() ? "" : "." + part.name);
}

void check_reference_rows(const Reader& reader, const std::string& prefix, const DetectorOptions& options,
                          std::int64_t columns) {
  if (definition_of(options.method).trains()) return;
  const std::int64_t rows = reader.rows_of(prefix + reference_rows_name, columns);
  if (rows > options.reference_rows) {
    reader.refuse("it has " + std::to_string(rows) + " reference rows, expected at most the " +
                  std::to_string(options.reference_rows) + " of option 'reference_rows'");
  }
  reader.check_shape(prefix + reference_copies_name, {rows});
}

void check_shapes(const Reader& reader, const std::string& prefix, const DetectorOptions& options, std::int64_t columns,
                  std::int64_t condition) {
  const MethodNetworks networks = definition_of(options.method).networks(options, columns, condition);
  for (const Role role : all_roles) {
    if (!networks.has(role)) continue;
    const Network network = networks[role].plain();
    for (const Network::Part& part : network.parts()) {
      for (int l = 0; l < part.mlp.layers(); ++l) {
        reader.check_shape(prefix + tensor_prefix(role, part) + "." + std::to_string(l) + ".weight", options.population,
                           part.mlp.weight_shape(l));
      }
    }
  }
  if (options.score == ScoreRule::likelihood)
    reader.check_shape(prefix + "column_table", 1, {networks.columns, most_table_rows});
  try {
    check_memory(options, networks);
  } catch (const Error& error) {
    reader.refuse(error.what());
  }
}

}  // namespace cugad
