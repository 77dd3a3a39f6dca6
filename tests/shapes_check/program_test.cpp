// tests/shapes_check/program_test.cpp: shapes_captions and shapes_check as a user calls them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "jobs/list/job_list.hpp"
#include "models/shapes/world/draw.hpp"
#include "pipeline/video/video_writer.hpp"
#include "tests/shapes_check/report.hpp"
#include "tests/temp_folder.hpp"

namespace wf::shapes {
namespace {

struct ProgramResult {
  int exit_code;
  std::string output;  // stdout and stderr
};

ProgramResult run(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  return {WEXITSTATUS(::pclose(pipe)), output};
}

void write_clip(const Scene& scene, const Path& file, VideoCodec codec) {
  const ClipSize size;
  const at::Tensor frames = draw(std::span(&scene, 1), size, at::kCPU)[0];
  const at::Tensor bytes = ((frames + 1) * 127.5).round().to(at::kByte).permute({1, 2, 3, 0}).contiguous();
  const auto video = open_video(file, {.width = size.width, .height = size.height, .fps = 8, .codec = codec});
  video->append({bytes.data_ptr<std::uint8_t>(), static_cast<std::size_t>(bytes.numel())});
  video->finish();
}

// Clips of four scenes, and a JSON line for each with what it must show.
class ShapesCheck : public testing::Test {
 protected:
  ShapesCheck() {
    std::filesystem::create_directory(folder / "clips");
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const std::string name = "clip-" + std::to_string(seed);
      const Scene scene = random_scene(seed);
      write_clip(scene, folder / "clips" / (name + "." + file_ending(default_codec())), default_codec());
      truths.push_back(truth(scene));
    }
  }

  std::string expectations() const {
    std::string lines;
    for (std::size_t i = 0; i < truths.size(); ++i) {
      nlohmann::ordered_json line = to_json(truths[i]);
      line["name"] = "clip-" + std::to_string(i);
      lines += line.dump() + "\n";
    }
    return lines;
  }

  ProgramResult check(const std::string& flags) const {
    return run(WF_SHAPES_CHECK " " + flags + " " + (folder / "clips").string());
  }
  ProgramResult check_expected(const std::string& lines) const {
    return check("--all-right --expect " + folder.write("expected.jsonl", lines).string());
  }

  test::TempFolder folder;
  std::vector<Verdict> truths;
};

TEST_F(ShapesCheck, VideosThatShowWhatIsExpectedAreAllRight) {
  const ProgramResult result = check_expected(expectations());
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("main colour       4 of 4   100.0 %"), std::string::npos) << result.output;
}

TEST_F(ShapesCheck, AWrongFigureIsCountedAndShown) {
  truths[2].figure = truths[2].figure == Figure::star ? Figure::square : Figure::star;
  const ProgramResult result = check_expected(expectations());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("clip-2\n  expected"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("figure            3 of 4    75.0 %"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("direction         4 of 4   100.0 %"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("all of these      3 of 4    75.0 %"), std::string::npos) << result.output;
}

TEST_F(ShapesCheck, AMissingClipIsWrong) {
  truths.push_back(truths[0]);
  const ProgramResult result = check_expected(expectations());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("clip-4 is missing"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("background        4 of 5    80.0 %"), std::string::npos) << result.output;
}

TEST_F(ShapesCheck, PrintsAnObjectPerClip) {
  std::istringstream lines(check("--json").output);
  int clips = 0;
  for (std::string line; std::getline(lines, line); ++clips)
    EXPECT_EQ(nlohmann::json::parse(line)["colour"], to_string(*truths.at(clips).colour));
  EXPECT_EQ(clips, 4);
}

TEST_F(ShapesCheck, AFileThatIsNotAVideoIsNamed) {
  folder.write("clips/broken.y4m", "no video");
  const ProgramResult result = check("");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.output.find("broken.y4m"), std::string::npos) << result.output;
}

TEST_F(ShapesCheck, AnUnknownValueIsNamedWithItsLine) {
  const ProgramResult result = check_expected(expectations() + R"({"name":"x","colour":"mauve"})" + "\n");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.output.find("expected.jsonl:5"), std::string::npos) << result.output;
}

TEST(Captions, APromptListIsReadByWanfarmAndItsExpectationsByTheChecker) {
  const test::TempFolder folder;
  const Path list = folder / "list.yaml", expect = folder / "expected.jsonl";
  const ProgramResult result =
      run(WF_SHAPES_CAPTIONS " --list 200 --held-out --seed 3 --expect " + expect.string() + " > " + list.string());
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const JobList jobs = read_job_list(list);
  const auto expected = read_expected(expect);
  ASSERT_EQ(jobs.jobs.size(), 200u);
  EXPECT_EQ(expected.size(), 200u);
  for (const Job& job : jobs.jobs) {
    ASSERT_TRUE(expected.count(job.name)) << job.name;
    const Verdict& asked = expected.at(job.name);
    EXPECT_NE(job.prompt.find(to_string(*asked.figure)), std::string::npos) << job.prompt;
    Scene scene{{{*asked.figure, *asked.colour, Size::large, *asked.motion, {}}}, {asked.background[0], {}}};
    if (asked.background.size() > 1) scene.background.to = asked.background[1];
    EXPECT_TRUE(is_held_out(scene)) << job.name;
  }
}

TEST(Captions, TheSameSeedPrintsTheSameLines) {
  const ProgramResult first = run(WF_SHAPES_CAPTIONS " 50 --seed 7"), again = run(WF_SHAPES_CAPTIONS " 50 --seed 7");
  EXPECT_EQ(std::count(first.output.begin(), first.output.end(), '\n'), 50);
  EXPECT_EQ(first.output, again.output);
  EXPECT_NE(first.output, run(WF_SHAPES_CAPTIONS " 50 --seed 8").output);
}

TEST(Captions, AnUnknownFlagPrintsTheUsage) {
  const ProgramResult result = run(WF_SHAPES_CAPTIONS " --lots");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.output.find("usage: shapes_captions"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace wf::shapes
