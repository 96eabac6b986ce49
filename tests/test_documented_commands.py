"""Every command of the documentation is one that the command line takes."""

import re
import shlex
from pathlib import Path

import pytest

from hyperseg_tf import cli, recipes

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "weights/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
_START = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?hyperseg-tf (.*)$")


def _code_lines(text):
    """Lines of fenced and of indented blocks, those that go on joined."""
    fenced, held = False, ""
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            held += line.strip()
            if held.endswith("\\"):
                held = held[:-1]
            else:
                yield held
                held = ""


def _commands():
    for page in PAGES:
        for line in _code_lines(page.read_text("utf-8")):
            found = _START.match(line)
            if found:
                yield page.relative_to(ROOT), found[1]


COMMANDS = sorted({(str(page), words) for page, words in _commands()})


def test_the_documentation_has_commands():
    assert len(COMMANDS) > 40
    assert len({page for page, _ in COMMANDS}) > 8


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_a_command_of_the_documentation_parses(page, words, capsys):
    given = shlex.split(words, comments=True)
    if given[-1:] == ["&"]:
        given.pop()
    try:
        args = cli._parser().parse_args(given)
    except SystemExit as stopped:
        assert stopped.code == 0, f"{page}: {words}: {capsys.readouterr().err}"
        return
    if args.command == "train" and args.recipe:
        recipe = recipes.get(args.recipe)
        recipes.replace_from_strings(recipe, args.settings)
