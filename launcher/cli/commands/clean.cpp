// launcher/cli/commands/clean.cpp: wanfarm clean: lists the converted weights that runs have kept, and removes those
// that are named.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/table.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/weights_cache_choice.hpp"
#include "pipeline/weights/weights_cache.hpp"

namespace wf {
namespace {

using Entries = std::vector<CacheEntry>;

constexpr double seconds_of_a_day = 24 * 60 * 60;

struct CleanOptions {
  RunOptions run;  ///< Only its cache is used.
  std::vector<std::string> names;
  int days = -1;  ///< -1: not given
  bool broken = false, all = false, dry_run = false, verify = false, json = false;
};

Path folder_of(const CleanOptions& options) {
  const Environment variables = environment();
  const std::string text = weights_cache_text(options.run, variables);
  return weights_cache_folder(text == "off" ? "auto" : text, variables);
}

bool removes_some(const CleanOptions& options) {
  return options.all || options.broken || options.days >= 0 || !options.names.empty();
}

bool is_named(const CacheEntry& entry, std::size_t place, const std::string& name) {
  return name == entry.file.filename().string() || name == std::to_string(place + 1);
}

/// Throws input for a name that is not in the list.
void check_names(const Entries& entries, const CleanOptions& options, const Path& folder) {
  for (const std::string& name : options.names) {
    bool found = false;
    for (std::size_t i = 0; i < entries.size(); ++i) found = found || is_named(entries[i], i, name);
    if (!found) throw Error(Error::input, "--remove: there is no '" + name + "' in " + folder.string());
  }
}

bool is_to_go(const CacheEntry& entry, std::size_t place, const CleanOptions& options) {
  const bool is_rubbish = entry.state == CacheEntry::broken || entry.state == CacheEntry::partial;
  const bool is_old = options.days >= 0 && unix_time() - entry.last_used > options.days * seconds_of_a_day;
  return options.all || is_old || (options.broken && is_rubbish) ||
         std::ranges::any_of(options.names, [&](const std::string& name) { return is_named(entry, place, name); });
}

std::string state_of(const CacheEntry& entry) {
  return std::string(to_string(entry.state)) + (entry.is_being_read ? ", being read" : "");
}

/// What becomes of a file: "kept", "in use", "removed", or what --dry-run would do.
std::string fate_of(const CacheEntry& entry, bool goes, bool dry_run) {
  if (!goes) return "kept";
  if (entry.is_in_use()) return "in use, kept";
  return dry_run ? "would be removed" : "removed";
}

/// with_fates: whether the text says what becomes of each file.
Table table_of_files(bool with_fates) {
  return {"files",
          {{"number", "no."},
           {"file", "file", 0, /*left=*/true},
           {"model", "model", 0, /*left=*/true},
           {"expert", "expert", 0, /*left=*/true},
           {"form", "form", 0, /*left=*/true},
           {"bytes", ""},
           {"gb", "GB", 1},
           {"last_used", "last use", 0, /*left=*/true},
           {"state", "state", 0, /*left=*/true},
           {"fate", with_fates ? "fate" : "", 0, /*left=*/true},
           {"damage", ""}}};
}

std::vector<Cell> row_of(const CacheEntry& entry, std::size_t place, const std::string& fate) {
  const auto text = [](const std::string& value) { return value.empty() ? Cell() : Cell(value); };
  return {std::to_string(place + 1),
          entry.file.filename().string(),
          text(Path(entry.from.model).filename().string()),
          text(entry.from.expert),
          text(entry.from.form),
          static_cast<double>(entry.bytes),
          static_cast<double>(entry.bytes) / 1e9,
          local_time(entry.last_used, "%Y-%m-%d %H:%M"),
          state_of(entry),
          fate,
          text(entry.damage)};
}

void print(const Table& table, const nlohmann::ordered_json& sums, const std::string& text, bool json) {
  if (json) {
    nlohmann::ordered_json all = sums;
    all["files"] = to_json(table);
    std::cout << all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return;
  }
  if (!table.rows.empty()) std::cout << to_text(table);
  std::cout << text << '\n';
}

int clean(const CleanOptions& options) {
  const Path folder = folder_of(options);
  const Entries entries = cache_entries(folder, options.verify ? CacheCheck::data : CacheCheck::headers);
  check_names(entries, options, folder);
  Table table = table_of_files(removes_some(options));
  std::uint64_t bytes = 0, freed = 0;
  std::size_t removed = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const CacheEntry& entry = entries[i];
    const bool goes = is_to_go(entry, i, options);
    if (goes && !entry.is_in_use()) {
      if (!options.dry_run) remove_entry(entry);
      ++removed, freed += entry.bytes;
    }
    bytes += entry.bytes;
    table.rows.push_back(row_of(entry, i, fate_of(entry, goes, options.dry_run)));
  }
  std::string text = fmt::format("{}: {}, {}", folder.string(), count_text(entries.size(), "file"), gigabytes(bytes));
  if (removed > 0) text += fmt::format("; {} {} freed", gigabytes(freed), options.dry_run ? "would be" : "were");
  print(table, {{"folder", folder.string()}, {"bytes", bytes}, {"removed", removed}, {"freed_bytes", freed}}, text,
        options.json);
  return 0;
}

std::vector<Flag> flags_of(CleanOptions& options) {
  constexpr const char* folder[] = {"--weights-cache"};
  std::vector<Flag> flags = only_named(run_flags(options.run), folder);
  flags.front().help = "the folder to look at ($WANFARM_WEIGHTS_CACHE, or else auto: that of the user)";
  const auto add_name = [&names = options.names](const std::string& name) { names.push_back(name); };
  Flag remove{"--remove", "FILE", "remove this file, by its name or its number in the list; may be given again",
              add_name};
  remove.several = true;
  append(flags, {remove,
                 {"--older-than", "DAYS", "remove what was not used for so many days", into(options.days, 0)},
                 {"--broken", "", "remove what is damaged, or was not completed", into(options.broken)},
                 {"--all", "", "remove everything that is not in use", into(options.all)},
                 {"--dry-run", "", "say what would be removed, and remove nothing", into(options.dry_run)},
                 {"--verify", "", "read all data and compare it with its checksums", into(options.verify)},
                 {"--json", "", "print one JSON object", into(options.json)}});
  return flags;
}

}  // namespace

Command clean_command() {
  const auto options = std::make_shared<CleanOptions>();
  return {.name = "clean",
          .summary = "List the converted weights that runs have kept (--weights-cache), and remove some",
          .examples =
              "  wanfarm clean                                  what is there; nothing is removed\n"
              "  wanfarm clean --weights-cache /data/weights    in another folder than the user's own\n"
              "  wanfarm clean --older-than 30 --dry-run        what was not used for a month\n"
              "  wanfarm clean --remove 2                       the second one of the list\n"
              "  wanfarm clean --broken --verify                what is damaged; reads everything\n",
          .flags = flags_of(*options),
          .run = [options] { return clean(*options); }};
}

}  // namespace wf
