#include "host/cli/watched_fit.hpp"

#include <fmt/format.h>

#include <limits>
#include <new>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/training_log.hpp"
#include "host/detector/checkpoint_files.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/training/checkpoint.hpp"

namespace cugad::cli {

namespace fs = std::filesystem;

CheckpointFolder::CheckpointFolder(const FlagSet& flags, const std::string& output)
    : path_(flags.given("checkpoint") ? flags.required_text("checkpoint") : output + ".checkpoint"),
      is_asked_for_(flags.given("checkpoint")) {
  for (const char* flag : {"output", "log"}) {
    const std::string& file = flags.text(flag);
    if (!file.empty() && is_checkpoint(path_, file)) {
      throw UsageError(fmt::format("--{} {} would overwrite the checkpoint in {}", flag, file, path_));
    }
  }
  lock();
  const bool is_resumed = flags.boolean("resume"), is_empty = checkpoint_files(path_).empty();
  if (is_resumed && is_empty) {
    if (!is_asked_for_) {
      throw UsageError(fmt::format("--resume: there is no checkpoint in {}; name its folder with --checkpoint", path_));
    }
    print_note(fmt::format("cugad: note: there is no checkpoint in {}: the training begins anew", path_));
  }
  if (is_resumed && !is_empty && (shards_in(path_) > 0) != flags.given("distributed")) {
    throw UsageError(fmt::format("--resume: {} holds the checkpoint of a training with{} --distributed mpi", path_,
                                 flags.given("distributed") ? "out" : ""));
  }
  if (!is_resumed && !is_empty) {
    if (is_asked_for_) {
      throw UsageError(
          fmt::format("--checkpoint {}: it holds the checkpoint of another training; --resume continues that, or name "
                      "another folder",
                      path_));
    }
    print_note(
        fmt::format("cugad: note: {} holds the checkpoint of a training that was stopped, which --resume continues; "
                    "this one begins anew",
                    path_));
    const std::string usual = path_;
    for (int number = 1; !checkpoint_files(path_).empty(); ++number) {
      path_ = fmt::format("{}.{}", usual, number);
      lock();
    }
    resume_flags_ = fmt::format("--checkpoint {} --resume", path_);
  }
  try {
    check_writable_folder();
  } catch (const Error& error) {
    if (is_asked_for_) throw;
    print_note(
        fmt::format("cugad: warning: a training that is stopped will be lost: {}; --checkpoint names another folder",
                    error.what()));
  }
}

void CheckpointFolder::lock() {
  lock_.emplace(path_);
  if (!lock_->is_refused()) return;
  throw UsageError(is_asked_for_
                       ? fmt::format("--checkpoint {}: another training uses it, name another folder", path_)
                       : fmt::format("{}: another training uses it; name another folder with --checkpoint, or another "
                                     "--output",
                                     path_));
}

void CheckpointFolder::check_writable_folder() const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) {
    throw Error(ErrorCode::input_output,
                fmt::format("cannot create the checkpoint directory '{}': {}", path_, error.message()));
  }
  check_can_be_written((fs::path(path_) / Checkpoint::file_name).string());
}

void CheckpointFolder::remove() {
  if (!is_asked_for_) remove_checkpoint_files(path_, checkpoint_files(path_));
  lock_.reset();
}

WatchedFit::WatchedFit(const FlagSet& flags, const std::string& output) : flags_(flags), folder_(flags, output) {}

std::int64_t WatchedFit::run(const std::function<void(const FitControl&)>& fit, const std::function<void()>& save) {
  std::unique_ptr<TrainingLog> log;
  if (flags_.given("log")) log = std::make_unique<TrainingLog>(flags_.required_text("log"), flags_.boolean("resume"));
  FitStatus status(flags_.boolean("quiet"));
  FitProgress last;
  bool has_begun = false;
  std::string log_failure;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) {
    last = progress;
    has_begun = true;
    status.update(progress);
    try {
      if (log) log->write(progress);
    } catch (const Error& error) {
      log_failure = error.what();
      log.reset();
      cancel();  // so that the training is stopped with a checkpoint
    }
  };
  control.on_message = [&](const std::string& text) { status.message(text); };
  control.cancel = &cancel_flag();
  control.checkpoint_directory = folder_.path();
  if (!folder_.is_asked_for()) control.checkpoint_every = std::numeric_limits<std::int64_t>::max();
  control.resume = flags_.boolean("resume");
  const auto where = [&] {
    return !has_begun || checkpoint_files(folder_.path()).empty()
               ? std::string()
               : fmt::format("; the checkpoint is in {}, and the same command with {} goes on from there",
                             folder_.path(), folder_.resume_flags());
  };
  try {
    fit(control);
    has_begun = true;  // all of it may have been done before
    status.clear();
    save();
  } catch (const Error& error) {
    status.clear();
    const bool is_cancelled = error.code() == ErrorCode::cancelled;
    const bool is_damaged = error.code() == ErrorCode::format && flags_.boolean("resume") && !has_begun;
    const std::string text =
        is_cancelled ? fmt::format("{}; the same command with {} continues it", error.what(), folder_.resume_flags())
        : is_damaged ? fmt::format("{}; once this file is removed, what it holds is trained anew", error.what())
                     : error.what() + where();
    if (!log_failure.empty()) throw Error(ErrorCode::input_output, fmt::format("{}; {}", log_failure, text));
    throw Error(error.code(), text);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "out of memory" + where());
  }
  folder_.remove();
  if (!log_failure.empty()) {
    throw Error(ErrorCode::input_output, fmt::format("{}; the model is written all the same", log_failure));
  }
  return last.step;
}

}  // namespace cugad::cli
