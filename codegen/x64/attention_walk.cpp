#include "codegen/x64/attention_walk.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace bitnetc::x64 {
namespace {

constexpr int64_t kPage = KvLayout::kPagePositions;
constexpr int64_t kBlockKeys = KvLayout::kKeyBlock;

class Walk {
 public:
  Walk(const AttentionCode& code, const AttentionArgs& args)
      : code_(code),
        scratch_(code.scratch),
        args_(args),
        heads_(code.spec.q_per_kv),
        head_dim_(code.spec.head_dim),
        last_page_((args.position + args.rows - 1) / kPage),
        begin_(std::max(args.chunk_begin, seen(0).first_chunk())),
        end_(std::min(args.chunk_end, seen(args.rows - 1).end_chunk())) {}

  void run() {
    if ((args_.parts & AttentionArgs::kScores) != 0) find_scores();
    if ((args_.parts & AttentionArgs::kValues) != 0) sum_values();
    if ((args_.parts & AttentionArgs::kOutput) != 0) put_out();
  }

 private:
  // Rows [first, first + count): a whole group, or one row.
  struct Group {
    int64_t first, count;
  };

  SeenPositions seen(int64_t row) const {
    return seen_from(args_.position + row, code_.spec.window);
  }
  float* record(int64_t chunk, int64_t row) const {
    return args_.scores + scratch_.record(chunk, row);
  }
  size_t row_bytes() const { return static_cast<size_t>(heads_ * head_dim_) * sizeof(float); }
  int which(const Group& group) const { return group.count > 1 ? 0 : 1; }

  // Of the keys or values that begin at `offset` of a page.
  const void* cells(int64_t page, int64_t offset, int64_t index) const {
    return reinterpret_cast<const std::byte*>(args_.pages[page] + offset) +
           index * code_.layout.cell_bytes();
  }
  const float* scales(int64_t page, int64_t offset, int64_t position) const {
    if (code_.layout.scale_bytes() == 0) return nullptr;
    const uint16_t* const words = args_.pages[page] + offset + code_.layout.scales_offset();
    return reinterpret_cast<const float*>(words) + position;
  }

  template <typename Body>
  void for_each_group(Body body) const {
    for (int64_t row = 0; row < args_.rows;) {
      const bool whole = row + code_.rows_together <= args_.rows;
      const Group group{.first = row, .count = whole ? code_.rows_together : 1};
      body(group);
      row += group.count;
    }
  }

  // From the keys of a page to what is read when they have been: those of the next page, behind the
  // last one the values of the first. Only for the first group, which reads first.
  int64_t ahead_of_keys(int64_t page, const Group& group) const {
    if (group.first > 0) return 0;
    if (page < last_page_) return bytes_between(page, page + 1, 0);
    return bytes_between(page, first_page(), args_.v_offset - args_.k_offset);
  }
  // The same for values: behind the last page the keys of the head that the next call is for.
  int64_t ahead_of_values(int64_t page, const Group& group) const {
    if (group.first > 0) return 0;
    if (page < last_page_) return bytes_between(page, page + 1, 0);
    return bytes_between(page, first_page(),
                         args_.k_offset + code_.layout.head_words() - args_.v_offset);
  }
  // From a place of page `from` to that `words` further on in page `to`.
  int64_t bytes_between(int64_t from, int64_t to, int64_t words) const {
    return reinterpret_cast<intptr_t>(args_.pages[to]) -
           reinterpret_cast<intptr_t>(args_.pages[from]) + 2 * words;
  }
  int64_t first_page() const { return seen(0).begin / kPage; }

  void find_scores();
  void score_page(int64_t chunk, int64_t page, const Group& group) const;
  const float* queries(const Group& group) const;
  void copy_queries() const;

  void sum_values();
  float largest_of_row(int64_t row, int64_t head) const;
  void weigh_chunk(int64_t chunk, int64_t row) const;
  void add_page(int64_t chunk, int64_t page, const Group& group) const;
  void add_positions(int64_t chunk, const SeenPositions& positions, const Group& group) const;

