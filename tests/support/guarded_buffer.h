// An array with an unreadable page on each side, one of them touching it: a kernel that reads or
// writes one element too far at that side dies with SIGSEGV, generated code included. The bytes
// between the array and the other page hold a pattern, so a write there is found too:
// slack_intact(). Zero-filled. Owned by one object; neither moves nor copies.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>

namespace bitnetc::test {

enum class Edge {
  kEnd,    // the last element touches the unreadable page; the start is aligned as far as count
           // allows
  kBegin,  // the first element touches it; page-aligned
};

template <typename T>
class GuardedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit GuardedBuffer(size_t count, Edge edge = Edge::kEnd) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = count * sizeof(T);
    inner_bytes_ = (bytes + page - 1) / page * page;
    map_bytes_ = inner_bytes_ + 2 * page;
    void* map = mmap(nullptr, map_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    map_ = static_cast<uint8_t*>(map);
    inner_ = map_ + page;
    if (inner_bytes_ > 0 && mprotect(inner_, inner_bytes_, PROT_READ | PROT_WRITE) != 0) {
      munmap(map_, map_bytes_);
      throw std::bad_alloc();
    }
    std::memset(inner_, kSlackByte, inner_bytes_);
    begin_ = edge == Edge::kEnd ? inner_ + inner_bytes_ - bytes : inner_;
    std::memset(begin_, 0, bytes);
  }
  ~GuardedBuffer() { munmap(map_, map_bytes_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return reinterpret_cast<T*>(begin_); }
  const T* data() const { return reinterpret_cast<const T*>(begin_); }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + count_; }
  operator std::span<T>() { return {data(), count_}; }              // NOLINT
  operator std::span<const T>() const { return {data(), count_}; }  // NOLINT

  // Whether nothing was written between the array and the far page.
  bool slack_intact() const {
    const uint8_t* const array_end = begin_ + count_ * sizeof(T);
    for (const uint8_t* p = inner_; p < begin_; ++p)
      if (*p != kSlackByte) return false;
    for (const uint8_t* p = array_end; p < inner_ + inner_bytes_; ++p)
      if (*p != kSlackByte) return false;
    return true;
  }

 private:
  static constexpr uint8_t kSlackByte = 0xa5;

  size_t count_;
  size_t inner_bytes_ = 0, map_bytes_ = 0;
  uint8_t* map_ = nullptr;    // the whole mapping, both unreadable pages included
  uint8_t* inner_ = nullptr;  // the readable pages
  uint8_t* begin_ = nullptr;
};

}  // namespace bitnetc::test
