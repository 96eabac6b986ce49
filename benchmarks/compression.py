"""What pruning and clustering cost and save: size, sparsity, latency, mIoU.

    python -m benchmarks.compression [--quick] [--json FILE] [--work DIR]

The demo's model on the demo's scenes (`make demo`), trained on: as it is, pruned to
50, 75 and 90 %, and, since training on alone changes the score, not pruned. All but
the first have the same epochs, rate and seed. Clustering trains nothing. Every model is
folded, and converted to TFLite in float32; `deflated` is such a file in a zip at level
9. mIoU is over the held-out scenes, in TensorFlow and once more by the TFLite file.

Two TFLite files of the first model hold 8 bits: `int8 weights` by TFLite's dynamic
range, without training, and `int8 backbone` after quantization-aware training of one
pass over the training scenes.

Latency is of one picture at batch 1: CPU time, the least of all rounds, in TensorFlow
of all its threads and in TFLite of its one, and TFLite's wall time, the median. The
models take turns in one process. A busy machine changes CPU time least.

Training takes most of the time: --work keeps the runs, and the next call goes on.
"""

import argparse
import contextlib
import dataclasses
import functools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import harness, lite

REFERENCE = "dense"
PRUNED, QUICK = (50, 75, 90), (75,)
CLUSTERS = (64, 32, 16)
# Epochs, rate: as the demo's 5 epochs, shorter and from a lower rate.
EPOCHS, LEARNING_RATE = 4, 1e-3
SIZE = (192, 256)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a check, no result")
    parser.add_argument("--json", type=Path, help="also write every number here")
    parser.add_argument("--work", type=Path, help="keeps data, runs and models")
    parser.add_argument("--data", type=Path, help="the demo's scenes (generated)")
    parser.add_argument("--model", type=Path, help="trained on them (trained)")
    parser.add_argument("--rounds", type=int, default=40, help="of latency (40)")
    args = parser.parse_args()
    machine = harness.describe_machine(1)
    with _folder(args.work) as work:
        rows, files = compress(work, args.data, args.model, args.quick)
        times = latencies(files, 3 if args.quick else args.rounds)
    rows = [{**row, **times[row["name"]]} for row in rows]
    print(f"hyperseg_tiny, {SIZE[0]}x{SIZE[1]}, the demo's scenes")
    print("\n".join(harness.machine_lines(machine)))
    print(f"\n{table(rows)}")
    harness.write_json({"machine": machine, "models": rows}, args.json)


def compress(
    work: Path, data: Path | None, dense: Path | None, quick: bool
) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """Train and cluster.

    Returns:
        A row of the table per model, and the folder of its two files.
    """
    from hyperseg_tf import load
    from hyperseg_tf.compression.clustering import cluster

    data = data or scenes(work / "data", quick)
    dense = dense or fine_tuned(work / "dense", data, None, 0, quick)
    models = {REFERENCE: load(dense)}
    for percent in QUICK if quick else (0, *PRUNED):
        name = f"pruned {percent} %" if percent else "dense, trained on"
        out = work / f"pruned_{percent}"
        models[name] = load(fine_tuned(out, data, dense, percent / 100, quick))
    for count in CLUSTERS[:1] if quick else CLUSTERS:
        models[f"dense, {count} values"] = cluster(models[REFERENCE], count)
    if not quick:
        models["pruned 75 %, 32 values"] = cluster(models["pruned 75 %"], 32)
    rows, files = [], {}
    for name, model in models.items():
        harness.progress(f"measuring: {name}")
        files[name] = work / "models" / name.replace(" ", "_")
        rows.append({"name": name, **measured(model, files[name], data)})
    eight_bit = {"int8 weights": dynamic} | ({} if quick else {"int8 backbone": aware})
    for name, make in eight_bit.items():
        harness.progress(f"measuring: {name}")
        files[name] = work / "models" / name.replace(" ", "_")
        contents = make(models[REFERENCE], data)
        rows.append({"name": name, **lite_alone(contents, files[name], data)})
    return rows, files


def scenes(directory: Path, quick: bool) -> Path:
    """The demo's data, generated once; a few of them where it must be quick."""
    from hyperseg_tf.pipelines.road_scenes.folder import write

    train, val = (8, 4) if quick else (240, 40)
    write(directory, train=train, val=val, size=SIZE)
    return directory


def fine_tuned(
    out: Path, data: Path, weights: Path | None, sparsity: float, quick: bool
) -> Path:
    """The best model of a run of the demo's recipe, from weights or from the start."""
    from hyperseg_tf import recipes, train

    recipe = recipes.get("demo")
    if weights is not None:
        recipe = dataclasses.replace(
            recipe, weights=str(weights), epochs=EPOCHS, learning_rate=LEARNING_RATE
        )
    recipe = dataclasses.replace(recipe, prune=recipes.Prune(sparsity=sparsity))
    if quick:
        recipe = dataclasses.replace(recipe, epochs=1, samples_per_epoch=16)
    return train(recipe, data, out).model


