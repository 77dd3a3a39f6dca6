// base/match.hpp: std::visit with a lambda for each alternative of a variant.
#pragma once

namespace wf {

/// std::visit(Match{[](const A&) {...}, [](const B&) {...}, [](const auto&) {...}}, variant)
template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};

}  // namespace wf
