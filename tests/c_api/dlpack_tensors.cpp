#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "host/backend/backend.hpp"
#include "host/c_api/dlpack.hpp"
#include "tests/common/random_words.hpp"
#include "tests/methods/clusters.hpp"

/// Detectors on DLPack tensors of both layouts, against the functions on plain matrices.
namespace cugad::test {
namespace {

constexpr const char* config =
    R"({"method": "anogan", "population": 2, "latent": 3, "hidden": [16], "discriminator_hidden": [16], "steps": 40, "batch": 32, "bank_rows": 64})";

void expect_ok(cugad_status status) { ASSERT_EQ(status, CUGAD_OK) << cugad_last_error(); }

/// Memory of the device under test, or of the host.
class Memory {
 public:
  Memory(bool on_device, const std::vector<float>& values) : count_(values.size()) {
    if (on_device && !device_.backend().is_host_memory()) {
      on_device_ = static_cast<float*>(device_.backend().allocate(sizeof(float) * count_));
      copy(on_device_, values.data());
    } else {
      host_ = values;
    }
  }
  ~Memory() { device_.backend().release(on_device_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  float* data() { return on_device_ != nullptr ? on_device_ : host_.data(); }
  std::vector<float> values() {
    std::vector<float> values(count_);
    copy(values.data(), data());
    return values;
  }
  DLDevice place() const { return {on_device_ != nullptr ? kDLCUDA : kDLCPU, 0}; }

 private:
  void copy(float* to, const float* from) {
    device_.backend().copy(to, from, sizeof(float) * count_, nullptr);
    device_.backend().synchronize(nullptr);
  }
  Device device_ = test_device();
  std::size_t count_;
  float* on_device_ = nullptr;
  std::vector<float> host_;
};

/// A tensor of the caller, whose deleter must not be called.
template <class Managed>
struct Tensor {
  Tensor(void* data, DLDevice place, std::vector<std::int64_t> shape_, std::vector<std::int64_t> strides_ = {})
      : shape(std::move(shape_)), strides(std::move(strides_)) {
    managed.dl_tensor = {data,
                         place,
                         static_cast<std::int32_t>(shape.size()),
                         {kDLFloat, 32, 1},
                         shape.data(),
                         strides.empty() ? nullptr : strides.data(),
                         0};
    managed.deleter = [](Managed*) { ADD_FAILURE() << "the deleter of a tensor that was only lent"; };
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) managed.version = {1, 1};
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  DLTensor& tensor() { return managed.dl_tensor; }

  std::vector<std::int64_t> shape, strides;
  Managed managed = {};
};

cugad_status fit(cugad_detector* detector, const DLManagedTensor* x) {
  return cugad_detector_fit_dlpack(detector, x, nullptr);
}
cugad_status fit(cugad_detector* detector, const DLManagedTensorVersioned* x) {
  return cugad_detector_fit_dlpack_versioned(detector, x, nullptr);
}
cugad_status score(cugad_detector* detector, const DLManagedTensor* x, const DLManagedTensor* scores) {
  return cugad_detector_score_dlpack(detector, x, scores);
}
cugad_status score(cugad_detector* detector, const DLManagedTensorVersioned* x,
                   const DLManagedTensorVersioned* scores) {
  return cugad_detector_score_dlpack_versioned(detector, x, scores);
}
cugad_status score_to(cugad_detector* detector, const DLManagedTensor* x, DLManagedTensor** scores) {
  return cugad_detector_score_to_dlpack(detector, x, scores);
}
cugad_status score_to(cugad_detector* detector, const DLManagedTensorVersioned* x, DLManagedTensorVersioned** scores) {
  return cugad_detector_score_to_dlpack_versioned(detector, x, scores);
}
cugad_status sample_to(cugad_detector* detector, std::int64_t rows, DLManagedTensor** x) {
  return cugad_detector_sample_to_dlpack(detector, 5, rows, x);
}
cugad_status sample_to(cugad_detector* detector, std::int64_t rows, DLManagedTensorVersioned** x) {
  return cugad_detector_sample_to_dlpack_versioned(detector, 5, rows, x);
}

template <class Managed>
class Dlpack : public testing::Test {
 protected:
  void SetUp() override {
    expect_ok(cugad_device_open(device_name().c_str(), &device_));
    expect_ok(cugad_detector_create(device_, config, &detector_));
  }
  void TearDown() override {
    cugad_detector_destroy(detector_);
    cugad_device_close(device_);
  }
  void fit_here() {
    expect_ok(cugad_detector_fit(detector_, training_.row(0), training_.rows, training_.columns, training_.columns));
  }
  std::vector<float> scores_of(const Matrix& rows) {
    std::vector<float> scores(rows.rows);
    expect_ok(cugad_detector_score(detector_, rows.view().data, rows.rows, rows.columns, rows.columns, scores.data()));
    return scores;
  }
  std::int64_t device_bytes() {
    std::int64_t bytes = 0, peak = 0;
    expect_ok(cugad_device_memory(device_, &bytes, &peak));
    return bytes;
  }
  static std::vector<float> values_of(const Matrix& rows) {
    return {rows.view().data, rows.view().data + rows.rows * rows.columns};
  }

  cugad_device* device_ = nullptr;
  cugad_detector* detector_ = nullptr;
  Matrix training_ = normal_rows(120, 1), rows_ = mixed_rows(40, 2);
};

using Layouts = testing::Types<DLManagedTensor, DLManagedTensorVersioned>;
TYPED_TEST_SUITE(Dlpack, Layouts);

TYPED_TEST(Dlpack, FitsAsOnAMatrix) {
  this->fit_here();
  const std::vector<float> expected = this->scores_of(this->rows_);
  for (const bool on_device : {false, true}) {
    Memory memory(on_device, this->values_of(this->training_));
    const Tensor<TypeParam> x(memory.data(), memory.place(), {120, 6});
    expect_ok(fit(this->detector_, &x.managed));
    EXPECT_TRUE(same_bits(this->scores_of(this->rows_), expected)) << on_device;
  }
}

TYPED_TEST(Dlpack, ScoresIntoATensor) {
  this->fit_here();
  const std::vector<float> expected = this->scores_of(this->rows_);
  for (const bool on_device : {false, true}) {
    Memory memory(on_device, this->values_of(this->rows_));
    const Tensor<TypeParam> x(memory.data(), memory.place(), {40, 6}, {6, 1});
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{40}, {40, 1}}) {
      Memory result(on_device, std::vector<float>(40, -1.0f));
      const Tensor<TypeParam> scores(result.data(), result.place(), shape);
      expect_ok(score(this->detector_, &x.managed, &scores.managed));
      EXPECT_TRUE(same_bits(result.values(), expected)) << on_device;
    }
  }
}

/// Rows of a wider tensor from its second row and third column on; and one row by itself.
TYPED_TEST(Dlpack, StridesAndOffsetsAreThoseOfTheTensor) {
  this->fit_here();
  const std::vector<float> expected = this->scores_of(this->rows_);
  std::vector<float> wide(41 * 10, std::numeric_limits<float>::infinity());
  for (std::int64_t r = 0; r < 40; ++r) std::copy_n(this->rows_.row(r), 6, wide.data() + (r + 1) * 10 + 2);
  for (const bool on_device : {false, true}) {
    Memory memory(on_device, wide), result(on_device, std::vector<float>(40));
    Tensor<TypeParam> x(memory.data(), memory.place(), {40, 6}, {10, 1});
    x.tensor().byte_offset = 12 * sizeof(float);
    const Tensor<TypeParam> scores(result.data(), result.place(), {40});
    expect_ok(score(this->detector_, &x.managed, &scores.managed));
    EXPECT_TRUE(same_bits(result.values(), expected)) << on_device;
    Tensor<TypeParam> row(memory.data(), memory.place(), {6});
    row.tensor().byte_offset = (17 * 10 + 2) * sizeof(float);
    const Tensor<TypeParam> one(result.data(), result.place(), {1});
    expect_ok(score(this->detector_, &row.managed, &one.managed));
    EXPECT_TRUE(same_bits({result.values()[0]}, {expected[16]})) << on_device;
  }
}

TYPED_TEST(Dlpack, GivesScoresAsATensorThatOutlivesTheDetector) {
  this->fit_here();
  const std::vector<float> expected = this->scores_of(this->rows_);
  Memory in_host(false, this->values_of(this->rows_)), in_device(true, this->values_of(this->rows_));
  TypeParam* given[2] = {nullptr, nullptr};
  const std::int64_t before = this->device_bytes();
  for (Memory* memory : {&in_host, &in_device}) {
    const Tensor<TypeParam> x(memory->data(), memory->place(), {40, 6});
    TypeParam*& scores = given[memory == &in_device];
    expect_ok(score_to(this->detector_, &x.managed, &scores));
    ASSERT_NE(scores, nullptr);
    EXPECT_EQ(scores->dl_tensor.device.device_type, memory->place().device_type);
    EXPECT_EQ(scores->dl_tensor.device.device_id, 0);
    EXPECT_EQ(scores->dl_tensor.ndim, 1);
    EXPECT_EQ(scores->dl_tensor.shape[0], 40);
    EXPECT_EQ(scores->dl_tensor.strides[0], 1);
    EXPECT_EQ(scores->dl_tensor.byte_offset, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(scores->dl_tensor.data) % 256, 0u);
    if constexpr (std::is_same_v<TypeParam, DLManagedTensorVersioned>) {
      EXPECT_EQ(scores->version.major, 1u);
      EXPECT_EQ(scores->flags, 0u);
    }
  }
  const bool own_memory = in_device.place().device_type == kDLCUDA;
  if (own_memory) {
    EXPECT_GT(this->device_bytes(), before);
  }
  cugad_detector_destroy(this->detector_);
  this->detector_ = nullptr;
  const Device device = test_device();
  for (TypeParam* scores : given) {
    std::vector<float> found(40);
    device.backend().copy(found.data(), scores->dl_tensor.data, sizeof(float) * 40, nullptr);
    device.backend().synchronize(nullptr);
    EXPECT_TRUE(same_bits(found, expected));
    const std::int64_t held = this->device_bytes();
    scores->deleter(scores);
    if (scores == given[1] && own_memory) {
      EXPECT_LT(this->device_bytes(), held) << "the deleter frees";
    }
  }
}

TYPED_TEST(Dlpack, GivesSamplesAsATensor) {
  this->fit_here();
  std::vector<float> expected(9 * 6);
  expect_ok(cugad_detector_sample(this->detector_, 5, expected.data(), 9, 6, 6));
  TypeParam* x = nullptr;
  expect_ok(sample_to(this->detector_, 9, &x));
  ASSERT_EQ(x->dl_tensor.ndim, 2);
  EXPECT_EQ(x->dl_tensor.shape[0], 9);
  EXPECT_EQ(x->dl_tensor.shape[1], 6);
  const auto* data = static_cast<const float*>(x->dl_tensor.data);
  EXPECT_TRUE(same_bits({data, data + 9 * 6}, expected));
  x->deleter(x);
  EXPECT_EQ(sample_to(this->detector_, -1, &x), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(x, nullptr);
  EXPECT_EQ(sample_to(this->detector_, std::int64_t{1} << 60, &x), CUGAD_ERROR_INVALID_ARGUMENT);
}

/// Each broken tensor is refused as rows and, if possible, as scores; nothing is written.
TYPED_TEST(Dlpack, RefusesWhatItCannotRead) {
  this->fit_here();
  std::vector<float> values = this->values_of(this->rows_), result(40, -1.0f);
  const auto expect_refused = [&](const char* part, const std::function<void(Tensor<TypeParam>&)>& spoil,
                                  cugad_status expected = CUGAD_ERROR_INVALID_ARGUMENT) {
    Tensor<TypeParam> x(values.data(), {kDLCPU, 0}, {40, 6}, {6, 1}),
        scores(result.data(), {kDLCPU, 0}, {40, 1}, {1, 1});
    const auto expect_error = [&](cugad_status status, const char* name) {
      EXPECT_EQ(status, expected) << part;
      const std::string message = cugad_last_error();
      EXPECT_NE(message.find(part), std::string::npos) << message;
      EXPECT_NE(message.find(std::string(": ") + name), std::string::npos) << message;
    };
    spoil(x);
    expect_error(score(this->detector_, &x.managed, &scores.managed), "x");
    auto* none = &x.managed;
    expect_error(score_to(this->detector_, &x.managed, &none), "x");
    EXPECT_EQ(none, nullptr);
    expect_error(fit(this->detector_, &x.managed), "x");
    Tensor<TypeParam> good(values.data(), {kDLCPU, 0}, {40, 6});
    spoil(scores);
    expect_error(score(this->detector_, &good.managed, &scores.managed), "scores");
    EXPECT_TRUE(same_bits(result, std::vector<float>(40, -1.0f)));
  };
  expect_refused("64 bits", [](auto& t) { t.tensor().dtype.bits = 64; });
  expect_refused("type code 0", [](auto& t) { t.tensor().dtype.code = 0; });
  expect_refused("4 lanes", [](auto& t) { t.tensor().dtype.lanes = 4; });
  expect_refused("0 dimensions", [](auto& t) { t.tensor().ndim = 0; });
  expect_refused("3 dimensions", [](auto& t) { t.tensor().ndim = 3; });
  expect_refused("shape is NULL", [](auto& t) { t.tensor().shape = nullptr; });
  expect_refused("is NULL", [](auto& t) { t.tensor().data = nullptr; });
  expect_refused("no address", [](auto& t) { t.tensor().byte_offset = 2; });
  expect_refused("rows", [](auto& t) { t.shape[0] = -1; });
  expect_refused("memory can hold", [](auto& t) { t.shape[0] = t.strides[0] = std::int64_t{1} << 40; });
  expect_refused("row_stride", [](auto& t) { t.strides[0] = 0; });
  expect_refused("row_stride", [](auto& t) { t.strides[0] = -6; });
  expect_refused("device type 10 with id 0", [](auto& t) { t.tensor().device = {10, 0}; });  // ROCm
  expect_refused("device type 2 with id 7", [](auto& t) { t.tensor().device = {kDLCUDA, 7}; });
  if constexpr (std::is_same_v<TypeParam, DLManagedTensorVersioned>) {
    expect_refused(
        "version 2.0",
        [](auto& t) {
          t.managed.version = {2, 0};
        },
        CUGAD_ERROR_UNSUPPORTED);
    expect_refused(
        "version 0.8",
        [](auto& t) {
          t.managed.version = {0, 8};
        },
        CUGAD_ERROR_UNSUPPORTED);
  }
}

TYPED_TEST(Dlpack, RefusesWhatDoesNotFit) {
  this->fit_here();
  std::vector<float> values = this->values_of(this->rows_), result(80, -1.0f);
  const auto expect_refused = [&](const char* part, Tensor<TypeParam>&& x, Tensor<TypeParam>&& scores) {
    EXPECT_EQ(score(this->detector_, &x.managed, &scores.managed), CUGAD_ERROR_INVALID_ARGUMENT) << part;
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  const auto rows = [&](std::vector<std::int64_t> shape, std::vector<std::int64_t> strides = {}) {
    return Tensor<TypeParam>(values.data(), {kDLCPU, 0}, std::move(shape), std::move(strides));
  };
  const auto scores = [&](std::vector<std::int64_t> shape, std::vector<std::int64_t> strides = {}) {
    return Tensor<TypeParam>(result.data(), {kDLCPU, 0}, std::move(shape), std::move(strides));
  };
  expect_refused("stride 40 within a row", rows({40, 6}, {1, 40}), scores({40}));  // column-major
  expect_refused("5 columns", rows({40, 5}), scores({40}));
  expect_refused("scores has 39 elements, expected 40", rows({40, 6}), scores({39}));
  expect_refused("scores has 20 x 2 elements, expected 40", rows({40, 6}), scores({20, 2}));
  expect_refused("scores has stride 2", rows({40, 6}), scores({40}, {2}));
  expect_refused("scores has stride 2", rows({40, 6}), scores({40, 1}, {2, 1}));
  Tensor<TypeParam> overlapping(values.data(), {kDLCPU, 0}, {40});
  expect_refused("overlaps", rows({40, 6}), std::move(overlapping));
  if constexpr (std::is_same_v<TypeParam, DLManagedTensorVersioned>) {
    Tensor<TypeParam> x = rows({40, 6}), read_only = scores({40});
    x.managed.flags = DLPACK_FLAG_BITMASK_READ_ONLY;  // rows are only read
    const Tensor<TypeParam> target = scores({40});
    expect_ok(score(this->detector_, &x.managed, &target.managed));
    read_only.managed.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
    expect_refused("read-only", rows({40, 6}), std::move(read_only));
  }
  const TypeParam* none = nullptr;
  TypeParam* given = nullptr;
  const Tensor<TypeParam> x = rows({40, 6});
  EXPECT_EQ(score(this->detector_, none, none), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(score(nullptr, &x.managed, &x.managed), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(score_to(this->detector_, &x.managed, static_cast<TypeParam**>(nullptr)), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(score_to(nullptr, &x.managed, &given), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(fit(this->detector_, none), CUGAD_ERROR_INVALID_ARGUMENT);
}

/// A tensor whose declared device differs from that of its memory.
TYPED_TEST(Dlpack, RefusesMemoryThatIsNotWhereTheTensorSays) {
  this->fit_here();
  if (test_device().backend().is_host_memory()) GTEST_SKIP() << "for devices with memory of their own";
  Memory in_host(false, this->values_of(this->rows_)), in_device(true, this->values_of(this->rows_));
  TypeParam* scores = nullptr;
  const Tensor<TypeParam> one(in_host.data(), {kDLCUDA, 0}, {40, 6}), other(in_device.data(), {kDLCPU, 0}, {40, 6});
  EXPECT_EQ(score_to(this->detector_, &one.managed, &scores), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("device's, but it is the host's"), std::string::npos)
      << cugad_last_error();
  EXPECT_EQ(score_to(this->detector_, &other.managed, &scores), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("host's, but it is the device's"), std::string::npos)
      << cugad_last_error();
}

}  // namespace
}  // namespace cugad::test
