#include "host/table/telemetry.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/rng.hpp"
#include "cugad/table.hpp"
#include "host/floating_point.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/table/group_order.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// The random numbers of one row (or of one machine): each is drawn by its own number.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint32_t lane, std::int64_t row) : seed_(seed), lane_(lane), row_(row) {}

  double uniform(std::uint32_t number) const { return (block(number)[0] + 0.5) / 4294967296.0; }
  /// Nearly normal: the scaled sum of eight 16-bit numbers, the same on every machine.
  double normal(std::uint32_t number) const {
    std::int64_t sum = 0;
    for (const std::uint32_t word : block(number)) sum += (word & 0xffff) + (word >> 16);
    constexpr double mean = 8 * 32767.5, deviation = 53510.8;  // sqrt(8 / 12) * 65536
    return (static_cast<double>(sum) - mean) / deviation;
  }

 private:
  std::array<std::uint32_t, 4> block(std::uint32_t number) const {
    const auto row = static_cast<std::uint64_t>(row_);
    const std::uint32_t purpose = static_cast<std::uint32_t>(RandomPurpose::synthesis) + 256 * lane_;
    return philox4x32_10({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32), number, purpose},
                         seed_);
  }

  std::uint64_t seed_;
  std::uint32_t lane_;
  std::int64_t row_;
};

/// Lanes of RandomPurpose::synthesis; "row" is the row of the file, or the number of the machine.
constexpr std::uint32_t row_lane = 0, machine_lane = 1, size_lane = 2;

struct Service {
  const char* name;
  double share, log_bytes_in, log_answer, latency;
};
constexpr std::array<Service, 4> services = {{{"web", 0.45, 8.0, 1.6, 12},
                                              {"database", 0.25, 9.0, 0.4, 6},
                                              {"cache", 0.20, 7.0, 0.2, 1.5},
                                              {"batch", 0.10, 11.0, -1.5, 160}}};

/// A machine's parameters, and the latent state that correlates its columns. The machines of a fleet differ in their
/// usual values, in units and in rhythm: a value that never occurs on one of them is usual on another.
struct Machine {
  double base_load = 0.4, swing = 0.18, phase = 0, ambient = 24, log_scale = 0, slowness = 1, preference = 0;
  double period = 288, inertia = 0.3, memory = 0.25, memory_gain = 0.45, heat_gain = 45, fan = 900, fan_gain = 3200;
  double log_answer = 0, error_rate = 0.002;
  double activity = 0, heat = 0.4;

  Machine() = default;
  Machine(std::uint64_t seed, std::int64_t number) {
    const Draws draw(seed, machine_lane, number);
    base_load = 0.15 + 0.5 * draw.uniform(0);
    swing = 0.04 + 0.2 * draw.uniform(1);
    phase = draw.uniform(2);
    ambient = 14 + 20 * draw.uniform(3);
    log_scale = 2.0 * draw.normal(4);
    slowness = portable_exp(1.2 * draw.normal(5));
    preference = draw.uniform(6);
    period = 96 * portable_exp(1.8 * draw.uniform(7));  // from a third of a day to two days
    inertia = 0.1 + 0.5 * draw.uniform(8);
    memory = 0.1 + 0.4 * draw.uniform(9);
    memory_gain = 0.6 * draw.uniform(10) - 0.15;
    heat_gain = 20 + 50 * draw.uniform(11);
    fan = 600 + 1600 * draw.uniform(12);
    fan_gain = 1200 + 3600 * draw.uniform(13);
    log_answer = 1.2 * draw.normal(14);
    error_rate = 0.002 * portable_exp(1.0 * draw.normal(15));
    heat = base_load;
  }
};

struct Sample {
  const char* service = "";
  const char* state = "";
  const char* label = "normal";
  double load = 0, memory = 0, temperature = 0, fan = 0, bytes_in = 0, bytes_out = 0, latency = 0, error_rate = 0;
};

