"""Writes the migrations of monitoring/clickhouse as a C table: embed_sql.py OUT FILE...

FILE is .../SCHEMA/NNN_name.sql, one statement each; those of a schema are numbered from 1 on, without a gap.
"""

import json
import os
import sys


def migration(path):
    """(schema, number, name, statement) of a file."""
    folder, name = os.path.split(path)
    name = name.removesuffix(".sql")
    with open(path, encoding="utf-8") as file:
        return os.path.basename(folder), int(name[:3]), name, file.read()


def main(out, paths):
    found = sorted(map(migration, paths))
    for schema in {m[0] for m in found}:
        numbers = [m[1] for m in found if m[0] == schema]
        assert numbers == list(range(1, len(numbers) + 1)), f"{schema} is not numbered from 1 on: {numbers}"
    with open(out, "w", encoding="utf-8") as file:
        file.write('// Made by src/backends/embed_sql.py.\n#include "backends/clickhouse_schema.h"\n\n'
                   "const struct spy__migration spy__migrations[] = {\n")
        for schema, number, name, sql in found:
            assert sql.isascii(), f"{name} is not ASCII"  # JSON's escapes are C's then
            lines = "\n".join(f"      {json.dumps(line)}" for line in sql.splitlines(keepends=True))
            file.write(f"    {{ {json.dumps(schema)}, {number}, {json.dumps(name)},\n{lines} }},\n")
        file.write(f"}};\nconst size_t spy__migrations_count = {len(found)};\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
