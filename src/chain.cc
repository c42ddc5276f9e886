// The cold half of Chain. Two rules hold in every mutator here:
//
// 1. `*this` is whole before any reference is dropped, and references are dropped last: a release
//    hook may use any chain, also the one it left.
// 2. Whatever can fail (allocation) comes before the first change.
//
// Because a hook may change the chain, nothing that was read before tidy() is used after it.
#include "bight/chain.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>
#include <utility>
#include <vector>

#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "bight/hash.h"
#include "bight/internal/search.h"

BIGHT_NAMESPACE_BEGIN

using internal::Segment;
using internal::SegmentTable;
using internal::Slot;

#if defined(__GNUC__) || defined(__clang__)
#define BIGHT_PREFETCH_WRITE(address) __builtin_prefetch(address, 1)
#else
#define BIGHT_PREFETCH_WRITE(address) (void)(address)
#endif

namespace {

constexpr uint32_t kFirstTable = 8;
// A chain that shows at most this many segments of a shared table takes references of its own
// rather than claim slots: a claim saves little there and pins the rest of the table.
constexpr uint32_t kNeverClaims = 16;
// A slice shares the table from this part of the table's bytes on.
constexpr size_t kSliceShare = 8;
// A sharing chain that shows less than this part of its table lets go of it.
constexpr size_t kUnshareBelow = 4;
// Tables above this many slots shrink when less than a quarter is used.
constexpr uint32_t kLargeTable = 64;
constexpr size_t kMostSegments = (size_t{1} << 31) - 1;

// How many blocks ahead of a drop its count is fetched: enough for a second-level cache (14 cycles)
// behind locked operations of 20.
constexpr uint32_t kDropAhead = 4;

size_t table_bytes(uint32_t capacity) noexcept {
  return sizeof(SegmentTable) + (size_t{capacity} + 1) * sizeof(size_t) +
         size_t{capacity} * sizeof(Slot);
}

SegmentTable* init_table(void* memory, uint32_t capacity) noexcept {
  return ::new (memory) SegmentTable{internal::Count(1), capacity, {0}, 0};
}

// The smallest power of two that holds `slots`.
uint32_t capacity_for(size_t slots) {
  if (slots > kMostSegments) internal::fail_too_large("segments", slots, 0);
  const size_t capacity = std::bit_ceil(std::max(slots, size_t{kFirstTable}));
  return static_cast<uint32_t>(std::min(capacity, kMostSegments));
}

SegmentTable* new_table(uint32_t capacity) {
  return init_table(internal::allocate_node(table_bytes(capacity)), capacity);
}

void free_table(SegmentTable* table) noexcept {
  internal::free_node(table, table_bytes(table->capacity));
}

// Drops a reference on the table; the last one releases the slots. Only the last holder comes to
// the loop, and acq_rel of the decrement has made every claimed slot visible to it.
void destroy_table(SegmentTable* table) noexcept {
  const uint32_t end = table->end();
  const Slot* const slots = table->slots();
  for (uint32_t i = table->head; i < end; ++i) {
    // The counts of a long chain's blocks are not all in the first cache.
    if (end - i > kDropAhead) BIGHT_PREFETCH_WRITE(internal::block_of(slots[i + kDropAhead].block));
    internal::drop_word(slots[i].block);
  }
  free_table(table);
}

void drop_table(SegmentTable* table) noexcept {
  if (table->refs.is_one() || table->refs.drop()) destroy_table(table);
}

// A table to be let go of when the mutator that replaced it is done.
struct DeferredTable {
  SegmentTable* table = nullptr;
  ~DeferredTable() {
    if (table != nullptr) drop_table(table);
  }
};

bool same_block(uintptr_t a, uintptr_t b) noexcept {
  return internal::block_of(a) != nullptr && internal::block_of(a) == internal::block_of(b);
}

bool continues(const Segment& a, const Segment& b) noexcept {
  return same_block(a.block, b.block) && a.data + a.size == b.data;
}

// Drops references that are certainly not the last.
void drop_extra(uintptr_t word, uint32_t n) noexcept {
  if (n != 0 && word != 0) (void)internal::block_of(word)->refs.drop(n);
}

}  // namespace

struct Chain::Ops {
  // Bytes between the start of slot `first` and the window's begin.
  static size_t front_trim(const Chain& c) noexcept {
    return c.window_.begin - c.table()->starts()[c.window_.first];
  }

  static bool has_edge(const Chain& c) noexcept { return c.window_.edge.size != 0; }
  static bool edge_front(const Chain& c) noexcept { return (c.window_.flags & kEdgeFront) != 0; }
  static bool edge_back(const Chain& c) noexcept { return (c.window_.flags & kEdgeBack) != 0; }

  static void clear_edge(Chain& c) noexcept {
    c.window_.edge = {};
    c.window_.flags &= kShared;
  }

  // The slot that shows the byte `offset` behind the window's begin. offset < window_size().
  static uint32_t find_slot(const Chain& c, size_t offset) noexcept {
    const Window& w = c.window_;
    const size_t* const starts = c.table()->starts();
    const size_t* low = starts + w.first;
    const size_t origin = *low;
    const size_t wanted = offset + w.begin;  // modulo 2^64, as starts are
    const size_t count = w.last - w.first;
    const size_t total = starts[w.last] - origin;
    const size_t* const middle = low + count / 2;
    // Where the middle is as if segments were of one size, give or take four of a thousand, a guess
    // is worth its division; elsewhere a wrong one would cost as much as the search.
    const size_t tolerance = total >> 8;
    if (2 * (*middle - origin) - total + tolerance <= 2 * tolerance) {
      // In double, since the product may overflow. A size above kMaxSize (ends that are not shown)
      // comes out negative, and so does or is too large what is guessed from it.
      const double slots = to_double(count);
      const double guessed = to_double(wanted - origin) * slots / to_double(total);
      if (guessed >= 0 && guessed < slots) {
        const uint32_t guess = w.first + static_cast<uint32_t>(guessed);
        // One test for both ends: what lies before the slot wraps round.
        const size_t start = starts[guess];
        if (wanted - start < starts[guess + 1] - start) return guess;
      }
    }
    // No jump here depends on where the byte is, only on how many slots there are: a halving costs
    // a few cycles, a jump that is not foreseen more than all of them.
    // Only the first slot may begin, and only the last may end, farther than kMaxSize from
    // `wanted`; what is said of the first makes no difference, and that end is not asked for unless
    // both are one.
    const auto reaches = [&](size_t start) { return static_cast<ptrdiff_t>(wanted - start) >= 0; };
    low = reaches(*middle) ? middle : low;
    const size_t rest = count - count / 2;
    size_t step = std::bit_floor(count) / 2;  // at most `rest`, at least half of it
    low = reaches(low[rest - step]) ? low + (rest - step) : low;
    while ((step /= 2) != 0) low = reaches(low[step]) ? low + step : low;
    return static_cast<uint32_t>(low - starts);
  }
  // As of a signed number: that conversion has no jump.
  static double to_double(size_t n) noexcept {
    return static_cast<double>(static_cast<ptrdiff_t>(n));
  }

  // Releases what a shared past left dead in the table, if this chain is now its only holder, and
  // cuts the last slot to what is shown. Returns whether it is (then first == head, last ==
  // tail, and starts[last] is the window's end). May run hooks and so change `c` in any way.
  //
  // A false answer stays safe to act on: the other holders may go meanwhile, and then the chain is
  // treated as sharing once more than needed.
  static bool tidy(Chain& c) noexcept {
    for (;;) {
      if (c.is_inline()) return false;
      SegmentTable* const t = c.table();
      if (!t->refs.is_one()) return false;
      const Window& w = c.window_;
      const Slot* const slots = t->slots();
      uintptr_t dead[64];
      size_t n = 0;
      uint32_t end = t->end();
      while (n < 64 && end > w.last) dead[n++] = slots[--end].block;
      t->set_end(end);
      uint32_t head = t->head;
      while (n < 64 && head < w.first) dead[n++] = slots[head++].block;
      t->head = head;
      if (end == w.last) t->starts()[w.last] = w.begin + c.window_size();
      c.window_.known = w.last;
      if (n == 0) {
        if (!edge_back(c)) c.window_.flags |= kTidy;
        return true;
      }
      for (size_t i = 0; i < n; ++i) internal::drop_word(dead[i]);
    }
  }

  // The quick half of tidy(): true when it would have nothing to do.
  static bool tidy_now(const Chain& c) noexcept {
    if (c.is_inline() || (c.window_.flags & kTidy) == 0) return false;
    const SegmentTable* const t = c.table();
    return t->refs.is_one() && t->end() == c.window_.last;
  }

  // Gives stored references of the first slot's block back.
  static void settle_window(Chain& c) noexcept {
    drop_extra(c.table()->slots()[c.window_.first].block, c.window_.credits);
    c.window_.credits = 0;
  }
  static void settle(Chain& c) noexcept {
    if (c.is_inline()) {
      drop_extra(c.inline_[0].block, c.inline_credits());
      c.word_ = kInline;
    } else {
      settle_window(c);
    }
  }

