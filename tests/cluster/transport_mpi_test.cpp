// tests/parallel/mail_mpi_test.cpp: letters arrive whole, once, in order, and never hold up their sender.
#include <chrono>
#include <thread>

#include "parallel/mail.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

Letter wait_for_letter(Mail& mail) {
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    if (std::optional<Letter> letter = mail.receive()) return std::move(*letter);
    std::this_thread::sleep_for(1ms);
  }
  ADD_FAILURE() << "no letter came";
  return {};
}

/// Its size and content follow from its number.
Bytes letter_number(std::size_t i) {
  constexpr std::size_t sizes[] = {0, 1, 100, 5000, 70'000, 3'000'000};
  return Bytes(sizes[i % std::size(sizes)] + i, static_cast<std::uint8_t>(i));
}

TEST(Mail, OfEachSenderArrivesInItsOrder) {
  const std::unique_ptr<Mail> mail = test_world().mail();
  constexpr std::size_t letters = 60;
  for (std::size_t i = 0; i < letters; ++i)
    for (int to = 0; to < mail->size(); ++to) mail->send(to, letter_number(i));
  std::vector<std::size_t> next(static_cast<std::size_t>(mail->size()));
  for (std::size_t left = letters * next.size(); left > 0; --left) {
    const Letter letter = wait_for_letter(*mail);
    std::size_t& number = next.at(static_cast<std::size_t>(letter.from));
    ASSERT_EQ(letter.bytes, letter_number(number)) << "letter " << number << " of rank " << letter.from;
    ++number;
  }
  EXPECT_TRUE(mail->flush(10s));
  EXPECT_FALSE(mail->receive()) << "each came once";
  test_world().communicator()->barrier();
}

TEST(Mail, SendingWaitsForNobody) {
  const std::unique_ptr<Mail> mail = test_world().mail();
  const auto all = test_world().communicator();
  const auto begin = std::chrono::steady_clock::now();
  if (mail->rank() == 1) {  // nobody reads yet
    for (int i = 0; i < 20; ++i) mail->send(0, Bytes(4'000'000));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  all->barrier();
  if (mail->rank() == 0) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(wait_for_letter(*mail).bytes.size(), 4'000'000u);
  }
  EXPECT_TRUE(mail->flush(20s));
  all->barrier();
}

TEST(Mail, SeveralThreadsMaySend) {
  const std::unique_ptr<Mail> mail = test_world().mail();
  constexpr int each = 50;
  {
    std::vector<std::jthread> threads;
    for (std::uint8_t thread = 0; thread < 4; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < each; ++i) mail->send(0, Bytes(1000, thread));
      });
  }
  std::vector<int> came(4);
  if (mail->rank() == 0) {
    for (int left = 4 * each * mail->size(); left > 0; --left) ++came.at(wait_for_letter(*mail).bytes.front());
    EXPECT_EQ(came, std::vector<int>(4, each * mail->size()));
  }
  EXPECT_TRUE(mail->flush(20s));
  test_world().communicator()->barrier();
}

}  // namespace
}  // namespace wf
