#pragma once

namespace cugad::cli {

/// From now on neither print() nor print_note() writes anything: another process speaks for this one.
void mute();
/// May be called by a signal handler.
bool is_muted();

}  // namespace cugad::cli
