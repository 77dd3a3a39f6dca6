// tests/shapes_check/program_test.cpp: the two programs as a user calls them: prompts are listed, clips are checked.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "jobs/job_file.hpp"
#include "models/shapes/world/draw.hpp"
#include "pipeline/video/video_writer.hpp"
#include "tests/shapes_check/report.hpp"
#include "tests/temp_folder.hpp"

namespace wf::shapes {
namespace {

struct Ran {
  int exit_code;
  std::string said;  // stdout and stderr
};

Ran run(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string said;
  for (int c; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
  return {WEXITSTATUS(::pclose(pipe)), said};
}

void write_clip(const Scene& scene, const Path& file, const std::string& codec) {
  const ClipSize size;
  const at::Tensor frames = draw(std::span(&scene, 1), size, at::kCPU)[0];
  const at::Tensor bytes = ((frames + 1) * 127.5).round().to(at::kByte).permute({1, 2, 3, 0}).contiguous();
  const auto video = open_video(file, {.width = size.width, .height = size.height, .fps = 8, .codec = codec});
  video->append({bytes.data_ptr<std::uint8_t>(), static_cast<std::size_t>(bytes.numel())});
  video->finish();
}

// Clips of four scenes, and a line each of what they must show.
class Checked : public testing::Test {
 protected:
  Checked() {
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

  Ran check(const std::string& flags) const {
    return run(WF_SHAPES_CHECK " " + flags + " " + (folder / "clips").string());
  }
  Ran check_expected(const std::string& lines) const {
    return check("--all-right --expect " + folder.write("expected.jsonl", lines).string());
  }

  test::TempFolder folder;
  std::vector<Verdict> truths;
};

TEST_F(Checked, VideosThatShowWhatWasAskedForAreAllRight) {
  const Ran ran = check_expected(expectations());
  EXPECT_EQ(ran.exit_code, 0) << ran.said;
  EXPECT_NE(ran.said.find("main colour       4 of 4   100.0 %"), std::string::npos) << ran.said;
}

TEST_F(Checked, AWrongFigureIsCountedAndShown) {
  truths[2].figure = truths[2].figure == Figure::star ? Figure::square : Figure::star;
  const Ran ran = check_expected(expectations());
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.said.find("clip-2\n  expected"), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("figure            3 of 4    75.0 %"), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("direction         4 of 4   100.0 %"), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("all of these      3 of 4    75.0 %"), std::string::npos) << ran.said;
}

TEST_F(Checked, AClipThatIsNotThereIsWrong) {
  truths.push_back(truths[0]);
  const Ran ran = check_expected(expectations());
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.said.find("clip-4 is not there"), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("background        4 of 5    80.0 %"), std::string::npos) << ran.said;
}

TEST_F(Checked, AnObjectAClipIsPrinted) {
  std::istringstream lines(check("--json").said);
  int clips = 0;
  for (std::string line; std::getline(lines, line); ++clips)
    EXPECT_EQ(nlohmann::json::parse(line)["colour"], to_string(*truths.at(clips).colour));
  EXPECT_EQ(clips, 4);
}

TEST_F(Checked, AFileThatIsNoVideoEndsWithItsName) {
  folder.write("clips/broken.y4m", "no video");
  const Ran ran = check("");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.said.find("broken.y4m"), std::string::npos) << ran.said;
}

TEST_F(Checked, AnUnknownWordIsNamedWithItsLine) {
  const Ran ran = check_expected(expectations() + R"({"name":"x","colour":"mauve"})" + "\n");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.said.find("expected.jsonl:5"), std::string::npos) << ran.said;
}

TEST(Captions, APromptListIsOneForWanfarmAndItsExpectationsAreForTheChecker) {
  const test::TempFolder folder;
  const Path list = folder / "list.yaml", expect = folder / "expected.jsonl";
  const Ran ran =
      run(WF_SHAPES_CAPTIONS " --list 200 --held-out --seed 3 --expect " + expect.string() + " > " + list.string());
  ASSERT_EQ(ran.exit_code, 0) << ran.said;
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
  const Ran first = run(WF_SHAPES_CAPTIONS " 50 --seed 7"), again = run(WF_SHAPES_CAPTIONS " 50 --seed 7");
  EXPECT_EQ(std::count(first.said.begin(), first.said.end(), '\n'), 50);
  EXPECT_EQ(first.said, again.said);
  EXPECT_NE(first.said, run(WF_SHAPES_CAPTIONS " 50 --seed 8").said);
}

TEST(Captions, AFlagThatIsNoneIsToldHowToAsk) {
  const Ran ran = run(WF_SHAPES_CAPTIONS " --lots");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.said.find("usage: shapes_captions"), std::string::npos) << ran.said;
}

}  // namespace
}  // namespace wf::shapes
