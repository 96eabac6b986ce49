"""Programs that run an export without the project; nothing here imports it.

But for `segmenter.py`, which runs the model that exports are compared with. `run.py` is
started as `python -I run.py FORMAT PATH THREADS [PROJECT]` by `export/runtime.py`.
The others each have `open_export(path, threads)`, which returns a function from uint8
(B, H, W, 3) to the export's output.
"""
