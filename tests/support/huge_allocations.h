// Makes the sanitizers' allocators answer absurd sizes as the system's does: with a null pointer,
// not with the end of the program. To be included by the test that asks for such sizes.
#ifndef BIGHT_TESTS_SUPPORT_HUGE_ALLOCATIONS_H_
#define BIGHT_TESTS_SUPPORT_HUGE_ALLOCATIONS_H_

#include "bight/config.h"

#if BIGHT_HAS_ASAN
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#elif BIGHT_HAS_TSAN
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#endif

#endif  // BIGHT_TESTS_SUPPORT_HUGE_ALLOCATIONS_H_