  // An inline chain of one or two segments becomes a window over `t`, from slot `first` on.
  static void become_window(Chain& c, SegmentTable* t, uint32_t first) noexcept {
    const Segment a = c.inline_[0];
    const Segment b = c.inline_[1];
    Window w{};
    w.begin = 0;
    w.first = first;
    w.last = first;
    w.credits = static_cast<uint16_t>(c.inline_credits());
    t->head = first;
    t->starts()[first] = 0;
    c.word_ = reinterpret_cast<uintptr_t>(t);
    c.window_ = w;
    append_own(c, a);
    if (b.size != 0) append_own(c, b);
  }

  // Writes the slot behind the last. The table is unique and tidy with room, or the slot claimed.
  static void append_slot(Chain& c, const Segment& s) noexcept {
    SegmentTable* const t = c.table();
    Window& w = c.window_;
    t->slots()[w.last] = {s.data, s.block};
    t->starts()[w.last + 1] = t->starts()[w.last] + s.size;
    w.known = ++w.last;
  }
  static void append_own(Chain& c, const Segment& s) noexcept {
    append_slot(c, s);
    c.table()->set_end(c.window_.last);
  }
  // The same, joined to the last slot if it continues it: unique tables only.
  static void append_joining(Chain& c, const Segment& s) noexcept {
    SegmentTable* const t = c.table();
    const uint32_t back = c.window_.last - 1;
    size_t* const starts = t->starts();
    const Slot& slot = t->slots()[back];
    if (same_block(slot.block, s.block) &&
        slot.data + (starts[back + 1] - starts[back]) == s.data) {
      starts[back + 1] += s.size;
      drop_extra(s.block, 1);
    } else {
      append_own(c, s);
    }
  }
  // Writes the slot before the first. Unique and tidy, with room; credits settled.
  static void prepend_own(Chain& c, const Segment& s) noexcept {
    SegmentTable* const t = c.table();
    Window& w = c.window_;
    // The new slot ends where the old first one begins to show.
    t->slots()[w.first].data += front_trim(c);
    t->starts()[w.first] = w.begin;
    w.begin -= s.size;
    --w.first;
    t->slots()[w.first] = {s.data, s.block};
    t->starts()[w.first] = w.begin;
    t->head = w.first;
  }
  static void prepend_joining(Chain& c, const Segment& s) noexcept {
    SegmentTable* const t = c.table();
    Window& w = c.window_;
    Slot& slot = t->slots()[w.first];
    if (same_block(slot.block, s.block) && s.data + s.size == slot.data + front_trim(c)) {
      slot.data = s.data;
      w.begin -= s.size;
      t->starts()[w.first] = w.begin;
      drop_extra(s.block, 1);
    } else {
      settle_window(c);
      prepend_own(c, s);
    }
  }

  // Moves the slots (unique, tidy) to `first` of `to`, which may be the same table.
  static void move_slots(Chain& c, SegmentTable* to, uint32_t first) noexcept {
    SegmentTable* const from = c.table();
    Window& w = c.window_;
    const uint32_t count = w.last - w.first;
    std::memmove(to->starts() + first, from->starts() + w.first,
                 (size_t{count} + 1) * sizeof(size_t));
    std::memmove(to->slots() + first, from->slots() + w.first, count * sizeof(Slot));
    w.first = first;
    w.last = first + count;
    w.known = w.last;
    to->head = w.first;
    to->set_end(w.last);
    if (to != from) {
      c.word_ = reinterpret_cast<uintptr_t>(to);
      free_table(from);
    }
  }

  // Room for `k` more slots behind (unique, tidy). Slides when half of the table is free, so that
  // each slide is paid by as many pushes; else doubles.
  static void make_room_back(Chain& c, size_t k) {
    const SegmentTable* const t = c.table();
    const Window& w = c.window_;
    if (t->capacity - w.last >= k) return;
    const size_t needed = size_t{w.last} - w.first + k;
    if (needed <= t->capacity / 2) {
      move_slots(c, c.table(), 0);
    } else {
      move_slots(c, new_table(capacity_for(std::max(needed, grown(t, needed)))), 0);
    }
  }
  static void make_room_front(Chain& c, size_t k) {
    const SegmentTable* const t = c.table();
    const Window& w = c.window_;
    if (w.first >= k) return;
    const size_t count = size_t{w.last} - w.first;
    const size_t needed = count + k;
    SegmentTable* to = c.table();
    // To the middle, so that pushes at both ends in turn do not slide each time.
    if (needed > t->capacity / 2) to = new_table(capacity_for(std::max(needed, grown(t, needed))));
    const size_t middle = (to->capacity - count) / 2;
    move_slots(c, to, static_cast<uint32_t>(std::max(k, middle)));
  }
  // A table that is full grows to what is needed (the next power of two), one that is merely used
  // at the wrong end doubles.
  static size_t grown(const SegmentTable* t, size_t needed) noexcept {
    return needed > t->capacity ? needed : std::min(size_t{t->capacity} * 2, kMostSegments);
  }

  // Gives the chain a table of its own, with room before and behind, and references of its own to
  // what it shows. Returns the old table, to be dropped when the caller is done.
  static SegmentTable* own_table(Chain& c, size_t front_room, size_t back_room) {
    const Window& w = c.window_;
    const size_t count = size_t{w.last} - w.first;
    return own_table_in(c, new_table(capacity_for(count + front_room + back_room)), front_room);
  }
  static SegmentTable* own_table_in(Chain& c, SegmentTable* to, size_t front_room) noexcept {
    SegmentTable* const from = c.table();
    Window& w = c.window_;
    const uint32_t count = w.last - w.first;
    const uint32_t first = static_cast<uint32_t>(front_room);
    const Slot* const old_slots = from->slots() + w.first;
    Slot* const slots = to->slots() + first;
    size_t* const starts = to->starts() + first;
    std::memcpy(starts, from->starts() + w.first, count * sizeof(size_t));
    for (uint32_t i = 0; i < count; ++i) {
      slots[i] = {old_slots[i].data, internal::share_word(old_slots[i].block)};
    }
    slots[0].data += w.begin - starts[0];
    starts[0] = w.begin;
    starts[count] = w.begin + c.window_size();
    w.first = first;
    w.last = first + count;
    w.known = w.last;
    to->head = w.first;
    to->set_end(w.last);
    c.word_ = reinterpret_cast<uintptr_t>(to);
    w.flags &= kEdgeFront | kEdgeBack;
    if (!edge_back(c)) w.flags |= kTidy;
    return from;
  }

  // Claims `k` slots behind the last of a shared table. Relaxed suffices: see SegmentTable::tail.
  static bool claim(Chain& c, uint32_t k) noexcept {
    SegmentTable* const t = c.table();
    const Window& w = c.window_;
    if (w.last - w.first <= kNeverClaims || t->capacity - w.last < k) return false;
    // Something behind the window's end is in the table already, or would be shown again.
    if (t->starts()[w.last] - w.begin != c.window_size()) return false;
    uint32_t expected = w.last;
    return t->tail.compare_exchange_strong(expected, w.last + k, std::memory_order_relaxed,
                                           std::memory_order_relaxed);
  }

  // Takes the segments shown over by references of its own: inline if they are at most two.
  // Returns the old table for the caller to drop, null if memory is short (nothing changed).
  static SegmentTable* try_own(Chain& c) noexcept {
    if (c.segment_count() <= 2) {
      settle_window(c);
      SegmentTable* const old = c.table();
      Segment own[2] = {};
      const size_t count = c.segment_count();
      for (size_t i = 0; i < count; ++i) own[i] = segment_at(c, i);
      for (size_t i = 0; i < count; ++i) {
        if (!owns_segment(c, false, i)) own[i].block = internal::share_word(own[i].block);
      }
      c.word_ = kInline;
      c.inline_[0] = own[0];
      c.inline_[1] = own[1];
      return old;
    }
    const uint32_t capacity = capacity_for(c.window_.last - c.window_.first);
    void* const memory = internal::try_allocate_node(table_bytes(capacity));
    if (memory == nullptr) return nullptr;
    return own_table_in(c, init_table(memory, capacity), 0);
  }

  // Bytes in the table as far as this chain may know: what stands behind `known` was claimed by
  // others, who may be writing it. (The chain may be read by several threads at once, so not even a
  // table that looks unique may be read further.) head is fixed while the table is shared.
  static size_t known_bytes(const Chain& c) noexcept {
    const SegmentTable* const t = c.table();
    return t->starts()[c.window_.known] - t->starts()[t->head];
  }

  // After the window became smaller: lets go of a shared table of which little is shown.
  static void unshare_small(Chain& c, DeferredTable& old) noexcept {
    if (c.is_inline() || c.table()->refs.is_one()) return;
    if (c.window_size() < known_bytes(c) / kUnshareBelow) old.table = try_own(c);
  }

