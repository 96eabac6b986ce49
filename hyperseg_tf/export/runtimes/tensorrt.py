"""A TensorRT engine on the first GPU; its memory by the driver's C interface."""

import ctypes


def open_export(path: str, threads: int):
    """Load an engine; threads are the GPU's."""
    import numpy as np
    import tensorrt

    cuda = _Cuda()
    runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
    with open(path, "rb") as file:
        engine = runtime.deserialize_cuda_engine(file.read())
    if engine is None:
        raise RuntimeError("TensorRT does not take the engine for this GPU.")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    (output,) = (name for name in names if name != "images")

    def run(images):
        images = np.ascontiguousarray(images)
        context.set_input_shape("images", images.shape)
        answer = np.empty(
            tuple(context.get_tensor_shape(output)),
            tensorrt.nptype(engine.get_tensor_dtype(output)),
        )
        given, made = cuda.allocate(images.nbytes), cuda.allocate(answer.nbytes)
        try:
            cuda.call("cuMemcpyHtoD_v2", given, _pointer(images), _size(images))
            context.set_tensor_address("images", given.value)
            context.set_tensor_address(output, made.value)
            if not context.execute_async_v3(0):
                raise RuntimeError("TensorRT does not run the engine.")
            cuda.call("cuCtxSynchronize")
            cuda.call("cuMemcpyDtoH_v2", _pointer(answer), made, _size(answer))
        finally:
            cuda.call("cuMemFree_v2", given)
            cuda.call("cuMemFree_v2", made)
        return answer

    # The engine goes with its runtime.
    run.runtime = runtime
    return run


class _Cuda:
    """The driver, with the first GPU's primary context current in this thread."""

    def __init__(self):
        self._driver = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments) -> None:
        """Call a function of the driver and raise what it says."""
        error = getattr(self._driver, name)(*arguments)
        if error:
            raise RuntimeError(f"{name} of the CUDA driver fails: error {error}.")

    def allocate(self, size: int) -> ctypes.c_uint64:
        """Memory on the GPU; its address there."""
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address


def _pointer(array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _size(array) -> ctypes.c_size_t:
    return ctypes.c_size_t(array.nbytes)
