// tests/launcher/run/single_files_main.cpp: single_files MODEL OUT: writes a model as the single files that ComfyUI's
// users own, to OUT/fp16 and OUT/fp8_scaled; for measurements of what such files render
// (tests/shapes_check/measure.sh).
#include <iostream>

#include "tests/launcher/run/single_files.hpp"

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "single_files MODEL OUT\n";
    return 2;
  }
  const wf::Path model = arguments[1], out = arguments[2];
  wf::test::write_single_files(model, out / "fp16", wf::test::SingleForm::fp16);
  wf::test::write_single_files(model, out / "fp8_scaled", wf::test::SingleForm::fp8_scaled);
}
