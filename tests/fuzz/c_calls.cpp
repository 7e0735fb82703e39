#include <cstring>
#include <filesystem>
#include <limits>
#include <vector>

#include "cugad/cugad.h"
#include "tests/common/methods.hpp"
#include "tests/fuzz/targets.hpp"

/// Sequences of calls of the C interface: each byte of the input chooses a call, a handle or an argument, right or
/// wrong. Pointers are NULL or good, and buffers as large as the contract requires: more cannot be checked.
namespace cugad::fuzz {
namespace {

constexpr std::int64_t widest = 4, most_rows = 40;

class Calls {
 public:
  explicit Calls(std::string_view input) : input_(input) {}
  ~Calls() {
    for (Slot& slot : detectors_) cugad_detector_destroy(slot.detector);
    for (cugad_device* device : devices_) cugad_device_close(device);
  }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  /// Whether any call made a detector that scores.
  bool run() {
    constexpr int most_calls = 40;
    for (int call = 0; call < most_calls && !input_.empty(); ++call) one();
    return scored_;
  }

 private:
  struct Slot {
    cugad_detector* detector = nullptr;
    bool is_tiny = false;  ///< made with options that train in no time
  };

  unsigned byte() {
    if (input_.empty()) return 0;
    const auto value = static_cast<unsigned char>(input_.front());
    input_.remove_prefix(1);
    return value;
  }
  template <class T, std::size_t count>
  T one_of(const T (&values)[count]) {
    return values[byte() % count];
  }
  /// Some bytes of the input up to a zero byte, as a C text.
  std::string text() {
    const std::size_t end = std::min(input_.find('\0'), input_.size());
    std::string taken(input_.substr(0, end));
    input_.remove_prefix(std::min(end + 1, input_.size()));
    return taken;
  }
  Slot& slot() { return detectors_[byte() % std::size(detectors_)]; }
  cugad_device*& device() { return devices_[byte() % std::size(devices_)]; }

  /// What every call promises.
  bool done(cugad_status status) {
    require(status <= CUGAD_OK && status > CUGAD_ERROR_INTERNAL, "a call gave status " + std::to_string(status));
    if (status == CUGAD_OK) return true;
    require(cugad_last_error()[0] != '\0', "a failed call left no message");
    check_message(cugad_last_error());
    require(std::strcmp(cugad_status_name(status), "unknown status") != 0, "a status without a name");
    return false;
  }
  void read(cugad_status status, const char* given) {
    if (done(status) && given != nullptr) require(std::strlen(given) < 1'000'000, "a text of no end");
  }

  /// Rows that satisfy the contract, or that it must refuse.
  struct Rows {
    const float* x;
    std::int64_t rows, columns, stride;
  };
  Rows rows() {
    Rows given;
    given.rows = one_of<std::int64_t>({1, 2, 40, 9, 0, -1, std::numeric_limits<std::int64_t>::min()});
    given.columns = one_of<std::int64_t>({3, 3, 3, 4, 1, 0, -2});
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    given.stride = given.columns + one_of<std::int64_t>({0, 0, 1, -1, -10});
    if (given.rows <= 1 && byte() % 8 == 7) given.stride = most;
    cells_.assign(static_cast<std::size_t>(most_rows * (widest + 1)), 0.0f);
    for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i] = static_cast<float>((i * 2654435761u >> 7) % 1000) / 100;
    cells_[byte() % cells_.size()] = one_of<float>(
        {1.0f, 1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38f});
    given.x = byte() % 16 == 15 ? nullptr : cells_.data();
    return given;
  }
  /// An array of exactly `count` values, or none.
  template <class T>
  T* array(std::vector<T>& values, std::int64_t count) {
    values.assign(static_cast<std::size_t>(std::max<std::int64_t>(0, count)), T{});
    return byte() % 16 == 15 ? nullptr : values.data();
  }

