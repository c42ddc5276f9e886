// DLPack tensors from and to bytes, in place: how numpy, torch and their kin hand arrays to one
// another. Link bight::dlpack.
//
//   auto tensor = bight::to_tensor(std::move(bytes), {.type = bight::tensor_type<float>(),
//                                                     .shape = {64, 3, 224, 224}});
//   if (!tensor.ok()) ...                                  // `bytes` is as it was
//   DLManagedTensor* raw = tensor->release();  // for PyCapsule_New
//
// Nothing is copied. A tensor made here holds a handle to the block and drops it in the deleter,
// bytes made here hold the tensor and call its deleter when the last handle goes.
//
// Who may write. DLPack 0.6 has no flag for read-only memory: whoever is given a tensor may write
// it. So to_tensor() takes only bytes that nobody else can see, and what is shared goes out through
// share_read_only(), whose name is the promise that its caller makes for the receiver.
//
// Alignment. dlpack.h speaks of 256 bytes, as CUDA has it. What runs on a CPU asks for the
// alignment of the element and no more, and that is checked here unless the layout asks for more.
//
// Thread safety: a tensor's deleter may run on any thread, with or without Python's lock: it drops
// a handle and touches nothing of Python's.
#ifndef BIGHT_INTEROP_DLPACK_H_
#define BIGHT_INTEROP_DLPACK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <dlpack/dlpack.h>

#include <bit>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/config.h"

#if BIGHT_PLAIN_COUNT
#error "tensors are dropped on any thread: build bight without BIGHT_PLAIN_COUNT"
#endif
#if defined(DLPACK_VERSION) && DLPACK_VERSION < 60
#error "bight needs DLPack 0.6 or later"
#endif

BIGHT_NAMESPACE_BEGIN

// Calls the tensor's deleter. One without a deleter belongs to somebody who frees it otherwise.
struct TensorDeleter {
  void operator()(DLManagedTensor* tensor) const noexcept {
    if (tensor->deleter != nullptr) tensor->deleter(tensor);
  }
};
// A tensor that is owned here. release() hands it to somebody who will call its deleter once.
using ManagedTensor = std::unique_ptr<DLManagedTensor, TensorDeleter>;

// What the bytes hold.
struct TensorLayout {
  // One element; see tensor_type().
  DLDataType type{kDLUInt, 8, 1};
  // Elements in each dimension. Empty: one element.
  std::vector<int64_t> shape{};
  // From one element to the next in each dimension, counted in elements; negative or 0 if you like
  // (torch 1.13 ends the process over a negative one). Empty: compact, the last dimension side by
  // side.
  std::vector<int64_t> strides{};
  // Where element [0, 0, ...] begins in the bytes.
  uint64_t byte_offset = 0;
  // What that element's address must be a multiple of, a power of two; 0: what the type needs.
  size_t alignment = 0;
};

// At most as many dimensions: as many as torch has room for, and twice what numpy has.
inline constexpr size_t kMaxTensorDimensions = 64;

// The type of an element of `T`: integers, float, double, std::complex of float or double; bool as
// uint8_t.
template <class T>
constexpr DLDataType tensor_type() noexcept;

// The bytes as a tensor that may be written. Its data points at element [0, 0, ...] and byte_offset
// is 0, because torch does not look at it; the strides are written out, as later releases of DLPack
// want them.
// Needs: all elements lie inside, the alignment holds, and `bytes.is_unique()` (a tensor without
// elements needs no bytes). Two allocations or three. Fails, with `bytes` as they were: with
// INVALID_ARGUMENT for a layout that cannot be, OUT_OF_RANGE for one that reaches outside,
// FAILED_PRECONDITION for bytes that others can see or that are not the library's memory; with
// bad_alloc.
absl::StatusOr<ManagedTensor> to_tensor(Bytes&& bytes, const TensorLayout& layout);

// The bytes as a tensor that shares them with others, whoever these are: static and foreign bytes
// too. Nothing tells the receiver that it must not write. The caller promises that it does not: a
// write would change bytes under other handles, and one to constants ends the program.
// Costs and fails as to_tensor() does, but for FAILED_PRECONDITION.
absl::StatusOr<ManagedTensor> share_read_only(Bytes bytes, const TensorLayout& layout);