  // A large table that is hardly used becomes smaller; not when memory is short.
  static void shrink(Chain& c) noexcept {
    if (tidy(c)) shrink_tidy(c);
  }
  // The same for a unique, tidy window.
  static void shrink_tidy(Chain& c) noexcept {
    const SegmentTable* const t = c.table();
    const uint32_t count = c.window_.last - c.window_.first;
    if (t->capacity <= kLargeTable || count >= t->capacity / 4) return;
    const uint32_t capacity = capacity_for(size_t{count} * 2);
    if (void* const memory = internal::try_allocate_node(table_bytes(capacity))) {
      move_slots(c, init_table(memory, capacity), 0);
    }
  }

  // The i-th segment with the block word that stands beside it (no reference taken).
  static Segment segment_at(const Chain& c, size_t i) noexcept {
    const std::span<const std::byte> bytes = c.segment(i);
    return {bytes.data(), bytes.size(), word_at(c, i)};
  }
  static uintptr_t word_at(const Chain& c, size_t i) noexcept {
    if (c.is_inline()) return c.inline_[i].block;
    if (edge_front(c)) {
      if (i == 0) return c.window_.edge.block;
      --i;
    }
    const size_t slot = c.window_.first + i;
    return slot < c.window_.last ? c.table()->slots()[slot].block : c.window_.edge.block;
  }

  // [position, position + count), count > 0, with references of its own.
  static Chain copy_range(const Chain& c, size_t position, size_t count) {
    const SegmentPosition from = c.locate(position);
    const SegmentPosition to = c.locate(position + (count - 1));
    const size_t segments = to.index - from.index + 1;
    Chain result;
    if (segments > 2) begin_table(result, segments);
    for (size_t i = from.index; i <= to.index; ++i) {
      Segment s = segment_at(c, i);
      if (i == to.index) s.size = to.offset + 1;
      if (i == from.index) {
        s.data += from.offset;
        s.size -= from.offset;
      }
      s.block = internal::share_word(s.block);
      add_segment(result, s);
    }
    return result;
  }
  // An empty chain over a new table for `segments`; add_segment fills it, and at least one must be
  // added before anything else is done with it.
  static void begin_table(Chain& empty, size_t segments) {
    begin_table_in(empty, new_table(capacity_for(segments)));
  }
  static void begin_table_in(Chain& empty, SegmentTable* t) noexcept {
    t->starts()[0] = 0;
    empty.word_ = reinterpret_cast<uintptr_t>(t);
    empty.window_ = Window{};
  }
  static void add_segment(Chain& c, const Segment& s) noexcept {
    if (c.is_inline()) {
      c.inline_[c.inline_[0].size != 0 ? 1 : 0] = s;
    } else {
      append_own(c, s);
    }
    c.size_ += s.size;
  }

  // Makes sure that pushing `k` segments (and the edge that stands there) behind needs no memory.
  // `unique` is what tidy() has just said. The chain is not empty; afterwards a unique, tidy window
  // without an edge behind, or inline with room.
  static void reserve_back(Chain& c, size_t k, bool unique, DeferredTable& old) {
    if (c.is_inline()) {
      if (c.segment_count() + k > 2) {
        become_window(c, new_table(capacity_for(c.segment_count() + k)), 0);
      }
      return;
    }
    const size_t room = k + (edge_back(c) ? 1 : 0);
    if (unique) {
      make_room_back(c, room);
    } else {
      old.table = own_table(c, 0, room);
    }
    if (edge_back(c)) {
      const Segment edge = c.window_.edge;
      clear_edge(c);
      append_joining(c, edge);
    }
  }
  static void reserve_front(Chain& c, size_t k, bool unique, DeferredTable& old) {
    if (c.is_inline()) {
      if (c.segment_count() + k > 2) {
        become_window(c, new_table(capacity_for(c.segment_count() + k)), static_cast<uint32_t>(k));
      }
      return;
    }
    const size_t room = k + (edge_front(c) ? 1 : 0);
    if (unique) {
      make_room_front(c, room);
    } else {
      old.table = own_table(c, room, 0);
    }
    if (edge_front(c)) {
      const Segment edge = c.window_.edge;
      clear_edge(c);
      prepend_joining(c, edge);
    }
  }

  // Pushes one segment, with its reference. `unique` is what tidy() has just said; runs no hooks.
  static void push_back(Chain& c, const Segment& s, bool unique, DeferredTable& old) {
    Window& w = c.window_;
    if (c.is_inline()) {
      if (c.size_ == 0) {
        c.word_ = kInline;
        c.inline_[0] = s;
      } else if (Segment& end = c.inline_[c.inline_[1].size != 0 ? 1 : 0]; continues(end, s)) {
        end.size += s.size;
        drop_extra(s.block, 1);
      } else if (c.inline_[1].size == 0) {
        c.inline_[1] = s;
      } else {
        become_window(c, new_table(kFirstTable), 0);
        append_own(c, s);
      }
      c.size_ += s.size;
      return;
    }
    if (edge_back(c) && continues(w.edge, s)) {
      // The edge is this chain's own, also while the table is shared.
      w.edge.size += s.size;
      c.size_ += s.size;
      drop_extra(s.block, 1);
      return;
    }
    if (!unique) {
      if (!has_edge(c)) {
        w.edge = s;
        w.flags &= kNotTidy;
        w.flags |= kEdgeBack;
        c.size_ += s.size;
        return;
      }
      const uint32_t wanted = edge_back(c) ? 2 : 1;
      if (claim(c, wanted)) {
        if (wanted == 2) {
          const Segment edge = w.edge;
          clear_edge(c);
          append_slot(c, edge);
        }
        append_slot(c, s);
        c.size_ += s.size;
        return;
      }
      old.table = own_table(c, 0, wanted);
    } else {
      make_room_back(c, edge_back(c) ? 2 : 1);
    }
    if (edge_back(c)) {
      const Segment edge = w.edge;
      clear_edge(c);
      append_joining(c, edge);
    }
    append_joining(c, s);
    w.flags |= kTidy;
    c.size_ += s.size;
  }
  static void push_front(Chain& c, const Segment& s, bool unique, DeferredTable& old) {
    Window& w = c.window_;
    if (c.is_inline()) {
      if (c.size_ != 0 && continues(s, c.inline_[0])) {
        c.inline_[0].data = s.data;
        c.inline_[0].size += s.size;
        drop_extra(s.block, 1);
      } else if (c.inline_[1].size == 0) {
        settle(c);
        c.inline_[1] = c.inline_[0];
        c.inline_[0] = s;
      } else {
        become_window(c, new_table(kFirstTable), kFirstTable - 2);
        settle_window(c);
        prepend_own(c, s);
      }
      c.size_ += s.size;
      return;
    }
    if (edge_front(c) && continues(s, w.edge)) {
      w.edge.data = s.data;
      w.edge.size += s.size;
      c.size_ += s.size;
      drop_extra(s.block, 1);
      return;
    }
    if (!unique) {
      if (!has_edge(c)) {
        w.edge = s;
        w.flags |= kEdgeFront;
        c.size_ += s.size;
        return;
      }
      old.table = own_table(c, edge_front(c) ? 2 : 1, 0);
    } else {
      make_room_front(c, edge_front(c) ? 2 : 1);
    }
    if (edge_front(c)) {
      const Segment edge = w.edge;
      clear_edge(c);
      prepend_joining(c, edge);
    }
    prepend_joining(c, s);
    c.size_ += s.size;
  }

  // Takes all segments out of `from` (each with a reference) and hands them to `take` in order.
  // `from` is empty afterwards. Frees or lets go of its table through `old`.
  template <class Take>
  static void drain(Chain& from, bool unique, bool backwards, DeferredTable& old,
                    const Take& take) noexcept {
    settle(from);
    const size_t count = from.segment_count();
    for (size_t n = 0; n < count; ++n) {
      const size_t i = backwards ? count - 1 - n : n;
      Segment s = segment_at(from, i);
      if (!owns_segment(from, unique, i)) s.block = internal::share_word(s.block);
      take(s);
    }
    if (!from.is_inline()) {
      if (unique) {
        free_table(from.table());
      } else {
        old.table = from.table();
      }
    }
    reset(from);
  }
  // Makes the chain empty without dropping anything: what it held has been moved.
  static void reset(Chain& c) noexcept { ::new (static_cast<void*>(&c)) Chain(); }

  // Cuts [0, n) of a unique, tidy window off into `result` by moving references; 0 < n < size.
  static void move_prefix(Chain& c, size_t n, Chain& result) {
    const SegmentPosition end = c.locate(n);
    const size_t whole = end.index;
    const size_t segments = whole + (end.offset != 0 ? 1 : 0);
    if (segments > 2) begin_table(result, segments);
    settle_window(c);
    for (size_t i = 0; i < whole; ++i) add_segment(result, segment_at(c, i));
    if (end.offset != 0) {
      Segment s = segment_at(c, whole);
      s.size = end.offset;
      s.block = internal::share_word(s.block);
      add_segment(result, s);
    }
    // What is left of `c`: from segment `whole`, byte `offset`.
    size_t slots_moved = whole;
    size_t in_window = n;
    if (edge_front(c)) {
      if (whole == 0) {
        c.window_.edge.data += n;
        c.window_.edge.size -= n;
        c.size_ -= n;
        return;
      }
      --slots_moved;
      in_window -= c.window_.edge.size;
      c.size_ -= c.window_.edge.size;
      clear_edge(c);
    }
    Window& w = c.window_;
    SegmentTable* const t = c.table();
    if (slots_moved == w.last - w.first) {
      // Only the edge behind is left.
      Segment rest = w.edge;
      rest.data += end.offset;
      rest.size -= end.offset;
      free_table(t);
      reset(c);
      c.inline_[0] = rest;
      c.size_ = rest.size;
      return;
    }
    w.first += static_cast<uint32_t>(slots_moved);
    w.begin += in_window;
    t->head = w.first;
    c.size_ -= in_window;
    shrink_tidy(c);
  }

