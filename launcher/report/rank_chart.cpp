#include "launcher/report/rank_chart.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "launcher/report/markup.hpp"
#include "launcher/report/text.hpp"

namespace wf {
namespace {

// In units of the picture, whose width is fixed and which the browser scales.
constexpr double width = 1200, left = 84, right = 1170, top = 8, row_height = 26, bar_height = 15, write_height = 4;
constexpr double gap = 10;  ///< between two starts of the run
constexpr std::size_t columns = 240;

/// Maps time to x. The time between two starts of a run, maybe days, is cut out.
class TimeAxis {
 public:
  explicit TimeAxis(const std::vector<RunTime>& runs) : runs_(runs) {
    for (const auto& [begin, end] : runs_) seconds_ += end - begin;
    const double gaps = gap * static_cast<double>(runs_.size() - 1);
    scale_ = seconds_ > 0 ? (right - left - gaps) / seconds_ : 0;
  }

  double x(double time) const {
    double start = left;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto& [begin, end] = runs_[i];
      if (time <= end || i + 1 == runs_.size()) return start + scale_ * (std::clamp(time, begin, end) - begin);
      start += scale_ * (end - begin) + gap;
    }
    return start;
  }

  /// After so many seconds in which the run was at work.
  double x_of_elapsed(double seconds) const {
    for (const auto& [begin, end] : runs_) {
      if (seconds <= end - begin) return x(begin + seconds);
      seconds -= end - begin;
    }
    return right;
  }

  double seconds() const { return seconds_; }
  const std::vector<RunTime>& runs() const { return runs_; }

