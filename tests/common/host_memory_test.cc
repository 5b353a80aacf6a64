#include "common/host_memory.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace tandem {
namespace {

class HostMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "host_memory_" +
            testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
    std::filesystem::remove_all(root_);
    Write(
        "proc/meminfo",
        "MemTotal:       2000 kB\nMemFree:  10 kB\nMemAvailable:   1000 kB\n");
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root_;
};

TEST_F(HostMemoryTest, IsWhatTheKernelSaysIsAvailable) {
  EXPECT_EQ(AvailableHostMemory(root_), 1000 * 1024);
}

TEST_F(HostMemoryTest, IsWhatTheControlGroupLeavesWhereThatIsLess) {
  Write("sys/fs/cgroup/memory.max", "600000\n");
  Write("sys/fs/cgroup/memory.current", "200000\n");
  EXPECT_EQ(AvailableHostMemory(root_), 400000);
}

TEST_F(HostMemoryTest, AControlGroupWithoutLimitChangesNothing) {
  Write("sys/fs/cgroup/memory.max", "max\n");
  Write("sys/fs/cgroup/memory.current", "200000\n");
  EXPECT_EQ(AvailableHostMemory(root_), 1000 * 1024);
}

TEST_F(HostMemoryTest, IsZeroWhereNobodySays) {
  EXPECT_EQ(AvailableHostMemory(root_ + "nowhere/"), 0);
}

}  // namespace
}  // namespace tandem
