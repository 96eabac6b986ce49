"""Links of documents lead somewhere; those of README.md on any page that shows it."""

import configparser
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def _metadata():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config["metadata"]


URL = _metadata()["url"]
RAW = URL.replace("github.com", "raw.githubusercontent.com") + "/main/"
FILES = (f"{URL}/blob/main/", f"{URL}/tree/main/")


def _tokens(path):
    for block in _MARKDOWN.parse(path.read_text("utf-8")):
        yield block
        yield from block.children or ()


def _links(path):
    """Addresses of links, and of pictures."""
    for token in _tokens(path):
        if token.type == "link_open":
            yield token.attrs["href"], False
        elif token.type == "image":
            yield token.attrs["src"], True


def _anchors(path):
    """Of the headings, as GitHub makes them."""
    tokens = list(_tokens(path))
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[i + 1].children)
            yield re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _check(path, target):
    name, _, anchor = target.partition("#")
    file = path.parent / name if name else path
    assert file.exists(), f"{path}: {target}"
    if anchor:
        assert anchor in _anchors(file), f"{path}: {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_what_is_there(path):
    for address, _ in _links(path):
        if address.startswith((*FILES, RAW)):
            _check(README, re.sub(r"^https?://.*?/main/", "", address))
        elif not re.match(r"https?://|mailto:", address):
            _check(path, address)


def test_readme_is_whole_on_another_page():
    found = list(_links(README))
    assert len(found) > 20
    for address, is_picture in found:
        assert address.startswith("https://"), address
        # A page of GitHub around a picture is none.
        assert not is_picture or not address.startswith(URL), address
    # A reference without a definition stays text.
    text = "".join(t.content for t in _tokens(README) if t.type == "text")
    assert "][" not in text


def test_the_repository_has_one_address():
    owner = URL.rpartition("/")[0]
    for path in [*DOCUMENTS, ROOT / "setup.cfg"]:
        for found in re.findall(r"https://[\w./-]*hyperseg_tf\b", path.read_text()):
            assert found in (URL, RAW.removesuffix("/main/")), f"{path}: {owner}"
