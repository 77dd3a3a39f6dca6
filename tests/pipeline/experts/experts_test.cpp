// tests/pipeline/experts/experts_test.cpp: when and how often each expert is loaded, and where it is kept. The code is
// the same for every device, so it is tested on a CPU too.
#include "pipeline/experts/experts.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

/// Loads the golden experts and records which.
struct Loads {
  std::vector<Expert> done;
  Experts::Load load() {
    return [this](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
      done.push_back(which);
      return tiny_dit(which == Expert::high ? "high" : "low", Precision::reference);
    };
  }
};

std::uint64_t bytes_of(const DitWeights& weights) {
  return dit_weight_bytes(weights.config, weights.text_dim, weights.precision);
}

void expect_same_weights(const DitWeights& ours, const std::string& expert) {
  DitWeights all = ours, wanted = tiny_dit(expert, Precision::reference);
  std::vector<at::Tensor> tensors;
  for_each_tensor(wanted, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
  std::size_t i = 0;
  for_each_tensor(all, [&](at::Tensor& tensor) { EXPECT_TRUE(at::equal(tensor, tensors.at(i++))) << expert; });
  EXPECT_EQ(i, tensors.size());
}

TEST(ResidentExperts, AreEachLoadedOnceAndNeverMove) {
  Loads loads;
  Experts experts(Residency::both, test::device(), loads.load());
  const DitWeights& high = experts.use(Expert::high);
  EXPECT_EQ(loads.done, std::vector{Expert::high}) << "the other one is not needed yet";
  const DitWeights& low = experts.use(Expert::low);
  experts.free_device();
  EXPECT_EQ(&experts.use(Expert::high), &high);
  EXPECT_EQ(&experts.use(Expert::low), &low);
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low}));
  EXPECT_EQ(experts.traffic().bytes, 0u);
  expect_same_weights(high, "high");
  expect_same_weights(low, "low");
}

TEST(ResidentExperts, AreLoadedAgainWhereTheDeviceWasCleared) {
  Loads loads;
  Experts experts(Residency::both, test::device(), loads.load());
  const at::Tensor weight = experts.use(Expert::high).text_in.weight;
  experts.use(Expert::low);
  experts.clear_device();
  EXPECT_EQ(weight.use_count(), 1u) << "nobody else has it";
  expect_same_weights(experts.use(Expert::low), "low");
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low, Expert::low, Expert::high}));
}

TEST(SwappedExperts, AreEachLoadedOnceAndComeBackFromTheHost) {
  Loads loads;
  Experts experts(Residency::exchanged, test::device(), loads.load());
  const std::uint64_t bytes = bytes_of(experts.use(Expert::high));
  experts.use(Expert::low);
  EXPECT_EQ(experts.traffic().bytes, 0u) << "both were loaded";
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(experts.traffic().bytes, bytes);
  expect_same_weights(experts.use(Expert::low), "low");
  EXPECT_EQ(experts.traffic().bytes, 2 * bytes);
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low}));
}

/// With a place on the host for each.
std::unique_ptr<Experts> streamed_experts(Loads& loads) {
  auto experts = std::make_unique<Experts>(Residency::exchanged, test::device(), loads.load(), std::chrono::seconds(5),
                                           WeightForm::as_computed, /*streamed=*/1);
  for (const std::string name : {"high", "low"})
    experts->keep_copy_in(name == "high" ? Expert::high : Expert::low,
                          std::make_unique<HostExpert>(tiny_dit(name, Precision::reference), test::device()));
  return experts;
}

TEST(StreamedExperts, AreEachLoadedOnceAndComputeWhatResidentOnesDo) {
  Loads loads;
  const std::unique_ptr<Experts> streamed = streamed_experts(loads);
  Experts& experts = *streamed;
  const at::Tensor x = Golden("dit.safetensors").input("x").to(test::device());
  for (const Expert which : {Expert::high, Expert::low, Expert::high, Expert::low}) {
    const DitWeights& weights = experts.use(which);
    const DitWeights whole = tiny_dit(which == Expert::high ? "high" : "low", Precision::reference);
    const at::Tensor text = at::ones({3, weights.text_dim}, x.options());
    EXPECT_TRUE(at::equal(forward(weights, x, 876, text), forward(whole, x, 876, text)));
  }
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low}));
}

