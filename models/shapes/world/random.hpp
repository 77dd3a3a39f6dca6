// models/shapes/world/random.hpp: random numbers that are the same on every machine, unlike those of <random>.
#pragma once

#include <cstdint>

namespace wf::shapes {

/// The finalizer of splitmix64: every bit of the result depends on every bit of x.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// The splitmix64 generator. Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
/// Consecutive seeds give unrelated streams.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(mix(seed)) {}
  constexpr std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  /// Returns a number in 0 .. n-1.
  constexpr int below(int n) { return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32); }
  constexpr double between(double low, double high) {
    return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53);
  }
  constexpr bool one_in(int n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace wf::shapes
