/* Compiled as C11; each header alone, and twice. */
#include <cugad/cugad_dlpack.h>
#include <cugad/cugad_ops.h>

/* What follows is for the program, not for the headers. */
#include "tests/c_api/ops_c11.h"

/* act([1 -2; 3 4] [1 0; 2 1]^T + [10 20]), act = leaky_relu with slope 0.5. */
static const char* dense_forward(cugad_device* device) {
  const float x[4] = {1, -2, 3, 4}, weight[4] = {1, 0, -20, 1}, bias[2] = {10, 20};
  float y[4] = {0, 0, 0, 0};
  cugad_dense_forward_args args;
  if (cugad_dense_forward_init(&args, sizeof args) != CUGAD_OK) return "cugad_dense_forward_init";
  args.x = (cugad_const_stack){x, 1, 2, 2, 4, 2};
  args.weight = (cugad_const_stack){weight, 1, 2, 2, 4, 2};
  args.bias = (cugad_const_stack){bias, 1, 1, 2, 2, 2};
  args.y = (cugad_stack){y, 1, 2, 2, 4, 2};
  args.activation = CUGAD_ACTIVATION_LEAKY_RELU;
  args.slope = 0.5f;
  if (cugad_dense_forward(device, &args) != CUGAD_OK) return "cugad_dense_forward";
  /* 1 + 10; -20 - 2 + 20 = -2, halved; 3 + 10; -60 + 4 + 20 = -36, halved */
  return y[0] == 11 && y[1] == -1 && y[2] == 13 && y[3] == -18 ? NULL : "the result of cugad_dense_forward";
}

/* The two nearest of four rows, nearest first. */
static const char* nearest_rows(cugad_device* device) {
  const float query[2] = {0, 0}, bank[8] = {3, 4, 1, 0, 9, 9, 0, 2};
  float distance[2] = {-1, -1};
  int32_t index[2] = {-1, -1};
  cugad_nearest_rows_args args;
  if (cugad_nearest_rows_init(&args, sizeof args) != CUGAD_OK) return "cugad_nearest_rows_init";
  if (args.metric != CUGAD_DISTANCE_L2 || args.neighbours != 1) return "the defaults of cugad_nearest_rows";
  args.query = (cugad_const_stack){query, 1, 1, 2, 2, 2};
  args.bank = (cugad_const_stack){bank, 1, 4, 2, 8, 2};
  args.neighbours = 2;
  args.distance = (cugad_stack){distance, 1, 1, 2, 2, 2};
  args.index = (cugad_int32_stack){index, 1, 1, 2, 2, 2};
  if (cugad_nearest_rows(device, &args) != CUGAD_OK) return "cugad_nearest_rows";
  return index[0] == 1 && index[1] == 3 && distance[0] == 1 && distance[1] == 2 ? NULL
                                                                                : "the result of cugad_nearest_rows";
}

/* Columns in double, and a column of log1p. */
static const char* scale_columns(cugad_device* device) {
  const float x[4] = {1, 0, 5, 0};
  const double shift[2] = {1, 0.5}, scale[2] = {0.5, 4};
  const uint8_t log1p[2] = {0, 1};
  float y[4] = {9, 9, 9, 9};
  cugad_scale_columns_args args;
  if (cugad_scale_columns_init(&args, sizeof args) != CUGAD_OK) return "cugad_scale_columns_init";
  args.x = (cugad_const_stack){x, 1, 2, 2, 4, 2};
  args.shift = (cugad_const_double_stack){shift, 1, 1, 2, 2, 2};
  args.scale = (cugad_const_double_stack){scale, 1, 1, 2, 2, 2};
  args.log1p = (cugad_const_uint8_stack){log1p, 1, 1, 2, 2, 2};
  args.y = (cugad_stack){y, 1, 2, 2, 4, 2};
  if (cugad_scale_columns(device, &args) != CUGAD_OK) return "cugad_scale_columns";
  return y[0] == 0 && y[1] == -2 && y[2] == 2 && y[3] == -2 ? NULL : "the result of cugad_scale_columns";
}