TEST(StreamedExperts, UploadLessThanAllWhenTheyAreExchanged) {
  Loads loads;
  const std::unique_ptr<Experts> streamed = streamed_experts(loads);
  Experts& experts = *streamed;
  const std::uint64_t bytes = bytes_of(experts.use(Expert::high));
  const std::uint64_t uploaded = experts.traffic().bytes;
  EXPECT_GT(uploaded, 0u);
  EXPECT_LT(uploaded, bytes);
  experts.use(Expert::low);
  EXPECT_EQ(experts.traffic().bytes, 2 * uploaded);
}

TEST(StreamedExperts, AreNotLeasedToPeersWhichWouldFindAPart) {
  Loads loads;
  const std::unique_ptr<Experts> streamed = streamed_experts(loads);
  Experts& experts = *streamed;
  experts.use(Expert::high);
  EXPECT_EQ(experts.lease(Expert::high), nullptr);
}

TEST(StreamedExperts, LeaveTheDeviceAndComeBack) {
  Loads loads;
  const std::unique_ptr<Experts> streamed = streamed_experts(loads);
  Experts& experts = *streamed;
  experts.use(Expert::high);
  experts.free_device();
  const DitWeights& back = experts.use(Expert::high);
  EXPECT_TRUE(back.stream);
  EXPECT_EQ(loads.done, std::vector{Expert::high});
}

/// The high-noise expert out of a file in 8 bits.
DitWeights expert_in_8_bits(WeightForm form) {
  const Path file = golden_folder() / "variants/single/high_fp8_rows.safetensors";
  return load_dit({Network::expert, file}, read_dit_config(golden_model() / "high_noise_model/config.json"),
                  Precision::reference, test::device(), form);
}

TEST(SwappedExperts, In8BitsStaySoOnTheHostAndAreWidenedOnTheDevice) {
  Experts experts(
      Residency::exchanged, test::device(), [](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
        return which == Expert::high ? expert_in_8_bits(WeightForm::as_stored) : tiny_dit("low", Precision::reference);
      });
  DitWeights wanted = expert_in_8_bits(WeightForm::as_computed);
  const auto expect_wide = [&](DitWeights ours) {
    std::vector<at::Tensor> tensors;
    for_each_tensor(wanted, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
    std::size_t i = 0;
    for_each_tensor(ours, [&](at::Tensor& tensor) { EXPECT_TRUE(at::equal(tensor, tensors.at(i++))); });
  };
  expect_wide(experts.use(Expert::high));
  experts.use(Expert::low);
  expect_wide(experts.use(Expert::high));
  EXPECT_EQ(experts.traffic().bytes,
            dit_weight_bytes(wanted.config, wanted.text_dim, Precision::reference, WeightForm::fp8))
      << "8 bits travel";
}

TEST(SwappedExperts, DoNotMoveWhenTheSameOneIsUsedAgain) {
  Loads loads;
  Experts experts(Residency::exchanged, test::device(), loads.load());
  const DitWeights& first = experts.use(Expert::low);
  EXPECT_EQ(&experts.use(Expert::low), &first);
  EXPECT_EQ(loads.done, std::vector{Expert::low});
  EXPECT_EQ(experts.traffic().bytes, 0u);
}

TEST(SwappedExperts, ComeBackWhereTheDeviceWasFreed) {
  Loads loads;
  Experts experts(Residency::exchanged, test::device(), loads.load());
  const std::uint64_t bytes = bytes_of(experts.use(Expert::high));
  experts.free_device();
  experts.free_device();  // nothing is there any more
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, std::vector{Expert::high});
  EXPECT_EQ(experts.traffic().bytes, bytes);
  EXPECT_GE(experts.traffic().seconds, 0.0);
}

TEST(OneExpertAtATime, IsLoadedAnewWhenItComesBack) {
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load());
  experts.use(Expert::high);
  experts.use(Expert::low);
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low, Expert::high}));
  EXPECT_EQ(experts.traffic().bytes, 0u);
}

