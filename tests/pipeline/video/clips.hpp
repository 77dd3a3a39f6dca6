// tests/pipeline/video/clips.hpp: small clips, and what tests do with files of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {

using Bytes = std::vector<std::uint8_t>;

/// A folder of its own for each test, gone after it.
class VideoTest : public testing::Test {
 protected:
  VideoTest();
  ~VideoTest() override;
  Path file(const std::string& name) const { return folder_ / name; }

 private:
  Path folder_;
};

/// `frames` frames of rgb24: colour gradients that move a little from frame to frame.
Bytes moving_gradient(int width, int height, int frames);
/// Every byte by chance, the same for the same seed.
Bytes noise(int width, int height, int frames, unsigned seed);

void write_video(const Path& file, const VideoFormat& format, const Bytes& rgb);
/// All frames of the file, one after the other.
Bytes read_all(const Path& file);

/// What the action's Error says; fails the test when there is none, or one of another kind.
template <class Action>
std::string error_of(Error::Kind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.kind()), std::string(to_string(kind))) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

/// For the shell; no test's file has an apostrophe in its name.
std::string quoted(const Path& path);
/// What a command prints; fails the test when it fails.
std::string output_of(const std::string& command);

}  // namespace wf::test
