#include "host/fleet/part_file.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/model_reader.hpp"
#include "host/fleet/checkpoint.hpp"

namespace cugad {
namespace {

constexpr const char* format_name = "cugad part";
constexpr int format_version = 2;
constexpr std::int64_t most_shards = 65536;

std::string text_of(const Shard& shard) { return std::to_string(shard.number) + "/" + std::to_string(shard.count); }

/// Of everything that a training is given but its options.
std::string fingerprint_of(const ShardedTraining& training) {
  Fingerprint fingerprint;
  fingerprint.add(training.rows);
  fingerprint.add(static_cast<std::uint64_t>(training.columns.binary));
  for (const std::string& name : training.columns.names) fingerprint.add(name);
  for (const std::string& group : training.groups) fingerprint.add(group);
  fingerprint.add(static_cast<std::uint64_t>(training.fleet_options.minimum_rows));
  fingerprint.add(static_cast<std::uint64_t>(training.fleet_options.pooled_rows));
  fingerprint.add(static_cast<std::uint64_t>(training.fleet_options.group_seed));
  for (const auto& [name, text] : training.attachments) {
    fingerprint.add(name);
    fingerprint.add(text);
  }
  return fingerprint.text();
}

/// What tells a part of this training from those of others.
std::map<std::string, std::string> metadata_of(const Device& device, const ShardedTraining& training,
                                               const Shard& shard) {
  return {{"format", format_name},
          {"part.format", format_name},
          {"part.format_version", std::to_string(format_version)},
          {"part.library_version", CUGAD_VERSION},
          {"part.kind", training.groups.empty() ? "detector" : "fleet"},
          {"part.shard", text_of(shard)},
          {"part.options", options_to_json(training.options)},
          {"part.precision", name_of(device.precision())},
          {"part.data", fingerprint_of(training)}};
}

PartFile read_part(const std::string& path) {
  PartFile part{.path = path, .file = safetensors::read(path), .shard = {}, .is_fleet = false};
  const auto format = part.file.metadata.find("part.format");
  if (format == part.file.metadata.end() || format->second != format_name) {
    part.refuse("it is no part of a training: cugad train --shard writes those");
  }
  if (part.text("part.format_version") != std::to_string(format_version)) {
    part.refuse("its format version is '" + part.text("part.format_version") + "', expected " +
                std::to_string(format_version));
  }
  try {
    part.shard = shard_from(part.text("part.shard"));
  } catch (const Error& error) {
    part.refuse(error.what());
  }
  part.is_fleet = part.text("part.kind") == "fleet";
  return part;
}

/// Names the first difference between the options of two parts.
[[noreturn]] void refuse_other_options(const PartFile& part, const PartFile& first) {
  const auto options_of = [](const PartFile& one) {
    try {
      return options_from_json(one.text("part.options"), DetectorOptions{});
    } catch (const Error& error) {
      one.refuse("its options: " + std::string(error.what()));
    }
  };
  const DetectorOptions here = options_of(part), there = options_of(first);
  for (const OptionInfo& option : option_list()) {
    const std::string a = get_option(here, option.name), b = get_option(there, option.name);
    if (a == b) continue;
    throw Error(ErrorCode::invalid_argument, part.path + ": trained with " + option.name + " = " + one_line(a, 200) +
                                                 ", " + first.path + " with " + one_line(b, 200) +
                                                 ": parts of different trainings");
  }
  throw Error(ErrorCode::invalid_argument,
              part.path + ": trained with other options than " + first.path + ": parts of different trainings");
}

void check_together(const PartFile& part, const PartFile& first) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, part.path + ": " + what + ": parts of different trainings");
  };
  const auto differs = [&](const char* key) { return part.text(key) != first.text(key); };
  if (part.shard.count != first.shard.count) {
    refuse("it is shard " + text_of(part.shard) + ", and " + first.path + " is shard " + text_of(first.shard));
  }
  if (differs("part.library_version")) {
    refuse("version " + one_line(part.text("part.library_version")) + " wrote it, and version " +
           one_line(first.text("part.library_version")) + " wrote " + first.path);
  }
  if (differs("part.kind")) refuse("it is of a " + one_line(part.text("part.kind")) + ", " + first.path + " is not");
  if (differs("part.options")) refuse_other_options(part, first);
  if (differs("part.precision")) {
    refuse("trained with precision = " + one_line(part.text("part.precision")) + ", " + first.path + " with " +
           one_line(first.text("part.precision")));
  }
  if (differs("part.data")) {
    refuse("made from other training rows, columns, labels or groups than " + first.path);
  }
}

