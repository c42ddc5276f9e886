// What the server keeps, and when a value stays the slices that were received.
#ifndef EXAMPLES_REDIS_SERVER_STORE_H_
#define EXAMPLES_REDIS_SERVER_STORE_H_

#include <absl/container/flat_hash_map.h>
#include <bight/chain.h>

#include <mutex>
#include <string_view>

namespace example {

// A value stays the segments that it was received in, uncopied, if the blocks that these keep from
// being freed are no larger than `max_pin` times the value, and the segments are not many small
// ones. Else it is compacted: copied into blocks that it fills. So what is stored bounds the
// memory, whatever is overwritten in which order.
class Store {
 public:
  explicit Store(double max_pin) : max_pin_(max_pin) {}

  std::mutex mutex;             // held by the thread that uses the store
  size_t hits = 0, misses = 0;  // counted by who looks keys up
  size_t size() const { return values_.size(); }

  // Null if there is none. Until the store changes.
  const bight::Chain* get(std::string_view key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  void set(std::string_view key, bight::Chain value) {
    value.unshare();
    const auto allowed = static_cast<size_t>(max_pin_ * static_cast<double>(value.size()));
    const bool many = value.segment_count() > 64 + value.size() / 4096;
    if (many || value.retained_size() > allowed) value = value.compact();
    const auto found = values_.find(key);
    (found != values_.end() ? found->second : values_[bight::Bytes::copy_of(key)]) =
        std::move(value);
  }
  bool erase(std::string_view key) { return values_.erase(key) != 0; }
  void clear() { values_.clear(); }

 private:
  struct Hash {  // seeded by the process, unlike bight::ContentHash
    using is_transparent = void;
    size_t operator()(bight::ByteView key) const { return absl::HashOf(key.view()); }
  };
  absl::flat_hash_map<bight::Bytes, bight::Chain, Hash, bight::ContentEqual> values_;
  double max_pin_;
};

}  // namespace example

#endif  // EXAMPLES_REDIS_SERVER_STORE_H_
