// jobs/yaml_tree.hpp: a YAML document as a tree. Read through yaml-cpp's events, not its nodes: those hide repeated
// keys and lose places, and aliases in them explode when walked.
#pragma once

#include "jobs/tree.hpp"

namespace wf {

/// The document's root, or null (and a mistake noted) when the text is not one YAML document. Refused with their place:
/// a second document, tags, tabs as indentation, deep nesting, alias bombs.
const TreeNode* read_yaml(const Source& source, Tree& tree, Mistakes& mistakes);

}  // namespace wf
