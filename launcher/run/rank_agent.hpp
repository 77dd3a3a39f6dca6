// launcher/farm/courier.hpp: a rank's mail, carried by a thread of its own while another one computes: letters go to
// who waits for them, parked clips are handed out, ranks that fall silent are noticed.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "launcher/farm/incoming.hpp"
#include "launcher/farm/lending.hpp"
#include "launcher/farm/letters.hpp"
#include "launcher/farm/watch.hpp"

namespace wf {

/// What threads of one process leave for each other.
template <class T>
class Inbox {
 public:
  void put(T item) {
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    filled_.notify_one();
  }
  /// Empty when nothing came within that time.
  std::optional<T> take(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    if (!filled_.wait_for(lock, most, [this] { return !items_.empty(); })) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<T> items_;
};

/// The run ends at once, everywhere.
using EndProcess = std::function<void(int exit_code)>;

struct CourierOptions {
  std::vector<std::string> hosts;  ///< of the ranks, for messages
  std::chrono::milliseconds beat = std::chrono::seconds(1);
  double silence = 8;      ///< seconds after which a rank counts as lost
  EndProcess end_process;  ///< ends this process without waiting for anyone; what is said is said already
  std::size_t piece = std::size_t{16} << 20;                     ///< bytes of a parked clip in one letter
  std::chrono::milliseconds patience = std::chrono::seconds(5);  ///< with a rank that is asked for an expert
};

/// Every rank beats: to rank 0, and rank 0 to all. A rank that rank 0 has not heard of ends the run, named, with what
/// it was at; so does a silent rank 0, for the others.
class Courier {
 public:
  struct Report {
    int from;
    Message message;
  };

  /// Starts the thread. `mail` is its alone from now on, but for send().
  Courier(Mail& mail, CourierOptions options);
  /// Ends it. What was sent has left, or will never.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  int rank() const { return mail_.rank(); }
  int size() const { return mail_.size(); }
  std::string name(int rank) const;  ///< "rank 3 (node n2)"

  // For any thread.
  void send(int to, const Message& message) { mail_.send(to, to_bytes(message)); }
  /// A signal came here or to another rank: finish the step, keep what is computed.
  bool stop_requested() const;
  void stop_all() { told_to_stop_ = true; }  ///< on rank 0: its next beat says so
  void set_activity(const Activity& activity);
  /// Says why, tells all ranks to end, and ends this one.
  void abort(int exit_code, const std::string& why);

  // For the thread that computes.
  Message next();  ///< the next order, also Start and Refused; waits for it
  void park(std::size_t clip, Bytes parcel);
  std::shared_ptr<const Bytes> unpark(std::size_t clip);  ///< what was parked here; null: nothing
  std::vector<std::size_t> parked() const;
  /// What the last order's clip goes on from, which is on its way here since that order came, or longer; the holder
  /// forgets it then. Throws transient when it is not there.
  Bytes pull(const letter::Assign& order);
  Lending& lending() { return lending_; }
  void say_farewell(std::string trace);  ///< to rank 0; from now on nobody watches the other

  // For rank 0.
  std::optional<Report> next_report(std::chrono::milliseconds most) { return reports_.take(most); }
  std::vector<Activity> activities() const;  ///< of all ranks, as last heard

 private:
  using Clock = std::chrono::steady_clock;
  static double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }
  void run(const std::stop_token& stop);
  void handle(Letter letter);
  void hear(int from, const letter::Beat& beat);
  void hear(const letter::Abort& abort);
  void fetch_for(const letter::Assign& order);
  void answer(int from, const letter::Pull& pull);
  void beat();  ///< when it is time, or there is news for rank 0
  void look_for_silent();

  Mail& mail_;
  CourierOptions options_;
  Inbox<Message> orders_;
  Inbox<Report> reports_;
  Incoming incoming_;
  Lending lending_;
  mutable std::mutex mutex_;  ///< of all below
  std::map<std::size_t, std::shared_ptr<const Bytes>> parked_;
  std::vector<Activity> activities_;
  Watch watch_;
  std::atomic<bool> told_to_stop_ = false;
  letter::Beat said_;  ///< in the last beat
  Clock::time_point last_beat_ = {};
  std::jthread thread_;  ///< last: it uses all of the above
};

}  // namespace wf
