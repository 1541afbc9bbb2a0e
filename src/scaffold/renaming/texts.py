"""Which words of a text refer to a module: each rule says by what. All other words stay."""

import re
from collections.abc import Iterator
from functools import cached_property

from scaffold.names import class_name
from scaffold.renaming.facts import Facts

Span = tuple[int, int, str]
"""From where to where, and what stands there then."""

_LABEL = re.compile(
    r"(?<![\w-])module(?:\\?[\"'])?\s*(?:=~|!~|!=|==|=|:)\s*(?:\\?[\"']([^\"'\n\\]*)|([\w|-]+)(?=[\s,}\]#]|$))",
    re.MULTILINE,
)
_FENCE = re.compile(r"^ *(```+|~~~+).*?^ *\1", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LEVELS = "debug|info|warning|error|critical"
_SQL = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|CREATE|ALTER|DROP|GRANT|REVOKE|TRUNCATE|LOCK|COPY|TABLE|"
    r"SET|RESET|COMMENT|REFRESH|DO|EXPLAIN|VALUES|CALL|ANALYZE|VACUUM|REINDEX|CLUSTER)\b",
    re.IGNORECASE,
)


class Words:
    """The words by which a module is named, and what they will be."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.old, self.new = facts.old, facts.new
        self.old_url, self.new_url = (name.replace("_", "-") for name in (facts.old, facts.new))
        self.old_class, self.new_class = class_name(facts.old), class_name(facts.new)
        self.classes = {
            dotted.rpartition(".")[2]: new
            for dotted, new in facts.classes.items()
            if dotted.rpartition(".")[2] != new
        }
        """New names of classes, by the old ones; grows with what inherits from them."""

    def spans(self, text: str, *, path: str = "", sql: bool = False) -> list[Span]:
        """The words of any text that refer to the module.

        Args:
            text: of whatever kind.
            path: of the file, since some words mean something in some folders only.
            sql: whether the text is SQL.
        """
        found: list[Span] = []
        if self.old in text:
            for rule in self._anywhere:
                found += [(*m.span("at"), self.new) for m in rule.finditer(text)]
            if path.startswith("src/app/modules/"):
                found += [(*m.span("at"), self.new) for m in self._beside.finditer(text)]
            rest = path.removeprefix("src/app/modules/")
            if rest.startswith((f"{self.old}/", f"{self.new}/")):
                found += [(*m.span("at"), self.new) for m in self._index.finditer(text)]
            found += self._labels(text)
            if sql:
                found += self.in_sql(text)
        if self.old_url in text:
            found += [(*m.span("at"), self.new_url) for m in self._url.finditer(text)]
        found += self._of_classes(text)
        return distinct(found)

    def in_sql(self, text: str) -> list[Span]:
        """The schema, where a text is SQL: unless the name is an alias there."""
        old = re.escape(self.old)
        alias = rf"\bAS\s+\"?{old}\b|\b{old}\s+AS\s*\(|(?:FROM|JOIN)\s+[\w.\"]+\s+{old}\b"
        if re.search(alias, text, re.IGNORECASE):
            return []
        return [(*m.span("at"), self.new) for rule in self._sql for m in rule.finditer(text)]

    def in_markdown(self, text: str, *, path: str, is_own: bool) -> list[Span]:
        """The same in Markdown, where more is certain of what stands in code."""
        found = self.spans(text, path=path)
        if is_own and (head := re.match(rf"# ({re.escape(self.old)})\s*$", text, re.MULTILINE)):
            found.append((*head.span(1), self.new))
        if path.startswith("src/app/modules/"):
            found += [(*m.span("at"), self.new) for m in self._called.finditer(text)]
        for start, code in _code(text):
            found += [(start + a, start + b, new) for a, b, new in self._in_code(code, is_own)]
        return distinct(found)

    def _in_code(self, code: str, is_own: bool) -> Iterator[Span]:
        for old, new in self.classes.items():
            for m in re.finditer(rf"(?<![\w.]){old}(?!\w)", code):
                yield (*m.span(), new)
        if is_own:
            yield from self.in_sql(code)
            for m in re.finditer(rf"(?<![\w.:/-]){re.escape(self.old)}(?![\w:/(=-]|\.\w)", code):
                yield (*m.span(), self.new)
            if code == f"/{self.old_url}":
                yield 1, len(code), self.new_url

    def alike(self, text: str) -> Iterator[tuple[int, str]]:
        """Lines that have the module's name in them, as part of a longer one perhaps."""
        if self._alike.search(text):
            for number, line in enumerate(text.splitlines(), 1):
                if self.is_alike(line):
                    yield number, line

    def is_alike(self, text: str) -> bool:
        """Whether a text has the old name in it, elsewhere than in the new one."""
        return self._alike.search(self._renamed.sub("", text)) is not None

    @cached_property
    def _anywhere(self) -> list[re.Pattern[str]]:
        at = f"(?P<at>{re.escape(self.old)})"
        members = "|".join(sorted(map(re.escape, self.facts.members), key=len, reverse=True))
        rules = [
            rf"(?<![\w.])app\.modules\.{at}(?!\w)",
            rf"(?<![\w-])app/modules/{at}(?![\w-]|\.\w)",
            rf"--(?:module|schema)(?:=|\s+)[\"']?{at}(?![\w-])",
            rf"(?<=[\w>}}\"'%)])__{at}(?=__owner(?!\w)|(?!\w))",
            rf"(?<![\w.-]){at}=(?:{_LEVELS})\b",
            rf"\b(?:make-migration|add-entity)\s+{at}(?![\w-])",
            rf"\bTests of {at}:",
            rf"\bschema `{at}`",
        ]
        if members:
            rules.append(rf"(?<![\w.:/$-]){at}\.(?:{members})(?!\w)")
        return [re.compile(rule) for rule in rules]

    @cached_property
    def _index(self) -> re.Pattern[str]:
        """The name of an index of one of its tables; another module's table may be called so."""
        tables = "|".join(sorted(map(re.escape, self.facts.tables), key=len, reverse=True))
        return re.compile(rf"(?<!\w)ix_(?P<at>{re.escape(self.old)})_(?:{tables or '(?!)'})(?=_)")

    @cached_property
    def _called(self) -> re.Pattern[str]:
        """`calls billing, catalog.` in the README of a module."""
        rule = rf"\b[Cc]alls (?:\w+, )*(?P<at>{re.escape(self.old)})(?=(?:, \w+)*[.;])"
        return re.compile(rule)

    @cached_property
    def _beside(self) -> re.Pattern[str]:
        return re.compile(rf"(?<=\.\./)(?P<at>{re.escape(self.old)})(?=[/)#\s\"'`]|$)")

    @cached_property
    def _sql(self) -> list[re.Pattern[str]]:
        at = f"(?P<at>{re.escape(self.old)})"
        return [
            re.compile(rule, re.IGNORECASE)
            for rule in (
                rf"(?<![\w.$:]){at}(?=\"?\.(?:[\"\w{{%…*]|$))",
                rf"\bSCHEMA\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?\"?{at}(?!\w)",
                rf"\bsearch_path\s*(?:=|TO)\s*[\w\s,\"]*?\b{at}(?!\w)",
                rf"'{at}'::regnamespace",
                rf"\b(?:nspname|table_schema|schemaname|schema_name)\s*=\s*'{at}'",
            )
        ]

    @cached_property
    def _url(self) -> re.Pattern[str]:
        firsts = {path.strip("/").split("/")[0] for _, path in self.facts.routes}
        plain = sorted((re.escape(x) for x in firsts if x and x[0] != "{"), key=len, reverse=True)
        behind = [rf"/(?:{'|'.join(plain)})(?![\w.-])"] if plain else []
        if firsts - {x for x in firsts if x and x[0] != "{"}:
            behind += [r"/[{<:]", r"[?\"'`\s]", "$"]
        here = r"(?:(?<![.\w-])|(?<=:\d\d\d\d))"
        return re.compile(
            rf"{here}/(?P<at>{re.escape(self.old_url)})(?={'|'.join(behind) or '(?!)'})"
        )

    @cached_property
    def _alike(self) -> re.Pattern[str]:
        return _forms(self.old, self.old_class)

    @cached_property
    def _renamed(self) -> re.Pattern[str]:
        return _forms(self.new, self.new_class)

    def _labels(self, text: str) -> Iterator[Span]:
        word = re.compile(rf"(?<![\w-]){re.escape(self.old)}(?![\w-])")
        for label in _LABEL.finditer(text):
            group = 1 if label[1] is not None else 2
            for found in word.finditer(label[group]):
                yield (
                    label.start(group) + found.start(),
                    label.start(group) + found.end(),
                    self.new,
                )

    def _of_classes(self, text: str) -> Iterator[Span]:
        methods = "|".join(sorted(map(re.escape, self.facts.methods), key=len, reverse=True))
        for old, new in self.classes.items():
            if old not in text:
                continue
            rules = [
                rf"`({old})(?=[`.(])",
                rf"\bwired\[({old})\]",
                rf"(?<![\w.])app\.modules\.{re.escape(self.old)}(?:\.\w+)*[.:]({old})(?!\w)",
                rf"(?<![\w.])({old})\.(?:{methods or '(?!)'})(?!\w)",
            ]
            for rule in rules:
                for found in re.finditer(rule, text):
                    yield (*found.span(1), new)


