// The shapes that a chain can have inside, each with the bytes that it must read as: every
// behaviour of Chain is tested over all of them.
#ifndef BIGHT_TESTS_SUPPORT_SHAPES_H_
#define BIGHT_TESTS_SUPPORT_SHAPES_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"

namespace shapes {

enum class Kind {
  kEmpty,
  kOne,
  kStatic,
  kForeign,
  kTwoInline,
  kInlineWithCredits,  // references in store for cuts from the front
  kTable,
  kTableWithCredits,
  kLongTable,  // a thousand segments
  kOneByteSegments,
  kSharedTable,
  kLongSharedTable,
  kEdgeFront,
  kEdgeBack,
  kTrimmed,  // begins and ends inside segments
  kTrimmedShared,
  kDeadEnds,  // alone again with a table that others showed more of
  kWrapped,   // stream positions pass 2^64 in its middle
  kWrappedShared,
  kClaimed,  // grew into free slots of a shared table
  kSlice,    // shares the table of a larger chain
  kShortSlice,
  kFrontPushed,
};
std::vector<Kind> all();
std::string name(Kind kind);
std::ostream& operator<<(std::ostream& out, Kind kind);

struct Shape {
  bight::Chain chain;
  std::string text;
  // Other chains that keep the table shared, and what they must go on to read as.
  std::vector<bight::Chain> kept;
  std::vector<std::string> kept_texts;
};
Shape make(Kind kind);

// The forms in which the conformance cases run: alone; with a live copy; as a slice of a larger
// chain; rebuilt from one flat buffer.
enum class Form { kUnique, kCopied, kSlice, kFlat };
inline constexpr Form kForms[] = {Form::kUnique, Form::kCopied, Form::kSlice, Form::kFlat};
std::ostream& operator<<(std::ostream& out, Form form);
struct Formed {
  bight::Chain chain;
  std::vector<bight::Chain> kept;
};
Formed in_form(Form form, const bight::Chain& chain);

// `size` letters that follow from `seed` alone.
std::string letters(size_t size, uint32_t seed = 1);
// One segment for each text, each in a block of its own.
bight::Chain chain_of(std::initializer_list<std::string_view> texts);
// `text` in segments of `each` bytes, each in a block of its own.
bight::Chain cut_up(std::string_view text, size_t each);

// Foreign bytes that count how often they were released.
class Counted {
 public:
  bight::Bytes bytes(std::string text);
  int released() const { return *released_; }

 private:
  std::shared_ptr<int> released_ = std::make_shared<int>(0);
};

// Fails the current test unless `chain` is whole and reads as `text` in every way there is.
void expect_reads(const bight::Chain& chain, std::string_view text);

}  // namespace shapes

#endif  // BIGHT_TESTS_SUPPORT_SHAPES_H_
