"""``soilscope inspect``: what is in these files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from soilscope.cli.found import Quick, drawn, watching
from soilscope.cli.lengths import Length, spacing
from soilscope.cli.output import Json, Mode, Output, Quiet
from soilscope.errors import SoilscopeError, UsageError

if TYPE_CHECKING:
    from soilscope.findings import Finding
    from soilscope.ingest import Options, SeriesInfo

__all__ = ["register"]

COLUMNS = ("series", "format", "z x y x x voxels", "mm", "units", "usable", "why not")
TAGS = {
    "KVP": "{} kV",
    "XRayTubeCurrent": "{} mA",
    "ConvolutionKernel": "kernel {}",
    "SliceThickness": "slices {} mm thick",
}
"""Technical tags told in words; all of them are in the JSON."""

NOTHING: dict[str, Any] = {"series": [], "skipped": 0, "findings": []}
"""What was found at a path that cannot be looked at."""


def register(app: typer.Typer) -> None:
    """Add ``inspect``."""
    app.command("inspect")(inspect)


def inspect(
    path: Annotated[
        Path, typer.Argument(help="A scan file, an archive, or a folder.", readable=False, show_default=False)
    ],
    spacing_mm: Annotated[
        str | None, typer.Option(help="Voxel spacing in mm where the files say none.", metavar="DZ,DY,DX")
    ] = None,
    units: Annotated[
        Literal["HU", "grey"] | None, typer.Option(help="What the values are, where the files do not say.")
    ] = None,
    on_gap: Annotated[
        Literal["refuse", "mark"],
        typer.Option(help="Refuse a scan with slices missing, or keep masked planes in their place."),
    ] = "refuse",
    series: Annotated[str | None, typer.Option(help="Which series --montage and --core show.", metavar="ID")] = None,
    montage: Annotated[
        Path | None,
        typer.Option(
            help="Read one scan, find its core, and draw its slices here (.png, .svg or .pdf).", metavar="FILE"
        ),
    ] = None,
    core: Annotated[
        Path | None,
        typer.Option(
            help="Read the scan too, look for the core in it, and draw what was found: a .png, .svg or .pdf file.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    length_mm: Length = None,
    digests: Annotated[
        Path | None,
        typer.Option(
            help="Keep the digests of all files here, outside the path, so that `init --digests` tells what changed since.",
            metavar="FILE.json",
        ),
    ] = None,
    quick: Quick = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what is in these files: series, geometry, units, findings. Changes nothing.

    Headers tell whether plain voxels are all there; compressed ones are read, to see that they are sound.

    Exit code 3 where nothing at all can be read; with --json the one object then holds an "error" too.
    """
    from soilscope import ingest

    output = Output(Mode.of(as_json, quiet))
    if digests is not None:
        from soilscope import study as studies

        studies.may_hold_digests(digests, path)
    for picture in (montage, core):
        if picture is not None:
            _may_hold(picture, ingest.divided(path)[0])
    stated = ingest.options_of(units, spacing(spacing_mm), on_gap, length_mm=length_mm)
    with _told_beside(output, NOTHING), watching(output) as progress:
        found = ingest.inspect(path, None, stated, progress, pixels=not quick)
    rows = [_row(s) for s in found.series]
    shown = len(COLUMNS) - all(s.usable for s in found.series)
    output.table(str(path), COLUMNS[:shown], [row[:shown] for row in rows])
    for s in found.series:
        if output.mode is not Mode.JSON:
            output.words(f"series {s.id}: {_in_words(s)}")
        output.findings(s.findings)
    output.findings(found.findings)
    value = found.as_dict()
    with _told_beside(output, value):
        if found.refusal is not None:
            raise found.refusal
        if montage is not None:
            told = [f for s in found.series for f in s.findings]
            value["montage"] = _montage((path, series, montage), stated, told, output)
        if core is not None:
            value |= drawn(output, core, (path, series), stated)
        if digests is not None:
            value["digests"] = {"file": str(digests), "files": studies.write_digests(digests, path)}
    usable = sum(s.usable for s in found.series)
    words = (
        f"{len(found.series)} series, {usable} usable, {found.skipped} file{'' if found.skipped == 1 else 's'} skipped"
    )
    output.result(value, words if montage is None else f"{words}\nmontage: {montage}")


