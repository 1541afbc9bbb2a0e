"""A repository that can be carved: a tiny template with the real `deploy/` and `compose.yaml`."""

import shutil
from pathlib import Path

from conftest import FILES
from helpers import git, process
from histories import MODULE, Template

ROOT = Path(__file__).parents[1]
CODE = {
    f"{MODULE}/wiring.py.jinja": """\
{% set M = module.title() -%}
from . import {{ M }}
from .service import {{ M }}Service
{% for name, interface in depends_on | dictsort %}from app.modules.{{ name }} import {{ interface }}
{% endfor %}

def build(db{% for name, interface in depends_on | dictsort %}, {{ name }}: {{ interface }}{% endfor %}) -> {{ M }}:
    return {{ M }}Service(db)
""",
    f"{MODULE}/service.py.jinja": "class {{ module.title() }}Service: ...\n",
}
CARVE = ("carve", "billing", "--because", "scaling")


def make(folder: Path) -> None:
    """Make the template, and a repository with billing, which depends on catalog."""
    real = ROOT / "template"
    kept = [*(each for each in (real / "deploy").rglob("*") if each.is_file())]
    files = {
        each.relative_to(real).as_posix(): each.read_text()
        for each in (*kept, real / "compose.yaml.jinja")
    }
    template = Template(folder / "origin")
    for name, content in {**FILES, **files, **CODE}.items():
        template.write(name, content)
    shutil.copy(ROOT / "copier.yml", template.root)
    git(template.root, "init", "--quiet", "--initial-branch=main")
    template.release("v1.0.0")
    shop = folder / "shop"
    for arguments in (
        ("new", str(shop), "--defaults", "--from", str(folder / "origin"), "-d", "deploy=both"),
        ("add-module", "billing", "--depends-on", "catalog", "--owner", "@acme/payments"),
    ):
        done = process(*arguments, cwd=shop if shop.is_dir() else folder)
        assert done.returncode == 0, done.stderr
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Add billing")
