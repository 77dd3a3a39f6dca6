#include "launcher/run/rank_agent.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/machine.hpp"
#include "base/match.hpp"
#include "base/signals.hpp"
#include "base/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto idle_pause = 1ms;    ///< between two looks into an empty transport
constexpr auto news_every = 100ms;  ///< steps are reported no more often than the progress bar is drawn
constexpr auto flush_time = 500ms;  ///< for what has to leave before the process ends
constexpr auto answer_time = 10s;   ///< for rank 0 to answer a rank that cannot go on

template <class... Kinds>
bool is_one_of(const Message& message) {
  return (std::holds_alternative<Kinds>(message) || ...);
}

bool is_order(const Message& message) {
  return is_one_of<message::Start, message::Refused, message::Begin, message::Assign, message::JoinStage,
                   message::ChangeRole, message::NoMoreWork>(message);
}

}  // namespace

RankAgent::RankAgent(Transport& transport, RankAgentOptions options)
    : transport_(transport),
      options_(std::move(options)),
      fetch_([this](int holder, const message::FetchState& request) { send(holder, request); }, options_.chunk,
             options_.fetch_deadline),
      peer_weights_([this](int to, const Message& message) { send(to, message); }, options_.patience),
      activities_(static_cast<std::size_t>(transport.size())),
      detector_(options_.timeout),
      stall_patience_([least = options_.stall_timeout](const WorkUnderWay&) { return least; }) {
  for (int other = 0; other < size(); ++other)
    if (other != rank() && (other == 0 || rank() == 0)) detector_.watch(other, steady_time());
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

RankAgent::~RankAgent() {
  thread_.request_stop();
  thread_.join();
  try {
    transport_.flush(flush_time);
  } catch (const std::exception& error) {
    spdlog::error("what was sent last may not have left: {}", error.what());
  }
}

std::string RankAgent::node(int rank) const {
  const auto i = static_cast<std::size_t>(rank);
  return i < options_.hosts.size() ? options_.hosts[i] : "";
}

std::string RankAgent::name(int rank) const {
  const std::string its_node = node(rank);
  return fmt::format("rank {}{}", rank, its_node.empty() ? "" : " (node " + its_node + ")");
}

// ---- The agent's thread

void RankAgent::run(const std::stop_token& stop) {
  trace::name_thread("agent");
  try {
    while (!stop.stop_requested()) {
      bool idle = true;
      while (const std::optional<Packet> packet = transport_.receive()) {
        handle(*packet);
        idle = false;
      }
      send_heartbeat_if_due();
      look_for_lost_ranks();
      if (Clock::now() - looked_at_ >= news_every) {
        looked_at_ = Clock::now();
        look_for_ended_ranks();
        look_for_hung_ranks();
      }
      if (idle && !transport_.is_carrying()) std::this_thread::sleep_for(idle_pause);
    }
  } catch (...) {
    abort(current_error());
  }
}

/// Any message counts as a sign of life. A rank that was lost and comes back, perhaps after its node was suspended, is
/// not heard any more: others do its work.
void RankAgent::handle(const Packet& packet) {
  {
    const std::lock_guard lock(mutex_);
    if (lost_.contains(packet.from)) return;
    detector_.heard(packet.from, steady_time());
  }
  Message message = to_message(packet.bytes);
  if (handle_here(packet.from, message)) return;
  if (const auto* const assign = std::get_if<message::Assign>(&message)) prepare_for(*assign);
  if (is_order(message)) return orders_.put(std::move(message));
  if (std::holds_alternative<message::Farewell>(message)) {
    const std::lock_guard lock(mutex_);
    detector_.forget(packet.from);
    stalls_.forget(packet.from);
  }
  reports_.put({packet.from, std::move(message)});
}

/// False for a message that another thread waits for.
bool RankAgent::handle_here(int from, Message& message) {
  return std::visit(Match{[&](const message::Heartbeat& m) { return on_heartbeat(from, m), true; },
                          [&](const message::Abort& m) { return on_abort(m), true; },
                          [&](const message::Lost& m) { return on_lost(m), true; },
                          [&](const message::CancelClip& m) { return on_cancel(m), true; },
                          [&](const message::FetchState& m) { return send_chunk(from, m), true; },
                          [&](const message::ReleaseState& m) { return take_stashed(m.clip), true; },
                          [&](const message::StateChunk& m) { return fetch_.on_chunk(m), true; },
                          [&](const message::PrefetchHint& m) { return fetch_.begin(m.stashed), true; },
                          [&](const message::RequestWeights& m) { return peer_weights_.on_request(from, m), true; },
                          [&](message::WeightHandles& m) { return peer_weights_.on_handles(std::move(m)), true; },
                          [&](const message::ReturnWeights&) { return peer_weights_.on_return(from), true; },
                          [](const auto&) { return false; }},
                    message);
}

void RankAgent::on_heartbeat(int from, const message::Heartbeat& heartbeat) {
  if (heartbeat.stop) stop_requested_ = true;
  if (rank() == 0) stalls_.note(from, heartbeat.work, steady_time());
  const std::lock_guard lock(mutex_);
  activities_[static_cast<std::size_t>(from)] = heartbeat.activity;
}

void RankAgent::on_abort(const message::Abort& abort) {
  if (!abort.why.empty()) spdlog::error("the run ends: {}", abort.why);
  options_.end_process(abort.exit_code);
}

void RankAgent::on_cancel(const message::CancelClip& cancel) {
  const std::lock_guard lock(mutex_);
  cancelled_.insert(cancel.clip);
}

/// Called before the computing thread sees the order, so that the state is on its way when that thread asks for it.
void RankAgent::prepare_for(const message::Assign& order) {
  ended(order.clip);  // before: what was meant for an earlier attempt came too late for it
  if (order.holder < 0 || order.holder == rank()) return fetch_.drop();
  fetch_.begin({order.clip, order.first, order.holder});
}

void RankAgent::send_chunk(int to, const message::FetchState& request) {
  std::shared_ptr<const Bytes> state;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = stashed_.find(request.clip); found != stashed_.end()) state = found->second;
  }
  message::StateChunk chunk{.number = request.number, .offset = request.offset};
  if (state && request.offset <= state->size()) {
    chunk.total = state->size();
    const auto begin = state->begin() + static_cast<std::ptrdiff_t>(request.offset);
    const std::size_t size = std::min<std::size_t>(options_.chunk, state->size() - request.offset);
    chunk.bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
  }
  send(to, chunk);
}

