// tests/shapes_check/clip.cpp: plain loops, fast enough for clips of the small world (150,000 pixels).
#include "tests/shapes_check/clip.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::shapes {
namespace {

// Calls `action` with each of the up to four neighbours of a pixel.
template <class Action>
void for_neighbours(int at, int height, int width, Action&& action) {
  const int y = at / width, x = at % width;
  if (y > 0) action(at - width);
  if (y + 1 < height) action(at + width);
  if (x > 0) action(at - 1);
  if (x + 1 < width) action(at + 1);
}

Rgb mean_around(const Rgb* frame, int y, int x, int height, int width) {
  Rgb sum{};
  int count = 0;
  for (int i = std::max(0, y - 1); i <= std::min(height - 1, y + 1); ++i) {
    for (int j = std::max(0, x - 1); j <= std::min(width - 1, x + 1); ++j, ++count) {
      for (int c = 0; c < 3; ++c) sum[c] += frame[i * width + j][c];
    }
  }
  for (float& value : sum) value /= static_cast<float>(count);
  return sum;
}

// Returns the pixels connected to `start`, and removes them from the mask.
std::vector<int> take_part(Mask& mask, int start, int height, int width) {
  std::vector<int> part{start};
  mask[start] = 0;
  for (std::size_t i = 0; i < part.size(); ++i) {
    for_neighbours(part[i], height, width, [&](int next) {
      if (!mask[next]) return;
      mask[next] = 0;
      part.push_back(next);
    });
  }
  return part;
}

}  // namespace

std::vector<Path> clips_in(const Path& folder) {
  std::vector<Path> clips;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Path ending = entry.path().extension();
    if (ending == ".mp4" || ending == ".mkv" || ending == ".y4m") clips.push_back(entry.path());
  }
  return clips;
}

Clip read_clip(const Path& file) {
  const std::unique_ptr<VideoReader> video = read_video(file);
  Clip clip{0, video->info().height, video->info().width, {}};
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(clip.height) * clip.width * 3);
  for (; video->next(bytes); ++clip.frames) {
    for (std::size_t i = 0; i < bytes.size(); i += 3)
      clip.pixels.push_back({bytes[i] / 255.0f, bytes[i + 1] / 255.0f, bytes[i + 2] / 255.0f});
  }
  if (clip.frames == 0) throw Error(Error::input, file.string() + " has no frames");
  return clip;
}

Clip smoothed(const Clip& clip) {
  Clip out{clip.frames, clip.height, clip.width, {}};
  out.pixels.reserve(clip.pixels.size());
  for (int f = 0; f < clip.frames; ++f) {
    for (int y = 0; y < clip.height; ++y) {
      for (int x = 0; x < clip.width; ++x)
        out.pixels.push_back(mean_around(clip.frame(f), y, x, clip.height, clip.width));
    }
  }
  return out;
}

double distance(const Rgb& a, const Rgb& b) {
  const float red = a[0] - b[0], green = a[1] - b[1], blue = a[2] - b[2];
  return std::sqrt(red * red + green * green + blue * blue);
}

double share_of(const Rgb& colour, const Rgb& from, const Rgb& to) {
  double along = 0, whole = 0;
  for (int c = 0; c < 3; ++c) {
    along += (colour[c] - from[c]) * (to[c] - from[c]);
    whole += (to[c] - from[c]) * (to[c] - from[c]);
  }
  return std::clamp(along / std::max(whole, 1e-6), 0.0, 1.0);
}

Rgb blend(const Rgb& from, const Rgb& to, double share) {
  Rgb out;
  for (int c = 0; c < 3; ++c) out[c] = static_cast<float>(from[c] + share * (to[c] - from[c]));
  return out;
}

Colour nearest_colour(const Rgb& colour, int count) {
  int best = 0;
  for (int i = 1; i < count; ++i) {
    if (distance(colour, rgb(static_cast<Colour>(i))) < distance(colour, rgb(static_cast<Colour>(best)))) best = i;
  }
  return static_cast<Colour>(best);
}

std::vector<std::vector<int>> parts(Mask mask, int height, int width) {
  std::vector<std::vector<int>> out;
  for (int i = 0; i < height * width; ++i) {
    if (mask[i]) out.push_back(take_part(mask, i, height, width));
  }
  return out;
}

Mask eroded(const Mask& mask, int height, int width) {
  Mask out = mask;
  for (int i = 0; i < height * width; ++i) for_neighbours(i, height, width, [&](int next) { out[i] &= mask[next]; });
  return out;
}

Mask dilated(const Mask& mask, int height, int width) {
  Mask out = mask;
  for (int i = 0; i < height * width; ++i) for_neighbours(i, height, width, [&](int next) { out[i] |= mask[next]; });
  return out;
}

}  // namespace wf::shapes
