#include "host/cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

constexpr double terminal_interval = 0.1;  // seconds
constexpr double plain_interval = 5.0;
constexpr std::size_t narrowest_bar = 4, widest_bar = 24;

bool can_redraw() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

std::size_t terminal_width() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

/// A bar that fills the terminal's width beside the text `beside`.
std::string bar(double share, const std::string& beside) {
  const std::size_t taken = beside.size() + 3;  // brackets, and the last column stays free
  const std::size_t left = std::max(terminal_width(), taken) - taken;
  const std::size_t width = std::clamp(left, narrowest_bar, widest_bar);
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  return fmt::format("[{:<{}}]", std::string(filled, '='), width);
}

struct MeanLosses {
  double discriminator = 0, generator = 0;
};

MeanLosses mean_losses(const FitProgress& progress) {
  MeanLosses mean;
  for (const ModelTelemetry& model : progress.models) {
    mean.discriminator += model.discriminator_loss;
    mean.generator += model.generator_loss;
  }
  const double count = std::max<double>(1, static_cast<double>(progress.models.size()));
  return {mean.discriminator / count, mean.generator / count};
}

}  // namespace

StatusLine::StatusLine(bool quiet) : quiet_(quiet), terminal_(can_redraw()) {}

bool StatusLine::due() const {
  if (quiet_) return false;
  // The first plain line also waits: short work needs no progress.
  if (!terminal_) return clock_.seconds() - last_ >= plain_interval;
  return !shown_once_ || clock_.seconds() - last_ >= terminal_interval;
}

void StatusLine::show(const std::string& text) {
  if (quiet_) return;
  last_ = clock_.seconds();
  shown_once_ = true;
  if (!terminal_) {
    print_note(text);
    return;
  }
  fmt::print(stderr, "\r\033[K{}", text.substr(0, terminal_width() - 1));
  std::fflush(stderr);
  visible_ = true;
}

void StatusLine::clear() {
  if (!visible_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

void FitStatus::update(const FitProgress& progress) {
  const double now = clock_.seconds();
  if (first_step_ < 0) {
    first_step_ = progress.step;
    first_seconds_ = now;
  }
  if (!line_.due()) return;
  const double elapsed = now - first_seconds_;
  const double rate = elapsed > 0 ? static_cast<double>(progress.step - first_step_) / elapsed : 0;
  const std::string speed = rate > 0 ? fmt::format("{:.0f} steps/s", rate) : "- steps/s";
  const std::string left = rate > 0 ? clock_time(static_cast<double>(progress.steps - progress.step) / rate) : "-";
  const MeanLosses losses = mean_losses(progress);
  const double share =
      progress.steps > 0 ? static_cast<double>(progress.step) / static_cast<double>(progress.steps) : 1;
  if (line_.is_terminal()) {
    const std::string beside =
        fmt::format(" {:3.0f}%  {}/{}  {}  D {:.3f}  G {:.3f}  ETA {}", 100 * share, progress.step, progress.steps,
                    speed, losses.discriminator, losses.generator, left);
    line_.show(title_ + bar(share, title_ + beside) + beside);
  } else {
    line_.show(fmt::format("{}step {} of {}, {}, D loss {:.3f}, G loss {:.3f}, ETA {}", title_, progress.step,
                           progress.steps, speed, losses.discriminator, losses.generator, left));
  }
}

void FitStatus::message(const std::string& text) {
  if (quiet_) return;
  line_.clear();
  print_note(fmt::format("cugad: {}{}", title_, one_line(text)));
}

void RowStatus::update(std::int64_t rows, std::int64_t total) {
  if (!line_.due()) return;
  const double seconds = clock_.seconds();
  const double rate = seconds > 0 ? static_cast<double>(rows) / seconds : 0;
  std::string text = fmt::format("{}: {}", title_, grouped(rows));
  if (total > 0) text += fmt::format(" of {}", grouped(total));
  text += fmt::format(", {} rows/s", grouped(static_cast<std::int64_t>(rate)));
  if (total > 0 && rate > 0) text += fmt::format(", ETA {}", clock_time(static_cast<double>(total - rows) / rate));
  line_.show(text);
}

}  // namespace cugad::cli