  void put_out() const;

  const AttentionCode& code_;
  const AttentionScratch& scratch_;
  const AttentionArgs& args_;
  const int64_t heads_, head_dim_, last_page_;
  const int64_t begin_, end_;                                            // chunks
  std::array<float, kMostAttentionRows * kMostAttentionHeads> largest_;  // of all chunks
};

// ---- scores

void Walk::find_scores() {
  if (begin_ >= end_) return;
  if (args_.rows >= code_.rows_together && code_.rows_together > 1) copy_queries();
  for (int64_t chunk = begin_; chunk < end_; ++chunk) {
    const int64_t first = chunk * kAttentionChunk / kPage;
    for (int64_t page = first; page < first + kAttentionChunk / kPage; ++page)
      for_each_group([&](const Group& group) { score_page(chunk, page, group); });
    for (int64_t row = 0; row < args_.rows; ++row) {
      const SeenPositions positions = seen(row).in_chunk(chunk);
      if (positions.empty()) continue;
      for (int64_t head = 0; head < heads_; ++head) {
        const AttentionPiece piece{.scores = record(chunk, row) + scratch_.scores(head) +
                                             positions.begin % kAttentionChunk,
                                   .count = positions.end - positions.begin,
                                   .to = record(chunk, row) + scratch_.largest(head)};
        code_.largest(&piece);
      }
    }
  }
}

// Groups find the queries of their rows a record apart: where the values of the first chunk will be
// summed when the scores are done.
void Walk::copy_queries() const {
  for (int64_t row = 0; row < args_.rows; ++row)
    std::memcpy(record(begin_, row) + scratch_.values(0), args_.q + row * args_.q_stride,
                row_bytes());
}

const float* Walk::queries(const Group& group) const {
  return group.count > 1 ? record(begin_, group.first) + scratch_.values(0)
                         : args_.q + group.first * args_.q_stride;
}

// Whole blocks, for all rows of the group if one of them sees a key.
void Walk::score_page(int64_t chunk, int64_t page, const Group& group) const {
  const int64_t begin = seen(group.first).begin, end = seen(group.first + group.count - 1).end;
  const SeenPositions positions =
      SeenPositions{.begin = begin, .end = end}.inside(page * kPage, (page + 1) * kPage);
  if (positions.empty()) return;
  const int64_t block = positions.begin % kPage / kBlockKeys;
  const int64_t first = block * kBlockKeys;
  const AttentionPiece piece{
      .cache = cells(page, args_.k_offset, code_.layout.k_index(first, 0)),
      .scales = scales(page, args_.k_offset, first),
      .ahead_bytes = ahead_of_keys(page, group),
      .q = queries(group),
      .scores = record(chunk, group.first) + (page * kPage + first) % kAttentionChunk,
      .count = ceil_div((positions.end - 1) % kPage + 1, kBlockKeys) - block};
  code_.scores[which(group)](&piece);
}

// ---- values

void Walk::sum_values() {
  for (int64_t row = 0; row < args_.rows; ++row)
    for (int64_t head = 0; head < heads_; ++head)
      largest_[static_cast<size_t>(row * heads_ + head)] = largest_of_row(row, head);
  for (int64_t chunk = begin_; chunk < end_; ++chunk) {
    for (int64_t row = 0; row < args_.rows; ++row) weigh_chunk(chunk, row);
    const int64_t first = chunk * kAttentionChunk / kPage;
    for (int64_t page = first; page < first + kAttentionChunk / kPage; ++page)
      for_each_group([&](const Group& group) { add_page(chunk, page, group); });
  }
}

float Walk::largest_of_row(int64_t row, int64_t head) const {
  const SeenPositions all = seen(row);
  float most = record(all.first_chunk(), row)[scratch_.largest(head)];
  for (int64_t chunk = all.first_chunk() + 1; chunk < all.end_chunk(); ++chunk)
    most = std::max(most, record(chunk, row)[scratch_.largest(head)]);
  return most;
}

// Whole vectors: weights in front of the first position and behind the last are not read.
void Walk::weigh_chunk(int64_t chunk, int64_t row) const {
  const SeenPositions positions = seen(row).in_chunk(chunk);
  if (positions.empty()) return;
  std::memset(record(chunk, row) + scratch_.values(0), 0, row_bytes());
  std::memset(record(chunk, row) + scratch_.sum(0), 0, static_cast<size_t>(heads_) * sizeof(float));
  const int64_t first = positions.begin / code_.lanes * code_.lanes;
  for (int64_t head = 0; head < heads_; ++head) {
    const AttentionPiece piece{
        .scores = record(chunk, row) + scratch_.scores(head) + first % kAttentionChunk,
        .count = ceil_div(positions.end - first, code_.lanes),
        .largest = largest_[static_cast<size_t>(row * heads_ + head)]};
    code_.weights(&piece);
  }
}

void Walk::add_page(int64_t chunk, int64_t page, const Group& group) const {
  const int64_t from = page * kPage, to = from + kPage;
  const int64_t end_row = group.first + group.count;
  // Rows further down begin and end later.
  const SeenPositions shared{.begin = std::max(seen(end_row - 1).begin, from),
                             .end = std::min(seen(group.first).end, to)};
  if (shared.empty() || group.count == 1) {
    for (int64_t row = group.first; row < end_row; ++row)
      add_positions(chunk, seen(row).inside(from, to), {.first = row, .count = 1});
    return;
  }
  for (int64_t row = group.first; row < end_row; ++row)
    add_positions(chunk, seen(row).inside(from, shared.begin), {.first = row, .count = 1});
  add_positions(chunk, shared, group);
  for (int64_t row = group.first; row < end_row; ++row)
    add_positions(chunk, seen(row).inside(shared.end, to), {.first = row, .count = 1});
}

// Positions of one page.
void Walk::add_positions(int64_t chunk, const SeenPositions& positions, const Group& group) const {
  if (positions.empty()) return;
  const int64_t page = positions.begin / kPage;
  float* const records = record(chunk, group.first);
  const int64_t first = positions.begin % kPage;
  const AttentionPiece piece{.cache = cells(page, args_.v_offset, code_.layout.v_index(first, 0)),
                             .scales = scales(page, args_.v_offset, first),
                             .ahead_bytes = ahead_of_values(page, group),
                             .record = records,
                             .scores = records + positions.begin % kAttentionChunk,
                             .count = positions.end - positions.begin};
  code_.values[which(group)](&piece);
}

// ---- output

void Walk::put_out() const {
  for (int64_t row = 0; row < args_.rows; ++row) {
    const SeenPositions all = seen(row);
    const AttentionPiece piece{.record = record(all.first_chunk(), row),
                               .count = all.end_chunk() - all.first_chunk(),
                               .to = args_.out + row * args_.out_stride};
    code_.output(&piece);
  }
}

AttentionCode::Part part_at(const ExecMemory& memory, size_t at) {
  return reinterpret_cast<AttentionCode::Part>(reinterpret_cast<uintptr_t>(memory.span().rx) + at);
}

}  // namespace

AttentionCode::AttentionCode(const AttentionSpec& wanted, const AttentionProgram& program,
                             std::shared_ptr<const ExecMemory> published)
    : spec(wanted),
      scratch{.head_dim = wanted.head_dim, .heads = wanted.q_per_kv},
      layout(wanted.layout()),
      rows_together(program.rows_together()),
      lanes(program.lanes()),
      memory(std::move(published)) {
  const AttentionProgram::Entries& at = program.entries();
  for (int i = 0; i < 2; ++i) {
    scores[i] = part_at(*memory, at.scores[i]);
    values[i] = part_at(*memory, at.values[i]);
  }
  largest = part_at(*memory, at.largest);
  weights = part_at(*memory, at.weights);
  output = part_at(*memory, at.output);
}

void run_attention(const void* args, const void* context) {
  Walk(*static_cast<const AttentionCode*>(context), *static_cast<const AttentionArgs*>(args)).run();
}

}  // namespace bitnetc::x64
