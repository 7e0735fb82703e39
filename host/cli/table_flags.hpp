#pragma once

#include <memory>
#include <string>

#include "cugad/table.hpp"
#include "host/cli/flags.hpp"

/// The flags for reading a table, the same for every command that reads one.
namespace cugad::cli {

/// Declares --separator, --decimal, --missing, --comment, --header and --array.
void add_table_flags(FlagSet& flags);
/// Declares the argument INPUT, which the command must be given.
std::shared_ptr<std::string> add_input(CLI::App& command, const std::string& help);
/// Declares --on-error, for commands that score rows.
void add_error_flag(FlagSet& flags);

/// `kept` (of a model; empty when training), overridden by the flags. UsageError for an invalid format, or one that
/// `input` cannot have.
TableFormat table_format(const FlagSet& flags, const std::string& input, TableFormat kept = {});
/// Whether rows that cannot be read are marked; else they end the command.
bool marks_errors(const FlagSet& flags);

}  // namespace cugad::cli
