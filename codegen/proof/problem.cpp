#include "codegen/proof/problem.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/buffer.h"
#include "runtime/math.h"

namespace bitnetc::proof {
namespace {

constexpr int kUntouched = 0xa5;

// Blocks that touch no page until something is written: large operands of which a call reads little
// cost nothing.
class HeapMemory final : public OperandMemory {
 public:
  void* allocate(size_t bytes) override { return blocks_.emplace_back(bytes).data(); }

 private:
  std::vector<Buffer<uint8_t>> blocks_;
};

// Four sixteen-bit floats in +-[2^-7, 2) from the bits of one random number, by masks for sign and
// mantissa.
uint64_t four_halves(uint64_t bits, ElementType type) {
  constexpr uint64_t kEach = 0x0001000100010001;
  if (type == ElementType::kF16)
    return (bits & kEach * 0x9fff) | kEach * 0x2000;  // exponents 8..15
  return (bits & kEach * 0x83ff) | kEach * 0x3c00;    // exponents 120..127
}

void fill_random(std::byte* data, int64_t count, ElementType type, Random& random,
                 float magnitude) {
  const int64_t bytes = count * element_bytes(type);
  if (type == ElementType::kF32) {
    auto* const values = reinterpret_cast<float*>(data);
    for (int64_t i = 0; i < count; ++i) values[i] = random.uniform(-magnitude, magnitude);
    return;
  }
  const bool halves = element_bytes(type) == 2;
  for (int64_t at = 0; at < bytes; at += 8) {
    const uint64_t bits = halves ? four_halves(random.next(), type) : random.next();
    std::memcpy(data + at, &bits, static_cast<size_t>(std::min<int64_t>(8, bytes - at)));
  }
}

std::string element_text(const std::byte* at, ElementType type) {
  const auto read = [&]<typename T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  switch (type) {
    case ElementType::kU8: return fmt::format("{}", read(uint8_t{}));
    case ElementType::kI8: return fmt::format("{}", read(int8_t{}));
    case ElementType::kI32: return fmt::format("{}", read(int32_t{}));
    case ElementType::kF16: return fmt::format("{}", math::widen_f16(read(uint16_t{})));
    case ElementType::kBf16: return fmt::format("{}", math::widen_bf16(read(uint16_t{})));
    case ElementType::kF32: return fmt::format("{} ({:08x})", read(float{}), read(uint32_t{}));
    case ElementType::kF64: return fmt::format("{}", read(double{}));
  }
  return "?";
}

}  // namespace

std::unique_ptr<OperandMemory> heap_memory() {
  return std::make_unique<HeapMemory>();
}

void OperandBuffers::allocate(const CallCase& call_case, OperandMemory& memory) {
  for (const Operand& operand : operands_) {
    if (operand.optional && !call_case.optional) {
      memory_.emplace_back();
      continue;
    }
    BITNETC_CHECK(operand.fixed != kUnknownExtent, "operand {} has no extent", operand.name);
    const int64_t each = elements(operand, call_case.rows, call_case.positions);
    const int64_t count = operand.per_worker ? each * call_case.workers : each;
    const auto bytes = static_cast<size_t>(count * element_bytes(operand.type));
    memory_.emplace_back(static_cast<std::byte*>(memory.allocate(bytes)), bytes);
  }
}

void OperandBuffers::fill(Random& random, float magnitude) {
  constexpr int64_t kMostRandom = kRandomEnd;
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Operand& operand = operands_[i];
    const std::span<std::byte> bytes = memory_[i];
    if (operand.role == Role::kOutput || operand.role == Role::kScratch) {
      std::fill(bytes.begin(), bytes.end(), std::byte{kUntouched});
      continue;
    }
    const int64_t element = element_bytes(operand.type);
    const int64_t count = std::ssize(bytes) / element;
    const int64_t head = operand.role == Role::kWeight ? std::min(count, kMostRandom) : count;
    const int64_t tail = std::min(count - head, kMostRandom);
    // Weights keep an ordinary size, so that a product's size is that of its other factor.
    const float most = operand.role == Role::kWeight ? 2.0f : magnitude;
    fill_random(bytes.data(), head, operand.type, random, most);
    fill_random(bytes.data() + (count - tail) * element, tail, operand.type, random, most);
  }
}

void OperandBuffers::point(void* args) const {
  for (size_t i = 0; i < operands_.size(); ++i) {
    const void* const address = memory_[i].empty() ? nullptr : memory_[i].data();
    std::memcpy(static_cast<std::byte*>(args) + operands_[i].args_offset, &address, sizeof address);
  }
}

size_t OperandBuffers::index_of(std::string_view name) const {
  const auto at = std::ranges::find(operands_, name, &Operand::name);
  BITNETC_CHECK(at != operands_.end(), "no operand is called {}", name);
  return static_cast<size_t>(at - operands_.begin());
}

const void* const* OperandBuffers::pages(std::string_view name, int64_t page_bytes) {
  paged_ = index_of(name);
  page_bytes_ = page_bytes;
  const std::span<std::byte> bytes = memory_[paged_];
  pages_.clear();
  for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(page_bytes))
    pages_.push_back(bytes.data() + at);
  return pages_.data();
}

std::string OperandBuffers::first_difference(const OperandBuffers& expected) const {
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Operand& operand = operands_[i];
    if (operand.role == Role::kWeight || operand.role == Role::kScratch) continue;
    const std::span<std::byte> got = memory_[i], wanted = expected.memory_[i];
    if (got.empty() || std::memcmp(got.data(), wanted.data(), got.size()) == 0) continue;
    const auto at = static_cast<size_t>(std::ranges::mismatch(got, wanted).in1 - got.begin());
    const size_t element = at / static_cast<size_t>(element_bytes(operand.type));
    const size_t first = element * static_cast<size_t>(element_bytes(operand.type));
    return fmt::format("{}: element {} is {}, the reference says {}", operand.name, element,
                       element_text(got.data() + first, operand.type),
                       element_text(wanted.data() + first, operand.type));
  }
  return {};
}

}  // namespace bitnetc::proof
