// pipeline/weights/scales.hpp: finds and checks the scales of matrices that a file stores in 8 bits.
#pragma once

#include <map>
#include <string>

#include "pipeline/weights/checkpoint.hpp"

namespace wf {

/// What is stored beside the weights: scales, and the tensors that only mark a file's form.
struct Scales {
  std::map<std::string, std::string> of;  ///< Stored name of the scale by the official name of the weight.
  std::vector<std::string> companions;    ///< Official names that are no weights: scales, scales of inputs, markers.
};

/// Finds the scale of each F8 weight among the tensors of a file; `stored` are their names by official name. Three
/// forms are known: X.scale_weight (with the marker scaled_fp8), X.weight_scale, and X.weight_scale with X.comfy_quant
/// or an entry in the metadata _quantization_metadata; sources: ComfyUI's convert_old_quants and QUANTIZATION.md,
/// LightX2V's converter. A scale is a scalar or has one element for each row. Scales of inputs are of no use here,
/// since products are computed in full precision.
///
/// Throws environment naming file and tensor: a scale without a weight, of a weight that is not F8, of another shape or
/// dtype; two scales of one weight; an F8 matrix without a scale, where others have one or the marker says so; a format
/// other than float8_e4m3fn and float8_e5m2.
Scales find_scales(const Checkpoint& checkpoint, const std::map<std::string, std::string>& stored);

/// A scale as [] or [rows] f32 on the CPU. Throws environment unless all elements are finite and above 0.
at::Tensor read_scale(const Checkpoint& checkpoint, const std::string& stored);

}  // namespace wf
