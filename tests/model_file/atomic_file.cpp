#include "host/model_file/atomic_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/temporary_directory.hpp"
#include "cugad/error.hpp"

namespace cugad {
namespace {

using test::read_text;
using test::TemporaryDirectory;
using test::write_text;
using Names = std::vector<std::string>;

void write_whole(const std::string& path, const std::string& contents) {
  write_file_atomically(path, [&](const auto& append) { append(contents); });
}

/// The message of the Error{input_output} that the write must give.
std::string failure_of(const std::string& path, const std::string& contents = "new") {
  try {
    write_whole(path, contents);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::input_output);
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no error for " << path;
  return {};
}

/// Makes writes past `bytes` of any file fail with EFBIG: the nearest thing to a full disk without mounting one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous_);
    rlimit limit = previous_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }

 private:
  rlimit previous_;
  void (*previous_handler_)(int);
};

/// Permissions do not bind root, so while this lives a test that runs as root acts as nobody.
class WithoutRoot {
 public:
  WithoutRoot() : is_root_(geteuid() == 0), dropped_(is_root_ && seteuid(65534) == 0) {}
  ~WithoutRoot() {
    if (dropped_ && seteuid(0) != 0) ADD_FAILURE() << "cannot become root again";
  }
  bool possible() const { return dropped_ || !is_root_; }

 private:
  bool is_root_, dropped_;
};

TEST(AtomicFile, WritesPiecesOfEverySizeInOrder) {
  const TemporaryDirectory directory;
  std::string expected;
  write_file_atomically(directory.file("a"), [&](const auto& append) {
    for (const std::size_t size : {0, 1, 100, 65535, 1, 65536, 3, 65537, 300000, 0, 7}) {
      const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
      append(piece);
      expected += piece;
    }
  });
  EXPECT_EQ(read_text(directory.file("a")), expected);
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, WritesAnEmptyFile) {
  const TemporaryDirectory directory;
  write_file_atomically(directory.file("a"), [](const auto&) {});
  EXPECT_EQ(read_text(directory.file("a")), "");
}

TEST(AtomicFile, ReplacesAnOlderFile) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "a longer old text");
  write_whole(directory.file("a"), "new");
  EXPECT_EQ(read_text(directory.file("a")), "new");
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, WorksWithoutADirectoryPart) {
  const TemporaryDirectory directory;
  const auto previous = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  EXPECT_NO_THROW(write_whole("a", "new"));
  std::filesystem::current_path(previous);
  EXPECT_EQ(read_text(directory.file("a")), "new");
}

TEST(AtomicFile, WorksWithTheLongestName) {
  const TemporaryDirectory directory;
  const std::string path = directory.file(std::string(255, 'n'));
  write_whole(path, "new");
  EXPECT_EQ(read_text(path), "new");
}

TEST(AtomicFile, PermissionsFollowTheUmaskOrTheReplacedFile) {
  const TemporaryDirectory directory;
  const auto mode_of = [](const std::string& path) {
    struct stat status;
    return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  };
  const mode_t previous = umask(027);
  write_whole(directory.file("fresh"), "new");
  write_text(directory.file("secret"), "old");
  chmod(directory.file("secret").c_str(), 0600);
  write_whole(directory.file("secret"), "new");
  umask(previous);
  EXPECT_EQ(mode_of(directory.file("fresh")), 0640u);
  EXPECT_EQ(mode_of(directory.file("secret")), 0600u);
}

