// launcher/report/report.hpp: a run as one HTML file that a browser opens from the disk: how the run stands, what each
// rank did when, what failed, and a contact sheet of all clips. It asks the network for nothing: pictures are in it,
// and the videos, which lie beside it, are opened when they are pointed at. Without JavaScript everything is there to
// read; the script adds search, filter, sorting, pages and playing.
#pragma once

#include <string>

#include "base/files.hpp"
#include "jobs/record/history.hpp"
#include "launcher/report/cards.hpp"

namespace wf {

/// The HTML file. folder: where it will be, for its links. now: Unix time.
std::string report_of(const RunHistory& history, const Path& folder, double now, const SheetOf& sheet_of);

/// Writes the report of a run folder, with the contact sheets that are kept there; missing ones are made. Of a run that
/// an older version rendered it shows what the sidecars tell. Throws Error(input) when there was never a run, and
/// Error(storage) when the file cannot be written.
void write_report(const Path& output, const Path& file);

}  // namespace wf
