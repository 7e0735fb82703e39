#include <algorithm>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/table_handles.hpp"
#include "host/c_api/table_options.hpp"
#include "host/text/json.hpp"

/// What turns tables into the rows of a detector.

using namespace cugad;
using namespace cugad::c_api;

namespace {

std::string unseen_to_json(const TableEncoder& encoder) {
  OrderedJson counts = OrderedJson::object();
  const TakenApart parts(counts);
  for (const auto& [column, count] : encoder.unseen()) counts[column] = count;
  return counts.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::int64_t features_of(const TableEncoder& encoder) {
  return static_cast<std::int64_t>(encoder.feature_names().size());
}

void encode(TableEncoder& encoder, const Table& table, float* x, std::int64_t row_stride) {
  const std::int64_t features = features_of(encoder);
  if (row_stride < features) {
    throw Error(ErrorCode::invalid_argument, "row_stride is " + std::to_string(row_stride) +
                                                 ", expected at least the " + std::to_string(features) + " features");
  }
  std::int64_t elements = 0;
  if (__builtin_mul_overflow(table.rows, row_stride, &elements)) {
    throw Error(ErrorCode::invalid_argument, "x has " + std::to_string(table.rows) + " rows with row_stride " +
                                                 std::to_string(row_stride) + ", expected a size that memory can hold");
  }
  require_extent(x, elements, sizeof *x, "x");
  const Matrix encoded = encoder.encode(table);
  for (std::int64_t r = 0; r < encoded.rows; ++r) std::copy_n(encoded.row(r), features, x + r * row_stride);
}

}  // namespace

extern "C" {

cugad_status cugad_encoder_fit(cugad_table* table, const char* options_json, cugad_encoder** encoder) {
  return guard(__func__, [&] {
    started(encoder, "encoder");
    require(table, "table");
    TableEncoder fitted;
    fitted.fit(table->table, encoder_options_from_json(options_json));
    *encoder = new cugad_encoder{std::move(fitted)};
  });
}

cugad_status cugad_encoder_from_json(const char* json, cugad_encoder** encoder) {
  return guard(__func__, [&] {
    started(encoder, "encoder");
    *encoder = new cugad_encoder{TableEncoder::from_json(text_of(json, "json"))};
  });
}

void cugad_encoder_destroy(cugad_encoder* encoder) { delete encoder; }

cugad_status cugad_encoder_to_json(cugad_encoder* encoder, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(encoder, "encoder");
    encoder->json = encoder->encoder.to_json();
    *json = encoder->json.c_str();
  });
}

cugad_status cugad_encoder_features(cugad_encoder* encoder, int64_t* features, int64_t* binary) {
  return answer(__func__, [&] {
    require(encoder, "encoder");
    const std::int64_t all = features_of(encoder->encoder);
    if (features != nullptr) *features = all;
    if (binary != nullptr) *binary = all - encoder->encoder.numeric_features();
  });
}

cugad_status cugad_encoder_feature_names(cugad_encoder* encoder, const char* const** names) {
  return guard(__func__, [&] {
    started(names, "names");
    require(encoder, "encoder");
    if (encoder->names.empty()) {
      std::vector<const char*> pointers;
      for (const std::string& name : encoder->encoder.feature_names()) pointers.push_back(name.c_str());
      encoder->names = std::move(pointers);
    }
    *names = encoder->names.data();
  });
}

cugad_status cugad_encoder_read_options(cugad_encoder* encoder, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(encoder, "encoder");
    encoder->read_options = read_options_to_json(encoder->encoder.read_options());
    *json = encoder->read_options.c_str();
  });
}

cugad_status cugad_encoder_encode(cugad_encoder* encoder, cugad_table* table, float* x, int64_t row_stride) {
  return guard(__func__, [&] {
    require(encoder, "encoder");
    require(table, "table");
    encode(encoder->encoder, table->table, x, row_stride);
  });
}

cugad_status cugad_encoder_unseen(cugad_encoder* encoder, const char** json) {
  return guard(__func__, [&] {
    started(json, "json");
    require(encoder, "encoder");
    encoder->unseen = unseen_to_json(encoder->encoder);
    *json = encoder->unseen.c_str();
  });
}

}  // extern "C"
