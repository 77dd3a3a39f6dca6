// tests/gpu/random_clip.hpp: models of any size, whose random weights are drawn on the GPU, and clips for them.
#pragma once

#include "launcher/random_model/random_model.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

namespace wf {

/// A model in a temporary folder that holds descriptions of random weights instead of weights.
class DescribedModel {
 public:
  explicit DescribedModel(const ModelSize& size) {
    RandomModel model;
    model.size = size;
    model.described = true;
    write_random_model(path(), model);
  }
  Path path() const { return folder_ / "model"; }

 private:
  test::TempFolder folder_;
};

/// A clip of two steps, one by each expert. It is written as Y4M, which takes no time to encode.
inline Clip short_clip(const test::TempFolder& folder, int width, int height, int frames) {
  Job job;
  job.name = "clip";
  job.prompt = "rain on a window";
  job.width = width, job.height = height, job.frames = frames;
  job.steps = 2;
  job.shift = 5.0;
  job.seed = 1;
  Clip clip = clip_in(folder, job);
  clip.format.codec = VideoCodec::y4m;
  clip.files.frames.clear();
  return clip;
}

}  // namespace wf
