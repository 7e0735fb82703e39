#pragma once

#include <string>
#include <string_view>

namespace cugad {

/// A text from a file as a page may show it: valid UTF-8 of at most `longest` code points, in which control characters,
/// marks that change the direction of writing and invisible ones are written out ("\u202e"), and bytes that are not
/// UTF-8 as "\xff".
std::string shown_text(std::string_view text, std::size_t longest = 120);

/// The same in the text of an HTML element.
std::string html_text(std::string_view text);

}  // namespace cugad