/// A day of 288 samples, from -1 to 1: two parabolas in place of a sine.
double daily_cycle(double time) {
  const double place = time - std::floor(time);
  const double half = place < 0.5 ? place : place - 0.5;
  const double arch = 16 * half * (0.5 - half);
  return place < 0.5 ? arch : -arch;
}

const Service& choose_service(const Machine& machine, double uniform) {
  // Half of the requests follow the general shares, half the machine's own preference.
  double rest = uniform < 0.5 ? 2 * uniform : machine.preference;
  for (const Service& service : services) {
    if (rest < service.share) return service;
    rest -= service.share;
  }
  return services.back();
}

double temperature_at(const Machine& machine, double heat) { return machine.ambient + 8 + machine.heat_gain * heat; }
double fan_at(const Machine& machine, double heat) { return machine.fan + machine.fan_gain * heat; }

Sample normal_sample(Machine& machine, std::int64_t time, const Draws& draw) {
  machine.activity = 0.95 * machine.activity + 0.3 * draw.normal(0);
  const double cycle = daily_cycle(static_cast<double>(time) / machine.period + machine.phase);
  Sample sample;
  sample.load = std::clamp(machine.base_load + machine.swing * cycle + 0.1 * machine.activity + 0.02 * draw.normal(1),
                           0.01, 0.99);
  machine.heat += machine.inertia * (sample.load - machine.heat);  // heat follows load with a delay

  const Service& service = choose_service(machine, draw.uniform(2));
  sample.service = service.name;
  const double judged = sample.load + 0.02 * draw.normal(3);
  sample.state = judged < 0.2 ? "idle" : judged > 0.65 ? "busy" : "active";
  sample.memory = std::clamp(
      machine.memory + machine.memory_gain * sample.load + 0.05 * machine.activity + 0.02 * draw.normal(4), 0.02, 0.98);
  sample.temperature = temperature_at(machine, machine.heat) + 0.7 * draw.normal(5);
  sample.fan = fan_at(machine, machine.heat) + 40 * draw.normal(6);
  const double burst = draw.uniform(7) < 0.04 ? 2.5 * draw.uniform(8) : 0;
  const double log_in = service.log_bytes_in + machine.log_scale + 2.2 * sample.load + 0.6 * draw.normal(9) + burst;
  sample.bytes_in = portable_exp(log_in);
  sample.bytes_out = portable_exp(log_in + service.log_answer + machine.log_answer + 0.25 * draw.normal(10));
  const double queue = 1 + sample.load * sample.load / (1.1 - sample.load);
  sample.latency = service.latency * machine.slowness * queue * portable_exp(0.2 * draw.normal(11));
  sample.error_rate =
      machine.error_rate * portable_exp(0.4 * draw.normal(12)) + 0.05 * std::max(0.0, sample.load - 0.8);
  return sample;
}

/// Makes the sample one of seven kinds of anomaly. The last three leave every column in its usual range and break only
/// the correlations.
void make_anomalous(Sample& sample, const Machine& machine, const Draws& draw) {
  const double strength = draw.uniform(14);
  switch (static_cast<int>(7 * draw.uniform(13))) {
    case 0:
      sample.label = "overload";
      sample.load = 0.94 + 0.059 * strength;
      sample.state = "busy";
      sample.latency *= 4 + 6 * strength;
      sample.error_rate = 0.05 + 0.15 * strength;
      break;
    case 1:
      sample.label = "fan_failure";
      sample.fan = 150 + 300 * strength;
      sample.temperature += 9 + 12 * strength;
      break;
    case 2:
      sample.label = "exfiltration";
      sample.bytes_out *= 15 + 60 * strength;
      break;
    case 3:
      sample.label = "silent_failure";
      sample.bytes_in *= 0.01 + 0.02 * strength;
      sample.bytes_out *= 0.001 + 0.002 * strength;
      sample.error_rate = 0;
      break;
    case 4:
      sample.label = "slow_storage";
      sample.latency *= 3 + 2 * strength;
      break;
    case 5: {
      sample.label = "sensor_mismatch";  // the temperature of a machine under quite another load
      const double wrong_heat = machine.heat < 0.5 ? machine.heat + 0.35 : machine.heat - 0.35;
      sample.temperature = temperature_at(machine, wrong_heat) + 0.7 * draw.normal(15);
      break;
    }
    default:
      sample.label = "wrong_state";
      sample.state = sample.load > 0.4 ? "idle" : "busy";
  }
}

