#include "common/device_executor.h"

#include "common/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(DeviceExecutorTest, IsSeenByOperatorsWhileItLives) {
  RealClock clock;
  Health health;
  Metrics metrics({}, health);
  GrpcMetrics grpc_metrics(metrics);
  const ServiceFrame frame = {.clock = clock,
                              .health = health,
                              .metrics = metrics,
                              .grpc_metrics = grpc_metrics};
  {
    DeviceExecutor device(frame, "vision", "cpu");
    ASSERT_THAT(health.Heartbeats(), SizeIs(1));
    EXPECT_EQ(health.Heartbeats()[0].engine, "vision");
    bool ran = false;
    ASSERT_TRUE(device.executor().Run([&] { ran = true; }).ok());
    EXPECT_TRUE(ran);
  }
  EXPECT_THAT(health.Heartbeats(), IsEmpty());
  const std::string text = metrics.Text();
  EXPECT_THAT(
      text,
      HasSubstr(
          "\ntandem_device_info{name=\"cpu\",uuid=\"\",vendor=\"none\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ntandem_device_memory_bytes{device=\"cpu\","));
  EXPECT_THAT(text, HasSubstr("\ntandem_model_load_seconds 0\n"));
}

}  // namespace
}  // namespace tandem
