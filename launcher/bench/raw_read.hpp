// launcher/bench/raw_read.hpp: what a disk gives to a plain read, to compare the loading of weights with.
#pragma once

#include <cstdint>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// Bytes of the files together.
std::uint64_t bytes_of(const std::vector<Path>& files);

/// Takes the files out of the page cache, as far as the system lets go of them: not while a process maps them.
void drop_from_page_cache(const std::vector<Path>& files);

/// Seconds in which 8 threads read the files past the page cache (O_DIRECT), in pieces of 8 MiB; through it on a file
/// system that cannot. The files are dropped from the page cache first. Throws environment when they cannot be read.
double raw_read_seconds(const std::vector<Path>& files);

}  // namespace wf
