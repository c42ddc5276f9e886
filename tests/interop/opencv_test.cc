#include "bight/interop/opencv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using interop_test::counted;
using interop_test::pattern;
using ::testing::HasSubstr;

const std::byte* address(const cv::Mat& mat) {
  return reinterpret_cast<const std::byte*>(mat.data);
}

// A Mat of its own whose bytes are pattern().
cv::Mat picture(int rows, int cols, int type) {
  cv::Mat mat(rows, cols, type);
  const std::string bytes = pattern(mat.total() * mat.elemSize());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(mat.data));
  return mat;
}

std::string text(const cv::Mat& mat) {
  const cv::Mat flat = mat.clone();
  return std::string(reinterpret_cast<const char*>(flat.data), flat.total() * flat.elemSize());
}

// ---- Mat to Bytes ----------------------------------------------------------------------------

TEST(MatToBytesTest, TheBytesAreThePixelsWhereTheyAre) {
  const cv::Mat mat = picture(5, 7, CV_8UC3);
  const CopyAudit audit;
  const Bytes bytes = to_bytes(mat);
  EXPECT_EQ(bytes.data(), address(mat));
  EXPECT_EQ(bytes.size(), 5u * 7 * 3);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(bytes, text(mat));
}

TEST(MatToBytesTest, TheBytesKeepThePixelsAliveAndLetThemGo) {
  cv::Mat mat = picture(5, 7, CV_8UC3);
  const std::string before = text(mat);
  cv::UMatData* const block = mat.u;
  Bytes bytes = to_bytes(mat);
  EXPECT_EQ(block->refcount, 2);
  Bytes part = bytes.slice(10, 20);
  EXPECT_EQ(block->refcount, 2);  // one header, however many handles
  bytes.clear();
  EXPECT_EQ(block->refcount, 2);
  mat.release();
  EXPECT_EQ(block->refcount, 1);
  EXPECT_EQ(part, before.substr(10, 20));
  mat = picture(1, 1, CV_8UC1);
  part.clear();  // the leak check sees whether the pixels went
}

TEST(MatToBytesTest, ADropGivesTheHeaderBack) {
  const cv::Mat mat = picture(5, 7, CV_8UC1);
  { const Bytes bytes = to_bytes(mat); }
  EXPECT_EQ(mat.u->refcount, 1);
}

TEST(MatToBytesTest, AnOnlyHandleGivesTheMatBack) {
  cv::Mat mat = picture(5, 7, CV_16UC1);
  const std::byte* const place = address(mat);
  Bytes bytes = to_bytes(mat);
  mat.release();
  Bytes other = bytes;
  EXPECT_FALSE(std::move(bytes).try_take_owner<cv::Mat>());
  other.clear();
  const std::optional<cv::Mat> back = std::move(bytes).try_take_owner<cv::Mat>();
  ASSERT_TRUE(back);
  EXPECT_EQ(address(*back), place);
  EXPECT_EQ(back->u->refcount, 1);
  EXPECT_EQ(back->type(), CV_16UC1);
}

TEST(MatToBytesTest, AnEmptyMatIsNoBytes) {
  EXPECT_TRUE(to_bytes(cv::Mat()).empty());
  EXPECT_TRUE(to_chain(cv::Mat()).empty());
  EXPECT_TRUE(to_chain(cv::Mat(0, 5, CV_8UC1)).empty());
}

TEST(MatToBytesTest, AMatOfManyDimensionsIsOneRun) {
  const int sizes[] = {3, 4, 5, 2};
  const cv::Mat mat(4, sizes, CV_32FC2, cv::Scalar(1.5, -2));
  const Bytes bytes = to_bytes(mat);
  EXPECT_EQ(bytes.data(), address(mat));
  EXPECT_EQ(bytes.size(), 3u * 4 * 5 * 2 * 8);
  EXPECT_EQ(to_chain(mat).segment_count(), 1u);
}

TEST(MatToBytesTest, RegionsOfWholeRowsAndOfOneRowAreContinuous) {
  const cv::Mat mat = picture(6, 8, CV_8UC1);
  EXPECT_EQ(to_bytes(mat.rowRange(2, 4)).data(), address(mat) + 16);
  EXPECT_EQ(to_bytes(mat.rowRange(2, 4)).size(), 16u);
  EXPECT_EQ(to_bytes(mat.row(3).colRange(2, 5)), pattern(48).substr(26, 3));
}

