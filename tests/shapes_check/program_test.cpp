// tests/shapes_check/program_test.cpp: shapes_captions and shapes_check as a user calls them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "jobs/list/job_list.hpp"
#include "models/shapes/world/draw.hpp"
#include "pipeline/video/compare.hpp"
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

// `light`: multiplies all colours.
void write_clip(const Scene& scene, const Path& file, VideoCodec codec, double light = 1) {
  const ClipSize size;
  const at::Tensor frames = draw(std::span(&scene, 1), size, at::kCPU)[0];
  const at::Tensor bytes = ((frames + 1) * 127.5 * light).round().to(at::kByte).permute({1, 2, 3, 0}).contiguous();
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
  EXPECT_NE(result.output.find("main colour       4 of 4   100.0 %    51.0 to 100.0 %\n"), std::string::npos)
      << result.output;
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

// The same four clips in a second folder, `there`, to which `clips` is compared.
class ShapesCheckAgainst : public ShapesCheck {
 protected:
  ShapesCheckAgainst() { std::filesystem::copy(folder / "clips", folder / "there"); }

  static std::string file_name(int clip) { return "clip-" + std::to_string(clip) + "." + file_ending(default_codec()); }
  void write_there(int clip, const Scene& scene, double light = 1) const {
    write_clip(scene, folder / "there" / file_name(clip), default_codec(), light);
  }
  ProgramResult compare(const std::string& flags = "") const {
    const Path expected = folder.write("expected.jsonl", expectations());
    return check("--against " + (folder / "there").string() + " --expect " + expected.string() + " " + flags);
  }
};

TEST_F(ShapesCheckAgainst, PrintsBothFoldersTheirDifferenceAndWhatChanged) {
  Scene changed = random_scene(2);
  changed.shapes[0].figure = changed.shapes[0].figure == Figure::star ? Figure::square : Figure::star;
  write_there(2, changed);
  const ProgramResult result = compare();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output.find("clip-2\n  expected {"), 0u) << result.output;
  const std::size_t tables = result.output.find("\nclips\n") + 1;
  EXPECT_EQ(result.output.substr(tables, result.output.find("divergence") - tables), R"(clips
                   right     share   95 % interval (Wilson score)
main colour       4 of 4   100.0 %    51.0 to 100.0 %
background        4 of 4   100.0 %    51.0 to 100.0 %
direction         4 of 4   100.0 %    51.0 to 100.0 %
figure            4 of 4   100.0 %    51.0 to 100.0 %
other colours     4 of 4   100.0 %    51.0 to 100.0 %
all of these      4 of 4   100.0 %    51.0 to 100.0 %
there
                   right     share   95 % interval (Wilson score)
main colour       4 of 4   100.0 %    51.0 to 100.0 %
background        4 of 4   100.0 %    51.0 to 100.0 %
direction         4 of 4   100.0 %    51.0 to 100.0 %
figure            3 of 4    75.0 %    30.1 to  95.4 %
other colours     4 of 4   100.0 %    51.0 to 100.0 %
all of these      3 of 4    75.0 %    30.1 to  95.4 %
clips minus there, in points
right in         only clips   only there   difference   95 % interval (Newcombe, paired)
main colour               0            0         +0.0   -49.0 to +49.0
background                0            0         +0.0   -49.0 to +49.0
direction                 0            0         +0.0   -49.0 to +49.0
figure                    1            0        +25.0   -28.1 to +69.9
other colours             0            0         +0.0   -49.0 to +49.0
all of these              1            0        +25.0   -28.1 to +69.9
)");
}

TEST_F(ShapesCheckAgainst, TheDifferenceIsThatOfTheFirstFolderMinusTheSecond) {
  Scene wrong = random_scene(1);
  wrong.shapes[0].colour = wrong.shapes[0].colour == Colour::red ? Colour::blue : Colour::red;
  write_clip(wrong, folder / "clips" / file_name(1), default_codec());
  const std::string output = compare().output;
  EXPECT_NE(output.find("main colour               0            1        -25.0   -69.9 to +28.1\n"), std::string::npos)
      << output;
}

TEST_F(ShapesCheckAgainst, DivergenceIsTheMedianOverTheClips) {
  std::vector<double> psnr, ssim;
  for (int i = 0; i < 4; ++i) {
    write_there(i, random_scene(i), 0.98 - 0.03 * i);
    const Comparison pixels = wf::compare(folder / "clips" / file_name(i), folder / "there" / file_name(i));
    psnr.push_back(pixels.psnr);
    ssim.push_back(pixels.ssim);
  }
  std::sort(psnr.begin(), psnr.end());
  std::sort(ssim.begin(), ssim.end());
  char line[200];
  std::snprintf(line, sizeof line, "the median PSNR is %.2f dB, the median SSIM %.4f; 0 of 4 are equal\n",
                (psnr[1] + psnr[2]) / 2, (ssim[1] + ssim[2]) / 2);
  const std::string output = compare().output;
  EXPECT_NE(output.find(line), std::string::npos) << line << output;
}

TEST_F(ShapesCheckAgainst, EqualClipsDoNotDiverge) {
  const std::string output = compare().output;
  EXPECT_NE(output.find("the median PSNR is infinite, the median SSIM 1.0000; 4 of 4 are equal\n"), std::string::npos)
      << output;
}

TEST_F(ShapesCheckAgainst, EveryMissingClipIsNamedWithItsFolder) {
  std::filesystem::remove(folder / "clips" / file_name(0));
  std::filesystem::remove(folder / "there" / file_name(0));
  std::filesystem::remove(folder / "there" / file_name(3));
  const ProgramResult result = compare();
  const std::string here = (folder / "clips").string(), there = (folder / "there").string();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output, "only clips that are in both folders can be compared:\nclip-0 is missing in " + here +
                               "\nclip-0 is missing in " + there + "\nclip-3 is missing in " + there + "\n");
}

TEST_F(ShapesCheckAgainst, ClipsOfOtherSeedsAreRefused) {
  const auto write_sidecar = [&](const std::string& name, int seed) {
    folder.write(name, R"({"job": {"prompt": "a red star", "seed": )" + std::to_string(seed) + "}}");
  };
  write_sidecar("clips/clip-1.json", 42);
  write_sidecar("there/clip-1.json", 42);
  EXPECT_EQ(compare().exit_code, 0);
  write_sidecar("there/clip-1.json", 43);
  const ProgramResult result = compare();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.output.find(file_name(1) + " has seed 43, prompt \"a red star\""), std::string::npos)
      << result.output;
}

TEST_F(ShapesCheckAgainst, FlagsThatDoNotGoWithItAreNamed) {
  EXPECT_EQ(compare("--json").exit_code, 2);
  EXPECT_EQ(compare("--all-right").exit_code, 2);
  EXPECT_EQ(compare((folder / "there").string()).exit_code, 2);
  const ProgramResult alone = check("--against " + (folder / "there").string());
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_EQ(alone.output.find("--against needs --expect and one folder\nusage: "), 0u) << alone.output;
  const ProgramResult no_value = run(WF_SHAPES_CHECK " " + (folder / "clips").string() + " --against");
  EXPECT_EQ(no_value.exit_code, 2);
  EXPECT_EQ(no_value.output.find("--against needs a value\n"), 0u) << no_value.output;
}

TEST_F(ShapesCheckAgainst, WhatIsNoFolderOfClipsIsNamed) {
  std::filesystem::remove_all(folder / "there");
  const ProgramResult result = compare();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output, (folder / "there").string() + " is not a folder of clips\n");
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
