#pragma once

// How the sources of metrics make their series; no part of what callers see.

#include <string>

#include "common/metrics.h"
#include "prometheus/family.h"

namespace tandem::metrics {

using Labels = prometheus::Labels;
using Buckets = prometheus::Histogram::BucketBoundaries;

// One series. The family is made at first use and shared after that.
inline prometheus::Counter& Counter(Metrics& metrics, const std::string& name,
                                    const std::string& help,
                                    const Labels& labels = {}) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(metrics.registry())
      .Add(labels);
}
inline prometheus::Gauge& Gauge(Metrics& metrics, const std::string& name,
                                const std::string& help,
                                const Labels& labels = {}) {
  return prometheus::BuildGauge()
      .Name(name)
      .Help(help)
      .Register(metrics.registry())
      .Add(labels);
}
inline prometheus::Histogram& Histogram(Metrics& metrics,
                                        const std::string& name,
                                        const std::string& help,
                                        const Buckets& buckets,
                                        const Labels& labels = {}) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(metrics.registry())
      .Add(labels, buckets);
}

// Calls `use` with every value of a closed label set.
template <class Label, class Use>
void ForEach(Use use) {
  for (size_t i = 0; i < kNumLabels<Label>; ++i) use(static_cast<Label>(i));
}

template <class Label>
std::string Text(Label label) {
  return std::string(LabelOf(label));
}

}  // namespace tandem::metrics
