#include "tests/launcher/status/told_run.hpp"

namespace wf::test {
namespace {

std::string name_of(int number) { return "000" + std::to_string(number) + "-kite"; }

std::vector<ListedClip> listed_clips() {
  std::vector<ListedClip> clips;
  for (int number = 1; number <= 6; ++number) {
    Job job;
    job.name = name_of(number);
    job.index = number;
    job.prompt = "A red kite over a green field";
    job.seed = 42;
    clips.push_back({job, "f" + std::to_string(number)});
  }
  return clips;
}

void add(RunHistory& history, double after, Event event) {
  event.epoch = 2;
  event.number = static_cast<std::int64_t>(history.journal.events.size()) + 1;
  event.time = start + after;
  history.journal.events.push_back(event);
  history.last_event = event.time;
}

Event given(int number, int rank, int attempt) {
  return {.kind = Event::assigned, .clip = name_of(number), .rank = rank, .stage = "text-write", .attempt = attempt};
}

void tell(RunHistory& history) {
  add(history, 0, {.kind = Event::began, .rank = 3, .text = "run"});
  add(history, 1, {.kind = Event::found, .clip = name_of(2), .file = name_of(2) + ".mp4"});
  add(history, 10, given(1, 0, 1));
  add(history, 11, {.kind = Event::at_stage, .clip = name_of(1), .rank = 0, .stage = "high"});
  add(history, 20, given(4, 1, 1));
  add(history, 21, {.kind = Event::at_stage, .clip = name_of(4), .rank = 1, .stage = "low"});
  add(history, 30,
      {.kind = Event::failed,
       .clip = name_of(4),
       .attempt = 1,
       .error = "resource",
       .text = "out of memory: low wanted 12 GiB, 3 GiB were free",
       .again = true});
  add(history, 40, given(5, 2, 1));
  add(history, 50, {.kind = Event::lost, .rank = 2, .text = "sends nothing for 8 s: it died, or hangs"});
  add(history, 51,
      {.kind = Event::quarantined, .clip = name_of(5), .error = "permanent", .text = "two ranks were lost with it"});
  add(history, 60, given(4, 1, 2));
  add(history, 70,
      {.kind = Event::failed,
       .clip = name_of(4),
       .attempt = 2,
       .error = "resource",
       .text = "out of memory: low wanted 12 GiB, 3 GiB were free"});
  add(history, 100,
      {.kind = Event::done,
       .clip = name_of(1),
       .rank = 0,
       .attempt = 1,
       .seconds = {{"high", 50}, {"low", 30.5}},
       .file = name_of(1) + ".mp4"});
  add(history, 101, given(3, 0, 1));
}

RunInfo info() {
  RunInfo info;
  info.id = "run";
  info.epoch = 2;
  info.started = start;
  info.host = "n1";
  info.command = {"wanfarm", "render", "kites.yaml", "--ranks", "3"};
  info.ranks = {{"n1", "cpu", 0}, {"n1", "cpu", 1}, {"n2", "cpu", 2}};
  return info;
}

LiveStatus status() {
  LiveStatus status{.epoch = 2, .time = now - 1, .state = "running", .clips = 6};
  status.share = 0.55;
  status.eta_seconds = 600;
  status.eta_least = 500;
  status.eta_most = 750;
  status.clips_per_hour = 3.6;
  status.ranks = {
      {.clip = name_of(3), .stage = "high", .step = 12, .steps = 40, .seconds_per_step = 1.5, .since = now - 7},
      {.since = now - 90},
      {.lost = true}};
  return status;
}

}  // namespace

RunHistory told_run() {
  RunHistory history;
  history.output = "/data/renders";
  history.info = info();
  tell(history);
  history.journal.last_epoch = 2;
  history.clips = clip_histories(listed_clips(), history.journal.events);
  history.live = status();
  return history;
}

RunHistory ended_run(int code) {
  RunHistory history = told_run();
  add(history, 900, {.kind = Event::ended, .text = "2 of 6 clips", .code = code});
  history.clips = clip_histories(listed_clips(), history.journal.events);
  history.exit_code = code;
  return history;
}

}  // namespace wf::test