  // The same for [n, size).
  static void move_suffix(Chain& c, size_t n, Chain& result) {
    const SegmentPosition cut = c.locate(n);
    const size_t count = c.segment_count();
    const size_t segments = count - cut.index;
    if (segments > 2) begin_table(result, segments);
    for (size_t i = cut.index; i < count; ++i) {
      Segment s = segment_at(c, i);
      if (i == cut.index && cut.offset != 0) {
        s.data += cut.offset;
        s.size -= cut.offset;
        s.block = internal::share_word(s.block);
      }
      add_segment(result, s);
    }
    const size_t kept = cut.index + (cut.offset != 0 ? 1 : 0);  // segments that stay, the last cut
    size_t slots_kept = kept - (edge_front(c) ? 1 : 0);
    Window& w = c.window_;
    SegmentTable* const t = c.table();
    const size_t slots = w.last - w.first;
    if (slots_kept == 0) {
      // Only the edge in front is left; credits belong to the slots.
      settle_window(c);
      Segment rest = w.edge;
      rest.size = n;
      free_table(t);
      reset(c);
      c.inline_[0] = rest;
      c.size_ = n;
      return;
    }
    if (edge_back(c)) {
      if (slots_kept > slots) {
        w.edge.size = cut.offset;
        c.size_ = n;
        return;
      }
      clear_edge(c);
    }
    w.last = w.first + static_cast<uint32_t>(slots_kept);
    w.known = w.last;
    c.size_ = n;
    t->set_end(w.last);
    t->starts()[w.last] = w.begin + c.window_size();
    shrink_tidy(c);
  }

  // Whether the i-th segment's reference is this chain's own (else the shared table's).
  static bool owns_segment(const Chain& c, bool unique, size_t i) noexcept {
    return c.is_inline() || unique ||
           (has_edge(c) && (edge_front(c) ? i == 0 : i + 1 == c.segment_count()));
  }

  // Builds [0, position) + replacement + [position + count, size) in a table of its own, which is
  // all the memory that it needs, then moves or takes references and drops what fell out.
  static void splice(Chain& c, bool unique, size_t position, size_t count, Chain& replacement,
                     bool replacement_unique) {
    const SegmentPosition a = c.locate(position);
    const SegmentPosition b = c.locate(position + count);
    const size_t segments = c.segment_count();
    Chain result;
    // One more: a segment cut in its middle becomes two.
    const size_t most = segments + 1 + replacement.segment_count();
    if (most > 2) begin_table(result, most);
    DeferredTable replacement_table;
    DeferredTable old;
    settle(c);
    const auto own = [&](Segment s, size_t i) {
      if (!owns_segment(c, unique, i)) s.block = internal::share_word(s.block);
      return s;
    };
    for (size_t i = 0; i < a.index; ++i) join_segment(result, own(segment_at(c, i), i));
    if (a.offset != 0) {
      Segment s = own(segment_at(c, a.index), a.index);
      s.size = a.offset;
      join_segment(result, s);
    }
    drain(replacement, replacement_unique, false, replacement_table,
          [&](const Segment& s) { join_segment(result, s); });
    for (size_t i = b.index; i < segments; ++i) {
      Segment s = segment_at(c, i);
      if (i == a.index && a.offset != 0) {
        s.block = internal::share_word(s.block);  // its first half was moved
      } else {
        s = own(s, i);
      }
      if (i == b.index) {
        s.data += b.offset;
        s.size -= b.offset;
      }
      join_segment(result, s);
    }
    if (!result.is_inline() && result.size_ == 0) {
      free_table(result.table());
      reset(result);
    }
    // From here on `result` is what was there before, of which only [a, b) still has references.
    c.swap(result);
    for (size_t i = a.index + (a.offset != 0 ? 1 : 0); i < b.index; ++i) {
      if (owns_segment(result, unique, i)) internal::drop_word(word_at(result, i));
    }
    if (!result.is_inline()) {
      if (unique) {
        free_table(result.table());
      } else {
        old.table = result.table();
      }
    }
    reset(result);
  }
  // add_segment, joined to the last segment if it continues it.
  static void join_segment(Chain& c, const Segment& s) noexcept {
    if (c.size_ == 0) {
      add_segment(c, s);
    } else if (!c.is_inline()) {
      append_joining(c, s);
      c.size_ += s.size;
    } else if (Segment& end = c.inline_[c.inline_[1].size != 0 ? 1 : 0]; continues(end, s)) {
      end.size += s.size;
      c.size_ += s.size;
      drop_extra(s.block, 1);
    } else {
      add_segment(c, s);
    }
  }

  static std::span<const std::byte> span_at(const void* chain, size_t i) {
    return static_cast<const Chain*>(chain)->segment(i);
  }

  // Calls f(span) for each segment from `from` on until it answers false.
  template <class F>
  static void for_each(const Chain& c, size_t from, const F& f) {
    if (from >= c.size()) return;
    const SegmentPosition start = c.locate(from);
    const size_t count = c.segment_count();
    for (size_t i = start.index; i < count; ++i) {
      std::span<const std::byte> bytes = c.segment(i);
      if (i == start.index) bytes = bytes.subspan(start.offset);
      if (!f(bytes)) return;
    }
  }

  class Walker;
  template <class F>
  static void walk_both(const Chain& a, size_t from_a, const Chain& b, size_t from_b, size_t count,
                        const F& f);
  static bool equal_range(const Chain& a, size_t from_a, const Chain& b, size_t from_b,
                          size_t count);

  static void broken(const Chain& c, const char* what) noexcept {
    std::fprintf(stderr, "bight: Chain invariant broken: %s (%zu bytes, %zu segments)\n", what,
                 c.size(), c.segment_count());
    std::abort();
  }
};

// ---- Destruction, references -------------------------------------------------------------------

void Chain::drop_window() noexcept {
  SegmentTable* const t = table();
  const uintptr_t edge = window_.edge.block;
  // The table still holds its own reference on the slot.
  drop_extra(t->slots()[window_.first].block, window_.credits);
  drop_table(t);
  internal::drop_word(edge);
}

void Chain::drop_dead_table() noexcept { destroy_table(table()); }

void Chain::take_references_slow(internal::Block* block, size_t n, size_t rest) {
  // As many at once as cuts of this size are still to come, at most kCreditBatch. A chain of one or
  // two segments, whose rest may well be passed on after one cut, begins with the second cut. In a
  // longer one, a stream or a queue, the first begins: what is left in store goes with the
  // segment's own reference when the segment is passed.
  if (is_inline() && (word_ & kInlineCut) == 0) {
    block->refs.take();
    word_ |= kInlineCut;
    return;
  }
  const size_t more = std::min(rest / n, size_t{kCreditBatch - 1});
  const uint32_t credits = static_cast<uint32_t>(more);
  block->refs.take(credits + 1);
  if (is_inline()) {
    word_ += credits * kInlineCredit;
  } else {
    window_.credits = static_cast<uint16_t>(credits);
  }
}

// ---- Look --------------------------------------------------------------------------------------

std::byte Chain::window_byte(size_t position) const noexcept {
  if (Ops::has_edge(*this)) {
    if (Ops::edge_front(*this)) {
      if (position < window_.edge.size) return window_.edge.data[position];
      position -= window_.edge.size;
    } else if (position >= window_size()) {
      return window_.edge.data[position - window_size()];
    }
  }
  const SegmentTable* const t = table();
  const uint32_t slot = Ops::find_slot(*this, position);
  return t->slots()[slot].data[window_.begin + position - t->starts()[slot]];
}

SegmentPosition Chain::locate(size_t position) const noexcept {
  if (position >= size_) {
    if (position > size_) internal::fail_length("locate", position, size_);
    return {segment_count(), 0};
  }
  if (is_inline()) {
    const size_t first = inline_[0].size;
    if (position < first) return {0, position};
    return {1, position - first};
  }
  size_t before = 0;
  if (Ops::edge_front(*this)) {
    if (position < window_.edge.size) return {0, position};
    position -= window_.edge.size;
    before = 1;
  }
  if (position >= window_size()) {
    return {before + (window_.last - window_.first), position - window_size()};
  }
  const uint32_t slot = Ops::find_slot(*this, position);
  const size_t into = window_.begin + position - table()->starts()[slot];
  return {before + (slot - window_.first),
          slot == window_.first ? into - Ops::front_trim(*this) : into};
}

