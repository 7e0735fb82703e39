// A scoring filter: csv rows on standard input, one score per line on standard output, for a model of `cugad train`.
//
//   tail -f sensors.csv | stream MODEL.safetensors [BATCH]
//
// Memory is bounded: one batch of rows (256 by default) is read, scored and written before the next is read. That is
// also the back-pressure: while the scores are not read, write() waits, nothing is read, and the writer of the rows
// waits in turn. When the reader of the scores closes the pipe, the filter ends quietly, as `head` expects. A small
// batch has less latency, a large one more throughput; the scores are the same to the bit.

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cugad/cugad.hpp>
#include <string>

namespace {

int run(const std::string& model, std::int64_t batch) {
  cugad::Detector detector = cugad::Detector::load(cugad::Device::open("auto"), model);
  const std::string* encoder_text = detector.attachment("encoder");
  if (encoder_text == nullptr) {
    throw cugad::Error(cugad::ErrorCode::format, model + ": holds no table encoder, expected a file of `cugad train`");
  }
  cugad::TableEncoder encoder = cugad::TableEncoder::from_json(*encoder_text);
  const auto reader = cugad::open_table("-", encoder.read_options());

  cugad::Table chunk;
  std::string lines;
  while (reader->read(chunk, batch)) {
    const cugad::Matrix rows = encoder.encode(chunk);
    lines.clear();
    for (const float score : detector.score(rows.view())) {
      char text[32];
      lines.append(text, std::to_chars(text, text + sizeof text, score).ptr);
      lines += '\n';
    }
    // Flushed with every batch: the next program in the pipe shall not wait for a full buffer.
    if (std::fwrite(lines.data(), 1, lines.size(), stdout) != lines.size() || std::fflush(stdout) != 0) {
      if (errno == EPIPE) return 0;
      throw cugad::Error(cugad::ErrorCode::input_output, "standard output cannot be written");
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::int64_t batch = count > 2 ? std::atoll(arguments[2]) : 256;
  if (count < 2 || count > 3 || batch < 1) {
    std::fprintf(stderr, "usage: stream MODEL [BATCH]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe becomes an error of fwrite
  try {
    return run(arguments[1], batch);
  } catch (const cugad::Error& error) {
    std::fprintf(stderr, "stream: %s\n", error.what());
    return 1;
  }
}
