#include "tests/bench/http_streams/stream_load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/http_streams/chat_request.h"
#include "tests/bench/http_streams/sse_reader.h"

namespace tandem {
namespace {

double ResidentBytes(int pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/statm"));
  double size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds(int pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  // Behind the program's name: the state, ten other fields, user and system.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Stream {
  int fd = -1;
  SseReader reader;
  int num_events = 0;  // with a token
  absl::Duration first;
  bool in_order = true;
  bool finished = false;  // finish_reason was there
  bool has_done = false;
};

class Load {
 public:
  explicit Load(const StreamLoadOptions& options)
      : options_(options), streams_(options.num_streams) {}
  ~Load() {
    for (Stream& stream : streams_) CloseStream(stream);
    if (epoll_ >= 0) close(epoll_);
  }

  absl::Status Open() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (Stream& stream : streams_) {
      stream.fd = Connect(options_.address);
      if (stream.fd < 0) {
        return absl::FailedPreconditionError(
            absl::StrCat("cannot connect to ", options_.address));
      }
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &stream}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.fd, &event);
    }
    return absl::OkStatus();
  }

  StreamLoadResult Run() {
    result_.rss_before = ResidentBytes(options_.gateway_pid);
    const double cpu = CpuSeconds(options_.gateway_pid);
    begin_ = MonotonicNow();
    const std::string request =
        ChatRequestBytes(options_.address, options_.num_tokens);
    // What cannot be sent is noticed where the answer is read.
    for (Stream& stream : streams_) SendAll(stream.fd, request);
    num_unfinished_ = options_.num_streams;
    while (num_unfinished_ > 0) Turn();
    result_.seconds = absl::ToDoubleSeconds(MonotonicNow() - begin_);
    result_.cpu_seconds = CpuSeconds(options_.gateway_pid) - cpu;
    std::sort(result_.late.begin(), result_.late.end());
    std::sort(result_.first_event.begin(), result_.first_event.end());
    return std::move(result_);
  }

 private:
  void Turn() {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(epoll_, events.data(), events.size(), 1000);
    for (int i = 0; i < count; ++i) {
      Read(*static_cast<Stream*>(events[i].data.ptr));
    }
    const absl::Duration now = MonotonicNow();
    if (now < next_look_) return;
    next_look_ = now + absl::Seconds(1);
    result_.rss_most =
        std::max(result_.rss_most, ResidentBytes(options_.gateway_pid));
  }

  void Read(Stream& stream) {
    std::array<char, 16 * 1024> bytes;
    const ssize_t size = recv(stream.fd, bytes.data(), bytes.size(), 0);
    if (size <= 0) return End(stream);
    const absl::Duration now = MonotonicNow();
    stream.reader.Take(
        {bytes.data(), static_cast<size_t>(size)},
        [&](absl::string_view data) { OnEvent(stream, data, now); });
    if (stream.reader.done()) End(stream);
  }

  void OnEvent(Stream& stream, absl::string_view data, absl::Duration now) {
    if (data == "[DONE]") {
      stream.has_done = true;
      return;
    }
    const int number = stream.num_events++;
    stream.in_order &=
        !stream.finished &&
        absl::StrContains(data, absl::StrCat("\"content\":\"", number, " \""));
    stream.finished = absl::StrContains(data, "\"finish_reason\":\"length\"");
    if (number == 0) {
      stream.first = now;
      result_.first_event.push_back(absl::ToDoubleMilliseconds(now - begin_));
      result_.most_open = std::max(result_.most_open, ++num_open_);
      return;
    }
    const absl::Duration due =
        stream.first + number * absl::Seconds(1 / options_.per_second);
    result_.late.push_back(absl::ToDoubleMilliseconds(now - due));
  }

  void End(Stream& stream) {
    const SseReader& reader = stream.reader;
    if (stream.num_events > 0) --num_open_;
    if (reader.status() == 0) {
      ++result_.closed;
    } else if (reader.status() == 429 && reader.done()) {
      ++result_.refused;
      result_.refused_delayed +=
          absl::StrContains(reader.head(), "\r\nretry-after-ms: ") ? 1 : 0;
    } else if (reader.status() == 200 && reader.done() && stream.in_order &&
               stream.finished && stream.has_done &&
               stream.num_events == options_.num_tokens) {
      ++result_.complete;
    } else {
      if (++result_.wrong == 1) result_.wrong_head = reader.head();
    }
    CloseStream(stream);
    --num_unfinished_;
  }

  static void CloseStream(Stream& stream) {
    if (stream.fd >= 0) close(stream.fd);
    stream.fd = -1;
  }

  const StreamLoadOptions options_;
  std::vector<Stream> streams_;
  int epoll_ = -1;
  int num_unfinished_ = 0, num_open_ = 0;
  absl::Duration begin_, next_look_;
  StreamLoadResult result_;
};

}  // namespace

absl::StatusOr<StreamLoadResult> RunStreamLoad(
    const StreamLoadOptions& options) {
  Load load(options);
  if (absl::Status status = load.Open(); !status.ok()) return status;
  return load.Run();
}

}  // namespace tandem
