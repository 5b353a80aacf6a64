#include "common/options.h"

#include <map>
#include <string>
#include <vector>

#include "common/config_file.h"
#include "common/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A program with one option of each kind.
class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    line_.Group("Model");
    line_.Add("model", "DIR", &model_, "Folder with the weights.").Required();
    line_.Add("dtype", "auto|float32|bfloat16", &dtype_,
              "Type of the weights.");
    line_.Add("max-tiles", "1..40", &max_tiles_, "Most tiles of an image.");
    line_.Add("temperature", "0..2", &temperature_, "Of sampling.");
    line_.Group("Serving");
    line_.Add("listen", "HOST:PORT", &listen_, "Where to listen.");
    line_.Add("drain", "TIME", &drain_, "For calls in flight.");
    line_.Add("reflection", "on|off", &reflection_, "gRPC reflection.");
    line_.Add("seed", "1..", &seed_, "A number.");
    line_.AddFlag("json", &json_, "One object.");
    line_.AddTargets("vision", &vision_, "Vision services.");
    line_.AddList("image", "FILE", &images_, "Pictures.");
    line_.AddList("size", "N", &sizes_, "Numbers.");
    line_.Example("tandem-x --model /models/a");
  }

  absl::Status Parse(std::vector<std::string> arguments) {
    if (model_given_) arguments.insert(arguments.begin(), {"--model", "m"});
    const auto outcome =
        line_.Parse(arguments, [this](const char* name) -> const char* {
          const auto found = environment_.find(name);
          return found == environment_.end() ? nullptr : found->second.c_str();
        });
    if (outcome.ok()) text_ = outcome->text;
    return outcome.status();
  }
  std::string Message(std::vector<std::string> arguments) {
    return std::string(Parse(std::move(arguments)).message());
  }
  std::string WriteFile(const std::string& text) {
    return directory_.Write("options.toml", text);
  }

  TempDirectory directory_;
  CommandLine line_{"tandem-x", "Does things."};
  bool model_given_ = true;
  std::map<std::string, std::string> environment_;
  std::string text_;

  std::string model_, dtype_ = "auto";
  int max_tiles_ = 12;
  std::optional<double> temperature_;
  HostPort listen_{"127.0.0.1", 50051};
  absl::Duration drain_ = absl::Seconds(120);
  bool reflection_ = true, json_ = false;
  uint64_t seed_ = 1;
  std::vector<std::string> vision_, images_;
  std::vector<int> sizes_;
};

TEST_F(OptionsTest, LeavesDefaultsAlone) {
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(max_tiles_, 12);
  EXPECT_EQ(temperature_, std::nullopt);
  EXPECT_EQ(listen_.ToString(), "127.0.0.1:50051");
}

TEST_F(OptionsTest, ReadsEveryKindOfValue) {
  const absl::Status status = Parse({"--dtype=float32",
                                     "--max-tiles",
                                     "40",
                                     "--temperature",
                                     "0.5",
                                     "--listen",
                                     "[::1]:0",
                                     "--drain",
                                     "1m30s",
                                     "--reflection",
                                     "off",
                                     "--seed",
                                     "18446744073709551615",
                                     "--json",
                                     "--vision",
                                     "a:1",
                                     "dns:///b:2",
                                     "--vision",
                                     "c:3,d:4",
                                     "--image",
                                     "1.jpg",
                                     "--image",
                                     "2.jpg"});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(model_, "m");
  EXPECT_EQ(dtype_, "float32");
  EXPECT_EQ(max_tiles_, 40);
  EXPECT_EQ(temperature_, 0.5);
  EXPECT_EQ(listen_, (HostPort{"::1", 0}));
  EXPECT_EQ(drain_, absl::Seconds(90));
  EXPECT_FALSE(reflection_);
  EXPECT_EQ(seed_, 18446744073709551615u);
  EXPECT_TRUE(json_);
  EXPECT_THAT(vision_, ElementsAre("a:1", "dns:///b:2", "c:3", "d:4"));
  EXPECT_THAT(images_, ElementsAre("1.jpg", "2.jpg"));
}

