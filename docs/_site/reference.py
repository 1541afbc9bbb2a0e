"""Sphinx directives that read the code: `commands`, `settings` and `questions`."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import typer.main
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


class _Generated(SphinxDirective):
    """A directive whose content is Markdown that is made of the code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        sources, text = self.read(self.arguments[0])
        for source in sources:
            self.env.note_dependency(str(source))
        return self.parse_text_to_nodes(text, allow_section_headings=True)

    def read(self, what: str) -> tuple[list[Path], str]:
        raise NotImplementedError


class Commands(_Generated):
    """```{commands} scaffold.cli:app``` is what `--help` says of each command."""

    option_spec: ClassVar = {"name": str, "path": str}

    def read(self, what: str) -> tuple[list[Path], str]:
        path = ROOT / self.options.get("path", "src")
        sys.path.insert(0, str(path))
        module, _, name = what.partition(":")
        command = typer.main.get_command(getattr(importlib.import_module(module), name))
        sources = [*path.glob("*/cli*.py"), *path.glob("*/commands/*.py")]
        return sources, "\n".join(_command(command, self.options["name"], None))


def _command(command: Any, called: str, parent: Any) -> Iterator[str]:
    context = command.make_context(called.split()[-1], [], parent=parent, resilient_parsing=True)
    commands = getattr(command, "commands", {})
    if parent is not None:
        usage = " ".join([called, *command.collect_usage_pieces(context)])
        yield f"## {called}\n"
        yield f"```text\n{usage}\n```\n"
        yield from _prose(command.help or "")
        rows = [each.get_help_record(context) for each in command.get_params(context)]
        if rows := [row for row in rows if row and row[0] != "-h, --help"]:
            yield "| option | what it does |\n|---|---|"
            yield from (f"| {_cell(name, code=True)} | {_cell(said)} |" for name, said in rows)
            yield ""
        if command.epilog:
            yield f"```text\n{command.epilog.removeprefix('Example: ')}\n```\n"
    for name in command.list_commands(context) if commands else ():
        if not commands[name].hidden:
            yield from _command(commands[name], f"{called} {name}", context)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; what stands behind \\b is printed as it is: examples."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = paragraph.split("\n")[1:]
            shown = inspect.cleandoc("\n".join(lines[1:] if lines[0].endswith(":") else lines))
            yield f"```text\n{shown}\n```\n"
        else:
            yield re.sub(r"(?<![`\w])(--[a-z][a-z-]*)(?![`\w])", r"`\1`", paragraph) + "\n"


class Settings(_Generated):
    """```{settings} path``` is what a class of settings takes from the environment."""

    def read(self, what: str) -> tuple[list[Path], str]:
        path = ROOT / what
        tree = ast.parse(path.read_text("utf-8"))
        body = next(
            node.body
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == "Settings"
        )
        lines = ["| variable | default | what it is |", "|---|---|---|"]
        for field, behind in zip(body, [*body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = ""
                if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
                    said = " ".join(str(behind.value.value).split())
                lines.append(f"| `{field.target.id.upper()}` | {_default(field)} | {_cell(said)} |")
        return [path], "\n".join(lines)


def _default(field: ast.AnnAssign) -> str:
    value = field.value
    if isinstance(value, ast.Call):  # Field(default=…, …)
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default_factory" in given:
            return "what is installed"
        value = given.get("default")
    if value is None:
        return "required"
    said = ast.unparse(value).strip("'")
    return "none" if said in ("", "None") else f"`{said.lower() if said.isupper() else said}`"


class Questions(_Generated):
    """```{questions} copier.yml``` is what a template asks."""

    def read(self, what: str) -> tuple[list[Path], str]:
        path = ROOT / what
        asked = {
            name: question
            for name, question in yaml.safe_load(path.read_text("utf-8")).items()
            if not name.startswith("_") and question.get("when") is not False
        }
        lines: list[str] = []
        for title, of_module in (("Of a repository", False), ("Of a module", True)):
            lines += [
                f"## {title}",
                "",
                "| answer | type | default | what it says |",
                "|---|---|---|---|",
            ]
            for name, question in asked.items():
                if ("module is defined" in str(question.get("when", ""))) is not of_module:
                    continue
                default = str(question["default"])
                shown = f"`{default}`" if "{%" not in default and "{{" not in default else "derived"
                said = " ".join(question["help"].split())
                if choices := question.get("choices"):
                    said += " " + "; ".join(f"`{key}`: {label}" for label, key in choices.items())
                if name in ("deploy", "catalog"):
                    shown = f"`{next(iter(choices.values()))}`"
                lines.append(f"| `{name}` | {question['type']} | {shown} | {_cell(said)} |")
            lines.append("")
        return [path], "\n".join(lines)


def _cell(text: str, *, code: bool = False) -> str:
    said = " ".join(text.split()).replace("|", "\\|")
    return f"`{said}`" if code else said.replace("<", "\\<").replace("*", "\\*")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    app.add_directive("settings", Settings)
    app.add_directive("questions", Questions)
    return {"parallel_read_safe": True}