// What `tensor` says of itself, checked: a type of whole bytes, a sound shape, an end that does not
// run over, an aligned address. `byte_offset` is 0: seen from element [0, 0, ...]; strides are
// empty when it is compact. Reads the shape and the strides, not the data. Fails with
// INVALID_ARGUMENT; with bad_alloc.
absl::StatusOr<TensorLayout> layout_of(const DLTensor& tensor);

// The elements' bytes, from element [0, 0, ...] on, in place. Needs a compact tensor in the
// memory of the CPU (device kDLCPU), and that nobody writes it while handles to the bytes live;
// DLPack cannot say whether anybody does. The tensor's deleter is called when the last handle is
// dropped, by that thread; at once for a tensor without elements. A tensor of to_tensor() becomes
// the handle that it was made from, unique again; from others
// `std::move(bytes).try_take_owner<ManagedTensor>()` gives the tensor back.
// One allocation. Fails, with `tensor` as it was: as layout_of() does, and with
// FAILED_PRECONDITION for other devices and for strides that leave gaps; with bad_alloc.
absl::StatusOr<Bytes> to_bytes(ManagedTensor&& tensor);

// Implementation details follow.

namespace internal {

// A tensor of ours, with what it points to.
struct TensorBox {
  DLManagedTensor tensor{};
  Bytes bytes;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;

  static void drop(DLManagedTensor* tensor) noexcept {
    delete static_cast<TensorBox*>(tensor->manager_ctx);
  }
};

// Where a tensor's elements lie, in bytes, seen from element [0, 0, ...].
struct TensorExtent {
  size_t alignment = 1;  // of an element
  size_t below = 0;      // in front of it
  size_t above = 0;      // from it to the end of the last one; 0: no elements
  size_t elements = 0;   // all of them together, one behind the other
  std::vector<int64_t> compact;
  bool is_compact = true;
};

inline constexpr size_t kMaxTensorBytes = static_cast<size_t>(-1) / 2;

inline absl::Status bad_tensor(const std::string& what) {
  return absl::InvalidArgumentError("tensor: " + what);
}
inline std::string list_of(std::span<const int64_t> numbers) {
  return absl::StrCat("[", absl::StrJoin(numbers, ", "), "]");
}

// An element's size; `alignment` becomes what its address needs.
inline absl::StatusOr<size_t> element_size(DLDataType type, size_t& alignment) {
  constexpr unsigned kBool = 6;  // of later releases: a byte
  if (type.code == kDLOpaqueHandle || type.code > kBool) {
    return bad_tensor(absl::StrCat("elements with type code ", type.code, " are not plain bytes"));
  }
  if (type.bits < 8 || !std::has_single_bit(type.bits)) {
    return bad_tensor(absl::StrCat("elements of ", type.bits, " bits; need 8, 16, 32, 64 or 128"));
  }
  if (type.lanes == 0) return bad_tensor("elements of 0 lanes");
  const size_t lane = type.bits / 8u;
  alignment = type.code == kDLComplex && lane > 1 ? lane / 2 : lane;
  return lane * type.lanes;
}

// `sum` + `count` * `size`, or none if that is more than any memory.
inline std::optional<size_t> add_product(size_t sum, uint64_t count, uint64_t size) noexcept {
  if (count != 0 && size > (kMaxTensorBytes - sum) / count) return std::nullopt;
  return sum + static_cast<size_t>(count * size);
}

// `strides` null: compact.
inline absl::StatusOr<TensorExtent> measure(DLDataType type, std::span<const int64_t> shape,
                                            const int64_t* strides) {
  TensorExtent extent;
  const absl::StatusOr<size_t> element = element_size(type, extent.alignment);
  if (!element.ok()) return element.status();
  const auto too_large = [&] {
    return bad_tensor(absl::StrCat("shape ", list_of(shape), " of ", *element,
                                   "-byte elements is larger than any memory"));
  };
  bool any = true;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) return bad_tensor(absl::StrCat("dimension ", i, " has size ", shape[i]));
    any = any && shape[i] != 0;
  }
  // Sizes of 0 count as 1 here, as everybody does it who computes strides.
  extent.compact.resize(shape.size());
  size_t elements = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    extent.compact[i] = static_cast<int64_t>(elements);
    if (shape[i] == 0) continue;
    const std::optional<size_t> product = add_product(0, elements, static_cast<uint64_t>(shape[i]));
    if (!product || *product > kMaxTensorBytes / *element) return too_large();
    elements = *product;
  }
  if (!any) return extent;
  extent.elements = elements * *element;
  extent.above = *element;
  for (size_t i = 0; i < shape.size(); ++i) {
    // The stride of a dimension of one element leads nowhere.
    if (shape[i] == 1) continue;
    const int64_t stride = strides == nullptr ? extent.compact[i] : strides[i];
    extent.is_compact = extent.is_compact && stride == extent.compact[i];
    const uint64_t length =
        stride < 0 ? uint64_t{0} - static_cast<uint64_t>(stride) : static_cast<uint64_t>(stride);
    const std::optional<size_t> step = add_product(0, length, *element);
    size_t& side = stride < 0 ? extent.below : extent.above;
    const std::optional<size_t> sum =
        step ? add_product(side, static_cast<uint64_t>(shape[i]) - 1, *step) : std::nullopt;
    if (!sum) {
      return bad_tensor(absl::StrCat("stride ", stride, " of dimension ", i, " with size ",
                                     shape[i], " reaches beyond any memory"));
    }
    side = *sum;
  }
  return extent;
}