/// Due is a heartbeat when its time has come, when a stop was requested, and for rank 0 to hear of a new step.
void RankAgent::send_heartbeat_if_due() {
  message::Heartbeat heartbeat;
  heartbeat.work = work_under_way();
  heartbeat.stop = stop_requested();
  {
    const std::lock_guard lock(mutex_);
    heartbeat.activity = activities_[static_cast<std::size_t>(rank())];
  }
  const auto since = Clock::now() - sent_at_;
  const bool has_news = rank() != 0 && heartbeat.activity != last_heartbeat_.activity && since >= news_every;
  if (since < options_.heartbeat && heartbeat.stop == last_heartbeat_.stop && !has_news) return;
  sent_at_ = Clock::now();
  last_heartbeat_ = heartbeat;
  if (rank() != 0) return send(0, heartbeat);
  send_to_others(heartbeat);
}

void RankAgent::look_for_lost_ranks() {
  std::vector<int> silent;
  std::string activity;
  {
    const std::lock_guard lock(mutex_);
    silent = detector_.timed_out(steady_time());
    if (silent.empty()) return;
    if (rank() == 0) activity = "; it was at: " + to_string(activities_[static_cast<std::size_t>(silent.front())]);
  }
  lose(silent.front(),
       fmt::format("has not been heard of for {:.0f} s: it died, or hangs{}", options_.timeout, activity),
       options_.lost_code);
}

bool RankAgent::is_watched(int rank) const {
  const std::lock_guard lock(mutex_);
  return detector_.watches(rank);
}

/// A process on this node that has ended need not be waited for. It is lost the second time that it is found so: what
/// it sent last, perhaps its farewell, has been received by then.
void RankAgent::look_for_ended_ranks() {
  for (int other = 0; other < std::ssize(options_.processes); ++other) {
    if (!is_watched(other) || !has_ended(options_.processes[static_cast<std::size_t>(other)])) continue;
    if (!ended_.insert(other).second) return lose(other, "has died", options_.lost_code);
  }
}

void RankAgent::look_for_hung_ranks() {
  if (rank() != 0) return;
  stalls_.note(0, work_under_way(), steady_time());
  Patience patience;
  {
    const std::lock_guard lock(mutex_);
    patience = stall_patience_;
  }
  if (const std::optional<Stall> stall = stalls_.find(steady_time(), patience))
    lose(stall->rank,
         fmt::format("has made no progress for {:.0f} s, {}: it hangs", stall->seconds, to_string(stall->work)),
         options_.lost_code);
}

/// The ranks that cannot go on without this one; empty: the whole run cannot.
std::vector<int> RankAgent::lost_with(int lost) const {
  const std::lock_guard lock(mutex_);
  const auto group =
      std::ranges::find_if(groups_, [&](const auto& ranks) { return std::ranges::count(ranks, lost) > 0; });
  return group == groups_.end() || std::ranges::count(*group, 0) > 0 ? std::vector<int>{} : *group;
}

void RankAgent::lose(int lost, const std::string& why, int exit_code) {
  const std::vector<int> group = lost_with(lost);
  if (group.empty()) {
    tell_of_fatal_loss(lost, why);
    return abort(exit_code, name(lost) + " " + why + ". The same command goes on with what is not finished");
  }
  take_out(lost, why);
  for (const int other : group)
    if (other != lost) take_out(other, "ends, since it computed together with " + name(lost));
}