@contextlib.contextmanager
def _told_beside(output: Output, value: Mapping[str, Any]) -> Iterator[None]:
    """Turns a refusal into the end of the command, told in one object with what was found until then."""
    try:
        yield
    except SoilscopeError as error:
        output.refused(error, value)
        raise typer.Exit(error.exit_code) from None


def _may_hold(picture: Path, path: Path) -> None:
    """Refuse a picture among the scan's own files, where the next look would take it for one of them.

    Raises
    ------
    UsageError
        Code ``picture-place``.
    """
    if picture.absolute().resolve().is_relative_to(path.absolute().resolve()):
        text = f"{picture} lies in {path.name}, where inspect changes nothing; name a file elsewhere."
        raise UsageError("picture-place", text, [picture])


def _row(s: SeriesInfo) -> tuple[str, ...]:
    return (
        s.id,
        s.format,
        " x ".join(map(str, s.shape)) if s.shape else "?",
        " x ".join(f"{length:.4g}" for length in s.spacing_mm) if s.spacing_mm else "?",
        s.units or "?",
        "yes" if s.usable else "no",
        "" if s.refusal is None else s.refusal.code,
    )


def _in_words(s: SeriesInfo) -> str:
    """Size, values and scanner in sentences."""
    if s.objects and not s.shape and s.refusal is not None:
        return f"{s.objects} object{'' if s.objects == 1 else 's'} in {s.format}, {s.kind}: not a scan."
    kind = (
        "a scan"
        if s.is_scan
        else f"no scan of a core by itself ({s.kind or 'a scout, a screenshot or data beside a scan'})"
    )
    values = "its values in HU" if s.units == "HU" else "its values grey values, not HU"
    if s.refusal is not None:
        values = f"which cannot be read ({s.refusal.code}, below)"
    said = [f"{kind} in {s.format}, {values}."]
    if s.shape:
        z, y, x = s.shape
        said.append(f"{z} slice{'' if z == 1 else 's'} of {y} x {x} pixels.")
        if s.spacing_mm:
            dz, dy, dx = s.spacing_mm
            high, wide, across = z * dz, y * dy, x * dx
            said.append(
                f"Slices lie {dz:.4g} mm apart, pixels are {dy:.4g} x {dx:.4g} mm: {high:.4g} mm high, {wide:.4g} x {across:.4g} "
                "mm wide."
            )
        elif s.refusal is not None and s.refusal.code == "spacing-missing":
            said.append("How large a voxel is, the files do not say.")
    if scanner := _scanner(s.tags):
        said.append(f"Scanner: {scanner}.")
    if s.id_tags:
        said.append(f"Tags that could name the core (`init --id-from TAG`; not shown): {', '.join(s.id_tags)}.")
    return " ".join(said)


def _scanner(tags: Mapping[str, Any]) -> str:
    """What matters of the scanner: its name, the tube voltage and current, the kernel."""
    words = [str(tags[name]) for name in ("Manufacturer", "ManufacturerModelName") if tags.get(name, "None") != "None"]
    parts = [" ".join(words)] if words else []
    for name, text in TAGS.items():
        if name in tags:
            value = tags[name]
            parts.append(text.format(f"{value:g}" if isinstance(value, float) else value))
    return ", ".join(parts)


def _montage(
    what: tuple[Path, str | None, Path], stated: Options, told: Sequence[Finding], output: Output
) -> dict[str, Any]:
    """Draw one scan; what the headers had told already is not told again."""
    from soilscope import study as studies

    path, series, to = what
    seen = studies.preview(path, stated, series)
    digest = studies.save_preview(seen, to)
    if output.mode is not Mode.JSON:
        output.words(f"read {seen.series}: {seen.in_words()}")
    output.findings([f for f in seen.findings if f not in told])
    return {"file": str(to), "digest": digest, **seen.as_dict()}
