"""What the measurements ran on, for the head of a table and for the JSON file."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.turns import processors

PACKAGES = (
    *("numpy", "tensorflow", "keras", "torch", "onnx", "onnxruntime"),
    "efficientnet-pytorch",
)


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, cores, load before the start, and versions."""
    model, flags = platform.processor() or platform.machine(), []
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            if key.strip() == "flags":
                flags = value.split()
    except OSError:
        pass
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_tile")
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": model,
        "instructions": [flag for flag in wanted if flag in flags],
        "cores": os.cpu_count(),
        "cores_usable": len(processors()),
        "threads": threads,
        "load_average_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions,
    }


def machine_lines(machine: Mapping[str, Any]) -> list[str]:
    """What `describe_machine` found, as text."""
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    instructions = " ".join(machine["instructions"]) or "unknown"
    return [
        f"{machine['cpu']} ({instructions}), {machine['cores_usable']} of "
        f"{machine['cores']} cores usable, {machine['threads']} threads each, load "
        f"before the start {machine['load_average_1min']}, {machine['system']}",
        versions,
    ]
