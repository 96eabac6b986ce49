"""What the gate found: a table for people, JSON for programs, a verdict."""

from dataclasses import dataclass

import numpy as np

from hyperseg_tf.base.versions import versions
from hyperseg_tf.export.bounds import Bounds
from hyperseg_tf.export.options import Options


@dataclass(frozen=True)
class Row:
    """One answer against the model's.

    Attributes:
        scene: What was asked.
        fault: Why nothing can be compared, or "".
        error: Largest difference, of the spread of the logits, or of probabilities.
        allowed: Of that, for this model and these pictures; None: no demand.
        agreement: Share of the pixels with the model's class, or one as good within
            rounding.
        same: Share of the pixels with the model's class.
    """

    scene: str
    fault: str
    error: float | None = None
    allowed: float | None = None
    agreement: float = 0.0
    same: float = 0.0

    @property
    def error_holds(self) -> bool:
        """Whether the difference is allowed; NaN is beyond every bound."""
        return self.allowed is None or self.error <= self.allowed


@dataclass(frozen=True)
class Score:
    """mIoU on labelled pictures, in percent.

    Attributes:
        dataset: Its name.
        images: How many.
        model: Of the model, pictures resized as for the export.
        export: Of the export.
    """

    dataset: str
    images: int
    model: float
    export: float

    @property
    def loss(self) -> float:
        """What the export loses, in percent points."""
        return self.model - self.export


@dataclass(frozen=True)
class Parity:
    """An export against its model.

    Attributes:
        options: Of the export.
        bounds: Of its precision.
        rows: One for each scene.
        score: On labelled pictures, where there are some.
        float_layers: Of integers: layers that stayed in float, what loses most first;
            None where nobody looked for them.
    """

    options: Options
    bounds: Bounds
    rows: tuple[Row, ...]
    score: Score | None = None
    float_layers: tuple[str, ...] | None = None

    def failures(self) -> list[str]:
        """What is beyond the bounds, the worst scene first; [] if nothing is."""
        found = [f"{row.scene} gives {row.fault}" for row in self.rows if row.fault]
        for row in sorted(self.rows, key=lambda row: row.agreement):
            if not row.error_holds:
                found.append(
                    f"{row.scene} is off by {row.error:.2e}, allowed {row.allowed:.2e}"
                )
        for row in sorted(self.rows, key=lambda row: row.agreement):
            if (
                not row.fault
                and self._agreement_counts
                and not (row.agreement >= self.bounds.agreement)
            ):
                found.append(
                    f"{row.scene} agrees in {_percent(row.agreement)}, at least "
                    f"{_percent(self.bounds.agreement)}"
                )
        if self.score is not None and not self.score.loss <= self.bounds.miou:
            found.append(
                f"{self.score.dataset} loses {self.score.loss:.2f} mIoU, allowed "
                f"{self.bounds.miou:g}"
            )
        return found

    @property
    def holds(self) -> bool:
        """Whether everything is within the bounds."""
        return not self.failures()

    @property
    def _agreement_counts(self) -> bool:
        """Of integers the score decides, where there is one."""
        return self.score is None or not self.bounds.by_score

    def table(self) -> str:
        """Markdown."""
        options = self.options
        lines = [
            f"# {options.format.name} {options.precision} against the model",
            "",
            f"Output {options.output}; run in its own runtime, without the project.",
            "",
            "| scene | largest difference | allowed | same class | or as good "
            "| at least |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        least = _percent(self.bounds.agreement) if self._agreement_counts else "-"
        for row in self.rows:
            values = [_scientific(row.error), _scientific(row.allowed)]
            values += [_percent(row.same), row.fault or _percent(row.agreement), least]
            lines.append(f"| {row.scene} | {' | '.join(values)} |")
        if self.score is not None:
            score = self.score
            lines += [
                "",
                f"mIoU on {score.images} pictures of {score.dataset}: model "
                f"{score.model:.2f} %, export {score.export:.2f} %, loss "
                f"{score.loss:.2f}, allowed {self.bounds.miou:g}.",
            ]
        elif self.bounds.by_score:
            lines += ["", "mIoU: not measured, no labelled pictures were named."]
        if self.float_layers is not None:
            names = ", ".join(self.float_layers) or "none"
            lines += ["", f"Layers in float to keep within the bounds: {names}."]
        verdict = "holds" if self.holds else "does not hold"
        return "\n".join([*lines, "", f"Verdict: {verdict}.", ""])

    def as_data(self) -> dict:
        """JSON-able; what is not a number is None."""
        options, score = self.options, self.score
        return {
            "format": options.format.name,
            "precision": options.precision,
            "output": options.output,
            "size": options.size,
            "batch": options.batch,
            "bounds": self.bounds.as_data(),
            "scenes": [
                {
                    "scene": row.scene,
                    "fault": row.fault,
                    "error": _number(row.error),
                    "allowed": _number(row.allowed),
                    "same": row.same,
                    "agreement": row.agreement,
                }
                for row in self.rows
            ],
            "miou": score
            and {
                "dataset": score.dataset,
                "images": score.images,
                "model": _number(score.model),
                "export": _number(score.export),
            },
            "float_layers": self.float_layers,
            "holds": self.holds,
            "failures": self.failures(),
            "versions": versions(*options.format.packages),
        }


def _percent(share: float) -> str:
    return f"{100 * share:.3f} %"


def _scientific(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
