// launcher/cli/commands/commands.hpp: the verbs of the program; each has a file of its own.
#pragma once

#include <vector>

#include "launcher/cli/command.hpp"

namespace wf {

Command render_command();           ///< render LIST: renders a prompt list.
Command finish_command();           ///< finish RUN: completes the clips that have drafts.
Command generate_command();         ///< generate --prompt: renders one clip, with the flags of the official script.
Command plan_command();             ///< plan LIST: shows how GPUs would share a list.
Command submit_command();           ///< submit LIST: sends a list to Slurm.
Command validate_command();         ///< validate LIST: reports every error of a list.
Command tokenize_command();         ///< tokenize: reads JSON strings, prints token ids.
Command inspect_command();          ///< inspect PATH: shows what a model, a tensor file or a video contains.
Command make_model_command();       ///< make-model FOLDER: makes random weights in the published layout.
Command convert_command();          ///< convert IN OUT: writes a model in another layout or dtype.
Command compare_command();          ///< compare A B: measures the difference of two videos.
Command bench_command();            ///< bench WHAT: measures time, rates and memory.
Command calibrate_cache_command();  ///< calibrate-cache: measures the table of a model's step cache.
Command clean_command();            ///< clean: lists kept converted weights, and removes some.
Command doctor_command();           ///< doctor: checks this machine, the build and the ranks.
Command status_command();           ///< status RUN: shows how a run stands.
Command explain_command();          ///< explain RUN CLIP: shows what became of a clip.
Command control_command();          ///< control RUN ACTION: drains, pauses or resumes a run, cancels or retries clips.
Command report_command();           ///< report RUN: writes a run as one HTML file.
Command preview_command();          ///< preview RUN: shows clips as pictures in the terminal.
Command completion_command();       ///< completion SHELL: prints a tab completion script.

/// Returns all verbs in the order of the help.
std::vector<Command> all_commands();

}  // namespace wf
