// bad 1: deleted
// bad 2: deleted
// bad 3: deleted
// bad 4: deleted
// bad 5: constraint|FixedWidth
// bad 6: no matching function|constraint
// bad 7: conversion|convert|deleted
// flags: -Wall
#include <bight/bytes.h>
#include <bight/chain.h>
#include <bight/cursor.h>

#include <utility>

void f(const bight::Chain& chain, const bight::Bytes& bytes) {
  bight::Cursor in(chain);
  bight::Cursor other(bytes);
#if BAD == 0
  (void)in.find('\n');
  (void)in.try_read_be<unsigned>();
  (void)other.try_read_prefixed<unsigned>(10);
#elif BAD == 1
  // A temporary dies at the end of the line.
  bight::Cursor dangling{bight::Chain(bytes)};
#elif BAD == 2
  bight::Cursor dangling{bight::Bytes::copy_of("x")};
#elif BAD == 3
  bight::Chain mine(chain);
  bight::Cursor dangling(std::move(mine));
#elif BAD == 4
  // Byte or character? Say which.
  (void)in.find(10);
#elif BAD == 5
  // Not every byte is a bool.
  (void)in.try_read_be<bool>();
#elif BAD == 6
  // A length is unsigned.
  (void)in.try_read_prefixed<int>(10);
#elif BAD == 7
  // A cursor is made on purpose.
  bight::Cursor implicit = chain;
#endif
}
