"""Roads in PostGIS: reading a table of lines, writing a network."""

from __future__ import annotations

from typing import Any, Unpack
from urllib.parse import parse_qs, urlsplit, urlunsplit

import geopandas as gpd
import pandas as pd

from spatialplan.errors import InputError, nearest_names
from spatialplan.network import Network
from spatialplan.readers import Imported, Reading, imported

__all__ = ["read_postgis", "write_postgis"]


def read_postgis(url: str, **options: Unpack[Reading]) -> Imported:
    """Read a network from a table of lines in PostGIS.

    Parameters
    ----------
    url
        ``postgresql://user:password@host/database?table=schema.roads&geometry=geom``;
        ``geometry`` may be left out when the table has one such column.
    options
        As in `spatialplan.readers.Reading`.

    Raises
    ------
    InputError
        When the database cannot be reached or has no such table, and as `read_file`.
    """
    engine, asked = _engine(url)
    import sqlalchemy as sa

    table = asked.get("table", "")
    if not table:
        raise InputError.of("postgresql://…", "请写 ?table=表名", "name the table: ?table=roads")
    schema, _, name = table.rpartition(".")
    where = f"table {table}"
    try:
        with engine.connect() as connection:
            schema, column = _found_table(connection, schema, name, asked.get("geometry", ""))
            chosen = sa.select(sa.text("*")).select_from(sa.table(name, schema=schema or None))
            frame = gpd.read_postgis(chosen, connection, geom_col=column)
    except (sa.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        raise _database_error(error) from None
    finally:
        engine.dispose()
    if column != "geometry":
        frame = frame.rename_geometry("geometry")
    return imported(frame, name, where, **options)


def write_postgis(network: Network, url: str) -> list[str]:
    """Write tables ``<table>_nodes``, ``<table>_links`` and so on, all or none; return their names.

    Tables of these names are replaced. Geometry is labelled EPSG:4490, as in GeoPackages.

    Raises
    ------
    InputError
        When the database cannot be reached or does not let us write.
    """
    engine, asked = _engine(url)
    import sqlalchemy as sa

    schema, _, stem = asked.get("table", "spatialplan").rpartition(".")
    layers = {f"{stem}_{name}": frame for name, frame in network.layers().items()}
    try:
        with engine.begin() as connection:
            for name, frame in layers.items():
                labelled = frame.set_crs(4490, allow_override=True)
                labelled.to_postgis(
                    name, connection, schema=schema or None, if_exists="replace", index=False
                )
    except sa.exc.SQLAlchemyError as error:
        raise _database_error(error) from None
    finally:
        engine.dispose()
    return list(layers)


def _engine(url: str) -> tuple[Any, dict[str, str]]:
    """Return an engine, and what the address asks for besides."""
    try:
        import geoalchemy2  # noqa: F401 - GeoPandas needs it for writing
        import psycopg  # noqa: F401
        import sqlalchemy as sa
    except ImportError:
        raise InputError.of(
            "postgresql://",
            "读写 PostGIS 需要附加组件;请运行 pip install 'spatialplan[postgis]'",
            "the postgis extra is needed: pip install 'spatialplan[postgis]'",
        ) from None
    try:
        parts = urlsplit(url)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        rest = "&".join(f"{k}={v}" for k, v in asked.items() if k not in ("table", "geometry"))
        address = urlunsplit(("postgresql+psycopg", parts.netloc, parts.path, rest, ""))
        return sa.create_engine(address), asked
    except (sa.exc.ArgumentError, ValueError):
        raise InputError.of(
            "postgresql://…",
            "地址写得不对;应如 postgresql://用户:密码@主机:5432/库名?table=表名",
            "not an address; write postgresql://user:password@host:5432/database?table=roads",
        ) from None


def _found_table(connection: Any, schema: str, table: str, column: str) -> tuple[str, str]:
    """Return the schema of a table and its geometry column; either may be left out if clear."""
    import sqlalchemy as sa

    query = "SELECT f_table_schema, f_table_name, f_geometry_column FROM geometry_columns"
    known = connection.execute(sa.text(query)).all()
    found = [row for row in known if row[1] == table and schema in ("", row[0])]
    found = [row for row in found if column in ("", row[2])]
    if len(found) == 1:
        return found[0][0], found[0][2]
    if found:
        listed = "、".join(f"{row[0]}.{row[1]} 的 {row[2]}" for row in found)
        zh = f"不止一个:{listed};请写 table=模式.表名,并用 &geometry= 指定几何列"
        raise InputError.of(f"table {table}", zh, "several; name schema.table and &geometry=")
    near = "、".join(nearest_names(table, [f"{row[0]}.{row[1]}" for row in known])) or "无"
    raise InputError.of(
        f"table {table}",
        f"没有这个表或几何列(或无权读);有几何的表:{near}",
        "no such table with geometry, or no right to read it",
    )


def _database_error(error: Exception) -> InputError:
    # The first line says what happened; the statement and the address stay unsaid.
    cause = error.__cause__ if isinstance(error, pd.errors.DatabaseError) else error
    reason = str(getattr(cause, "orig", cause)).strip().splitlines()[0]
    return InputError.of(
        "postgresql://…",
        "数据库连不上或拒绝操作;请检查地址、用户、表名和权限",
        f"the database cannot be reached or refuses: {reason}",
    )
