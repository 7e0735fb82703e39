#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

/// What the fuzzers call: one function per kind of input. The same functions run over the kept inputs in the usual
/// tests.
namespace cugad::fuzz {

struct Target {
  const char* name;  ///< of the fuzzer, and of its folders in corpus/ and regressions/
  /// Whether the input was accepted. Refusals by cugad::Error are fine; any other exception, and any report of a
  /// sanitizer, is a defect.
  bool (*run)(std::string_view input);
};

bool csv(std::string_view input);
bool npy(std::string_view input);
bool npz(std::string_view input);
bool idx(std::string_view input);
bool png(std::string_view input);
bool jpeg(std::string_view input);
bool config(std::string_view input);
bool options(std::string_view input);
bool training_log(std::string_view input);
bool safetensors(std::string_view input);
bool model(std::string_view input);
bool checkpoint(std::string_view input);
bool c_api(std::string_view input);

inline constexpr Target targets[] = {{"csv", csv},
                                     {"npy", npy},
                                     {"npz", npz},
                                     {"idx", idx},
                                     {"png", png},
                                     {"jpeg", jpeg},
                                     {"config", config},
                                     {"options", options},
                                     {"training_log", training_log},
                                     {"safetensors", safetensors},
                                     {"model", model},
                                     {"checkpoint", checkpoint},
                                     {"c_api", c_api}};

/// What must hold for every input.
inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error("fuzzing: " + what);
}

/// Errors are one line of text, for any input.
inline void check_message(const std::string& message) {
  require(message.find('\n') == std::string::npos, "an error of several lines: " + message);
  require(message.size() < 5000, "an error of " + std::to_string(message.size()) + " bytes");
}

/// The path of a file that holds the input, in a directory that is removed at the end of the process. On a file system
/// in memory (TMPDIR=/dev/shm) this costs little.
std::string file_with(std::string_view name, std::string_view input);

}  // namespace cugad::fuzz
