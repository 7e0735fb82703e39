#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "cugad/report.hpp"
#include "cugad/table.hpp"
#include "faults/allocation_faults.hpp"
#include "tests/common/device.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Each allocation of a piece of work fails in turn: the work throws or copes, leaks nothing, leaves files whole, and
/// gives the same bits when repeated.
namespace cugad::test {
namespace {

constexpr const char* old_text = "the old file, which is no model";

DetectorOptions tiny_options(Method method = Method::anogan) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {4};
  options.data_branch = options.latent_branch = options.cycle_hidden = options.latent_cycle_hidden = {4};
  options.latent = 2;
  options.steps = 2;
  options.batch = options.coverage_rows = options.bank_rows = 8;
  options.neighbours = 2;
  return options;
}

const Matrix& few_rows() {
  static const Matrix rows = normal_rows(24, 5, 3);
  return rows;
}

std::string text_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// The parameter: every so manyth allocation fails. The name of a test ends in Each or in Some for that.
class OutOfMemory : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!can_fail_allocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
  }

  /// `work` returns its whole result. `prepare` comes before each run, `inspect` after each. The failures happen in a
  /// process of their own, which none of them may end.
  void check(
      const std::string& name, const std::function<std::string()>& work, const std::function<void()>& prepare = [] {},
      const std::function<bool()>& inspect = [] { return true; }) {
    prepare();
    const std::string expected = work();
    ASSERT_FALSE(expected.empty());
    prepare();
    ASSERT_EQ(work(), expected);  // caches are filled now
    prepare();
    const std::int64_t first = allocations();
    work();
    const std::int64_t count = allocations() - first;
    ASSERT_GT(count, 0);
    Progress* const progress = static_cast<Progress*>(
        mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(progress, MAP_FAILED);
    *progress = {};
    std::fflush(nullptr);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (progress->nth = 1; progress->nth <= count; progress->nth += GetParam()) {
        prepare();
        const int ending = fail_once(name, progress->nth, work, expected, inspect);
        if (ending == wrong) _exit(wrong);
        ++(ending == reported ? progress->reported : progress->done_without);
      }
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << name << ": allocation " << progress->nth << " failed, and the process ended with "
        << (WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    std::printf("%s: %lld of %lld allocations failed, %d reported, %d done without\n", name.c_str(),
                static_cast<long long>((count + GetParam() - 1) / GetParam()), static_cast<long long>(count),
                progress->reported, progress->done_without);
  }

 private:
  /// Shared with the process in which allocations fail.
  struct Progress {
    std::int64_t nth = 0;
    int reported = 0, done_without = 0;
  };
  static constexpr int reported = 0, done_without = 1, wrong = 2;

  /// How it ended.
  static int fail_once(const std::string& name, std::int64_t nth, const std::function<std::string()>& work,
                       const std::string& expected, const std::function<bool()>& inspect) {
    const auto refuse = [&](const std::string& what) {
      std::fprintf(stderr, "%s: allocation %lld failed: %s\n", name.c_str(), static_cast<long long>(nth), what.c_str());
      return wrong;
    };
    const std::int64_t live = live_allocations();
    int ending = reported;
    try {
      fail_allocation(nth);
      const std::string result = work();
      fail_allocation(0);
      ending = done_without;
      if (result != expected) return refuse("other bits, without an error");
    } catch (const std::bad_alloc&) {
      fail_allocation(0);
    } catch (const Error& error) {
      fail_allocation(0);
      if (error.code() != ErrorCode::out_of_memory) return refuse(error.what());
    } catch (const std::exception& error) {
      fail_allocation(0);
      return refuse(error.what());
    }
    if (live_allocations() != live) return refuse(std::to_string(live_allocations() - live) + " others leaked");
    if (!inspect()) return refuse("the file is not whole");
    if (work() != expected) return refuse("other bits when it was done again");
    return ending;
  }

 protected:
  Device device_ = test_device();
};

TEST_P(OutOfMemory, Fit) {
  for (const Method method : {Method::anogan, Method::alad, Method::fanogan}) {
    check("fit " + get_option(tiny_options(method), "method"), [&] {
      Detector detector(device_, tiny_options(method));
      detector.fit(few_rows().view());
      return text_of(detector.score(few_rows().view()));
    });
  }
}

TEST_P(OutOfMemory, Score) {
  for (const ScoreRule rule : {ScoreRule::bank, ScoreRule::search}) {
    DetectorOptions options = rule == ScoreRule::bank ? tiny_options() : search_options(SearchStart::bank);
    options.bank_rows = 8;
    options.steps = 2;
    Detector detector(device_, options);
    detector.fit(few_rows().view());
    check(rule == ScoreRule::bank ? "score by bank" : "score by search", [&] {
      std::vector<Explanation> reasons;
      std::string result = text_of(detector.score(few_rows().view()));
      result += text_of(detector.explain(few_rows().view(), 2, reasons));
      for (const Explanation& reason : reasons) result += text_of(reason.residual);
      result += text_of(detector.probability(std::vector<float>{0.5f, 2.0f}, Probability::rank));
      return result + text_of(detector.confidence(std::vector<float>{0.5f, 2.0f}));
    });
  }
}

TEST_P(OutOfMemory, Sample) {
  Detector detector(device_, tiny_options());
  detector.fit(few_rows().view());
  check("sample", [&] {
    std::vector<float> rows(static_cast<std::size_t>(5 * detector.columns()));
    detector.sample(5, 7, rows);
    return text_of(rows);
  });
}

TEST_P(OutOfMemory, Report) {
  Detector detector(device_, tiny_options());
  detector.fit(few_rows().view());
  const std::vector<std::int8_t> labels = [&] {
    std::vector<std::int8_t> alternating(static_cast<std::size_t>(few_rows().rows));
    for (std::size_t r = 0; r < alternating.size(); r += 2) alternating[r] = 1;
    return alternating;
  }();
  check("report", [&] {
    cugad::Report page(detector.share(), {.top = 2});
    page.add(few_rows(), {.labels = labels});
    return page.html();
  });
}

TEST_P(OutOfMemory, SaveAndLoad) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("model"), other = directory.file("other");
  Detector detector(device_, tiny_options());
  detector.fit(few_rows().view());
  detector.attach("note", "some text");
  detector.save(other);
  const std::string whole = read_text(other);
  check(
      "save",
      [&] {
        detector.save(path);
        return std::string("saved");
      },
      [&] { write_text(path, old_text); },
      [&] {
        const std::string found = read_text(path);
        return (found == old_text || found == whole) && directory.names().size() == 2;  // no temporary one
      });
  check("load", [&] { return text_of(Detector::load(device_, other).score(few_rows().view())); });
}