TEST(AtomicFile, WritesThroughASymbolicLink) {
  const TemporaryDirectory directory;
  write_text(directory.file("real"), "old");
  std::filesystem::create_symlink("real", directory.file("link"));
  write_whole(directory.file("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory.file("link")));
  EXPECT_EQ(read_text(directory.file("real")), "new");

  std::filesystem::create_symlink("nowhere", directory.file("dangling"));
  EXPECT_NE(failure_of(directory.file("dangling")).find("symbolic link"), std::string::npos);
}

TEST(AtomicFile, OldContentsSurviveAWriterThatThrows) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "old");
  EXPECT_THROW(write_file_atomically(directory.file("a"),
                                     [](const auto& append) {
                                       append(std::string(200000, 'x'));
                                       throw std::runtime_error("the writer's own error");
                                     }),
               std::runtime_error);
  EXPECT_THROW(write_file_atomically(directory.file("a"), [](const auto&) { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_THROW(write_file_atomically(directory.file("a"), [](const auto&) { throw 7; }), int);
  EXPECT_EQ(read_text(directory.file("a")), "old");
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, OldContentsSurviveAShortWrite) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "old");
  std::string large_message, buffered_message;
  {
    const FileSizeLimit limit(4096);
    large_message = failure_of(directory.file("a"), std::string(100000, 'x'));
    buffered_message = failure_of(directory.file("a"), std::string(5000, 'x'));
  }
  for (const std::string& message : {large_message, buffered_message}) {
    EXPECT_NE(message.find(directory.file("a")), std::string::npos) << message;
    EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  }
  EXPECT_EQ(read_text(directory.file("a")), "old");
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, AFailedAppendCannotBeSwallowed) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "old");
  bool refused = false;
  try {
    write_file_atomically(directory.file("a"), [](const auto& append) {
      try {
        const FileSizeLimit limit(4096);
        append(std::string(100000, 'x'));
      } catch (const Error&) {
      }
      append("there is room again");
    });
  } catch (const Error&) {
    refused = true;
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(read_text(directory.file("a")), "old");
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, RefusesAnUnwritableDirectory) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "old");
  chmod(directory.path().c_str(), 0555);
  std::string message;
  {
    const WithoutRoot without_root;
    if (!without_root.possible()) GTEST_SKIP() << "runs as root and cannot change the user";
    message = failure_of(directory.file("a"));
  }
  chmod(directory.path().c_str(), 0755);
  EXPECT_NE(message.find("Permission denied"), std::string::npos) << message;
  EXPECT_NE(message.find(directory.file("a")), std::string::npos) << message;
  EXPECT_EQ(read_text(directory.file("a")), "old");
  EXPECT_EQ(directory.names(), Names{"a"});
}

TEST(AtomicFile, WorksInADirectoryThatCannotBeListed) {
  const TemporaryDirectory directory;
  chmod(directory.path().c_str(), 0333);
  {
    const WithoutRoot without_root;
    if (!without_root.possible()) GTEST_SKIP() << "runs as root and cannot change the user";
    EXPECT_NO_THROW(write_whole(directory.file("a"), "new"));
  }
  chmod(directory.path().c_str(), 0755);
  EXPECT_EQ(read_text(directory.file("a")), "new");
}

