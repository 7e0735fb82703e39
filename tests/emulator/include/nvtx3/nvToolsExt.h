#pragma once

/// Named ranges: emulator::calls() counts them under "range NAME".
extern "C" {
int nvtxRangePushA(const char* name);
int nvtxRangePop();
}
