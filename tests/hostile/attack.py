"""Try hostile files at every door, in a process with limits, and count what holds.

    python -m tests.hostile.attack [--only models|pictures|requests] [--every N]

A case holds if the process survives, says what it must, keeps to its memory and time,
opens nothing but what it was given, and starts and connects to nothing.
"""

import argparse
import ctypes
import json
import os
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile import models, pictures
from tests.hostile.case import EITHER, OUTSIDE, Case
from tests.hostile.requests import requests

ROOT = Path(__file__).parents[2]

# Of one case: what a process may grow by above what it needed for the sound files, and
# how long it may take: at a door that reads and refuses, and at one that works.
MEGABYTES = 1500
SECONDS = 30
WORKING_SECONDS = 180
# Of address space, where threads and arenas count as well.
_ADDRESSES = 12_000

QUICK = {
    "models": ("load",),
    "pictures": ("predict one", "check images", "check labels"),
}
# Of so many cases one is tried at the other doors: all models come in by `load`, but
# every command has its own way to a picture.
SOME = {"models": 10, "pictures": 1}


@dataclass(frozen=True)
class Failure:
    """A case that did not hold, and why."""

    case: str
    reason: str


class Attack:
    """Cases against one child at a time, which is started again when it ends.

    Args:
        folder: Empty; for the files of cases and of the child.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.failures: list[Failure] = []
        self.counts: Counter = Counter()
        self.peak = (0, "nothing")
        self.longest = (0.0, "nothing")
        self._child = None
        for name in ("case", "out", "temporary", f"case/{OUTSIDE}"):
            (folder / name).mkdir(parents=True)
        self._watch = _Watch(folder / "case" / OUTSIDE)

    def prepare(self, export: bool) -> None:
        """A sound model, picture, data set and, if need be, SavedModel."""
        script = f"""
import hyperseg_tf, keras
import numpy as np
from pathlib import Path
folder = Path({str(self.folder)!r})
keras.utils.set_random_seed(0)
model = hyperseg_tf.HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
model.save(folder / "model.keras")
# Builds the custom ops, which starts a compiler.
hyperseg_tf.Segmenter(model)
hyperseg_tf.predict(model, np.zeros((32, 32, 3), np.uint8))
if {export!r}:
    from hyperseg_tf.export import write
    out = folder / "export"
    write(model, out=out, verify=False, max_pixels=1_000_000)
"""
        command = [sys.executable, "-c", script]
        subprocess.run(command, check=True, cwd=ROOT, env=_environment())
        rng = np.random.default_rng(0)
        picture = Image.fromarray(rng.integers(0, 256, (36, 40, 3), np.uint8))
        picture.save(self.folder / "sound.png")
        picture.save(self.folder / "case" / "sound.png")
        label = Image.fromarray(rng.integers(0, 3, (36, 40), np.uint8))
        label.save(self.folder / "label.png")
        for split in ("train", "val"):
            for name, source in (("images", picture), ("labels", label)):
                place = self.folder / "data" / split / name
                place.mkdir(parents=True)
                source.save(place / "a.png")
        table = "index,name,red,green,blue\n0,a,0,0,255\n1,b,255,0,0\n2,c,0,255,0\n"
        (self.folder / "data" / "classes.csv").write_text(table)

    def files(
        self,
        kind: str,
        suffix: str | None,
        cases: Iterable[Case],
        every: int,
    ) -> None:
        """Every case at the quick doors, and one of `SOME` at the others."""
        from tests.hostile.doors import DOORS

        for number, case in enumerate(cases):
            if number % every:
                continue
            doors = [
                door
                for door in DOORS[kind]
                if door in QUICK[kind] or number % (SOME[kind] * every) == 0
            ]
            end = suffix or case.name.partition(" ")[0]
            path = self.folder / "case" / f"case.{end}"
            case.write(path)
            for door in doors:
                name = f"{kind}: {case.name}: {door}"
                # What is sound for one door may not be for another.
                quick = door in ("load", "predict one")
                outcome = case.outcome if quick else EITHER
                self._try(name, outcome, kind=kind, door=door, path=str(path))
            _remove(path)
            _empty(self.folder / "case" / OUTSIDE)

    def serve(self, every: int) -> None:
        """Hostile requests, each followed by a good one that must be answered."""
        good = pictures.encoded(Image.open(self.folder / "sound.png"), "PNG")
        sound = self.folder / "case" / "good.npz"
        np.savez(sound, value=np.array([good], object))
        ask = {"kind": "requests", "door": "serve_bytes", "path": str(sound)}
        want = self._ask(ask)["said"]
        path = self.folder / "case" / "request.npz"
        scratch = self.folder / "case" / "scratch"
        scratch.mkdir()
        (scratch / OUTSIDE).mkdir()
        for number, request in enumerate(requests(scratch)):
            if number % every:
                continue
            np.savez(path, value=request.value)
            self._try(
                f"requests: {request.name}",
                request.outcome,
                kind="requests",
                door=request.signature,
                path=str(path),
            )
            answer = self._ask(ask)
            self.counts["good requests"] += 1
            if answer["said"] != want:
                self._fail(request.name, f"a good request after it got {answer}")

    def _try(self, name, outcome, **ask):
        before = self._memory()
        self._watch.drain()
        answer = self._ask(ask)
        grown = self._memory(peak=True) - before
        self.counts[f"{ask['kind']} tried"] += 1
        self.counts[f"{ask['kind']} {answer['outcome']}"] += 1
        self.peak = max(self.peak, (grown, name))
        self.longest = max(self.longest, (answer.get("seconds", 0.0), name))
        opened = self._watch.drain()
        if answer["outcome"] not in ("taken", "refused"):
            self._fail(name, f"{answer['outcome']}: {answer['said']}")
        elif outcome != EITHER and answer["outcome"] != outcome:
            self._fail(name, f"{answer['outcome']} instead: {answer['said']}")
        if answer.get("violations"):
            self._fail(name, f"forbidden: {answer['violations'][:3]}")
        if opened:
            self._fail(name, f"opened {opened}")
        if grown > MEGABYTES:
            self._fail(name, f"grew by {grown} MB")

    def _fail(self, name, reason):
        self.failures.append(Failure(name, reason))
        print(f"FAILED {name}: {reason}", flush=True)

    def _ask(self, ask) -> dict:
        child = self._running()
        child.stdin.write(json.dumps(ask) + "\n")
        child.stdin.flush()
        quick = ask["kind"] == "requests" or ask["door"] in QUICK[ask["kind"]]
        line = self._line(SECONDS if quick else WORKING_SECONDS)
        if line:
            return json.loads(line)
        child.kill()
        status = child.wait()
        self._child = None
        why = "took too long" if line is None else f"ended with {status}"
        return {"outcome": "died", "said": why}

    def _running(self):
        if self._child is None:
            command = [sys.executable, "-m", "tests.hostile.child"]
            self._child = subprocess.Popen(
                [*command, str(self.folder), str(_ADDRESSES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**_environment(), "TMPDIR": str(self.folder / "temporary")},
                stderr=subprocess.DEVNULL,
            )
            if not self._line(120):
                raise RuntimeError("the child did not start")
        return self._child

    def _line(self, seconds) -> str | None:
        """A line of the child's, "" where it ended, None where it took too long."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._child.stdout, selectors.EVENT_READ)
            if not waiting.select(seconds):
                return None
        return self._child.stdout.readline()

    def _memory(self, peak: bool = False) -> int:
        """MB that the child has, or has had at most since it was last asked."""
        if self._child is None:
            self._running()
        place = f"/proc/{self._child.pid}"
        word = "VmHWM" if peak else "VmRSS"
        with open(f"{place}/status") as status:
            found = next(line for line in status if line.startswith(word))
        if not peak:
            with open(f"{place}/clear_refs", "w") as reset:
                reset.write("5")
        return int(found.split()[1]) // 1024

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


