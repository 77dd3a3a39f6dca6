#include "launcher/bench/team.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "launcher/farm/groups.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

constexpr std::int64_t fine = -1;

/// One of each rank, in their order.
at::Tensor gather(Communicator& ranks, const at::Tensor& own) {
  return ranks.all_gather(own, Counts(static_cast<std::size_t>(ranks.size()), 1));
}

std::optional<Error> error_of(const std::function<void()>& part) {
  try {
    part();
    return {};
  } catch (const std::exception&) {
    return current_error();
  }
}

}  // namespace

Team::Team(Process& process) : process_(process), host_(process.world.value().communicator()) {}

std::string Team::words() const {
  const int machines = process_.place.nodes;
  return fmt::format("{} ranks on {} machine{}", size(), machines, machines == 1 ? "" : "s");
}

Team::Communicators Team::communicators(at::Device device) const {
  const std::vector<int> ranks = make_groups(process_.hosts, size()).ranks.front();
  Communicators all{host_->subgroup(ranks), nullptr};
  if (device.is_cuda()) all.device = nccl_communicator(host_->subgroup(ranks), device, {}, ranks);
  return all;
}

void Team::agree(const std::function<void()>& part) {
  const std::optional<Error> own = error_of(part);
  const at::Tensor kinds = gather(*host_, at::full({1}, own ? std::int64_t{own->kind()} : fine, at::kLong));
  const std::vector<std::int64_t> all(kinds.const_data_ptr<std::int64_t>(),
                                      kinds.const_data_ptr<std::int64_t>() + size());
  const auto failed = std::ranges::find_if(all, [](std::int64_t kind) { return kind != fine; });
  if (failed == all.end()) return;
  const auto first = static_cast<int>(failed - all.begin());
  const std::string what = from(first, own ? own->what() : "");
  if (rank() != 0) throw Abandoned();
  const std::string& host = process_.hosts[static_cast<std::size_t>(first)];
  const std::string where = first == 0 ? "" : fmt::format("rank {} ({}): ", first, host);
  throw Abandoned{Error(static_cast<Error::Kind>(*failed), where + what)};
}

double Team::most(double own) { return gather(*host_, at::full({1}, own, at::kDouble)).max().item<double>(); }

Timing Team::time_runs(at::Device device, int runs, const std::function<void()>& work) {
  Timing timing;
  for (int i = 0; i < runs; ++i) {
    synchronize(device);
    host_->barrier();
    timing.runs.push_back(most(seconds_on(device, work)));
  }
  return timing;
}

std::string Team::from(int rank, std::string own) {
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(own.size()), at::kLong);
  host_->broadcast(size, rank);
  own.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!own.empty()) host_->broadcast(at::from_blob(own.data(), {size.item<std::int64_t>()}, at::kByte), rank);
  return own;
}

}  // namespace wf
