"""Which models a plan asks for, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from soilscope.structure import target_id
from soilscope.study.plan import Plan, TargetPlan

__all__ = ["ModelPlan", "models", "targets"]


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One model of a study.

    Parameters
    ----------
    name : str
        ``<core>.<target>``, and for a transfer ``<core>.<target>.from-<donor's target>``.
    core : str
        The core it is trained on.
    target : TargetPlan
        What it learns.
    donor : str or None
        Name of the model whose convolutions it keeps.
    """

    name: str
    core: str
    target: TargetPlan
    donor: str | None = None

    @property
    def key(self) -> str:
        """The item that makes it."""
        return f"{'train' if self.donor is None else 'transfer'}:{self.name}"


def targets(plan: Plan) -> dict[str, TargetPlan]:
    """Targets of a plan by their id, such as ``porosity-5+6``; each once, trained ones first."""
    ordered = sorted(plan.learn.targets, key=lambda t: t.transfer_from is not None)
    named: dict[str, TargetPlan] = {}
    for target in ordered:
        named.setdefault(target_id(target.target, target.of), target)
    return named


def models(plan: Plan) -> list[ModelPlan]:
    """All models of a plan: each trained target on each core, then each transfer."""
    trained, transferred = [], []
    for core in plan.cores:
        for target in plan.learn.targets:
            own = target_id(target.target, target.of)
            if target.transfer_from is None:
                trained.append(ModelPlan(f"{core.id}.{own}", core.id, target))
            else:
                donor = plan.learn.donor_of(target)
                origin = target_id(donor.target, donor.of)
                name = f"{core.id}.{own}.from-{origin}"
                transferred.append(ModelPlan(name, core.id, target, f"{core.id}.{origin}"))
    return trained + transferred
