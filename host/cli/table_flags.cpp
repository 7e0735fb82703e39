#include "host/cli/table_flags.hpp"

#include <fmt/format.h>

#include <cctype>
#include <map>

#include "host/cli/command.hpp"
#include "host/cli/labels.hpp"
#include "host/cli/text.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

char separator(const std::string& text) {
  const std::map<std::string, char> words = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"\\t", '\t'},
                                             {"pipe", '|'},  {"blank", ' '},     {"space", ' '}};
  const auto word = words.find(text);
  if (word != words.end()) return word->second;
  const bool is_one_letter = text.size() == 1 && static_cast<unsigned char>(text[0]) < 0x80;
  const bool may_separate = is_one_letter && text.find_first_of("\"\r\n.-+") == std::string::npos &&
                            std::isalnum(static_cast<unsigned char>(text[0])) == 0;
  if (may_separate) return text[0];
  throw UsageError(
      fmt::format("--separator must be one character such as ; or | or one of the words comma, semicolon, tab, pipe, "
                  "blank, not '{}'",
                  one_line(text)));
}

char decimal(const std::string& text) {
  if (text == "." || text == "point") return '.';
  if (text == "," || text == "comma") return ',';
  throw UsageError(fmt::format("--decimal must be . or , not '{}'", one_line(text)));
}

TableFormat::Header header(const std::string& text) {
  if (text == "yes" || text == "true") return TableFormat::Header::yes;
  if (text == "no" || text == "false") return TableFormat::Header::no;
  if (text == "auto") return TableFormat::Header::automatic;
  throw UsageError(fmt::format("--header must be yes, no or auto, not '{}'", one_line(text)));
}

}  // namespace

std::shared_ptr<std::string> add_input(CLI::App& command, const std::string& help) {
  auto input = std::make_shared<std::string>();
  command.add_option("input", *input, help)->type_name("INPUT")->required();
  return input;
}

void add_table_flags(FlagSet& flags) {
  flags.add_text("separator", "S", "csv: the separator of cells: a character, tab or blank [detected]");
  flags.add_text("decimal", ".|,", "csv: the decimal point; the other may group digits [detected in each column]");
  flags.add_text("missing", "WORD,...", "csv: cells without a value, besides NA, null, ? and the like");
  flags.add_text("comment", "TEXT", "csv: skip lines that begin so [# where the first line does]");
  flags.add_text("header", "yes|no|auto", "csv: whether the first line names the columns [auto]");
  flags.add_text("array", "NAME", "npz: the array of the rows [X, or the only one]");
}

void add_error_flag(FlagSet& flags) {
  flags.add_text("on_error", "fail|mark",
                 "A row that cannot be read: end, or go on and leave it without a score [fail]");
}

TableFormat table_format(const FlagSet& flags, const std::string& input, TableFormat kept) {
  if (flags.given("separator")) kept.separator = separator(flags.text("separator"));
  if (flags.given("decimal")) {
    kept.decimal = decimal(flags.text("decimal"));
    for (auto& [name, format] : kept.columns) format.decimal = kept.decimal;
  }
  if (flags.given("missing")) kept.missing = split_list(flags.text("missing"));
  if (flags.given("comment")) kept.comment = flags.required_text("comment");
  if (flags.given("header")) kept.header = header(flags.text("header"));
  if (flags.given("array")) {
    if (!is_npz(input)) throw UsageError(fmt::format("--array is for npz files, which {} is not", one_line(input)));
    kept.array = flags.required_text("array");
  }
  if (kept.decimal != 0 && kept.decimal == kept.separator) {
    throw UsageError(fmt::format("--decimal and --separator are both '{}'", kept.decimal));
  }
  return kept;
}

bool marks_errors(const FlagSet& flags) {
  if (!flags.given("on_error")) return false;
  const std::string& policy = flags.text("on_error");
  if (policy != "fail" && policy != "mark") {
    throw UsageError(fmt::format("--on-error must be fail or mark, not '{}'", one_line(policy)));
  }
  return policy == "mark";
}

}  // namespace cugad::cli
