#include "codegen/proof/device_operands.h"

#include <algorithm>
#include <cstring>

namespace bitnetc::proof {
namespace {

// A table of the addresses of the pages that `memory` consists of.
Result<DeviceMemory> make_page_table(Device& device, const DeviceMemory& memory,
                                     int64_t page_bytes) {
  std::vector<const std::byte*> pages;
  for (size_t at = 0; at < memory.bytes; at += static_cast<size_t>(page_bytes))
    pages.push_back(memory.address + at);
  const size_t table_bytes = pages.size() * sizeof(pages[0]);
  BITNETC_ASSIGN_OR_RETURN(DeviceMemory table, device.allocate(table_bytes));
  BITNETC_RETURN_IF_ERROR(device.upload(table.address, pages.data(), table_bytes));
  return table;
}

}  // namespace

Status DeviceOperands::upload(const OperandBuffers& host) {
  if (device_.shares_host_memory()) return {};
  copies_.resize(host.operands().size());
  for (size_t i = 0; i < copies_.size(); ++i) BITNETC_RETURN_IF_ERROR(upload(host, i, copies_[i]));
  return {};
}

Status DeviceOperands::upload(const OperandBuffers& host, size_t index, Copy& copy) {
  const Operand& operand = host.operands()[index];
  const std::span<const std::byte> bytes = host.bytes(index);
  copy.args_offset = operand.args_offset;
  copy.pages = {};
  if (bytes.size() != copy.memory.bytes) copy.memory = {};
  if (bytes.empty()) return {};
  if (copy.memory.address == nullptr) {
    BITNETC_ASSIGN_OR_RETURN(copy.memory, device_.allocate(bytes.size()));
  }
  const size_t element = static_cast<size_t>(element_bytes(operand.type));
  const size_t head = operand.role == Role::kWeight
                          ? std::min(bytes.size(), OperandBuffers::kRandomEnd * element)
                          : bytes.size();
  const size_t tail = std::min(bytes.size() - head, head);
  BITNETC_RETURN_IF_ERROR(device_.upload(copy.memory.address, bytes.data(), head));
  BITNETC_RETURN_IF_ERROR(device_.upload(copy.memory.address + bytes.size() - tail,
                                         bytes.data() + bytes.size() - tail, tail));
  if (const int64_t page_bytes = host.page_bytes(index); page_bytes > 0) {
    BITNETC_ASSIGN_OR_RETURN(copy.pages, make_page_table(device_, copy.memory, page_bytes));
  }
  return {};
}

void DeviceOperands::point(void* args) const {
  for (const Copy& copy : copies_) {
    const std::byte* const address =
        copy.pages.address != nullptr ? copy.pages.address : copy.memory.address;
    std::memcpy(static_cast<std::byte*>(args) + copy.args_offset, &address, sizeof address);
  }
}

Status DeviceOperands::download(OperandBuffers& host) const {
  for (size_t i = 0; i < copies_.size(); ++i) {
    const Role role = host.operands()[i].role;
    if (role == Role::kWeight || role == Role::kScratch) continue;
    const std::span<std::byte> bytes = host.bytes(i);
    if (bytes.empty()) continue;
    BITNETC_RETURN_IF_ERROR(
        device_.download(bytes.data(), copies_[i].memory.address, bytes.size()));
  }
  return {};
}

}  // namespace bitnetc::proof
