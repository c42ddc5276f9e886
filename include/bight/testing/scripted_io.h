// ScriptedSource and ScriptedSink: a source and a sink that answer as a script says, for testing
// code that reads and writes. No socket, no thread, no test framework.
//
//   ScriptedSource source("hello world",
//                         {IoStep::take(3), IoStep::interrupted(), IoStep::would_block()});
//   source.read_some(entries);                 // 3 bytes, whatever room there is
//   source.read_some(entries);                 // error EINTR
//   source.read_some(entries);                 // would_block
//   source.read_some(entries);                 // the script is over: all that fits, then eof
//
// for_each_io_script() runs a test over every short length at every position with each fault in
// between, which is how the functions of bight::io are tested themselves.
//
// Thread safety: none; one object belongs to one thread.
#ifndef BIGHT_TESTING_SCRIPTED_IO_H_
#define BIGHT_TESTING_SCRIPTED_IO_H_

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/byte_view.h"
#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

// The answer to one call: up to `bytes` bytes, together with `kind`.
struct IoStep {
  size_t bytes = 0;
  IoKind kind = IoKind::data;
  int error_number = 0;

  // At most `n` bytes.
  static IoStep take(size_t n) noexcept { return {n, IoKind::data, 0}; }
  // Nothing, without a reason: what a sink says that took 0 bytes. No source should say it.
  static IoStep zero() noexcept { return {}; }
  // An error EINTR.
  static IoStep interrupted() noexcept { return {0, IoKind::error, EINTR}; }
  // At most `n` bytes and then no more for now.
  static IoStep would_block(size_t n = 0) noexcept { return {n, IoKind::would_block, EAGAIN}; }
  // At most `n` bytes and an error.
  static IoStep fail(int error_number, size_t n = 0) noexcept {
    return {n, IoKind::error, error_number};
  }
  // At most `n` bytes and the end, for good, even if there is content left. For sinks: EPIPE.
  static IoStep eof(size_t n = 0) noexcept { return {n, IoKind::eof, 0}; }

  // "take 3", "eof", "errno 104 with 1".
  std::string to_string() const;
};

// One script with its description.
struct IoScript {
  std::vector<IoStep> steps;
  std::string to_string() const;
};

// What one call was offered: how many entries, and the bytes they hold together.
struct IoOffer {
  size_t entries = 0;
  size_t bytes = 0;
  friend bool operator==(const IoOffer&, const IoOffer&) = default;
};

// Gives `content`, one step a call; after the script as much as there is room for, then eof.
// A call without room is answered by data and 0 bytes, is not recorded and uses up no step.
class ScriptedSource {
 public:
  explicit ScriptedSource(ByteView content, std::vector<IoStep> script = {})
      : content_(content.view()), script_(std::move(script)) {}

  IoResult read_some(std::span<const iovec> into);

  // Bytes given so far; the reader must have exactly content()[0, position()).
  size_t position() const noexcept { return position_; }
  const std::string& content() const noexcept { return content_; }
  // What each call was offered, and the last answer.
  const std::vector<IoOffer>& offers() const noexcept { return offers_; }
  size_t calls() const noexcept { return offers_.size(); }
  const IoResult& last() const noexcept { return last_; }

 private:
  std::string content_;  // an eof step cuts it off
  std::vector<IoStep> script_;
  size_t position_ = 0;  // in content_
  std::vector<IoOffer> offers_;
  IoResult last_;
};

// Takes bytes into a string, one step a call; after the script everything.
// A call without bytes is answered by data and 0 bytes, is not recorded and uses up no step.
class ScriptedSink {
 public:
  explicit ScriptedSink(std::vector<IoStep> script = {}) : script_(std::move(script)) {}

  IoResult write_some(std::span<const iovec> from);

  // All that was taken.
  const std::string& received() const noexcept { return received_; }
  // What each call was offered, and the last answer.
  const std::vector<IoOffer>& offers() const noexcept { return offers_; }
  size_t calls() const noexcept { return offers_.size(); }
  const IoResult& last() const noexcept { return last_; }

 private:
  std::vector<IoStep> script_;
  std::string received_;
  std::vector<IoOffer> offers_;
  IoResult last_;
};

static_assert(ByteSource<ScriptedSource> && ByteSink<ScriptedSink>);

// What can come in the way of a reader: an interruption, a full stop, an error and the end, each
// alone and together with a byte.
inline std::vector<IoStep> source_faults() {
  return {IoStep::interrupted(),
          IoStep::would_block(),
          IoStep::would_block(1),
          IoStep::fail(ECONNRESET),
          IoStep::fail(ECONNRESET, 1),
          IoStep::eof(),
          IoStep::eof(1)};
}
// The same for a writer; a sink has no end but may take nothing.
inline std::vector<IoStep> sink_faults() {
  return {IoStep::interrupted(),    IoStep::would_block(),       IoStep::would_block(1),
          IoStep::fail(ECONNRESET), IoStep::fail(ECONNRESET, 1), IoStep::zero()};
}