inline absl::Status check_alignment(uintptr_t address, size_t alignment) {
  if (address % alignment != 0) {
    return bad_tensor(absl::StrCat("the first element's address is ", address % alignment,
                                   " bytes behind a multiple of ", alignment));
  }
  return absl::OkStatus();
}

// Takes `bytes` over only if all is well.
inline absl::StatusOr<ManagedTensor> make_tensor(Bytes& bytes, const TensorLayout& layout,
                                                 bool writable) {
  if (layout.shape.size() > kMaxTensorDimensions) {
    return bad_tensor(absl::StrCat(layout.shape.size(), " dimensions; at most ",
                                   kMaxTensorDimensions, " can be"));
  }
  if (!layout.strides.empty() && layout.strides.size() != layout.shape.size()) {
    return bad_tensor(
        absl::StrCat(layout.strides.size(), " strides for ", layout.shape.size(), " dimensions"));
  }
  if (layout.alignment != 0 && !std::has_single_bit(layout.alignment)) {
    return bad_tensor(absl::StrCat("alignment ", layout.alignment, " is not a power of two"));
  }
  absl::StatusOr<TensorExtent> extent =
      measure(layout.type, layout.shape, layout.strides.empty() ? nullptr : layout.strides.data());
  if (!extent.ok()) return extent.status();
  if (layout.byte_offset > bytes.size() || extent->below > layout.byte_offset ||
      extent->above > bytes.size() - layout.byte_offset) {
    return absl::OutOfRangeError(absl::StrCat(
        "tensor: shape ", list_of(layout.shape),
        layout.strides.empty() ? "" : absl::StrCat(" with strides ", list_of(layout.strides)),
        " takes ", extent->below, " bytes in front of offset ", layout.byte_offset, " and ",
        extent->above, " from there on, of ", bytes.size()));
  }
  std::byte* first = nullptr;
  if (extent->above != 0) {
    if (writable && !bytes.is_unique()) {
      return absl::FailedPreconditionError(
          "tensor: its receiver may write, and these bytes are shared or not the library's own "
          "memory; copy them, or see share_read_only()");
    }
    // Whoever may not write was told so by the function's name.
    first = const_cast<std::byte*>(bytes.data()) + layout.byte_offset;
    const absl::Status aligned =
        check_alignment(reinterpret_cast<uintptr_t>(first),
                        layout.alignment == 0 ? extent->alignment : layout.alignment);
    if (!aligned.ok()) return aligned;
  }
  auto box = std::make_unique<TensorBox>();
  box->shape = layout.shape;
  box->strides = layout.strides.empty() ? std::move(extent->compact) : layout.strides;
  box->bytes = std::move(bytes);
  DLManagedTensor& made = box->tensor;
  made.dl_tensor.data = first;
  made.dl_tensor.device = DLDevice{kDLCPU, 0};
  made.dl_tensor.ndim = static_cast<int>(box->shape.size());
  made.dl_tensor.dtype = layout.type;
  made.dl_tensor.shape = box->shape.data();
  made.dl_tensor.strides = box->strides.data();
  made.dl_tensor.byte_offset = 0;
  made.manager_ctx = box.get();
  made.deleter = &TensorBox::drop;
  return ManagedTensor(&box.release()->tensor);
}

