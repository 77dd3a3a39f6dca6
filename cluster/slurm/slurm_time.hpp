// cluster/slurm/slurm_time.hpp: durations and moments as Slurm writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wf {

/// Seconds of a duration in one of Slurm's forms: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S. Empty for any other text,
/// among them UNLIMITED and infinite.
std::optional<std::int64_t> parse_slurm_time(std::string_view text);

/// Unix time of a moment as Slurm writes it, in this machine's time zone: 2026-11-30T18:00:00. Empty for any other
/// text, among them Unknown.
std::optional<double> parse_slurm_moment(const std::string& text);

/// "04:00:00", from a day on "1-12:00:00".
std::string slurm_time_text(std::int64_t seconds);

}  // namespace wf
