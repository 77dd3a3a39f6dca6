// launcher/cli/commands/preview.cpp: wanfarm preview RUN [CLIP...], wanfarm preview VIDEO...: clips as rows of pictures
// in the terminal.
#include "launcher/preview/preview.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/preview/frames.hpp"

namespace wf {
namespace {

constexpr std::size_t newest = 5;  ///< Clips of a run that are shown when none is named.

struct PreviewOptions {
  std::vector<std::string> what;
  std::string graphics = "auto";
};

Graphics graphics_of(const std::string& name) {
  if (name == "auto") return detect_graphics();
  if (name == "blocks") return Graphics::blocks;
  return name == "sixel" ? Graphics::sixel : Graphics::kitty;
}

/// The clips that were finished last, oldest first.
std::vector<const ClipHistory*> newest_clips(const RunHistory& history) {
  std::vector<const ClipHistory*> clips;
  for (const ClipHistory& clip : history.clips)
    if (clip.state == ClipState::done) clips.push_back(&clip);
  std::ranges::stable_sort(clips, {}, &ClipHistory::ended);
  if (clips.size() > newest) clips.erase(clips.begin(), clips.end() - newest);
  return clips;
}

std::vector<const ClipHistory*> chosen_clips(const RunHistory& history, const std::vector<std::string>& names) {
  if (names.empty()) return newest_clips(history);
  std::vector<const ClipHistory*> clips;
  for (const std::string& name : names) clips.push_back(&history.clips[history.find(name)]);
  return clips;
}

PreviewRow row_of(const Path& output, const ClipHistory& clip) {
  const Job& job = clip.clip.job;
  const std::string about =
      fmt::format("{}x{}, {} frames, {}", job.width, job.height, job.frames, to_string(clip.state));
  PreviewRow row{job.name, about, job.prompt, {}};
  if (clip.state == ClipState::done) row.frames = frames_of_clip(output, clip);
  return row;
}

int preview(const PreviewOptions& options) {
  open_log(LogLevel::warn, 0);
  const Path first = options.what.front();
  const bool is_run = std::filesystem::is_directory(first);
  const Graphics graphics = graphics_of(options.graphics);
  const Screen terminal = screen_size();
  const auto show = [&](const PreviewRow& row) { std::cout << to_text(row, graphics, terminal) << std::flush; };
  if (!is_run) {
    for (const std::string& video : options.what) show({video, "", "", frames_of_video(video)});
    return 0;
  }
  const RunHistory history = read_history(first);
  const auto clips = chosen_clips(history, {options.what.begin() + 1, options.what.end()});
  for (const ClipHistory* const clip : clips) show(row_of(first, *clip));
  if (clips.empty()) std::cout << first.string() << ": no clip is done yet\n";
  return 0;
}

}  // namespace

Command preview_command() {
  const auto options = std::make_shared<PreviewOptions>();
  return {.name = "preview",
          .summary = "Show clips in the terminal: four frames of each",
          .examples =
              "  wanfarm preview renders                      the five newest clips of a run\n"
              "  wanfarm preview renders 3 growing            clips by number or name\n"
              "  wanfarm preview renders/*.mp4\n",
          .flags = {{.names = "RUN",
                     .value = "PATH",
                     .help = "the output folder of a run and, if wanted, names or numbers of its clips; or video files",
                     .set = [options](const std::string& text) { options->what.push_back(text); },
                     .several = true},
                    choice_flag("--graphics", std::vector<std::string>{"auto", "kitty", "sixel", "blocks"},
                                "how pictures are drawn: kitty's or sixel graphics where the terminal has them, else "
                                "half blocks in colour (auto)",
                                options->graphics)},
          .run = [options] { return preview(*options); }};
}

}  // namespace wf