TEST(MatToBytesDeathTest, ARegionThatIsNotContinuousStopsTheProgram) {
  const cv::Mat mat = picture(6, 8, CV_8UC1);
  EXPECT_DEATH((void)to_bytes(mat.colRange(1, 4)), "not continuous: run\\(3\\) of 18");
}

TEST(MatToBytesDeathTest, AMatOverSomebodyElsesMemoryStopsTheProgram) {
  std::vector<uint8_t> pixels(12);
  const cv::Mat mat(3, 4, CV_8UC1, pixels.data());
  EXPECT_DEATH((void)to_bytes(mat), "does not own");
  EXPECT_DEATH((void)to_chain(mat), "does not own");
}

// ---- Mat to Chain ----------------------------------------------------------------------------

TEST(MatToChainTest, AContinuousMatIsOneSegment) {
  const cv::Mat mat = picture(5, 7, CV_8UC3);
  const Chain chain = to_chain(mat);
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(chain.front().data(), address(mat));
  EXPECT_EQ(chain, text(mat));
}

TEST(MatToChainTest, TheRowsOfARegionAreSegmentsOfOneOwner) {
  cv::Mat mat = picture(50, 64, CV_8UC3);
  cv::UMatData* const block = mat.u;
  const CopyAudit audit;
  {
    const cv::Mat region = mat(cv::Rect(10, 5, 20, 30));
    Chain chain = to_chain(region);
    ASSERT_EQ(chain.segment_count(), 30u);
    for (int row = 0; row < 30; ++row) {
      const auto segment = chain.segment(static_cast<size_t>(row));
      EXPECT_EQ(segment.data(), reinterpret_cast<const std::byte*>(region.ptr(row)));
      EXPECT_EQ(segment.size(), 60u);
    }
    EXPECT_EQ(block->refcount, 3);  // mat, region, and one for thirty rows
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_EQ(chain, text(region));
    chain.check_invariants();
    const Bytes last = chain.segment_bytes(29);
    chain.clear();
    EXPECT_EQ(block->refcount, 3);
  }
  EXPECT_EQ(block->refcount, 1);
}

TEST(MatToChainTest, ARowOutlivesTheMat) {
  Bytes row;
  {
    const cv::Mat mat = picture(6, 8, CV_8UC1);
    row = to_chain(mat.colRange(2, 5)).segment_bytes(4);
  }
  EXPECT_EQ(row, pattern(48).substr(34, 3));
}

TEST(MatToChainTest, RegionsOfEveryPlaceReadAsTheirClones) {
  const cv::Mat mat = picture(4, 5, CV_16UC2);
  for (int x = 0; x <= 5; ++x) {
    for (int y = 0; y <= 4; ++y) {
      for (int w = 0; x + w <= 5; ++w) {
        for (int h = 0; y + h <= 4; ++h) {
          const cv::Mat region = mat(cv::Rect(x, y, w, h));
          ASSERT_EQ(to_chain(region), text(region)) << x << ' ' << y << ' ' << w << ' ' << h;
        }
      }
    }
  }
}

TEST(MatToChainTest, RegionsOfManyDimensionsReadAsTheirClones) {
  const int sizes[] = {3, 4, 5};
  cv::Mat mat(3, sizes, CV_8UC1);
  const std::string all = pattern(60);
  std::copy(all.begin(), all.end(), reinterpret_cast<char*>(mat.data));
  for (int from = 0; from < 3; ++from) {
    const std::vector<cv::Range> ranges[] = {
        {cv::Range(from, 3), cv::Range::all(), cv::Range::all()},
        {cv::Range::all(), cv::Range(from, 3), cv::Range::all()},
        {cv::Range::all(), cv::Range::all(), cv::Range(from, 3)},
        {cv::Range(from, from + 1), cv::Range(1, 3), cv::Range(0, 5)},
        {cv::Range(0, 2), cv::Range(1, 2), cv::Range(from, 4)}};
    for (const auto& range : ranges) {
      const cv::Mat region = mat(range);
      ASSERT_EQ(to_chain(region), text(region));
    }
  }
  // Whole planes of it are one run each: no segment a row.
  EXPECT_EQ(to_chain(mat({cv::Range::all(), cv::Range(1, 3), cv::Range::all()})).segment_count(),
            3u);
}

// ---- Bytes to Mat ----------------------------------------------------------------------------

