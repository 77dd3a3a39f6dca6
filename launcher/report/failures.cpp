#include "launcher/report/failures.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "jobs/record/advice.hpp"
#include "launcher/report/markup.hpp"
#include "launcher/report/text.hpp"

namespace wf {
namespace {

constexpr std::size_t most_links = 40;  ///< of one failure; the clips below can be filtered by their state

/// The advice on one clip names it; that on several is about their kind of error.
std::string advice(const RunHistory& history, const std::vector<std::size_t>& clips) {
  const ClipHistory& first = history.clips[clips.front()];
  const bool alone = clips.size() == 1 || first.state == ClipState::quarantined;
  return alone ? advice_on(first, history.output.string()) : std::string(advice_on(first.error_kind));
}

/// As HTML; what stands between backquotes is code.
std::string with_code(std::string_view text) {
  std::string html;
  for (bool code = false; !text.empty(); code = !code) {
    const std::string_view piece = text.substr(0, text.find('`'));
    html += code ? "<code>" + escaped(piece) + "</code>" : escaped(piece);
    text.remove_prefix(std::min(text.size(), piece.size() + 1));
  }
  return html;
}

std::string links(const RunHistory& history, const std::vector<std::size_t>& clips) {
  std::string text;
  for (std::size_t i = 0; i < clips.size() && i < most_links; ++i)
    text +=
        fill("clip-link", {{"number", std::to_string(clips[i] + 1)}, {"name", history.clips[clips[i]].clip.job.name}});
  return clips.size() > most_links ? text + "and " + std::to_string(clips.size() - most_links) + " more" : text;
}

/// Clips that ended for the same reason: their kind, or that they were quarantined, and the words of the error.
using Reason = std::pair<std::string, std::string>;

}  // namespace

std::string failures_section(const RunHistory& history) {
  std::map<Reason, std::vector<std::size_t>> failures;
  for (std::size_t i = 0; i < history.clips.size(); ++i) {
    const ClipHistory& clip = history.clips[i];
    if (clip.state == ClipState::failed) failures[{clip.error_kind, clip.error}].push_back(i);
    if (clip.state == ClipState::quarantined) failures[{"quarantined", clip.error}].push_back(i);
  }
  std::string list;
  for (const auto& [reason, clips] : failures)
    list += fill("failure", {{"count", count_text(clips.size(), "clip")},
                             {"kind", reason.first},
                             {"error", reason.second},
                             {"advice", with_code(advice(history, clips))},
                             {"clips", links(history, clips)}});
  return list.empty() ? "" : fill("failures", {{"list", list}});
}

}  // namespace wf
