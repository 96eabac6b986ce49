"""A TFLite file in LiteRT."""


def open_export(path: str, threads: int):
    """Load a file; 0 threads leave the choice to LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path, num_threads=threads or None).get_signature_runner()
    (output,) = runner.get_output_details()
    return lambda images: runner(images=images)[output]