def distinct(spans: list[Span]) -> list[Span]:
    """Each once, in order; of two that meet, the first."""
    kept: list[Span] = []
    for each in sorted(set(spans)):
        if not kept or each[0] >= kept[-1][1]:
            kept.append(each)
    return kept


def put(text: str, spans: list[Span]) -> str:
    """The text with other words in it."""
    for start, end, new in reversed(distinct(spans)):
        text = text[:start] + new + text[end:]
    return text


def _forms(name: str, cls: str) -> re.Pattern[str]:
    """A name in prose, in an address, in capitals, or as a part of another one."""
    words = "|".join({re.escape(name.replace("_", by)) for by in ("_", "-", " ")})
    return re.compile(rf"(?<![^\W_])(?i:{words})(?![^\W_])|(?<![A-Z]){re.escape(cls)}(?![a-z0-9])")


def is_sql(text: str) -> bool:
    """Whether a text begins as SQL does."""
    return _SQL.match(text) is not None


def _code(text: str) -> Iterator[tuple[int, str]]:
    """What stands in Markdown as code, with where it begins."""
    at = 0
    for fence in _FENCE.finditer(text):
        yield from _inline(text, at, fence.start())
        yield fence.start(), fence[0]
        at = fence.end()
    yield from _inline(text, at, len(text))


def _inline(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for span in _CODE.finditer(text, start, end):
        yield span.start(2), span[2]