GatherFill Chain::fill_spans(std::span<std::span<const std::byte>> entries, size_t from,
                             size_t max_bytes) const noexcept {
  if (from > size_) internal::fail_length("fill_spans from", from, size_);
  GatherFill done;
  if (entries.empty() || max_bytes == 0) return done;
  Ops::for_each(*this, from, [&](std::span<const std::byte> bytes) {
    if (bytes.size() > max_bytes - done.bytes) bytes = bytes.first(max_bytes - done.bytes);
    entries[done.count++] = bytes;
    done.bytes += bytes.size();
    return done.count < entries.size() && done.bytes < max_bytes;
  });
  return done;
}

#if BIGHT_HAS_IOVEC
namespace {

// An entry for each of `count` slots, number by number: the end of one is carried over as the start
// of the next, so that compilers do not put pairs together in vector registers only to take them
// apart again.
void fill_entries(iovec* out, const Slot* slots, const size_t* starts, size_t count) noexcept {
  size_t start = *starts++;
  const auto fill = [&](size_t i) {
    const size_t end = starts[i];
    out[i].iov_base = const_cast<std::byte*>(slots[i].data);
    out[i].iov_len = end - start;
    start = end;
  };
  for (; count >= 4; count -= 4) {
    fill(0);
    fill(1);
    fill(2);
    fill(3);
    out += 4;
    slots += 4;
    starts += 4;
  }
  for (size_t i = 0; i < count; ++i) fill(i);
}

}  // namespace

GatherFill Chain::fill_iovec_slow(std::span<iovec> entries, size_t from,
                                  size_t max_bytes) const noexcept {
  if (from > size_) internal::fail_length("fill_iovec from", from, size_);
  GatherFill done;
  if (entries.empty() || max_bytes == 0 || from == size_) return done;
  // iovec has no const; a gather write does not write through it.
  const auto entry = [](const std::byte* data, size_t size) {
    return iovec{const_cast<std::byte*>(data), size};
  };
  const size_t count = segment_count();
  if (from == 0 && max_bytes >= size_ && entries.size() >= count) {
    // Everything fits: no test an entry.
    iovec* out = entries.data();
    if (is_inline()) {
      for (size_t i = 0; i < count; ++i) out[i] = entry(inline_[i].data, inline_[i].size);
      return {count, size_};
    }
    if (Ops::edge_front(*this)) *out++ = entry(window_.edge.data, window_.edge.size);
    const SegmentTable* const t = table();
    const Slot* const slots = t->slots();
    const size_t* const starts = t->starts();
    const uint32_t slot_count = window_.last - window_.first;
    const Slot* const shown = slots + window_.first;
    const size_t* const at = starts + window_.first;
    fill_entries(out, shown, at, slot_count);
    // The first and the last may be trimmed.
    const size_t trim = window_.begin - at[0];
    out[0] = entry(shown[0].data + trim, out[0].iov_len - trim);
    out[slot_count - 1].iov_len -= at[slot_count] - (window_.begin + window_size());
    if (Ops::edge_back(*this)) out[slot_count] = entry(window_.edge.data, window_.edge.size);
    return {count, size_};
  }
  const auto add = [&](const std::byte* data, size_t size) {
    if (size > max_bytes - done.bytes) size = max_bytes - done.bytes;
    entries[done.count++] = entry(data, size);
    done.bytes += size;
    return done.count < entries.size() && done.bytes < max_bytes;
  };
  Ops::for_each(*this, from,
                [&](std::span<const std::byte> bytes) { return add(bytes.data(), bytes.size()); });
  return done;
}
#endif

std::optional<size_t> Chain::find(std::byte value, size_t from) const noexcept {
  std::optional<size_t> found;
  size_t at = from;
  Ops::for_each(*this, from, [&](std::span<const std::byte> bytes) {
    const void* const hit = std::memchr(bytes.data(), static_cast<int>(value), bytes.size());
    if (hit == nullptr) {
      at += bytes.size();
      return true;
    }
    found = at + static_cast<size_t>(static_cast<const std::byte*>(hit) - bytes.data());
    return false;
  });
  return found;
}

std::optional<size_t> Chain::find(const Chain& needle, size_t from, size_t limit) const {
  if (const auto flat = needle.try_flat()) return find(ByteView(*flat), from, limit);
  if (needle.size() > size_) return std::nullopt;
  const std::string copy = needle.to_string();
  return find(ByteView(copy), from, limit);
}

internal::SpanSource Chain::search_source() const noexcept {
  internal::SpanSource source{this, segment_count(), &Ops::span_at};
  if (!is_inline() && window_.last - window_.first > 2) {
    // All slots but the first and the last, which may be trimmed.
    const uint32_t second = window_.first + 1;
    source.row_begin = Ops::edge_front(*this) ? 2 : 1;
    source.row_count = window_.last - second - 1;
    source.row_slots = table()->slots() + second;
    source.row_starts = table()->starts() + second;
  }
  return source;
}

std::optional<size_t> Chain::find(ByteView needle, size_t from, size_t limit) const {
  if (from > size_) return std::nullopt;
  internal::SearchStart start;
  if (from != 0 && from < size_) {
    const SegmentPosition at = locate(from);
    start = {at.index, at.offset, from};
  }
  const size_t found = internal::find_in_spans(search_source(), from, needle.span(), limit, start);
  if (found == internal::kNotFound) return std::nullopt;
  return found;
}

bool Chain::starts_with(ByteView prefix) const noexcept {
  if (prefix.size() > size_) return false;
  bool same = true;
  const std::byte* at = prefix.data();
  size_t left = prefix.size();
  Ops::for_each(*this, 0, [&](std::span<const std::byte> bytes) {
    const size_t n = std::min(left, bytes.size());
    same = n == 0 || std::memcmp(at, bytes.data(), n) == 0;
    at += n;
    left -= n;
    return same && left != 0;
  });
  return same;
}

// Goes through a chain's segments from a position on. Its last run may reach past what the chain
// shows of its last slot: the caller counts bytes and never asks for more than there are.
class Chain::Ops::Walker {
 public:
  Walker(const Chain& c, size_t from) : chain_(c), at_(c.locate(from)) {
    run_ = c.segment(at_.index).subspan(at_.offset);
    if (!c.is_inline()) {
      slots_ = c.table()->slots();
      starts_ = c.table()->starts();
      find_next();
    }
  }
  // The rest of the current segment.
  std::span<const std::byte> run() const { return run_; }
  // Goes to the next segment.
  std::span<const std::byte> next() {
    if (BIGHT_LIKELY(next_ != last_)) {
      run_ = {slots_[next_].data, starts_[next_ + 1] - starts_[next_]};
      ++next_;
      ++at_.index;
    } else {
      run_ = chain_.segment(++at_.index);
      if (slots_ != nullptr) find_next();
    }
    return run_;
  }

 private:
  // The slot behind the current one, when the current one is a slot; else none.
  void find_next() {
    const Window& w = chain_.window_;
    const size_t before = edge_front(chain_) ? 1 : 0;
    last_ = w.last;
    next_ = at_.index < before ? last_ : std::min(w.first + (at_.index - before) + 1, last_);
  }

  const Chain& chain_;
  SegmentPosition at_;
  std::span<const std::byte> run_;
  // The window's next slot; last_ when there is none (or no window, or an edge before it).
  size_t next_ = 0;
  size_t last_ = 0;
  const Slot* slots_ = nullptr;
  const size_t* starts_ = nullptr;
};

// Walks two chains in step: f(a, b, n) on runs of n bytes contiguous in both, until it answers
// false or `count` bytes are done.
template <class F>
void Chain::Ops::walk_both(const Chain& a, size_t from_a, const Chain& b, size_t from_b,
                           size_t count, const F& f) {
  if (count == 0) return;
  Walker in_a(a, from_a);
  Walker in_b(b, from_b);
  std::span<const std::byte> run_a = in_a.run();
  std::span<const std::byte> run_b = in_b.run();
  for (;;) {
    size_t n = run_a.size() < run_b.size() ? run_a.size() : run_b.size();
    if (n > count) n = count;
    if (!f(run_a.data(), run_b.data(), n)) return;
    count -= n;
    if (count == 0) return;
    run_a = n == run_a.size() ? in_a.next() : run_a.subspan(n);
    run_b = n == run_b.size() ? in_b.next() : run_b.subspan(n);
  }
}

bool Chain::Ops::equal_range(const Chain& a, size_t from_a, const Chain& b, size_t from_b,
                             size_t count) {
  bool same = true;
  walk_both(a, from_a, b, from_b, count, [&](const std::byte* x, const std::byte* y, size_t n) {
    same = x == y || std::memcmp(x, y, n) == 0;
    return same;
  });
  return same;
}

bool Chain::starts_with(const Chain& prefix) const noexcept {
  return prefix.size() <= size_ && Ops::equal_range(*this, 0, prefix, 0, prefix.size());
}

bool Chain::ends_with(ByteView suffix) const noexcept {
  if (suffix.size() > size_) return false;
  bool same = true;
  const std::byte* at = suffix.data();
  Ops::for_each(*this, size_ - suffix.size(), [&](std::span<const std::byte> bytes) {
    same = std::memcmp(at, bytes.data(), bytes.size()) == 0;
    at += bytes.size();
    return same;
  });
  return same;
}