def measured(model, folder: Path, data: Path) -> dict[str, Any]:
    """Size, sparsity and scores of a model; writes model.keras and model.tflite."""
    from hyperseg_tf import evaluate
    from hyperseg_tf.compression.files import deflated
    from hyperseg_tf.compression.sparsity import sparsity

    folded = model.fold()
    folder.mkdir(parents=True, exist_ok=True)
    keras_file, lite_file = folder / "model.keras", folder / "model.tflite"
    folded.save(keras_file)
    lite_file.write_bytes(lite.convert(model, SIZE))
    found = sparsity(folded)
    return {
        "sparsity_before_folding": sparsity(model).of_kernels,
        "sparsity": found.of_kernels,
        "sparsity_of_model": found.of_model,
        "keras_bytes": keras_file.stat().st_size,
        "keras_deflated": deflated(keras_file),
        "tflite_bytes": lite_file.stat().st_size,
        "tflite_deflated": deflated(lite_file),
        "miou": evaluate(model, data).miou,
        "tflite_miou": lite.miou(lite_file, data),
    }


def lite_alone(contents: bytes, folder: Path, data: Path) -> dict[str, Any]:
    """Size and score of what is a TFLite file only; writes model.tflite."""
    from hyperseg_tf.compression.files import deflated

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.tflite"
    path.write_bytes(contents)
    return {
        "tflite_bytes": path.stat().st_size,
        "tflite_deflated": deflated(path),
        "tflite_miou": lite.miou(path, data),
    }


def dynamic(model, data: Path) -> bytes:
    """A TFLite file with weights in 8 bits, by the converter alone."""
    return lite.convert(model, SIZE, quantized=True)


def aware(model, data: Path) -> bytes:
    """A TFLite file with the backbone in 8 bits, trained on the training scenes."""
    import numpy as np

    from hyperseg_tf.compression.quantization import QuantizedBackbone
    from hyperseg_tf.pipelines import Normalise, Stream, open_dataset

    trained = QuantizedBackbone(model)
    dataset = open_dataset(data, "train")
    stream = Stream(dataset, (Normalise(),), batch_size=4, seed=0, count=len(dataset))
    losses = trained.train(np.asarray(images) for images, _ in stream)
    print(f"int8 backbone: loss {losses[0]:.3f}, {losses[-1]:.3f} at last")
    return trained.to_tflite(SIZE)


def latencies(files: dict[str, Path], rounds: int) -> dict[str, dict[str, float]]:
    """One picture through every model, in turns; milliseconds by model."""
    from benchmarks.network_weights import image
    from hyperseg_tf import load
    from hyperseg_tf.profiling.benchmark import frozen

    picture = image(*SIZE)
    steps = {}
    for name, folder in files.items():
        run = lite.interpreter(folder / "model.tflite", 1)
        steps[name, "tflite"] = functools.partial(run, picture)
        if (folder / "model.keras").exists():
            steps[name, "tensorflow"] = frozen(load(folder / "model.keras"), picture)
    turns = {key: [] for key in steps}
    for i in range(rounds + 1):
        harness.progress(f"latency: round {i} of {rounds}")
        for key, step in steps.items():
            wall, busy = time.perf_counter(), time.process_time()
            step()
            took = time.perf_counter() - wall, time.process_time() - busy
            turns[key].append([1000 * seconds for seconds in took])
    found = {name: {} for name in files}
    for (name, runtime), taken in turns.items():
        wall, busy = zip(*taken[1:], strict=True)  # the first prepares
        found[name] |= {
            f"{runtime}_ms": statistics.median(wall),
            f"{runtime}_cpu_ms": min(busy),
        }
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Sizes and scores, for people."""
    columns = [("model", "{}", "name"), ("zero %", "{:.1f}", "sparsity")]
    columns += [("unfolded", "{:.1f}", "sparsity_before_folding")]
    columns += [("of all %", "{:.1f}", "sparsity_of_model")]
    for kind in ("keras", "tflite"):
        columns += [(f"{kind} kB", "{:.0f}", f"{kind}_bytes")]
        columns += [("deflated", "{:.0f}", f"{kind}_deflated")]
    columns += [("mIoU %", "{:.2f}", "miou"), ("by tflite", "{:.2f}", "tflite_miou")]
    columns += [("tf cpu ms", "{:.1f}", "tensorflow_cpu_ms")]
    columns += [
        ("lite cpu ms", "{:.1f}", "tflite_cpu_ms"),
        ("ms", "{:.1f}", "tflite_ms"),
    ]
    cells = [[title for title, _, _ in columns]]
    for row in rows:
        cells.append([_shown(form, key, row.get(key)) for _, form, key in columns])
    return "\n".join(harness.columns(cells))


def _shown(form: str, key: str, value: Any) -> str:
    """Bytes in kB, shares in per cent, nothing where there is no such file."""
    if value is None:
        return ""
    if isinstance(value, int):
        value = value / 1000
    elif isinstance(value, float) and not key.endswith("_ms"):
        value = 100 * value
    return form.format(value)


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[Path]:
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


if __name__ == "__main__":
    main()
