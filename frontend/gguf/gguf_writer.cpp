#include "frontend/gguf/gguf_writer.h"

#include <bit>

#include "frontend/gguf/gguf_file.h"

namespace bitnetc {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

template <typename T>
void append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string_view text, std::string* out) {
  append(uint64_t{text.size()}, out);
  *out += text;
}

uint64_t aligned(uint64_t bytes) {
  return (bytes + kGgufDefaultAlignment - 1) / kGgufDefaultAlignment * kGgufDefaultAlignment;
}

}  // namespace

Result<std::unique_ptr<GgufWriter>> GgufWriter::create(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto file, OutputFile::create(path, OutputFile::Accepts::kRegularFile));
  return std::unique_ptr<GgufWriter>(new GgufWriter(std::move(file)));
}

void GgufWriter::add_key(std::string_view key, GgufValueType type) {
  append_text(key, &values_);
  append(static_cast<uint32_t>(type), &values_);
  ++value_count_;
}

void GgufWriter::add_array(std::string_view key, GgufValueType element, size_t count) {
  add_key(key, GgufValueType::kArray);
  append(static_cast<uint32_t>(element), &values_);
  append(uint64_t{count}, &values_);
}

void GgufWriter::add_u32(std::string_view key, uint32_t value) {
  add_key(key, GgufValueType::kU32);
  append(value, &values_);
}

void GgufWriter::add_f32(std::string_view key, float value) {
  add_key(key, GgufValueType::kF32);
  append(value, &values_);
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  add_key(key, GgufValueType::kBool);
  append(static_cast<uint8_t>(value ? 1 : 0), &values_);
}

void GgufWriter::add_text(std::string_view key, std::string_view value) {
  add_key(key, GgufValueType::kString);
  append_text(value, &values_);
}

void GgufWriter::add_texts(std::string_view key, std::span<const std::string> values) {
  add_array(key, GgufValueType::kString, values.size());
  for (const std::string& value : values) append_text(value, &values_);
}

void GgufWriter::add_i32s(std::string_view key, std::span<const int32_t> values) {
  add_array(key, GgufValueType::kI32, values.size());
  for (const int32_t value : values) append(value, &values_);
}

void GgufWriter::add_f32s(std::string_view key, std::span<const float> values) {
  add_array(key, GgufValueType::kF32, values.size());
  for (const float value : values) append(value, &values_);
}

void GgufWriter::announce(const std::string& name, const gguf::TensorType& type,
                          std::span<const int64_t> extents) {
  const auto bytes = type.stored_bytes(extents);
  BITNETC_CHECK(bytes && name.size() <= kGgufMaxTensorNameBytes, "{} {} as {}", name,
                extents_text(extents), type.name);
  append_text(name, &tensors_);
  append(static_cast<uint32_t>(extents.size()), &tensors_);
  for (const int64_t extent : extents) append(static_cast<uint64_t>(extent), &tensors_);
  append(type.id, &tensors_);
  append(next_offset_, &tensors_);
  sizes_.push_back(*bytes);
  next_offset_ += aligned(*bytes);
}

Status GgufWriter::write_header() {
  std::string opening = "GGUF";
  append(kGgufVersion, &opening);
  append(uint64_t{sizes_.size()}, &opening);
  append(value_count_, &opening);
  for (const std::string* part : {&opening, &values_, &tensors_}) {
    BITNETC_RETURN_IF_ERROR(file_->write(*part));
    bytes_written_ += std::ssize(*part);
  }
  values_ = {};
  tensors_ = {};
  return pad();
}

Status GgufWriter::pad() {
  const auto bytes = static_cast<uint64_t>(bytes_written_);
  const std::string zeros(static_cast<size_t>(aligned(bytes) - bytes), '\0');
  bytes_written_ += std::ssize(zeros);
  return file_->write(zeros);
}

Status GgufWriter::write(std::span<const uint8_t> bytes) {
  BITNETC_CHECK(current_ < sizes_.size() && bytes.size() <= sizes_[current_] - written_of_current_,
                "{} bytes more than announced", bytes.size());
  BITNETC_RETURN_IF_ERROR(file_->write(bytes));
  bytes_written_ += std::ssize(bytes);
  written_of_current_ += bytes.size();
  if (written_of_current_ < sizes_[current_]) return {};
  ++current_;
  written_of_current_ = 0;
  return pad();
}

Status GgufWriter::finish() {
  BITNETC_CHECK(current_ == sizes_.size(), "{} of {} tensors written", current_, sizes_.size());
  return file_->finish();
}

}  // namespace bitnetc
