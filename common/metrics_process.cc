#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/metrics.h"
#include "common/metrics_families.h"
#include "common/version.h"
#include "prometheus/text_serializer.h"

namespace tandem {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

double NumberAt(const std::vector<std::string>& fields, size_t index) {
  double value = 0;
  if (index < fields.size() && !absl::SimpleAtod(fields[index], &value))
    value = 0;
  return value;
}

// Fields of /proc/self/stat from the third on (proc(5) counts from one); the
// second, the program's name, may hold anything up to the last parenthesis.
std::vector<std::string> StatFields() {
  const std::string stat = ReadFile("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
}

double BootTimeSeconds() {
  for (absl::string_view line : absl::StrSplit(ReadFile("/proc/stat"), '\n')) {
    double seconds;
    if (absl::ConsumePrefix(&line, "btime ") &&
        absl::SimpleAtod(line, &seconds))
      return seconds;
  }
  return 0;
}

double OpenFileDescriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

struct Metrics::Process {
  explicit Process(Metrics& m)
      : resident_bytes(metrics::Gauge(m, "process_resident_memory_bytes",
                                      "Resident memory.")),
        virtual_bytes(metrics::Gauge(m, "process_virtual_memory_bytes",
                                     "Virtual memory.")),
        cpu_seconds(metrics::Counter(m, "process_cpu_seconds_total",
                                     "User and system CPU time.")),
        open_fds(
            metrics::Gauge(m, "process_open_fds", "Open file descriptors.")),
        max_fds(metrics::Gauge(m, "process_max_fds",
                               "Most file descriptors that may be open.")),
        start_time(
            metrics::Gauge(m, "process_start_time_seconds",
                           "When the process started, in seconds since 1970.")),
        ready(metrics::Gauge(m, "tandem_ready", "1 while calls are taken.")) {}

  void Update(const Health& health, Metrics& m) {
    const std::vector<std::string> stat = StatFields();
    const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    const double cpu = (NumberAt(stat, 11) + NumberAt(stat, 12)) / ticks;
    if (cpu > cpu_seconds.Value())
      cpu_seconds.Increment(cpu - cpu_seconds.Value());
    start_time.Set(BootTimeSeconds() + NumberAt(stat, 19) / ticks);
    virtual_bytes.Set(NumberAt(stat, 20));
    resident_bytes.Set(NumberAt(stat, 21) *
                       static_cast<double>(sysconf(_SC_PAGESIZE)));
    open_fds.Set(OpenFileDescriptors());
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
      max_fds.Set(static_cast<double>(limit.rlim_cur));
    ready.Set(health.Get().ready ? 1 : 0);
    for (const Health::Heartbeat& beat : health.Heartbeats()) {
      metrics::Gauge(m, "tandem_engine_heartbeat_age_seconds",
                     "Time since an engine with work last moved.",
                     {{"engine", beat.engine}})
          .Set(absl::ToDoubleSeconds(beat.age));
    }
  }

  prometheus::Gauge& resident_bytes;
  prometheus::Gauge& virtual_bytes;
  prometheus::Counter& cpu_seconds;
  prometheus::Gauge& open_fds;
  prometheus::Gauge& max_fds;
  prometheus::Gauge& start_time;
  prometheus::Gauge& ready;
};

Metrics::Metrics(const BuildInfo& build, const Health& health)
    : health_(health), process_(std::make_unique<Process>(*this)) {
  metrics::Gauge(*this, "tandem_build_info",
                 "What this program was built from and computes with.",
                 {{"version", Version()},
                  {"commit", Commit()},
                  {"backend", build.backend},
                  {"torch", build.torch},
                  {"cpu_level", build.cpu_level}})
      .Set(1);
  for (const char* role : {"server", "client"}) {
    metrics::Gauge(*this, "tandem_tls_certificate_expiry_timestamp_seconds",
                   "When a certificate in use expires; 0 where none is.",
                   {{"role", role}});
  }
}

Metrics::~Metrics() = default;

std::string Metrics::Text() {
  {
    absl::MutexLock lock(&mutex_);
    process_->Update(health_, *this);
  }
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace tandem
