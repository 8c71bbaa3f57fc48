"""The files of the repository, without what is built or kept beside them."""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Bytes that only mean something to the program they are fed to.
NOT_OURS = ("fuzz/corpus/",)


def files(*suffixes):
    """Every file of the tree whose name ends so, as a path from its root."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(n for n in folders
                            if not n.startswith("build") and n not in (".git", ".run", ".deps", "__pycache__", "node_modules"))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if path.endswith(suffixes) and not path.startswith(NOT_OURS):
                yield path


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


_TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text):
    """C with comments and the insides of literals taken out; lines keep their numbers."""
    return _TOKENS.sub(lambda m: "\n" * m.group().count("\n") or " ", text)
