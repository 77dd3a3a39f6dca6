#include "pipeline/weights/pickle.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/byte_reader.hpp"

namespace wf {
namespace {

// clang-format off
enum Opcode : std::uint8_t {
  // constants
  op_none = 'N', op_true = 0x88, op_false = 0x89, op_int4 = 'J', op_int1 = 'K', op_int2 = 'M', op_long1 = 0x8a,
  op_float = 'G', op_text4 = 'X', op_text1 = 0x8c, op_text8 = 0x8d,
  // containers
  op_mark = '(', op_empty_tuple = ')', op_tuple1 = 0x85, op_tuple2 = 0x86, op_tuple3 = 0x87, op_tuple = 't',
  op_empty_list = ']', op_append = 'a', op_appends = 'e', op_empty_dict = '}', op_set_item = 's', op_set_items = 'u',
  // stack and memo
  op_pop = '0', op_pop_mark = '1', op_dup = '2', op_get1 = 'h', op_get4 = 'j', op_put1 = 'q', op_put4 = 'r', op_memoize = 0x94,
  // names and calls
  op_global = 'c', op_stack_global = 0x93, op_inst = 'i', op_reduce = 'R', op_build = 'b', op_persistent = 'Q',
  // frame
  op_protocol = 0x80, op_frame = 0x95, op_stop = '.',
};
// clang-format on

constexpr std::size_t max_objects = 1'000'000;  // a checkpoint needs about 15 per tensor
constexpr std::string_view ordered_dict = "collections.OrderedDict";

class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> pickle, const std::string& file, std::span<const std::string_view> allowed)
      : in_(pickle, file, "the pickle"), file_(file), allowed_(allowed) {}

  Pickle run() {
    for (;;) {
      const auto op = in_.number<std::uint8_t>();
      if (op == op_stop) break;
      if (!constant(op) && !container(op) && !memory(op) && !name_or_call(op) && !framing(op))
        fail("uses opcode " + std::to_string(op) + ", which a dictionary of tensors does not need");
    }
    pickle_.root = pop();
    if (!stack_.empty()) fail("leaves more than one object");
    return std::move(pickle_);
  }

 private:
  using Object = PickleObject;

  [[noreturn]] void fail(const std::string& what) const { broken(file_, "the pickle " + what); }

  // --- opcodes: each function returns whether it handled `op`

  // clang-format off
  bool constant(std::uint8_t op) {
    switch (op) {
      case op_none: push({Object::none}); return true;
      case op_true: push({Object::boolean, 1}); return true;
      case op_false: push({Object::boolean, 0}); return true;
      case op_int1: push({Object::integer, in_.number<std::uint8_t>()}); return true;
      case op_int2: push({Object::integer, in_.number<std::uint16_t>()}); return true;
      case op_int4: push({Object::integer, in_.number<std::int32_t>()}); return true;
      case op_long1: push({Object::integer, long_integer(in_.text(in_.number<std::uint8_t>()))}); return true;
      case op_float: in_.text(8); push({Object::real}); return true;
      case op_text1: push({Object::text, 0, in_.text(in_.number<std::uint8_t>())}); return true;
      case op_text4: push({Object::text, 0, in_.text(in_.number<std::uint32_t>())}); return true;
      case op_text8: push({Object::text, 0, in_.text(in_.number<std::uint64_t>())}); return true;
      default: return false;
    }
  }

  bool container(std::uint8_t op) {
    switch (op) {
      case op_mark: limit(marks_.size()); marks_.push_back(stack_.size()); return true;
      case op_empty_tuple: push({Object::tuple}); return true;
      case op_tuple1: push({Object::tuple, 0, {}, pop(1)}); return true;
      case op_tuple2: push({Object::tuple, 0, {}, pop(2)}); return true;
      case op_tuple3: push({Object::tuple, 0, {}, pop(3)}); return true;
      case op_tuple: push({Object::tuple, 0, {}, pop_to_mark()}); return true;
      case op_empty_list: push({Object::list}); return true;
      case op_append: add(Object::list, pop(1)); return true;
      case op_appends: add(Object::list, pop_to_mark()); return true;
      case op_empty_dict: push({Object::dict}); return true;
      case op_set_item: add(Object::dict, pop(2)); return true;
      case op_set_items: add(Object::dict, pop_to_mark()); return true;
      default: return false;
    }
  }

  bool memory(std::uint8_t op) {
    switch (op) {
      case op_pop: pop(); return true;
      case op_pop_mark: pop_to_mark(); return true;
      case op_dup: push_again(top()); return true;
      case op_get1: push_again(recall(in_.number<std::uint8_t>())); return true;
      case op_get4: push_again(recall(in_.number<std::uint32_t>())); return true;
      case op_put1: remember(in_.number<std::uint8_t>()); return true;
      case op_put4: remember(in_.number<std::uint32_t>()); return true;
      case op_memoize: remember(static_cast<std::uint32_t>(memo_.size())); return true;
      default: return false;
    }
  }