// The first element's address is checked and is `data` + `byte_offset`.
inline absl::StatusOr<TensorExtent> measure_foreign(const DLTensor& tensor) {
  if (tensor.ndim < 0 || static_cast<size_t>(tensor.ndim) > kMaxTensorDimensions) {
    return bad_tensor(
        absl::StrCat(tensor.ndim, " dimensions; from 0 to ", kMaxTensorDimensions, " can be"));
  }
  if (tensor.ndim != 0 && tensor.shape == nullptr) {
    return bad_tensor(absl::StrCat(tensor.ndim, " dimensions and no shape"));
  }
  absl::StatusOr<TensorExtent> extent = measure(
      tensor.dtype, std::span(tensor.shape, static_cast<size_t>(tensor.ndim)), tensor.strides);
  if (!extent.ok() || extent->above == 0) return extent;
  if (tensor.data == nullptr) return bad_tensor("elements at address 0");
  constexpr uintptr_t kEnd = static_cast<uintptr_t>(-1);
  const auto data = reinterpret_cast<uintptr_t>(tensor.data);
  if (tensor.byte_offset > kEnd - data ||
      extent->above > kEnd - data - static_cast<size_t>(tensor.byte_offset) ||
      extent->below > data + static_cast<size_t>(tensor.byte_offset)) {
    return bad_tensor(absl::StrCat("byte offset ", tensor.byte_offset,
                                   " and the strides lead around the end of memory"));
  }
  const absl::Status aligned =
      check_alignment(data + static_cast<size_t>(tensor.byte_offset), extent->alignment);
  if (!aligned.ok()) return aligned;
  return extent;
}

}  // namespace internal

template <class T>
constexpr DLDataType tensor_type() noexcept {
  constexpr auto kBits = static_cast<uint8_t>(sizeof(T) * 8);
  if constexpr (std::same_as<T, std::complex<float>> || std::same_as<T, std::complex<double>>) {
    return {kDLComplex, kBits, 1};
  } else if constexpr (std::same_as<T, float> || std::same_as<T, double>) {
    return {kDLFloat, kBits, 1};
  } else {
    static_assert(std::integral<T> && !std::is_const_v<T>,
                  "tensor_type knows integers, float, double and std::complex of these");
    return {std::signed_integral<T> ? uint8_t{kDLInt} : uint8_t{kDLUInt}, kBits, 1};
  }
}

inline absl::StatusOr<ManagedTensor> to_tensor(Bytes&& bytes, const TensorLayout& layout) {
  return internal::make_tensor(bytes, layout, true);
}

inline absl::StatusOr<ManagedTensor> share_read_only(Bytes bytes, const TensorLayout& layout) {
  return internal::make_tensor(bytes, layout, false);
}

inline absl::StatusOr<TensorLayout> layout_of(const DLTensor& tensor) {
  const absl::StatusOr<internal::TensorExtent> extent = internal::measure_foreign(tensor);
  if (!extent.ok()) return extent.status();
  TensorLayout layout;
  layout.type = tensor.dtype;
  layout.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  if (!extent->is_compact) layout.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  layout.alignment = extent->alignment;
  return layout;
}

inline absl::StatusOr<Bytes> to_bytes(ManagedTensor&& tensor) {
  if (tensor == nullptr) return internal::bad_tensor("none");
  const DLTensor& in = tensor->dl_tensor;
  if (in.device.device_type != kDLCPU) {
    return absl::FailedPreconditionError(
        absl::StrCat("tensor: on device type ", static_cast<int>(in.device.device_type),
                     ", not in the memory of the CPU (1); copy it there first"));
  }
  const absl::StatusOr<internal::TensorExtent> extent = internal::measure_foreign(in);
  if (!extent.ok()) return extent.status();
  if (!extent->is_compact) {
    const auto dimensions = static_cast<size_t>(in.ndim);
    return absl::FailedPreconditionError(absl::StrCat(
        "tensor: strides ", internal::list_of(std::span(in.strides, dimensions)),
        " are not the compact ", internal::list_of(extent->compact), "; make it contiguous first"));
  }
  const std::byte* const first =
      extent->above == 0 ? nullptr : static_cast<const std::byte*>(in.data) + in.byte_offset;
  const std::span<const std::byte> elements(first, extent->elements);
  if (tensor->deleter == &internal::TensorBox::drop && !elements.empty()) {
    const internal::TensorBox& box = *static_cast<internal::TensorBox*>(tensor->manager_ctx);
    if (std::optional<Bytes> back = box.bytes.try_slice_ref(ByteView(elements))) {
      tensor.reset();
      return *std::move(back);
    }
  }
  return Bytes::from_owner(std::move(tensor), elements);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_DLPACK_H_
