#include "bight/chain_builder.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "bight/copy_audit.h"

BIGHT_NAMESPACE_BEGIN

namespace {
// References taken on a block at once for the messages that will be cut from it.
constexpr uint32_t kSealCredits = 16;
// The smallest block that is worth a reference count.
constexpr size_t kLeastBlock = 64;
// The least segments that a chain has a table for.
constexpr size_t kFirstSegments = 3;
// Hole serials that a builder takes from the process at once.
constexpr uint64_t kSerials = uint64_t{1} << 24;
constinit std::atomic<uint64_t> next_serials{1};

// Room for one more element, so that adding it cannot fail; grows by halves, not by one.
template <class T>
void reserve_one(std::vector<T>& vector) {
  if (vector.size() == vector.capacity()) vector.reserve(std::max(size_t{8}, vector.size() * 2));
}
}  // namespace

struct ChainBuilder::Extra {
  struct OpenHole {
    uint64_t position;
    size_t size;
    uint64_t serial;
    std::byte* place;
    bool filled;
  };
  internal::BlockSpec spec;
  std::vector<OpenHole> holes;  // by position; filled ones stay until they are taken
  uint64_t serial = 0;          // of the next hole
  uint64_t serials_end = 0;
  // Blocks behind the current one, in order, nothing written in them: those from first_prepared on.
  std::vector<internal::Block*> prepared;
  size_t first_prepared = 0;
  // Where the segments of a commit across blocks will be put while nothing is sealed: memory is
  // needed before bytes are read and not behind that.
  void* table_memory = nullptr;
  uint32_t table_capacity = 0;

  std::span<internal::Block* const> blocks() const noexcept {
    return std::span(prepared).subspan(first_prepared);
  }
  void pop_blocks(size_t n) noexcept {
    first_prepared += n;
    if (first_prepared == prepared.size()) {
      prepared.clear();
      first_prepared = 0;
    }
  }
  uint64_t new_serial() noexcept {
    if (serial == serials_end) {
      serial = next_serials.fetch_add(kSerials, std::memory_order_relaxed);
      serials_end = serial + kSerials;
    }
    return serial++;
  }

  ~Extra() {
    if (table_memory != nullptr) Chain::free_table_memory(table_memory, table_capacity);
    for (internal::Block* const block : blocks()) internal::drop_word(internal::word_of(block));
  }
};

ChainBuilder::ChainBuilder() noexcept = default;

ChainBuilder::ChainBuilder(const ChainBuilderOptions& options)
    : next_block_(std::max(options.min_block, kLeastBlock)),
      max_block_(std::max(options.max_block, std::max(options.min_block, kLeastBlock))),
      max_size_(options.max_size) {
  if (options.alignment != 0 || options.resource != nullptr || options.shared_resource != nullptr) {
    extra_ = std::make_unique<Extra>();
    extra_->spec.alignment = options.alignment;
    extra_->spec.resource = options.resource;
    extra_->spec.keep = options.shared_resource;
  }
}

ChainBuilder::ChainBuilder(ChainBuilder&& other) noexcept
    : WriterOperations(other),
      sealed_(std::move(other.sealed_)),
      begin_(std::exchange(other.begin_, nullptr)),
      end_(std::exchange(other.end_, nullptr)),
      limit_(std::exchange(other.limit_, nullptr)),
      block_(std::exchange(other.block_, nullptr)),
      received_(std::exchange(other.received_, 0)),
      taken_(std::exchange(other.taken_, 0)),
      next_block_(std::exchange(other.next_block_, ChainBuilderOptions().min_block)),
      max_block_(std::exchange(other.max_block_, ChainBuilderOptions().max_block)),
      max_size_(std::exchange(other.max_size_, internal::kMaxSize)),
      extra_(std::move(other.extra_)),
      credits_(std::exchange(other.credits_, 0)) {}

ChainBuilder& ChainBuilder::operator=(ChainBuilder&& other) noexcept {
  ChainBuilder taken(std::move(other));
  swap(taken);
  return *this;
}

