// launcher/commands/commands.hpp: the verbs of the program, a file each.
#pragma once

#include <vector>

#include "launcher/command.hpp"

namespace wf {

Command render_command();      ///< render LIST: the main job
Command generate_command();    ///< generate --prompt: one clip, with the flags of the official script
Command plan_command();        ///< plan LIST: how GPUs would share the work
Command validate_command();    ///< validate LIST: every mistake of a list
Command tokenize_command();    ///< tokenize: JSON strings in, token ids out
Command inspect_command();     ///< inspect FILE: what a checkpoint, a stored state or a video holds
Command make_model_command();  ///< make-model FOLDER: random weights in the published layout
Command compare_command();     ///< compare A B: how far two videos are apart
Command bench_command();       ///< bench WHAT: time, rates and memory
Command doctor_command();      ///< doctor: is this machine ready
Command completion_command();  ///< completion SHELL: a script for Tab

/// What the official script renders when it is not told what.
inline constexpr const char* official_prompt =
    "Two anthropomorphic cats in comfy boxing gear and bright gloves fight intensely on a spotlighted stage.";

/// In the order of the help.
std::vector<Command> all_commands();

}  // namespace wf
