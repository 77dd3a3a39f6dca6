// parallel/lender.hpp: what a rank has on its GPU, lent to another rank of the machine for a copy.
#pragma once

#include <functional>
#include <memory>

#include "parallel/mail.hpp"

namespace wf {

struct Lent {
  Bytes handles = {};                      ///< of the memory (parallel/peer_tensors.hpp); empty: nothing is lent
  std::shared_ptr<const void> lease = {};  ///< as long as this is kept, on either side, the memory stays as it is
};

/// A rank that may have what is wanted.
struct Lender {
  int rank = 0;
  std::function<Lent()> borrow;  ///< waits for its answer
};

}  // namespace wf
