"""An ONNX file in ONNX Runtime on the CPU."""


def open_export(path: str, threads: int):
    """Load a file; 0 threads leave the choice to ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {"images": images})[0]
