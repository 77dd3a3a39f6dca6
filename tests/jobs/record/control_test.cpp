// tests/jobs/record/control_test.cpp: requests reach the run once, in their order, whatever else lies in their folder.
#include "jobs/record/control.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

TEST(Control, RequestsAreTakenOnceInTheirOrder) {
  const test::TempFolder folder;
  const std::vector<ControlRequest> requests{{ControlRequest::pause},
                                             {ControlRequest::cancel, "0007-\"a\"-熊"},
                                             {ControlRequest::retry},
                                             {ControlRequest::resume},
                                             {ControlRequest::drain}};
  for (const ControlRequest& request : requests)
    EXPECT_TRUE(std::filesystem::exists(leave_request(folder.path(), request)));
  EXPECT_EQ(take_requests(folder.path()), requests);
  EXPECT_TRUE(take_requests(folder.path()).empty());
}

TEST(Control, AFolderWithoutRequestsHasNone) {
  const test::TempFolder folder;
  EXPECT_TRUE(take_requests(folder.path()).empty());
}

TEST(Control, WhatIsNoRequestIsRemovedAndWhatIsBeingWrittenStays) {
  const test::TempFolder folder;
  leave_request(folder.path(), {ControlRequest::pause});
  const Path broken = folder.write(".wanfarm/control/1.json", "{");
  const Path unknown = folder.write(".wanfarm/control/2.json", R"({"action":"explode"})");
  const Path part = folder.write(".wanfarm/control/3.json.part", "{");
  EXPECT_EQ(take_requests(folder.path()), (std::vector<ControlRequest>{{ControlRequest::pause}}));
  EXPECT_FALSE(std::filesystem::exists(broken));
  EXPECT_FALSE(std::filesystem::exists(unknown));
  EXPECT_TRUE(std::filesystem::exists(part));
}

TEST(Control, RequestsOfManyProcessesDoNotReplaceEachOther) {
  const test::TempFolder folder;
  {
    std::vector<std::jthread> users;
    for (int user = 0; user < 4; ++user)
      users.emplace_back([&] {
        for (int i = 0; i < 20; ++i) leave_request(folder.path(), {ControlRequest::retry});
      });
  }
  EXPECT_EQ(take_requests(folder.path()).size(), 80u);
}

TEST(Control, WhatTheRunCannotDoNowIsLeftForItsNextStart) {
  const test::TempFolder folder;
  leave_request(folder.path(), {ControlRequest::retry, "kite"});
  leave_request(folder.path(), {ControlRequest::cancel, "lake"});
  const auto retries = [](const ControlRequest& request) { return request.action == ControlRequest::retry; };
  EXPECT_EQ(take_requests(folder.path(), retries), (std::vector<ControlRequest>{{ControlRequest::cancel, "lake"}}));
  EXPECT_EQ(take_requests(folder.path()), (std::vector<ControlRequest>{{ControlRequest::retry, "kite"}}));
}

}  // namespace
}  // namespace wf