 private:
  std::vector<RunTime> runs_;
  double seconds_ = 0, scale_ = 0;
};

/// The distance of two labels on the axis, so that there are at most ten.
double tick_step(double seconds) {
  constexpr std::array steps{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
  for (const int step : steps)
    if (seconds <= 10.0 * step) return step;
  return 86400 * std::ceil(seconds / 864000);
}

/// One row: a rank, the leader of a group, or several of them.
struct ChartRow {
  std::string label, title;
  double y = 0;
};

/// "3", or "4-7" for the group that rank 4 leads.
std::string ranks_led_by(int leader, const std::vector<RunInfo::Rank>& ranks) {
  int last = leader;
  for (std::size_t i = 0; i < ranks.size(); ++i)
    if (ranks[i].leader == leader) last = std::max(last, static_cast<int>(i));
  return last == leader ? fmt::format("{}", leader) : fmt::format("{}-{}", leader, last);
}

std::string place_of(int rank, const std::vector<RunInfo::Rank>& ranks) {
  if (rank < 0 || static_cast<std::size_t>(rank) >= ranks.size()) return "";
  const RunInfo::Rank& info = ranks[static_cast<std::size_t>(rank)];
  return info.host + (info.device.empty() ? "" : ", " + info.device);
}

/// Rows and which of them each rank has.
struct Rows {
  std::vector<ChartRow> rows;
  std::map<int, std::size_t> of_rank;
};

Rows rows_of(const RankActivity& activity, const std::vector<RunInfo::Rank>& ranks) {
  const std::size_t count = activity.ranks.size(), per_row = (count + most_chart_rows - 1) / most_chart_rows;
  Rows result;
  for (std::size_t first = 0; first < count; first += per_row) {
    const std::size_t last = std::min(first + per_row, count) - 1;
    const int from = activity.ranks[first], to = activity.ranks[last];
    const std::string label = first == last ? ranks_led_by(from, ranks) : fmt::format("{}-{}", from, to);
    const std::string place = first == last ? place_of(from, ranks) : count_text(last - first + 1, "rank");
    const double y = top + row_height * static_cast<double>(result.rows.size());
    result.rows.push_back({"rank " + label, place.empty() ? "rank " + label : "rank " + label + ": " + place, y});
    for (std::size_t i = first; i <= last; ++i) result.of_rank[activity.ranks[i]] = result.rows.size() - 1;
  }
  return result;
}

std::string bar(const Bar& bar, const ChartRow& row, const TimeAxis& axis) {
  const bool writes = bar.stage == "write";
  const double begin = axis.x(bar.begin);
  const std::string what = bar.clip.empty() ? "loads an expert" : bar.stage + ", " + bar.clip;
  return fill("bar", {{"stage", bar.stage},
                      {"x", number_text(begin)},
                      {"y", number_text(row.y + (writes ? bar_height + 1 : 0))},
                      {"width", number_text(std::max(0.8, axis.x(bar.end) - begin))},
                      {"height", number_text(writes ? write_height : bar_height)},
                      {"title", fmt::format("rank {}: {}, {}", bar.rank, what, seconds_text(bar.end - bar.begin))}});
}

std::string all_bars(const RankActivity& activity, const Rows& rows, const TimeAxis& axis) {
  std::string bars;
  for (const Bar& one : activity.bars) bars += bar(one, rows.rows[rows.of_rank.at(one.rank)], axis);
  return bars;
}

/// Width of the picture by stage in one piece of a row.
using Share = std::map<std::string, double>;

/// What fills each piece of each row: [rows][columns].
std::vector<std::vector<Share>> shares(const RankActivity& activity, const Rows& rows, const TimeAxis& axis) {
  std::vector<std::vector<Share>> result(rows.rows.size(), std::vector<Share>(columns));
  const double piece = (right - left) / columns;
  for (const Bar& bar : activity.bars) {
    const double begin = axis.x(bar.begin) - left, end = axis.x(bar.end) - left;
    std::vector<Share>& row = result[rows.of_rank.at(bar.rank)];
    for (auto i = static_cast<std::size_t>(begin / piece); i < columns && static_cast<double>(i) * piece < end; ++i)
      row[i][bar.stage] +=
          std::min(end, static_cast<double>(i + 1) * piece) - std::max(begin, static_cast<double>(i) * piece);
  }
  return result;
}

/// The stage of most of the time, and how much of the time the ranks were busy at all, in quarters.
std::pair<std::string, int> summary_of(const Share& share, double whole) {
  std::string most;
  double busy = 0;
  for (const auto& [stage, part] : share) {
    if (most.empty() || part > share.at(most)) most = stage;
    busy += part;
  }
  return {most, std::clamp(static_cast<int>(std::lround(4 * busy / whole)), share.empty() ? 0 : 1, 4)};
}

/// One path for each row, stage and quarter of business.
std::string merged_bars(const RankActivity& activity, const Rows& rows, const TimeAxis& axis) {
  const auto pieces = shares(activity, rows, axis);
  std::vector<std::size_t> ranks(rows.rows.size());
  for (const auto& [rank, row] : rows.of_rank) ++ranks[row];
  const double piece = (right - left) / columns;
  std::string paths;
  for (std::size_t row = 0; row < pieces.size(); ++row) {
    std::map<std::pair<std::string, int>, std::string> shapes;
    for (std::size_t i = 0; i < columns; ++i) {
      const auto key = summary_of(pieces[row][i], piece * static_cast<double>(ranks[row]));
      if (key.second > 0)
        shapes[key] += fmt::format("M{} {}h{}v{}h-{}z", number_text(left + piece * static_cast<double>(i)),
                                   rows.rows[row].y, number_text(piece + 0.1), bar_height, number_text(piece + 0.1));
    }
    for (const auto& [key, shape] : shapes)
      paths += fill("bars", {{"stage", key.first},
                             {"opacity", number_text(key.second / 4.0)},
                             {"shape", shape},
                             {"title", rows.rows[row].title}});
  }
  return paths;
}

std::string labels(const Rows& rows) {
  std::string text;
  for (const ChartRow& row : rows.rows)
    text += fill("row", {{"label", row.label},
                         {"title", row.title},
                         {"x", number_text(left)},
                         {"text_x", number_text(left - 10)},
                         {"text_y", number_text(row.y + bar_height - 3.5)},
                         {"y", number_text(row.y)},
                         {"width", number_text(right - left)},
                         {"height", number_text(bar_height)}});
  return text;
}

std::string time_marks(const TimeAxis& axis, double bottom) {
  std::string text;
  const double step = tick_step(axis.seconds());
  for (double time = 0; time <= axis.seconds(); time += step)
    text += fill("tick", {{"x", number_text(axis.x_of_elapsed(time))},
                          {"top", number_text(top)},
                          {"bottom", number_text(bottom)},
                          {"text_y", number_text(bottom + 15)},
                          {"label", duration_text(time)}});
  for (std::size_t i = 1; i < axis.runs().size(); ++i)
    text += fill("restart", {{"x", number_text(axis.x(axis.runs()[i].begin) - gap / 2)},
                             {"top", number_text(top)},
                             {"bottom", number_text(bottom)},
                             {"title", "started again, " + time_text(axis.runs()[i].begin)}});
  return text;
}

std::string losses(const RankActivity& activity, const Rows& rows, const TimeAxis& axis) {
  std::string text;
  for (const Loss& loss : activity.losses) {
    const double x = axis.x(loss.time), y = rows.rows[rows.of_rank.at(loss.rank)].y + bar_height / 2;
    text += fill("loss", {{"left", number_text(x - 5)},
                          {"right", number_text(x + 5)},
                          {"top", number_text(y - 5)},
                          {"bottom", number_text(y + 5)},
                          {"title", fmt::format("rank {} was lost: {}", loss.rank, loss.why)}});
  }
  return text;
}

std::string legend(const RankActivity& activity) {
  std::string text;
  for (const std::string stage : {"load", "text", "high", "low", "decode", "write"}) {
    const bool shown = std::ranges::any_of(activity.bars, [&](const Bar& bar) { return bar.stage == stage; });
    if (shown) text += fill("legend", {{"stage", stage}});
  }
  return text + (activity.losses.empty() ? "" : fill("legend-of-losses", {}));
}

}  // namespace

std::string rank_chart(const RankActivity& activity, const std::vector<RunInfo::Rank>& ranks) {
  if (activity.ranks.empty() || activity.runs.empty()) return "";
  const TimeAxis axis(activity.runs);
  const Rows rows = rows_of(activity, ranks);
  const bool merged = activity.ranks.size() > most_chart_rows || activity.bars.size() > most_chart_bars;
  const double bottom = top + row_height * static_cast<double>(rows.rows.size());
  return fill("chart",
              {{"width", number_text(width)},
               {"height", number_text(bottom + 24)},
               {"legend", legend(activity)},
               {"marks", time_marks(axis, bottom)},
               {"rows", labels(rows)},
               {"bars", merged ? merged_bars(activity, rows, axis) : all_bars(activity, rows, axis)},
               {"losses", losses(activity, rows, axis)},
               {"merged", merged ? "Each piece shows what its ranks did most of the time; pale: they waited." : ""}});
}

}  // namespace wf
