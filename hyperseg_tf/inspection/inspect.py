"""Look at what only a hypernetwork has: the weights that it makes for a picture.

Cells of the patch grid that hold nothing but padding have weights too, but they say
nothing of the picture: maps are NaN there, and no statistic counts them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.finite import NotFinite
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.pictures import limit_for, read_picture
from hyperseg_tf.inference.segmenter import Segmenter, class_names
from hyperseg_tf.inspection.result import Inspection, LevelWeights, PatchGrid
from hyperseg_tf.inspection.statistics import cosines, norms, principal_components
from hyperseg_tf.network.hypernetwork import require_generated
from hyperseg_tf.network.layout import LevelLayout, decoder_layout
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.network.model_file import load
from hyperseg_tf.presets import PRESETS

_PARTS = ("pw1", "dw", "pw2")
_COMPONENTS = 3


def inspect(
    model: keras.Model | str | Path,
    image: np.ndarray | str | Path,
    patch: tuple[int, int] | None = None,
    *,
    image_size: tuple[int, int] | None = None,
) -> Inspection:
    """Look at the weights that a model generates for one picture.

    The picture is prepared as for `inference.predict.predict_files`. Principal
    components are those of the patches' weights after their mean is subtracted. The
    weights are the model's own: those of a folded one contain the scale of the
    normalizations.

    Args:
        model: A `HyperSeg`, its `.keras` file, or the name of a preset: random weights
            then, the same ones at every call (the global seeds become 0).
        image: uint8 (H, W, 3) RGB of any size, or the file of a picture.
        patch: (row, column) of the patch that is compared with the others; None for
            the most unusual one without padding: its weights are farthest from their
            mean over the patches, every level counting the same.
        image_size: (height, width) that the picture is resized to for the network.

    Raises:
        UserError: The model or the picture cannot be read, `patch` is not in the grid,
            the model generates no weights, they or its logits are not finite, or memory
            does not suffice.
        ValueError: `model` is no `HyperSeg`, or `image` no such array.
    """
    source = str(image) if isinstance(image, str | Path) else None
    random = isinstance(model, str | Path) and str(model) in PRESETS
    name = str(model) if isinstance(model, str | Path) else model.name
    if source is None:
        image = np.asarray(image)
        pixels.check_image(image)
    model = _open(model)
    if source is not None:
        with _told_of(source):
            image = read_picture(source, limit_for(model, image_size))
    level_layouts, _ = decoder_layout(model.preset)

    with _told_of(source or "the picture"):
        weights, signal, grid = _generate(model, image, image_size)
    rows, columns = grid.inside
    parts = [
        weights[layout.head][:rows, :columns, layout.start : layout.start + layout.size]
        for layout in level_layouts
    ]
    # (patches, P) per level, padding left out.
    vectors = [part.reshape(rows * columns, -1) for part in parts]
    index = _index(vectors, patch, grid)
    with _told_of(source or "the picture"):
        label = Segmenter(model, image_size).class_maps(image[None])[0]
    num_classes = model.preset.num_classes
    names = class_names(model) or [f"class {i}" for i in range(num_classes)]
    colours = visualise.drawn_palette(num_classes, model.metadata.get("colours"))
    return Inspection(
        model=name,
        preset=model.preset,
        random=random,
        folded=model.folded,
        source=source,
        image=image,
        label=label,
        names=tuple(names),
        colours=colours,
        grid=grid,
        patch=divmod(index, columns),
        named=patch is not None,
        weights=weights,
        signal=np.sqrt(np.mean(np.square(signal[:rows, :columns]), axis=(0, 1))),
        levels=tuple(
            _level(layout, level, index, grid)
            for layout, level in zip(level_layouts, vectors, strict=True)
        ),
    )


def _open(model: keras.Model | str | Path) -> keras.Model:
    if isinstance(model, str | Path):
        if str(model) in PRESETS:
            keras.utils.set_random_seed(0)
            model = HyperSeg.from_preset(str(model))
        elif not Path(model).is_file():
            raise UserError(
                f"inspect takes a .keras file or a preset: {model} is neither; "
                "`hyperseg-tf presets` lists the presets."
            )
        else:
            model = load(model)
    if not isinstance(model, HyperSeg):
        raise ValueError(f"inspect takes a HyperSeg: got a {type(model).__name__}.")
    require_generated(model, "inspect")
    return model


@contextmanager
def _told_of(picture: str) -> Iterator[None]:
    """Name the picture where memory does not suffice or logits are not finite."""
    try:
        yield
    except NotFinite as error:
        raise UserError(f"{picture}: {error}") from error
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"{picture}: memory does not suffice; shrink the picture or give the "
            "network a --size (image_size)."
        ) from error


def _generate(
    model: keras.Model, image: np.ndarray, image_size: tuple[int, int] | None
) -> tuple[tuple[np.ndarray, ...], np.ndarray, PatchGrid]:
    """Weights (h, w, P) of every head, signal (h, w, C) float64, and the grid."""
    x, size = pixels.to_input(image[None], image_size)
    # Only what these need is computed, not the decoder.
    taps = model.taps().output
    heads = sorted(name for name in taps if name.startswith("weights_"))
    wanted = {name: taps[name] for name in (*heads, "signal")}
    values = keras.Model(model.inputs[0], wanted)(x, training=False)
    values = {k: keras.ops.convert_to_numpy(v)[0] for k, v in values.items()}
    for name in heads:
        if not np.isfinite(values[name]).all():
            raise UserError(
                f"generated weights must be finite: {name} has infinite or undefined "
                "values; the model may have diverged, take an earlier one."
            )
    multiple = model.preset.size_multiple
    padded = [side + -side % multiple for side in x.shape[1:3]]
    shape = values[heads[0]].shape[:2]
    cell = tuple(side / cells for side, cells in zip(padded, shape, strict=True))
    weights = tuple(values[f"weights_{i}"] for i in range(len(heads)))
    return (
        weights,
        values["signal"].astype(np.float64),
        PatchGrid(shape=shape, cell=cell, size=size),
    )


def _index(
    vectors: list[np.ndarray], patch: tuple[int, int] | None, grid: PatchGrid
) -> int:
    """Index of the chosen patch among those that are not padding."""
    rows, columns = grid.inside
    if patch is None:
        distance = np.zeros(rows * columns)
        for level in vectors:
            deviation = norms(level, centred=True)
            distance += deviation / (deviation.mean() or 1)
        distance = distance.reshape(rows, columns)
        # A patch that is mostly padding is unusual, and no answer.
        high, wide = (
            max(1, int(size // cell))
            for size, cell in zip(grid.size, grid.cell, strict=True)
        )
        row, column = divmod(int(np.argmax(distance[:high, :wide])), wide)
        return row * columns + column
    row, column = patch
    if not (0 <= row < rows and 0 <= column < columns):
        h, w = grid.shape
        padding = "" if (rows, columns) == (h, w) else f" (of {h}x{w}, rest padding)"
        raise UserError(
            f"a patch lies in the grid of {rows}x{columns}{padding}: got "
            f"{row},{column}; rows are 0 to {rows - 1}, columns 0 to {columns - 1}."
        )
    return row * columns + column


def _level(
    layout: LevelLayout, vectors: np.ndarray, index: int, grid: PatchGrid
) -> LevelWeights:
    """All numbers of one level, from its weights (patches, P)."""

    def over_grid(values):
        rows, columns = grid.inside
        whole = np.full((*grid.shape, *values.shape[1:]), np.nan)
        whole[:rows, :columns] = values.reshape(rows, columns, *values.shape[1:])
        return whole

    parts, start = {}, 0
    for name, (count, _) in zip(_PARTS, layout.fan_ins, strict=False):
        parts[name] = over_grid(norms(vectors[:, start : start + count]))
        start += count
    components, explained = principal_components(vectors, _COMPONENTS)
    note = ""
    if len(vectors) == 1:
        note = "one patch: no components"
    elif np.isnan(explained).any():
        note = "equal weights in all patches: no components"
    return LevelWeights(
        layout=layout,
        norms=over_grid(norms(vectors)),
        parts=parts,
        components=over_grid(components),
        explained=explained,
        similarities=over_grid(cosines(vectors, index)),
        note=note,
    )
