"""An archive of a module's tables: what one side held, in files that any Postgres reads.

Each table is a file `<table>.copy.gz`, what `COPY … TO` writes as text; `archive.json` says how many rows and bytes,
and the SHA-256 of what it unpacks to. It is written last: without it, an archive is not complete.
"""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, UTC
from pathlib import Path
from typing import Any

from app.platform.carving.ends import End
from app.platform.carving.errors import CarvingError
from app.platform.carving.proof import snapshots

_TABLES = """SELECT relname AS name, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        AND attgenerated = ''
    WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'r' GROUP BY relname ORDER BY 1"""
MANIFEST = "archive.json"


def check_folder(folder: Path) -> None:
    """Raise CarvingError where something is there already."""
    if folder.exists() and not folder.is_dir():
        raise CarvingError(f"{folder} is no folder.")
    if folder.exists() and any(folder.iterdir()):
        raise CarvingError(f"{folder} is not empty: name another folder, or remove what is there.")
    folder.mkdir(parents=True, exist_ok=True)


class _Written:
    """What was written of a table."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self.digest, self.bytes = file, hashlib.sha256(), 0

    async def write(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)


async def archive(end: End, module: str, folder: Path, say: Callable[[str], None]) -> int:
    """Write the tables of a module, as of one moment; return how many rows. Raises CarvingError."""
    check_folder(folder)
    tables: dict[str, Any] = {}
    async with snapshots(end) as (shot,):
        await shot.take()
        for table in await shot.session.fetch(_TABLES, module):
            say(f"Archiving {module}.{table['name']}.")
            path = folder / f"{table['name']}.copy.gz"
            name = table["name"].replace('"', '""')
            query = f'SELECT {table["columns"]} FROM "{module}"."{name}"'
            with gzip.open(path, "wb", compresslevel=6) as file:
                written = _Written(file)
                status = await shot.session.copy_from_query(query, output=written.write)
            tables[table["name"]] = {
                "file": path.name,
                "columns": table["columns"],
                "rows": int(status.split()[-1]),
                "bytes": written.bytes,
                "sha256": written.digest.hexdigest(),
            }
    said = {
        "module": module,
        "database": end.database,
        "at": datetime.now(UTC).isoformat(),
        "tables": tables,
    }
    (folder / MANIFEST).write_text(json.dumps(said, indent=2) + "\n", "utf-8")
    return sum(each["rows"] for each in tables.values())
