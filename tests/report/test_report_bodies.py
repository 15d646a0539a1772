"""Pores, objects, fine earth and masses in the report: key figures from the tables, and what they do not show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from made_up_results import results

from soilscope.report import document, render
from soilscope.report.bodies import objects_compared, objects_part, soil_mm3
from soilscope.report.earth import fine_earth_part, masses_part
from soilscope.report.pores import air_at_most, diameter_of_share, pores_part
from soilscope.structure import ObjectKind
from soilscope.structure.pore_sizes import sizes_of
from soilscope.structure.retention import diameter_at_suction, retention_of

STONES = ObjectKind("stones", (5,), at_least_mm3=4.19)
ROOTS = ObjectKind("roots", (2,), "tubes", at_least_mm=1.0)
NAMES = {"1": "air", "2": "organic", "5": "stone"}


def named(frame: pd.DataFrame, core: str) -> pd.DataFrame:
    return frame.assign(core=core, name="air", **{"class": "1"})


def pores(step: float, core: str = "a") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Diameters from 1 to 9.5 steps, as many voxels of each half step, in a window ten times their number."""
    diameters = np.arange(1.0, 9.6, 0.5, dtype=np.float32) * np.float32(step)
    held, window, spacing = (diameters, np.full(len(diameters), 10)), 10 * 10 * len(diameters), (step, step, step)
    sizes = sizes_of(held, window, spacing).frame()
    return named(sizes, core), named(retention_of(held, window, spacing), core)


def rows_of(part) -> dict[str, tuple]:
    return {str(row[0]): row[1:] for row in part.table.rows}


def test_the_median_diameter_of_pores_is_read_between_class_edges():
    """Eighteen diameters spread evenly over 1 to 10 steps: half of the volume lies under 5.5 steps."""
    sizes, water = pores(0.35)
    assert np.isclose(diameter_of_share(sizes, 0.5), 5.5 * 0.35)
    rows = rows_of(pores_part("a", sizes, water, 0.7))
    assert np.isclose(rows["d50"][0], 5.5 * 0.35)
    assert np.isclose(rows["imaged pores"][0], 0.1)
    assert np.isclose(rows["places under two voxels"][0], 2 / 18)


def test_a_medical_scan_reads_neither_air_capacity_nor_plant_available_water():
    """Pores of 0.05 mm lie far below its voxels: no number stands there, and the reason does."""
    part = pores_part("a", *pores(0.35), 0.7)
    rows = rows_of(part)
    for name in ("air capacity", "plant-available water"):
        assert rows[name][0] is None
        assert "not seen here" in rows[name][2]
    assert "pF 0.6" in rows["air, at most"][2]  # 2.97 cm mm / 0.7 mm = 4.2 cm
    assert "no total porosity" in part.text[0]


def test_a_fine_scan_reads_air_capacity_as_what_is_wider_than_50_micrometres():
    """With voxels of 10 µm, nine of eighteen diameters are 5.5 voxels and more: half of a tenth, and what is between on a line."""
    sizes, water = pores(0.01)
    rows = rows_of(pores_part("a", sizes, water, 0.02))
    assert np.isclose(rows["air capacity"][0], 0.1 * 10 / 18)  # 5.0 voxels belong to it
    assert rows["plant-available water"][0] is None
    assert air_at_most(water, diameter_at_suction(1e6)) is None


def test_pores_that_are_not_there_are_a_sentence_and_no_figure():
    """Nothing left after small clusters were removed is told as such: neither an error nor an empty picture."""
    empty = named(sizes_of((np.zeros(0, np.float32), None), 100, (0.3, 0.3, 0.3)).frame(), "a")
    part = pores_part("a", empty, None, 0.6)
    assert part.pictures == ()
    assert "No pore was left" in part.text[0]
    assert rows_of(part)["imaged pores"][0] == 0.0
    no_wall = pores_part("a", empty.assign(fraction=np.nan, finer=np.nan), None, 0.6)
    assert "no wall" in no_wall.text[0]
    assert pores_part("b", empty, None, 0.6) is None
    assert pores_part("a", None, None, 0.6) is None


def objects(core: str) -> pd.DataFrame:
    diameter = np.array([4.0, 2.0, 3.0])
    return pd.DataFrame(
        {
            "core": core, "kind": "stones", "class": "5", "volume_mm3": np.pi / 6 * diameter**3, "diameter_mm": diameter,
            "length_mm": [9.0, 2.0, 3.0], "width_mm": [1.5, 1.0, 1.25],
            "touches_border": [True, False, False], "skeleton_mm": np.nan,
        }
    )  # fmt: skip


