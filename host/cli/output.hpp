#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Results: on standard output, or in a file that appears whole or not at all.
namespace cugad::cli {

using Append = std::function<void(std::string_view)>;

/// Opens /dev/null for standard input, output and error if they are closed: otherwise the next file opened would get
/// their descriptors, and messages would be written into it. To be called first.
void open_standard_descriptors();

/// Writes to standard output; throws Error{input_output} when it is full or was closed by its reader.
void print(std::string_view text);
/// Hands all that print() took to the system; the same errors.
void flush_output();
/// Writes a message as a line on standard error.
void print_note(std::string_view line);

/// Calls `write` with a function that appends to the file at `path`, or to standard output if `path` is empty.
void write_result(const std::string& path, const std::function<void(const Append&)>& write);

/// The beginning of a little-endian float32 npy file; `shape` as "12," or "28, 28".
std::string npy_header(const std::string& shape);

/// Throws Error{input_output} unless a file can be made at `path`: better before an hour of work than after it.
void check_writable(const std::string& path);

/// UsageError if `output`, the value of `flag`, is a file that the command also reads or writes as `others`. Empty
/// names are ignored.
void check_no_other_file(const std::string& flag, const std::string& output, std::span<const std::string> others);

/// UsageError if a name has the ending of another kind of file than csv; `more`: further such endings.
void check_csv_name(const std::string& output, std::initializer_list<std::string_view> more = {});

/// Lines of a name and its value, both to the left; control characters escaped.
std::string named_values(std::vector<std::vector<std::string>> lines);
/// An aligned table: the first column to the left, the others to the right. An empty row is a rule.
std::string aligned_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace cugad::cli
