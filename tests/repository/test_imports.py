"""What `import soilscope` loads, what it offers, and what works without PyTorch."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import soilscope

ROOT = Path(__file__).resolve().parents[2]
HEAVY = [
    "torch",
    "matplotlib",
    "dask",
    "distributed",
    "vtk",
    "pyvista",
    "tensorflow",
    "keras",
    "sklearn",
    "pandas",
    "jinja2",
]
MOST_NAMES = 30
WITHOUT_TORCH = ["soilscope.learn", "soilscope.explain", "soilscope.evaluate", "soilscope.study", "soilscope.cli.app"]


def python(code):
    """Run code in a new interpreter; returns what it printed."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


def blocked(name):
    """Code that makes a package impossible to import, as if it were not installed."""
    return f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def test_importing_soilscope_loads_nothing_heavy():
    loaded = json.loads(
        python("import soilscope, sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))")
    )
    assert "soilscope" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_root_exports_sorted_names_that_all_exist():
    names = soilscope.__all__
    assert names == sorted(set(names), key=names.index) == sorted(names)
    assert len(names) <= MOST_NAMES
    assert [name for name in names if not hasattr(soilscope, name)] == []
    assert set(names) <= set(dir(soilscope))


def test_an_unknown_name_of_the_root_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        soilscope.no_such_name  # noqa: B018


def own_parameters(thing):
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in parameters if name not in ("self", "cls", "args", "kwargs")]


@pytest.mark.parametrize("name", [name for name in getattr(soilscope, "__all__", []) if name != "__version__"])
def test_every_public_name_says_what_it_is_and_explains_each_parameter(name):
    thing = getattr(soilscope, name)
    text = inspect.getdoc(thing) or ""
    assert text.strip(), f"{name} has no docstring"
    if not inspect.ismodule(thing) and own_parameters(thing):
        assert re.search(r"^Parameters\n-+$", text, flags=re.MULTILINE), (
            f"{name} has parameters but no section for them"
        )
        assert [p for p in own_parameters(thing) if not re.search(rf"(^|, ){p}\b", text, flags=re.MULTILINE)] == []


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_imports_without_torch(room):
    assert python(blocked("torch") + f"import {room}; print('imported')") == "imported\n"


def test_measuring_works_without_torch():
    code = """
import soilscope as ss
from soilscope import phantoms
core = ss.find_core(phantoms.make("grassland", seed=0, shape=(12, 48, 48)).volume)
print(len(ss.measure(core, "physical").slices) > 0, "torch" in sys.modules)
"""
    assert python(blocked("torch") + code) == "True False\n"


def test_learning_without_torch_names_the_line_that_installs_it():
    code = """
from soilscope import errors, learn
try:
    learn.network.vgg16(image_size=32, width=0.125)
except errors.MissingExtra as error:
    print(error.code, error.exit_code, 'pip install "soilscope[learn]"' in error.text)
"""
    assert python(blocked("torch") + code) == "missing-extra 2 True\n"


def test_every_module_has_a_docstring_and_what_it_offers_exists():
    wrong = []
    for path in sorted((ROOT / "src" / "soilscope").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        if not module.__doc__ or any(not hasattr(module, name) for name in getattr(module, "__all__", [])):
            wrong.append(module.__name__)
    assert wrong == []
