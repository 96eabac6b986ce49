"""Fuzz the CPU kernels under the address and undefined behaviour sanitizers.

    python -m tests.ops.fuzz_kernels --cases 60000 --seed 0

Compiles `hyperseg_tf/ops/kernels/fuzz/main.cc` with the kernels, with the flags of the
library but for the optimisation, into the cache folder of the library, and runs all
cases once per instruction set. A case depends on the seed and its number alone:
`--only N` repeats one of them.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hyperseg_tf.ops import cache, compiler

SANITIZERS = (
    # -g1 names the lines of a report, at half the time of -g.
    *("-O1", "-g1", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-DDPW_COLUMN_FLOATS=512", "-DDPW_RING_FLOATS=1024"),
)
# Exit status of the fuzzer for an instruction set that the processor does not have.
ABSENT = 77
COUNTS = ("cases", "valid", "refused", "comparisons")


def main(arguments=None) -> int:
    """Compile if needed, run, and print what was tried."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=60000, help="per instruction set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--isa", choices=sets(), action="append", help="default: all")
    parser.add_argument("--only", type=int, metavar="N", help="this case alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--plain",
        action="store_true",
        help="as the library is compiled, without sanitizers",
    )
    args = parser.parse_args(arguments)
    asked = list(dict.fromkeys(args.isa or sets()))
    binary = compiled(asked, args.plain, args.jobs)
    options = ["--seed", str(args.seed), "--cases", str(args.cases)]
    if args.only is not None:
        options = [*options[:2], "--cases", "1", "--first", str(args.only), "--verbose"]
    totals = dict.fromkeys(COUNTS, 0)
    failed, ran = False, 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for isa, done in pool.map(lambda isa: (isa, run(binary, isa, options)), asked):
            print(done.stdout, end="", flush=True)
            if done.returncode == ABSENT:
                continue
            ran += 1
            for count, name in re.findall(r"(\d+) (\w+)", done.stdout):
                if name in totals:
                    totals[name] += int(count)
            if done.returncode:
                failed = True
                print(done.stderr, end="", file=sys.stderr)
                print(again(done.stderr, isa, args), file=sys.stderr)
    counts = ", ".join(f"{totals[name]} {name}" for name in COUNTS)
    print(f"total: {ran} instruction sets, {counts}")
    return int(failed or not ran)


def sets() -> list[str]:
    """The instruction sets that are compiled here."""
    return ["portable", *(compiler.X86 if compiler.x86() else ())]


def run(binary, isa, options):
    return subprocess.run(
        [binary, *options],
        capture_output=True,
        text=True,
        env={**os.environ, "HYPERSEG_TF_ISA": isa},
    )


def again(stderr, isa, args) -> str:
    """The command that repeats the case that failed."""
    found = re.search(r"FAILED seed=\d+ case=(\d+)", stderr)
    number = found.group(1) if found else "N"
    return (
        f"{isa} failed; again: python -m tests.ops.fuzz_kernels --seed {args.seed} "
        f"--isa {isa} --only {number}{' --plain' if args.plain else ''}"
    )


def compiled(asked, plain=False, jobs=None) -> Path:
    """The fuzzer of these sources, from the cache or compiled now."""
    # The portable set alone takes a third of the time.
    beside = compiler.X86 if any(isa in compiler.X86 for isa in asked) else {}
    common = [*compiler.COMMON, "-Wall", "-Wextra"]
    if not plain:
        common += SANITIZERS  # its -O1 comes last and wins
    cpp = compiler.path()
    units = [("fuzz/main.cc", ()), *compiler.cpu_units(beside)]
    rooms = (compiler.SOURCES / "fuzz").iterdir()
    sources = sorted([*compiler.sources(gpu=False), *rooms])
    folder = cache.folder()
    binary = folder / f"fuzz-{cache.digest(sources, (cpp, common, units))}"
    if binary.exists():
        return binary
    folder.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fuzz-", dir=folder) as place:
        objects = [f"{place}/{i}.o" for i in range(len(units))]
        commands = [
            compiler.command(cpp, (*common, *flags), unit, to)
            for (unit, flags), to in zip(units, objects, strict=True)
        ]
        compiler.run_together(commands, jobs)
        compiler.run([cpp, *common, *objects, "-o", f"{place}/fuzz"])
        os.replace(f"{place}/fuzz", binary)
    for old in sorted(folder.glob("fuzz-*"), key=_age)[4:]:
        old.unlink(missing_ok=True)
    return binary


def _age(path) -> float:
    return -path.stat().st_mtime


if __name__ == "__main__":
    sys.exit(main())
