#include "gateway/playground.h"

#include <zlib.h>

#include <regex>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string HeaderOf(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string Unpacked(absl::string_view packed) {
  std::string bytes(1 << 20, '\0');
  z_stream stream = {};
  stream.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // NOLINT
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  bytes.resize(stream.total_out);
  inflateEnd(&stream);
  return bytes;
}

TEST(Playground, ThePageIsAtTheRoot) {
  const auto page = PlaygroundPage("/", "");
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page->body.rfind("<!doctype html>", 0), 0u);
  EXPECT_EQ(HeaderOf(*page, "content-encoding"), "");
}

TEST(Playground, EveryFileThatAnotherNamesIsThere) {
  const std::regex in_page(R"re("(playground/[^"]+)")re");
  const std::regex in_script(R"re(from '\./([^']+)')re");
  std::set<std::string> named;
  for (const PlaygroundFile& file : PlaygroundFiles()) {
    const std::string text(file.bytes);
    for (std::sregex_iterator it(text.begin(), text.end(), in_page), end;
         it != end; ++it) {
      named.insert("/" + it->str(1));
    }
    for (std::sregex_iterator it(text.begin(), text.end(), in_script), end;
         it != end; ++it) {
      named.insert("/playground/" + it->str(1));
    }
  }
  EXPECT_EQ(named.size() + 1, PlaygroundFiles().size());  // and the page
  for (const std::string& path : named) {
    EXPECT_TRUE(PlaygroundPage(path, "").has_value()) << path;
  }
}

TEST(Playground, FilesHaveTheTypeThatABrowserWants) {
  EXPECT_EQ(PlaygroundPage("/playground/main.js", "")->content_type,
            "text/javascript; charset=utf-8");
  EXPECT_EQ(PlaygroundPage("/playground/base.css", "")->content_type,
            "text/css; charset=utf-8");
  EXPECT_EQ(PlaygroundPage("/playground/icon.svg", "")->content_type,
            "image/svg+xml");
  const auto script = PlaygroundPage("/playground/main.js", "");
  EXPECT_EQ(HeaderOf(*script, "x-content-type-options"), "nosniff");
}

TEST(Playground, OtherPathsAreNotIts) {
  for (const char* path :
       {"", "/index.html", "/playground", "/playground/", "/playground/main",
        "/playground/../main.js", "/playground//main.js", "/v1/models"}) {
    EXPECT_FALSE(PlaygroundPage(path, "gzip").has_value()) << path;
  }
}

TEST(Playground, PackedFilesAreTheSameFiles) {
  for (const PlaygroundFile& file : PlaygroundFiles()) {
    EXPECT_EQ(Unpacked(file.packed), file.bytes) << file.name;
  }
  const auto page = PlaygroundPage("/", "gzip, deflate, br");
  EXPECT_EQ(HeaderOf(*page, "content-encoding"), "gzip");
  EXPECT_EQ(HeaderOf(*page, "vary"), "accept-encoding");
  EXPECT_EQ(Unpacked(page->body), PlaygroundPage("/", "")->body);
}

TEST(Playground, AFirstVisitTakesLessThan60Kilobytes) {
  size_t bytes = 0;
  for (const PlaygroundFile& file : PlaygroundFiles()) {
    bytes += file.packed.size();
  }
  EXPECT_LT(bytes, 60000u);
}

TEST(Playground, NoScriptButItsOwnMayRunAndNoOtherHostBeAsked) {
  const std::string policy =
      HeaderOf(*PlaygroundPage("/", ""), "content-security-policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self';"));
  EXPECT_THAT(policy, HasSubstr("connect-src 'self';"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  for (const PlaygroundFile& file : PlaygroundFiles()) {
    std::string text(file.bytes);
    // Names of the SVG language, which nobody asks for.
    text =
        std::regex_replace(text, std::regex("http://www.w3.org/2000/svg"), "");
    EXPECT_THAT(text, Not(HasSubstr("://"))) << file.name;
    EXPECT_THAT(text, Not(HasSubstr("innerHTML"))) << file.name;
  }
}

}  // namespace
}  // namespace tandem