ChainBuilder::~ChainBuilder() { leave_block(); }

void ChainBuilder::swap(ChainBuilder& other) noexcept {
  sealed_.swap(other.sealed_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  std::swap(limit_, other.limit_);
  std::swap(block_, other.block_);
  std::swap(received_, other.received_);
  std::swap(taken_, other.taken_);
  std::swap(next_block_, other.next_block_);
  std::swap(max_block_, other.max_block_);
  std::swap(max_size_, other.max_size_);
  std::swap(extra_, other.extra_);
  std::swap(credits_, other.credits_);
}

ChainBuilder::Extra& ChainBuilder::extra() {
  if (extra_ == nullptr) extra_ = std::make_unique<Extra>();
  return *extra_;
}

size_t ChainBuilder::open_holes() const noexcept {
  if (extra_ == nullptr) return 0;
  return static_cast<size_t>(std::count_if(extra_->holes.begin(), extra_->holes.end(),
                                           [](const Extra::OpenHole& h) { return !h.filled; }));
}

internal::Block* ChainBuilder::new_block(size_t n) {
  const size_t wanted = std::max(n, next_block_);
  internal::Block* const block = extra_ != nullptr ? internal::allocate_block(wanted, extra_->spec)
                                                   : internal::allocate_block(wanted);
  next_block_ = std::min(next_block_ * 2, max_block_);
  return block;
}

void ChainBuilder::set_limit() noexcept {
  if (block_ == nullptr) return;
  std::byte* const block_end = block_->storage + block_->capacity;
  const size_t room = static_cast<size_t>(block_end - end_);
  const size_t allowed = max_size_ - std::min(max_size_, size());
  limit_ = end_ + std::min(room, allowed);
}

// The builder has sealed all and left its block.
void ChainBuilder::use_block(internal::Block* block) noexcept {
  block_ = block;
  credits_ = 0;
  begin_ = end_ = block->storage;
  set_limit();
}

// The written and not yet sealed bytes, with one of the credits as their reference, which is the
// builder's until mark_cut().
inline internal::Segment ChainBuilder::uncut_segment() noexcept {
  if (credits_ == 0) {
    block_->refs.take(kSealCredits);
    credits_ = kSealCredits;
  }
  return {begin_, unsealed(), internal::word_of(block_) | internal::kSharedHint};
}

inline void ChainBuilder::mark_cut() noexcept {
  const size_t n = unsealed();
  --credits_;
  if (n > received_) internal::count_copied(n - received_);
  received_ = 0;
  begin_ = end_;
}

// Makes the written bytes of the current block a segment. Needs memory only for the chain's table;
// if that cannot be had nothing has changed.
void ChainBuilder::seal() {
  if (unsealed() == 0) return;
  internal::Segment segment = uncut_segment();
  // On failure push_back_slow throws and the credit stays with the builder.
  sealed_.push_back_slow(segment);
  mark_cut();
}

void ChainBuilder::leave_block() noexcept {
  if (block_ == nullptr) return;
  internal::drop_word(internal::word_of(block_), 1 + credits_);
  block_ = nullptr;
  credits_ = 0;
  begin_ = end_ = limit_ = nullptr;
}

// Contiguous room for `n` bytes; max_size has been looked at.
void ChainBuilder::refill_unchecked(size_t n) {
  // Everything cut from the block is gone: begin anew in it.
  if (block_ != nullptr && unsealed() == 0 && block_->capacity >= n &&
      block_->refs.is(1 + credits_)) {
    begin_ = end_ = block_->storage;
    set_limit();
    return;
  }
  internal::Block* block = nullptr;
  const bool use_prepared =
      extra_ != nullptr && !extra_->blocks().empty() && extra_->blocks()[0]->capacity >= n;
  block = use_prepared ? extra_->blocks()[0] : new_block(n);
#if BIGHT_HAS_EXCEPTIONS
  try {
    seal();
  } catch (...) {
    if (!use_prepared) internal::drop_word(internal::word_of(block));
    throw;
  }
#else
  seal();
#endif
  if (use_prepared) extra_->pop_blocks(1);
  leave_block();
  use_block(block);
}

bool ChainBuilder::try_refill(size_t n) {
  if (n > max_size_ || size() > max_size_ - n) return false;
  refill_unchecked(n);
  return true;
}

void ChainBuilder::refill(size_t n) {
  if (n > internal::kMaxSize) internal::fail_too_large("ChainBuilder", size(), n);
  if (!try_refill(n)) {
    internal::fail_length("write past max_size", internal::checked_sum("write", size(), n),
                          max_size_);
  }
}

size_t ChainBuilder::prepare_spans(size_t n, std::span<std::span<std::byte>> spans) {
  n = std::min(n, max_size_ - std::min(max_size_, size()));
  if (n == 0 || spans.empty()) return 0;
  if (spare() == 0) refill_unchecked(1);
  size_t count = 0;
  size_t room = spare();
  spans[count++] = {end_, room};
  size_t next = 0;
  while (room < n && count < spans.size()) {
    Extra& more = extra();
    if (next == more.blocks().size()) {
      reserve_one(more.prepared);
      more.prepared.push_back(new_block(1));
    }
    internal::Block* const block = more.blocks()[next++];
    // max_size holds for the sum: the last piece may be shorter than its block.
    const size_t allowed = max_size_ - size() - room;
    const size_t piece = std::min(block->capacity, allowed);
    spans[count++] = {block->storage, piece};
    room += piece;
  }
  if (count > 1) reserve_segments(count);
  return count;
}

#if BIGHT_HAS_IOVEC
size_t ChainBuilder::prepare_iovec(size_t n, std::span<iovec> entries) {
  std::span<std::byte> spans[64];
  const size_t count =
      prepare_spans(n, std::span(spans).first(std::min(entries.size(), std::size(spans))));
  for (size_t i = 0; i < count; ++i) entries[i] = {spans[i].data(), spans[i].size()};
  return count;
}
#endif

void ChainBuilder::commit_slow(size_t n) {
  // Room up to and with the block that `n` ends in, and how many blocks that takes.
  size_t prepared = spare();
  size_t blocks = 1;
  if (extra_ != nullptr) {
    for (const internal::Block* const block : extra_->blocks()) {
      if (prepared >= n) break;
      prepared += block->capacity;
      ++blocks;
    }
  }
  const size_t allowed = max_size_ - std::min(max_size_, size());
  if (n > std::min(prepared, allowed)) {
    internal::fail_length("commit", n, std::min(prepared, allowed));
  }
  // Done by prepare_spans() already, unless something was pushed or taken since. Not for blocks
  // that earlier calls have left: nobody has made room for their segments.
  reserve_segments(blocks);
  advance(n, true);
}

// Prepares blocks until they and the current one have room for `room` bytes.
void ChainBuilder::prepare_blocks(size_t room) {
  size_t have = spare();
  size_t next = 0;
  for (; have < room; ++next) {
    Extra& more = extra();
    if (next == more.blocks().size()) {
      reserve_one(more.prepared);
      more.prepared.push_back(new_block(1));
    }
    have += more.blocks()[next]->capacity;
  }
  if (next != 0) reserve_segments(1 + next);
}

// Makes sure that advance() over `n` blocks, the current one included, needs no memory.
void ChainBuilder::reserve_segments(size_t n) {
  if (!sealed_.empty()) {
    sealed_.reserve_back(n);
    return;
  }
  if (n < kFirstSegments) return;
  Extra& more = extra();
  if (more.table_capacity >= n) return;
  uint32_t capacity = static_cast<uint32_t>(std::min<size_t>(n, UINT32_MAX));
  void* const memory = Chain::allocate_table_memory(capacity);
  if (more.table_memory != nullptr) {
    Chain::free_table_memory(more.table_memory, more.table_capacity);
  }
  more.table_memory = memory;
  more.table_capacity = capacity;
}

// Takes the first `n` bytes of the current block's room and of the prepared blocks as written, more
// than the current block has room for. reserve_segments() has made room for what becomes of them.
void ChainBuilder::advance(size_t n, bool in_place) noexcept {
  const std::span<internal::Block* const> blocks = extra_->blocks();
  const size_t here = spare();
  internal::Segment first[kFirstSegments];
  size_t count = 0;
  size_t full = 0;
  const auto push = [&](internal::Block* block, const std::byte* data, size_t size) {
    internal::Segment segment{data, size, internal::share_word(internal::word_of(block))};
    full += size;
    if (!sealed_.empty()) {
      sealed_.push_back_slow(segment);
      return;
    }
    first[count++] = segment;
    if (count < kFirstSegments) return;
    sealed_.fill_table(std::exchange(extra_->table_memory, nullptr),
                       std::exchange(extra_->table_capacity, 0), first);
  };
  if (unsealed() + here != 0) push(block_, begin_, unsealed() + here);
  size_t left = n - here;
  size_t used = 0;
  while (left > blocks[used]->capacity) {
    internal::Block* const block = blocks[used++];
    push(block, block->storage, block->capacity);
    left -= block->capacity;
  }
  // Up to two need no table.
  if (sealed_.empty()) {
    for (internal::Segment& segment : std::span(first).first(count)) {
      sealed_.push_back_slow(segment);
    }
  }
  const size_t copied = full - received_ - (in_place ? n - left : 0);
  if (copied != 0) internal::count_copied(copied);
  leave_block();
  for (size_t i = 0; i < used; ++i) internal::drop_word(internal::word_of(blocks[i]));
  internal::Block* const last = blocks[used];
  extra_->pop_blocks(used + 1);
  use_block(last);
  end_ += left;
  received_ = in_place ? left : 0;
}

void ChainBuilder::append_slow(ByteView bytes) {
  if (bytes.size() > internal::kMaxSize) {
    internal::fail_too_large("append", size(), bytes.size());
  }
  if (!try_append(bytes)) {
    internal::fail_length("append past max_size",
                          internal::checked_sum("append", size(), bytes.size()), max_size_);
  }
}

bool ChainBuilder::try_append(ByteView bytes) {
  if (bytes.size() > max_size_ || size() > max_size_ - bytes.size()) return false;
  if (bytes.empty()) return true;
  if (spare() == 0) refill_unchecked(1);
  const size_t here = std::min(bytes.size(), spare());
  // All the memory first, so that a failure changes nothing; what is copied behind the written
  // bytes does not count before advance() says so.
  prepare_blocks(bytes.size());
  std::memcpy(end_, bytes.data(), here);
  const std::byte* from = bytes.data() + here;
  size_t left = bytes.size() - here;
  for (size_t next = 0; left != 0; ++next) {
    internal::Block* const block = extra_->blocks()[next];
    const size_t piece = std::min(left, block->capacity);
    std::memcpy(block->storage, from, piece);
    from += piece;
    left -= piece;
  }
  if (here == bytes.size()) {
    end_ += here;
  } else {
    advance(bytes.size(), false);
  }
  return true;
}

bool ChainBuilder::try_push_back(Bytes&& bytes) {
  if (bytes.size() > max_size_ || size() > max_size_ - bytes.size()) return false;
  seal();
  sealed_.push_back(std::move(bytes));
  set_limit();
  return true;
}

bool ChainBuilder::try_push_back(Chain&& chain) {
  if (chain.size() > max_size_ || size() > max_size_ - chain.size()) return false;
  seal();
  sealed_.push_back(std::move(chain));
  set_limit();
  return true;
}

void ChainBuilder::push_back(Bytes&& bytes) {
  if (!try_push_back(std::move(bytes))) {
    internal::fail_length("push_back past max_size",
                          internal::checked_sum("push_back", size(), bytes.size()), max_size_);
  }
}

void ChainBuilder::push_back(Chain&& chain) {
  if (!try_push_back(std::move(chain))) {
    internal::fail_length("push_back past max_size",
                          internal::checked_sum("push_back", size(), chain.size()), max_size_);
  }
}

std::optional<ChainBuilder::Hole> ChainBuilder::try_reserve_hole(size_t n) {
  if (n > max_size_ || size() > max_size_ - n) return std::nullopt;
  return reserve_hole(n);
}

ChainBuilder::Hole ChainBuilder::reserve_hole(size_t n) {
  Extra& more = extra();
  reserve_one(more.holes);
  const uint64_t position = taken_ + size();
  std::byte* const place = extend(n);
  // The reader sees nothing of it before it is filled, but a debugger should not see old bytes.
  if (n != 0) std::memset(place, 0, n);
  const uint64_t serial = more.new_serial();
  more.holes.push_back({position, n, serial, place, n == 0});
  return Hole(position, n, serial);
}

bool ChainBuilder::try_fill(Hole hole, ByteView bytes) noexcept {
  if (bytes.size() != hole.size_ || extra_ == nullptr) return false;
  auto& holes = extra_->holes;
  auto found = std::lower_bound(
      holes.begin(), holes.end(), hole.position_,
      [](const Extra::OpenHole& h, uint64_t position) { return h.position < position; });
  // Empty holes may share a position with the one looked for.
  while (found != holes.end() && found->position == hole.position_ &&
         found->serial != hole.serial_) {
    ++found;
  }
  if (found == holes.end() || found->position != hole.position_) return false;
  // The bytes are of a block that this builder made, and nobody has seen them: take() stops short.
  if (!bytes.empty()) std::memcpy(found->place, bytes.data(), bytes.size());
  found->filled = true;
  return true;
}

void ChainBuilder::fill(Hole hole, ByteView bytes) {
  if (bytes.size() != hole.size_) internal::fail_length("fill", bytes.size(), hole.size_);
  if (!try_fill(hole, bytes)) {
    internal::fail_length("fill of a hole that is taken or not of this builder", bytes.size(),
                          hole.size_);
  }
}

void ChainBuilder::truncate(size_t n) noexcept {
  if (n >= size()) return;
  if (n < sealed_.size()) {
    begin_ = end_;  // the unsealed bytes are dropped where they are; their room is not used again
    received_ = 0;
    sealed_.truncate(n);
  } else {
    const size_t keep = n - sealed_.size();
    const size_t gone = unsealed() - keep;
    received_ -= std::min(received_, gone);
    end_ = begin_ + keep;
  }
  if (extra_ != nullptr) {
    auto& holes = extra_->holes;
    while (!holes.empty() && holes.back().position + holes.back().size > taken_ + n) {
      holes.pop_back();
    }
  }
  set_limit();
}

Chain ChainBuilder::take() {
  const size_t n = unsealed();
  if (BIGHT_LIKELY(n != 0 && sealed_.empty() && (extra_ == nullptr || extra_->holes.empty()))) {
    // All of it lies in the current block: nothing can fail from here on.
    const internal::Segment segment = uncut_segment();
    mark_cut();
    taken_ += n;
    if (max_size_ != internal::kMaxSize) set_limit();
    return Chain(segment);
  }
  seal();
  Chain result;
  if (extra_ == nullptr || extra_->holes.empty()) {
    result = std::move(sealed_);
  } else {
    auto& holes = extra_->holes;
    const auto open = std::find_if(holes.begin(), holes.end(),
                                   [](const Extra::OpenHole& h) { return !h.filled; });
    if (open == holes.end()) {
      result = std::move(sealed_);
    } else {
      result = sealed_.split_to(static_cast<size_t>(open->position - taken_));
    }
    holes.erase(holes.begin(), open);
  }
  taken_ += result.size();
  set_limit();
  return result;
}

Chain ChainBuilder::freeze() && {
  if (const size_t open = open_holes()) {
    internal::fail_value("freeze with", open, "open holes");
  }
  Chain result = take();
  // The old state goes with a moved-from builder, options and all.
  *this = ChainBuilder();
  return result;
}

BIGHT_NAMESPACE_END