/* Arrays inside the arguments. */
static const char* quantile(cugad_device* device) {
  const float values[5] = {5, 1, 4, 2, 3};
  float out[3] = {0, 0, 0};
  cugad_quantile_args args;
  if (cugad_quantile_init(&args, sizeof args) != CUGAD_OK) return "cugad_quantile_init";
  if (args.count != 1 || args.probability[0] != 0.5) return "the defaults of cugad_quantile";
  args.values = (cugad_const_stack){values, 1, 1, 5, 5, 5};
  args.count = 3;
  args.probability[0] = 0.0;
  args.probability[1] = 0.625;
  args.probability[2] = 1.0;
  args.out = (cugad_stack){out, 1, 1, 3, 3, 3};
  if (cugad_quantile(device, &args) != CUGAD_OK) return "cugad_quantile";
  return out[0] == 1 && out[1] == 3.5f && out[2] == 5 ? NULL : "the result of cugad_quantile";
}

/* A step of Adam in its plainest case: the first step is the learning rate, against the gradient. */
static const char* adam(cugad_device* device) {
  float parameter[2] = {1, 1}, first[2] = {0, 0}, second[2] = {0, 0};
  const float gradient[2] = {2, -2};
  cugad_adam_args args;
  if (cugad_adam_init(&args, sizeof args) != CUGAD_OK) return "cugad_adam_init";
  if (args.beta1 != 0.9 || args.beta2 != 0.999 || args.step != 1) return "the defaults of cugad_adam";
  args.parameter = (cugad_stack){parameter, 1, 1, 2, 2, 2};
  args.gradient = (cugad_const_stack){gradient, 1, 1, 2, 2, 2};
  args.first_moment = (cugad_stack){first, 1, 1, 2, 2, 2};
  args.second_moment = (cugad_stack){second, 1, 1, 2, 2, 2};
  args.learning_rate = 0.25f;
  if (cugad_adam(device, &args) != CUGAD_OK) return "cugad_adam";
  const float down = parameter[0] - 0.75f, up = parameter[1] - 1.25f;
  return down < 1e-6f && down > -1e-6f && up < 1e-6f && up > -1e-6f ? NULL : "the result of cugad_adam";
}

/* Nothing is written if a view breaks the contract. */
static const char* refusals(cugad_device* device) {
  float y[4] = {7, 7, 7, 7};
  cugad_fill_uniform_args args;
  if (cugad_fill_uniform_init(&args, sizeof args) != CUGAD_OK) return "cugad_fill_uniform_init";
  args.out = (cugad_stack){y, 1, 2, 2, 4, 1};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "a row_stride below columns";
  args.out = (cugad_stack){NULL, 1, 2, 2, 4, 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "data NULL";
  args.out = (cugad_stack){y, 1, -2, 2, 4, 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "a negative size";
  args.out = (cugad_stack){y, INT64_MAX, INT64_MAX, 2, 4, 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "a size beyond memory";
  args.out = (cugad_stack){y, 2, 2, 1, INT64_MAX / 2, INT64_MAX / 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "strides beyond memory";
  args.out = (cugad_stack){(float*)((char*)y + 2), 1, 1, 2, 2, 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_ERROR_INVALID_ARGUMENT) return "an address between elements";
  args.out = (cugad_stack){y, 1, 0, 2, 0, 2};
  if (cugad_fill_uniform(device, &args) != CUGAD_OK) return "no rows";
  for (int i = 0; i < 4; ++i) {
    if (y[i] != 7) return "nothing written";
  }
  return NULL;
}

const char* cugad_c11_ops(cugad_device* device) {
  const char* failed = dense_forward(device);
  if (failed == NULL) failed = nearest_rows(device);
  if (failed == NULL) failed = scale_columns(device);
  if (failed == NULL) failed = quantile(device);
  if (failed == NULL) failed = adam(device);
  if (failed == NULL) failed = refusals(device);
  return failed;
}
