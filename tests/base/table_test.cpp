// tests/base/table_test.cpp: tables as aligned text.
#include "base/table.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Table, AlignsColumnsAsTheySayAndLeavesNoBlanksAtTheEndOfALine) {
  const Table table{
      .key = "t",
      .columns = {{"name", "name"}, {"note", "note", 0, true}, {"x", "x, s", 1}, {"hidden", ""}},
      .rows = {{"a", "left", 1.25, "h"}, {"longer", "", {}, "h"}, {"Käse", "k", 12.0, "h"}, {"end", "", "", "h"}}};
  EXPECT_EQ(to_text(table),
            "name    note  x, s\n"
            "a       left   1.2\n"
            "longer           -\n"
            "Käse    k     12.0\n"
            "end\n");
}

}  // namespace
}  // namespace wf
