// The library's block caches: their bounds, their totals, and how to empty them.
//
// Freed blocks below 2 MiB go to a cache of the freeing thread, from there in batches to a depot
// of the process, from there to operator delete. Blocks from 2 MiB on go to a cache of the process.
// Every bound may be 0, which turns that cache off. Under AddressSanitizer and MemorySanitizer
// nothing is cached, so that a use after free is reported.
#ifndef BIGHT_MEMORY_H_
#define BIGHT_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

struct CacheLimits {
  // Bytes one thread keeps. One size class may take 1.25 MiB of it, a megabyte of 64 KiB blocks
  // under construction and some to spare; the rest is for all the others.
  size_t thread_bytes = size_t{2} << 20;
  // Bytes the depot of the process keeps.
  size_t depot_bytes = size_t{16} << 20;
  // Bytes of blocks from 2 MiB on that the process keeps. First touch of fresh pages costs eight
  // times a copy, so this is worth 2.5x on large receives.
  size_t large_bytes = size_t{64} << 20;
  // Whether such a block is zeroed before it is kept.
  bool wipe_large = false;
};

struct MemoryTotals {
  // Bytes obtained from the system allocator and not yet returned, cached ones included.
  size_t allocated = 0;
  // Of these, bytes that lie in caches: of threads, of the depot, of large blocks.
  size_t thread_cached = 0;
  size_t depot_cached = 0;
  size_t large_cached = 0;
  // In use by handles, builders and tables.
  size_t live() const noexcept {
    const size_t cached = thread_cached + depot_cached + large_cached;
    return allocated > cached ? allocated - cached : 0;
  }
};

// Sets the bounds of the process. What the depot, the large cache and the calling thread hold above
// them is freed now; other threads follow when their cache next overflows. Thread safe.
BIGHT_API void set_cache_limits(const CacheLimits& limits) noexcept;
BIGHT_API CacheLimits cache_limits() noexcept;

// Frees what the calling thread's cache, the depot and the large cache hold. Other threads'
// caches are emptied when they next overflow, at the latest when their thread ends. Thread safe.
BIGHT_API void trim_caches() noexcept;

// Totals of the process; a snapshot while other threads run. Thread safe, O(threads).
BIGHT_API MemoryTotals memory_totals() noexcept;

BIGHT_NAMESPACE_END

#endif  // BIGHT_MEMORY_H_
