// base/text.hpp: short texts for people: joined lists, durations, sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// The texts in order, with `between` between neighbours: {"a", "b"} -> "a, b".
std::string join(const std::vector<std::string>& texts, const std::string& between);

/// The parts of a comma-separated text, empty ones included: "-v,--verbose" -> {"-v", "--verbose"}.
std::vector<std::string> split_at_commas(const std::string& text);

/// "1 clip", "2 clips".
std::string count_text(std::size_t count, const std::string& thing);

/// The shortest decimal that gives the number back: "0.8", "1e-07".
std::string shortest(double number);

/// A duration in seconds, rounded to whole ones: "4:12", from an hour on "1:04:12". Negative durations count as 0.
std::string duration_text(double seconds);

/// A size in decimal units, as disks and checkpoints are counted: "57.2 GB".
std::string gigabytes(std::uint64_t bytes);

/// A size in binary units, as memory is counted: "12.3 GiB".
std::string gibibytes(std::uint64_t bytes);

}  // namespace wf
