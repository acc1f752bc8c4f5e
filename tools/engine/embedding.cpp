#include "tools/engine/embedding.h"

#include <cmath>
#include <deque>

#include "runtime/kernel_args.h"

namespace bitnetc {
namespace {

// A text some of whose rows are in the batch.
struct OpenText {
  size_t text;
  Sequence sequence;
  int64_t rows_asked = 0;
  std::vector<double> sums = {};
};

bool counts(Pooling pooling, int64_t position, int64_t length) {
  switch (pooling) {
    case Pooling::kMean: return true;
    case Pooling::kFirst: return position == 0;
    case Pooling::kLast: return position == length - 1;
  }
  return false;
}

std::vector<float> normalised_vector(std::span<const double> sums) {
  double squares = 0;
  for (const double sum : sums) squares += sum * sum;
  const double length = squares > 0 ? std::sqrt(squares) : 1;
  std::vector<float> vector;
  vector.reserve(sums.size());
  for (const double sum : sums) vector.push_back(static_cast<float>(sum / length));
  return vector;
}

class TextBatches {
 public:
  TextBatches(Executor& executor, std::span<const TextIds> texts, Pooling pooling)
      : executor_(executor), texts_(texts), pooling_(pooling) {}

  bool finished() const { return open_.empty() && next_ == texts_.size(); }

  Status run(const CancelToken* cancel) {
    fill();
    BITNETC_RETURN_IF_ERROR(executor_.run(rows_, cancel));
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].need.kind == LogitsNeed::Kind::kNone) continue;
      const std::span<const float> row = executor_.scores(i).logits;
      std::vector<double>& sums = owners_[i]->sums;
      sums.resize(row.size());
      for (size_t column = 0; column < row.size(); ++column) sums[column] += double{row[column]};
    }
    return {};
  }

  // The texts whose rows have all run, in order.
  void take_finished(const std::function<void(size_t, std::vector<float>)>& visit) {
    for (; !open_.empty() && open_.front().rows_asked == length_of(open_.front());
         open_.pop_front())
      visit(open_.front().text, normalised_vector(open_.front().sums));
  }

 private:
  int64_t length_of(const OpenText& open) const {
    return static_cast<int64_t>(texts_[open.text].size());
  }

  void add_rows(OpenText& open) {
    const TextIds& ids = texts_[open.text];
    for (; open.rows_asked < length_of(open) && rows_.size() < kMaxTokensPerCall;
         ++open.rows_asked) {
      const bool wanted = counts(pooling_, open.rows_asked, length_of(open));
      rows_.push_back({.sequence = &open.sequence,
                       .token = ids[static_cast<size_t>(open.rows_asked)],
                       .position = open.rows_asked,
                       .need = {wanted ? LogitsNeed::Kind::kAll : LogitsNeed::Kind::kNone}});
      owners_.push_back(&open);
    }
  }

  void fill() {
    rows_.clear();
    owners_.clear();
    for (OpenText& open : open_) add_rows(open);
    for (; rows_.size() < kMaxTokensPerCall && next_ < texts_.size(); ++next_) {
      BITNETC_CHECK(!texts_[next_].empty(), "a text without tokens");
      open_.push_back({.text = next_, .sequence = Sequence(executor_.pool())});
      add_rows(open_.back());
    }
  }

  Executor& executor_;
  std::span<const TextIds> texts_;
  Pooling pooling_;
  size_t next_ = 0;            // the first text that is not open yet
  std::deque<OpenText> open_;  // grows behind and shrinks in front: addresses stay
  std::vector<BatchRow> rows_;
  std::vector<OpenText*> owners_;  // of rows_
};

}  // namespace

Status embed_texts(Executor& executor, std::span<const TextIds> texts, Pooling pooling,
                   const std::function<void(size_t text, std::vector<float> vector)>& visit,
                   const CancelToken* cancel) {
  TextBatches batches(executor, texts, pooling);
  while (!batches.finished()) {
    BITNETC_RETURN_IF_ERROR(batches.run(cancel));
    batches.take_finished(visit);
  }
  return {};
}

double cosine_similarity(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace bitnetc
