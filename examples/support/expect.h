// What an example claims, checked in every build.
#ifndef EXAMPLES_SUPPORT_EXPECT_H_
#define EXAMPLES_SUPPORT_EXPECT_H_

#include <cstdio>
#include <cstdlib>

namespace example {

// Ends the program with 1 unless `claim` holds.
inline void expect(bool claim, const char* text) {
  if (claim) return;
  std::fprintf(stderr, "not so: %s\n", text);
  std::_Exit(1);
}

}  // namespace example

#endif  // EXAMPLES_SUPPORT_EXPECT_H_
