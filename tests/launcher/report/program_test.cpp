// tests/launcher/report/program_test.cpp: `wanfarm report` and `wanfarm preview` of what `wanfarm render` has made.
#include "tests/launcher/program.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "tests/launcher/report/html.hpp"

namespace wf {
namespace {

using test::Element;
using test::elements;

/// A folder of each test's own in which two clips have been rendered into out/. They are rendered once.
class Rendered : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    original_ = std::make_unique<TempFolder>();
    write_file(*original_ / "list.yaml", small_list(2));
    const std::vector<std::string> arguments{"render",   "list.yaml", "--model",   golden_model_folder(),
                                             "--output", "out",       "--threads", "1"};
    const ProgramResult outcome = run(original_->path(), arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  static void TearDownTestSuite() { original_.reset(); }

  Rendered() { std::filesystem::copy(original_->path(), folder_.path(), std::filesystem::copy_options::recursive); }
  ProgramResult wanfarm(const std::vector<std::string>& arguments) const { return run(folder_.path(), arguments); }

  std::vector<Element> report() const {
    const ProgramResult outcome = wanfarm({"report", "out"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "out/report.html\n");
    return test::parse_html(read_file(folder_ / "out/report.html"));
  }

  std::vector<std::string> sheets() const { return files_below(folder_ / "out/.wanfarm/thumbs"); }

  static inline std::unique_ptr<TempFolder> original_;
  TempFolder folder_;
};

TEST_F(Rendered, IsReportedWithThePicturesThatWereMadeWithTheClips) {
  EXPECT_EQ(sheets().size(), 2u);
  const std::vector<Element> page = report();
  EXPECT_EQ(elements(page, "article", "is-done").size(), 2u);
  EXPECT_EQ(elements(page, "img").size(), 2u);
  EXPECT_FALSE(elements(page, "rect", "s-high").empty()) << "what the rank did, from the journal";
  for (const Element& sheet : elements(page, "a", "sheet"))
    EXPECT_TRUE(std::filesystem::exists(folder_ / "out" / sheet.attributes.at("href"))) << sheet.attributes.at("href");
}

TEST_F(Rendered, MissingPicturesAreMadeFromTheVideosAndKept) {
  std::filesystem::remove_all(folder_ / "out/.wanfarm/thumbs");
  EXPECT_EQ(elements(report(), "img").size(), 2u);
  EXPECT_EQ(sheets().size(), 2u);
}

TEST_F(Rendered, AVideoThatCannotBeReadHasNoPictureAndTheReportSaysSo) {
  std::filesystem::remove_all(folder_ / "out/.wanfarm/thumbs");
  for (const std::string& file : files_below(folder_ / "out"))
    if (file.starts_with("clip-1.") && !file.ends_with(".json")) write_file(folder_ / "out" / file, "broken");
  const ProgramResult outcome = wanfarm({"report", "out"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("clip-1"), std::string::npos) << outcome.err;
  EXPECT_EQ(elements(test::parse_html(read_file(folder_ / "out/report.html")), "img").size(), 1u);
}

TEST_F(Rendered, ByAnOlderVersionIsReportedFromItsSidecars) {
  std::filesystem::remove_all(folder_ / "out/.wanfarm");
  const std::vector<Element> page = report();
  EXPECT_EQ(elements(page, "article", "is-done").size(), 2u);
  EXPECT_EQ(elements(page, "img").size(), 2u);
  EXPECT_TRUE(elements(page, "svg", "chart").empty());
}

TEST_F(Rendered, IsReportedIntoAnotherFileWhoseLinksLeadBack) {
  make_folder(folder_ / "pages");
  const ProgramResult outcome = wanfarm({"report", "out", "--output", "pages/a.html"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const Element& sheet : elements(test::parse_html(read_file(folder_ / "pages/a.html")), "a", "sheet")) {
    EXPECT_TRUE(sheet.attributes.at("href").starts_with("../out/"));
    EXPECT_TRUE(std::filesystem::exists(folder_ / "pages" / sheet.attributes.at("href")));
  }
  EXPECT_EQ(wanfarm({"report", "out", "--output", "nowhere/a.html"}).code, 5);
}

TEST_F(Rendered, IsPreviewedByRunByClipAndByFile) {
  const ProgramResult both = wanfarm({"preview", "out"});
  EXPECT_NE(both.out.find("clip-1"), std::string::npos);
  EXPECT_NE(both.out.find("clip-2"), std::string::npos);
  EXPECT_NE(both.out.find("\u2580"), std::string::npos) << "half blocks, since there is no terminal";
  const ProgramResult one = wanfarm({"preview", "out", "2"});
  EXPECT_EQ(one.out.find("clip-1"), std::string::npos);
  EXPECT_NE(one.out.find("clip-2"), std::string::npos);
  const std::string video = std::filesystem::exists(folder_ / "out/clip-1.mp4") ? "out/clip-1.mp4" : "out/clip-1.y4m";
  EXPECT_NE(wanfarm({"preview", video, video}).out.find(video), std::string::npos);
  EXPECT_NE(wanfarm({"preview", "out", "--graphics", "sixel"}).out.find("\x1bP"), std::string::npos);
  EXPECT_NE(wanfarm({"preview", "out", "--graphics", "kitty"}).out.find("\x1b_G"), std::string::npos);
}

TEST_F(Rendered, AClipThatIsNotInTheListIsNamed) {
  const ProgramResult outcome = wanfarm({"preview", "out", "clip-3"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("clip-3"), std::string::npos) << outcome.err;
}

TEST(Report, OfAFolderWithoutARunIsRefused) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"report", "."});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("no run"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace wf
