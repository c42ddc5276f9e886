#include "examples/image_transfer/mat_support.h"

#include <bight/interop/opencv.h>

#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace example {
namespace {

// rows, columns and type from the top: 24, 24 and 16 bits
constexpr uint64_t kMaxSide = (uint64_t{1} << 24) - 1;

std::pair<bight::Bytes, uint64_t> load(const std::string& path) {
  const cv::Mat mat = cv::imread(path, cv::IMREAD_UNCHANGED);
  if (mat.empty()) die(path + ": OpenCV reads no picture from it");
  const auto rows = static_cast<uint64_t>(mat.rows), cols = static_cast<uint64_t>(mat.cols);
  if (rows > kMaxSide || cols > kMaxSide) die(path + ": a side is longer than 16777215");
  return {bight::to_bytes(mat), rows << 40 | cols << 16 | static_cast<uint64_t>(mat.type())};
}

bight::Bytes save(const bight::Bytes& pixels, uint64_t layout, const std::string& name) {
  const auto mat = bight::try_to_mat(pixels, {.rows = layout >> 40,
                                              .cols = layout >> 16 & kMaxSide,
                                              .type = static_cast<int>(layout & 0xffff)});
  if (!mat.ok() || mat->empty()) die(name + ": no picture: " + std::string(mat.status().message()));
  const size_t dot = name.rfind('.');
  std::vector<unsigned char> encoded;
  if (dot == name.npos || !cv::haveImageWriter(name) ||
      !cv::imencode(name.substr(dot), *mat, encoded)) {
    die(name + ": OpenCV writes no such picture");
  }
  return bight::Bytes::from_owner(std::move(encoded));
}

[[maybe_unused]] const bool kReady = (mat_functions = {load, save}, true);

}  // namespace
}  // namespace example
