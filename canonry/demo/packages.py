"""Which packages the knowledge base is made of: well documented, and installed by constraints.txt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Which files of a package are read, under which public name, and how many documents are taken from them."""

    name: str
    """As it is imported."""
    count: int
    modules: dict[str, str]
    """Source file under the package's folder: the public name of what it defines."""
    distribution: str = ""
    """As it is installed, where that is another name."""


PACKAGES = (
    Package(
        "pandas",
        160,
        {
            "core/frame.py": "pandas",
            "core/series.py": "pandas",
            "core/reshape/merge.py": "pandas",
            "core/reshape/pivot.py": "pandas",
            "core/reshape/tile.py": "pandas",
            "core/groupby/generic.py": "pandas.api.typing",
            "core/indexes/base.py": "pandas",
            "core/indexes/multi.py": "pandas",
            "core/window/rolling.py": "pandas.api.typing",
            "core/strings/accessor.py": "pandas.core.strings.accessor",
            "io/parsers/readers.py": "pandas",
            "io/json/_json.py": "pandas",
            "io/parquet.py": "pandas",
            "io/sql.py": "pandas",
        },
    ),
    Package(
        "numpy",
        115,
        {
            "_core/fromnumeric.py": "numpy",
            "_core/numeric.py": "numpy",
            "_core/shape_base.py": "numpy",
            "lib/_function_base_impl.py": "numpy",
            "lib/_arraysetops_impl.py": "numpy",
            "lib/_nanfunctions_impl.py": "numpy",
            "lib/_npyio_impl.py": "numpy",
            "lib/_shape_base_impl.py": "numpy",
            "linalg/_linalg.py": "numpy.linalg",
            "fft/_pocketfft.py": "numpy.fft",
        },
    ),
    Package(
        "scipy",
        70,
        {
            "stats/_stats_py.py": "scipy.stats",
            "stats/_morestats.py": "scipy.stats",
            "signal/_signaltools.py": "scipy.signal",
            "spatial/distance.py": "scipy.spatial.distance",
            "cluster/hierarchy.py": "scipy.cluster.hierarchy",
        },
    ),
    Package(
        "statsmodels",
        45,
        {
            "stats/proportion.py": "statsmodels.stats.proportion",
            "stats/power.py": "statsmodels.stats.power",
            "stats/weightstats.py": "statsmodels.stats.weightstats",
            "stats/multitest.py": "statsmodels.stats.multitest",
        },
    ),
    Package(
        "networkx",
        65,
        {
            "classes/graph.py": "networkx",
            "classes/function.py": "networkx",
            "algorithms/dag.py": "networkx",
            "algorithms/shortest_paths/generic.py": "networkx",
            "algorithms/shortest_paths/weighted.py": "networkx",
            "algorithms/tree/mst.py": "networkx",
            "algorithms/distance_measures.py": "networkx",
            "generators/random_graphs.py": "networkx",
        },
    ),
    Package(
        "sqlalchemy",
        80,
        {
            "engine/base.py": "sqlalchemy.engine",
            "engine/result.py": "sqlalchemy.engine",
            "engine/reflection.py": "sqlalchemy.engine",
            "orm/session.py": "sqlalchemy.orm",
            "orm/query.py": "sqlalchemy.orm",
            "sql/schema.py": "sqlalchemy",
            "sql/selectable.py": "sqlalchemy",
            "sql/_elements_constructors.py": "sqlalchemy",
        },
    ),
    Package(
        "dagster",
        80,
        {
            "_core/definitions/asset_selection.py": "dagster",
            "_core/definitions/declarative_automation/automation_condition.py": "dagster",
            "_core/definitions/decorators/asset_decorator.py": "dagster",
            "_core/definitions/definitions_class.py": "dagster",
            "_core/definitions/events.py": "dagster",
            "_core/definitions/metadata/metadata_value.py": "dagster",
            "_core/execution/context/input.py": "dagster",
            "_core/execution/context/op_execution_context.py": "dagster",
            "_core/execution/context/output.py": "dagster",
            "_core/instance/instance.py": "dagster",
        },
    ),
    Package(
        "pydantic",
        50,
        {
            "config.py": "pydantic",
            "fields.py": "pydantic",
            "functional_validators.py": "pydantic",
            "json_schema.py": "pydantic.json_schema",
            "main.py": "pydantic",
            "networks.py": "pydantic",
            "type_adapter.py": "pydantic",
            "types.py": "pydantic",
        },
    ),
    Package("rich", 35, {"console.py": "rich.console", "progress.py": "rich.progress", "text.py": "rich.text"}),
    Package("click", 45, {"core.py": "click", "decorators.py": "click", "termui.py": "click", "types.py": "click"}),
    Package(
        "requests",
        28,
        {"adapters.py": "requests.adapters", "api.py": "requests", "models.py": "requests", "sessions.py": "requests"},
    ),
    Package("httpx", 20, {"_client.py": "httpx", "_urls.py": "httpx", "_api.py": "httpx"}),
    Package("jinja2", 35, {"environment.py": "jinja2", "filters.py": "jinja2.filters", "loaders.py": "jinja2"}),
    Package("fsspec", 25, {"spec.py": "fsspec.spec", "core.py": "fsspec", "utils.py": "fsspec.utils"}),
    Package(
        "sentence_transformers",
        25,
        {"base/model.py": "sentence_transformers", "util/similarity.py": "sentence_transformers.util"},
    ),
    Package("torch", 50, {"nn/functional.py": "torch.nn.functional", "nn/modules/module.py": "torch.nn"}),
    Package("dagster_dbt", 20, {"dagster_dbt_translator.py": "dagster_dbt", "asset_utils.py": "dagster_dbt"}),
    Package("packaging", 20, {"specifiers.py": "packaging.specifiers", "version.py": "packaging.version"}),
    Package("duckdb", 0, {}),
    Package("faiss", 0, {}, "faiss-cpu"),
    Package("label_studio_sdk", 0, {}),
    Package("pyarrow", 0, {}),
    Package("tqdm", 0, {}),
    Package("typer", 0, {}),
)
"""What the knowledge base is made of. A package that is not installed is left out."""