// Calls `visit(script)` for the scripts that cut a stream of `size` bytes in every way that has one
// short call: for every position p and every length n behind it: p bytes, n bytes, the rest; the
// same with each fault before and behind the n bytes; and, for each fault, one byte a call with the
// fault between all of them. O(size * size * faults) scripts.
template <class Visit>
void for_each_io_script(size_t size, std::span<const IoStep> faults, Visit&& visit);

// Implementation details follow.

inline std::string IoStep::to_string() const {
  std::string text;
  switch (kind) {
    case IoKind::data:
      return "take " + std::to_string(bytes);
    case IoKind::eof:
      text = "eof";
      break;
    case IoKind::would_block:
      text = "would block";
      break;
    case IoKind::error:
      text = "errno " + std::to_string(error_number);
      break;
  }
  if (bytes != 0) text += " with " + std::to_string(bytes);
  return text;
}

inline std::string IoScript::to_string() const {
  std::string text = "[";
  for (const IoStep& step : steps) {
    if (text.size() > 1) text += ", ";
    text += step.to_string();
  }
  return text + "]";
}

namespace internal {

inline IoOffer measure(std::span<const iovec> entries) noexcept {
  IoOffer offer{entries.size(), 0};
  for (const iovec& entry : entries) offer.bytes += entry.iov_len;
  return offer;
}

}  // namespace internal

inline IoResult ScriptedSource::read_some(std::span<const iovec> into) {
  const IoOffer offer = internal::measure(into);
  if (offer.bytes == 0) return {};
  const size_t call = offers_.size();
  offers_.push_back(offer);
  const bool scripted = call < script_.size();
  const IoStep step = scripted ? script_[call] : IoStep::take(offer.bytes);
  const size_t wanted = (std::min)({step.bytes, offer.bytes, content_.size() - position_});
  size_t left = wanted;
  for (const iovec& entry : into) {
    if (left == 0) break;
    const size_t n = (std::min)(left, entry.iov_len);
    if (n != 0) std::memcpy(entry.iov_base, content_.data() + position_, n);
    position_ += n;
    left -= n;
  }
  last_ = {wanted, step.kind, step.error_number, "scripted read"};
  if (step.kind == IoKind::eof) content_.resize(position_);
  if (step.kind == IoKind::data && wanted == 0 && step.bytes != 0) last_.kind = IoKind::eof;
  return last_;
}

inline IoResult ScriptedSink::write_some(std::span<const iovec> from) {
  const IoOffer offer = internal::measure(from);
  if (offer.bytes == 0) return {};
  const size_t call = offers_.size();
  offers_.push_back(offer);
  const bool scripted = call < script_.size();
  const IoStep step = scripted ? script_[call] : IoStep::take(offer.bytes);
  const size_t wanted = (std::min)(step.bytes, offer.bytes);
  size_t left = wanted;
  for (const iovec& entry : from) {
    if (left == 0) break;
    const size_t n = (std::min)(left, entry.iov_len);
    if (n != 0) received_.append(static_cast<const char*>(entry.iov_base), n);
    left -= n;
  }
  last_ = {wanted, step.kind, step.error_number, "scripted write"};
  if (step.kind == IoKind::eof) last_ = IoResult::failed(EPIPE, "scripted write", wanted);
  return last_;
}

template <class Visit>
void for_each_io_script(size_t size, std::span<const IoStep> faults, Visit&& visit) {
  const auto run = [&visit](std::vector<IoStep> steps) {
    const IoScript script{std::move(steps)};
    visit(script);
  };
  for (size_t position = 0; position <= size; ++position) {
    for (size_t length = 0; length <= size - position; ++length) {
      std::vector<IoStep> steps;
      if (position != 0) steps.push_back(IoStep::take(position));
      if (length != 0) steps.push_back(IoStep::take(length));
      run(steps);
      for (const IoStep& fault : faults) {
        steps.clear();
        if (position != 0) steps.push_back(IoStep::take(position));
        steps.push_back(fault);
        if (length != 0) {
          steps.push_back(IoStep::take(length));
          steps.push_back(fault);
        }
        run(steps);
      }
    }
  }
  run(std::vector<IoStep>(size, IoStep::take(1)));
  for (const IoStep& fault : faults) {
    std::vector<IoStep> steps;
    for (size_t i = 0; i <= size; ++i) {
      steps.push_back(fault);
      steps.push_back(IoStep::take(1));
    }
    run(steps);
  }
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_TESTING_SCRIPTED_IO_H_
