"""Which days are due: what the schedules ask for, found from notes, labels and draws."""

import datetime as dt
from collections.abc import Collection

from canonry import lake
from canonry.collect import news
from canonry.label.partition import days_behind
from canonry.labels import list_draws
from dagster_project.labels import days_concerned
from dagster_project.resources import Platform

DAYS_OPEN_TO_DRAWS = 14
"""A day that is older is not drawn from by itself: a year of old logs must not swamp those who label."""


def days_to_recompute(platform: Platform, running: Collection[str] = ()) -> list[dt.date]:
    """Days that were noted, and those of labels that were journalled by a run that broke off before it noted them.

    Without what runs that are `running` compute: where one takes longer than the schedule waits, there would be no end.
    """
    days = set(news.days_to_recompute(platform.zones, running=running))
    for name, behind in days_behind(platform.zones).items():
        days |= days_concerned(platform.catalog, name, behind)
    return sorted(day for day in days if day <= platform.today())


def days_to_draw(platform: Platform) -> list[dt.date]:
    """Days over, lately, from which some scheme has not drawn."""
    since = platform.today() - dt.timedelta(days=DAYS_OPEN_TO_DRAWS)
    over = {day for day in lake.days(platform.zones.lake, "inferences") if since <= day < platform.today()}
    drawn = [
        {day for version, day in list_draws(platform.zones.journal, name) if version == scheme.version}
        for name, scheme in platform.catalog.schemes.items()
    ]
    return sorted(day for day in over if any(day not in each for each in drawn))
