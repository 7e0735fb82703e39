#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/ops.hpp"
#include "tests/ops/tensor.hpp"

struct cugad_device;  // of the C interface

/// The op-parity test. Every op has one list of cases in tests/ops/<op>.cpp; each case is run on every backend of this
/// build and compared, element by element, with a float64 reference written from the contract in ops.hpp.
///
/// To add an op: write `std::vector<Case> my_op_cases()` whose cases build a Problem (tensors, reference, call), and
/// `const bool registered = register_op("my_op", my_op_cases());`. Every case becomes the gtest
/// `test/my_op.<parameters>` (`exact/...` where results must be equal to the bit, `perf/...` where CUGAD_PERF is set).
/// The harness adds the layouts, guards, repetitions, thread counts, and the population and batch comparisons.
namespace cugad::test {

/// A small generator for test data; its sequence is a function of the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  double uniform(double low, double high);
  double normal();
  std::int64_t integer(std::int64_t low, std::int64_t high);  ///< both ends included
  bool chance(double probability) { return uniform(0.0, 1.0) < probability; }

 private:
  std::uint64_t state_;
};

class Call;
/// Calls the op through the C interface, on call.c_device (tests/ops/c_interface.cpp).
#define CUGAD_THROUGH_C(name, Args) void through_c(Call& call, const Args& args);
CUGAD_OPS(CUGAD_THROUGH_C)
#undef CUGAD_THROUGH_C

/// How a problem calls its op: the protocol can_run, workspace, run, on one context and one slice of the problem.
class Call {
 public:
  Call(Context& context_, const Slice& slice_) : context(context_), slice(slice_) {}
  template <class Args>
  void operator()(const Args& args) {
    if (c_device != nullptr) return through_c(*this, args);
    const Verdict verdict = can_run(context, args);
    if (!verdict) {
      refusal = verdict.reason.empty() ? "no reason" : verdict.reason;
      return;
    }
    workspace_bytes = cugad::workspace(context, args);
    cugad::run(context, args);
  }

  Context& context;
  Slice slice;
  cugad_device* c_device = nullptr;
  std::string refusal;  ///< the backend's reason
  std::size_t workspace_bytes = 0;
};

/// Results of a run: one image per tensor, in the order of Problem::tensors.
using Results = std::vector<Bytes>;

/// One case made concrete: data, expectations, and how to call the op.
class Problem {
 public:
  Problem(std::uint64_t seed, Layout layout_) : random(seed), layout(layout_) {}

  template <class T = float>
  TypedTensor<T>& input(const std::string& name, std::int64_t models, std::int64_t rows, std::int64_t columns,
                        bool shared = false) {
    return add<T>(name, Role::input, models, rows, columns, shared, true);
  }
  template <class T = float>
  TypedTensor<T>& output(const std::string& name, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    return add<T>(name, Role::output, models, rows, columns, false, true);
  }
  template <class T = float>
  TypedTensor<T>& state(const std::string& name, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    return add<T>(name, Role::state, models, rows, columns, false, true);
  }
  /// An input whose rows follow each other in every layout (a layer of a flat parameter buffer).
  TypedTensor<float>& flat_input(const std::string& name, std::int64_t models, std::int64_t rows, std::int64_t columns,
                                 bool shared = false) {
    return add<float>(name, Role::input, models, rows, columns, shared, false);
  }

  Random random;
  Layout layout;
  std::deque<std::unique_ptr<Tensor>> tensors;
  std::function<void(Call&)> call;
  /// Checks beyond element-wise bounds: empty, or the failure.
  std::function<std::string(const Results&)> check;
  /// All backends must give the same bits.
  bool same_bits_on_all_backends = false;
  /// All backends that have a fused multiply-add (all but cpu:baseline) must give the same bits.
  bool same_bits_where_fused = false;
  /// Running the models one at a time must give the same bits.
  bool models_are_independent = true;
  double flops = 0.0, bytes = 0.0;  ///< of one run, for perf

  /// Whether some tensor follows the batch: its rows scored alone or in another order must give the same bits.
  bool has_items() const;
  std::int64_t items() const;
  std::int64_t models() const;
  std::size_t index_of(const Tensor& tensor) const;

 private:
  template <class T>
  TypedTensor<T>& add(const std::string& name, Role role, std::int64_t models, std::int64_t rows, std::int64_t columns,
                      bool shared, bool padded_rows) {
    auto tensor = std::make_unique<TypedTensor<T>>(name, role, models, rows, columns, layout, shared, padded_rows);
    TypedTensor<T>& reference = *tensor;
    tensors.push_back(std::move(tensor));
    return reference;
  }
};

struct Case {
  std::string parameters;  ///< "rows=7,in=5": printed, hashed into the seed, and the gtest's name ('-' becomes '_')
  Layout layout = Layout::contiguous;
  std::function<void(Problem&)> build;
  bool exact = false;  ///< small integers: every result must equal the reference
  bool perf = false;   ///< also timed if CUGAD_PERF is set
};

/// "a=1,b=x" from names and values.
inline void append_parameters(std::ostringstream&) {}
template <class Value, class... Rest>
void append_parameters(std::ostringstream& text, const char* name, const Value& value, const Rest&... rest) {
  text << (text.tellp() > 0 ? "," : "") << name << '=' << value;
  append_parameters(text, rest...);
}
template <class... Pairs>
std::string parameters(const Pairs&... pairs) {
  std::ostringstream text;
  append_parameters(text, pairs...);
  return text.str();
}
const char* name_of(Layout layout);
const char* name_of(Activation activation);
const char* name_of(Distance distance);

/// Takes over the cases of an op and registers their gtests.
bool register_op(const std::string& op, std::vector<Case> cases);

/// The backends of this build that this machine can run, opened once: "cpu:baseline", ...
struct NamedDevice {
  std::string name;
  Device device;
};
const std::vector<NamedDevice>& devices();

std::uint64_t hash(const std::string& text);
std::unique_ptr<Problem> make_problem(const std::string& op, const Case& one);

/// The images of all tensors before the call.
Results initial_images(const Problem& problem);
/// Images with the order of the batch's items reversed.
Results reversed(const Problem& problem, const Results& images);
/// Runs a problem on a device, slice by slice, starting from `images`; the images afterwards. A refusal by the backend
/// is reported through *refusal. With a c_device, which must be that device, the op is called through C.
Results execute(const Problem& problem, const Results& images, const Device& device, int threads,
                const std::vector<Slice>& slices, std::string* refusal, cugad_device* c_device = nullptr);

/// Seconds per run of `runs` runs in a row, copies left out, after one run to warm up.
double seconds_per_run(const Problem& problem, const Device& device, int runs);

/// Compares results with the expectations: guards, padding, inputs, every output element, the problem's own check.
/// Empty, or the first thing that is wrong; raises *worst to the largest error / bound seen.
std::string compare(const Problem& problem, const Results& results, bool exact, double* worst);

/// Empty, or the positions of different bits in two results.
std::string compare_bits(const Problem& problem, const Results& a, const Results& b);

/// What the summary and the support table are made of.
struct OpRecord {
  std::string op;
  std::vector<Case> cases;
  double worst_ratio = 0.0;
  std::string worst_case;
  std::vector<std::int64_t> executed;  ///< per device
};
std::vector<OpRecord>& op_records();

}  // namespace cugad::test
