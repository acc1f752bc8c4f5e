#include "runtime/gpu/launch_list.h"

#include <algorithm>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

// Appends a struct on a boundary that suits every Args; where it begins.
size_t append(std::vector<std::byte>& block, const void* data, size_t bytes) {
  const auto* const first = static_cast<const std::byte*>(data);
  block.resize(round_up(block.size(), alignof(std::max_align_t)));
  const size_t offset = block.size();
  block.insert(block.end(), first, first + bytes);
  return offset;
}

}  // namespace

void LaunchList::restart() {
  items_.clear();
  args_.clear();
  values_.clear();
  last_code_ = nullptr;
  step_begins_ = true;
  status_ = {};
}

void LaunchList::call(const Kernel& kernel, const void* args, size_t args_bytes) {
  auto function = gpu_->function(kernel);
  if (!function.ok()) {
    if (status_.ok()) status_ = function.status();
    return;
  }
  const GpuCode& code = *gpu_code(kernel);
  BITNETC_CHECK(args_bytes == code.args_bytes, "{}: {} bytes of Args, expected {}", kernel.name(),
                args_bytes, code.args_bytes);
  const GpuLaunch launch = code.launch(args, code);
  const bool takes_many = code.calls == GpuCode::Calls::kMany;
  if (takes_many && last_code_ == &code && !step_begins_) {
    // An element of the array behind the ones before.
    const auto* const first = static_cast<const std::byte*>(args);
    args_.insert(args_.end(), first, first + args_bytes);
    GpuLaunch& shared = items_.back().launch;
    shared.blocks_x = std::max(shared.blocks_x, launch.blocks_x);
    shared.shared_bytes = std::max(shared.shared_bytes, launch.shared_bytes);
    ++shared.blocks_y;
    return;
  }
  const size_t offset = append(takes_many ? args_ : values_, args, args_bytes);
  items_.push_back({.function = *std::move(function),
                    .launch = launch,
                    .takes_many = takes_many,
                    .offset = offset,
                    .bytes = args_bytes});
  last_code_ = &code;
  step_begins_ = false;
}

void LaunchList::clear(void* at, size_t bytes) {
  auto* const address = static_cast<std::byte*>(at);
  const bool goes_on = !items_.empty() && items_.back().function == nullptr &&
                       items_.back().address + items_.back().bytes == address;
  if (goes_on) {
    items_.back().bytes += bytes;
  } else {
    items_.push_back({.function = nullptr, .launch = {}, .bytes = bytes, .address = address});
  }
  last_code_ = nullptr;
}

Status LaunchList::issue(GpuStream& stream, std::byte* args_at) const {
  for (const Item& item : items_) {
    if (item.function == nullptr) {
      BITNETC_RETURN_IF_ERROR(stream.clear(item.address, item.bytes));
    } else if (item.takes_many) {
      const std::byte* const calls = args_at + item.offset;
      BITNETC_RETURN_IF_ERROR(stream.launch(*item.function, item.launch, &calls, sizeof calls));
    } else {
      BITNETC_RETURN_IF_ERROR(
          stream.launch(*item.function, item.launch, values_.data() + item.offset, item.bytes));
    }
  }
  return {};
}

bool LaunchList::issues_as(const LaunchList& other) const {
  return items_ == other.items_ && values_ == other.values_;
}

}  // namespace bitnetc
