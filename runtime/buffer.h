// A fixed-size array aligned to a cache line, zero-filled. Owned by one object; moves, never
// copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "runtime/rounding.h"

namespace bitnetc {

inline constexpr size_t kCacheLineBytes = 64;

template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  // Fresh zero pages from the system are not touched, so a large buffer costs memory only where it
  // is used.
  explicit Buffer(size_t count) : count_(count) {
    if (count == 0) return;
    base_.reset(std::calloc(count * sizeof(T) + kCacheLineBytes, 1));
    if (!base_) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(base_.get());
    data_ = reinterpret_cast<T*>(round_up(address, kCacheLineBytes));
  }
  Buffer(Buffer&& other) noexcept
      : base_(std::move(other.base_)),
        data_(std::exchange(other.data_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    base_ = std::move(other.base_);
    data_ = std::exchange(other.data_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + count_; }
  operator std::span<const T>() const { return {data(), count_}; }  // NOLINT

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> base_;
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace bitnetc
