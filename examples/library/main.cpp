// examples/library/main.cpp: one prompt becomes one video, with wanfarm as a library.
#include <iostream>

#include "base/error.hpp"
#include "jobs/list/job_list.hpp"
#include "pipeline/stages/stages.hpp"

int main(int argc, char** argv) try {
  if (argc != 4) throw wf::Error(wf::Error::input, "usage: example MODEL_FOLDER PROMPT VIDEO");
  wf::JobSettings settings;
  settings.size = {64, 64};
  settings.frames = 5;
  settings.steps = 4;
  settings.seed = {42};

  wf::Clip clip;
  clip.job = wf::make_job(argv[2], settings);
  clip.format = {.width = clip.job.width, .height = clip.job.height, .fps = clip.job.fps, .codec = wf::default_codec()};
  clip.files.video = argv[3];
  wf::Models models(wf::ModelSource{argv[1]}, wf::Execution{});
  for (const wf::Stage stage : wf::all_stages) wf::advance(clip, stage, models);
  std::cout << argv[3] << ": frames " << clip.frames_sha256 << "\n";
} catch (const wf::Error& error) {
  std::cerr << error.what() << "\n";
  return wf::exit_code(error.kind());
}