def test_objects_have_a_row_a_kind_and_a_kind_that_was_not_found_says_0():
    """Looked for and not found is a result; what was not looked for has no row."""
    core = replace(results().cores[0], name="a")
    part = objects_part(core, objects("a"), (STONES, ROOTS), NAMES)
    titles = [column.title for column in part.table.columns]
    stones, roots = (dict(zip(titles, row, strict=True)) for row in part.table.rows)
    assert (stones["objects"], stones["cut off"], stones["class"]) == (3, 1, "5 stone")
    assert (stones["median diameter"], stones["largest"], stones["median width"], stones["longest"]) == (
        3.0,
        4.0,
        1.25,
        9.0,
    )
    assert np.isclose(stones["of the soil"], np.pi / 6 * 99 / soil_mm3(core))
    assert stones["lines"] is None
    assert (roots["objects"], roots["largest"]) == (0, None)
    assert "at least 1 mm in diameter" in part.text[0]
    assert objects_part(core, None, (STONES,), NAMES) is None
    assert objects_part(core, objects("a"), (), NAMES) is None


def test_tubes_have_the_length_of_their_middle_lines_and_its_density():
    """Lengths of objects sum up; the density is that of the table of lengths."""
    core = replace(results().cores[0], name="a")
    found = objects("a").assign(kind="roots", skeleton_mm=[10.0, 5.0, 2.5], **{"class": "2"})
    lengths = pd.DataFrame({"core": "a", "kind": "roots", "length_density": [0.01, 0.02, np.float64(0.0)]})
    row = objects_part(core, found, (ROOTS,), NAMES, lengths).table.rows[0]
    assert row[-2] == 17.5
    assert np.isclose(row[-1], 0.03)


def test_objects_of_all_cores_stand_side_by_side_on_their_volume_of_soil():
    """Numbers of cores of different size are compared for each cm³."""
    cores = [replace(results().cores[0], name=name) for name in "ab"]
    table = objects_compared(cores, objects("a"), (STONES,), NAMES)
    assert [row[:3] for row in table.rows] == [("stones", "a", 3), ("stones", "b", 0)]
    assert np.isclose(table.rows[0][3], 3 / soil_mm3(cores[0]) * 1000)
    assert objects_compared(cores[:1], objects("a"), (STONES,), NAMES) is None


def test_fine_earth_and_masses_are_told_where_they_were_taken():
    """Shares of the fine earth as in their table; masses and volumes summed over slices."""
    earth = pd.DataFrame(
        {"core": "a", "class": ["1", "5"], "name": ["air", "stone"], "stone_fraction": 0.2, "fraction": [0.08, 0.2],
         "fine_earth_fraction": [0.1, 0.0]}
    )  # fmt: skip
    part = fine_earth_part("a", earth, 4.19)
    assert part.table.rows[0] == ("1", "air", 0.08, 0.1)
    assert "at least 4.19 mm³ take 0.2 of a" in part.table.caption
    mass = pd.DataFrame({"core": "a", "class": "1", "name": "sand", "volume_cm3": [1.0, 3.0], "mass_g": [2.0, 8.0]})
    assert masses_part("a", mass).table.rows == (("1", "sand", 4.0, 10.0, 2.5),)
    assert masses_part("a", mass.drop(columns="mass_g")) is None
    assert (fine_earth_part("b", earth, None), masses_part("b", mass)) == (None, None)


def test_the_page_has_a_part_for_what_was_measured_and_none_for_what_was_not():
    """No empty section; each part names its table; methods say the rule and cite it."""
    given = results()
    name = given.cores[0].name
    sizes, water = pores(0.35, name)
    more = replace(given, kinds=(STONES, ROOTS), objects=objects(name), pore_sizes=sizes, retention=water)
    page, without = render(document(more)), render(document(given))
    for words in (
        "Pores and water",
        "tables/pore_sizes.csv",
        "tables/retention.csv",
        "tables/objects.csv",
        "Sato et al. 1998",
    ):
        assert words in page
        assert words not in without
    assert page.count("<h4>Pores and water</h4>") == 1
    assert page.count("<h4>Objects</h4>") == len(given.cores)
    assert "Stones and fine earth" not in page
    assert "stones 0 to 3 (up to 4.0 mm)" in page
