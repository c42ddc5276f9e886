// ReadSize: how much room the next read should offer, learnt from what the last ones brought.
//
// Keep one a connection. Much room for little data wastes memory, little room for much data
// wastes calls: 4 KiB reads cost 3.5 times as much a byte as 240 KiB ones.
#ifndef BIGHT_IO_READ_SIZE_H_
#define BIGHT_IO_READ_SIZE_H_

#include <cstddef>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

class ReadSize {
 public:
  static constexpr size_t kLeast = 4096;
  static constexpr size_t kMost = size_t{1} << 20;

  // Starts with `least`, stays within [least, most]; zeros count as 1.
  constexpr explicit ReadSize(size_t least = kLeast, size_t most = kMost) noexcept
      : least_(least != 0 ? least : 1), most_(most > least_ ? most : least_), size_(least_) {}

  // Room to offer next.
  constexpr size_t next() const noexcept { return size_; }
  constexpr size_t most() const noexcept { return most_; }

  // A read was offered `room` bytes and brought `got`. Room that was filled is doubled, as more is
  // probably waiting; two reads in a row that fill less than a quarter halve it. A read may have
  // been offered more than next(), what its block had left, so 64 KiB are passed in one step.
  constexpr void record(size_t room, size_t got) noexcept {
    if (got >= room) {
      if (got >= size_) size_ = got > most_ / 2 ? most_ : got * 2;
      small_ = 0;
    } else if (got >= size_ / 4) {
      small_ = 0;
    } else if (++small_ == 2) {
      size_ = size_ / 2 < least_ ? least_ : size_ / 2;
      small_ = 0;
    }
  }

 private:
  size_t least_;
  size_t most_;
  size_t size_;         // in [least_, most_]
  unsigned small_ = 0;  // reads in a row that filled less than a quarter of size_
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_READ_SIZE_H_
