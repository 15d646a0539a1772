"""A study: one plan file, what is done by digest, and a run that does what is missing."""

from soilscope.study.draft import Asked, Draft, draft, draft_plan
from soilscope.study.inputs import accept_inputs, begin, keep_inputs
from soilscope.study.inspected import check_digests, may_hold_digests, write_digests
from soilscope.study.items import STEPS
from soilscope.study.plan import PLAN_FILE, Plan, read_plan
from soilscope.study.preview import Preview, preview, save_preview
from soilscope.study.run import Summary, outlook, run, steps_until
from soilscope.study.verify import verify
from soilscope.study.work import Failure, Watcher
from soilscope.study.write import write_plan

__all__ = [
    "PLAN_FILE",
    "STEPS",
    "Asked",
    "Draft",
    "Failure",
    "Plan",
    "Preview",
    "Summary",
    "Watcher",
    "accept_inputs",
    "begin",
    "check_digests",
    "draft",
    "draft_plan",
    "keep_inputs",
    "may_hold_digests",
    "outlook",
    "preview",
    "read_plan",
    "run",
    "save_preview",
    "steps_until",
    "verify",
    "write_digests",
    "write_plan",
]