class _Watch:
    """Tells who opened a file in a folder, even below Python (inotify)."""

    _OPENED = 0x20

    def __init__(self, folder: Path):
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        place = os.fsencode(folder)
        if libc.inotify_add_watch(self._descriptor, place, self._OPENED) < 0:
            raise OSError(ctypes.get_errno(), "inotify", str(folder))

    def drain(self) -> list[str]:
        """Names of the files that were opened since."""
        return sorted(set(self._names()))

    def _names(self) -> Iterator[str]:
        while True:
            try:
                content = os.read(self._descriptor, 65_536)
            except BlockingIOError:
                return
            while content:
                _, mask, _, length = struct.unpack_from("iIII", content)
                name = content[16 : 16 + length].rstrip(b"\0")
                # Listing the folder opens the folder, which has no name here.
                if name:
                    yield os.fsdecode(name)
                content = content[16 + length :]


def _environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _empty(folder):
    for path in folder.iterdir():
        _remove(path)


def run(only: tuple[str, ...], every: int = 1) -> Attack:
    """Attack; the result has the counts and the failures.

    Args:
        only: Kinds: models, pictures, requests.
        every: One case of so many.
    """
    with tempfile.TemporaryDirectory(prefix="attack_") as folder:
        attack = Attack(Path(folder))
        try:
            attack.prepare("requests" in only)
            if "models" in only:
                sound = (attack.folder / "model.keras").read_bytes()
                cases = models.cases(sound)
                attack.files("models", "keras", cases, every)
            if "pictures" in only:
                attack.files("pictures", None, pictures.cases(), every)
            if "requests" in only:
                attack.serve(every)
        finally:
            attack.close()
    return attack


def main() -> int:
    """Attack, print the counts, and return 1 if anything did not hold."""
    kinds = ("models", "pictures", "requests")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=kinds, action="append")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    args = parser.parse_args()
    attack = run(tuple(args.only or kinds), args.every)
    for name, count in sorted(attack.counts.items()):
        print(f"{name:>20}: {count}")
    grown, name = attack.peak
    print(f"{'largest growth':>20}: {grown} MB ({name}), limit {MEGABYTES}")
    seconds, name = attack.longest
    limits = f"{SECONDS} or, to work, {WORKING_SECONDS}"
    print(f"{'longest':>20}: {seconds:.1f} s ({name}), limit {limits}")
    print(f"{'did not hold':>20}: {len(attack.failures)}")
    return 1 if attack.failures else 0


if __name__ == "__main__":
    sys.exit(main())