TEST(OneExpertAtATime, ComesBackFromItsCopyWhereThatHasAPlace) {
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load());
  experts.keep_copy_in(Expert::high,
                       std::make_unique<HostExpert>(tiny_dit("high", Precision::reference), test::device()));
  experts.use(Expert::high);
  experts.free_device();
  experts.use(Expert::low);
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, (std::vector{Expert::high, Expert::low}));
}

TEST(OneExpertAtATime, ALeasedExpertStaysUnchangedAndTheOtherIsLoadedOnceItIsReturned) {
  using namespace std::chrono_literals;
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load(), /*patience=*/60s);
  EXPECT_EQ(experts.lease(Expert::high), nullptr) << "it is not loaded yet";
  experts.use(Expert::high);
  std::shared_ptr<const DitWeights> leased = experts.lease(Expert::high);
  ASSERT_NE(leased, nullptr);
  auto changing = std::async(std::launch::async, [&] { experts.use(Expert::low); });
  while (experts.lease(Expert::high)) std::this_thread::yield();  // no new lease begins once it has to leave
  EXPECT_EQ(changing.wait_for(100ms), std::future_status::timeout) << "its memory is not free yet";
  EXPECT_EQ(loads.done, std::vector{Expert::high});
  expect_same_weights(*leased, "high");
  leased.reset();
  changing.get();
  expect_same_weights(*experts.lease(Expert::low), "low");
}

TEST(OneExpertAtATime, DoesNotWaitForeverForALeaseToBeReturned) {
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load(), std::chrono::milliseconds(20));
  experts.use(Expert::high);
  const std::shared_ptr<const DitWeights> leased = experts.lease(Expert::high);
  expect_same_weights(experts.use(Expert::low), "low");
  expect_same_weights(*leased, "high");
}

TEST(OneExpertAtATime, ComesBackFromTheHostWhereTheDeviceWasFreed) {
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load());
  experts.use(Expert::high);
  experts.free_device();
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, std::vector{Expert::high});
}

/// What happens, in the order in which it happens, on any thread.
class Events {
 public:
  void add(const std::string& event) {
    const std::lock_guard lock(mutex_);
    happened_.push_back(event);
    changed_.notify_all();
  }
  void wait_for(const std::string& event) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::ranges::count(happened_, event) > 0; });
  }
  std::vector<std::string> so_far() const {
    const std::lock_guard lock(mutex_);
    return happened_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> happened_;
};

/// The low-noise expert's loading ends only once a step was computed: before that it would wait for ever.
Experts::Load after_a_step(Events& events) {
  return [&events](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
    if (which == Expert::low) events.add("low begins"), events.wait_for("step");
    events.add(which == Expert::low ? "low loaded" : "high loaded");
    return tiny_dit(which == Expert::low ? "low" : "high", Precision::reference);
  };
}

TEST(LoadedBehind, AnExpertIsThereWhenTheOtherOnesStepsAreDone) {
  Events events;
  Experts experts(Residency::both, test::device(), after_a_step(events));
  const DitWeights& high = experts.use(Expert::high);
  experts.load_behind(Expert::low);
  events.wait_for("low begins");
  expect_same_weights(high, "high");
  events.add("step");
  expect_same_weights(experts.use(Expert::low), "low");
  experts.load_behind(Expert::low);
  EXPECT_EQ(&experts.use(Expert::high), &high);
  EXPECT_EQ(events.so_far(), (std::vector<std::string>{"high loaded", "low begins", "step", "low loaded"}));
}

TEST(LoadedBehind, AnExpertIsLoadedWhenItIsUsedWhereTheDeviceWasCleared) {
  Events events;
  Experts experts(Residency::both, test::device(), after_a_step(events));
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  events.add("step");
  experts.clear_device();
  expect_same_weights(experts.use(Expert::low), "low");
  expect_same_weights(experts.use(Expert::high), "high");
  experts.clear_device();
  experts.load_behind(Expert::low);
  expect_same_weights(experts.use(Expert::low), "low");
}

