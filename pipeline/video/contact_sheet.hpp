// pipeline/video/contact_sheet.hpp: a clip as one small picture: its poster, which stands for the clip, and three
// frames of a third of the poster's size that show what moves: below the poster of a wide clip, to the right of any
// other, so that the sheets of all formats fit into similar space.
//
//   +-----------+        +-------+---+
//   |  poster   |        |       | 1 |
//   |           |        |poster +---+
//   +---+---+---+        |       | 2 |
//   | 1 | 2 | 3 |        |       +---+
//   +---+---+---+        |       | 3 |
//                        +-------+---+
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/files.hpp"
#include "pipeline/video/picture.hpp"

namespace wf {

/// Where the frames stand in a sheet.
struct SheetLayout {
  PictureSize size;
  bool below = true;                 ///< The three frames are below the poster, not to its right.
  std::array<PictureArea, 4> areas;  ///< Of the poster and of the three frames.
};

/// The layout for clips of that size in pixels. It follows from their proportions alone: the longer side of a poster is
/// 318 pixels, whatever the clip's.
SheetLayout sheet_layout(PictureSize clip);

/// Which frames, counted from 0, a clip of `frames` frames shows: the one at a third as the poster, then the first, the
/// middle and the last one.
std::array<int, 4> sheet_frames(int frames);

/// A sheet that is made while the frames of a clip pass. One thread at a time.
class ContactSheet {
 public:
  /// For a clip of `frames` >= 1 frames.
  ContactSheet(PictureSize clip, int frames);
  /// Takes the next frame, packed rgb24. Most frames cost nothing.
  void add(std::span<const std::uint8_t> rgb);
  /// Black where a frame has not come yet.
  const Picture& picture() const noexcept { return picture_; }

 private:
  PictureSize clip_;
  SheetLayout layout_;
  std::array<int, 4> shown_;
  int next_ = 0;  ///< Number of the next frame.
  Picture picture_;
};

/// The sheet of a video file, which is decoded twice, the first time to count its frames. Throws input, as read_video()
/// does, also when it has no frames.
Picture contact_sheet(const Path& video);
/// The same of a clip whose number of frames is known: decoded once.
Picture contact_sheet(const Path& video, int frames);

}  // namespace wf
