// The tables of the SQLite store and how they came to be.
#ifndef MEMEGEN_STORE_SQLITE_SCHEMA_H
#define MEMEGEN_STORE_SQLITE_SCHEMA_H

#include <sqlite3.h>
#include <stddef.h>

// Brings the database up to this program's version; each step is a transaction. SQLITE_OK or
// SQLite's code; error then says why. A database that a newer program made is refused, and left as
// it is.
int sqlite_schema_migrate(sqlite3 *db, char *error, size_t error_size);

#endif
