"""One version of a template, read from git and rendered without Copier.

Copier takes longer to start than this takes to render a repository with a hundred modules. The
result is Copier's, byte for byte and mode for mode; a template that uses what is not known here is
refused by UnknownFeatureError, and then Copier renders it.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import FunctionLoader, Template, TemplateError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from pathspec import PathSpec

from scaffold import objects
from scaffold.errors import ScaffoldError
from scaffold.questions import Answers, UnknownFeatureError, answer
from scaffold.repository import load_yaml

SUFFIX = ".jinja"
_SETTINGS = {
    "_answers_file",
    "_exclude",
    "_message_after_copy",
    "_min_copier_version",
    "_subdirectory",
}
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OTHERS = re.compile(r"_copier_(?!answers$|conf$)|_external_data$|_folder_name$|now$|make_secret$")
"""Names of Copier's that mean something else at each run, or are not known here."""


class File(NamedTuple):
    """A rendered file.

    Attributes:
        mode: as git writes it: 100644 or 100755.
        content: its bytes.
        source: the path in the template that it was rendered from.
    """

    mode: str
    content: bytes
    source: str


Files = dict[str, File]
"""What was rendered, by path."""


@dataclass(frozen=True)
class Rendered:
    """A repository or a module, and the answers it was rendered with."""

    files: Files
    answers: Answers


