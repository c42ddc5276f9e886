// A range that is neither contiguous nor sized and is read once: what a generator gives.
#ifndef BIGHT_TESTS_SUPPORT_GENERATED_RANGE_H_
#define BIGHT_TESTS_SUPPORT_GENERATED_RANGE_H_

#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

namespace bight_test {

// `count` chars, the i-th is make(i); `make` may throw.
class GeneratedRange {
 public:
  class Iterator {
   public:
    using value_type = char;
    using difference_type = ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(const GeneratedRange* range) : range_(range) {}
    char operator*() const { return range_->make_(index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    void operator++(int) { ++index_; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.at_end(); }

   private:
    bool at_end() const { return index_ == range_->count_; }

    const GeneratedRange* range_ = nullptr;
    size_t index_ = 0;
  };

  GeneratedRange(size_t count, std::function<char(size_t)> make)
      : count_(count), make_(std::move(make)) {}
  Iterator begin() const { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  size_t count_;
  std::function<char(size_t)> make_;
};
static_assert(std::ranges::input_range<const GeneratedRange>);
static_assert(!std::ranges::sized_range<const GeneratedRange>);

}  // namespace bight_test

#endif  // BIGHT_TESTS_SUPPORT_GENERATED_RANGE_H_