/// Writes bytes, compressed as gzip on request.
class Output {
 public:
  using Append = std::function<void(std::string_view)>;

  Output(const Append& append, bool compressed) : append_(append), compressed_(compressed) {
    constexpr int gzip_with_largest_window = 15 + 16, memory_level = 8;
    if (compressed_ &&
        deflateInit2(&stream_, 6, Z_DEFLATED, gzip_with_largest_window, memory_level, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw Error(ErrorCode::out_of_memory, "no memory to compress a table");
    }
  }
  ~Output() {
    if (compressed_) deflateEnd(&stream_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text, bool last = false) {
    if (!compressed_) return append_(text);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib only reads it
    stream_.avail_in = static_cast<uInt>(text.size());
    std::array<char, 1 << 16> buffer;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream_.avail_out = buffer.size();
      deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      append_({buffer.data(), buffer.size() - stream_.avail_out});
    } while (stream_.avail_out == 0);
  }

 private:
  const Append& append_;
  bool compressed_;
  z_stream stream_{};
};

}  // namespace

void write_telemetry(const std::function<void(std::string_view)>& append, bool compressed, std::int64_t rows,
                     std::uint64_t seed, std::int64_t groups, bool uneven) {
  if (rows < 1)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} rows were asked for, expected at least 1", rows));
  if (groups < 1 || groups > rows) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} groups were asked for, expected 1 to {} (one row each)", groups, rows));
  }
  std::vector<Machine> machines;
  for (std::int64_t g = 0; g < groups; ++g) machines.push_back(groups == 1 ? Machine() : Machine(seed, g));
  const bool fleet = groups > 1;
  const std::size_t digits = std::max<std::size_t>(fleet ? 4 : 1, std::to_string(groups - 1).size());
  std::vector<double> place;  // decides sizes
  for (std::int64_t g = 0; uneven && g < groups; ++g) place.push_back(Draws(seed, size_lane, g).uniform(0));
  GroupOrder order = uneven ? GroupOrder::uneven(rows, place) : GroupOrder::even(groups);

  Output output(append, compressed);
  std::string text = fleet ? "group" : "machine";
  text += ",service,state,load,memory,temperature,fan_speed,bytes_in,bytes_out,latency_ms,error_rate,label\n";
  for (std::int64_t r = 0; r < rows; ++r) {
    const Draws draw(seed, row_lane, r);
    const auto [group, time] = order.next();
    Machine& machine = machines[static_cast<std::size_t>(group)];
    Sample sample = normal_sample(machine, time, draw);
    constexpr double anomaly_share = 0.03;
    if (draw.uniform(16) < anomaly_share) make_anomalous(sample, machine, draw);
    fmt::format_to(std::back_inserter(text),
                   "{}{:0{}},{},{},{:.3f},{:.3f},{:.1f},{:.0f},{:.0f},{:.0f},{:.2f},{:.5f},{}\n",
                   fleet ? "machine-" : "m", group, digits, sample.service, sample.state, sample.load, sample.memory,
                   sample.temperature, sample.fan, sample.bytes_in, sample.bytes_out, sample.latency, sample.error_rate,
                   sample.label);
    if (text.size() > (1 << 16)) {
      output.write(text);
      text.clear();
    }
  }
  output.write(text, true);
}

void synthesize_telemetry(const std::string& path, std::int64_t rows, std::uint64_t seed, std::int64_t groups,
                          bool uneven) {
  const FloatingPointEnvironment environment;
  write_file_atomically(path, [&](const std::function<void(std::string_view)>& append) {
    write_telemetry(append, path.ends_with(".gz"), rows, seed, groups, uneven);
  });
}

}  // namespace cugad