TEST(AtomicFile, RefusesTargetsThatAreNoRegularFiles) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.file("folder"));
  EXPECT_NE(failure_of(directory.file("folder")).find("names a directory"), std::string::npos);
  EXPECT_NE(failure_of(directory.file("folder/")).find("names a directory"), std::string::npos);
  EXPECT_NE(failure_of(directory.file("missing/")).find("names a directory"), std::string::npos);
  EXPECT_NE(failure_of(".").find("names a directory"), std::string::npos);
  // A pipe of the test's own represents devices: with a broken check, a test run as root would replace a real one.
  ASSERT_EQ(mkfifo(directory.file("pipe").c_str(), 0600), 0);
  EXPECT_NE(failure_of(directory.file("pipe")).find("expected a regular file"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_fifo(directory.file("pipe")));
  std::filesystem::create_symlink("pipe", directory.file("link to pipe"));
  EXPECT_NE(failure_of(directory.file("link to pipe")).find("expected a regular file"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_fifo(directory.file("pipe")));
  EXPECT_EQ(directory.names().size(), 3u);
}

TEST(AtomicFile, RefusesPathsThatLeadNowhere) {
  const TemporaryDirectory directory;
  write_text(directory.file("file"), "old");
  EXPECT_NE(failure_of(directory.file("missing/a")).find("No such file or directory"), std::string::npos);
  EXPECT_NE(failure_of(directory.file("file/a")).find("Not a directory"), std::string::npos);
  EXPECT_NE(failure_of(directory.file(std::string(256, 'n'))).find("File name too long"), std::string::npos);
  EXPECT_NE(failure_of("").find("empty"), std::string::npos);
  EXPECT_NE(failure_of(directory.file(std::string("a\0b", 3))).find("zero byte"), std::string::npos);
  EXPECT_EQ(directory.names(), Names{"file"});
}

/// What writing would refuse, the check refuses, and makes nothing.
TEST(AtomicFile, ACheckTellsWhatWritingWould) {
  const TemporaryDirectory directory;
  write_text(directory.file("old"), "old");
  ASSERT_EQ(mkfifo(directory.file("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", directory.file("dangling"));
  for (const std::string name : {"pipe", "dangling", "missing/a", "old/a", "."}) {
    EXPECT_THROW(check_can_be_written(directory.file(name)), Error) << name;
  }
  EXPECT_NO_THROW(check_can_be_written(directory.file("old")));
  EXPECT_NO_THROW(check_can_be_written(directory.file("new")));
  EXPECT_EQ(read_text(directory.file("old")), "old");
  EXPECT_EQ(directory.names().size(), 3u);
}

/// As in /tmp: users with write permission may still not replace files of others.
TEST(AtomicFile, RefusesAFileThatOnlyItsOwnerMayReplace) {
  const TemporaryDirectory directory;
  write_text(directory.file("a"), "old");
  chmod(directory.path().c_str(), 01777);
  const WithoutRoot without_root;
  if (geteuid() == getuid()) GTEST_SKIP() << "does not run as root and cannot act as another user";
  EXPECT_THROW(check_can_be_written(directory.file("a")), Error);
  EXPECT_NE(failure_of(directory.file("a")).find("belongs to another user"), std::string::npos);
  EXPECT_NO_THROW(check_can_be_written(directory.file("b")));
}

/// For a signal handler that ends the process.
TEST(AtomicFile, FilesUnderWayCanBeRemovedAtOnce) {
  const TemporaryDirectory directory;
  EXPECT_THROW(write_file_atomically(directory.file("a"),
                                     [&](const auto& append) {
                                       append("new");
                                       EXPECT_EQ(directory.names().size(), 1u);
                                       remove_temporary_files();
                                       EXPECT_TRUE(directory.names().empty());
                                     }),
               Error);
  write_whole(directory.file("b"), "new");
  remove_temporary_files();
  EXPECT_EQ(read_text(directory.file("b")), "new");
}

/// A process that is killed while it writes; returns the name of the file that it leaves.
std::string killed_write(const TemporaryDirectory& directory) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      write_file_atomically(directory.file("a"), [](const auto& append) {
        append(std::string(100000, 'x'));
        raise(SIGKILL);
      });
    } catch (...) {
    }
    _exit(1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  const Names names = directory.names();
  return names.size() == 1 ? names.front() : "";
}

TEST(AtomicFile, TheNextWriteRemovesWhatAKilledOneLeft) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(killed_write(directory).ends_with(".tmp"));
  write_whole(directory.file("b"), "new");
  EXPECT_EQ(directory.names(), Names{"b"});
}

/// The lock tells, not the number of the process: in a container every run may have the same.
TEST(AtomicFile, FilesOfWritersThatLiveStay) {
  const TemporaryDirectory directory;
  write_file_atomically(directory.file("a"), [&](const auto& append) {
    append("new");
    remove_abandoned_files(directory.path());
    remove_abandoned_files(directory.path(), std::chrono::seconds(0));
    EXPECT_EQ(directory.names().size(), 1u);
  });
  EXPECT_EQ(read_text(directory.file("a")), "new");
}

/// Locks of other machines may not be seen, so age tells there.
TEST(AtomicFile, FilesOfOtherSystemsStayForADay) {
  const TemporaryDirectory directory;
  const std::string own = killed_write(directory), other = ".cugad-0" + own.substr(7);
  std::filesystem::rename(directory.file(own), directory.file(other));
  remove_abandoned_files(directory.path());
  EXPECT_EQ(directory.names(), Names{other});
  const auto now = std::filesystem::file_time_type::clock::now();
  std::filesystem::last_write_time(directory.file(other), now + std::chrono::hours(1));  // its clock may differ
  remove_abandoned_files(directory.path());
  EXPECT_EQ(directory.names(), Names{other});
  std::filesystem::last_write_time(directory.file(other), now - std::chrono::hours(25));
  remove_abandoned_files(directory.path());
  EXPECT_TRUE(directory.names().empty());
  write_text(directory.file(other), "left");
  remove_abandoned_files(directory.path(), std::chrono::seconds(0));
  EXPECT_TRUE(directory.names().empty());
}

TEST(AtomicFile, FilesOfOtherNamesStay) {
  const TemporaryDirectory directory;
  const Names others = {".cugad-notes.tmp", ".cugad-1-2", "cugad-1-2.tmp", ".cugad-1-2.tmp.gz"};
  for (const std::string& name : others) write_text(directory.file(name), "mine");
  std::filesystem::create_directory(directory.file(".cugad-1-2.tmp"));
  std::filesystem::create_symlink(".cugad-notes.tmp", directory.file(".cugad-3-4.tmp"));
  remove_abandoned_files(directory.path(), std::chrono::seconds(0));
  EXPECT_EQ(directory.names().size(), others.size() + 2);
}

TEST(AtomicFile, WritersOfOneTargetDoNotMix) {
  const TemporaryDirectory directory;
  std::vector<std::thread> writers;
  for (char letter = 'a'; letter < 'e'; ++letter)
    writers.emplace_back([&directory, letter] {
      for (int round = 0; round < 10; ++round) write_whole(directory.file("a"), std::string(100000, letter));
    });
  for (std::thread& writer : writers) writer.join();
  const std::string contents = read_text(directory.file("a"));
  EXPECT_EQ(contents, std::string(100000, contents.at(0)));
  EXPECT_EQ(directory.names(), Names{"a"});
}

}  // namespace
}  // namespace cugad
