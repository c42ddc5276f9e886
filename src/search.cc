#include <bight/internal/search.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

BIGHT_NAMESPACE_BEGIN

namespace internal {
namespace {

using Needle = std::span<const std::byte>;

// How much fruitless checking of candidates is borne before the scan gives up for a while. A
// candidate costs about kCandidateCost, a byte scanned pays back one; so the linear matchers, which
// take half a nanosecond a byte, take over where candidates come more often than every 16 bytes.
constexpr size_t kPatience = 2048;
constexpr size_t kCandidateCost = 16;
constexpr size_t kSpanCost = 8;
// How many candidate places a linear matcher rules out before the scan is tried again: long enough
// that a scan's patience, 1 us, is small beside it.
constexpr size_t kStretch = size_t{64} << 10;
// How often the scan may change to another byte of the needle.
constexpr int kMaxByteChanges = 4;
// A state of the bit-parallel matcher is one word.
constexpr size_t kMaxBitNeedle = 64;
// Below this a call of memchr costs more than a loop.
constexpr size_t kMinMemchr = 16;
// How far into the needle the rarest byte is looked for: farther in, a candidate would begin many
// spans back.
constexpr size_t kMaxRareIndex = 64;

// 255 for a byte that is rare in text and in binary protocols, less for more frequent ones. Only
// the order matters, and a wrong guess costs time, not correctness: the scan changes to another
// byte when it meets too many.
constexpr std::array<uint8_t, 256> make_rarity() {
  std::array<uint8_t, 256> rarity{};
  rarity.fill(255);
  constexpr char kMostFrequentFirst[] =
      "\0 etaoinsrhldcu\n,.mpfgwyb0v1k-2\"3/=:;()<>_4956784\377\1xjqzTSAECINRMDPLOFBHGWUVY'\t";
  for (size_t i = 0; i < sizeof kMostFrequentFirst - 1; ++i) {
    rarity[static_cast<unsigned char>(kMostFrequentFirst[i])] = static_cast<uint8_t>(i);
  }
  return rarity;
}
constexpr std::array<uint8_t, 256> kRarity = make_rarity();

size_t rarest_index(Needle needle) {
  size_t best = 0;
  const size_t scan = (std::min)(needle.size(), kMaxRareIndex);
  for (size_t i = 1; i < scan; ++i) {
    if (kRarity[std::to_integer<size_t>(needle[i])] >
        kRarity[std::to_integer<size_t>(needle[best])]) {
      best = i;
    }
  }
  return best;
}

BIGHT_ALWAYS_INLINE const std::byte* find_byte(const std::byte* data, size_t size,
                                               std::byte wanted) {
  if (size < kMinMemchr) {
    for (const std::byte* p = data; p != data + size; ++p) {
      if (*p == wanted) return p;
    }
    return nullptr;
  }
  return static_cast<const std::byte*>(std::memchr(data, std::to_integer<int>(wanted), size));
}

// How many bytes at the front of `a` and `b`, of `size` bytes each, are equal.
size_t common_prefix(const std::byte* a, const std::byte* b, size_t size) {
  size_t i = 0;
  while (size - i >= 8) {
    uint64_t word_a;
    uint64_t word_b;
    std::memcpy(&word_a, a + i, 8);
    std::memcpy(&word_b, b + i, 8);
    if (word_a != word_b) {
      const uint64_t differences = word_a ^ word_b;
      const int zeros = std::endian::native == std::endian::little ? std::countr_zero(differences)
                                                                   : std::countl_zero(differences);
      return i + static_cast<size_t>(zeros) / 8;
    }
    i += 8;
  }
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

// The span that a search stands in. `base` is where it begins in the stream; all bytes before the
// search's start are left out. Past the last span `size` is 0 and `base` the size of the stream.
class Place {
 public:
  Place(const SpanSource& source, const SearchStart& start)
      : source_(&source), start_(&start), base_(start.base), index_(start.index) {
    load();
  }

  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t base() const { return base_; }
  [[nodiscard]] bool at_end() const { return index_ == source_->count; }
  [[nodiscard]] bool in_last_span() const { return source_->count - index_ <= 1; }

  BIGHT_ALWAYS_INLINE void next() {
    base_ += size_;
    ++index_;
    load();
  }

  void previous() {
    --index_;
    load();
    base_ -= size_;
  }

  // Goes to the span that holds `position`, or to the end if the stream ends before it.
  void seek(size_t position) {
    while (position < base_) previous();
    while (!at_end() && position - base_ >= size_) next();
  }

  // Goes to the first `wanted` in `[from, end)` and returns its offset in the stream, or kNotFound.
  //
  // Precondition: `from` lies in this span, or this is the end.
  size_t scan(size_t from, size_t end, std::byte wanted) {
    // Calls would have members written to memory in every round.
    const SpanSource source = *source_;
    const std::byte* data = data_;
    size_t size = size_;
    size_t base = base_;
    size_t index = index_;
    size_t begin = from - base;
    size_t result = kNotFound;
    while (index != source.count) {
      const size_t stop = (std::min)(size, end - base);
      if (begin < stop) {
        const std::byte* hit = find_byte(data + begin, stop - begin, wanted);
        if (hit != nullptr) {
          result = base + static_cast<size_t>(hit - data);
          break;
        }
      }
      if (stop < size) break;
      begin = 0;
      base += size;
      ++index;
      if (index == source.count) {
        data = nullptr;
        size = 0;
        break;
      }
      // Never the first span: the walk has passed it.
      const std::span<const std::byte> span = source.at(index);
      data = span.data();
      size = span.size();
    }
    data_ = data;
    size_ = size;
    base_ = base;
    index_ = index;
    return result;
  }

 private:
  BIGHT_ALWAYS_INLINE void load() {
    if (index_ == source_->count) {
      data_ = nullptr;
      size_ = 0;
      return;
    }
    const std::span<const std::byte> span = source_->at(index_);
    data_ = span.data();
    size_ = span.size();
    if (index_ == start_->index) {
      data_ += start_->offset;
      size_ -= start_->offset;
    }
  }

  const SpanSource* source_;
  const SearchStart* start_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t base_;
  size_t index_;
};

// The bit-parallel matcher: bit i of the state is clear if the bytes read last are the needle's
// first i + 1. Two operations a byte whatever the bytes are.
class BitMatcher {
 public:
  explicit BitMatcher(Needle needle) : goal_(uint64_t{1} << (needle.size() - 1)) {
    masks_.fill(~uint64_t{0});
    for (size_t i = 0; i < needle.size(); ++i) {
      masks_[std::to_integer<size_t>(needle[i])] &= ~(uint64_t{1} << i);
    }
  }

  void reset() { state_ = ~uint64_t{0}; }

  // Reads on, to the end of the next match. Returns how many bytes were read, or 0 if no match ends
  // in the `size` bytes.
  size_t read(const std::byte* data, size_t size) {
    uint64_t state = state_;
    for (size_t i = 0; i < size; ++i) {
      state = (state << 1) | masks_[std::to_integer<size_t>(data[i])];
      if ((state & goal_) == 0) {
        state_ = state;
        return i + 1;
      }
    }
    state_ = state;
    return 0;
  }

 private:
  std::array<uint64_t, 256> masks_;
  uint64_t state_ = ~uint64_t{0};
  uint64_t goal_;
};

// The Two-Way algorithm of Crochemore and Perrin: linear time and no table. The needle is cut where
// its local period is its period; the part after the cut is compared first, forwards, and where it
// differs the needle may move past the difference.
class TwoWayMatcher {
 public:
  explicit TwoWayMatcher(Needle needle) : needle_(needle) {
    const Cut ascending = greatest_suffix(false);
    const Cut descending = greatest_suffix(true);
    const Cut cut = ascending.begin > descending.begin ? ascending : descending;
    cut_ = cut.begin;
    periodic_ = std::memcmp(needle.data(), needle.data() + cut.period, cut_) == 0;
    period_ = periodic_ ? cut.period : (std::max)(cut_, needle.size() - cut_) + 1;
  }

  // Returns where in the `size` bytes at `text` the needle begins, or kNotFound.
  [[nodiscard]] size_t find(const std::byte* text, size_t size) const {
    const size_t length = needle_.size();
    if (size < length) return kNotFound;
    const std::byte* const needle = needle_.data();
    const std::byte after_cut = needle[cut_];
    const size_t last = size - length;
    size_t at = 0;
    // How many bytes of the needle's front are known to match at `at`: the overlap that a move by
    // the period leaves.
    size_t known = 0;
    while (at <= last) {
      if (known == 0) {
        while (text[at + cut_] != after_cut) {
          if (at == last) return kNotFound;
          ++at;
        }
      }
      // A few bytes one by one: a branch that is foreseen costs less than the place of a difference
      // in a word.
      size_t same = (std::max)(cut_, known);
      const size_t closely = (std::min)(length, same + 8);
      while (same < closely && needle[same] == text[at + same]) ++same;
      if (same == closely) same += common_prefix(needle + same, text + at + same, length - same);
      if (same < length) {
        at += same - cut_ + 1;
        known = 0;
        continue;
      }
      if (known >= cut_ || std::memcmp(needle + known, text + at + known, cut_ - known) == 0) {
        return at;
      }
      at += period_;
      known = periodic_ ? length - period_ : 0;
    }
    return kNotFound;
  }

 private:
  struct Cut {
    size_t begin;
    size_t period;
  };

  // The suffix that is greatest in the order of bytes, or in the reversed one, and its period.
  [[nodiscard]] Cut greatest_suffix(bool reversed) const {
    size_t best = 0;
    size_t rival = 1;
    size_t equal = 0;
    size_t period = 1;
    while (rival + equal < needle_.size()) {
      const std::byte of_best = needle_[best + equal];
      const std::byte of_rival = needle_[rival + equal];
      if (of_best == of_rival) {
        ++equal;
        if (equal == period) {
          rival += period;
          equal = 0;
        }
      } else if ((of_rival < of_best) != reversed) {
        rival += equal + 1;
        equal = 0;
        period = rival - best;
      } else {
        best = rival;
        ++rival;
        equal = 0;
        period = 1;
      }
    }
    return {best, period};
  }

  Needle needle_;
  size_t cut_ = 0;
  size_t period_ = 1;
  bool periodic_ = false;
};

// A search for a needle of two bytes or more.
class Search {
 public:
  Search(const SpanSource& source, const SearchStart& start, Needle needle, size_t from, size_t end)
      : place_(source, start),
        needle_(needle),
        end_(end),
        next_(from),
        patience_(kPatience + needle.size() / 4),
        stretch_((std::max)(needle.size(), kStretch)) {}

  [[nodiscard]] size_t run() {
    rare_ = rarest_index(needle_);
    for (;;) {
      Outcome outcome = filter();
      if (outcome == Outcome::too_slow) outcome = match_bits();
      if (outcome == Outcome::too_slow) outcome = match_two_way();
      if (outcome == Outcome::found) return next_;
      if (outcome == Outcome::absent) return kNotFound;
    }
  }

 private:
  enum class Outcome { found, absent, too_slow, go_on };

  // Scans for one byte of the needle and checks where it occurs, from `next_` on.
  Outcome filter() {
    size_t debt = 0;
    size_t paid_until = next_ + rare_;
    for (;;) {
      // The last place where the byte may be when the needle has to end by `end_`.
      const size_t stop = end_ == kNotFound ? kNotFound : end_ - needle_.size() + rare_ + 1;
      if (next_ + rare_ >= stop) return Outcome::absent;
      place_.seek(next_ + rare_);
      const size_t hit = place_.scan(next_ + rare_, stop, needle_[rare_]);
      if (hit == kNotFound) return Outcome::absent;
      next_ = hit - rare_;
      size_t cost = kCandidateCost;
      const size_t equal = check(hit - place_.base(), cost);
      if (equal == needle_.size()) return Outcome::found;
      if (equal == kNotFound) return Outcome::absent;
      ++next_;
      const size_t paid = hit - paid_until;
      paid_until = hit;
      debt = (debt > paid ? debt - paid : 0) + cost;
      if (debt > patience_) {
        if (byte_changes_ == kMaxByteChanges || needle_[equal] == needle_[rare_]) {
          return Outcome::too_slow;
        }
        // The byte that was missing here may well be missing all over.
        ++byte_changes_;
        rare_ = equal;
        debt = 0;
        paid_until = next_ + rare_;
      }
    }
  }

  // Compares the needle at `next_`, where the rare byte is at `at` in `place_`. Returns an index
  // that differs, or the needle's size, or kNotFound if the stream ends too early for this and any
  // later candidate. Adds to `cost` what it did.
  size_t check(size_t at, size_t& cost) const {
    if (at >= rare_ && place_.size() - at >= needle_.size() - rare_) [[likely]] {
      const size_t equal =
          common_prefix(needle_.data(), place_.data() + (at - rare_), needle_.size());
      cost += equal / 8;
      return equal;
    }
    return check_across(at, cost);
  }

  BIGHT_NOINLINE size_t check_across(size_t at, size_t& cost) const {
    const size_t forwards = check_on(at, rare_, cost);
    if (forwards != needle_.size()) return forwards;
    // From the rare byte backwards, a span at a time.
    size_t left = rare_;
    Place place = place_;
    for (size_t end = at; left > 0; end = place.size()) {
      const size_t part = (std::min)(end, left);
      const size_t equal =
          common_prefix(needle_.data() + (left - part), place.data() + (end - part), part);
      cost += kSpanCost + equal / 8;
      if (equal < part) return left - part + equal;
      left -= part;
      if (left > 0) place.previous();
    }
    return needle_.size();
  }

  // Compares the needle from its byte `done` on with the stream from `at` in `place_` on, and
  // answers as `check()` does.
  size_t check_on(size_t at, size_t done, size_t& cost) const {
    Place place = place_;
    for (size_t begin = at; done < needle_.size(); begin = 0) {
      if (place.at_end()) return kNotFound;
      const size_t part = (std::min)(place.size() - begin, needle_.size() - done);
      const size_t equal = common_prefix(needle_.data() + done, place.data() + begin, part);
      cost += kSpanCost + equal / 8;
      done += equal;
      if (equal < part) return done;
      if (done < needle_.size()) place.next();
    }
    return done;
  }

  // Reads a stretch with the bit-parallel matcher. Of a needle that is too long for it it looks for
  // the front, and the rest is compared: that is too slow only where such long fronts are frequent.
  Outcome match_bits() {
    const size_t front = (std::min)(needle_.size(), kMaxBitNeedle);
    if (!bits_) bits_.emplace(needle_.first(front));
    bits_->reset();
    place_.seek(next_);
    // The candidates of this stretch have their fronts before `stop`.
    const size_t stretch_end = next_ + stretch_ + (front - 1);
    const size_t stop = (std::min)(end_, stretch_end);
    size_t debt = 0;
    size_t paid_until = next_;
    for (size_t begin = next_ - place_.base();;) {
      if (place_.at_end()) return Outcome::absent;
      const size_t size = (std::min)(place_.size(), stop - place_.base());
      while (begin < size) {
        const size_t read = bits_->read(place_.data() + begin, size - begin);
        if (read == 0) break;
        begin += read;
        const size_t candidate = place_.base() + begin - front;
        if (end_ - candidate < needle_.size()) return Outcome::absent;
        size_t cost = kCandidateCost;
        const size_t equal = check_on(begin, front, cost);
        if (equal == kNotFound) return Outcome::absent;
        next_ = candidate;
        if (equal == needle_.size()) return Outcome::found;
        const size_t paid = candidate - paid_until;
        paid_until = candidate;
        debt = (debt > paid ? debt - paid : 0) + cost;
        if (debt > patience_) {
          ++next_;
          return Outcome::too_slow;
        }
      }
      if (size < place_.size() || place_.base() + size == stop) break;
      place_.next();
      begin = 0;
    }
    if (stop == end_) return Outcome::absent;
    next_ = stretch_end - (front - 1);
    return Outcome::go_on;
  }

  Outcome match_two_way() {
    if (!two_way_) two_way_.emplace(needle_);
    place_.seek(next_);
    if (place_.at_end()) return Outcome::absent;
    const size_t room = needle_.size() + stretch_;
    const size_t wanted = (std::min)(room, end_ - next_);
    const size_t begin = next_ - place_.base();
    size_t size = (std::min)(place_.size() - begin, wanted);
    const std::byte* window = place_.data() + begin;
    bool ends = size == end_ - next_ || (place_.in_last_span() && begin + size == place_.size());
    // A window where the spans are must allow progress by half a stretch.
    if (!ends && size < wanted && size < needle_.size() + stretch_ / 2) {
      if (buffer_ == nullptr) buffer_.reset(new std::byte[room]);
      size = 0;
      for (size_t offset = begin; size < wanted && !place_.at_end(); offset = 0) {
        const size_t part = (std::min)(place_.size() - offset, wanted - size);
        if (part != 0) std::memcpy(buffer_.get() + size, place_.data() + offset, part);
        size += part;
        if (size < wanted) place_.next();
      }
      window = buffer_.get();
      ends = size < wanted || size == end_ - next_;
    }
    const size_t found = two_way_->find(window, size);
    if (found != kNotFound) {
      next_ += found;
      return Outcome::found;
    }
    if (ends) return Outcome::absent;
    next_ += size - needle_.size() + 1;
    return Outcome::go_on;
  }

  Place place_;
  Needle needle_;
  // The needle has to end at or before this offset in the stream.
  size_t end_;
  // The least offset at which the needle may still be.
  size_t next_;
  // The index in the needle of the byte scanned for.
  size_t rare_ = 0;
  int byte_changes_ = 0;
  // kPatience, and the cost of two candidates that differ at their end: in a stretch that is no
  // shorter than the needle these are not too many.
  size_t patience_;
  size_t stretch_;
  // Made when first needed, which is seldom: the one is large, the other costs a pass over the
  // needle.
  std::optional<BitMatcher> bits_;
  std::optional<TwoWayMatcher> two_way_;
  // Where a window that straddles spans is laid out.
  std::unique_ptr<std::byte[]> buffer_;
};

// Whether an empty needle fits at `from`.
size_t find_nothing(const SpanSource& source, size_t from, const SearchStart& start) {
  Place place(source, start);
  place.seek(from);
  return !place.at_end() || place.base() == from ? from : kNotFound;
}

std::span<const std::byte> get_only_span(const void* context, size_t) {
  return *static_cast<const std::span<const std::byte>*>(context);
}

}  // namespace

size_t find_in_spans(const SpanSource& source, size_t from, Needle needle, size_t limit,
                     SearchStart start) {
  if (needle.empty()) return find_nothing(source, from, start);
  if (needle.size() == 1) return find_byte_in_spans(source, from, needle[0], limit, start);
  // No stream reaches the upper half of the offsets; below it no sum here wraps round.
  if (needle.size() > limit || from > kNotFound / 2) return kNotFound;
  const size_t end = limit > kNotFound / 2 ? kNotFound : from + limit;
  return Search(source, start, needle, from, end).run();
}

size_t find_byte_in_spans(const SpanSource& source, size_t from, std::byte needle, size_t limit,
                          SearchStart start) {
  if (from > kNotFound / 2) return kNotFound;
  const size_t end = limit > kNotFound / 2 ? kNotFound : from + limit;
  Place place(source, start);
  place.seek(from);
  if (place.at_end()) return kNotFound;
  return place.scan(from, end, needle);
}

size_t find_in(const std::byte* data, size_t size, Needle needle, size_t from, size_t limit) {
  const std::span<const std::byte> span(data, size);
  return find_in_spans({&span, 1, get_only_span}, from, needle, limit);
}

size_t find_byte_in(const std::byte* data, size_t size, std::byte needle, size_t from,
                    size_t limit) {
  if (from >= size) return kNotFound;
  const size_t stop = (std::min)(size - from, limit);
  const std::byte* hit = find_byte(data + from, stop, needle);
  return hit == nullptr ? kNotFound : static_cast<size_t>(hit - data);
}

}  // namespace internal

BIGHT_NAMESPACE_END
