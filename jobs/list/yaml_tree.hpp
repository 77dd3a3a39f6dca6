// jobs/list/yaml_tree.hpp: reads a YAML document into a tree. It uses yaml-cpp's events instead of its nodes, which
// hide repeated keys, lose locations and expand aliases without a limit.
#pragma once

#include "jobs/list/tree.hpp"

namespace wf {

/// The document's root, or null, with a diagnostic added, when the text is not a YAML document. A second document,
/// tags, tabs as indentation, deep nesting and alias bombs are refused.
const TreeNode* read_yaml(const Source& source, Tree& tree, Diagnostics& diagnostics);

}  // namespace wf