TEST_P(OutOfMemory, Checkpoint) {
  const TemporaryDirectory directory;
  const auto fit = [&](std::int64_t steps) {
    DetectorOptions options = tiny_options();
    options.steps = steps;
    Detector detector(device_, options);
    FitControl control;
    control.checkpoint_directory = directory.file("kept");
    control.resume = true;
    detector.fit(few_rows().view(), control);
    return text_of(detector.score(few_rows().view()));
  };
  fit(2);
  const std::string kept = read_text(directory.file("kept/checkpoint.safetensors"));
  check(
      "resume from a checkpoint", [&] { return fit(4); },
      [&] { write_text(directory.file("kept/checkpoint.safetensors"), kept); });
}

TEST_P(OutOfMemory, Fleet) {
  const TemporaryDirectory directory;
  std::vector<std::string> groups;
  for (int r = 0; r < 24; ++r) groups.push_back(r < 4 ? "small" : r % 2 == 0 ? "a" : "b");
  check("fleet", [&] {
    Fleet fleet(device_, tiny_options(), {.minimum_rows = 8});
    fleet.fit(few_rows().view(), groups);
    fleet.save(directory.file("fleet"));
    return text_of(Fleet::load(device_, directory.file("fleet")).score(few_rows().view(), groups));
  });
}

TEST_P(OutOfMemory, Tables) {
  const TemporaryDirectory directory;
  for (const char* name : {"table.csv", "table.csv.gz"}) {
    const std::string path = directory.file(name);
    check(name, [&] {
      synthesize_telemetry(path, 30, 3);
      const Table table = read_table(path);
      TableEncoder encoder;
      encoder.fit(table, {});
      return text_of(encoder.encode(table).data) + encoder.to_json();
    });
  }
}

/// A failed call returns its status, and succeeds when it is repeated on the same handles.
TEST_P(OutOfMemory, CInterface) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("model"), config = options_to_json(tiny_options());
  cugad_device* device = nullptr;
  ASSERT_EQ(cugad_device_open_with_threads("cpu", 1, &device), CUGAD_OK);
  std::string expected;
  check("C interface: create, fit, save, load, score", [&] {
    cugad_detector *fitted = nullptr, *loaded = nullptr;
    bool reported = false, failed = false;
    const auto call = [&](const auto& function) {
      if (failed) return;
      cugad_status status = function();
      if (status == CUGAD_ERROR_OUT_OF_MEMORY) {
        reported = true;
        status = function();
      }
      failed = status != CUGAD_OK;
    };
    const float* const x = few_rows().data.data();
    const std::int64_t rows = few_rows().rows, columns = few_rows().columns;
    float scores[2][24] = {};
    call([&] { return cugad_detector_create(device, config.c_str(), &fitted); });
    call([&] { return cugad_detector_fit(fitted, x, rows, columns, columns); });
    call([&] { return cugad_detector_score(fitted, x, rows, columns, columns, scores[0]); });
    call([&] { return cugad_detector_save(fitted, path.c_str()); });
    call([&] { return cugad_detector_load(device, path.c_str(), &loaded); });
    call([&] { return cugad_detector_score(loaded, x, rows, columns, columns, scores[1]); });
    cugad_detector_destroy(fitted);
    cugad_detector_destroy(loaded);
    if (failed) throw std::runtime_error(cugad_last_error());
    const std::string result(reinterpret_cast<const char*>(scores), sizeof scores);
    if (expected.empty()) expected = result;
    if (reported && result != expected) throw std::runtime_error("other bits when the call was made again");
    if (reported) throw std::bad_alloc();
    return result;
  });
  cugad_device_close(device);
}

std::string each_or_some(const testing::TestParamInfo<int>& info) { return info.param == 1 ? "Each" : "Some"; }
INSTANTIATE_TEST_SUITE_P(Failures, OutOfMemory, testing::Values(1, 97), each_or_some);

}  // namespace
}  // namespace cugad::test
