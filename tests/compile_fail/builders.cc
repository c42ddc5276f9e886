// Builders are not copied, and their bytes are frozen and thawed on purpose.
// bad 1: deleted
// bad 2: deleted
// bad 3: discards qualifiers|rvalue|passing|no matching|not viable|expects an rvalue
// bad 4: discards qualifiers|rvalue|passing|no matching|not viable|expects an rvalue
// bad 5: discards qualifiers|rvalue|passing|no matching|not viable|expects an rvalue
// bad 6: constraint|FixedWidth|no matching
// bad 7: conversion|convert|no viable
// bad 8: private
#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>

#include <string>
#include <utility>

void f(bight::BytesBuilder& builder, bight::ChainBuilder& chained, bight::Bytes& bytes) {
#if BAD == 0
  bight::BytesBuilder moved = std::move(builder);
  (void)std::move(moved).freeze();
  (void)std::move(chained).freeze();
  (void)std::move(bytes).into_builder();
#elif BAD == 1
  bight::BytesBuilder copy = builder;
#elif BAD == 2
  bight::ChainBuilder copy = chained;
#elif BAD == 3
  (void)builder.freeze();
#elif BAD == 4
  (void)chained.freeze();
#elif BAD == 5
  (void)bytes.into_builder();
#elif BAD == 6
  builder.put_be<std::string>("text");
#elif BAD == 7
  bight::BytesBuilder implicit = 64;
#elif BAD == 8
  // A hole comes from its builder.
  bight::ChainBuilder::Hole made_up(0, 4, 1);
#endif
  (void)builder;
  (void)chained;
  (void)bytes;
}
