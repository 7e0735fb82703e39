#pragma once

#include "cugad/table.hpp"
#include "host/cli/flags.hpp"

/// The flags that say how a table is read, the same for every command that reads one.
namespace cugad::cli {

/// Declares --separator, --decimal, --missing, --comment, --header and --array.
void add_table_flags(FlagSet& flags);
/// Declares --on-error, for commands that score rows.
void add_error_flag(FlagSet& flags);

/// The format `kept` (of a model; empty when training) with the flags' values in its place. UsageError for values that
/// are no format, or not one of `input`.
TableFormat table_format(const FlagSet& flags, const std::string& input, TableFormat kept = {});
/// Whether rows that cannot be read are marked; else they end the command.
bool marks_errors(const FlagSet& flags);

}  // namespace cugad::cli