TEST(LoadedBehind, AnExpertThatIsExchangedWaitsInHostMemory) {
  Events events;
  Experts experts(Residency::exchanged, test::device(),
                  [&](Expert which, NodeReader*, const WeightPeer*, const SettleBlock& settle) {
                    DitWeights loaded = after_a_step(events)(which, nullptr, nullptr, settle);
                    for (std::size_t i = 0; settle && i < loaded.blocks.size(); ++i) settle(i, loaded.blocks[i]);
                    return loaded;
                  });
  experts.keep_copy_in(Expert::low,
                       std::make_unique<HostExpert>(tiny_dit("low", Precision::reference), test::device()));
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  events.add("step");
  const DitWeights& low = experts.use(Expert::low);
  expect_same_weights(low, "low");
  EXPECT_EQ(experts.traffic().bytes, bytes_of(low)) << "it came from host memory";
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(std::ranges::count(events.so_far(), std::string("low loaded")), 1);
}

/// So a copy that turns out to be damaged once all its blocks are there costs reading it.
TEST(LoadedBehind, BlocksThatAreLoadedASecondTimeReplaceTheFirst) {
  Experts experts(Residency::exchanged, test::device(),
                  [&](Expert which, NodeReader*, const WeightPeer*, const SettleBlock& settle) {
                    DitWeights loaded = tiny_dit(which == Expert::low ? "low" : "high", Precision::reference);
                    DitWeights damaged = tiny_dit("high", Precision::reference);
                    for (DitWeights* attempt : {&damaged, &loaded})
                      for (std::size_t i = 0; settle && i < attempt->blocks.size(); ++i) settle(i, attempt->blocks[i]);
                    return loaded;
                  });
  experts.keep_copy_in(Expert::low,
                       std::make_unique<HostExpert>(tiny_dit("low", Precision::reference), test::device()));
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  const DitWeights& low = experts.use(Expert::low);
  expect_same_weights(low, "low");
  EXPECT_EQ(experts.traffic().bytes, bytes_of(low)) << "it came from host memory";
}

TEST(LoadedBehind, AnExpertWhoseLoadingFailedIsLoadedWhenItIsUsed) {
  std::atomic<int> failures = 1, loads = 0;
  Experts experts(Residency::both, test::device(),
                  [&](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
                    if (which == Expert::low && ++loads && failures-- > 0)
                      throw Error(Error::environment, "low.safetensors: torn");
                    return tiny_dit(which == Expert::low ? "low" : "high", Precision::reference);
                  });
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  expect_same_weights(experts.use(Expert::low), "low");
  EXPECT_EQ(loads, 2);
}

TEST(LoadedBehind, AnErrorThatLastsIsThatOfTheExpertsUse) {
  Experts experts(Residency::both, test::device(),
                  [](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
                    if (which == Expert::low) throw Error(Error::environment, "low.safetensors: torn");
                    return tiny_dit("high", Precision::reference);
                  });
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      experts.use(Expert::low);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "low.safetensors: torn");
    }
  }
  EXPECT_NO_THROW(experts.use(Expert::high));
}

/// Otherwise this test would never end.
TEST(LoadedBehind, LoadingEndsAfterABlockWhenItIsNotNeededAnyMore) {
  Events events;
  Experts experts(Residency::both, test::device(),
                  [&](Expert which, NodeReader*, const WeightPeer*, const SettleBlock& settle) {
                    DitWeights loaded = tiny_dit(which == Expert::low ? "low" : "high", Precision::reference);
                    while (which == Expert::low) settle(0, loaded.blocks[0]), events.add("a block");
                    return loaded;
                  });
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  events.wait_for("a block");
}

TEST(LoadedBehind, NothingIsWhereOneExpertIsHeld) {
  Loads loads;
  Experts experts(Residency::one, test::device(), loads.load());
  experts.use(Expert::high);
  experts.load_behind(Expert::low);
  expect_same_weights(experts.use(Expert::high), "high");
  EXPECT_EQ(loads.done, std::vector{Expert::high});
}

}  // namespace
}  // namespace wf
