// What --mat needs of OpenCV. mat_support.cc, which is compiled only where OpenCV is, fills it in.
#ifndef EXAMPLES_IMAGE_TRANSFER_MAT_SUPPORT_H_
#define EXAMPLES_IMAGE_TRANSFER_MAT_SUPPORT_H_

#include <bight/bytes.h>

#include <cstdint>
#include <string>
#include <utility>

#include "examples/support/process.h"

namespace example {

struct MatSupport {
  // The pixels of the picture at `path` where OpenCV decoded them, and their layout (see
  // README.md).
  std::pair<bight::Bytes, uint64_t> (*load)(const std::string& path) = nullptr;
  // Wraps pixels where they were received, and encodes the picture as the suffix of `name` says.
  bight::Bytes (*save)(const bight::Bytes& pixels, uint64_t layout,
                       const std::string& name) = nullptr;
};
inline MatSupport mat_functions;

// Dies in a program without OpenCV.
inline const MatSupport& mat_support() {
  if (mat_functions.load == nullptr) die("--mat: this program was built without OpenCV");
  return mat_functions;
}

}  // namespace example

#endif  // EXAMPLES_IMAGE_TRANSFER_MAT_SUPPORT_H_
