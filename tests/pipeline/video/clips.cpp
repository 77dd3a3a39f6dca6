// tests/pipeline/video/clips.cpp: see clips.hpp.
#include "clips.hpp"

#include <malloc.h>
#include <stdlib.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <sstream>

/// Read by LeakSanitizer: libx265 3.5 leaks about a kilobyte for each encoder that it opens.
extern "C" const char* __lsan_default_suppressions() { return "leak:libx265.so\n"; }

namespace wf::test {

VideoTest::VideoTest() {
  // libx264's bytes vary slightly with the previous content of heap memory, even for equal frames. Filling every block
  // with the same byte makes its result a function of the frames, so that files can be compared.
  ::mallopt(M_PERTURB, heap_fill);
  std::string name = std::filesystem::temp_directory_path() / "wanfarm-video-XXXXXX";
  if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  folder_ = name;
}

VideoTest::~VideoTest() { std::filesystem::remove_all(folder_); }

Bytes moving_gradient(int width, int height, int frames) {
  Bytes rgb;
  const auto wave = [](double phase) { return static_cast<std::uint8_t>(128 + 100 * std::sin(phase)); };
  for (int f = 0; f < frames; ++f) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        rgb.push_back(wave(0.05 * (x + f)));
        rgb.push_back(wave(0.04 * (y - f) + 1));
        rgb.push_back(wave(0.03 * (x + y) + 0.1 * f));
      }
    }
  }
  return rgb;
}

Bytes noise(int width, int height, int frames, unsigned seed) {
  std::mt19937 random(seed);
  Bytes rgb(std::size_t{3} * width * height * frames);
  for (auto& byte : rgb) byte = static_cast<std::uint8_t>(random());
  return rgb;
}

void write_video(const Path& file, const VideoFormat& format, const Bytes& rgb) {
  const auto writer = open_video(file, format);
  writer->append(rgb);
  writer->finish();
}

Bytes read_all(const Path& file) {
  const auto reader = read_video(file);
  Bytes all, frame(std::size_t{3} * reader->info().width * reader->info().height);
  while (reader->next(frame)) all.insert(all.end(), frame.begin(), frame.end());
  return all;
}

std::string quoted(const Path& path) {
  std::ostringstream text;
  text << '\'' << path.string() << '\'';
  return text.str();
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << output;
  return output;
}

}  // namespace wf::test
