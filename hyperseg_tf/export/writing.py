"""One export from a model to files that appear together or not at all."""

import importlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras

from hyperseg_tf.base.atomic import atomic_folder
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import gate
from hyperseg_tf.export.formats import FORMATS, Format
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.integers import kept_in_float
from hyperseg_tf.export.options import options
from hyperseg_tf.export.signature import facts, write_facts
from hyperseg_tf.inference.segmenter import open_model

CLASSES_FILE, PARITY_FILE, TABLE_FILE = "classes.json", "parity.json", "parity.md"


def write(
    model: keras.Model | str | Path,
    format: str,
    out: Path,
    asked: dict,
    *,
    overwrite: bool,
    verify: bool,
    tell: Callable[[str], None] | None,
) -> Path:
    """Write an export; `asked` are the arguments of `options.options`."""
    with published(out, FORMATS[format], overwrite) as folder:
        source = Path(model) if isinstance(model, str | Path) else None
        model = open_model(model)
        graph = ServingGraph(model, options(format, **asked, model=model))
        # One module for each format: it has `write(graph, folder, facts)`, which says
        # what the rest of the export needs and this machine has not, and
        # `check(graph, folder)` where there is more than the gate sees, which returns
        # the gate's rows; for integers `quantizer(graph)`, an `integers.Quantizer`, and
        # `save(made, graph, folder, facts)`, which is `write` of what that one made.
        module = importlib.import_module(f"hyperseg_tf.export.{format}")
        found = facts(model, graph.options, source)
        if graph.options.quantized:
            quantizer = module.quantizer(graph)
            kept = kept_in_float(graph, quantizer) if verify else ()
            found["float_layers"] = list(kept)
            missing = module.save(quantizer.made(kept), graph, folder, found)
        else:
            missing = module.write(graph, folder, found)
        write_facts(found, folder / getattr(module, "CLASSES_FILE", CLASSES_FILE))
        if verify:
            _verify(graph, folder, module, found.get("float_layers"), tell)
    if missing:
        raise UserError(f"{out} is a part of the export: {missing}")
    return out


def _verify(graph: ServingGraph, folder: Path, module, kept, tell) -> None:
    rows = module.check(graph, folder) if hasattr(module, "check") else None
    parity = gate.check(graph, folder, rows)
    if kept is not None:
        parity = replace(parity, float_layers=tuple(kept))
    if tell is not None:
        tell(parity.table())
    if not parity.holds:
        raise UserError(
            "an export must reproduce its model: "
            f"{graph.options.format.name} {graph.options.precision}: "
            f"{parity.failures()[0]}; nothing was written."
        )
    (folder / PARITY_FILE).write_text(json.dumps(parity.as_data(), indent=2) + "\n")
    (folder / TABLE_FILE).write_text(parity.table())


@contextmanager
def published(out: Path, format: Format, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder; its files appear at `out` when all are there.

    Args:
        out: A folder; or a name with the suffix of the format's first file, which then
            takes the place of `model` in the names of all.

    Raises:
        UserError: Something is there and may not be overwritten.
    """
    suffix = Path(format.files[0]).suffix
    if not format.files[0].startswith("model.") or out.suffix != suffix:
        with atomic_folder(out, overwrite) as folder:
            yield folder
        return
    _check_free(out, format, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        folder = Path(scratch)
        yield folder
        _check_free(out, format, overwrite)
        # The file that is opened comes last, so that it never lacks another.
        names = sorted(os.listdir(folder), key=lambda name: name == format.files[0])
        for name in names:
            os.replace(folder / name, _place(out, name))


def _check_free(out: Path, format: Format, overwrite: bool) -> None:
    names = (*format.files, CLASSES_FILE, PARITY_FILE, TABLE_FILE)
    for path in (_place(out, name) for name in names):
        if path.is_dir() or (path.exists() and not overwrite):
            raise UserError(
                f"an existing export is not overwritten: {path} exists; name another "
                "path or add --overwrite (overwrite=True)."
            )


def _place(out: Path, name: str) -> Path:
    """Where a file of the folder goes: `model.bin` beside `road.xml` is `road.bin`."""
    return out.with_name(f"{out.stem}.{name.removeprefix('model.')}")
