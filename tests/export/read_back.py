"""Prints what DuckDB finds in tables: for each path among the arguments an array of rows, as JSON on one line.

CSV and JSON lines are read with the column types of the Parquet file of the same table, which comes first.
"""

import json
import sys

import duckdb

types = {}


def stamp(ns):
    """RFC 3339 from nanoseconds: DuckDB's own text has another form."""
    import datetime

    whole = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"


for path in sys.argv[1:]:
    if path.endswith(".parquet"):
        described = duckdb.execute("describe select * from read_parquet(?)", [path]).fetchall()
        types = {name: kind for name, kind, *_ in described}
        assert types["time"] == "TIMESTAMPTZ_NS", types["time"]
        rows = duckdb.execute("select * replace (epoch_ns(time) as time) from read_parquet(?)", [path])
    else:
        columns = json.dumps(types | {"time": "VARCHAR"})
        reader = "read_csv(?, header = true, " if path.endswith(".csv") else "read_json(?, "
        rows = duckdb.execute(f"select * from {reader} columns = {columns})", [path])
    names = [column[0] for column in rows.description]
    found = [dict(zip(names, row)) for row in rows.fetchall()]
    for row in found:
        if isinstance(row["time"], int):
            row["time"] = stamp(row["time"])
    print(json.dumps(found))
