// What one rendering has used of its limits, and the objects that live as long as it does.
#pragma once

#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "frontend/jinja/value.h"
#include "runtime/status.h"

namespace bitnetc::jinja {

class Context {
 public:
  Context(int64_t max_steps, const std::tm& now) : steps_left_(max_steps), now_(now) {}

  // Takes `steps` from what is left. Error: kUnsupported when nothing is.
  Status charge(int64_t steps) {
    steps_left_ -= steps;
    return steps_left_ >= 0 ? Status() : out_of_steps();
  }
  // What a walk over `units` characters or items costs.
  Status charge_walk(int64_t units) { return charge(1 + units / kUnitsPerStep); }

  // The string as a value, paid for. Error: kUnsupported for one of more than kMaxValueWeight.
  Result<Value> string(Text text, bool is_markup = false);
  // Pays for a value that was put together, and checks its extent.
  Result<Value> made(Value value);
  // Error before memory is asked for: `count` items or characters of a result.
  Status check_size(int64_t count);

  template <typename T, typename... Args>
  Result<T*> make(Args&&... args) {
    constexpr int64_t kObjectSteps = 16;
    BITNETC_RETURN_IF_ERROR(charge(kObjectSteps));
    auto object = std::make_unique<T>(std::forward<Args>(args)...);
    T* const raw = object.get();
    objects_.push_back(std::move(object));
    return raw;
  }

  const std::tm& now() const { return now_; }

 private:
  static constexpr int64_t kUnitsPerStep = 4;
  static Status out_of_steps();

  int64_t steps_left_;
  std::tm now_;
  std::vector<std::unique_ptr<Object>> objects_;
};

}  // namespace bitnetc::jinja
