"""Batches of tensors from a socket, received ahead and handed over by DLPack without a copy.

    with Receiver(socket, "build/bin/tensor_batches_receiver.so") as receiver:
        for batch in receiver:
            images = torch.from_dlpack(batch.images)    # or numpy.from_dlpack
"""
import ctypes
import time

# Pointers are opaque here; None is null.
_Pointer = ctypes.c_void_p
_IMAGES, _LABELS = 0, 1
_CPU = (1, 0)  # kDLCPU
# The capsule keeps the pointer to its name, so the name must stay.
_CAPSULE_NAME = ctypes.create_string_buffer(b"dltensor")

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [_Pointer, _Pointer, _Pointer]

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = _Pointer
_capsule_pointer.argtypes = [ctypes.py_object, _Pointer]
_name_capsule = ctypes.pythonapi.PyCapsule_SetName
_name_capsule.argtypes = [ctypes.py_object, _Pointer]
_USED_NAME = ctypes.create_string_buffer(b"used_dltensor")


def _load(path):
    # CDLL lets other threads run Python while a function of the library runs, as it may wait.
    library = ctypes.CDLL(path)
    for name, result, arguments in (
        ("open", _Pointer, [ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_int]),
        ("close", None, [_Pointer]),
        ("next", _Pointer, [_Pointer]),
        ("error", ctypes.c_char_p, [_Pointer]),
        ("figures", None, [_Pointer, ctypes.POINTER(ctypes.c_uint64)]),
        ("drop", None, [_Pointer]),
        ("sequence", ctypes.c_uint64, [_Pointer]),
        ("address", _Pointer, [_Pointer, ctypes.c_size_t]),
        ("tensor", _Pointer, [_Pointer, ctypes.c_size_t, ctypes.c_int]),
        ("refusal", ctypes.c_char_p, [_Pointer]),
        ("drop_tensor", None, [_Pointer]),
        ("checksum", ctypes.c_int, [_Pointer, ctypes.POINTER(ctypes.c_uint32), ctypes.c_char_p,
                                    ctypes.c_size_t]),
    ):
        function = getattr(library, "tensor_batches_" + name)
        function.restype, function.argtypes = result, arguments
    return library


def checksum(array, library):
    """The CRC-32C of an array of numpy or torch, taken in by DLPack as bytes, in place."""
    capsule = array.__dlpack__()
    tensor = _capsule_pointer(capsule, ctypes.addressof(_CAPSULE_NAME))
    _name_capsule(capsule, ctypes.addressof(_USED_NAME))  # the tensor is ours from here on
    crc, error = ctypes.c_uint32(), ctypes.create_string_buffer(1000)
    if _load(library).tensor_batches_checksum(tensor, crc, error, len(error)) != 0:
        raise BufferError(error.value.decode())
    return crc.value


class Tensor:
    """One tensor of a batch, for from_dlpack(). Unless it is shared, it can be taken once."""

    def __init__(self, batch, index, shared=False):
        self._batch, self._index, self._shared = batch, index, shared

    @property
    def address(self):
        """Where the receiver has put it."""
        return self._batch._library.tensor_batches_address(self._batch._pointer, self._index)

    def shared(self):
        """The same for several takers, none of which may write: DLPack 0.6 cannot tell them."""
        return Tensor(self._batch, self._index, True)

    def __dlpack__(self, stream=None):
        library, pointer = self._batch._library, self._batch._pointer
        tensor = library.tensor_batches_tensor(pointer, self._index, self._shared)
        if not tensor:
            raise BufferError(library.tensor_batches_refusal(pointer).decode())
        try:
            # The destructor is C++: it may run while an exception is on its way, which Python could
            # not do.
            return _new_capsule(tensor, ctypes.addressof(_CAPSULE_NAME),
                                ctypes.cast(library.tensor_batches_drop_capsule, _Pointer))
        except BaseException:
            library.tensor_batches_drop_tensor(tensor)
            raise

    def __dlpack_device__(self):
        return _CPU


class Batch:
    def __init__(self, library, pointer):
        self._library, self._pointer = library, pointer
        self.sequence = library.tensor_batches_sequence(pointer)

    # Made when asked for: kept here they would make a cycle, and a batch that is dropped would hold
    # its block until the next garbage collection.
    @property
    def images(self):
        return Tensor(self, _IMAGES)

    @property
    def labels(self):
        return Tensor(self, _LABELS)

    def __del__(self):
        # What was taken out of it lives on.
        self._library.tensor_batches_drop(self._pointer)


class Receiver:
    """Iterates over the batches that come. At most `blocks` of them are in memory, those with the
    caller included, so a caller who holds all of them waits in vain. ConnectionError after
    `patience` seconds without a byte or without a block, and for whatever is not as it should be."""

    def __init__(self, socket, library, blocks=4, patience=60, verify=False):
        self._library = _load(library)
        socket.setblocking(True)
        self._pointer = self._library.tensor_batches_open(socket.detach(), blocks, patience, verify)
        if not self._pointer:
            raise MemoryError("no receiver")
        self.waited = 0.0  # seconds

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._pointer:
            self._library.tensor_batches_close(self._pointer)
            self._pointer = None

    def __iter__(self):
        return self

    def __next__(self):
        start = time.perf_counter()
        pointer = self._library.tensor_batches_next(self._pointer)
        self.waited += time.perf_counter() - start
        if pointer:
            return Batch(self._library, pointer)
        error = self._library.tensor_batches_error(self._pointer).decode()
        if error:
            raise ConnectionError(error)
        raise StopIteration

    def figures(self):
        """Blocks made, lent now, lent at most at once, loans; bytes that the library copied."""
        values = (ctypes.c_uint64 * 5)()
        self._library.tensor_batches_figures(self._pointer, values)
        return dict(zip(("made", "lent", "most_lent", "loans", "copied"), values))
