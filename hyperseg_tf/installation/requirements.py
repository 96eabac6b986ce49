"""Installed packages beside what the package's own metadata ask for."""

from importlib import metadata

from packaging.requirements import Requirement

from hyperseg_tf.installation.finding import Finding

_NAME = "hyperseg_tf"
# What the core findings name first; the others only where something is wrong.
_SHOWN = ("tensorflow", "keras", "numpy", "pillow")


def core() -> list[Finding]:
    """The versions below us, and each that is missing or not the one that we need."""
    shown = [f"{name} {version}" for name in _SHOWN if (version := _version(name))]
    findings = [Finding("packages", ", ".join(shown) or "none")]
    try:
        wrong = _wrong("")
    except metadata.PackageNotFoundError:
        return [
            *findings,
            Finding(
                "installed",
                "no, it runs from a folder, so nothing says what it requires",
                "pip install --editable . in the folder of the checkout",
            ),
        ]
    if wrong:
        findings.append(
            Finding(
                "required",
                "; ".join(wrong),
                "pip install --upgrade hyperseg_tf",
                fatal=True,
            )
        )
    return findings


def extras() -> list[Finding]:
    """Every extra: whether all of it is here, and the line that installs it."""
    try:
        names = metadata.metadata(_NAME).get_all("Provides-Extra") or []
        found = {name: _wrong(name) for name in names}
    except metadata.PackageNotFoundError:
        return []
    return [
        Finding(
            f"[{name}]",
            f"{'; '.join(wrong)}: pip install '{_NAME}[{name}]'"
            if wrong
            else "present",
        )
        for name, wrong in found.items()
    ]


def _wrong(extra: str) -> list[str]:
    """What is missing or of another version, of the core or of what an extra adds."""
    wrong = []
    for line in metadata.requires(_NAME) or ():
        wanted = Requirement(line)
        marker = wanted.marker
        if marker and not marker.evaluate({"extra": extra}):
            continue
        # What the core requires is no matter of the extra.
        if extra and (not marker or marker.evaluate({"extra": ""})):
            continue
        version = _version(wanted.name)
        if version is None:
            wrong.append(f"{wanted.name} is missing")
        elif not wanted.specifier.contains(version, prereleases=True):
            wrong.append(
                f"{wanted.name}{wanted.specifier} is wanted, {version} is here"
            )
    return wrong


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