TEST_F(OptionsTest, CommandLineBeatsEnvironmentBeatsFileBeatsDefault) {
  const std::string file = WriteFile("max-tiles = 2\n");
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(max_tiles_, 12);
  environment_["TANDEM_CONFIG"] = file;
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(max_tiles_, 2);
  environment_["TANDEM_MAX_TILES"] = "3";
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(max_tiles_, 3);
  ASSERT_TRUE(Parse({"--max-tiles", "4"}).ok());
  EXPECT_EQ(max_tiles_, 4);
}

TEST_F(OptionsTest, AListOfAnotherTypeIsReadEntryByEntry) {
  ASSERT_TRUE(Parse({"--size", "1,2", "--size", "3"}).ok());
  EXPECT_THAT(sizes_, ElementsAre(1, 2, 3));
  EXPECT_THAT(Message({"--size", "4,,5"}), HasSubstr("--size"));
  EXPECT_THAT(Message({"--size", "4,x"}), HasSubstr("\"x\" is not"));
  EXPECT_THAT(sizes_, ElementsAre(1, 2, 3));
}

TEST_F(OptionsTest, ListsComeFromEnvironmentAndFile) {
  environment_["TANDEM_VISION"] = "a:1,b:2";
  ASSERT_TRUE(
      Parse({"--config", WriteFile("image = [\"x,y.jpg\", 'z']\n json = true")})
          .ok());
  EXPECT_THAT(vision_, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(images_, ElementsAre("x,y.jpg", "z"));
  EXPECT_TRUE(json_);
}

TEST_F(OptionsTest, AnUnknownOptionOrKeyIsAnErrorAForeignVariableIsNot) {
  environment_["TANDEM_FOREIGN"] = "x";
  environment_["TANDEM_VERSION"] = "1.2.3";
  environment_["TANDEM_DTYPE"] = "";
  EXPECT_TRUE(Parse({}).ok());
  EXPECT_EQ(dtype_, "auto");
  EXPECT_EQ(Message({"--max-tile", "3"}),
            "unknown option --max-tile (did you mean --max-tiles?)");
  EXPECT_EQ(Message({"--zzzzzzzzzz=3"}), "unknown option --zzzzzzzzzz");
  EXPECT_EQ(Message({"-x"}), "unknown option -x");
  EXPECT_EQ(Message({"stray"}), "unexpected argument \"stray\"");
  const std::string file = WriteFile("\nmax_tiles = 3\n");
  EXPECT_EQ(Message({"--config", file}),
            file + ": line 2: unknown key max_tiles (did you mean max-tiles?)");
  EXPECT_THAT(Message({"--config", WriteFile("config = \"x\"")}),
              HasSubstr("unknown key config"));
  EXPECT_THAT(Message({"--config", WriteFile("help = true")}),
              HasSubstr("unknown key help"));
}

TEST_F(OptionsTest, ErrorsNameTheSourceTheValueAndTheBound) {
  EXPECT_EQ(Message({"--max-tiles", "41"}),
            "--max-tiles: 41 is outside [1, 40]");
  EXPECT_EQ(Message({"--max-tiles", "x"}),
            "--max-tiles: \"x\" is not a whole number of 32 bits");
  EXPECT_EQ(Message({"--max-tiles", "1.5"}),
            "--max-tiles: \"1.5\" is not a whole number of 32 bits");
  EXPECT_EQ(Message({"--temperature", "nan"}),
            "--temperature: nan is outside [0, 2]");
  EXPECT_EQ(Message({"--seed", "0"}), "--seed: 0 is less than 1");
  EXPECT_EQ(Message({"--dtype", "half"}),
            "--dtype: \"half\" is not one of auto|float32|bfloat16");
  EXPECT_EQ(Message({"--drain", "-5s"}),
            "--drain: \"-5s\" is not a duration (250ms, 5s, 2m)");
  EXPECT_EQ(Message({"--listen", "1234"}),
            "--listen: \"1234\" is not HOST:PORT with a port in [0, 65535]");
  EXPECT_EQ(Message({"--vision", "a:1,b"}),
            "--vision: \"b\" is neither HOST:PORT nor dns:///NAME:PORT");
  EXPECT_EQ(Message({"--seed", "1", "--seed", "2"}), "--seed is given twice");
  EXPECT_THAT(Message({"--seed"}), HasSubstr("--seed"));
  environment_["TANDEM_MAX_TILES"] = "many";
  EXPECT_EQ(Message({}),
            "TANDEM_MAX_TILES: \"many\" is not a whole number of 32 bits");
  environment_.clear();
  const std::string file = WriteFile("# tiles\nmax-tiles = \"many\"");
  EXPECT_EQ(
      Message({"--config", file}),
      file + ": line 2: max-tiles: \"many\" is not a whole number of 32 bits");
  EXPECT_EQ(Message({"--config", WriteFile("seed = [1, 2]")}),
            file + ": line 1: seed: one value is wanted, 2 are given");
  EXPECT_EQ(Message({"--config", "/nowhere/x.toml"}),
            "--config: cannot read /nowhere/x.toml: No such file or directory");
}

TEST_F(OptionsTest, RequiredOptionsMayComeFromAnywhere) {
  model_given_ = false;
  EXPECT_EQ(Message({}), "--model is required");
  environment_["TANDEM_MODEL"] = "e";
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(model_, "e");
}

TEST_F(OptionsTest, OfOptionsThatExcludeEachOtherTheStrongerSourceCounts) {
  line_.Exclude("listen", "drain");
  environment_["TANDEM_LISTEN"] = "[::1]:1";
  ASSERT_TRUE(Parse({"--drain", "1s"}).ok());
  EXPECT_EQ(listen_.ToString(), "127.0.0.1:50051");
  EXPECT_EQ(drain_, absl::Seconds(1));
  ASSERT_TRUE(Parse({"--config", WriteFile("drain = \"2s\"")}).ok());
  EXPECT_EQ(listen_.ToString(), "[::1]:1");
  EXPECT_EQ(drain_, absl::Seconds(1));
}

TEST_F(OptionsTest, OptionsThatExcludeEachOtherAreRefusedFromOneSource) {
  line_.Exclude("listen", "drain");
  EXPECT_EQ(Message({"--drain", "1s", "--listen", "[::1]:1"}),
            "--listen and --drain exclude each other");
  environment_["TANDEM_LISTEN"] = "[::1]:1";
  environment_["TANDEM_DRAIN"] = "1s";
  EXPECT_EQ(Message({}), "TANDEM_LISTEN and TANDEM_DRAIN exclude each other");
  EXPECT_TRUE(Parse({"--drain", "1s"}).ok());
}

TEST_F(OptionsTest, HelpTeaches) {
  model_given_ = false;
  ASSERT_TRUE(Parse({"-h"}).ok());
  EXPECT_THAT(text_, HasSubstr("tandem-x: Does things."));
  EXPECT_THAT(text_, HasSubstr("\nModel:\n  --model DIR"));
  EXPECT_THAT(text_, HasSubstr("Folder with the weights. Required."));
  EXPECT_THAT(text_, HasSubstr("--max-tiles 1..40"));
  EXPECT_THAT(text_, HasSubstr("[127.0.0.1:50051]"));
  EXPECT_THAT(text_, HasSubstr("\nEvery program:\n  --config FILE"));
  EXPECT_THAT(text_, HasSubstr("\nExamples:\n  tandem-x --model /models/a\n"));
  ASSERT_TRUE(Parse({"--version"}).ok());
  EXPECT_THAT(text_, HasSubstr(std::string("tandem-x ") + Version()));
}

TEST(Commands, HaveOptionsOfTheirOwn) {
  CommandLine line("tandem", "Serves.");
  std::string model, system;
  std::vector<std::string> prompt, images;
  line.Command("serve", "Serves a model.")
      .Add("model", "DIR", &model, "Weights.");
  CommandLine& chat = line.Command("chat", "Talks to one.");
  chat.Add("system", "TEXT", &system, "System text.");
  chat.AddList("image", "FILE", &images, "Pictures.");
  chat.AddPositional("PROMPT", &prompt, "What to say.");
  const auto none = [](const char*) -> const char* { return nullptr; };

  const auto chosen = line.Parse(
      {"chat", "--image", "a.png", "What", "is", "--system", "s", "it?"}, none);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->command, &chat);
  EXPECT_EQ(&line.chosen(), &chat);
  EXPECT_EQ(chosen->command->name(), "tandem chat");
  EXPECT_THAT(images, ElementsAre("a.png"));
  EXPECT_THAT(prompt, ElementsAre("What", "is", "it?"));
  EXPECT_EQ(system, "s");

  EXPECT_THAT(line.Parse({}, none)->text, HasSubstr("Talks to one."));
  EXPECT_THAT(line.Parse({"--help"}, none)->text,
              HasSubstr("Commands:\n  serve"));
  EXPECT_THAT(line.Parse({"chat", "--help"}, none)->text,
              HasSubstr("Usage: tandem chat [OPTION]... [PROMPT]..."));
  EXPECT_EQ(line.Parse({"serv"}, none).status().message(),
            "unknown command \"serv\" (did you mean serve?)");
  EXPECT_EQ(line.Parse({"serve", "--system", "x"}, none).status().message(),
            "unknown option --system");
}

