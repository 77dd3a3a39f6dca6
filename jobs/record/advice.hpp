// jobs/record/advice.hpp: what became of a clip in a sentence, and what its user can do about it.
#pragma once

#include <string>
#include <string_view>

#include "jobs/record/history.hpp"

namespace wf {

/// What an error of this kind (base/error.hpp) means: "Its memory ran out, or other ranks could not be reached."
std::string_view cause_of(std::string_view error_kind);
/// What helps against it, without the commands' names: "Make room on the disk."
std::string_view advice_on(std::string_view error_kind);

/// The state of the clip and its cause in one sentence.
std::string cause_of(const ClipHistory& clip);
/// What to do about it. run: the output folder as the user wrote it. "": nothing.
std::string advice_on(const ClipHistory& clip, const std::string& run);

}  // namespace wf
