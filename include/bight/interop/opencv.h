// cv::Mat from and to Bytes and chains, sharing the pixels. Link bight::opencv.
//
//   bight::Bytes pixels = bight::to_bytes(picture);         // the Mat's own memory, kept alive
//   const cv::Mat seen = bight::to_mat(pixels, {.rows = 480, .cols = 640, .type = CV_8UC3});
//
// Each side keeps the other's memory alive. A Mat made here holds a handle to our block in the
// place where OpenCV counts headers, so the block lives as long as any copy of the Mat, any region
// of interest of it, or a UMat made of it; a clone is memory of its own, as always.
//
// What const does not hold. Bytes are immutable, a Mat is not: these functions return a const Mat,
// but copying the header (`cv::Mat other = seen;`) lifts the const, and writing through the copy
// changes the bytes that every other handle shows. OpenCV's output arguments write into a Mat that
// has the right size and type already. Write only into a clone. The other way round, nobody may
// write into a Mat while its pixels are shared as Bytes, though its headers let them.
//
// A Mat from UMat::getMat() must not outlive its UMat (OpenCV throws), so neither must Bytes or a
// Chain made of it: clone it for that.
//
// Thread safety: OpenCV's counts and ours are atomic; a Mat made here must not go to another thread
// when bight was built with BIGHT_PLAIN_COUNT.
#ifndef BIGHT_INTEROP_OPENCV_H_
#define BIGHT_INTEROP_OPENCV_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

// How bytes are a picture.
struct MatLayout {
  size_t rows = 0;
  size_t cols = 0;
  int type = CV_8UC1;  // depth and channels, as cv::Mat::type()
  size_t step = 0;     // bytes from one row to the next; 0: they follow one another
};

// The elements of a Mat of any number of dimensions, shared; a header of the Mat is kept. O(1), one
// allocation; none of an empty Mat. Preconditions (checked in every build): `mat.isContinuous()`,
// and the Mat owns its memory (`mat.u`): one over somebody else's keeps nothing alive, so say who
// does, by Bytes::with_release. Fails with bad_alloc.
// An only handle gives the Mat back: `std::move(bytes).try_take_owner<cv::Mat>()`.
[[nodiscard]] Bytes to_bytes(const cv::Mat& mat);

// The same also for a Mat that is not continuous, as a region of interest: its rows in order, a
// segment each, what lies between them left out. They share one owner, a header of the Mat.
// O(rows). Precondition: the Mat owns its memory (checked in every build). Fails with bad_alloc.
[[nodiscard]] Chain to_chain(const cv::Mat& mat);

// The bytes as a picture, where they are: the Mat drops its handle when its last header goes, on
// the thread that drops it. The const is lifted by copying the header; see above. One allocation;
// without rows or columns an empty Mat that keeps nothing. Precondition: try_to_mat would not
// refuse (checked in every build). Fails with bad_alloc.
[[nodiscard]] const cv::Mat to_mat(const Bytes& bytes, const MatLayout& layout);

// The same for a layout from outside: invalid_argument, which names both numbers, for rows or
// columns above INT_MAX, a type that OpenCV does not have, a step shorter than a row or no multiple
// of the element's width, bytes that do not begin at such a multiple, sizes that do not fit size_t,
// and bytes too few for all rows (the last one needs no step). More bytes than that are left alone.
// Fails with bad_alloc.
[[nodiscard]] absl::StatusOr<const cv::Mat> try_to_mat(const Bytes& bytes, const MatLayout& layout);

// Implementation details follow.

namespace internal {

// What stands behind a Mat made here: OpenCV's count of headers, and our handle.
struct MatBlock : cv::UMatData {
  MatBlock(const cv::MatAllocator* allocator, Bytes kept)
      : cv::UMatData(allocator), bytes(std::move(kept)) {}
  Bytes bytes;
};

// OpenCV comes here when the last header goes. All else is as for any Mat.
class MatBlockAllocator final : public cv::MatAllocator {
 public:
  cv::UMatData* allocate(int dims, const int* sizes, int type, void* data, size_t* step,
                         cv::AccessFlag access, cv::UMatUsageFlags usage) const override {
    return cv::Mat::getDefaultAllocator()->allocate(dims, sizes, type, data, step, access, usage);
  }
  bool allocate(cv::UMatData* data, cv::AccessFlag access,
                cv::UMatUsageFlags usage) const override {
    return cv::Mat::getDefaultAllocator()->allocate(data, access, usage);
  }
  void deallocate(cv::UMatData* data) const override { delete static_cast<MatBlock*>(data); }

