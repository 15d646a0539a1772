"""Cores are called in any script: the id, the files named after it, the tables, the figures and the page."""

from __future__ import annotations

import unicodedata
import warnings

import pandas as pd
import pytest

from soilscope import phantoms, study
from soilscope.errors import PlanError
from soilscope.study.core_plan import SoilPlan
from soilscope.study.names import core_name, is_core_name
from soilscope.study.plan import CorePlan, LearnPlan, Plan, RunPlan
from soilscope.study.write import plan_text

NAMED = {
    "Müller": "Müller",
    "Mu\u0308ller": "Müller",
    "森林": "森林",
    "Лес 3": "Лес-3",
    "मिट्टी": "मिट्टी",
    "\u202egnp": "gnp",
    "a\u200bb\x00c": "abc",
    "new\nline": "new-line",
    "../../etc": "etc",
    "a/b\\c": "a-b-c",
    "-dash": "dash",
    ".hidden": "hidden",
    "_tables": "tables",
    "x" * 250: "x" * 80,
    "森" * 90: "森" * 53,
    "CON": "",
    "nul.tif": "",
    "🪱": "",
}


@pytest.mark.parametrize("text", NAMED)
def test_letters_of_every_script_stay_and_what_is_not_seen_goes(text):
    """24. ... umlauts, CJK, emoji, NFD/NFC, newline, 250 characters, leading dash; 38. RTL override."""
    assert core_name(text) == unicodedata.normalize("NFC", NAMED[text])
    assert NAMED[text] == "" or is_core_name(core_name(text))


@pytest.mark.parametrize(
    "name", ["", "a/b", "a\\b", "../a", "-a", ".a", "_a", "a b", "a\n", "a\u202eb", "COM1", "a" * 81, "森" * 54, "<a>"]
)
def test_a_plan_takes_no_id_that_is_no_safe_name(name, tmp_path):
    assert not is_core_name(name)
    sound = plan_text(Plan(name="a", cores=(CorePlan(id="c1", path="x"),)))
    written = name.encode("unicode_escape").decode().replace("\\x", "\\u00").replace("\\\\", "\\\\")
    (tmp_path / "study.toml").write_text(sound.replace('id = "c1"', f'id = "{written}"'))
    with pytest.raises(PlanError, match="cannot name a folder"):
        study.read_plan(tmp_path)


def test_one_name_in_two_spellings_is_one_id(tmp_path):
    """24. ... NFD/NFC: a core and the reference that names it may be spelt by two systems."""
    plan = plan_text(Plan(name="a", cores=(CorePlan(id="Rötz", path="x"),), core=SoilPlan(reference="Rötz")))
    head, tail = plan.split("[core]")
    (tmp_path / "study.toml").write_text(head + "[core]" + unicodedata.normalize("NFD", tail), encoding="utf-8")
    assert study.read_plan(tmp_path).core.reference == study.read_plan(tmp_path).cores[0].id == "Rötz"


def test_folders_whose_names_become_one_are_told_apart_by_numbers_within_the_limits(tmp_path):
    for name in ("a b", "a_b", "a&b", "a-b-2", "x" * 90, "x" * 91):
        phantoms.write(phantoms.make("sandy", shape=(4, 32, 32)), tmp_path / "scans" / name)
    study.write_plan(tmp_path / "study", study.draft_plan(tmp_path / "study", tmp_path / "scans"))
    ids = [core.id for core in study.read_plan(tmp_path / "study").cores]
    assert ids == ["a-b", "a-b-2", "a-b-2-2", "a_b", "x" * 80, "x" * 78 + "-2"]


def test_a_whole_study_of_cores_called_in_other_scripts(tmp_path):
    """24. Paths with ... umlauts, CJK -> same result as ASCII; letters the figures' font lacks neither warn nor fail."""
    names = ("Müller", "森林")
    for name in names:
        phantoms.write(phantoms.make("sandy", shape=(12, 40, 40)), tmp_path / "scans" / name)
    plan = study.draft_plan(tmp_path / "study", tmp_path / "scans")
    assert [core.id for core in plan.cores] == list(names)
    plan = plan.model_copy(update={"learn": LearnPlan(), "run": RunPlan(workers=1)})
    study.write_plan(tmp_path / "study", plan)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Gg]lyph.*")
        assert study.run(tmp_path / "study").failures == ()
    slices = pd.read_csv(tmp_path / "study" / "tables" / "slices.csv")
    twins = [slices[slices["core"] == name].drop(columns="core").reset_index(drop=True) for name in names]
    pd.testing.assert_frame_equal(*twins)  # one phantom under two names
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    for name in names:
        assert (tmp_path / "study" / "figures" / f"{name}.slices.svg").exists()
        assert f">{name}<" in page