  // clang-format on
  bool name_or_call(std::uint8_t op) {
    switch (op) {
      case op_global:
      case op_inst: {  // INST also calls the class that it names; a name that is not allowed is reported first
        const std::string_view module = in_.line();
        push_global(module, in_.line());
        if (op == op_inst) fail("instantiates a class");
        return true;
      }
      case op_stack_global: {
        const auto names = pop(2);
        if (names[0]->kind != Object::text || names[1]->kind != Object::text)
          fail("names a global by something other than text");
        push_global(names[0]->string, names[1]->string);
        return true;
      }
      case op_reduce:
        reduce();
        return true;
      case op_build:
        build();
        return true;
      case op_persistent:
        push({Object::persistent, 0, {}, pop(1)});
        return true;
      default:
        return false;
    }
  }

  bool framing(std::uint8_t op) {
    if (op == op_protocol) {
      const auto protocol = in_.number<std::uint8_t>();
      if (protocol < 2 || protocol > 5) fail("has protocol " + std::to_string(protocol) + ", not 2 to 5");
      return true;
    }
    if (op != op_frame) return false;
    if (in_.number<std::uint64_t>() > in_.left()) fail("has a frame beyond its end (truncated?)");
    return true;
  }

  // --- actions of the opcodes

  static std::int64_t sign_extended(std::string_view bytes) {
    std::uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return static_cast<std::int64_t>(value);
  }
  std::int64_t long_integer(std::string_view bytes) const {
    if (bytes.size() > sizeof(std::int64_t)) fail("has a number of more than 64 bits");
    return sign_extended(bytes);
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    const auto found = std::find(allowed_.begin(), allowed_.end(), full);
    if (found == allowed_.end())
      broken(file_,
             "the pickle wants " + printable(full) + ", which is not a tensor's part: refused, nothing was executed");
    push({Object::global, 0, *found});
  }

  void reduce() {
    const auto parts = pop(2);
    if (parts[0]->kind != Object::global || parts[1]->kind != Object::tuple) fail("calls what is no function");
    if (parts[0]->string != ordered_dict) return push({Object::call, 0, {}, parts});
    if (!parts[1]->items.empty()) fail("makes an OrderedDict with arguments, which torch.save never does");
    push({Object::dict});
  }

  void build() {
    pop();
    if (top()->kind != Object::dict) fail("sets the state of " + std::string(to_string(top()->kind)));
  }

  /// Adds items to the container on top of the stack; the only place that changes an object after its creation.
  void add(Object::Kind kind, std::vector<const Object*> items) {
    auto* const container = const_cast<Object*>(top());
    if (container->kind != kind) fail(std::string("adds items to ") + to_string(container->kind));
    if (kind == Object::dict && items.size() % 2 != 0) fail("gives a dictionary a key without a value");
    container->items.insert(container->items.end(), items.begin(), items.end());
  }

  // --- stack and memo

  void limit(std::size_t size) const {
    if (size >= max_objects) fail("makes more than a million objects, far more than a checkpoint has");
  }
  void push(Object object) {
    limit(pickle_.objects.size());
    push_again(&pickle_.objects.emplace_back(std::move(object)));
  }
  void push_again(const Object* object) {
    limit(stack_.size());
    stack_.push_back(object);
  }
  std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  const Object* top() const {
    if (above_mark() == 0) fail("takes an object that is not there");
    return stack_.back();
  }
  const Object* pop() { return pop(1).front(); }
  std::vector<const Object*> pop(std::size_t count) {
    if (above_mark() < count) fail("takes an object that is not there");
    std::vector<const Object*> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  std::vector<const Object*> pop_to_mark() {
    if (marks_.empty()) fail("goes back to a mark that is not there");
    auto items = pop(above_mark());
    marks_.pop_back();
    return items;
  }
  void remember(std::uint32_t key) {
    limit(memo_.size());
    memo_[key] = top();
  }
  const Object* recall(std::uint32_t key) const {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("recalls what it never remembered");
    return found->second;
  }

  ByteReader in_;
  const std::string& file_;
  std::span<const std::string_view> allowed_;
  Pickle pickle_;
  std::vector<const Object*> stack_;
  std::vector<std::size_t> marks_;  // stack heights
  std::unordered_map<std::uint32_t, const Object*> memo_;
};

}  // namespace

const char* to_string(PickleObject::Kind kind) noexcept {
  static constexpr const char* names[] = {"None",   "a boolean", "a whole number", "a real number",
                                          "a text", "a tuple",   "a list",         "a dictionary",
                                          "a name", "a call",    "a storage"};
  return names[kind];
}

Pickle read_pickle(std::span<const std::byte> pickle, const std::string& file,
                   std::span<const std::string_view> allowed) {
  return PickleMachine(pickle, file, allowed).run();
}

}  // namespace wf