TEST(BytesToMatTest, TheMatShowsTheBytesWhereTheyAre) {
  const Bytes bytes = Bytes::copy_of(pattern(2 * 3 * 3));
  const CopyAudit audit;
  const cv::Mat mat = to_mat(bytes, {.rows = 2, .cols = 3, .type = CV_8UC3});
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(address(mat), bytes.data());
  EXPECT_EQ(mat.rows, 2);
  EXPECT_EQ(mat.cols, 3);
  EXPECT_EQ(mat.type(), CV_8UC3);
  EXPECT_TRUE(mat.isContinuous());
  EXPECT_EQ(mat.at<cv::Vec3b>(1, 2)[2], static_cast<uint8_t>(pattern(18)[17]));
}

TEST(BytesToMatTest, EveryKindOfCopyKeepsTheBytesAlive) {
  int released = 0;
  std::optional<cv::Mat> copy, region, moved, reshaped;
  cv::Mat assigned;
  cv::UMat unified;
  {
    const cv::Mat mat =
        to_mat(counted(pattern(64), released), {.rows = 8, .cols = 8, .type = CV_8UC1});
    copy = mat;
    region = mat(cv::Rect(2, 2, 4, 4));
    reshaped = mat.reshape(1, 4);
    assigned = mat;
    cv::Mat other = mat;
    moved = std::move(other);
    unified = mat.getUMat(cv::ACCESS_READ);
  }
  EXPECT_EQ(released, 0);
  copy.reset();
  reshaped.reset();
  assigned.release();
  moved.reset();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(region->at<uint8_t>(1, 1), static_cast<uint8_t>(pattern(64)[27]));
  region.reset();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(unified.getMat(cv::ACCESS_READ).at<uint8_t>(7, 7),
            static_cast<uint8_t>(pattern(64)[63]));
  unified.release();
  EXPECT_EQ(released, 1);
}

TEST(BytesToMatTest, ACloneIsMemoryOfItsOwn) {
  int released = 0;
  cv::Mat clone;
  {
    const cv::Mat mat =
        to_mat(counted(pattern(64), released), {.rows = 8, .cols = 8, .type = CV_8UC1});
    clone = mat.clone();
    EXPECT_NE(clone.data, mat.data);
  }
  EXPECT_EQ(released, 1);
  clone.at<uint8_t>(0, 0) = 1;
  EXPECT_EQ(text(clone).substr(1), pattern(64).substr(1));
}

TEST(BytesToMatTest, AHeaderThatTakesAnotherPictureLetsGo) {
  int released = 0;
  cv::Mat mat = to_mat(counted(pattern(64), released), {.rows = 8, .cols = 8, .type = CV_8UC1});
  mat.create(9, 9, CV_8UC3);
  EXPECT_EQ(released, 1);
  mat.setTo(1);
}

TEST(BytesToMatTest, TheLastHeaderMayGoOnAnotherThread) {
  int released = 0;
  cv::Mat mat = to_mat(counted(pattern(64), released), {.rows = 8, .cols = 8, .type = CV_8UC1});
  std::thread([other = std::move(mat)]() mutable { other.release(); }).join();
  EXPECT_EQ(released, 1);
}

TEST(BytesToMatTest, RowsMayStandApart) {
  const Bytes bytes = Bytes::copy_of(pattern(23));  // the last row needs no step
  const cv::Mat mat = to_mat(bytes, {.rows = 3, .cols = 3, .type = CV_8UC1, .step = 10});
  EXPECT_FALSE(mat.isContinuous());
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(mat.ptr(row), bytes.u8() + 10 * row);
  }
  EXPECT_EQ(to_chain(mat),
            pattern(23).substr(0, 3) + pattern(23).substr(10, 3) + pattern(23).substr(20, 3));
}

TEST(BytesToMatTest, OneRowMayHaveAnyStep) {
  const Bytes bytes = Bytes::copy_of(pattern(8));
  for (const size_t step : {size_t{8}, size_t{4096}, static_cast<size_t>(-1)}) {
    const cv::Mat mat = to_mat(bytes, {.rows = 1, .cols = 8, .type = CV_8UC1, .step = step});
    EXPECT_EQ(address(mat), bytes.data());
    EXPECT_EQ(size_t{mat.step}, 8u);
    EXPECT_EQ(to_bytes(mat), pattern(8));
  }
}

TEST(BytesToMatTest, WithoutRowsOrColumnsTheMatKeepsNothing) {
  int released = 0;
  Bytes bytes = counted(pattern(8), released);
  const cv::Mat mat = to_mat(bytes, {.rows = 0, .cols = 8, .type = CV_8UC1});
  EXPECT_TRUE(mat.empty());
  bytes.clear();
  EXPECT_EQ(released, 1);
}

