"""`canonry keys`: who may use the service, and for what."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from canonry.cli._shared import console, errors, said
from canonry.storage import StorageError, open_zones

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke the keys of the service. A key has one team, one source, and scopes.",
)

SCOPES_HELP = "What it may, repeated: write:events, read:indexes, read:prompts, read:tables, admin (everything)."


@app.command()
def create(
    team: Annotated[str, typer.Option(help="Team that owns the key: its events are this team's, whatever they say.")],
    source: Annotated[str, typer.Option(help="A name in assets/sources, which says how text is redacted.")],
    scope: Annotated[list[str], typer.Option(help=SCOPES_HELP)],
    access: Annotated[list[str] | None, typer.Option(help="Access tag of releases it may read, repeated.")] = None,
    note: Annotated[str, typer.Option(help="What it is for: a product, an environment, a person.")] = "",
    assets: Annotated[Path, typer.Option(help="Folder of governed YAML.", envvar="CANONRY_ASSETS")] = Path("assets"),
) -> None:
    """Make a key and show it, once. Only its SHA-256 is kept: what is lost is revoked and made anew.

    Example: canonry keys create --team docs --source docs-assistant --scope write:events --note "docs-site, production"
    """
    from canonry import catalog
    from canonry.service import keys

    with said(catalog.CatalogError, keys.KeyProblem, StorageError, OSError):
        known = sorted(catalog.load(assets).sources)
        if source not in known:
            raise keys.KeyProblem(f"--source: there is no {assets}/sources/{source}.yaml (known: {', '.join(known)})")
        key, token = keys.create(
            open_zones().journal,
            team=team,
            source=source,
            scopes=scope,
            access=access or [],
            note=note,
            now=dt.datetime.now(dt.UTC),
        )
    errors.print(f"Key {key.key_id} of team {key.team}: {', '.join(sorted(key.scopes))}.", highlight=False)
    errors.print("It is shown this once. Keep it in CANONRY_API_KEY, or in your secret store:", highlight=False)
    # Alone on standard output, so that it can be piped into a secret store.
    print(token)


@app.command("list")
def list_all() -> None:
    """List keys: whose they are, what they may, which are revoked. The keys themselves are nowhere.

    Example: canonry keys list
    """
    from canonry.service import keys

    # An id that is cut off cannot be revoked.
    table = Table(
        Column("id", no_wrap=True), "team", "source", "scopes", "access", "created (UTC)", "revoked (UTC)", "note"
    )
    with said(keys.KeyProblem, StorageError, OSError):
        for key in keys.list_keys(open_zones().journal):
            table.add_row(
                key.key_id,
                key.team,
                key.source,
                " ".join(sorted(key.scopes)),
                " ".join(sorted(key.access)),
                str(key.created_at)[:19],
                str(key.revoked_at)[:19] if key.revoked_at else "",
                key.note,
            )
    console.print(table if table.row_count else "There is no key yet: canonry keys create --help")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key: the part between cnr_ and the next _.")],
    reason: Annotated[str, typer.Option(help="Why, for those who read the journal.")],
) -> None:
    """Make a key worth nothing, for good. Running services refuse it within seconds.

    Example: canonry keys revoke 0123456789ab --reason "was pasted into a chat"
    """
    from canonry.service import keys

    with said(keys.KeyProblem, StorageError, OSError):
        key = keys.revoke(open_zones().journal, key_id, reason=reason, now=dt.datetime.now(dt.UTC))
    console.print(f"Key {key.key_id} of team {key.team} is revoked since {str(key.revoked_at)[:19]} UTC.")
