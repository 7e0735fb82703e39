#include "host/cli/signals.hpp"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "cugad/error.hpp"
#include "host/cli/mute.hpp"
#include "host/model_file/atomic_file.hpp"

namespace cugad::cli {
namespace {

std::atomic<bool> cancel_requested{false};
std::atomic<int> open_scopes{0};
std::atomic<const char*> new_folder{nullptr};
bool is_terminal = false;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
                  std::atomic<const char*>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

void write_line(std::string_view line) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

extern "C" void on_signal(int number) {
  if (open_scopes.load() > 0) {
    const bool is_first = !cancel_requested.exchange(true);
    if (is_first) close(STDIN_FILENO);  // a read that waits for standard input fails now, instead of waiting on
    // One closing terminal sends SIGHUP several times, and past a limit of processor time SIGXCPU comes every second.
    if (is_first || number == SIGHUP || number == SIGXCPU) return;
  } else if (!is_muted()) {
    std::string_view line = "\r\033[Kcugad: stopped\n";  // instead of a status line
    if (!is_terminal) line.remove_prefix(4);
    write_line(line);
  }
  remove_temporary_files();
  if (const char* folder = new_folder.load()) rmdir(folder);
  _exit(interrupted_exit_code);
}

/// A page of a mapped file is not there any more.
extern "C" void on_bus_error(int) {
  write_line(
      "cugad: stopped: a file in use (of --out-of-core, or the model) was made shorter by another program, or cannot "
      "be read\n");
  remove_temporary_files();
  _exit(1);
}

}  // namespace

void install_signal_handlers() {
  is_terminal = isatty(STDERR_FILENO) != 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: see on_signal
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
    struct sigaction earlier = {};
    const bool is_ignored = sigaction(number, nullptr, &earlier) == 0 && earlier.sa_handler == SIG_IGN;
    if (!is_ignored) sigaction(number, &action, nullptr);
  }
  std::signal(SIGBUS, on_bus_error);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

CancelScope::CancelScope() { ++open_scopes; }
CancelScope::~CancelScope() { --open_scopes; }

const std::atomic<bool>& cancel_flag() { return cancel_requested; }
void cancel() { cancel_requested.store(true); }

void remove_when_stopped(const char* folder) { new_folder.store(folder); }

void stop_if_cancelled() {
  if (cancel_requested.load()) throw Error(ErrorCode::cancelled, "stopped");
}

}  // namespace cugad::cli
