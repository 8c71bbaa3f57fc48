"""A stripped copy of a library that carries the symbol of one static function in .gnu_debugdata, as Fedora ships its packages
(https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html): LIBRARY OUTPUT FUNCTION."""

import lzma
import os
import subprocess
import sys
import tempfile

library, output, function = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    symbols = os.path.join(folder, "symbols")
    subprocess.run(["objcopy", "--only-keep-debug", library, symbols], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--keep-symbol={function}", symbols], check=True)
    with open(symbols, "rb") as plain, open(symbols + ".xz", "wb") as packed:
        packed.write(lzma.compress(plain.read()))
    subprocess.run(["objcopy", "--strip-all", f"--add-section=.gnu_debugdata={symbols}.xz", library, output], check=True)