TEST(Commands, PromptsMayBeginWithDashesAfterTwoOfThem) {
  CommandLine line("x", "y");
  std::vector<std::string> prompt;
  line.AddPositional("PROMPT", &prompt, "");
  ASSERT_TRUE(line.Parse({"--", "--json", "[a,b]"},
                         [](const char*) -> const char* { return nullptr; })
                  .ok());
  EXPECT_THAT(prompt, ElementsAre("--json", "[a,b]"));
}

TEST(Start, EndsWith78AndOneLineForAWrongOption) {
  CommandLine line("tandem-x", "y");
  char program[] = "tandem-x", option[] = "--nonsense";
  char* argv[] = {program, option, nullptr};
  testing::internal::CaptureStderr();
  EXPECT_EQ(line.Start(2, argv), 78);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "tandem-x: unknown option --nonsense\n");
}

TEST(Start, EndsWith0AfterHelp) {
  CommandLine line("tandem-x", "y");
  char program[] = "tandem-x", option[] = "--help";
  char* argv[] = {program, option, nullptr};
  testing::internal::CaptureStdout();
  EXPECT_EQ(line.Start(2, argv), 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              HasSubstr("Usage: tandem-x"));
}

TEST(Config, ReadsWhatOptionsNeed) {
  const auto entries = ParseConfig(
      "# a comment\r\n"
      "a = \"x # y\\n\\u00e9\"  # after\n\n"
      "b='c:\\d'\n"
      "n = -1_000.5e3\n"
      "yes = true\n"
      "list = [ # first\n  1,\n  \"two\",\n]\n"
      "none = []");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 6u);
  EXPECT_THAT((*entries)[0].values, ElementsAre("x # y\n\xC3\xA9"));
  EXPECT_EQ((*entries)[0].line, 2);
  EXPECT_THAT((*entries)[1].values, ElementsAre("c:\\d"));
  EXPECT_THAT((*entries)[2].values, ElementsAre("-1000.5e3"));
  EXPECT_THAT((*entries)[3].values, ElementsAre("true"));
  EXPECT_THAT((*entries)[4].values, ElementsAre("1", "two"));
  EXPECT_THAT((*entries)[5].values, IsEmpty());
}

