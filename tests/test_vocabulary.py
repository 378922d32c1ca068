"""The code speaks the field's terms: no private words, and one thing to a name."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "plugins", "napari_plugin")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

_WORDS = """
telling verdict verdicts enough settled judge judged believed trusted price prices loud quiet lit
faint specks slopes eased lightened cartoon cartoons anatomy mending account course grain holes
company alike turns
"""
PRIVATE = frozenset(_WORDS.split())
"""Words that the code once used in a sense of its own, in identifiers and descriptions."""

PLAIN_USES = re.compile(
    r"--quiet|\bquiet : bool|not enough memory|there is not enough memory"
    r"|\bturns (?:a|the|an|it|\"auto\"|\"?auto\"?|\w+ into)\b|\bTurns a\b|function that turns",
    re.IGNORECASE,
)
"""Uses of such words in a sense that everyone knows: an option, memory, a conversion."""

OLD_NAMES = {"core/unblur/renamed.py", "core/unblur/old_names/content.py"}
"""Files that hold old names as data."""

DATA = {("plugins/unblur_schuler/our_network.py", "faint")}
"""Keys of weight files, which cannot be renamed."""

SHARED_CLASSES = {"Params": "nested in every stage"}

SHARED_MODULES = {
    "estimator": "of each kind of kernel estimation",
    "model": "of each plugin with one, and the core's package",
    "params": "of each estimator and of Richardson-Lucy, and their base",
    "report": "the record of a run, and the verb that shows it",
    "stage": "of each plugin",
    "trainer": "of each training, and their base",
    "weights": "of each plugin, and their loading",
}


def words_of(identifier):
    """Split an identifier at underscores and capitals."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)]


def private_words(path, root=ROOT):
    """Yield (line, word, text) of each private word in identifiers, comments and strings."""
    name = path.relative_to(root).as_posix()
    if name in OLD_NAMES:
        return
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            found = PRIVATE.intersection(words_of(token.string)) - {"quiet"}
            yield from ((token.start[0], word, token.string) for word in found)
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            for number, line in enumerate(token.string.splitlines(), start=token.start[0]):
                text = PLAIN_USES.sub("", line)
                for word in PRIVATE.intersection(re.findall(r"[a-z]+", text.lower())):
                    if (name, word) not in DATA:
                        yield number, word, line.strip()


def test_no_private_word_is_left():
    found = [
        f"{path.relative_to(ROOT)}:{line}: '{word}' in {text}"
        for path in FILES
        for line, word, text in private_words(path)
    ]
    assert not found, "\n".join(found)


def test_the_search_for_private_words_finds_them(tmp_path):
    sample = tmp_path / "sample.py"
    sample.write_text('faint_parts = 1  # the price\n"""A verdict; not enough memory."""\n')
    assert {word for _, word, _ in private_words(sample, tmp_path)} == {"faint", "price", "verdict"}


def public_classes():
    homes = defaultdict(set)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(path.relative_to(ROOT).as_posix())
    return homes


def test_no_class_name_stands_for_two_things():
    twice = {
        name: sorted(homes)
        for name, homes in public_classes().items()
        if len(homes) > 1 and name not in SHARED_CLASSES
    }
    assert not twice


def test_no_module_name_stands_for_two_things():
    homes = defaultdict(set)
    for path in FILES:
        if not path.stem.startswith("__"):
            homes[path.stem].add(path.relative_to(ROOT).as_posix())
    twice = {
        name: sorted(paths)
        for name, paths in homes.items()
        if len(paths) > 1 and name not in SHARED_MODULES
    }
    assert not twice


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=str)
def test_a_folder_of_a_plugin_holds_at_most_twelve_files(folder):
    if ROOT / "plugins" in folder.parents:
        assert len(list(folder.glob("*.py"))) <= 12


def test_the_engine_has_few_entries_and_files():
    engine = ROOT / "core" / "unblur" / "engine"
    files = list(engine.rglob("*.py"))
    entries = {path.relative_to(engine).parts[0] for path in files} - {"__init__.py"}
    assert len(entries) <= 8
    assert len(files) <= 28


def test_the_core_has_few_modules_at_its_top():
    assert len(list((ROOT / "core" / "unblur").glob("*.py"))) <= 6