bool Chain::ends_with(const Chain& suffix) const noexcept {
  return suffix.size() <= size_ &&
         Ops::equal_range(*this, size_ - suffix.size(), suffix, 0, suffix.size());
}

bool Chain::equal(const Chain& other) const noexcept {
  if (size_ != other.size_) return false;
  // The same window of the same table: equal without looking at a byte.
  if (!is_inline() && word_ == other.word_ && window_.begin == other.window_.begin &&
      !Ops::has_edge(*this) && !Ops::has_edge(other)) {
    return true;
  }
  return Ops::equal_range(*this, 0, other, 0, size_);
}

bool Chain::equal(ByteView other) const noexcept {
  return size_ == other.size() && starts_with(other);
}

std::strong_ordering Chain::compare(const Chain& other) const noexcept {
  int order = 0;
  Ops::walk_both(*this, 0, other, 0, std::min(size_, other.size_),
                 [&](const std::byte* x, const std::byte* y, size_t n) {
                   order = x == y ? 0 : std::memcmp(x, y, n);
                   return order == 0;
                 });
  return order != 0 ? order <=> 0 : size_ <=> other.size_;
}

std::strong_ordering Chain::compare(ByteView other) const noexcept {
  int order = 0;
  const std::byte* at = other.data();
  size_t left = std::min(size_, other.size());
  if (left != 0) {
    Ops::for_each(*this, 0, [&](std::span<const std::byte> bytes) {
      const size_t n = std::min(left, bytes.size());
      order = std::memcmp(bytes.data(), at, n);
      at += n;
      left -= n;
      return order == 0 && left != 0;
    });
  }
  return order != 0 ? order <=> 0 : size_ <=> other.size();
}

size_t Chain::copy_to(std::span<std::byte> to, size_t from) const noexcept {
  if (from > size_) internal::fail_length("copy_to from", from, size_);
  size_t done = 0;
  if (!to.empty()) {
    Ops::for_each(*this, from, [&](std::span<const std::byte> bytes) {
      const size_t n = std::min(bytes.size(), to.size() - done);
      std::memcpy(to.data() + done, bytes.data(), n);
      done += n;
      return done < to.size();
    });
  }
  internal::count_copied(done);
  return done;
}

void Chain::append_to(std::string& to) const {
  to.reserve(internal::checked_sum("append_to", to.size(), size_));
  Ops::for_each(*this, 0, [&](std::span<const std::byte> bytes) {
    to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  });
  internal::count_copied(size_);
}

std::string Chain::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

Bytes Chain::flatten() const {
  if (size_ == 0) return Bytes();
  if (segment_count() == 1) return segment_bytes(0);
  internal::Block* const block = internal::allocate_block(size_);
  copy_to({block->storage, size_});
  return Bytes(Segment{block->storage, size_, internal::word_of(block)});
}

Bytes Chain::segment_bytes(size_t i) const {
  const std::span<const std::byte> bytes = segment(i);
  return Bytes(Segment{bytes.data(), bytes.size(), internal::share_word(Ops::word_at(*this, i))});
}

Chain Chain::compact() const {
  // Segments from this size on keep a tight block of their own; below, merging saves a block.
  constexpr size_t kMerge = 1024;
  const auto is_tight = [](const Segment& s) {
    const internal::Block* const block = internal::block_of(s.block);
    return block == nullptr ||
           (s.size >= kMerge && block->capacity <= internal::block_capacity_for(s.size));
  };
  Chain result;
  const size_t count = segment_count();
  for (size_t i = 0; i < count;) {
    if (is_tight(Ops::segment_at(*this, i))) {
      result.push_back(segment_bytes(i));
      ++i;
      continue;
    }
    size_t end = i;
    size_t bytes = 0;
    for (; end < count && !is_tight(Ops::segment_at(*this, end)); ++end) {
      bytes += segment(end).size();
    }
    if (end - i == 1) {
      result.push_back(segment_bytes(i).compact());
    } else {
      BytesBuilder merged(bytes);
      for (size_t k = i; k < end; ++k) merged.append(segment(k));
      result.push_back(std::move(merged).freeze());
    }
    i = end;
  }
  return result;
}

size_t Chain::retained_size() const {
  std::vector<const internal::Block*> blocks;
  size_t bytes = 0;
  const auto add = [&](uintptr_t word) {
    if (word != 0) blocks.push_back(internal::block_of(word));
  };
  if (is_inline()) {
    add(inline_[0].block);
    add(inline_[1].block);
  } else {
    const SegmentTable* const t = table();
    const bool alone = t->refs.is_one();
    // Alone, dead slots are pinned by this chain too; sharing, they may change under our eyes.
    const uint32_t first = alone ? t->head : window_.first;
    const uint32_t last = alone ? window_.known : window_.last;
    blocks.reserve(size_t{last} - first + 1);
    for (uint32_t s = first; s < last; ++s) add(t->slots()[s].block);
    add(window_.edge.block);
    bytes = table_bytes(t->capacity);
  }
  std::sort(blocks.begin(), blocks.end(), std::less<>());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  for (const internal::Block* const block : blocks) bytes += internal::block_footprint(block);
  return bytes;
}

uint64_t Chain::hash() const noexcept {
  if (const auto flat = try_flat()) return hash_bytes(flat->data(), flat->size());
  Hasher hasher;
  Ops::for_each(*this, 0, [&](std::span<const std::byte> bytes) {
    hasher.update(bytes.data(), bytes.size());
    return true;
  });
  return hasher.digest();
}