struct BadConfig {
  std::string name, text, error;
  friend std::ostream& operator<<(std::ostream& os, const BadConfig& c) {
    return os << c.name;
  }
};
class BadConfigTest : public testing::TestWithParam<BadConfig> {};
TEST_P(BadConfigTest, SaysWhereAndWhat) {
  EXPECT_EQ(ParseConfig(GetParam().text).status().message(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, BadConfigTest,
    testing::Values(
        BadConfig{"Table", "\n[serve]",
                  "line 2: tables are not used here; write KEY = VALUE"},
        BadConfig{"NoValue", "a =", "line 1: expected a value"},
        BadConfig{"NoEquals", "a 1", "line 1: expected KEY = VALUE"},
        BadConfig{"NoKey", "= 1", "line 1: expected KEY = VALUE"},
        BadConfig{"Bare", "a = cpu",
                  "line 1: cpu is no value; put text in quotes"},
        BadConfig{"Trailing", "a = 1 2",
                  "line 1: unexpected text after the value"},
        BadConfig{"OpenString", "a = \"x\nb = 1",
                  "line 1: the string is not closed"},
        BadConfig{"OpenArray", "a = [1,\n2",
                  "line 2: expected , or ] in the array"},
        BadConfig{"OpenArrayAfterComma", "a = [1,\n",
                  "line 1: the array is not closed"},
        BadConfig{"Duplicate", "a = 1\na = 2",
                  "line 2: key a was already set in line 1"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem
