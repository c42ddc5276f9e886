// What a cut, a make or a try_ returns is not to be dropped.
// flags: -Werror=unused-result
// bad 1: unused-result
// bad 2: unused-result
// bad 3: unused-result
// bad 4: unused-result
// bad 5: unused-result
// bad 6: unused-result
// bad 7: unused-result
// bad 8: unused-result
// bad 9: unused-result
#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>

#include <utility>

// slice-D11
void f(bight::Bytes& bytes, bight::BytesBuilder& builder, bight::ChainBuilder& chained) {
#if BAD == 0
  bight::Bytes head = bytes.split_to(1);
  (void)head.split_off(0);
  if (!builder.try_append("x")) builder.clear();
  (void)chained.take();
#elif BAD == 1
  bytes.slice(0, 1);
#elif BAD == 2
  bytes.split_to(1);
#elif BAD == 3
  bytes.split_off(1);
#elif BAD == 4
  bytes.slice_ref("x");
#elif BAD == 5
  bight::Bytes::copy_of("x");
#elif BAD == 6
  builder.take();
#elif BAD == 7
  builder.try_append("x");
#elif BAD == 8
  chained.take();
#elif BAD == 9
  std::move(bytes).try_into_builder();
#endif
#if BAD != 0
  (void)builder;
  (void)chained;
  (void)bytes;
#endif
}
