"""What `module.toml` says of a module beside its owner and what it depends on."""

from pathlib import Path
from types import ModuleType

import pytest

from app.platform.wiring import read_modules
from app.platform.wiring.module_toml import ModuleToml, WiringError


def read(tmp_path: Path, text: str) -> ModuleToml:
    module = tmp_path / "planted" / "billing"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "module.toml").write_text(f'owner = "@acme/team"\ndepends_on = []\n{text}\n')
    planted = ModuleType("planted")
    planted.__path__ = [str(module.parent)]
    return read_modules(planted)[0]


def test_a_module_may_be_a_service_and_have_names_that_are_to_go(tmp_path: Path) -> None:
    said = read(tmp_path, '[service]\nbecause = "scaling"\n[contract]\nretired = ["refund"]')
    assert (said.service, said.retired) == ("scaling", ["refund"])


def test_most_modules_are_neither(tmp_path: Path) -> None:
    said = read(tmp_path, "")
    assert (said.service, said.retired) == (None, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]", r": \[service\] must say `because`: scaling, isolation, "),
        ('[service]\nbecause = "fashion"', r": \[service\] must say `because`"),
        ('[service]\nwhy = "scaling"', r": \[service\] has why, but may only have because"),
        ('service = "scaling"', r": service is no table. Write \[service\]"),
        ('[service]\nbecause = "scaling"\nextensions = []', ": extensions must stand above"),
        ('[contract]\nretired = "refund"', ": retired is no list of names"),
        ("[contract]\nretired = [1]", ": retired is no list of names"),
        ("[contract]\nremoved = []", r": \[contract\] has removed, but may only have retired"),
        (
            "[contracts]",
            r" has contracts, but may only have .* \[slo\], \[service\] and \[contract\]",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WiringError, match=f"billing/module.toml{said}"):
        read(tmp_path, text)
