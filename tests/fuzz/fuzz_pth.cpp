// tests/fuzz/fuzz_pth.cpp: the reader of .pth files. Input: a zip as torch.save writes it; or, if it is no zip, the
// pickle of one whose storage data/0 has 48 bytes.
#include "tests/fuzz/accepted_index.hpp"
#include "tests/pipeline/weights/made_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  const std::string_view input = fuzz::text_of(data, size);
  const std::string file = input.starts_with("PK") ? std::string(input) : made::pth(std::string(input));
  fuzz::refusing(Error::environment,
                 [&] { fuzz::require_inside(read_pth_index(fuzz::bytes_of(file), "fuzz.pth"), file.size()); });
  return 0;
}
