#include "launcher/farm/courier.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/signals.hpp"
#include "cluster/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto rest = 1ms;          ///< between two looks into an empty mailbox
constexpr auto news_every = 100ms;  ///< as the bar is drawn
constexpr auto last_words = 500ms;  ///< for what has to leave before the end

template <class... Kinds>
bool is_one_of(const Message& message) {
  return (std::holds_alternative<Kinds>(message) || ...);
}

bool is_order(const Message& message) {
  return is_one_of<letter::Start, letter::Refused, letter::Begin, letter::Assign, letter::Join, letter::ChangeRole,
                   letter::NothingMore>(message);
}

}  // namespace

Courier::Courier(Mail& mail, CourierOptions options)
    : mail_(mail),
      options_(std::move(options)),
      incoming_([this](int holder, const letter::Pull& pull) { send(holder, pull); }, options_.piece),
      lending_([this](int to, const Message& message) { send(to, message); }, options_.patience),
      activities_(static_cast<std::size_t>(mail.size())),
      watch_(options_.silence) {
  for (int rank = 0; rank < size(); ++rank)
    if (rank != this->rank() && (rank == 0 || this->rank() == 0)) watch_.begin(rank, now());
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Courier::~Courier() {
  thread_.request_stop();
  thread_.join();
  mail_.flush(last_words);
}

std::string Courier::name(int rank) const {
  const auto i = static_cast<std::size_t>(rank);
  return fmt::format("rank {}{}", rank, i < options_.hosts.size() ? " (node " + options_.hosts[i] + ")" : "");
}

// ---- The courier's own thread

void Courier::run(const std::stop_token& stop) {
  trace::name_thread("courier");
  try {
    while (!stop.stop_requested()) {
      bool idle = true;
      while (std::optional<Letter> letter = mail_.receive()) {
        handle(std::move(*letter));
        idle = false;
      }
      beat();
      look_for_silent();
      if (idle && !mail_.is_carrying()) std::this_thread::sleep_for(rest);
    }
  } catch (...) {
    const Error error = current_error();
    abort(exit_code(error.kind()), error.what());
  }
}

void Courier::handle(Letter letter) {
  {
    const std::lock_guard lock(mutex_);
    watch_.heard(letter.from, now());
  }
  Message message = to_message(letter.bytes);
  if (const auto* const beat = std::get_if<letter::Beat>(&message)) return hear(letter.from, *beat);
  if (const auto* const abort = std::get_if<letter::Abort>(&message)) return hear(*abort);
  if (const auto* const pull = std::get_if<letter::Pull>(&message)) return answer(letter.from, *pull);
  if (const auto* const release = std::get_if<letter::Release>(&message)) return void(unpark(release->clip));
  if (const auto* const piece = std::get_if<letter::Piece>(&message)) return incoming_.hear(*piece);
  if (const auto* const ahead = std::get_if<letter::Ahead>(&message)) return incoming_.begin(ahead->parked);
  if (const auto* const want = std::get_if<letter::WantWeights>(&message)) return lending_.answer(letter.from, *want);
  if (auto* const weights = std::get_if<letter::Weights>(&message)) return lending_.hear(std::move(*weights));
  if (std::holds_alternative<letter::WeightsTaken>(message)) return lending_.end(letter.from);
  if (const auto* const assign = std::get_if<letter::Assign>(&message)) fetch_for(*assign);
  if (is_order(message)) return orders_.put(std::move(message));
  if (std::holds_alternative<letter::Farewell>(message)) {
    const std::lock_guard lock(mutex_);
    watch_.end(letter.from);
  }
  reports_.put({letter.from, std::move(message)});
}

void Courier::hear(int from, const letter::Beat& beat) {
  if (beat.stop) told_to_stop_ = true;
  const std::lock_guard lock(mutex_);
  activities_[static_cast<std::size_t>(from)] = beat.activity;
}

void Courier::hear(const letter::Abort& abort) {
  if (!abort.why.empty()) spdlog::error("the run ends: {}", abort.why);
  options_.end_process(abort.exit_code);
}

/// Before the thread that computes sees the order.
void Courier::fetch_for(const letter::Assign& order) {
  if (order.holder < 0 || order.holder == rank()) return incoming_.drop();
  incoming_.begin({order.clip, order.first, order.holder});
}

void Courier::answer(int from, const letter::Pull& pull) {
  std::shared_ptr<const Bytes> parcel;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = parked_.find(pull.clip); found != parked_.end()) parcel = found->second;
  }
  letter::Piece piece{.number = pull.number, .offset = pull.offset};
  if (parcel && pull.offset <= parcel->size()) {
    piece.total = parcel->size();
    const auto begin = parcel->begin() + static_cast<std::ptrdiff_t>(pull.offset);
    const std::size_t size = std::min<std::size_t>(options_.piece, parcel->size() - pull.offset);
    piece.bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
  }
  send(from, piece);
}

