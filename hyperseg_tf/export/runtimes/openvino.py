"""An OpenVINO file on the CPU, in float32 whatever the processor would choose."""


def open_export(path: str, threads: int):
    """Load a file; 0 threads leave the choice to OpenVINO."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda images: compiled(images)[0]
