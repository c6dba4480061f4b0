"""One day's charges: what was used of what, at which price from which list, as `lake/charges`.

A call has a row for its input and one for every other kind of token it used. `input` is what was not cached.
`reasoning` stands apart from `output` only where the price list prices it apart.

| status | means | amount |
|---|---|---|
| priced | quantity times price | exact |
| free | answered from the gateway's own cache | 0 |
| unpriced | used, but no list or YAML has a price | NULL, never 0 |
| unmeasured | the product sent no count, or counts that contradict each other (more cached tokens than input) | NULL |
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from canonry import lake as lakes
from canonry.catalog import Catalog
from canonry.cost.prices import PriceSnapshot
from canonry.cost.rates import Naming, overrides, rates
from canonry.storage import Zones

CODE_VERSION = 1
"""Raised when the same inputs would give other rows; part of every manifest."""

_COLUMNS = [
    "inference_id",
    "started_at",
    "operation",
    "provider",
    "request_model",
    "response_model",
    "service_tier",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_hit",
]


@dataclass(frozen=True)
class ChargeReport:
    """What charging a day came to. `amount` is US dollars; `unpriced` and `unmeasured` count rows by PROVIDER/MODEL."""

    day: dt.date
    inferences: int
    rows: int
    amount: Decimal
    unpriced: dict[str, int]
    unmeasured: dict[str, int]
    changed: bool


def charge_day(zones: Zones, catalog: Catalog, day: dt.date, snapshot: PriceSnapshot) -> ChargeReport:
    """Charge the calls of a day: the partition is a function of the day's calls, the price list and own prices."""
    manifest = lakes.manifest(zones.lake, "inferences", day)
    calls = lakes.read(zones.lake, "inferences", [day], _COLUMNS)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("inferences", calls)
        namings = _namings(connection)
        connection.register("rates", rates(namings, day, snapshot, catalog))
        _create_charges(connection, snapshot)
        charges = connection.execute("SELECT * EXCLUDE (number) FROM charges ORDER BY inference_id, token_kind")
        table = charges.to_arrow_table()
        unpriced, unmeasured = (_count(connection, status, namings) for status in ("unpriced", "unmeasured"))
        total = connection.execute("SELECT coalesce(sum(amount), 0) FROM charges").fetchone()
    made_from = {
        "code": CODE_VERSION,
        "inferences": _digest(manifest["files"] if manifest else {}),
        "own_prices": _digest(overrides(catalog, day)),
        "price_digest": snapshot.digest,
        "price_snapshot": snapshot.version,
    }
    nothing = manifest is None and lakes.manifest(zones.lake, "charges", day) is None
    changed = not nothing and lakes.write(zones.lake, "charges", day, table, made_from)
    amount = total[0] if total else Decimal(0)
    return ChargeReport(day, calls.num_rows, table.num_rows, amount, unpriced, unmeasured, changed)


def _namings(connection: duckdb.DuckDBPyConnection) -> list[Naming]:
    """Distinct namings of the day, also as table `namings` with their numbers."""
    names = "provider, request_model, response_model, service_tier"
    connection.execute(
        f"CREATE TABLE namings AS SELECT row_number() OVER (ORDER BY {names}) - 1 AS number, {names} "
        f"FROM (SELECT DISTINCT {names} FROM inferences)"
    )
    found = connection.execute(f"SELECT {names} FROM namings ORDER BY number").fetchall()
    return [Naming(*each) for each in found]


def _create_charges(connection: duckdb.DuckDBPyConnection, snapshot: PriceSnapshot) -> None:
    connection.execute(
        """
        CREATE TABLE calls AS
        SELECT
            inferences.*,
            namings.number,
            coalesce(cache_hit, false) AS free,
            coalesce(input_tokens, 0) AS tier_tokens,
            coalesce(cache_read_tokens, 0)::HUGEINT + coalesce(cache_write_tokens, 0) AS cached_tokens,
            CASE WHEN kinds.reasoning THEN coalesce(reasoning_tokens, 0) ELSE 0 END AS split_tokens,
            coalesce(operation, '') <> 'embeddings' AND coalesce(kinds.output, true) AS answers,
            coalesce(kinds.request, false) AS pays_per_request
        FROM inferences
        JOIN namings
            ON inferences.provider IS NOT DISTINCT FROM namings.provider
            AND inferences.request_model IS NOT DISTINCT FROM namings.request_model
            AND inferences.response_model IS NOT DISTINCT FROM namings.response_model
            AND inferences.service_tier IS NOT DISTINCT FROM namings.service_tier
        LEFT JOIN (
            SELECT
                number,
                bool_or(token_kind = 'output') AS output,
                bool_or(token_kind = 'reasoning') AS reasoning,
                bool_or(token_kind = 'request') AS request
            FROM rates
            GROUP BY number
        ) AS kinds ON namings.number = kinds.number
        """
    )
    connection.execute(
        """
        CREATE TABLE used AS
        SELECT *, 'input' AS token_kind,
            CASE WHEN cached_tokens <= input_tokens THEN (input_tokens - cached_tokens)::BIGINT END AS quantity
        FROM calls
        UNION ALL
        SELECT *, 'cache_read', cache_read_tokens FROM calls WHERE cache_read_tokens > 0
        UNION ALL
        SELECT *, 'cache_write', cache_write_tokens FROM calls WHERE cache_write_tokens > 0
        UNION ALL
        SELECT *, 'output', CASE WHEN split_tokens <= output_tokens THEN output_tokens - split_tokens END
        FROM calls WHERE output_tokens > 0 OR (output_tokens IS NULL AND answers)
        UNION ALL
        SELECT *, 'reasoning', split_tokens FROM calls WHERE split_tokens > 0
        UNION ALL
        SELECT *, 'request', 1 FROM calls WHERE pays_per_request
        """
    )
    connection.execute(
        """
        CREATE TABLE charges AS
        SELECT
            used.number,
            inference_id || ':' || used.token_kind AS charge_id,
            inference_id,
            used.token_kind,
            quantity,
            CASE WHEN NOT free THEN price_per_token END AS price_per_token,
            CASE WHEN free THEN 0 ELSE quantity::DECIMAL(19, 0) * price_per_token END::DECIMAL(38, 12) AS amount,
            CASE
                WHEN free THEN 'free'
                WHEN quantity IS NULL THEN 'unmeasured'
                WHEN price_per_token IS NULL THEN 'unpriced'
                ELSE 'priced'
            END AS status,
            CASE WHEN NOT free THEN price_id END AS price_id,
            $version AS price_snapshot,
            started_at AS valid_at,
            $taken_at::TIMESTAMP AS known_at
        FROM used
        LEFT JOIN rates
            ON used.number = rates.number AND used.token_kind = rates.token_kind
            AND started_at >= starts_at AND started_at < ends_at
            AND tier_tokens > tokens_over AND tier_tokens <= tokens_up_to
        """,
        {"version": snapshot.version, "taken_at": snapshot.taken_at},
    )


def _count(connection: duckdb.DuckDBPyConnection, status: str, namings: list[Naming]) -> dict[str, int]:
    found = connection.execute("SELECT number, count(*) FROM charges WHERE status = ? GROUP BY 1 ORDER BY 1", [status])
    counts: dict[str, int] = {}
    for number, rows in found.fetchall():
        name = f"{namings[number].provider or 'unknown'}/{namings[number].model or 'unknown'}"
        counts[name] = counts.get(name, 0) + rows
    return counts


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
