// tests/launcher/report/report_test.cpp: a report is valid HTML that holds every clip as its user wrote it, whatever
// that is, and asks for nothing outside of itself.
#include "launcher/report/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/shell.hpp"
#include "launcher/report/markup.hpp"
#include "tests/launcher/report/html.hpp"
#include "tests/launcher/report/made_up_run.hpp"
#include "tests/temp_folder.hpp"

namespace wf::test {
namespace {

constexpr double now = 1764500000;

std::string report(const RunHistory& run, const Path& folder = std::filesystem::current_path()) {
  return report_of(run, folder, now,
                   [](const ClipHistory& clip) { return clip.state == ClipState::done ? made_up_sheet(clip) : ""; });
}

/// Indices of the cards among the elements, in their order.
std::vector<std::size_t> cards_in(const std::vector<Element>& page) {
  std::vector<std::size_t> cards;
  for (std::size_t i = 0; i < page.size(); ++i)
    if (page[i].tag == "article") cards.push_back(i);
  return cards;
}

/// What a hostile or careless user may write.
const std::vector<std::string> odd_texts{
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style></script><!-- fragment card --><!-- end -->{{name}}{{{data}}}",
    "&lt;b&gt; &amp; &#x3c;",
    "https://example.com/a.png and //example.com/b.js",
    "שלום עולם, a clip",
    "\u202eright to left\u202c",
    "👩‍🚀🌋 emoji 漢字",
    "two\nlines\tand a tab",
    "",
};

TEST(Report, HoldsEveryTextAsItWasWritten) {
  RunHistory run;
  run.output = "renders";
  for (std::size_t i = 0; i < odd_texts.size(); ++i) {
    ClipHistory clip = made_up_clip(static_cast<int>(i) + 1, odd_texts[i]);
    clip.clip.job.name = "name " + odd_texts[i];
    clip.clip.job.negative_prompt = odd_texts[i] + "?";
    clip.state = i % 2 ? ClipState::failed : ClipState::waiting;
    clip.error = "error " + odd_texts[i];
    clip.error_kind = odd_texts[i];
    run.clips.push_back(clip);
  }
  run.info.emplace();
  run.info->command = {"wanfarm", "render", odd_texts[0], odd_texts[1]};
  const std::vector<Element> page = parse_html(report(run));
  const std::vector<std::size_t> cards = cards_in(page);
  ASSERT_EQ(cards.size(), odd_texts.size());
  for (std::size_t i = 0; i < cards.size(); ++i) {
    EXPECT_EQ(within(page, cards[i], "p", "prompt").text, odd_texts[i]);
    EXPECT_EQ(within(page, cards[i], "bdi").text, "name " + odd_texts[i]);
    EXPECT_EQ(page[cards[i]].attributes.at("data-name"), "name " + odd_texts[i]);
    EXPECT_NE(page[cards[i]].text.find(odd_texts[i] + "?"), std::string::npos) << "its negative prompt";
    if (i % 2) {
      EXPECT_NE(within(page, cards[i], "p", "outcome").text.find("error " + odd_texts[i]), std::string::npos);
    }
  }
  EXPECT_EQ(elements(page, "pre").at(0).text, shell_command(run.info->command));
  EXPECT_EQ(elements(page, "script").size(), 1u);
  EXPECT_EQ(elements(page, "img").size(), 0u);
}

TEST(Report, TellsOfAClipHowManyForwardsAreSaved) {
  RunHistory run;
  run.output = "renders";
  run.clips = {made_up_clip(1, "a"), made_up_clip(2, "b")};
  Job& job = run.clips[0].clip.job;
  job.step_cache = StepCache{};
  job.guidance_interval = GuidanceInterval{3, 30};
  job.saved.conditional = {20, 21};
  const std::string saved = "2 of " + std::to_string(2 * job.steps) + " forwards";
  const std::vector<Element> page = parse_html(report(run));
  const std::vector<std::size_t> cards = cards_in(page);
  for (const std::string& text : {std::string("magcache:0.06,2,0.4"), std::string("3,30"), saved})
    EXPECT_NE(page[cards.at(0)].text.find(text), std::string::npos) << text;
  EXPECT_EQ(page[cards.at(1)].text.find(" forwards"), std::string::npos);
}

TEST(Report, ReplacesBytesThatNoPageMayHave) {
  RunHistory run;
  run.output = "renders";
  run.clips.push_back(made_up_clip(1, std::string("a\xff"
                                                  "b\0c\x1b[31md",
                                                  11)));
  const std::vector<Element> page = parse_html(report(run));
  EXPECT_EQ(within(page, cards_in(page).at(0), "p", "prompt").text, "a\ufffdb\ufffdc\ufffd[31md");
}

/// Attributes whose value a browser may fetch.
const std::set<std::string> with_urls{"src", "href", "srcset", "data-video", "poster", "action", "data", "style"};

TEST(Report, AsksForNothingOutsideOfItself) {
  RunHistory run = made_up_run(12);
  run.clips[0].clip.job.name = run.clips[0].file = "javascript:alert(1)";
  run.clips[1].clip.job.name = run.clips[1].file = "example.com:80\\a.mp4";
  run.clips[2].file = "a #1 100%?.mp4";
  const std::string html = report(run);
  const std::vector<Element> page = parse_html(html);
  for (const Element& element : page) {
    for (const auto& [name, value] : element.attributes) {
      EXPECT_FALSE(name.starts_with("on")) << name << " of " << element.tag;
      if (!with_urls.contains(name) || value.empty()) continue;
      const bool inside = value.starts_with("data:") || value.starts_with("#") || value.starts_with("./");
      EXPECT_TRUE(inside) << name << " of " << element.tag << ": " << value.substr(0, 60);
      EXPECT_EQ(value.find_first_of("?%#", 1) == std::string::npos || value.find("%23") != std::string::npos ||
                    value.starts_with("data:") || value.find("%3A") != std::string::npos,
                true)
          << value;
    }
  }
  for (const char* const address : {"http:", "https:", "url(", "@import", "import("})
    EXPECT_EQ(html.find(address), std::string::npos) << address;
  EXPECT_NE(html.find("./renders/a%20%231%20100%25%3F.mp4"), std::string::npos);
  EXPECT_NE(html.find("./renders/javascript%3Aalert%281%29"), std::string::npos);
}

TEST(Report, ThePolicyForbidsRequestsAndAllowsItsOwnScriptAndStyleAlone) {
  const std::vector<Element> page = parse_html(report(made_up_run(1)));
  const auto metas = elements(page, "meta");
  const auto policy =
      std::ranges::find_if(metas, [](const Element& meta) { return meta.attributes.contains("http-equiv"); });
  ASSERT_NE(policy, metas.end());
  const std::string text = policy->attributes.at("content");
  EXPECT_TRUE(text.starts_with("default-src 'none'; img-src data:;")) << text;
  EXPECT_NE(text.find("script-src " + policy_hash(elements(page, "script").at(0).text)), std::string::npos);
  EXPECT_NE(text.find("style-src " + policy_hash(elements(page, "style").at(0).text)), std::string::npos);
  EXPECT_EQ(text.find("unsafe"), std::string::npos);
}

TEST(Report, ShowsEachStateAsSuch) {
  RunHistory run = made_up_run(6, 3);
  constexpr std::array states{ClipState::done,   ClipState::waiting,     ClipState::running,
                              ClipState::failed, ClipState::quarantined, ClipState::cancelled};
  for (std::size_t i = 0; i < states.size(); ++i) run.clips[i].state = states[i];
  run.clips[2].stage = "high";
  run.clips[4].error = "ranks 1 and 2 were lost while they rendered it";
  run.live.emplace();
  run.live->ranks.resize(3);
  run.live->ranks[2] = {.clip = run.clips[2].clip.job.name, .stage = "high", .step = 12, .steps = 40};
  const std::vector<Element> page = parse_html(report(run));
  const std::vector<std::size_t> cards = cards_in(page);
  for (std::size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(page[cards[i]].attributes.at("data-state"), to_string(states[i]));
    EXPECT_EQ(within(page, cards[i], "img").tag.empty(), states[i] != ClipState::done);
    if (states[i] != ClipState::done) {
      EXPECT_NE(within(page, cards[i], "p", "outcome").text.find(to_string(states[i])), std::string::npos);
    }
  }
  EXPECT_NE(within(page, cards[2], "p", "outcome").text.find("high, step 12 of 40, on rank 2"), std::string::npos);
  const auto failures = elements(page, "div", "failure");
  ASSERT_EQ(failures.size(), 2u) << "the failed one and the quarantined one";
  EXPECT_EQ(failures[0].text.find('`'), std::string::npos) << "commands are marked as code: " << failures[0].text;
  EXPECT_GT(elements(page, "code").size(), 1u) << "besides that of the command";
}

TEST(Report, ADraftIsCalledSo) {
  RunHistory run = made_up_run(2);
  run.clips[0].file = "drafts/" + run.clips[0].file;
  const std::vector<Element> page = parse_html(report(run));
  const std::vector<std::size_t> cards = cards_in(page);
  EXPECT_TRUE(within(page, cards[0], "p", "settings").text.starts_with("draft"));
  EXPECT_FALSE(within(page, cards[1], "p", "settings").text.starts_with("draft"));
  EXPECT_EQ(within(page, cards[0], "a").attributes.at("href"), "./renders/drafts/0001-clip-s42.mp4");
}

TEST(Report, ClipsThatFailedAlikeAreOneFailure) {
  RunHistory run = made_up_run(40);  // every ninth fails
  const std::vector<Element> page = parse_html(report(run));
  const auto failures = elements(page, "div", "failure");
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_NE(failures[0].text.find("5 clips"), std::string::npos) << failures[0].text;
  EXPECT_NE(failures[0].text.find("--placement swap"), std::string::npos) << "what to do";
}

TEST(Report, LinksLeadFromWhereverTheReportIsToTheVideos) {
  const RunHistory run = made_up_run(1);
  const Path here = std::filesystem::current_path();
  EXPECT_NE(report(run, here / "renders").find("href=\"./0001-clip-s42.mp4\""), std::string::npos);
  EXPECT_NE(report(run, here / "other/reports").find("href=\"../../renders/0001-clip-s42.mp4\""), std::string::npos);
}

TEST(Report, ARunOfNothingIsAPage) {
  RunHistory run;
  run.output = "renders/";
  const std::vector<Element> page = parse_html(report(run));
  EXPECT_EQ(elements(page, "h1").at(0).text, "renders");
  EXPECT_TRUE(elements(page, "article").empty());
}

TEST(WriteReport, NamesAFolderWithoutARun) {
  const TempFolder folder;
  try {
    write_report(folder.path(), folder / "report.html");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_NE(std::string(error.what()).find(folder.path().string()), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "report.html"));
}

TEST(Fill, EscapesWhatUsersWroteAndNotWhatIsMarkup) {
  const std::string text = fill("clip-link", {{"number", "7"}, {"name", "<b> & \"{{number}}\" 'q'"}});
  EXPECT_EQ(text, "<a href=\"#clip-7\"><bdi>&lt;b&gt; &amp; &quot;{{number}}&quot; &#39;q&#39;</bdi></a>\n");
  EXPECT_NE(fill("failures", {{"list", "<i>"}}).find("<i>"), std::string::npos);
}

TEST(Fill, KeysAndValuesMustBelongTogether) {
  EXPECT_THROW(fill("clip-link", {{"number", "7"}}), Error);
  EXPECT_THROW(fill("clip-link", {{"number", "7"}, {"name", "a"}, {"surplus", "b"}}), Error);
  EXPECT_THROW(fill("no-such-fragment", {}), Error);
}

}  // namespace
}  // namespace wf::test
