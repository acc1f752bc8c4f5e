#include "frontend/safetensors/safetensors_writer.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace bitnetc {

Result<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::create(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto file, OutputFile::create(path, OutputFile::Accepts::kRegularFile));
  return std::unique_ptr<SafetensorsWriter>(new SafetensorsWriter(std::move(file)));
}

void SafetensorsWriter::announce(const std::string& name, std::string_view dtype,
                                 std::span<const int64_t> shape, int64_t bytes) {
  header_ += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                         nlohmann::json(name).dump(), dtype, fmt::join(shape, ","), announced_,
                         announced_ + bytes);
  announced_ += bytes;
}

Status SafetensorsWriter::write_header() {
  header_ += '}';
  header_.resize((header_.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header_.size();
  std::string opening(reinterpret_cast<const char*>(&length), sizeof length);
  opening += header_;
  bytes_written_ = std::ssize(opening);
  return file_->write(opening);
}

Status SafetensorsWriter::write(std::span<const uint8_t> bytes) {
  data_ += std::ssize(bytes);
  BITNETC_CHECK(data_ <= announced_, "{} bytes, {} announced", data_, announced_);
  bytes_written_ += std::ssize(bytes);
  return file_->write(bytes);
}

Status SafetensorsWriter::finish() {
  BITNETC_CHECK(data_ == announced_, "{} bytes, {} announced", data_, announced_);
  return file_->finish();
}

}  // namespace bitnetc