  // Never destroyed: a Mat in a static may be dropped after any other static.
  static const MatBlockAllocator* get() {
    static const MatBlockAllocator* const only = new MatBlockAllocator;
    return only;
  }
};

// A MatLayout that was found sound, with its step, in OpenCV's types.
struct CheckedMatLayout {
  int rows = 0;
  int cols = 0;
  size_t step = 0;
};

inline absl::StatusOr<CheckedMatLayout> check_mat_layout(const Bytes& bytes,
                                                         const MatLayout& layout) {
  const auto refuse = [](const auto&... words) {
    return absl::InvalidArgumentError(absl::StrCat("to_mat: ", words...));
  };
  const auto [rows, cols, type, step] = layout;
  if (type < 0 || type > CV_MAT_TYPE_MASK) {
    return refuse("type ", type, " is none of 0 to ", int{CV_MAT_TYPE_MASK});
  }
  constexpr size_t kMost = INT_MAX;
  if (rows > kMost) return refuse(rows, " rows are more than ", kMost);
  if (cols > kMost) return refuse(cols, " columns are more than ", kMost);
  if (rows == 0 || cols == 0) return CheckedMatLayout{};
  const auto element = static_cast<size_t>(CV_ELEM_SIZE(type));
  const auto width = static_cast<size_t>(CV_ELEM_SIZE1(type));
  if (cols > kMaxSize / element) return refuse(cols, " columns of ", element, " bytes overflow");
  const size_t row = cols * element;
  const size_t used_step = step != 0 ? step : row;
  if (used_step < row) return refuse("a step of ", step, " bytes is less than a row of ", row);
  if (used_step % width != 0) {
    return refuse("a step of ", step, " bytes is no multiple of the element's ", width);
  }
  if (rows - 1 > (kMaxSize - row) / used_step) {
    return refuse(rows, " rows of ", used_step, " bytes overflow");
  }
  const size_t needed = (rows - 1) * used_step + row;
  if (bytes.size() < needed) {
    return refuse(rows, " rows of ", used_step, " bytes need ", needed, ", there are ",
                  bytes.size());
  }
  const size_t off = reinterpret_cast<uintptr_t>(bytes.data()) % width;
  if (off != 0) return refuse("the bytes begin ", off, " behind a multiple of ", width);
  // One row needs no step, so whatever was given does not get to those who add it to an address.
  return CheckedMatLayout{static_cast<int>(rows), static_cast<int>(cols),
                          rows == 1 ? row : used_step};
}

inline cv::Mat make_mat(const Bytes& bytes, int type, const CheckedMatLayout& checked) {
  if (checked.rows == 0) return cv::Mat(0, 0, type);
  // OpenCV reads only, as far as a const Mat goes, though it asks for a pointer to what is not.
  void* const data = const_cast<std::byte*>(bytes.data());
  auto block = std::make_unique<MatBlock>(MatBlockAllocator::get(), bytes);
  cv::Mat mat(checked.rows, checked.cols, type, data, checked.step);
  block->data = block->origdata = mat.data;
  block->size = static_cast<size_t>(mat.dataend - mat.datastart);
  block->refcount = 1;
  block->flags = cv::UMatData::USER_ALLOCATED;
  mat.u = block.release();
  return mat;
}

// The elements as runs: `run` bytes at every place of the first `outer` dimensions.
struct MatRuns {
  int outer;
  size_t run;
};
inline MatRuns mat_runs(const cv::Mat& mat) {
  MatRuns runs{mat.dims, mat.elemSize()};
  for (; runs.outer > 0; --runs.outer) {
    const auto count = static_cast<size_t>(mat.size[runs.outer - 1]);
    if (count != 1 && mat.step[runs.outer - 1] != runs.run) break;
    runs.run *= count;
  }
  return runs;
}

// All from the first element to the last, what lies between rows included.
inline Bytes mat_span(const cv::Mat& mat) {
  if (mat.u == nullptr) fail("a cv::Mat over memory that it does not own keeps nothing alive");
  size_t size = mat.elemSize();
  for (int i = 0; i < mat.dims; ++i) size += static_cast<size_t>(mat.size[i] - 1) * mat.step[i];
  return Bytes::from_owner(cv::Mat(mat), std::as_bytes(std::span(mat.data, size)));
}

}  // namespace internal

inline Bytes to_bytes(const cv::Mat& mat) {
  if (mat.empty()) return Bytes();
  const internal::MatRuns runs = internal::mat_runs(mat);
  if (runs.outer != 0) {
    internal::fail_length("to_bytes of a cv::Mat that is not continuous: run", runs.run,
                          mat.total() * mat.elemSize());
  }
  return internal::mat_span(mat);
}

inline Chain to_chain(const cv::Mat& mat) {
  Chain chain;
  if (mat.empty()) return chain;
  const Bytes all = internal::mat_span(mat);
  const internal::MatRuns runs = internal::mat_runs(mat);
  std::vector<int> place(static_cast<size_t>(runs.outer), 0);
  for (size_t offset = 0;;) {
    chain.push_back(all.slice(offset, runs.run));
    int i = runs.outer - 1;
    for (; i >= 0; --i) {
      int& at = place[static_cast<size_t>(i)];
      offset += mat.step[i];
      if (++at < mat.size[i]) break;
      offset -= static_cast<size_t>(at) * mat.step[i];
      at = 0;
    }
    if (i < 0) return chain;
  }
}

inline absl::StatusOr<const cv::Mat> try_to_mat(const Bytes& bytes, const MatLayout& layout) {
  const absl::StatusOr<internal::CheckedMatLayout> checked =
      internal::check_mat_layout(bytes, layout);
  if (!checked.ok()) return checked.status();
  return internal::make_mat(bytes, layout.type, *checked);
}

inline const cv::Mat to_mat(const Bytes& bytes, const MatLayout& layout) {
  const absl::StatusOr<internal::CheckedMatLayout> checked =
      internal::check_mat_layout(bytes, layout);
  if (!checked.ok()) internal::fail(std::string(checked.status().message()).c_str());
  return internal::make_mat(bytes, layout.type, *checked);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_OPENCV_H_