void Courier::beat() {
  letter::Beat beat;
  beat.stop = stop_requested();
  {
    const std::lock_guard lock(mutex_);
    beat.activity = activities_[static_cast<std::size_t>(rank())];
  }
  const auto since = Clock::now() - last_beat_;
  const bool has_news = rank() != 0 && beat.activity != said_.activity && since >= news_every;
  if (since < options_.beat && beat.stop == said_.stop && !has_news) return;
  last_beat_ = Clock::now();
  said_ = beat;
  if (rank() != 0) return send(0, beat);
  for (int other = 1; other < size(); ++other) send(other, beat);
}

void Courier::look_for_silent() {
  std::vector<int> silent;
  std::string was_at;
  {
    const std::lock_guard lock(mutex_);
    silent = watch_.silent(now());
    if (silent.empty()) return;
    was_at = rank() == 0 ? "; it was at: " + words(activities_[static_cast<std::size_t>(silent.front())]) : "";
  }
  abort(1, fmt::format("{} has not been heard of for {:.0f} s: it died, or hangs{}. The same command goes on with what "
                       "is not finished",
                       name(silent.front()), options_.silence, was_at));
}

// ---- For any thread

bool Courier::stop_requested() const { return told_to_stop_ || wf::stop_requested(); }

void Courier::set_activity(const Activity& activity) {
  const std::lock_guard lock(mutex_);
  activities_[static_cast<std::size_t>(rank())] = activity;
}

std::vector<Activity> Courier::activities() const {
  const std::lock_guard lock(mutex_);
  return activities_;
}

void Courier::abort(int exit_code, const std::string& why) {
  if (!why.empty()) spdlog::error("the run ends: {}", why);
  try {
    for (int other = 0; other < size(); ++other)
      if (other != rank()) send(other, letter::Abort{exit_code, why});
    mail_.flush(last_words);
  } catch (const std::exception& error) {
    spdlog::error("the others could not be told: {}", error.what());
  }
  options_.end_process(exit_code);
}

// ---- For the thread that computes

Message Courier::next() {
  const trace::Span waiting("wait", "order");
  for (;;)
    if (std::optional<Message> order = orders_.take(1h)) return std::move(*order);
}

void Courier::park(std::size_t clip, Bytes parcel) {
  auto shared = std::make_shared<const Bytes>(std::move(parcel));
  const std::lock_guard lock(mutex_);
  parked_[clip] = std::move(shared);
}

std::shared_ptr<const Bytes> Courier::unpark(std::size_t clip) {
  const std::lock_guard lock(mutex_);
  const auto parked = parked_.extract(clip);
  return parked ? parked.mapped() : nullptr;
}

std::vector<std::size_t> Courier::parked() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> clips;
  for (const auto& [clip, parcel] : parked_) clips.push_back(clip);
  return clips;
}

Bytes Courier::pull(const letter::Assign& order) {
  std::optional<Bytes> parcel = incoming_.take();
  if (!parcel)
    throw Error(Error::transient, fmt::format("{} has nothing parked of clip {}", name(order.holder), order.clip));
  send(order.holder, letter::Release{order.clip});
  return std::move(*parcel);
}

void Courier::say_farewell(std::string trace) {
  send(0, letter::Farewell{std::move(trace)});
  const std::lock_guard lock(mutex_);
  watch_.end(0);
}

}  // namespace wf
