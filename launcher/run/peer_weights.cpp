#include "launcher/farm/lending.hpp"

#include <utility>

#include "cluster/log.hpp"
#include "cluster/trace.hpp"

namespace wf {

// ---- The lender

void Lending::answer(int from, const letter::WantWeights& want) {
  Lent lent;
  try {
    const std::lock_guard lock(lend_mutex_);
    if (lend_) lent = lend_(want.role);
  } catch (const std::exception& error) {  // the other one can do without
    spdlog::debug("nothing is lent to rank {}: {}", from, error.what());
  }
  if (!lent.handles.empty()) leases_[from] = std::move(lent.lease);
  send_(from, letter::Weights{want.number, std::move(lent.handles)});
}

void Lending::lend_by(Lend lend) {
  const std::lock_guard lock(lend_mutex_);
  lend_ = std::move(lend);
}

// ---- The borrower

void Lending::hear(letter::Weights answer) {
  const std::lock_guard lock(mutex_);
  if (answer.number != number_) return;
  answer_ = std::move(answer.handles);
  answered_.notify_one();
}

/// The lender reads what ends the lease after the question, however late: also where nobody waits for its answer.
Lent Lending::borrow(int lender, Role role) {
  const trace::Span waiting("wait", "weights");
  std::unique_lock lock(mutex_);
  answer_.reset();
  send_(lender, letter::WantWeights{++number_, role});
  const auto end = [this, lender](const void*) { send_(lender, letter::WeightsTaken{}); };
  Lent lent{.lease = std::shared_ptr<const void>(this, end)};
  if (answered_.wait_for(lock, patience_, [this] { return answer_.has_value(); }))
    lent.handles = std::move(*answer_);
  else
    spdlog::debug("rank {} does not answer", lender);
  return lent;
}

}  // namespace wf
