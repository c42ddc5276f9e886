// A user's translation unit: it includes a bight header and uses nothing of it.
#include <bight/config.h>

#ifdef BIGHT_TEST_MAIN
int main() { return 0; }
#endif