  void create() {
    Slot& to = slot();
    cugad_detector_destroy(to.detector);
    to = {};
    const char* tiny =
        R"("latent": 2, "hidden": [4], "discriminator_hidden": [4], "encoder_hidden": [4], "data_branch": [4],
           "latent_branch": [4], "cycle_hidden": [4], "latent_cycle_hidden": [4], "steps": 2, "batch": 4,
           "coverage_rows": 8, "bank_rows": 8, "decay_steps": 9)";
    static const std::vector<const MethodDefinition*> methods = test::methods_of_any_table();
    const std::size_t chosen = byte() % (methods.size() + 1);
    const std::string method = chosen < methods.size() ? methods[chosen]->name : "gan,ali";
    to.is_tiny = byte() % 4 != 3;
    const std::string config =
        to.is_tiny ? std::string("{\"method\": \"") + method + "\", \"population\": 2, " + tiny + "}" : text();
    const char* json = byte() % 16 == 15 ? nullptr : config.c_str();
    if (json == nullptr) to.is_tiny = false;
    if (!done(cugad_detector_create(device(), json, &to.detector)))
      require(to.detector == nullptr, "a failed create gave a handle");
  }
  void fit() {
    Slot& to = slot();
    const Rows given = rows();
    if (!to.is_tiny && to.detector != nullptr) return;
    // As a program that was compiled with a later header has it: followed by members of a later version.
    struct {
      cugad_fit_controls known;
      unsigned char later[64];
    } all{};
    cugad_fit_controls& controls = all.known;
    controls.struct_size = one_of<std::size_t>({sizeof controls, sizeof controls, 0, 8, sizeof all});
    all.later[0] = byte() % 4 == 3;
    controls.user = this;
    controls.binary_columns = one_of<std::int32_t>({0, 1, -1, 100});
    controls.on_progress = [](const cugad_progress* progress, void* user) {
      require(progress->models > 0 && progress->telemetry != nullptr, "progress of no model");
      return static_cast<Calls*>(user)->byte() % 8 == 7 ? 1 : 0;
    };
    const std::string names[] = {text(), "b", "c", "d"};
    const char* pointers[] = {names[0].c_str(), "b", "c", byte() % 8 == 7 ? nullptr : "d"};
    if (byte() % 4 == 3) controls.column_names = pointers;
    const bool plain = byte() % 2 == 0;
    done(plain ? cugad_detector_fit(to.detector, given.x, given.rows, given.columns, given.stride)
               : cugad_detector_fit_with(to.detector, given.x, given.rows, given.columns, given.stride,
                                         byte() % 8 == 7 ? nullptr : &controls));
  }
  void score() {
    const Slot& from = slot();
    const Rows given = rows();
    std::vector<float> scores, more;
    std::vector<cugad_reason> reasons;
    const std::int64_t known = std::max<std::int64_t>(0, given.rows);
    float* to = array(scores, known);
    switch (byte() % 4) {
      case 0:
      case 1:
        scored_ |= done(cugad_detector_score(from.detector, given.x, given.rows, given.columns, given.stride, to));
        break;
      case 2:
        done(cugad_detector_score_methods(from.detector, given.x, given.rows, given.columns, given.stride, to,
                                          array(more, 2 * known)));
        break;
      default: {
        const auto count = one_of<std::int32_t>({1, 2, 9, 0, -3});
        done(cugad_detector_explain(from.detector, given.x, given.rows, given.columns, given.stride, count, to,
                                    array(reasons, count * known)));
      }
    }
  }
  void convert() {
    const auto count = one_of<std::int64_t>({3, 0, 1, -1, std::numeric_limits<std::int64_t>::min()});
    std::vector<float> scores, probabilities;
    const float* from = array(scores, count);
    float* to = array(probabilities, count);
    cugad_detector* detector = slot().detector;
    if (byte() % 2 == 0) {
      done(cugad_detector_probability(detector, from, count, one_of<std::int32_t>({0, 1, 2, -1}), to));
    } else {
      done(cugad_detector_confidence(detector, from, count, to));
    }
  }
  void sample() {
    Rows given = rows();
    std::vector<float> made(cells_.size());
    done(cugad_detector_sample(slot().detector, byte(), given.x == nullptr ? nullptr : made.data(), given.rows,
                               given.columns, given.stride));
  }
  void file() {
    const std::string path = file_with("c_api", "");
    cugad_detector* detector = slot().detector;
    if (byte() % 2 == 0) {
      done(cugad_detector_save(detector, byte() % 8 == 7 ? nullptr : path.c_str()));
    }
    Slot& to = slot();
    cugad_detector_destroy(to.detector);
    to = {};
    if (!done(cugad_detector_load(device(), path.c_str(), &to.detector)))
      require(to.detector == nullptr, "a failed load gave a handle");
    to.is_tiny = to.detector != nullptr;
    if (to.detector == nullptr || devices_[0] == nullptr) return;
    const void* bytes = nullptr;
    std::size_t size = 0;
    cugad_detector* again = nullptr;
    require(done(cugad_detector_save_to_memory(to.detector, &bytes, &size)) &&
                done(cugad_detector_load_from_memory(devices_[0], bytes, size, &again)),
            "a model that was loaded cannot be saved and loaded in memory");
    cugad_detector_destroy(again);
  }
  void share() {
    const Slot from = slot();
    cugad_detector* other = nullptr;
    if (!done(cugad_detector_share(from.detector, byte() % 16 == 15 ? nullptr : &other))) return;
    Slot& to = slot();
    cugad_detector_destroy(to.detector);
    to = {other, from.is_tiny};
  }
  void ask() {
    cugad_detector* detector = slot().detector;
    const char* given = nullptr;
    std::int32_t fitted = 0;
    std::int64_t count = 0;
    float threshold = 0;
    const std::string name = text();
    switch (byte() % 9) {
      case 0:
        return read(cugad_detector_describe(detector, &given), given);
      case 1:
        return read(cugad_detector_column_name(detector, one_of<std::int64_t>({0, 2, 3, -1}), &given), given);
      case 2:
        done(cugad_detector_is_fitted(detector, &fitted));
        return;
      case 3:
        done(cugad_detector_columns(detector, byte() % 8 == 7 ? nullptr : &count));
        return;
      case 4:
        done(cugad_detector_methods(detector, &count));
        return;
      case 5:
        done(cugad_detector_threshold(detector, &threshold));
        return;
      case 6:
        done(cugad_detector_attach(detector, name.c_str(), byte() % 8 == 7 ? nullptr : "text"));
        return;
      case 7:
        return read(cugad_detector_attachment(detector, name.c_str(), &given), given);
      default:
        done(cugad_detector_cancel(detector));
    }
  }
  void ask_device() {
    cugad_device*& one = device();
    const char* given = nullptr;
    std::int64_t bytes = 0, peak = 0;
    const std::string name = text();
    switch (byte() % 7) {
      case 0:
        cugad_device_close(one);
        one = nullptr;
        if (!done(cugad_device_open_with_threads(byte() % 4 == 3 ? name.c_str() : "cpu",
                                                 one_of<std::int32_t>({1, 2, -1, 0}), &one)))
          require(one == nullptr, "a failed open gave a handle");
        return;
      case 1:
        return read(cugad_device_name(one, &given), given);
      case 2:
        return read(cugad_device_description(one, &given), given);
      case 3:
        done(cugad_device_use_precision(one, byte() % 2 == 0 ? "fp32" : name.c_str()));
        return;
      case 4:
        done(cugad_device_memory(one, &bytes, byte() % 8 == 7 ? nullptr : &peak));
        return;
      case 5:
        done(cugad_device_synchronize(one));
        return;
      default:
        return read(byte() % 2 == 0 ? cugad_option_list(&given) : cugad_preset_list(&given), given);
    }
  }

  void one() {
    switch (byte() % 10) {
      case 0:
        return ask_device();
      case 1:
        return create();
      case 2:
        return fit();
      case 3:
      case 4:
        return score();
      case 5:
        return convert();
      case 6:
        return sample();
      case 7:
        return file();
      case 8:
        return share();
      default:
        return ask();
    }
  }

  std::string_view input_;
  cugad_device* devices_[2] = {opened(), nullptr};
  Slot detectors_[3];
  std::vector<float> cells_;
  bool scored_ = false;

  static cugad_device* opened() {
    cugad_device* device = nullptr;
    require(cugad_device_open_with_threads("cpu", 1, &device) == CUGAD_OK, "the CPU cannot be opened");
    return device;
  }
};

}  // namespace

bool c_api(std::string_view input) { return Calls(input).run(); }

}  // namespace cugad::fuzz
