#pragma once

#include <atomic>

/// Ctrl-C (SIGINT), SIGTERM, a terminal that closes (SIGHUP), a limit of processor time (SIGXCPU): the command ends
/// with exit code 130.
namespace cugad::cli {

/// Exit code of a command that was interrupted.
inline constexpr int interrupted_exit_code = 130;

/// Outside of a CancelScope a signal ends the process at once, with a line. A signal that the parent process ignores
/// (nohup, a job of a script) stays ignored. A pipe closed by its reader and a file that may not grow further (ulimit
/// -f) become write errors.
void install_signal_handlers();

/// While one lives, the first signal only raises cancel_flag(), so that work can end tidily; a second SIGINT or SIGTERM
/// ends the process at once, without its temporary files.
class CancelScope {
 public:
  CancelScope();
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
};

const std::atomic<bool>& cancel_flag();
/// Raises it without a signal.
void cancel();
/// An empty folder that goes when a signal ends the process at once; null for none. Its name must stay until then.
void remove_when_stopped(const char* folder);
/// Throws Error{cancelled} when a signal arrived.
void stop_if_cancelled();

}  // namespace cugad::cli
