// tests/fuzz/fuzz_safetensors.cpp: the reader of .safetensors files. Input: such a file; or, if it begins with '{', the
// header of one with 64 bytes of data.
#include "tests/fuzz/accepted_index.hpp"
#include "tests/pipeline/weights/made_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  const std::string_view input = fuzz::text_of(data, size);
  const std::string file =
      input.starts_with('{') ? made::safetensors(std::string(input), std::string(64, 'd')) : std::string(input);
  fuzz::refusing(Error::environment, [&] { read_safetensors_metadata(fuzz::bytes_of(file), "fuzz.safetensors"); });
  fuzz::refusing(Error::environment, [&] {
    fuzz::require_inside(read_safetensors_index(fuzz::bytes_of(file), "fuzz.safetensors"), file.size());
  });
  return 0;
}