class TemplateVersion:
    """A commit of a template.

    Args:
        repository: a git repository that has it.
        commit: its hash.
    """

    def __init__(self, repository: Path, commit: str) -> None:
        self.commit = commit
        self._modes: dict[str, str] = {}
        self._hashes: dict[str, str] = {}
        for mode, blob, path in objects.list_tree(repository, commit):
            self._modes[path], self._hashes[path] = mode, blob
        self._repository = repository
        self._contents: dict[str, bytes] = {}
        self._templates: dict[str, Template] = {}
        self._environment = _environment(self._source)
        self._config = self._read_config()

    def render(
        self,
        source: str,
        version: str,
        *,
        given: Mapping[str, Any] | None = None,
        recorded: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Rendered:
        """Render the template.

        Args:
            source: what is recorded of where it comes from.
            version: what is recorded of its version.
            given: answers as those of `--data`; `module` renders one module's folder alone.
            recorded: answers of an answers file.
            check: whether an answer must be one that the template takes.

        Raises:
            UnknownFeatureError: where only Copier can.
            ScaffoldError: where an answer will not do, or the template is broken.
        """
        given, recorded = dict(given or {}), dict(recorded or {})
        metadata = {"_src_path": source, "_commit": version}
        # What a wheel brings has another hash than the commit that it was built from.
        conf = _Conf(version if _HASH.fullmatch(version) else self.commit, given)
        more = {**metadata, "_copier_answers": metadata, "_copier_conf": conf}
        try:
            answers = answer(self._questions, self._text, given, recorded, more, check)
            values = {**recorded, **more, **given, **answers.values}
            values["_copier_answers"] = metadata | {
                name: value
                for name, value in values.items()
                if name in self._questions and name not in answers.hidden
            }
            conf.answers_file = self._text(self._answers_file, values)
            return Rendered(dict(self._files(values)), answers)
        except TemplateError as error:
            raise ScaffoldError(f"the template {source} cannot be rendered: {error}") from error

    @property
    def paths(self) -> list[str]:
        """All files of the template, rendered or not."""
        return list(self._modes)

    def choices(self) -> dict[str, list[Any]]:
        """The answers that questions offer, by question, where they are listed as such."""
        found: dict[str, list[Any]] = {}
        for name, details in self._questions.items():
            offered = details.get("choices") if isinstance(details, dict) else None
            values = list(offered.values()) if isinstance(offered, dict) else offered
            if isinstance(values, list) and all(isinstance(each, str) for each in values):
                found[name] = values
        return found

    def about(self, question: str) -> str:
        """What the template says of a question."""
        details = self._questions[question]
        if not isinstance(details, dict):
            return ""
        choices = details.get("choices") or ()
        values = choices.values() if isinstance(choices, dict) else choices
        choices = ", ".join(map(str, values))
        return f"{details.get('help', question)}" + (f" ({choices})" if choices else "")

    @cached_property
    def _questions(self) -> dict[str, Any]:
        return {name: asked for name, asked in self._config.items() if name[0] != "_"}

    @cached_property
    def _answers_file(self) -> str:
        return str(self._config.get("_answers_file", ".copier-answers.yml"))

    @cached_property
    def _excluded(self) -> list[str]:
        patterns = self._config.get("_exclude", [])
        if not isinstance(patterns, list) or "_subdirectory" not in self._config:
            raise UnknownFeatureError("_exclude, or no _subdirectory")
        for pattern in patterns:
            if "!" in pattern:
                raise UnknownFeatureError(f"_exclude has {pattern}")
        return patterns

    def _read_config(self) -> dict[str, Any]:
        if "copier.yml" not in self._modes:
            raise UnknownFeatureError("there is no copier.yml")
        text = self._read(["copier.yml"])["copier.yml"]
        try:
            config = load_yaml(text)
        except ValueError as error:
            raise UnknownFeatureError(str(error)) from error
        unknown = {name for name in config if name[0] == "_"} - _SETTINGS
        if unknown:
            raise UnknownFeatureError(", ".join(sorted(unknown)))
        return dict(config)

    def _files(self, values: Mapping[str, Any]) -> Iterator[tuple[str, File]]:
        folder = self._text(str(self._config["_subdirectory"]), values).strip("/")
        prefix = f"{folder}/" if folder else ""
        patterns = [self._text(each, values).splitlines() for each in self._excluded]
        excluded = PathSpec.from_lines("gitignore", chain.from_iterable(patterns))
        sources = [path for path in self._modes if path.startswith(prefix)]
        self._read(sources)
        for source in sources:
            relative = source.removeprefix(prefix)
            if f"{source}{SUFFIX}" in self._modes:
                continue
            is_template = relative.endswith(SUFFIX)
            for path, more in self._paths(relative.removesuffix(SUFFIX), values):
                if excluded.match_file(path):
                    continue
                if self._modes[source] not in ("100644", "100755"):
                    raise UnknownFeatureError(f"{source} is a link or a submodule")
                content = self._contents[source]
                if is_template:
                    content = self._file(source).render({**values, **more}).encode()
                yield path, File(self._modes[source], content, source)

    def _paths(
        self, relative: str, values: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each path that a path of the template renders to, and what its loop gives."""
        found: list[tuple[str, dict[str, Any]]] = [("", {})]
        for part in relative.split("/"):
            following = []
            for before, more in found:
                if "{" not in part:
                    following.append((posixpath.join(before, part), more))
                    continue
                for rendered, loop in self._part(part, {**values, **more}):
                    if rendered == str(values["_copier_conf"].answers_file) and before:
                        raise UnknownFeatureError("the answers file stands in a folder")
                    if rendered:
                        following.append((posixpath.join(before, rendered), {**more, **loop}))
            found = following
        yield from found

    def _part(self, part: str, values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        loop = self._environment.loop  # type: ignore[attr-defined]
        loop.clear()
        rendered = self._text(part, values)
        if not loop:
            yield rendered, {}
            return
        ((name, iterable),) = loop.items()
        for each in iterable or ():
            loop.clear()
            yield self._text(part, {**values, name: each}), {name: each}

    def _text(self, text: str, values: Mapping[str, Any]) -> str:
        template = self._templates.get(text)
        if template is None:
            self._check(text)
            template = self._templates[text] = self._environment.from_string(text)
        return template.render(values)

    def _file(self, source: str) -> Template:
        if source not in self._templates:
            self._templates[source] = self._environment.get_template(source)
        return self._templates[source]

    def _source(self, path: str) -> str | None:
        if path not in self._modes:
            return None
        text = self._read([path])[path].decode()
        # As Python reads a text file.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._check(text)
        return text

    def _check(self, text: str) -> None:
        """Refuse a text that uses what only Copier has."""
        try:
            names = meta.find_undeclared_variables(self._environment.parse(text))
        except TemplateError as error:
            raise UnknownFeatureError(str(error)) from error
        if unknown := sorted(name for name in names if _OTHERS.match(name)):
            raise UnknownFeatureError(", ".join(unknown))

    def _read(self, paths: list[str]) -> dict[str, bytes]:
        missing = [path for path in paths if path not in self._contents]
        if missing:
            blobs = objects.read_blobs(self._repository, [self._hashes[path] for path in missing])
            self._contents.update(zip(missing, blobs, strict=True))
        return self._contents


class _Conf:
    """What templates may know of Copier's run."""

    answers_file = ""

    def __init__(self, commit: str, data: Mapping[str, Any]) -> None:
        self.vcs_ref_hash, self.data = commit, data

    def __getattr__(self, name: str) -> Any:
        raise UnknownFeatureError(f"_copier_conf.{name}")


class _Yield(Extension):
    """`{% yield each from all %}` in a path, which Copier renders once for each."""

    tags = {"yield"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        name = parser.parse_assign_target(name_only=True)
        parser.stream.expect("name:from")
        iterable = parser.parse_expression()
        body = parser.parse_statements(("name:endyield",), drop_needle=True)
        call = self.call_method("_loop", [nodes.Const(name.name), iterable])
        return nodes.CallBlock(call, [], [], body, lineno=line)

    def _loop(self, name: str, iterable: Any, caller: Any) -> str:
        self.environment.loop[name] = iterable  # type: ignore[attr-defined]
        return str(caller())


def _environment(source: Any) -> SandboxedEnvironment:
    from jinja2_ansible_filters import AnsibleCoreFiltersExtension

    environment = SandboxedEnvironment(
        loader=FunctionLoader(source),
        extensions=[AnsibleCoreFiltersExtension, _Yield],
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.loop = {}  # type: ignore[attr-defined]
    return environment
