// models/shapes/world/caption.cpp: draws words from lists for a shape, its motion (as a verb or a participle) and the
// background, and puts them into one of many sentence templates.
#include "models/shapes/world/caption.hpp"

#include <cctype>
#include <span>

#include "models/shapes/world/random.hpp"

namespace wf::shapes {
namespace {

using Words = std::span<const char* const>;

std::string any(Random& random, Words words) {
  return words[static_cast<std::size_t>(random.below(static_cast<int>(words.size())))];
}

// The two forms that templates use: "moves" and "moving".
struct Verb {
  const char *finite, *participle;
};

constexpr Verb going[]{{"moves", "moving"},    {"slides", "sliding"},     {"drifts", "drifting"}, {"glides", "gliding"},
                       {"floats", "floating"}, {"travels", "travelling"}, {"goes", "going"}};
constexpr Verb growing[]{{"grows", "growing"},
                         {"gets bigger", "getting bigger"},
                         {"becomes larger", "becoming larger"},
                         {"expands", "expanding"}};
constexpr Verb shrinking[]{{"shrinks", "shrinking"},
                           {"gets smaller", "getting smaller"},
                           {"becomes smaller", "becoming smaller"},
                           {"is shrinking", "shrinking"}};
constexpr Verb rotating[]{{"rotates", "rotating"},
                          {"spins", "spinning"},
                          {"turns in place", "turning in place"},
                          {"rotates in place", "rotating in place"}};
constexpr Verb resting[]{{"stays still", "staying still"},
                         {"does not move", "not moving"},
                         {"stands still", "standing still"},
                         {"rests", "resting"},
                         {"stays in place", "staying in place"}};

constexpr const char* to_left[]{"left", "to the left", "leftwards", "from right to left", "towards the left"};
constexpr const char* to_right[]{"right", "to the right", "rightwards", "from left to right", "towards the right"};
constexpr const char* to_top[]{"up", "upwards", "to the top", "from bottom to top", "towards the top"};
constexpr const char* to_bottom[]{"down", "downwards", "to the bottom", "from top to bottom", "towards the bottom"};
constexpr const char* around[]{"in a circle", "in circles", "around in a circle", "along a circle"};

// "lower left": the corner that a diagonal motion points to.
std::string corner(const Track& track) {
  return std::string(track.dy < 0 ? "upper " : "lower ") + (track.dx < 0 ? "left" : "right");
}

std::string diagonally(Random& random, const Track& track) {
  const std::string side = track.dx < 0 ? "left" : "right";
  switch (random.below(4)) {
    case 0:
      return "diagonally";
    case 1:
      return std::string("diagonally ") + (track.dy < 0 ? "up" : "down") + " to the " + side;
    case 2:
      return "diagonally to the " + corner(track);
    default:
      return "diagonally towards the " + corner(track);
  }
}

std::string where_to(Random& random, const Shape& shape) {
  switch (shape.motion) {
    case Motion::left:
      return any(random, to_left);
    case Motion::right:
      return any(random, to_right);
    case Motion::up:
      return any(random, to_top);
    case Motion::down:
      return any(random, to_bottom);
    case Motion::circling:
      return any(random, around);
    default:
      return diagonally(random, shape.track);
  }
}

std::span<const Verb> verbs(Motion motion) {
  switch (motion) {
    case Motion::growing:
      return growing;
    case Motion::shrinking:
      return shrinking;
    case Motion::rotating:
      return rotating;
    case Motion::still:
      return resting;
    default:
      return going;
  }
}

// A shape's motion, as a verb and as a participle: "slides left", "sliding left".
struct Doing {
  std::string finite, participle;
};

Doing doing(Random& random, const Shape& shape) {
  const std::span<const Verb> choice = verbs(shape.motion);
  const Verb verb = choice[static_cast<std::size_t>(random.below(static_cast<int>(choice.size())))];
  if (choice.data() != going) return {verb.finite, verb.participle};
  const std::string tail = where_to(random, shape);
  return {std::string(verb.finite) + " " + tail, std::string(verb.participle) + " " + tail};
}

std::string size_word(Random& random, Size size) {
  constexpr const char *small[]{"small ", "little ", "tiny "}, *large[]{"large ", "big ", "huge "};
  constexpr const char* medium[]{"", "", "medium ", "medium-sized "};
  return any(random, size == Size::small ? Words(small) : size == Size::large ? Words(large) : Words(medium));
}

std::string colour_word(Random& random, Colour colour) {
  return colour == Colour::grey && random.one_in(3) ? "gray" : to_string(colour);
}

// "large red circle"
std::string thing(Random& random, const Shape& shape) {
  const std::string size = size_word(random, shape.size);
  return size + to_string(shape.colour) + " " + to_string(shape.figure);
}

std::string with_article(const std::string& noun) {
  return (std::string("aeiou").find(noun[0]) == std::string::npos ? "a " : "an ") + noun;
}

// The background as a noun without article: "black background", "gradient from red to blue".
std::string backdrop(Random& random, const Background& background) {
  const std::string from = colour_word(random, background.colour);
  if (!background.to) return from + (random.one_in(8) ? " backdrop" : " background");
  const std::string to = colour_word(random, *background.to);
  switch (random.below(4)) {
    case 0:
      return from + " to " + to + " gradient";
    case 1:
      return "background that fades from " + from + " to " + to;
    case 2:
      return "background with a gradient from " + from + " to " + to;
    default:
      return "gradient from " + from + " to " + to;
  }
}

// The background as a statement: "background is black", "background fades from red to blue".
std::string statement(Random& random, const Background& background) {
  const std::string from = colour_word(random, background.colour);
  if (!background.to) return "background is " + from;
  const std::string verb = random.one_in(2) ? "fades" : "goes";
  return "background " + verb + " from " + from + " to " + colour_word(random, *background.to);
}

// Everything that a template may use.
struct Parts {
  std::string thing, backdrop, on;  // "red star", "black background", "over a black background"
  std::string statement;            // "background is black"
  Doing doing;
  std::string others, others_in_brief;  // ", while a small blue ring rests", ", small blue ring resting"; often empty
};

Parts parts(Random& random, const Scene& scene) {
  constexpr const char* prepositions[]{"on ", "over ", "against ", "in front of "};
  constexpr const char* joints[]{", while ", ", and "};
  Parts out;
  out.thing = thing(random, scene.shapes.at(0));
  out.doing = doing(random, scene.shapes[0]);
  out.backdrop = backdrop(random, scene.background);
  out.statement = statement(random, scene.background);
  out.on = any(random, prepositions) + with_article(out.backdrop);
  for (std::size_t i = 1; i < scene.shapes.size(); ++i) {
    const std::string other = thing(random, scene.shapes[i]);
    const Doing what = doing(random, scene.shapes[i]);
    out.others += (i == 1 ? any(random, joints) : " and ") + with_article(other) + " " + what.finite;
    out.others_in_brief += ", " + other + " " + what.participle;
  }
  return out;
}

std::string sentence(Random& random, const Parts& p) {
  const std::string a_thing = with_article(p.thing);
  switch (random.below(16)) {
    case 0:
      return a_thing + " " + p.doing.finite + " " + p.on + p.others;
    case 1:
      return p.on + ", " + a_thing + " " + p.doing.finite + p.others;
    case 2:
      return a_thing + " is " + p.doing.participle + " " + p.on + p.others;
    case 3:
      return a_thing + " " + p.doing.participle + " " + p.on + p.others;
    case 4:
      return p.on + " there is " + a_thing + " that " + p.doing.finite + p.others;
    case 5:
      return "there is " + a_thing + " " + p.on + ". It " + p.doing.finite + p.others;
    case 6:
      return "a video of " + a_thing + " that " + p.doing.finite + " " + p.on + p.others;
    case 7:
      return "an animation of " + a_thing + " " + p.doing.participle + " " + p.on + p.others;
    case 8:
      return a_thing + " " + p.doing.finite + p.others + ". The " + p.statement;
    case 9:
      return a_thing + " " + p.on + " " + p.doing.finite + p.others;
    case 10:
      return "we see " + a_thing + " " + p.on + ", " + p.doing.participle + p.others;
    case 11:
      return "the " + p.statement + " and " + a_thing + " " + p.doing.finite + p.others;
    case 12:
      return p.thing + " " + p.doing.participle + ", " + p.backdrop + p.others_in_brief;
    case 13:
      return p.backdrop + ", " + p.thing + " " + p.doing.participle + p.others_in_brief;
    case 14:
      return p.thing + ", " + p.doing.participle + ", " + p.on + p.others_in_brief;
    default:
      return p.thing + " " + p.doing.participle + " " + p.on + p.others_in_brief;
  }
}

}  // namespace

std::string caption(const Scene& scene, std::uint64_t seed) {
  Random random(seed);
  const Parts all = parts(random, scene);
  std::string text = sentence(random, all);
  if (!random.one_in(4)) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  if (random.one_in(2)) text += ".";
  return text;
}

}  // namespace wf::shapes
