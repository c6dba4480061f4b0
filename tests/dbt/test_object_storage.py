"""What DuckDB is told of an object store: keys and endpoint from the environment, the extension from its wheel."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import duckdb
import pyarrow as pa
import pytest

from canonry import lake
from canonry.storage import open_storage
from tests.dbt.conftest import PROJECT
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "it's"}


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    """The module as dbt-duckdb loads it."""
    spec = importlib.util.spec_from_file_location("object_storage", PROJECT / "plugins" / "object_storage.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_connection_reads_parquet_of_the_bucket_and_shows_no_secret(plugin: ModuleType, bucket: str) -> None:
    table = pa.table({"name": ["it's", "two"]})
    open_storage(bucket).put("lake/kind/day=2026-11-02/part-0.parquet", lake.parquet_bytes(table))
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        plugin.Plugin("object_storage", {}).configure_connection(connection)
        query = f"SELECT name, day FROM read_parquet('{bucket}/lake/kind/*/*.parquet', hive_partitioning = true)"
        assert [row[0] for row in connection.execute(query).fetchall()] == ["it's", "two"]
        assert "redacted" in str(connection.execute("FROM duckdb_secrets()").fetchall())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, {"REGION": "us-east-1"}),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {"REGION": "eu-west-1"}),
        ({"AWS_SESSION_TOKEN": "token"}, {"REGION": "us-east-1", "SESSION_TOKEN": "token"}),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"},
            {"REGION": "us-east-1", "ENDPOINT": "127.0.0.1:9000", "URL_STYLE": "path", "USE_SSL": False},
        ),
        (
            {"AWS_ENDPOINT_URL": "https://store.example"},
            {"REGION": "us-east-1", "ENDPOINT": "store.example", "URL_STYLE": "path", "USE_SSL": True},
        ),
    ],
)
def test_the_standard_variables_say_where_and_as_whom(
    plugin: ModuleType, more: dict[str, str], told: dict[str, object]
) -> None:
    assert plugin.secret_options({**KEYS, **more}) == {"KEY_ID": "id", "SECRET": "it's", **told}


def test_an_unset_key_is_named(plugin: ModuleType) -> None:
    with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY unset"):
        plugin.secret_options({"AWS_ACCESS_KEY_ID": "id"})
