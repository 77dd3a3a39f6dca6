#include "launcher/preview/palette.hpp"

#include <algorithm>
#include <tuple>

namespace wf {
namespace {

Colour colour_at(const std::uint8_t* rgb) { return {rgb[0], rgb[1], rgb[2]}; }

/// Colours that one entry of the palette will stand for: [begin, end) of a list.
struct Box {
  std::size_t begin, end;
  std::size_t channel = 0;
  int length = 0;  ///< The largest extent, which is that of `channel`.
};

Box measured(const std::vector<Colour>& colours, std::size_t begin, std::size_t end) {
  Box box{begin, end};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    int least = 255, most = 0;
    for (std::size_t i = begin; i < end; ++i) {
      least = std::min(least, colours[i][channel]);
      most = std::max(most, colours[i][channel]);
    }
    if (most - least > box.length) std::tie(box.channel, box.length) = std::pair(channel, most - least);
  }
  return box;
}

std::vector<Colour> pixels_of(std::span<const Picture> pictures) {
  std::vector<Colour> colours;
  for (const Picture& picture : pictures)
    for (std::size_t i = 0; i < picture.rgb.size(); i += 3) colours.push_back(colour_at(picture.rgb.data() + i));
  return colours;
}

Colour mean(const std::vector<Colour>& colours, const Box& box) {
  std::array<std::size_t, 3> sum{};
  for (std::size_t i = box.begin; i < box.end; ++i)
    for (std::size_t channel = 0; channel < 3; ++channel) sum[channel] += static_cast<std::size_t>(colours[i][channel]);
  const std::size_t count = box.end - box.begin;
  const auto rounded = [count](std::size_t total) { return static_cast<int>((total + count / 2) / count); };
  return {rounded(sum[0]), rounded(sum[1]), rounded(sum[2])};
}

/// Finds the nearest colour of a palette. It remembers what it has found, since neighbours are alike.
class Nearest {
 public:
  explicit Nearest(const std::vector<Colour>& palette) : palette_(palette), known_(1 << 15, -1) {}

  std::uint8_t operator()(const Colour& colour) {
    int& known = known_[static_cast<std::size_t>(colour[0] >> 3 << 10 | colour[1] >> 3 << 5 | colour[2] >> 3)];
    if (known < 0) known = find({colour[0] | 4, colour[1] | 4, colour[2] | 4});
    return static_cast<std::uint8_t>(known);
  }

 private:
  int find(const Colour& colour) const {
    int best = 0, least = 1 << 30;
    for (std::size_t i = 0; i < palette_.size(); ++i) {
      int distance = 0;
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const int difference = palette_[i][channel] - colour[channel];
        distance += difference * difference;
      }
      if (distance < least) std::tie(best, least) = std::pair(static_cast<int>(i), distance);
    }
    return best;
  }

  const std::vector<Colour>& palette_;
  std::vector<int> known_;  ///< By the upper five bits of each channel.
};

/// Adds a share of the error to a neighbour, if the picture has it.
struct Errors {
  PictureSize size;
  std::vector<Colour> errors;  ///< In sixteenths.
  void add(int x, int y, const Colour& error, int share) {
    if (x < 0 || x >= size.width || y >= size.height) return;
    Colour& at = errors[static_cast<std::size_t>(y) * size.width + x];
    for (std::size_t channel = 0; channel < 3; ++channel) at[channel] += error[channel] * share;
  }
};

std::vector<std::uint8_t> dithered(const Picture& picture, const std::vector<Colour>& palette, Nearest& nearest) {
  const auto [width, height] = picture.size;
  Errors errors{picture.size, std::vector<Colour>(picture.rgb.size() / 3)};
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::size_t at = pixels.size();
      Colour wanted = colour_at(picture.rgb.data() + 3 * at), error;
      for (std::size_t c = 0; c < 3; ++c) wanted[c] = std::clamp(wanted[c] + errors.errors[at][c] / 16, 0, 255);
      pixels.push_back(nearest(wanted));
      for (std::size_t c = 0; c < 3; ++c) error[c] = wanted[c] - palette[pixels.back()][c];
      errors.add(x + 1, y, error, 7);
      errors.add(x - 1, y + 1, error, 3);
      errors.add(x, y + 1, error, 5);
      errors.add(x + 1, y + 1, error, 1);
    }
  }
  return pixels;
}

}  // namespace

std::vector<Colour> choose_palette(std::span<const Picture> pictures) {
  std::vector<Colour> colours = pixels_of(pictures);
  std::vector<Box> boxes{measured(colours, 0, colours.size())};
  while (boxes.size() < most_colours) {
    const auto longest = std::ranges::max_element(boxes, {}, &Box::length);
    if (longest->length == 0) break;  // there are no more colours
    const auto [begin, end, channel, length] = *longest;
    const auto first = colours.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = colours.begin() + static_cast<std::ptrdiff_t>(end);
    std::sort(first, last, [c = channel](const Colour& a, const Colour& b) { return a[c] < b[c]; });
    // The cut is where the value changes, so that both halves have colours of their own.
    const Colour median = colours[begin + (end - begin) / 2];
    auto cut = std::partition_point(first, last, [&, c = channel](const Colour& x) { return x[c] < median[c]; });
    if (cut == first)
      cut = std::partition_point(first, last, [&, c = channel](const Colour& x) { return x[c] <= median[c]; });
    const auto middle = static_cast<std::size_t>(cut - colours.begin());
    *longest = measured(colours, begin, middle);
    boxes.push_back(measured(colours, middle, end));
  }
  std::vector<Colour> palette;
  for (const Box& box : boxes) palette.push_back(mean(colours, box));
  return palette;
}

std::vector<std::vector<std::uint8_t>> dithered(std::span<const Picture> pictures, const std::vector<Colour>& palette) {
  Nearest nearest(palette);
  std::vector<std::vector<std::uint8_t>> result;
  for (const Picture& picture : pictures) result.push_back(dithered(picture, palette, nearest));
  return result;
}

}  // namespace wf
