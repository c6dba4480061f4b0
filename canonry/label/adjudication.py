"""Which items somebody has to settle, from every label of a scheme's current version."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.consensus import Adjudication, adjudication_queue, consensus
from canonry.labels import list_draws
from canonry.storage import Zones


def items_to_adjudicate(zones: Zones, name: str, scheme: SchemeSpec) -> list[Adjudication]:
    """Items in doubt, by field of the scheme, the least sure first in each."""
    return adjudications(labels_of_version(zones, name, scheme), scheme)


def labels_of_version(zones: Zones, name: str, scheme: SchemeSpec) -> pa.Table:
    """Every row of `lake/labels` of a scheme's current version."""
    days = sorted({day for version, day in list_draws(zones.journal, name) if version == scheme.version})
    labels = lake.read(zones.lake, "labels", days)
    ours = pc.and_(pc.equal(labels["scheme"], name), pc.equal(labels["scheme_version"], str(scheme.version)))
    return labels.filter(ours)


def adjudications(labels: pa.Table, scheme: SchemeSpec) -> list[Adjudication]:
    """The same of rows of `lake/labels`, all of one version of the scheme."""
    return [
        each
        for choice in scheme.choices
        for each in adjudication_queue(
            consensus(labels, choice.name, scheme.consensus, choice.choices), choice.name, scheme.consensus
        )
    ]