/// The device that gives the same bits: avx512bf16 has other instructions for them (docs/architecture.md).
std::string bits_of(std::string device) {
  const std::string set = "avx512";
  if (device.ends_with(set + "bf16")) device.erase(device.size() - 4);
  return device;
}

}  // namespace

void PartFile::refuse(const std::string& what) const {
  throw Error(ErrorCode::format, path + ": " + one_line(what, 1000));
}

const std::string& PartFile::text(const std::string& key) const {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) refuse("no '" + key + "' in its metadata: the part is damaged");
  return found->second;
}

Shard shard_from(std::string_view text) {
  Shard shard;
  const auto number = [&](std::string_view digits, std::int64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const std::size_t slash = text.find('/');
  const bool is_read = slash != std::string_view::npos && number(text.substr(0, slash), shard.number) &&
                       number(text.substr(slash + 1), shard.count);
  if (is_read && shard.count >= 1 && shard.count <= most_shards && shard.number >= 1 && shard.number <= shard.count) {
    return shard;
  }
  throw Error(ErrorCode::invalid_argument, "the shard is '" + one_line(std::string(text), 40) +
                                               "', expected I/N with I from 1 to N and N at most " +
                                               std::to_string(most_shards) + ", as 2/4");
}

bool is_part(const std::string& path) {
  const auto metadata = safetensors::read_metadata(path);
  const auto format = metadata.find("part.format");
  return format != metadata.end() && format->second == format_name;
}

bool is_part_of(const std::string& path, const Device& device, const ShardedTraining& training, const Shard& shard) {
  const auto metadata = safetensors::read_metadata(path), expected = metadata_of(device, training, shard);
  return std::all_of(expected.begin(), expected.end(), [&](const auto& entry) {
    const auto found = metadata.find(entry.first);
    return found != metadata.end() && found->second == entry.second;
  });
}

void mark_as_part(safetensors::File& file, const Device& device, const ShardedTraining& training, const Shard& shard) {
  auto& metadata = file.metadata;
  for (const auto& [key, text] : metadata_of(device, training, shard)) metadata[key] = text;
  metadata["part.device"] = device.description();
}

std::vector<PartFile> read_parts(std::span<const std::string> paths, const FitControl& control) {
  if (paths.empty())
    throw Error(ErrorCode::invalid_argument, "there is no part to merge, expected those of all shards");
  std::vector<PartFile> parts;
  for (const std::string& path : paths) {
    parts.push_back(read_part(path));
    check_together(parts.back(), parts.front());
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const PartFile& a, const PartFile& b) { return a.shard.number < b.shard.number; });
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].shard.number != parts[i - 1].shard.number) continue;
    throw Error(ErrorCode::invalid_argument, parts[i - 1].path + " and " + parts[i].path + " are both shard " +
                                                 text_of(parts[i].shard) + ", expected each once");
  }
  const std::int64_t count = parts.front().shard.count;
  std::string missing;
  std::size_t next = 0;
  constexpr int most_named = 8;
  int named = 0;
  for (std::int64_t number = 1; number <= count; ++number) {
    if (next < parts.size() && parts[next].shard.number == number) {
      ++next;
    } else if (++named <= most_named) {
      missing += (missing.empty() ? "" : ", ") + text_of({number, count});
    }
  }
  if (named > most_named) missing += " and " + std::to_string(named - most_named) + " more";
  if (named > 0) {
    throw Error(ErrorCode::invalid_argument,
                "of " + std::to_string(count) + " shards " + missing + (named == 1 ? " is" : " are") + " missing");
  }
  for (const PartFile& part : parts) {
    const std::string &here = part.text("part.device"), &there = parts.front().text("part.device");
    if (bits_of(here) == bits_of(there) || !control.on_message) continue;
    control.on_message(part.path + " was trained on " + one_line(here) + ", " + parts.front().path + " on " +
                       one_line(there) + ": one process on either need not give the same bits");
  }
  return parts;
}

}  // namespace cugad