TEST(BytesToMatTest, ThereAndBackAreTheSamePixels) {
  cv::Mat mat = picture(5, 7, CV_64FC4);
  const std::byte* const place = address(mat);
  const std::string before = text(mat);
  cv::Mat again = to_mat(to_bytes(mat), {.rows = 5, .cols = 7, .type = CV_64FC4});
  mat.release();
  EXPECT_EQ(address(again), place);
  const Bytes bytes = to_bytes(again);
  again.release();
  EXPECT_EQ(bytes.data(), place);
  EXPECT_EQ(bytes, before);
}

TEST(BytesToMatTest, StaticBytesNeedNoOwner) {
  static constexpr char kPixels[] = "0123456789ab";
  const cv::Mat mat = to_mat(Bytes::from_static(kPixels), {.rows = 3, .cols = 4, .type = CV_8UC1});
  EXPECT_EQ(mat.at<uint8_t>(2, 3), 'b');
}

// ---- What is refused -------------------------------------------------------------------------

struct Refusal {
  MatLayout layout;
  std::string why;
};

TEST(BytesToMatTest, WhatIsWrongFromOutsideIsAnErrorWithBothNumbers) {
  constexpr size_t kHuge = static_cast<size_t>(-1);
  constexpr size_t kMost = INT_MAX;
  const Bytes bytes = Bytes::copy_of(pattern(100));
  const std::vector<Refusal> refusals = {
      {{.rows = 10, .cols = 11}, "10 rows of 11 bytes need 110, there are 100"},
      {{.rows = 101, .cols = 1}, "101 rows of 1 bytes need 101, there are 100"},
      {{.rows = 2, .cols = 1, .step = 100}, "2 rows of 100 bytes need 101, there are 100"},
      {{.rows = 5, .cols = 10, .step = 9}, "a step of 9 bytes is less than a row of 10"},
      {{.rows = 5, .cols = 3, .type = CV_16UC1, .step = 7},
       "a step of 7 bytes is no multiple of the element's 2"},
      {{.rows = kMost + 1, .cols = 1}, "2147483648 rows are more than 2147483647"},
      {{.rows = 1, .cols = kHuge}, "columns are more than 2147483647"},
      {{.rows = kMost, .cols = kMost, .type = CV_64FC(512)}, "bytes overflow"},
      {{.rows = 3, .cols = 1, .step = kHuge}, "3 rows of 18446744073709551615 bytes overflow"},
      {{.rows = 3, .cols = 1, .step = kHuge / 2}, "bytes overflow"},
      {{.rows = 1, .cols = 1, .type = -1}, "type -1 is none of 0 to 4095"},
      {{.rows = 1, .cols = 1, .type = 4096}, "type 4096 is none of 0 to 4095"},
  };
  for (const Refusal& refusal : refusals) {
    const auto mat = try_to_mat(bytes, refusal.layout);
    EXPECT_EQ(mat.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(mat.status().message()), HasSubstr(refusal.why));
  }
  EXPECT_EQ(bytes, pattern(100));
}

TEST(BytesToMatTest, ElementsOffTheirBoundaryAreRefused) {
  const Bytes bytes = Bytes::copy_of(pattern(65));
  const auto mat = try_to_mat(bytes.slice(1), {.rows = 4, .cols = 4, .type = CV_32FC1});
  EXPECT_THAT(std::string(mat.status().message()), HasSubstr("begin 1 behind a multiple of 4"));
  EXPECT_TRUE(try_to_mat(bytes.slice(1), {.rows = 4, .cols = 4, .type = CV_8UC4}).ok());
}

TEST(BytesToMatTest, EverySizeIsTakenOrRefusedByWhatItNeeds) {
  for (size_t size = 0; size < 40; ++size) {
    const Bytes bytes = Bytes::copy_of(pattern(size));
    for (size_t rows = 1; rows < 5; ++rows) {
      for (size_t cols = 1; cols < 5; ++cols) {
        for (size_t step = cols; step < 8; ++step) {
          const auto mat = try_to_mat(bytes, {.rows = rows, .cols = cols, .step = step});
          ASSERT_EQ(mat.ok(), (rows - 1) * step + cols <= size);
          if (!mat.ok()) continue;
          ASSERT_EQ(cv::sum(*mat), cv::sum(mat->clone()));  // reads all of it
        }
      }
    }
  }
}

TEST(BytesToMatDeathTest, TooFewBytesStopTheProgram) {
  const Bytes bytes = Bytes::copy_of(pattern(10));
  EXPECT_DEATH((void)to_mat(bytes, {.rows = 4, .cols = 3}),
               "to_mat: 4 rows of 3 bytes need 12, there are 10");
}

}  // namespace
}  // namespace bight
