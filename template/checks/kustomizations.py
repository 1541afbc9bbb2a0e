"""What kustomize loses without a word: one of two entries with the same name, and patches that fit nothing."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

_NAMED_BY: dict[str, list[tuple[str, ...]]] = {
    "containers": [("name",)],
    "env": [("name",)],
    "initContainers": [("name",)],
    "ports": [("name",), ("containerPort", "protocol"), ("port", "protocol")],
    "volumeMounts": [("mountPath",)],
    "volumes": [("name",)],
}
"""What tells the entries of a list apart. Whoever merges two with the same keeps one."""


def repeated(node: Any) -> Iterator[str]:
    """Say which entries stand twice in one list, anywhere in a manifest."""
    if isinstance(node, list):
        for each in node:
            yield from repeated(each)
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "patch" and isinstance(value, str):
                value = yaml.safe_load(value)
            if isinstance(value, list) and name in _NAMED_BY:
                entries = [each for each in value if isinstance(each, dict)]
                for keys in _NAMED_BY[name]:
                    named = [tuple(map(each.get, keys)) for each in entries if keys[0] in each]
                    for found, times in Counter(named).items():
                        if times > 1:
                            yield f"{name} has {found[0]} {times} times: kustomize keeps one of them"
            yield from repeated(value)


def repeated_in_files(folder: Path) -> Iterator[str]:
    """Say the same of the files themselves: what is rendered does not show what was lost on the way."""
    for file in sorted(folder.rglob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text("utf-8")):
            for said in repeated(each):
                yield f"{file.relative_to(folder)}: {said}"


def lost_patches(kustomization: Path, render: Callable[..., list[dict[str, Any]]]) -> Iterator[str]:
    """Say which patches of an overlay, and of all that it consists of, have a target that is not there.

    kustomize itself says so: `render` gets a folder with the same resources, in which each patch leaves
    a mark on what it finds.
    """
    content = _read(kustomization)
    parts = [content, *(_read(kustomization / each) for each in content.get("components", []))]
    patches = [each for part in parts for each in part.get("patches", []) if "target" in each]
    for each in content.get("resources", []):
        if (kustomization / each).is_dir():
            yield from lost_patches(kustomization / each, render)
    if not patches:
        return
    with TemporaryDirectory() as folder:

        def seen(path: str) -> str:
            """Return how the temporary folder calls what the kustomization calls so."""
            there = (kustomization / path).resolve()
            return os.path.relpath(there, Path(folder).resolve()) if there.exists() else path

        marks = {f"patch-{number}": each["target"] for number, each in enumerate(patches)}
        probe = {
            "resources": [seen(each) for each in content.get("resources", [])],
            "components": [seen(each) for each in content.get("components", [])],
            "patches": [
                {"target": target, "patch": yaml.safe_dump(_marking(mark))}
                for mark, target in marks.items()
            ],
        }
        for kind in ("configMapGenerator", "secretGenerator"):
            probe[kind] = [
                {k: v for k, v in each.items() if k in ("name", "namespace", "behavior")}
                | {"literals": ["mark=here"]}
                for each in content.get(kind, [])
            ]
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(probe), "utf-8")
        left = {
            mark
            for each in render(Path(folder), "--load-restrictor=LoadRestrictionsNone")
            for mark in each["metadata"].get("annotations", {})
        }
    for mark, target in marks.items():
        if mark not in left:
            described = ", ".join(f"{key} {value}" for key, value in target.items())
            yield f"a patch has no effect: there is no {described}"


def _marking(mark: str) -> dict[str, Any]:
    named = {"name": "any", "annotations": {mark: "found"}}
    return {"apiVersion": "v1", "kind": "Any", "metadata": named}


def _read(folder: Path) -> dict[str, Any]:
    names = ("kustomization.yaml", "kustomization.yml", "Kustomization")
    file = next(folder / name for name in names if (folder / name).exists())
    content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return content
