"""Writes the flame graph's page as two C arrays, before and behind its data: embed.py OUT PAGE STYLE SCRIPT.

Its Content-Security-Policy allows this style and this script alone, by their hashes (https://www.w3.org/TR/CSP3/#source-list-syntax),
and nothing from elsewhere: the page works from a file, without a network.
"""

import base64
import hashlib
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def source(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def array(name, text):
    data = text.encode()
    lines = "\n".join("    " + " ".join(f"{byte}," for byte in data[i:i + 24]) for i in range(0, len(data), 24))
    return f"const unsigned char {name}[] = {{\n{lines}\n}};\nconst size_t {name}_len = sizeof({name});\n"


def main(out, page, style, script):
    style, script = read(style), read(script)
    assert "</" not in style and "</" not in script, "the text would end its own element"
    policy = f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    whole = read(page).replace("@POLICY@", policy).replace("@STYLE@", style).replace("@SCRIPT@", script)
    before, behind = whole.split("@DATA@")
    with open(out, "w", encoding="utf-8") as file:
        file.write('// Made by src/encode/flamegraph/embed.py.\n#include "encode/flamegraph.h"\n\n')
        file.write(array("spy__flamegraph_before", before) + array("spy__flamegraph_behind", behind))


if __name__ == "__main__":
    main(*sys.argv[1:])