void RankAgent::tell_of_fatal_loss(int lost, const std::string& why) {
  std::function<void(int, const std::string&)> tell;
  {
    const std::lock_guard lock(mutex_);
    tell = tell_of_fatal_loss_;
  }
  if (tell) tell(lost, why);
}

/// A rank that hangs may still read messages, and then ends itself.
void RankAgent::take_out(int lost, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (lost_.contains(lost)) return;
    detector_.forget(lost);
    lost_.insert(lost);
    activities_[static_cast<std::size_t>(lost)] = {};
  }
  stalls_.forget(lost);
  send_to_others(message::Lost{lost, why});
  transport_.flush(flush_time);
  fetch_.on_lost(lost);
  transport_.forget(lost);
  reports_.put({lost, message::Lost{lost, why}});
}

/// From a rank of itself: it cannot go on.
void RankAgent::on_lost(const message::Lost& message) {
  const int lost = message.rank;
  if (rank() == 0) return lose(lost, message.why, message.exit_code);
  if (lost == rank()) {
    spdlog::error("rank 0 goes on without this rank, which {}", message.why);
    return options_.leave_process(1);
  }
  {
    const std::lock_guard lock(mutex_);
    lost_.insert(lost);
  }
  fetch_.on_lost(lost);
  transport_.forget(lost);
}

// ---- Any thread

void RankAgent::tell_of_fatal_losses(std::function<void(int, const std::string&)> tell) {
  const std::lock_guard lock(mutex_);
  tell_of_fatal_loss_ = std::move(tell);
}

void RankAgent::survive_losses(std::vector<std::vector<int>> groups) {
  const std::lock_guard lock(mutex_);
  groups_ = std::move(groups);
}

void RankAgent::give_up(const Error& error) {
  spdlog::error("this rank cannot go on: {}", error.what());
  send(0, message::Lost{rank(), fmt::format("cannot go on: {}", error.what()), wf::exit_code(error.kind())});
  std::this_thread::sleep_for(answer_time);  // rank 0's answer ends this process
  abort(error);
  std::abort();
}

void RankAgent::send_to_others(const Message& message) {
  const auto bytes = std::make_shared<const Bytes>(to_bytes(message));
  for (int other = 0; other < size(); ++other)
    if (other != rank()) transport_.send(other, bytes);
}

void RankAgent::set_patience(Patience patience) {
  const std::lock_guard lock(mutex_);
  stall_patience_ = std::move(patience);
}

bool RankAgent::has_lost_ranks() const {
  const std::lock_guard lock(mutex_);
  return !lost_.empty();
}

void RankAgent::flush() { transport_.flush(flush_time); }

bool RankAgent::stop_requested() const { return stop_requested_ || wf::stop_requested(); }

std::set<std::size_t> RankAgent::cancelled_clips() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

void RankAgent::ended(std::size_t clip) {
  const std::lock_guard lock(mutex_);
  cancelled_.erase(clip);
}

void RankAgent::set_activity(const Activity& activity) {
  const std::lock_guard lock(mutex_);
  activities_[static_cast<std::size_t>(rank())] = activity;
}

std::vector<Activity> RankAgent::activities() const {
  const std::lock_guard lock(mutex_);
  return activities_;
}

void RankAgent::abort(int exit_code, const std::string& why) {
  if (!why.empty()) spdlog::error("the run ends: {}", why);
  try {
    send_to_others(message::Abort{exit_code, why});
    transport_.flush(flush_time);
  } catch (const std::exception& error) {
    spdlog::error("the other ranks could not be told: {}", error.what());
  }
  options_.end_process(exit_code);
}

// ---- The computing thread

Message RankAgent::next() {
  const trace::Span waiting("wait", "order");
  for (;;)
    if (std::optional<Message> order = orders_.take(1h)) return std::move(*order);
}

void RankAgent::stash(std::size_t clip, Bytes state) {
  auto shared = std::make_shared<const Bytes>(std::move(state));
  const std::lock_guard lock(mutex_);
  stashed_[clip] = std::move(shared);
}

std::shared_ptr<const Bytes> RankAgent::take_stashed(std::size_t clip) {
  const std::lock_guard lock(mutex_);
  const auto state = stashed_.extract(clip);
  return state ? state.mapped() : nullptr;
}

std::vector<std::size_t> RankAgent::stashed() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> clips;
  for (const auto& [clip, state] : stashed_) clips.push_back(clip);
  return clips;
}

Bytes RankAgent::fetch(const message::Assign& order) {
  std::optional<Bytes> state = fetch_.take();
  if (!state)
    throw Error(Error::transient, fmt::format("{} has nothing stashed of clip {}", name(order.holder), order.clip));
  send(order.holder, message::ReleaseState{order.clip});
  return std::move(*state);
}

void RankAgent::say_farewell(std::string trace) {
  send(0, message::Farewell{std::move(trace)});
  const std::lock_guard lock(mutex_);
  detector_.forget(0);
}

}  // namespace wf