std::ostream& operator<<(std::ostream& out, const Chain& chain) {
  for (size_t i = 0; i < chain.segment_count(); ++i) {
    const std::span<const std::byte> bytes = chain.segment(i);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  return out;
}

// ---- Grow --------------------------------------------------------------------------------------

void Chain::push_back_slow(Segment& s) {
  DeferredTable old;
  const bool unique = Ops::tidy(*this);
  if (s.size == 0) return;  // a hook has taken it
  if (s.size > internal::kMaxSize - size_) internal::fail_too_large("push_back", size_, s.size);
  Ops::push_back(*this, s, unique, old);
  s = {};
}

void Chain::push_back_owned(Segment s) {
  Bytes owned(s);  // drops the reference if the push fails
  push_back_slow(owned.segment_);
}

void* Chain::allocate_table_memory(uint32_t& segments) {
  segments = capacity_for(segments);
  return internal::allocate_node(table_bytes(segments));
}

void Chain::free_table_memory(void* memory, uint32_t capacity) noexcept {
  internal::free_node(memory, table_bytes(capacity));
}

void Chain::fill_table(void* memory, uint32_t capacity,
                       std::span<const Segment> segments) noexcept {
  Ops::begin_table_in(*this, init_table(memory, capacity));
  for (const Segment& segment : segments) Ops::add_segment(*this, segment);
}

void Chain::reserve_back(size_t k) {
  DeferredTable old;
  const bool unique = Ops::tidy(*this);
  Ops::reserve_back(*this, k, unique, old);
}

void Chain::push_front_slow(Segment& s) {
  DeferredTable old;
  const bool unique = Ops::tidy(*this);
  if (s.size == 0) return;
  if (s.size > internal::kMaxSize - size_) internal::fail_too_large("push_front", size_, s.size);
  Ops::push_front(*this, s, unique, old);
  s = {};
}

namespace {

// Holds an argument apart from what hooks can reach, and puts it back when the push fails.
struct Taken {
  explicit Taken(Chain& from) noexcept : source(from), chain(std::move(from)) {}
  ~Taken() {
    if (!chain.empty()) source = std::move(chain);
  }
  Chain& source;
  Chain chain;
};

}  // namespace

void Chain::push_back(Chain&& other) {
  if (&other == this) {
    push_back(Chain(*this));
    return;
  }
  if (other.empty()) return;
  if (size_ == 0) {
    *this = std::move(other);
    return;
  }
  DeferredTable dropped_first;
  DeferredTable dropped_last;
  Taken taken(other);
  Chain& from = taken.chain;
  const bool from_unique = Ops::tidy(from);
  const bool unique = Ops::tidy(*this);
  if (size_ == 0) {  // a hook has emptied it
    *this = std::move(from);
    return;
  }
  if (from.size_ > internal::kMaxSize - size_) {
    internal::fail_too_large("push_back", size_, from.size_);
  }
  const size_t mine = segment_count();
  if (is_inline() && !from.is_inline() && (from_unique || (mine == 1 && !Ops::has_edge(from)))) {
    // The other table takes our one or two segments in front.
    Ops::settle(*this);
    if (mine == 2) {
      Ops::reserve_front(from, 2, from_unique, dropped_first);
      Ops::push_front(from, inline_[1], from_unique, dropped_first);
      size_ -= std::exchange(inline_[1], {}).size;
    }
    Ops::push_front(from, inline_[0], from_unique, dropped_first);
    Ops::reset(*this);
    swap(from);
    return;
  }
  if (from.segment_count() == 1) {
    if (from.is_inline()) {
      Ops::settle(from);
      Ops::push_back(*this, from.inline_[0], unique, dropped_last);
      Ops::reset(from);
    } else {
      push_back(from.segment_bytes(0));
      from.clear();
    }
    return;
  }
  Ops::reserve_back(*this, from.segment_count(), unique, dropped_last);
  Ops::drain(from, from_unique, false, dropped_first,
             [this](const Segment& s) { Ops::join_segment(*this, s); });
}

void Chain::push_front(Chain&& other) {
  if (&other == this) {
    push_front(Chain(*this));
    return;
  }
  if (other.empty()) return;
  if (size_ == 0) {
    *this = std::move(other);
    return;
  }
  DeferredTable dropped_first;
  DeferredTable dropped_last;
  Taken taken(other);
  Chain& from = taken.chain;
  const bool from_unique = Ops::tidy(from);
  const bool unique = Ops::tidy(*this);
  if (size_ == 0) {
    *this = std::move(from);
    return;
  }
  if (from.size_ > internal::kMaxSize - size_) {
    internal::fail_too_large("push_front", size_, from.size_);
  }
  const size_t mine = segment_count();
  if (is_inline() && !from.is_inline() && (from_unique || (mine == 1 && !Ops::has_edge(from)))) {
    Ops::settle(*this);
    if (mine == 2) Ops::reserve_back(from, 2, from_unique, dropped_first);
    // With two segments there is room for both now; with one this takes the edge.
    Ops::push_back(from, inline_[0], from_unique, dropped_first);
    if (mine == 2) Ops::push_back(from, inline_[1], from_unique, dropped_first);
    Ops::reset(*this);
    swap(from);
    return;
  }
  if (from.segment_count() == 1) {
    if (from.is_inline()) {
      Ops::settle(from);
      Ops::push_front(*this, from.inline_[0], unique, dropped_last);
      Ops::reset(from);
    } else {
      push_front(from.segment_bytes(0));
      from.clear();
    }
    return;
  }
  Ops::reserve_front(*this, from.segment_count(), unique, dropped_last);
  Ops::drain(from, from_unique, true, dropped_first, [this](const Segment& s) {
    if (!is_inline()) {
      Ops::prepend_joining(*this, s);
    } else if (continues(s, inline_[0])) {
      inline_[0].data = s.data;
      inline_[0].size += s.size;
      drop_extra(s.block, 1);
    } else {
      Ops::settle(*this);
      inline_[1] = inline_[0];
      inline_[0] = s;
    }
    size_ += s.size;
  });
}

// ---- Cut ---------------------------------------------------------------------------------------

void Chain::consume_slow(size_t n) noexcept {
  if (n == size_) {
    clear();
    return;
  }
  if (is_inline()) {
    const uintptr_t dead = inline_[0].block;
    const uint32_t references = 1 + inline_credits();
    const size_t into = n - inline_[0].size;
    inline_[0] = inline_[1];
    inline_[0].data += into;
    inline_[0].size -= into;
    inline_[1] = {};
    word_ = kInline;
    size_ -= n;
    internal::drop_word(dead, references);
    return;
  }
  DeferredTable old;
  uintptr_t dead_edge = 0;
  uintptr_t dead_slot = 0;
  uint32_t dead_references = 0;
  if (Ops::edge_front(*this)) {
    dead_edge = window_.edge.block;
    n -= window_.edge.size;
    size_ -= window_.edge.size;
    Ops::clear_edge(*this);
  }
  if (n >= window_size()) {
    // Only the edge behind is left.
    Ops::settle_window(*this);
    old.table = table();
    Segment rest = window_.edge;
    const size_t into = n - window_size();
    rest.data += into;
    rest.size -= into;
    Ops::reset(*this);
    inline_[0] = rest;
    size_ = rest.size;
    internal::drop_word(dead_edge);
    return;
  }
  if (n != 0) {
    SegmentTable* const t = table();
    const uint32_t first = Ops::find_slot(*this, n);
    size_ -= n;
    window_.begin += n;
    if (first != window_.first) {
      const uint32_t credits = window_.credits;
      const uint32_t gone = window_.first;
      window_.credits = 0;
      window_.first = first;
      if (t->head == gone && t->refs.is_one()) {
        // The slot's own reference and those in store go in one step.
        t->head = gone + 1;
        dead_slot = t->slots()[gone].block;
        dead_references = 1 + credits;
      } else {
        drop_extra(t->slots()[gone].block, credits);
        window_.flags &= kNotTidy;
      }
    }
  }
  Ops::unshare_small(*this, old);
  internal::drop_word(dead_slot, dead_references);
  internal::drop_word(dead_edge);
  Ops::shrink(*this);
}

void Chain::remove_suffix_slow(size_t n) noexcept {
  if (n == 0) return;
  if (n == size_) {
    clear();
    return;
  }
  if (is_inline()) {
    size_ -= n;
    if (n < inline_[1].size) {
      inline_[1].size -= n;
    } else {
      const uintptr_t dead = inline_[1].block;
      inline_[0].size -= n - inline_[1].size;
      inline_[1] = {};
      internal::drop_word(dead);
    }
    return;
  }
  DeferredTable old;
  uintptr_t dead_edge = 0;
  if (Ops::edge_back(*this)) {
    if (n < window_.edge.size) {
      window_.edge.size -= n;
      size_ -= n;
      return;
    }
    dead_edge = window_.edge.block;
    n -= window_.edge.size;
    size_ -= window_.edge.size;
    Ops::clear_edge(*this);
  }
  if (n >= window_size()) {
    // Only the edge in front is left.
    Ops::settle_window(*this);
    old.table = table();
    Segment rest = window_.edge;
    rest.size -= n - window_size();
    Ops::reset(*this);
    inline_[0] = rest;
    size_ = rest.size;
    internal::drop_word(dead_edge);
    return;
  }
  if (n != 0) {
    size_ -= n;
    window_.last = Ops::find_slot(*this, window_size() - 1) + 1;
    window_.flags &= kNotTidy;
  }
  Ops::unshare_small(*this, old);
  internal::drop_word(dead_edge);
  Ops::shrink(*this);
}

bool Chain::split_to_slow(size_t n, Chain& head) {
  if (n == 0) return true;
  const bool unique = !is_inline() && n != size_ && (Ops::tidy_now(*this) || Ops::tidy(*this));
  // A hook may have changed the chain: everything is looked at from here on.
  if (n > size_) return false;
  if (n == size_) {
    head = std::move(*this);
    return true;
  }
  if (n < front_size()) {
    head = split_to(n);
    return true;
  }
  if (is_inline()) {
    // The whole first segment goes, with the references in store.
    head.inline_[0] = inline_[0];
    head.word_ = word_;
    const size_t into = n - inline_[0].size;
    word_ = kInline;
    if (into != 0) {
      head.inline_[1] = Segment{inline_[1].data, into, internal::share_word(inline_[1].block)};
      word_ = kInline | kInlineCut;
    }
    inline_[0] = Segment{inline_[1].data + into, inline_[1].size - into, inline_[1].block};
    inline_[1] = {};
    head.size_ = n;
    size_ -= n;
    return true;
  }
  if (unique) {
    if (n == front_size() && !Ops::edge_front(*this) && window_.last - window_.first > 1) {
      // The whole first slot goes, with the references in store.
      SegmentTable* const t = table();
      const Slot& slot = t->slots()[window_.first];
      head.inline_[0] = Segment{slot.data + Ops::front_trim(*this), n, slot.block};
      head.word_ = kInline | (window_.credits != 0 ? kInlineCut : 0) |
                   (uintptr_t{window_.credits} * kInlineCredit);
      head.size_ = n;
      window_.credits = 0;
      t->head = ++window_.first;
      window_.begin += n;
      size_ -= n;
      Ops::shrink_tidy(*this);
    } else {
      Ops::move_prefix(*this, n, head);
    }
    return true;
  }
  if (Ops::edge_front(*this) && n == window_.edge.size) {
    head.inline_[0] = window_.edge;
    head.size_ = n;
    size_ -= n;
    Ops::clear_edge(*this);
    return true;
  }
  head = slice(0, n);
  consume(n);
  return true;
}

bool Chain::split_off_into(size_t n, Chain& rest) {
  const bool unique = n != 0 && n < size_ && Ops::tidy(*this);
  // A hook may have changed the chain: everything is looked at from here on.
  if (n > size_) return false;
  if (n == size_) return true;
  if (n == 0) {
    rest = std::move(*this);
  } else if (unique) {
    Ops::move_suffix(*this, n, rest);
  } else {
    rest = slice(n, size_ - n);
    remove_suffix_slow(size_ - n);
  }
  return true;
}

Chain Chain::split_off(size_t n) {
  Chain rest;
  if (!split_off_into(n, rest)) internal::fail_length("split_off", n, size_);
  return rest;
}

std::optional<Chain> Chain::try_split_off(size_t n) {
  std::optional<Chain> rest(std::in_place);
  if (!split_off_into(n, *rest)) rest.reset();
  return rest;
}

std::optional<Bytes> Chain::try_pop() {
  for (;;) {
    Ops::tidy(*this);
    if (empty()) return std::nullopt;
    std::optional<Chain> first = try_split_to(front_size());
    if (!first) continue;  // a hook has taken the front meanwhile
    if (first->segment_count() != 1) {
      // A hook has changed the front meanwhile: what was cut off too many goes back.
      Bytes result = first->segment_bytes(0);
      first->consume(result.size());
      push_front(*std::move(first));
      return result;
    }
    if (!first->is_inline()) return first->segment_bytes(0);
    Ops::settle(*first);
    Bytes result(first->inline_[0]);
    Ops::reset(*first);
    return result;
  }
}

Bytes Chain::pop() {
  std::optional<Bytes> first = try_pop();
  if (!first) internal::fail("pop of an empty chain");
  return *std::move(first);
}

Chain Chain::slice(size_t position, size_t count) const {
  if (position > size_ || size_ - position < count) {
    internal::fail_range("slice", position, count, size_);
  }
  if (count == 0) return Chain();
  if (is_inline()) return Ops::copy_range(*this, position, count);
  const size_t edge_before = Ops::edge_front(*this) ? window_.edge.size : 0;
  const size_t window_bytes = window_size();
  // The part in the window, and the parts in the edge at either side of it.
  const size_t from = position > edge_before ? position - edge_before : 0;
  const size_t end = position + count;
  const size_t to = end <= edge_before ? 0 : std::min(end - edge_before, window_bytes);
  if (to <= from) return Ops::copy_range(*this, position, count);
  const uint32_t first = Ops::find_slot(*this, from);
  const uint32_t last = Ops::find_slot(*this, to - 1) + 1;
  const size_t shown = to - from;
  if (last - first <= 2 || shown < Ops::known_bytes(*this) / kSliceShare) {
    return Ops::copy_range(*this, position, count);
  }
  Chain result;
  table()->refs.take();
  result.word_ = word_;
  result.window_ = Window{};
  result.window_.begin = window_.begin + from;
  result.window_.first = first;
  result.window_.last = last;
  result.window_.flags = kShared;
  result.window_.known = window_.known;
  result.size_ = shown;
  const size_t in_edge = count - shown;
  if (in_edge != 0) {
    // An edge stands on one side only.
    const bool front = Ops::edge_front(*this);
    result.window_.edge = Segment{front ? window_.edge.data + position : window_.edge.data, in_edge,
                                  internal::share_word(window_.edge.block)};
    if (!front && position > window_bytes) result.window_.edge.data += position - window_bytes;
    result.window_.flags |= front ? kEdgeFront : kEdgeBack;
    result.size_ += in_edge;
  }
  return result;
}

std::optional<Bytes> Chain::try_slice_ref(ByteView part) const {
  if (part.empty()) return Bytes();
  const auto wanted = reinterpret_cast<uintptr_t>(part.data());
  const size_t count = segment_count();
  for (size_t i = 0; i < count; ++i) {
    const std::span<const std::byte> bytes = segment(i);
    const auto start = reinterpret_cast<uintptr_t>(bytes.data());
    if (wanted >= start && wanted - start < bytes.size() &&
        bytes.size() - (wanted - start) >= part.size()) {
      return Bytes(Segment{part.data(), part.size(), internal::share_word(Ops::word_at(*this, i))});
    }
  }
  return std::nullopt;
}

Bytes Chain::slice_ref(ByteView part) const {
  std::optional<Bytes> found = try_slice_ref(part);
  if (!found) internal::fail_length("slice_ref of a view outside: view", part.size(), size_);
  return *std::move(found);
}

// ---- Rearrange ---------------------------------------------------------------------------------

std::span<const std::byte> Chain::pull_up(size_t n) {
  if (n > size_) internal::fail_length("pull_up", n, size_);
  if (n == 0) return {};
  if (n <= front_size()) return segment(0).first(n);
  internal::Block* const block = internal::allocate_block(n);
  std::byte* const storage = block->storage;
  Bytes flat(Segment{storage, n, internal::word_of(block)});
  // On a copy, so that a failed push leaves this chain as it was and hooks run on a whole one.
  Chain rest = slice(n, size_ - n);
  rest.push_front(std::move(flat));
  copy_to({storage, n});
  swap(rest);
  rest.clear();
  Ops::tidy(*this);     // what was pulled up is not kept until the next change
  return {storage, n};  // not through the block: a hook may have cleared this chain
}

std::optional<std::span<std::byte>> Chain::try_mutable(size_t i) noexcept {
  const std::span<const std::byte> bytes = segment(i);
  uint32_t own = 1;
  if (is_inline()) {
    if (i == 0) own += inline_credits();
  } else {
    if (!Ops::owns_segment(*this, false, i)) {
      if (!table()->refs.is_one()) return std::nullopt;
      if (i == (Ops::edge_front(*this) ? 1u : 0u)) own += window_.credits;
    }
  }
  const internal::Block* const block = internal::block_of(Ops::word_at(*this, i));
  if (block == nullptr || !block->writable() || !block->refs.is(own)) return std::nullopt;
  return std::span<std::byte>(const_cast<std::byte*>(bytes.data()), bytes.size());
}

void Chain::unshare() {
  if (is_inline()) return;
  DeferredTable old;
  if (!Ops::tidy(*this) && !is_inline()) {
    if (segment_count() <= 2) {
      old.table = Ops::try_own(*this);
    } else {
      old.table = Ops::own_table(*this, 0, 0);
    }
  }
}

void splice(Chain& chain, size_t position, size_t count, Chain replacement) {
  const bool replacement_unique = Chain::Ops::tidy(replacement);
  const bool unique = Chain::Ops::tidy(chain);
  const size_t size = chain.size();
  if (position > size || size - position < count) {
    internal::fail_range("splice", position, count, size);
  }
  if (replacement.size() > internal::kMaxSize - (size - count)) {
    internal::fail_too_large("splice", size - count, replacement.size());
  }
  Chain::Ops::splice(chain, unique, position, count, replacement, replacement_unique);
}

// ---- Checking ----------------------------------------------------------------------------------

void Chain::check_invariants() const noexcept {
  if (is_inline()) {
    if (inline_[0].size == 0 && inline_[1].size != 0) Ops::broken(*this, "C3 first empty");
    if (size_ != inline_[0].size + inline_[1].size) Ops::broken(*this, "size");
    for (const Segment& s : inline_) {
      if (s.size == 0 && s.block != 0) Ops::broken(*this, "C1 empty segment with a block");
      if (s.block != 0 && internal::block_of(s.block)->refs.get() == 0) {
        Ops::broken(*this, "inline reference");
      }
    }
    if (size_ == 0 && word_ != kInline) Ops::broken(*this, "C1 empty with credits");
    if (inline_credits() != 0 &&
        (inline_[0].block == 0 ||
         internal::block_of(inline_[0].block)->refs.get() < 1 + inline_credits())) {
      Ops::broken(*this, "credits without references");
    }
    return;
  }
  const SegmentTable* const t = table();
  const Window& w = window_;
  if (size_ == 0) Ops::broken(*this, "C1 empty with a table");
  if (t->refs.get() == 0) Ops::broken(*this, "table reference");
  const bool front = Ops::edge_front(*this);
  const bool back = Ops::edge_back(*this);
  if (front && back) Ops::broken(*this, "two edges");
  if ((front || back) != (w.edge.size != 0)) Ops::broken(*this, "edge flags");
  if (w.edge.size == 0 && w.edge.block != 0) Ops::broken(*this, "C1 empty edge with a block");
  if (w.first >= w.last) Ops::broken(*this, "empty window");
  if (w.known < w.last || w.known > t->end()) Ops::broken(*this, "known slots");
  if (w.last > t->capacity || w.first < t->head) Ops::broken(*this, "window outside the table");
  const size_t* const starts = t->starts();
  const size_t origin = starts[w.first];
  const size_t begin = w.begin - origin;
  const size_t end = begin + window_size();
  // C2: first and last slot meet the window.
  if (begin >= starts[w.first + 1] - origin) Ops::broken(*this, "C2 first slot not shown");
  if (end <= starts[w.last - 1] - origin || end > starts[w.last] - origin) {
    Ops::broken(*this, "C2 last slot not shown");
  }
  const bool alone = t->refs.is_one();
  const uint32_t from = alone ? t->head : w.first;
  const uint32_t to = alone ? t->end() : w.last;
  if (t->end() < w.last) Ops::broken(*this, "tail before the window's end");
  for (uint32_t s = from; s < to; ++s) {
    const size_t length = starts[s + 1] - starts[s];
    if (length == 0 || length > internal::kMaxSize) Ops::broken(*this, "T1 slot size");
    const uintptr_t word = t->slots()[s].block;
    if (word != 0 && internal::block_of(word)->refs.get() == 0) Ops::broken(*this, "T1 reference");
  }
  if (w.credits != 0) {
    const uintptr_t word = t->slots()[w.first].block;
    if (word == 0 || internal::block_of(word)->refs.get() < 1u + w.credits) {
      Ops::broken(*this, "credits without references");
    }
  }
  size_t sum = 0;
  const size_t count = segment_count();
  for (size_t i = 0; i < count; ++i) sum += segment(i).size();
  if (sum != size_) Ops::broken(*this, "segment sizes do not add up");
}

BIGHT_NAMESPACE_END
