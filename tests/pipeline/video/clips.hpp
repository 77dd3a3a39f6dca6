// tests/pipeline/video/clips.hpp: small clips, files of them, and helpers to check errors and run programs.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {

using Bytes = std::vector<std::uint8_t>;

/// What glibc derives the content of fresh memory from while a VideoTest runs (MALLOC_PERTURB_ of other programs).
constexpr int heap_fill = 85;

/// Gives each test a temporary folder, removed afterwards.
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
/// `frames` frames of rgb24 with uniformly random bytes, the same for the same seed.
Bytes noise(int width, int height, int frames, unsigned seed);

/// Writes the frames in `rgb` to `file` with one append().
void write_video(const Path& file, const VideoFormat& format, const Bytes& rgb);
/// The rgb24 bytes of all frames of a file.
Bytes read_all(const Path& file);

/// The message of the Error that `action` throws; fails the test if there is none or it is of another kind.
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

/// The path quoted for the shell; it must not contain an apostrophe.
std::string quoted(const Path& path);
/// What a shell command prints; fails the test if the command fails.
std::string output_of(const std::string& command);

}  // namespace wf::test
