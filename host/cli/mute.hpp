#pragma once

namespace cugad::cli {

/// From now on neither print() nor print_note() writes anything: another process speaks for this one.
void mute();

}  // namespace cugad::cli
